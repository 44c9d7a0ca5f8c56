/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wide -> thin, 3x3. Every input row is read once: 32 pixels at a time are turned to planes of 16
 * (cpu/planar.h) and multiplied by all nine taps,
 *
 *     P_t(x) = sum over channels of wide(x,:) taps(t,:)       9 x 2 sums in registers
 *
 * and an output row is nine shifted sums of the P rows of its three input rows:
 *
 *     thin(y,x) = bias + sum over ky, kx of P_(3 ky + kx) of row y + ky - 1, at x + kx - 1
 *
 * P rows live in a ring of three on the stack, for a span of columns at a time.
 */
#include "kernels/cpu/conv_thin_avx512.h"

#include "kernels/cpu/conv_thin.h"
#include "kernels/cpu/planar.h"

#include <stddef.h>
#include <string.h>

#if defined(__x86_64__)

#define SPAN      256
#define MARGIN    DRAE__PLANAR_MARGIN /* a vector of columns before the span, for x - 1 */
#define WIDTH     (MARGIN + SPAN + 48)
#define TASK_ROWS 32

typedef struct ring {
    float p[3][DRAE__THIN_TAPS][WIDTH]; /* [row mod 3][tap][MARGIN + x - x0] */
} ring;

/* P of 32 pixels; src may lack the last ones (count < 32): they read as zero. */
DRAE__TARGET_AVX512 static inline void products32(const float *src, size_t count, size_t c,
                                                  const float *taps,
                                                  float p[DRAE__THIN_TAPS][WIDTH], size_t at) {
    __m512 acc[2][DRAE__THIN_TAPS];
    DRAE__UNROLL
    for (int t = 0; t < DRAE__THIN_TAPS; t++) {
        acc[0][t] = acc[1][t] = _mm512_setzero_ps();
    }
    for (size_t k = 0; k < c; k += 8) {
        float planes[8][32], whole[32 * 8];
        const float *from = src + k;
        size_t step = c;
        if (count < 32) {
            memset(whole, 0, sizeof whole);
            for (size_t x = 0; x < count; x++) {
                memcpy(whole + x * 8, from + x * c, 8 * sizeof(float));
            }
            from = whole;
            step = 8;
        }
        drae__planar_load16(from, step, planes[0], 32);
        drae__planar_load16(from + 16 * step, step, planes[0] + 16, 32);
        for (size_t i = 0; i < 8; i++) {
            __m512 a = _mm512_loadu_ps(planes[i]), b = _mm512_loadu_ps(planes[i] + 16);
            DRAE__UNROLL
            for (size_t t = 0; t < DRAE__THIN_TAPS; t++) {
                __m512 w = _mm512_set1_ps(taps[t * c + k + i]);
                DRAE__HOLD(w);
                acc[0][t] = _mm512_fmadd_ps(a, w, acc[0][t]);
                acc[1][t] = _mm512_fmadd_ps(b, w, acc[1][t]);
            }
        }
    }
    DRAE__UNROLL
    for (int t = 0; t < DRAE__THIN_TAPS; t++) {
        _mm512_storeu_ps(p[t] + at, acc[0][t]);
        _mm512_storeu_ps(p[t] + at + 16, acc[1][t]);
    }
}

/* P of one input row for columns x0 - 16 (where there are any) to x0 + count + 1. */
DRAE__TARGET_AVX512 static void products_row(const float *row, int w, size_t c, const float *taps,
                                             int x0, int count, float p[DRAE__THIN_TAPS][WIDTH]) {
    int begin = x0 > 0 ? x0 - MARGIN : 0, end = x0 + count + 1 < w ? x0 + count + 1 : w;
    for (int x = begin; x < end; x += 32) {
        size_t left = (size_t)(w - x);
        products32(row + (size_t)x * c, left < 32 ? left : 32, c, taps, p,
                   (size_t)(MARGIN + x - x0));
    }
}

DRAE__TARGET_AVX512 static void sum_row(const ring *r, int y, int h, int count, float bias,
                                        float *dst) {
    for (int x = 0; x < count; x += 16) {
        __m512 sum = _mm512_set1_ps(bias);
        for (int ky = 0; ky < 3; ky++) {
            int iy = y + ky - 1;
            if (iy < 0 || iy >= h) {
                continue;
            }
            for (int kx = 0; kx < 3; kx++) {
                const float *p = r->p[iy % 3][3 * ky + kx];
                sum = _mm512_add_ps(sum, _mm512_loadu_ps(p + MARGIN + x + kx - 1));
            }
        }
        int left = count - x;
        __mmask16 mask = (__mmask16)(left >= 16 ? 0xffff : (1 << left) - 1);
        _mm512_mask_storeu_ps(dst + x, mask, sum);
    }
}

void drae__thin_reduce_avx512(int n, int h, int w, int c, const float *wide, const float *taps,
                              float bias, float *thin) {
    int bands = (h + TASK_ROWS - 1) / TASK_ROWS;
    size_t row_elems = (size_t)w * (size_t)c;
#pragma omp parallel for collapse(2) schedule(static)
    for (int i = 0; i < n; i++) {
        for (int band = 0; band < bands; band++) {
            int y0 = band * TASK_ROWS, y1 = y0 + TASK_ROWS < h ? y0 + TASK_ROWS : h;
            const float *image = wide + (size_t)i * (size_t)h * row_elems;
            float *dst = thin + (size_t)i * (size_t)h * (size_t)w;
            for (int x0 = 0; x0 < w; x0 += SPAN) {
                int count = w - x0 < SPAN ? w - x0 : SPAN;
                ring r;
                memset(&r, 0, sizeof r); /* columns outside the image */
                for (int y = y0 - 1; y <= y1; y++) {
                    if (y >= 0 && y < h) {
                        products_row(image + (size_t)y * row_elems, w, (size_t)c, taps, x0, count,
                                     r.p[y % 3]);
                    }
                    if (y > y0) {
                        sum_row(&r, y - 1, h, count, bias, dst + (size_t)(y - 1) * (size_t)w + x0);
                    }
                }
            }
        }
    }
}

#endif
