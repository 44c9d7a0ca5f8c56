/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The product of tiles without a matrix unit, in the order of one: bit for bit what AMX gives, for
 * processors without it and as its check.
 */
#ifndef DRAE_KERNELS_CPU_INFER_BF16_SOFT_H
#define DRAE_KERNELS_CPU_INFER_BF16_SOFT_H

#include "kernels/cpu/infer_body.h"

#include "kernels/cpu/infer_bf16_operands.h"
#include "kernels/cpu/infer_sigmoid.h"

#define PARTS    (16 / VL) /* vectors of 16 columns */
#define TOGETHER 4         /* rows of a tile: one load of weights serves so many */

typedef int32_t vi_u __attribute__((vector_size(VL * 4), aligned(2), may_alias));

/* sums += rows x 32 terms of src by a tile of weights. */
INLINE void soft_tile(const drae__bf16 *src, ptrdiff_t step, const drae__bf16 *wei, float *sums) {
    for (int r = 0; r < DRAE__BF16_ROWS; r += TOGETHER) {
        for (int part = 0; part < PARTS; part++) {
            vf even[TOGETHER], odd[TOGETHER];
            UNROLL
            for (int i = 0; i < TOGETHER; i++) {
                even[i] = odd[i] = vf_set(0.0f);
            }
            for (int k = 0; k < DRAE__BF16_TERMS / 2; k++) {
                vi pairs = (vi) * (const vi_u *)(const void *)(wei + 32 * k + 2 * VL * part);
                vf first = (vf)(pairs << 16), second = (vf)(pairs >> 16 << 16);
                UNROLL
                for (int i = 0; i < TOGETHER; i++) {
                    const drae__bf16 *a = src + (r + i) * step + 2 * k;
                    /* The products are exact: one rounding, fused or not. */
                    even[i] = vf_fma(vf_set(drae__bf16_to_float(a[0])), first, even[i]);
                    odd[i] = vf_fma(vf_set(drae__bf16_to_float(a[1])), second, odd[i]);
                }
            }
            UNROLL
            for (int i = 0; i < TOGETHER; i++) {
                float *to = sums + (r + i) * 16 + part * VL;
                vf_store(to, vf_load(to) + (even[i] + odd[i]));
            }
        }
    }
}

NOINLINE void multiply(const operand operands[2], int block, const drae__bf16 *wei,
                       float sums[4][DRAE__BF16_ROWS * 16]) {
    memset(sums, 0, 4 * sizeof sums[0]);
    for (int s = 0; s < 2; s++) {
        const operand *o = &operands[s];
        for (int k = 0; k < o->rows * o->k_tiles; k++) {
            ptrdiff_t at =
                k / o->k_tiles * o->row_step + (ptrdiff_t)(k % o->k_tiles) * DRAE__BF16_TERMS;
            for (int j = 0; j < 4 / block; j++) {
                for (int t = 0; t < block; t++) {
                    soft_tile(o->src[j] + at, o->unit_step, wei + t * DRAE__BF16_TILE,
                              sums[j * block + t]);
                }
            }
            wei += block * DRAE__BF16_TILE;
        }
    }
}

/* n (16 or 32) sums of neighbouring elements: lo[16] of `column` on, hi[16] of column + hi_column
 * on. */
INLINE void finish_pair(const drae__bf16_conv *op, int column, int hi_column, ptrdiff_t at, int n,
                        const float *lo, const float *hi) {
    for (int i = 0; i < n; i++) {
        int c = i < 16 ? column + i : column + hi_column + i - 16;
        float v = i < 16 ? lo[i] : hi[i - 16];
        if (op->residual != NULL) {
            v += drae__bf16_to_float(op->residual[at + i]);
        }
        if (op->raw != NULL) {
            op->raw[at + i] = drae__bf16_of(v);
        }
        if (op->act != NULL) {
            float u = op->scale[c] * v + op->shift[c], low = u * op->slope;
            op->act[at + i] = drae__bf16_of(low > u ? low : u);
        }
    }
}

static void tiles_begin(void) {
}

static void tiles_end(void) {
}

static double kernel_peak(size_t rounds, float *sink) {
    drae__bf16 a[DRAE__BF16_TILE] = {0}, b[DRAE__BF16_TILE] = {0};
    float sums[DRAE__BF16_ROWS * 16] = {0};
    for (size_t i = 0; i < rounds; i++) {
        soft_tile(a, DRAE__BF16_TERMS, b, sums);
    }
    *sink = sums[0];
    return (double)rounds * 2.0 * DRAE__BF16_TILE * 16;
}

#endif
