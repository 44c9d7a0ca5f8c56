/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Little-endian fields of a record of fixed size, read or written by the same walk: a function that
 * lists the fields serves both ways, so reader and writer cannot disagree. The first thing that is
 * wrong is kept in status; later calls then do nothing.
 */
#ifndef DRAE_ENGINE_CODEC_H
#define DRAE_ENGINE_CODEC_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct drae__codec {
    uint8_t *to;         /* writing */
    const uint8_t *from; /* reading */
    size_t n_bytes;
    size_t at;
    drae_status status;
    drae__err *err;
} drae__codec;

drae__codec drae__codec_reader(const uint8_t *from, size_t n_bytes, drae__err *err);
drae__codec drae__codec_writer(uint8_t *to, size_t n_bytes, drae__err *err);

void drae__codec_u32(drae__codec *c, uint32_t *value);
void drae__codec_u64(drae__codec *c, uint64_t *value);
void drae__codec_i64(drae__codec *c, int64_t *value);
/* Any NaN is written as the quiet one with no payload, so that equal contents are equal bytes; no
 * other is read. */
void drae__codec_f32(drae__codec *c, float *value);
void drae__codec_f64(drae__codec *c, double *value);

/* Values within bounds; what names the field in the message. */
void drae__codec_int(drae__codec *c, int *value, int least, int greatest, const char *what);
void drae__codec_u32_max(drae__codec *c, uint32_t *value, uint32_t greatest, const char *what);

void drae__codec_bytes_max(drae__codec *c, uint8_t *bytes, size_t n_bytes, uint8_t greatest,
                           const char *what);

/* Values that must be what they are. */
void drae__codec_u32_is(drae__codec *c, uint32_t value, const char *what);
void drae__codec_u64_is(drae__codec *c, uint64_t value, const char *what);
void drae__codec_constant(drae__codec *c, const uint8_t *bytes, size_t n_bytes);

/* A terminated text in a field of n_bytes, printable ASCII, zeros behind it. */
void drae__codec_text(drae__codec *c, char *text, size_t n_bytes, const char *what);

/* Zeros up to offset end. */
void drae__codec_zeros(drae__codec *c, size_t end);

#endif
