/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Between NHWC rows and planar rows, AVX-512. A planar row holds one image row channel by channel,
 * pixels side by side, so that a vector register is 16 pixels of one channel:
 *
 *     plane 0:  | MARGIN zeros ... x=-1 | x=0 x=1 ... x=w-1 | zeros up to the stride |
 *     plane 1:  ...
 *
 * Neighbours of a pixel are plain unaligned loads, borders are the zeros. Why planar at all: with 8
 * channels an NHWC vector fills half a register, and every product needs a broadcast pixel.
 */
#ifndef DRAE_KERNELS_CPU_PLANAR_H
#define DRAE_KERNELS_CPU_PLANAR_H

#include "kernels/cpu/isa.h"

#include <stddef.h>
#include <string.h>

#define DRAE__PLANAR_MARGIN 16

/* Floats between planes: the margin, w pixels, and a vector that starts at the last tile. */
static inline size_t drae__planar_stride(int w) {
    return (size_t)DRAE__PLANAR_MARGIN + ((size_t)w + 31) / 32 * 32 + 16;
}

#if defined(__x86_64__)
#include <immintrin.h>

#define DRAE__PLANAR_INLINE DRAE__TARGET_AVX512 static inline

/* Loops over an array of registers must vanish, else the array lives in memory. */
#if defined(__clang__)
#define DRAE__UNROLL _Pragma("clang loop unroll(full)")
#else
#define DRAE__UNROLL _Pragma("GCC unroll 32")
#endif

/* Holds a value in a register: the compiler would rather load it again for every use. */
#define DRAE__HOLD(v) __asm__("" : "+v"(v))

/* a[i] = low half of pixel p(i), high half of pixel p(i) + 4, with p = 0..3, 8..11: rows of 8
 * channels. Afterwards a[k] = channel k of pixels 0..15. */
DRAE__PLANAR_INLINE void drae__planar_from_pixels(__m512 a[8]) {
    __m512 t[8], s[8];
    for (int i = 0; i < 8; i += 2) { /* pairs of pixels */
        t[i] = _mm512_unpacklo_ps(a[i], a[i + 1]);
        t[i + 1] = _mm512_unpackhi_ps(a[i], a[i + 1]);
    }
    for (int i = 0; i < 8; i += 4) { /* quadruples: s[i + k] has channels k and k + 4 */
        s[i] = _mm512_shuffle_ps(t[i], t[i + 2], 0x44);
        s[i + 1] = _mm512_shuffle_ps(t[i], t[i + 2], 0xEE);
        s[i + 2] = _mm512_shuffle_ps(t[i + 1], t[i + 3], 0x44);
        s[i + 3] = _mm512_shuffle_ps(t[i + 1], t[i + 3], 0xEE);
    }
    for (int k = 0; k < 4; k++) {
        a[k] = _mm512_shuffle_f32x4(s[k], s[k + 4], 0x88);
        a[k + 4] = _mm512_shuffle_f32x4(s[k], s[k + 4], 0xDD);
    }
}

/* The way back: a[k] = channel k of pixels 0..15 becomes a[2 j] = pixels j (low half) and j + 4,
 * a[2 j + 1] = pixels j + 8 and j + 12, j = 0..3. */
DRAE__PLANAR_INLINE void drae__planar_to_pixels(__m512 a[8]) {
    const __m512i low = _mm512_setr_epi32(0, 1, 2, 3, 16, 17, 18, 19, 4, 5, 6, 7, 20, 21, 22, 23);
    const __m512i high =
        _mm512_setr_epi32(8, 9, 10, 11, 24, 25, 26, 27, 12, 13, 14, 15, 28, 29, 30, 31);
    __m512 t[8], s[8];
    for (int i = 0; i < 8; i += 2) {
        t[i] = _mm512_unpacklo_ps(a[i], a[i + 1]);
        t[i + 1] = _mm512_unpackhi_ps(a[i], a[i + 1]);
    }
    for (int i = 0; i < 8; i += 4) {
        s[i] = _mm512_shuffle_ps(t[i], t[i + 2], 0x44);
        s[i + 1] = _mm512_shuffle_ps(t[i], t[i + 2], 0xEE);
        s[i + 2] = _mm512_shuffle_ps(t[i + 1], t[i + 3], 0x44);
        s[i + 3] = _mm512_shuffle_ps(t[i + 1], t[i + 3], 0xEE);
    }
    for (int j = 0; j < 4; j++) {
        a[2 * j] = _mm512_permutex2var_ps(s[j], low, s[j + 4]);
        a[2 * j + 1] = _mm512_permutex2var_ps(s[j], high, s[j + 4]);
    }
}

DRAE__PLANAR_INLINE __m512 drae__planar_two(const float *low, const float *high) {
    return _mm512_insertf32x8(_mm512_castps256_ps512(_mm256_loadu_ps(low)), _mm256_loadu_ps(high),
                              1);
}

/* 16 pixels, 8 of their c channels, to 8 planes. */
DRAE__PLANAR_INLINE void drae__planar_load16(const float *src, size_t c, float *plane,
                                             size_t stride) {
    __m512 a[8];
    for (size_t i = 0; i < 8; i++) {
        size_t p = i < 4 ? i : i + 4;
        a[i] = drae__planar_two(src + p * c, src + (p + 4) * c);
    }
    drae__planar_from_pixels(a);
    for (size_t k = 0; k < 8; k++) {
        _mm512_storeu_ps(plane + k * stride, a[k]);
    }
}

/* 8 channels of 16 pixels in registers, to NHWC. */
DRAE__PLANAR_INLINE void drae__planar_store16(__m512 a[8], float *dst, size_t c) {
    drae__planar_to_pixels(a);
    for (size_t j = 0; j < 4; j++) {
        _mm256_storeu_ps(dst + j * c, _mm512_castps512_ps256(a[2 * j]));
        _mm256_storeu_ps(dst + (j + 4) * c, _mm512_extractf32x8_ps(a[2 * j], 1));
        _mm256_storeu_ps(dst + (j + 8) * c, _mm512_castps512_ps256(a[2 * j + 1]));
        _mm256_storeu_ps(dst + (j + 12) * c, _mm512_extractf32x8_ps(a[2 * j + 1], 1));
    }
}

/* An NHWC row of w pixels, c channels (a multiple of 8), to a planar row; the zeros around it
 * are there already (whoever allocates the rows clears them once). */
DRAE__PLANAR_INLINE void drae__planar_row(const float *src, int w, size_t c, float *planes,
                                          size_t stride) {
    float *first = planes + DRAE__PLANAR_MARGIN;
    for (size_t k = 0; k < c; k += 8) {
        int x = 0;
        for (; x + 16 <= w; x += 16) {
            drae__planar_load16(src + (size_t)x * c + k, c, first + k * stride + x, stride);
        }
        for (; x < w; x++) {
            for (size_t i = 0; i < 8; i++) {
                first[(k + i) * stride + (size_t)x] = src[(size_t)x * c + k + i];
            }
        }
    }
}

#endif
#endif
