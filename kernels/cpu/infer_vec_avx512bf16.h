/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Vectors of inference: AVX-512 with AVX512-BF16, 16 elements of two channels in bf16, the even
 * channel in the lower half. Included by one file, which is compiled for it.
 */
#ifndef DRAE_KERNELS_CPU_INFER_VEC_AVX512BF16_H
#define DRAE_KERNELS_CPU_INFER_VEC_AVX512BF16_H

#include "kernels/cpu/infer_vec_avx512.h"

#define PAIRS 1

/* *acc += a's odd channel times b's, then the even ones, each rounded: VDPBF16PS. In place for the
 * reason of vf_acc. */
static inline __attribute__((always_inline)) void vf_product(vf *acc, vf a, vf b) {
    __asm__("vdpbf16ps %2, %1, %0" : "+v"(*acc) : "v"(a), "v"(b));
}

static inline vf vf_of_low(vf both) {
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_castps_si512(both), 16));
}

static inline vf vf_of_high(vf both) {
    return _mm512_castsi512_ps(
        _mm512_and_si512(_mm512_castps_si512(both), _mm512_set1_epi32((int)0xffff0000u)));
}

/* Both rounded to bf16: to nearest, ties to even, what is below the normal numbers to zero. */
static inline vf vf_pack(vf even, vf odd) {
    const __m512i pairs =
        _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22, 6,
                         21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
    const __m512i halves = (__m512i)_mm512_cvtne2ps_pbh(odd, even);
    return _mm512_castsi512_ps(_mm512_permutexvar_epi16(pairs, halves));
}

#endif
