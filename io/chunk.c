/* SPDX-License-Identifier: Apache-2.0 */
#include "io/chunk.h"

#include <string.h>
#include <zlib.h>

#define CHECKSUM_BYTES 4u
/* Words that can be added before a 32-bit sum of sums overflows (same bound as HDF5's). */
#define WORDS_PER_FOLD 360u

uint32_t drae__chunk_fletcher32(const uint8_t *data, size_t n_bytes) {
    uint32_t sum1 = 0;
    uint32_t sum2 = 0;
    size_t words = n_bytes / 2;
    while (words > 0) {
        size_t n = words < WORDS_PER_FOLD ? words : WORDS_PER_FOLD;
        words -= n;
        for (; n > 0; n--, data += 2) {
            sum1 += (uint32_t)data[0] << 8 | data[1];
            sum2 += sum1;
        }
        sum1 = (sum1 & 0xffffu) + (sum1 >> 16);
        sum2 = (sum2 & 0xffffu) + (sum2 >> 16);
    }
    if (n_bytes % 2 != 0) {
        sum1 += (uint32_t)data[0] << 8;
        sum2 += sum1;
        sum1 = (sum1 & 0xffffu) + (sum1 >> 16);
        sum2 = (sum2 & 0xffffu) + (sum2 >> 16);
    }
    sum1 = (sum1 & 0xffffu) + (sum1 >> 16);
    sum2 = (sum2 & 0xffffu) + (sum2 >> 16);
    return sum2 << 16 | sum1;
}

/* Inflates; *n_dst is the room before and the length after. */
static bool inflate_all(const uint8_t *src, size_t n_src, uint8_t *dst, size_t *n_dst) {
    z_stream z;
    memset(&z, 0, sizeof z);
    if (n_src > UINT32_MAX || *n_dst > UINT32_MAX || inflateInit(&z) != Z_OK) {
        return false;
    }
    z.next_in = (z_const Bytef *)src;
    z.avail_in = (uInt)n_src;
    z.next_out = dst;
    z.avail_out = (uInt)*n_dst;
    int result = inflate(&z, Z_FINISH);
    *n_dst -= z.avail_out;
    (void)inflateEnd(&z);
    return result == Z_STREAM_END;
}

/* HDF5 stores the checksum little-endian behind the data. */
static bool checksum_holds(const uint8_t *data, size_t n_bytes) {
    if (n_bytes < CHECKSUM_BYTES) {
        return false;
    }
    const uint8_t *at = data + n_bytes - CHECKSUM_BYTES;
    uint32_t stored = at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
    return stored == drae__chunk_fletcher32(data, n_bytes - CHECKSUM_BYTES);
}

bool drae__chunk_decode(const uint32_t *filters, uint32_t n_filters, uint32_t mask,
                        const uint8_t *src, size_t n_src, uint8_t *dst, size_t n_dst,
                        uint8_t *spare) {
    bool inflated = false;
    for (uint32_t i = n_filters; i-- > 0;) {
        if ((mask >> i & 1u) != 0 || filters[i] == DRAE__FILTER_SHUFFLE) {
            continue;
        }
        if (filters[i] == DRAE__FILTER_FLETCHER32) {
            if (!checksum_holds(src, n_src)) {
                return false;
            }
            n_src -= CHECKSUM_BYTES;
        } else if (filters[i] == DRAE__FILTER_DEFLATE && !inflated) {
            size_t room = n_dst + 64;
            if (!inflate_all(src, n_src, spare, &room)) {
                return false;
            }
            src = spare;
            n_src = room;
            inflated = true;
        } else {
            return false;
        }
    }
    if (n_src != n_dst) {
        return false;
    }
    memcpy(dst, src, n_dst);
    return true;
}
