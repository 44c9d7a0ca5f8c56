/* SPDX-License-Identifier: Apache-2.0 */
/* SHA-256 (FIPS 180-4): identity and checksum of engine files, data sets and records. */
#ifndef DRAE_BASE_SHA256_H
#define DRAE_BASE_SHA256_H

#include <stddef.h>
#include <stdint.h>

typedef struct drae__sha256 {
    uint32_t state[8];
    uint64_t n_bytes;
    uint8_t block[64];
} drae__sha256;

void drae__sha256_init(drae__sha256 *hash);
void drae__sha256_update(drae__sha256 *hash, const void *data, size_t n_bytes);
void drae__sha256_final(drae__sha256 *hash, uint8_t digest[32]);

/* digest as 64 lower-case hexadecimal digits and a terminator. */
void drae__sha256_hex(const uint8_t digest[32], char hex[65]);

#endif
