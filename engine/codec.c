/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/codec.h"

#include <string.h>

drae__codec drae__codec_reader(const uint8_t *from, size_t n_bytes, drae__err *err) {
    drae__codec c = {.from = from, .n_bytes = n_bytes, .status = DRAE_OK, .err = err};
    return c;
}

drae__codec drae__codec_writer(uint8_t *to, size_t n_bytes, drae__err *err) {
    drae__codec c = {.to = to, .n_bytes = n_bytes, .status = DRAE_OK, .err = err};
    return c;
}

/* Offset of the next n_bytes; false when a field failed before or does not fit. */
static bool take(drae__codec *c, size_t n_bytes, size_t *at) {
    if (c->status != DRAE_OK) {
        return false;
    }
    if (n_bytes > c->n_bytes - c->at) {
        c->status =
            drae__fail(c->err, DRAE_ERROR_FILE, "a record of %zu bytes is too short", c->n_bytes);
        return false;
    }
    *at = c->at;
    c->at += n_bytes;
    return true;
}

static void number(drae__codec *c, uint64_t *value, size_t n_bytes) {
    size_t at;
    if (!take(c, n_bytes, &at)) {
        return;
    }
    if (c->to == NULL) {
        *value = 0;
    }
    for (size_t i = 0; i < n_bytes; i++) {
        if (c->to != NULL) {
            c->to[at + i] = (uint8_t)(*value >> (8 * i));
        } else {
            *value |= (uint64_t)c->from[at + i] << (8 * i);
        }
    }
}

void drae__codec_u32(drae__codec *c, uint32_t *value) {
    uint64_t v = *value;
    number(c, &v, 4);
    *value = (uint32_t)v;
}

void drae__codec_u64(drae__codec *c, uint64_t *value) {
    number(c, value, 8);
}

void drae__codec_i64(drae__codec *c, int64_t *value) {
    uint64_t v = (uint64_t)*value;
    number(c, &v, 8);
    memcpy(value, &v, sizeof v);
}

#define QUIET_F32 0x7fc00000u
#define QUIET_F64 0x7ff8000000000000u

static void refuse_nan(drae__codec *c) {
    if (c->status == DRAE_OK) {
        c->status = drae__fail(c->err, DRAE_ERROR_FILE,
                               "a number at byte %zu is not a number, in a form of its own", c->at);
    }
}

void drae__codec_f32(drae__codec *c, float *value) {
    uint32_t bits;
    memcpy(&bits, value, sizeof bits);
    if (*value != *value) {
        bits = QUIET_F32;
    }
    drae__codec_u32(c, &bits);
    memcpy(value, &bits, sizeof bits);
    if (*value != *value && bits != QUIET_F32) {
        refuse_nan(c);
    }
}

void drae__codec_f64(drae__codec *c, double *value) {
    uint64_t bits;
    memcpy(&bits, value, sizeof bits);
    if (*value != *value) {
        bits = QUIET_F64;
    }
    number(c, &bits, 8);
    memcpy(value, &bits, sizeof bits);
    if (*value != *value && bits != QUIET_F64) {
        refuse_nan(c);
    }
}

void drae__codec_int(drae__codec *c, int *value, int least, int greatest, const char *what) {
    uint32_t v = (uint32_t)*value;
    drae__codec_u32(c, &v);
    if (c->status != DRAE_OK) {
        return;
    }
    if ((int64_t)v < least || (int64_t)v > greatest) {
        c->status = drae__fail(c->err, DRAE_ERROR_FILE, "%s is %u, must be %d..%d", what, v, least,
                               greatest);
        return;
    }
    *value = (int)v;
}

void drae__codec_u32_max(drae__codec *c, uint32_t *value, uint32_t greatest, const char *what) {
    uint32_t v = *value;
    drae__codec_u32(c, &v);
    if (c->status == DRAE_OK && v > greatest) {
        c->status =
            drae__fail(c->err, DRAE_ERROR_FILE, "%s is %u, must be at most %u", what, v, greatest);
        return;
    }
    *value = v;
}

void drae__codec_bytes_max(drae__codec *c, uint8_t *bytes, size_t n_bytes, uint8_t greatest,
                           const char *what) {
    size_t at;
    if (!take(c, n_bytes, &at)) {
        return;
    }
    for (size_t i = 0; i < n_bytes; i++) {
        uint8_t v = c->to != NULL ? bytes[i] : c->from[at + i];
        if (v > greatest) {
            c->status = drae__fail(c->err, DRAE_ERROR_FILE, "%s is %u, must be at most %u", what, v,
                                   greatest);
            return;
        }
        *(c->to != NULL ? c->to + at + i : bytes + i) = v;
    }
}

void drae__codec_u64_is(drae__codec *c, uint64_t value, const char *what) {
    uint64_t v = value;
    number(c, &v, 8);
    if (c->status == DRAE_OK && v != value) {
        c->status = drae__fail(c->err, DRAE_ERROR_FILE, "%s: %llu, must be %llu", what,
                               (unsigned long long)v, (unsigned long long)value);
    }
}

void drae__codec_u32_is(drae__codec *c, uint32_t value, const char *what) {
    uint64_t v = value;
    number(c, &v, 4);
    if (c->status == DRAE_OK && v != value) {
        c->status = drae__fail(c->err, DRAE_ERROR_FILE, "%s: %llu, must be %u", what,
                               (unsigned long long)v, value);
    }
}

void drae__codec_constant(drae__codec *c, const uint8_t *bytes, size_t n_bytes) {
    size_t at;
    if (!take(c, n_bytes, &at)) {
        return;
    }
    if (c->to != NULL) {
        memcpy(c->to + at, bytes, n_bytes);
    } else if (memcmp(c->from + at, bytes, n_bytes) != 0) {
        c->status = drae__fail(c->err, DRAE_ERROR_FILE, "wrong signature");
    }
}

void drae__codec_text(drae__codec *c, char *text, size_t n_bytes, const char *what) {
    size_t at;
    if (!take(c, n_bytes, &at)) {
        return;
    }
    size_t length = strnlen(c->to != NULL ? text : (const char *)(c->from + at), n_bytes);
    bool good = length < n_bytes;
    for (size_t i = 0; i < n_bytes && good; i++) {
        int byte = c->to != NULL ? (i < length ? text[i] : 0) : c->from[at + i];
        good = i < length ? byte >= 0x20 && byte < 0x7f : byte == 0;
        if (c->to != NULL) {
            c->to[at + i] = (uint8_t)byte;
        }
    }
    if (!good) {
        c->status = drae__fail(c->err, DRAE_ERROR_FILE, "%s is not a text", what);
    } else if (c->to == NULL) {
        memcpy(text, c->from + at, n_bytes);
    }
}

void drae__codec_zeros(drae__codec *c, size_t end) {
    for (size_t at; c->at < end && take(c, 1, &at);) {
        if (c->to != NULL) {
            c->to[at] = 0;
        } else if (c->from[at] != 0) {
            c->status = drae__fail(c->err, DRAE_ERROR_FILE, "reserved byte %zu is not zero", at);
        }
    }
}
