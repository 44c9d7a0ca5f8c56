/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The first and last layers, one image row at a time. Channels are walked in slices of 16 or 8 so
 * that the nine taps of a slice stay in registers for a whole row; the three rows of the thin image
 * come from a padded copy, so that only rows, never columns, need a case of their own.
 *
 * Built with -ffp-contract=fast: a * b + c is one FMA where the machine has it.
 */
#include "kernels/cpu/conv_thin.h"

#include "kernels/cpu/conv_thin_avx512.h"
#include "kernels/cpu/isa.h"

#include <string.h>

/* Pixels of a row that are handled at once: bounds the padded copy on the stack. */
#define SPAN 256

/* Copies thin[y + ky - 1, x0 - 1 .. x0 + count] into row ky of pad, zero outside the image. */
static void load_rows(int h, int w, int y, int x0, int count, const float *thin,
                      float pad[3][SPAN + 2]) {
    for (int ky = 0; ky < 3; ky++) {
        int iy = y + ky - 1;
        if (iy < 0 || iy >= h) {
            memset(pad[ky], 0, (size_t)(count + 2) * sizeof(float));
            continue;
        }
        const float *row = thin + (size_t)iy * (size_t)w;
        pad[ky][0] = x0 > 0 ? row[x0 - 1] : 0.0f;
        memcpy(pad[ky] + 1, row + x0, (size_t)count * sizeof(float));
        pad[ky][count + 1] = x0 + count < w ? row[x0 + count] : 0.0f;
    }
}

/* ---- expand ---- */

DRAE__BODY void expand_span_body(int count, size_t c, float pad[3][SPAN + 2], const float *taps,
                                 float *wide) {
    size_t s = 0;
    for (; s + 16 <= c; s += 16) {
        drae__v16 k[DRAE__THIN_TAPS];
        for (size_t t = 0; t < DRAE__THIN_TAPS; t++) {
            k[t] = DRAE__LOAD16(taps + t * c + s);
        }
        for (int x = 0; x < count; x++) {
            drae__v16 acc = pad[0][x] * k[0];
            for (int t = 1; t < DRAE__THIN_TAPS; t++) {
                acc += pad[t / 3][x + t % 3] * k[t];
            }
            DRAE__STORE16(wide + (size_t)x * c + s, acc);
        }
    }
    for (; s < c; s += 8) {
        drae__v8 k[DRAE__THIN_TAPS];
        for (size_t t = 0; t < DRAE__THIN_TAPS; t++) {
            k[t] = DRAE__LOAD8(taps + t * c + s);
        }
        for (int x = 0; x < count; x++) {
            drae__v8 acc = pad[0][x] * k[0];
            for (int t = 1; t < DRAE__THIN_TAPS; t++) {
                acc += pad[t / 3][x + t % 3] * k[t];
            }
            DRAE__STORE8(wide + (size_t)x * c + s, acc);
        }
    }
}
DRAE__CLONES(expand_span,
             (int count, size_t c, float pad[3][SPAN + 2], const float *taps, float *wide),
             (count, c, pad, taps, wide))

void drae__cpu_thin_expand(int n, int h, int w, int c, const float *thin, const float *taps,
                           float *wide) {
#pragma omp parallel for collapse(2) schedule(static)
    for (int i = 0; i < n; i++) {
        for (int y = 0; y < h; y++) {
            const float *image = thin + (size_t)i * (size_t)h * (size_t)w;
            float *row = wide + ((size_t)i * (size_t)h + (size_t)y) * (size_t)w * (size_t)c;
            for (int x0 = 0; x0 < w; x0 += SPAN) {
                float pad[3][SPAN + 2];
                int count = w - x0 < SPAN ? w - x0 : SPAN;
                load_rows(h, w, y, x0, count, image, pad);
                expand_span(count, (size_t)c, pad, taps, row + (size_t)x0 * (size_t)c);
            }
        }
    }
}

/* ---- reduce ---- */

/* Adds row ky of the taps to the sums of one output row: sum[x] holds LANES partial sums that are
 * folded once all three rows are in. Column x0 - 1 and x0 + count may lie outside the image. */
DRAE__BODY void reduce_row_body(int x0, int count, int w, size_t c, const float *row,
                                const float *taps, float *sum) {
    for (int x = 0; x < count; x++) {
        int left = x0 + x > 0 ? 0 : 1;
        int right = x0 + x + 1 < w ? 3 : 2;
        drae__v8 acc = DRAE__LOAD8(sum + 8 * x);
        const float *src = row + (size_t)(x0 + x) * c;
        if (c % 16 == 0) {
            drae__v16 wide = {0};
            for (int kx = left; kx < right; kx++) {
                const float *p = src + kx * (ptrdiff_t)c - (ptrdiff_t)c;
                const float *k = taps + (size_t)kx * c;
                for (size_t s = 0; s < c; s += 16) {
                    wide += DRAE__LOAD16(p + s) * DRAE__LOAD16(k + s);
                }
            }
            float halves[16];
            DRAE__STORE16(halves, wide);
            acc += DRAE__LOAD8(halves) + DRAE__LOAD8(halves + 8);
        } else {
            for (int kx = left; kx < right; kx++) {
                const float *p = src + kx * (ptrdiff_t)c - (ptrdiff_t)c;
                const float *k = taps + (size_t)kx * c;
                for (size_t s = 0; s < c; s += 8) {
                    acc += DRAE__LOAD8(p + s) * DRAE__LOAD8(k + s);
                }
            }
        }
        DRAE__STORE8(sum + 8 * x, acc);
    }
}
DRAE__CLONES(reduce_row,
             (int x0, int count, int w, size_t c, const float *row, const float *taps, float *sum),
             (x0, count, w, c, row, taps, sum))

