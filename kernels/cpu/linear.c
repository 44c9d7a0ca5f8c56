/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Dense layer in f32. The three products differ in which index is summed:
 *   fwd    over `in`, contiguous in both operands: dot products in 16 lanes, folded per block of
 * K_BLOCK dsrc   over `out`: rows of wei scaled by ddst, lanes along `in`, in blocks of SUM_BLOCK
 *   dwei   over `n`: rows of src scaled by ddst, lanes along `in`, in blocks of SUM_BLOCK
 * The last two are one kernel: C[r,:] = sum over s of A(r,s) * B[s,:], A read with two strides.
 * Tiles of 4 rows x 4 vectors keep 16 sums in registers. Each result is computed by one thread in
 * an order that depends on the shape alone.
 *
 * Built with -ffp-contract=fast: a * b + c is one FMA where the machine has it.
 */
#include "kernels/linear.h"

#include "kernels/cpu/isa.h"

#include <string.h>

#define ROWS      4
#define VECS      4
#define TILE      ((size_t)VECS * DRAE__LANES)
#define K_BLOCK   2048
#define SUM_BLOCK 512

static size_t least(size_t a, size_t b) {
    return a < b ? a : b;
}

/* ---- forward ---- */

DRAE__BODY float fold16(const float s[DRAE__LANES]) {
    float a = (s[0] + s[8]) + (s[4] + s[12]), b = (s[2] + s[10]) + (s[6] + s[14]);
    float c = (s[1] + s[9]) + (s[5] + s[13]), d = (s[3] + s[11]) + (s[7] + s[15]);
    return (a + b) + (c + d);
}

/* dst[i,o] += src[i,k] . wei[o,k] for a tile of at most ROWS x ROWS results, k < count. */
DRAE__BODY void dot_tile(size_t rows, size_t cols, size_t count, size_t in, const float *src,
                         const float *wei, size_t out, float *dst) {
    drae__v16 acc[ROWS][ROWS] = {0};
    size_t k = 0;
    for (; k + DRAE__LANES <= count; k += DRAE__LANES) {
        drae__v16 w[ROWS];
        for (size_t o = 0; o < cols; o++) {
            w[o] = DRAE__LOAD16(wei + o * in + k);
        }
        for (size_t i = 0; i < rows; i++) {
            drae__v16 s = DRAE__LOAD16(src + i * in + k);
            for (size_t o = 0; o < cols; o++) {
                acc[i][o] += s * w[o];
            }
        }
    }
    for (size_t i = 0; i < rows; i++) {
        for (size_t o = 0; o < cols; o++) {
            float lanes[DRAE__LANES];
            DRAE__STORE16(lanes, acc[i][o]);
            float sum = fold16(lanes);
            for (size_t t = k; t < count; t++) {
                sum += src[i * in + t] * wei[o * in + t];
            }
            dst[i * out + o] += sum;
        }
    }
}

DRAE__BODY void dot_block_body(size_t rows, size_t cols, size_t count, size_t in, const float *src,
                               const float *wei, size_t out, float *dst) {
    for (size_t i = 0; i < rows; i += ROWS) {
        const float *s = src + i * in;
        float *d = dst + i * out;
        if (cols == ROWS && rows - i >= ROWS) {
            dot_tile(ROWS, ROWS, count, in, s, wei, out, d);
        } else if (cols == 1 && rows - i >= ROWS) {
            dot_tile(ROWS, 1, count, in, s, wei, out, d);
        } else {
            dot_tile(least(ROWS, rows - i), cols, count, in, s, wei, out, d);
        }
    }
}
DRAE__CLONES(dot_block,
             (size_t rows, size_t cols, size_t count, size_t in, const float *src, const float *wei,
              size_t out, float *dst),
             (rows, cols, count, in, src, wei, out, dst))

void drae__cpu_linear_fwd(size_t n, size_t in, size_t out, const float *src, const float *wei,
                          const float *bias, float *dst) {
    /* Few outputs (the logit): split the rows, else one thread would work. */
    size_t row_step = out < 32 ? ROWS : n;
#pragma omp parallel for collapse(2) schedule(static)
    for (size_t i = 0; i < n; i += row_step) {
        for (size_t o = 0; o < out; o += ROWS) {
            size_t rows = least(row_step, n - i), cols = least(ROWS, out - o);
            for (size_t r = 0; r < rows; r++) {
                for (size_t c = 0; c < cols; c++) {
                    dst[(i + r) * out + o + c] = bias != NULL ? bias[o + c] : 0.0f;
                }
            }
            for (size_t k = 0; k < in; k += K_BLOCK) {
                dot_block(rows, cols, least(K_BLOCK, in - k), in, src + i * in + k,
                          wei + o * in + k, out, dst + i * out + o);
            }
        }
    }
}

/* ---- backward ---- */

/* A(r,s) = a[r * a_row + s * a_sum] */
typedef struct outer {
    size_t sums;
    const float *a;
    size_t a_row, a_sum;
    const float *b;
    size_t b_stride;
    float *c;
    size_t c_stride;
} outer;

