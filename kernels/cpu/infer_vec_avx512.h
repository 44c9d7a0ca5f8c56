/* SPDX-License-Identifier: Apache-2.0 */
/* Vectors of inference: AVX-512, 16 floats. Included by one file, which is compiled for it. */
#ifndef DRAE_KERNELS_CPU_INFER_VEC_AVX512_H
#define DRAE_KERNELS_CPU_INFER_VEC_AVX512_H

#include <immintrin.h>
#include <stdbool.h>
#include <stdint.h>

#define VL 16

typedef __m512 vf;
typedef int32_t vi __attribute__((vector_size(64)));
typedef float vf_u __attribute__((vector_size(64), aligned(4), may_alias));

/* Tiles: output channels x vectors of pixels, accumulators that fit in 32 registers. */
#define CO  8
#define NV  3
#define COT 4 /* transposed: times two columns of output */
#define NVT 3
#define NVO 6 /* last layer */
#define NP  6 /* dense: rows x vectors */
#define NVD 4

static inline vf vf_fma(vf a, vf b, vf c) {
    return _mm512_fmadd_ps(a, b, c);
}

/*
 * *acc += a b, in place. GCC 12 otherwise lets accumulators wander into the registers of a and b
 * (the 132 and 213 forms), runs out of registers and spills in the inner loop: 110 instead of 160
 * GFLOP/s at 16 channels.
 */
static inline __attribute__((always_inline)) void vf_acc(vf *acc, vf a, vf b) {
    __asm__("vfmadd231ps %2, %1, %0" : "+v"(*acc) : "v"(a), "v"(b));
}

/* Second operand where either is not a number, so that NaN in b is kept. */
static inline vf vf_max(vf a, vf b) {
    return _mm512_max_ps(a, b);
}

static inline vf vf_min(vf a, vf b) {
    return _mm512_min_ps(a, b);
}

static inline vf vf_set(float a) {
    return _mm512_set1_ps(a);
}

/* Elements 0, 2, .. 30 of the 32 floats at p. */
static inline vf vf_load_even(const float *p) {
    const __m512i even =
        _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
    return _mm512_permutex2var_ps(_mm512_loadu_ps(p), even, _mm512_loadu_ps(p + 16));
}

/* The columns that windows of stride 2 meet: of the 32 floats at p those before the even ones, the
 * even ones, the odd ones. */
static inline void vf_load_columns(const float *p, vf columns[3]) {
    const __m512i odd =
        _mm512_setr_epi32(1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31);
    const vf lo = _mm512_loadu_ps(p), hi = _mm512_loadu_ps(p + VL);
    columns[1] = vf_load_even(p);
    columns[2] = _mm512_permutex2var_ps(lo, odd, hi);
    columns[0] = _mm512_castsi512_ps(_mm512_alignr_epi32(
        _mm512_castps_si512(columns[2]), _mm512_castps_si512(_mm512_set1_ps(p[-1])), 15));
}

/* Even and odd elements of a and b, of 2 VL, in an order that vf_pairs_lo and _hi undo: the lanes
 * of every four are 0 1 of a, 0 1 of b. */
static inline vf vf_evens(vf a, vf b) {
    return _mm512_shuffle_ps(a, b, 0x88);
}

static inline vf vf_odds(vf a, vf b) {
    return _mm512_shuffle_ps(a, b, 0xdd);
}

/* The odds of the VL floats at lo and those at hi, each replaced by the one before it, the first by
 * lo[-1]; and the evens, each by the one behind it, the last by hi[VL]. hi is lo + VL, or, narrow,
 * a row of its own: then both rows have zeros at -1 and VL. Loads that cross a line cost twice. */
static inline vf vf_odds_before(vf odds, const float *lo, const float *hi, bool narrow) {
    const __m512i before = _mm512_setr_epi32(16, 0, 13, 2, 1, 4, 3, 6, 5, 8, 7, 10, 9, 12, 11, 14);
    const __m512i apart = _mm512_setr_epi32(16, 0, 16, 2, 1, 4, 3, 6, 5, 8, 7, 10, 9, 12, 11, 14);
    (void)hi;
    return _mm512_permutex2var_ps(odds, narrow ? apart : before,
                                  narrow ? _mm512_setzero_ps() : _mm512_set1_ps(lo[-1]));
}

static inline vf vf_evens_after(vf evens, const float *lo, const float *hi, bool narrow) {
    const __m512i after = _mm512_setr_epi32(1, 4, 3, 6, 5, 8, 7, 10, 9, 12, 11, 14, 13, 2, 15, 16);
    const __m512i apart = _mm512_setr_epi32(1, 4, 3, 6, 5, 8, 7, 10, 9, 12, 11, 14, 13, 16, 15, 16);
    (void)lo;
    return _mm512_permutex2var_ps(evens, narrow ? apart : after,
                                  narrow ? _mm512_setzero_ps() : _mm512_set1_ps(hi[VL]));
}

/* The first and the last VL of the 2 VL elements whose evens and odds these are. */
static inline vf vf_pairs_lo(vf even, vf odd) {
    return _mm512_unpacklo_ps(even, odd);
}

static inline vf vf_pairs_hi(vf even, vf odd) {
    return _mm512_unpackhi_ps(even, odd);
}

/* a0 b0 a1 b1 ...: the first and the last VL of them. */
static inline vf vf_zip_lo(vf a, vf b) {
    const __m512i lo = _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
    return _mm512_permutex2var_ps(a, lo, b);
}

static inline vf vf_zip_hi(vf a, vf b) {
    const __m512i hi =
        _mm512_setr_epi32(8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
    return _mm512_permutex2var_ps(a, hi, b);
}

static inline vf vf_from_u8(const uint8_t *p) {
    return _mm512_cvtepi32_ps(
        _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)(const void *)p)));
}

#endif