DRAE__BODY void fold_body(int count, float bias, const float *sum, float *dst) {
    for (int x = 0; x < count; x++) {
        const float *s = sum + 8 * x;
        dst[x] = bias + (((s[0] + s[4]) + (s[2] + s[6])) + ((s[1] + s[5]) + (s[3] + s[7])));
    }
}
DRAE__CLONES(fold, (int count, float bias, const float *sum, float *dst), (count, bias, sum, dst))

void drae__cpu_thin_reduce(int n, int h, int w, int c, const float *wide, const float *taps,
                           float bias, float *thin) {
#if defined(__x86_64__)
    if (drae__isa() == DRAE__ISA_AVX512) {
        drae__thin_reduce_avx512(n, h, w, c, wide, taps, bias, thin);
        return;
    }
#endif
#pragma omp parallel for collapse(2) schedule(static)
    for (int i = 0; i < n; i++) {
        for (int y = 0; y < h; y++) {
            size_t row_elems = (size_t)w * (size_t)c;
            const float *image = wide + (size_t)i * (size_t)h * row_elems;
            float *dst = thin + ((size_t)i * (size_t)h + (size_t)y) * (size_t)w;
            for (int x0 = 0; x0 < w; x0 += SPAN) {
                float sum[8 * SPAN] __attribute__((aligned(64))) = {0};
                int count = w - x0 < SPAN ? w - x0 : SPAN;
                for (int ky = 0; ky < 3; ky++) {
                    int iy = y + ky - 1;
                    if (iy >= 0 && iy < h) {
                        reduce_row(x0, count, w, (size_t)c, image + (size_t)iy * row_elems,
                                   taps + (size_t)(3 * ky) * (size_t)c, sum);
                    }
                }
                fold(count, bias, sum, dst + x0);
            }
        }
    }
}

/* ---- correlate ---- */

/* acc[t,:] += sum over the span of pad * wide, f32 within the span. */
DRAE__BODY void correlate_span_body(int count, size_t c, float pad[3][SPAN + 2], const float *wide,
                                    double *acc) {
    size_t s = 0;
    for (; s + 16 <= c; s += 16) {
        drae__v16 k[DRAE__THIN_TAPS] = {0};
        for (int x = 0; x < count; x++) {
            drae__v16 v = DRAE__LOAD16(wide + (size_t)x * c + s);
            for (int t = 0; t < DRAE__THIN_TAPS; t++) {
                k[t] += pad[t / 3][x + t % 3] * v;
            }
        }
        for (size_t t = 0; t < DRAE__THIN_TAPS; t++) {
            for (size_t l = 0; l < 16; l++) {
                acc[t * c + s + l] += (double)k[t][l];
            }
        }
    }
    for (; s < c; s += 8) {
        drae__v8 k[DRAE__THIN_TAPS] = {0};
        for (int x = 0; x < count; x++) {
            drae__v8 v = DRAE__LOAD8(wide + (size_t)x * c + s);
            for (int t = 0; t < DRAE__THIN_TAPS; t++) {
                k[t] += pad[t / 3][x + t % 3] * v;
            }
        }
        for (size_t t = 0; t < DRAE__THIN_TAPS; t++) {
            for (size_t l = 0; l < 8; l++) {
                acc[t * c + s + l] += (double)k[t][l];
            }
        }
    }
}
DRAE__CLONES(correlate_span,
             (int count, size_t c, float pad[3][SPAN + 2], const float *wide, double *acc),
             (count, c, pad, wide, acc))

size_t drae__cpu_thin_scratch_bytes(int c) {
    return (size_t)DRAE__CHUNKS * DRAE__THIN_TAPS * (size_t)c * sizeof(double);
}

void drae__cpu_thin_correlate(int n, int h, int w, int c, const float *thin, const float *wide,
                              float *taps, void *scratch) {
    size_t rows = (size_t)n * (size_t)h, elems = DRAE__THIN_TAPS * (size_t)c;
    double *parts = scratch;
#pragma omp parallel for schedule(static)
    for (int i = 0; i < DRAE__CHUNKS; i++) {
        double *acc = parts + (size_t)i * elems;
        memset(acc, 0, elems * sizeof *acc);
        for (size_t r = drae__chunk_begin(rows, i); r < drae__chunk_begin(rows, i + 1); r++) {
            size_t image = r / (size_t)h;
            int y = (int)(r % (size_t)h);
            for (int x0 = 0; x0 < w; x0 += SPAN) {
                float pad[3][SPAN + 2];
                int count = w - x0 < SPAN ? w - x0 : SPAN;
                load_rows(h, w, y, x0, count, thin + image * (size_t)h * (size_t)w, pad);
                correlate_span(count, (size_t)c, pad,
                               wide + (r * (size_t)w + (size_t)x0) * (size_t)c, acc);
            }
        }
    }
    for (size_t j = 0; j < elems; j++) {
        double sum = 0.0;
        for (size_t i = 0; i < DRAE__CHUNKS; i++) {
            sum += parts[i * elems + j];
        }
        taps[j] = (float)sum;
    }
}