DRAE__BODY void outer_tile(const outer *p, size_t rows, size_t r0, size_t k0) {
    for (size_t s0 = 0; s0 < p->sums; s0 += SUM_BLOCK) {
        size_t s1 = least(s0 + SUM_BLOCK, p->sums);
        drae__v16 acc[ROWS][VECS] = {0};
        for (size_t s = s0; s < s1; s++) {
            const float *b = p->b + s * p->b_stride + k0;
            for (size_t r = 0; r < rows; r++) {
                float a = p->a[(r0 + r) * p->a_row + s * p->a_sum];
                for (int v = 0; v < VECS; v++) {
                    acc[r][v] += a * DRAE__LOAD16(b + v * DRAE__LANES);
                }
            }
        }
        for (size_t r = 0; r < rows; r++) {
            float *c = p->c + (r0 + r) * p->c_stride + k0;
            for (int v = 0; v < VECS; v++) {
                drae__v16 before = {0};
                if (s0 > 0) {
                    before = DRAE__LOAD16(c + v * DRAE__LANES);
                }
                DRAE__STORE16(c + v * DRAE__LANES, before + acc[r][v]);
            }
        }
    }
}

/* Rows r0 .. r0 + rows of C, columns k0 .. k0 + cols. */
DRAE__BODY void outer_block_body(const outer *p, size_t rows, size_t r0, size_t k0, size_t cols) {
    size_t k = 0;
    for (; k + TILE <= cols; k += TILE) {
        size_t r = 0;
        for (; r + ROWS <= rows; r += ROWS) {
            outer_tile(p, ROWS, r0 + r, k0 + k);
        }
        for (; r < rows; r++) {
            outer_tile(p, 1, r0 + r, k0 + k);
        }
    }
    for (; k < cols; k++) {
        for (size_t r = 0; r < rows; r++) {
            float total = 0.0f;
            for (size_t s0 = 0; s0 < p->sums; s0 += SUM_BLOCK) {
                size_t s1 = least(s0 + SUM_BLOCK, p->sums);
                float sum = 0.0f;
                for (size_t s = s0; s < s1; s++) {
                    sum +=
                        p->a[(r0 + r) * p->a_row + s * p->a_sum] * p->b[s * p->b_stride + k0 + k];
                }
                total += sum;
            }
            p->c[(r0 + r) * p->c_stride + k0 + k] = total;
        }
    }
}
DRAE__CLONES(outer_block, (const outer *p, size_t rows, size_t r0, size_t k0, size_t cols),
             (p, rows, r0, k0, cols))

/* Both backward products: blocks of OUTER_ROWS x TILE results over the threads. */
#define OUTER_ROWS 32
static void outer_product(const outer *p, size_t rows, size_t cols) {
#pragma omp parallel for collapse(2) schedule(static)
    for (size_t r = 0; r < rows; r += OUTER_ROWS) {
        for (size_t k = 0; k < cols; k += TILE) {
            outer_block(p, least(OUTER_ROWS, rows - r), r, k, least(TILE, cols - k));
        }
    }
}

void drae__cpu_linear_bwd(size_t n, size_t in, size_t out, const float *src, const float *wei,
                          const float *ddst, float *dsrc, float *dwei, float *dbias) {
    if (dsrc != NULL) {
        outer p = {.sums = out, .a = ddst, .a_row = out, .a_sum = 1, .b = wei, .b_stride = in};
        p.c = dsrc;
        p.c_stride = in;
        outer_product(&p, n, in);
    }
    if (dwei != NULL) {
        outer p = {.sums = n, .a = ddst, .a_row = 1, .a_sum = out, .b = src, .b_stride = in};
        p.c = dwei;
        p.c_stride = in;
        outer_product(&p, out, in);
    }
    if (dbias != NULL) {
#pragma omp parallel for schedule(static)
        for (size_t o = 0; o < out; o++) {
            double sum = 0.0;
            for (size_t i = 0; i < n; i++) {
                sum += (double)ddst[i * out + o];
            }
            dbias[o] = (float)sum;
        }
    }
}

/* ---- layout ---- */

void drae__cpu_nhwc_to_nchw(size_t n, size_t hw, size_t c, const float *src, float *dst) {
#pragma omp parallel for schedule(static)
    for (size_t i = 0; i < n; i++) {
        const float *s = src + i * hw * c;
        float *d = dst + i * hw * c;
        for (size_t j = 0; j < c; j++) {
            for (size_t p = 0; p < hw; p++) {
                d[j * hw + p] = s[p * c + j];
            }
        }
    }
}

void drae__cpu_nchw_to_nhwc(size_t n, size_t hw, size_t c, const float *src, float *dst) {
#pragma omp parallel for schedule(static)
    for (size_t i = 0; i < n; i++) {
        const float *s = src + i * hw * c;
        float *d = dst + i * hw * c;
        for (size_t p = 0; p < hw; p++) {
            for (size_t j = 0; j < c; j++) {
                d[p * c + j] = s[j * hw + p];
            }
        }
    }
}
