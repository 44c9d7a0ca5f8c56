/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Elementwise operations in f32, bound by memory: blocks of PIECE elements over the threads, plain
 * vectorised loops inside. dst may alias src, hence `omp simd` and no restrict.
 */
#include "kernels/pointwise.h"

#include "kernels/cpu/isa.h"

#include <stdint.h>
#include <string.h>

#define PIECE 16384

static size_t piece_at(size_t n, size_t i) {
    return n - i < PIECE ? n - i : PIECE;
}

/* ---- LeakyReLU ---- */

DRAE__BODY void leaky_fwd_body(size_t n, float slope, const float *src, float *dst) {
#pragma omp simd
    for (size_t i = 0; i < n; i++) {
        dst[i] = src[i] > 0.0f ? src[i] : slope * src[i];
    }
}
DRAE__CLONES(leaky_fwd, (size_t n, float slope, const float *src, float *dst), (n, slope, src, dst))

void drae__cpu_leaky_fwd(size_t n, float slope, const float *src, float *dst) {
#pragma omp parallel for schedule(static) if (n > PIECE)
    for (size_t i = 0; i < n; i += PIECE) {
        leaky_fwd(piece_at(n, i), slope, src + i, dst + i);
    }
}

DRAE__BODY void leaky_bwd_body(size_t n, float slope, const float *src, const float *ddst,
                               float *dsrc) {
#pragma omp simd
    for (size_t i = 0; i < n; i++) {
        dsrc[i] = src[i] > 0.0f ? ddst[i] : slope * ddst[i];
    }
}
DRAE__CLONES(leaky_bwd, (size_t n, float slope, const float *src, const float *ddst, float *dsrc),
             (n, slope, src, ddst, dsrc))

void drae__cpu_leaky_bwd(size_t n, float slope, const float *src, const float *ddst, float *dsrc) {
#pragma omp parallel for schedule(static) if (n > PIECE)
    for (size_t i = 0; i < n; i += PIECE) {
        leaky_bwd(piece_at(n, i), slope, src + i, ddst + i, dsrc + i);
    }
}

/* ---- sigmoid ---- */

/* exp(-|x|) = 2^k e^r with k = round(-|x| log2 e), |r| <= ln 2 / 2, e^r by its Taylor polynomial of
 * degree 7 (truncation below 5e-9 relative). ln 2 is split so that k * LN2_HI is exact. Arguments
 * are clamped at -87: below, the result is a denormal that the sigmoid cannot tell from 0 within
 * its bound. The sigmoid of a positive x is 1 - that of -x, so no rounding error is amplified. */
#define LOG2E  1.44269504088896341f
#define LN2_HI 0.693359375f
#define LN2_LO -2.12194440e-4f
#define ROUNDER                                                                                    \
    12582912.0f /* 1.5 * 2^23: adding it rounds to an integer in the low mantissa bits */

DRAE__BODY float sigmoid_of(float x) {
    float a = x > 0.0f ? -x : x;
    float t = a > -87.0f ? a : -87.0f; /* NaN too */
    float shifted = t * LOG2E + ROUNDER;
    float k = shifted - ROUNDER;
    float r = (t - k * LN2_HI) - k * LN2_LO;
    float p = 1.0f / 5040.0f;
    p = p * r + 1.0f / 720.0f;
    p = p * r + 1.0f / 120.0f;
    p = p * r + 1.0f / 24.0f;
    p = p * r + 1.0f / 6.0f;
    p = p * r + 0.5f;
    p = p * r + 1.0f;
    p = p * r + 1.0f;
    int32_t exponent = (int32_t)k + 127;
    int32_t bits = (int32_t)((uint32_t)exponent << 23);
    float scale;
    memcpy(&scale, &bits, sizeof scale);
    float e = p * scale;
    float small = e / (1.0f + e);
    float result = x > 0.0f ? 1.0f - small : small;
    return x != x ? x : result; /* NaN stays NaN: training looks for it */
}

DRAE__BODY void sigmoid_fwd_body(size_t n, const float *src, float *dst) {
#pragma omp simd
    for (size_t i = 0; i < n; i++) {
        dst[i] = sigmoid_of(src[i]);
    }
}
DRAE__CLONES(sigmoid_fwd, (size_t n, const float *src, float *dst), (n, src, dst))

void drae__cpu_sigmoid_fwd(size_t n, const float *src, float *dst) {
#pragma omp parallel for schedule(static) if (n > PIECE)
    for (size_t i = 0; i < n; i += PIECE) {
        sigmoid_fwd(piece_at(n, i), src + i, dst + i);
    }
}

DRAE__BODY void sigmoid_bwd_body(size_t n, float least, const float *dst, const float *ddst,
                                 float *dsrc) {
#pragma omp simd
    for (size_t i = 0; i < n; i++) {
        float slope = dst[i] * (1.0f - dst[i]);
        dsrc[i] = ddst[i] * (slope < least ? least : slope);
    }
}
DRAE__CLONES(sigmoid_bwd, (size_t n, float least, const float *dst, const float *ddst, float *dsrc),
             (n, least, dst, ddst, dsrc))

void drae__cpu_sigmoid_bwd(size_t n, float least, const float *dst, const float *ddst,
                           float *dsrc) {
#pragma omp parallel for schedule(static) if (n > PIECE)
    for (size_t i = 0; i < n; i += PIECE) {
        sigmoid_bwd(piece_at(n, i), least, dst + i, ddst + i, dsrc + i);
    }
}

/* ---- add, conversion ---- */

DRAE__BODY void add_body(size_t n, const float *a, const float *b, float *dst) {
#pragma omp simd
    for (size_t i = 0; i < n; i++) {
        dst[i] = a[i] + b[i];
    }
}
DRAE__CLONES(add, (size_t n, const float *a, const float *b, float *dst), (n, a, b, dst))

void drae__cpu_add(size_t n, const float *a, const float *b, float *dst) {
#pragma omp parallel for schedule(static) if (n > PIECE)
    for (size_t i = 0; i < n; i += PIECE) {
        add(piece_at(n, i), a + i, b + i, dst + i);
    }
}

DRAE__BODY void from_u8_body(size_t n, const unsigned char *src, float *dst) {
#pragma omp simd
    for (size_t i = 0; i < n; i++) {
        dst[i] = (float)src[i] / 255.0f;
    }
}
DRAE__CLONES(from_u8, (size_t n, const unsigned char *src, float *dst), (n, src, dst))

void drae__cpu_from_u8(size_t n, const unsigned char *src, float *dst) {
#pragma omp parallel for schedule(static) if (n > PIECE)
    for (size_t i = 0; i < n; i += PIECE) {
        from_u8(piece_at(n, i), src + i, dst + i);
    }
}
