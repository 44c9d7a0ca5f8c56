/* SPDX-License-Identifier: Apache-2.0 */
/* Vectors of inference: AVX2 with FMA, 8 floats. Included by one file, which is compiled for it. */
#ifndef DRAE_KERNELS_CPU_INFER_VEC_AVX2_H
#define DRAE_KERNELS_CPU_INFER_VEC_AVX2_H

#include <immintrin.h>
#include <stdbool.h>
#include <stdint.h>

#define VL 8

typedef __m256 vf;
typedef int32_t vi __attribute__((vector_size(32)));
typedef float vf_u __attribute__((vector_size(32), aligned(4), may_alias));

/* Tiles for 16 registers, see infer_vec_avx512.h. */
#define CO  4
#define NV  3
#define NVT 3
#define NVO 6
#define NP  3
#define NVD 4

static inline vf vf_fma(vf a, vf b, vf c) {
    return _mm256_fmadd_ps(a, b, c);
}

static inline __attribute__((always_inline)) void vf_acc(vf *acc, vf a, vf b) {
    __asm__("vfmadd231ps %2, %1, %0" : "+x"(*acc) : "x"(a), "x"(b));
}

static inline vf vf_max(vf a, vf b) {
    return _mm256_max_ps(a, b);
}

static inline vf vf_min(vf a, vf b) {
    return _mm256_min_ps(a, b);
}

static inline vf vf_set(float a) {
    return _mm256_set1_ps(a);
}

static inline vf vf_load_even(const float *p) {
    __m256 pairs = _mm256_shuffle_ps(_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8), 0x88);
    return _mm256_castpd_ps(_mm256_permute4x64_pd(_mm256_castps_pd(pairs), 0xd8));
}

/* The columns that windows of stride 2 meet: of the 16 floats at p those before the even ones, the
 * even ones, the odd ones. */
static inline void vf_load_columns(const float *p, vf columns[3]) {
    for (int i = 0; i < 3; i++) {
        columns[i] = vf_load_even(p - 1 + i);
    }
}

/* Even and odd elements of a and b, of 2 VL, in an order that vf_pairs_lo and _hi undo: the lanes
 * 0 1 4 5 2 3 6 7 of the order of nature. */
static inline vf vf_evens(vf a, vf b) {
    return _mm256_shuffle_ps(a, b, 0x88);
}

static inline vf vf_odds(vf a, vf b) {
    return _mm256_shuffle_ps(a, b, 0xdd);
}

/* The odds of the VL floats at lo and those at hi, each replaced by the one before it, the first by
 * lo[-1]; and the evens, each by the one behind it, the last by hi[VL]. hi is lo + VL, or, narrow,
 * a row of its own: then both rows have zeros at -1 and VL. */
static inline vf vf_odds_before(vf odds, const float *lo, const float *hi, bool narrow) {
    (void)odds;
    (void)narrow;
    return vf_evens(_mm256_loadu_ps(lo - 1), _mm256_loadu_ps(hi - 1));
}

static inline vf vf_evens_after(vf evens, const float *lo, const float *hi, bool narrow) {
    (void)evens;
    (void)narrow;
    return vf_evens(_mm256_loadu_ps(lo + 2), _mm256_loadu_ps(hi + 2));
}

/* The first and the last VL of the 2 VL elements whose evens and odds these are. */
static inline vf vf_pairs_lo(vf even, vf odd) {
    return _mm256_unpacklo_ps(even, odd);
}

static inline vf vf_pairs_hi(vf even, vf odd) {
    return _mm256_unpackhi_ps(even, odd);
}

static inline vf vf_zip_lo(vf a, vf b) {
    return _mm256_permute2f128_ps(_mm256_unpacklo_ps(a, b), _mm256_unpackhi_ps(a, b), 0x20);
}

static inline vf vf_zip_hi(vf a, vf b) {
    return _mm256_permute2f128_ps(_mm256_unpacklo_ps(a, b), _mm256_unpackhi_ps(a, b), 0x31);
}

static inline vf vf_from_u8(const uint8_t *p) {
    return _mm256_cvtepi32_ps(
        _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)(const void *)p)));
}

#endif
