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

NOINLINE void soft_multiply(const schedule *terms, const operands *o, int block,
                            const drae__bf16 *wei, float *sums) {
    memset(sums, 0, 4 * TILE_SUMS * sizeof *sums);
    for (int t = 0; t < terms->terms[0] + terms->terms[1]; t++) {
        int s = t < terms->terms[0] ? 0 : 1;
        for (int j = 0; j < 4 / block; j++) {
            for (int i = 0; i < block; i++) {
                soft_tile(o->src[s][j] + terms->offset[t], terms->unit_step[s],
                          wei + i * DRAE__BF16_TILE, sums + (j * block + i) * TILE_SUMS);
            }
        }
        wei += block * DRAE__BF16_TILE;
    }
}

typedef struct epilogue {
    const drae__bf16_conv *op;
    int column, block;
} epilogue;

INLINE epilogue epilogue_of(const drae__bf16_conv *op, int column, int block) {
    return (epilogue){op, column, block};
}

INLINE void finish_one(const epilogue *e, int form, int t, ptrdiff_t at, const float *sums) {
    const drae__bf16_conv *op = e->op;
    const int parts = op->shape.parts;
    const ptrdiff_t plane = op->dst_map.plane;
    for (int i = 0; i < 16; i++) {
        int c = e->column + 16 * t + i;
        float v = sums[i];
        if ((form & FORM_RESIDUAL) != 0) {
            v += drae__bf16_join(op->residual + at + i, parts, plane);
        }
        if ((form & FORM_RAW) != 0) {
            drae__bf16_split(v, parts, plane, op->raw + at + i);
        }
        if ((form & FORM_ACT) != 0) {
            float u = op->scale[c] * v + op->shift[c], low = u * op->slope;
            drae__bf16_split(low > u ? low : u, parts, plane, op->act + at + i);
        }
    }
}

INLINE void finish_pair(const epilogue *e, int form, ptrdiff_t at_lo, ptrdiff_t at_hi,
                        const float *lo, const float *hi) {
    finish_one(e, form, 0, at_lo, lo);
    finish_one(e, form, e->block - 1, at_hi, hi);
}

INLINE void multiply(const schedule *terms, const operands *o, int form, int block,
                     const drae__bf16 *wei, float *sums, const epilogue *e,
                     const finishing *before) {
    (void)form;
    (void)e;
    (void)before;
    soft_multiply(terms, o, block, wei, sums);
}

INLINE void multiply_alone(const schedule *terms, const operands *o, const drae__bf16 *wei,
                           float *sums) {
    soft_multiply(terms, o, 1, wei, sums);
}

INLINE bool few_terms(const drae__bf16_conv *op, int form, int parity, int group, int column,
                      const drae__bf16 *wei, int begin, int end) {
    (void)op;
    (void)form;
    (void)parity;
    (void)group;
    (void)column;
    (void)wei;
    (void)begin;
    (void)end;
    return false;
}

INLINE bool few_terms_out(const drae__bf16_conv *op, float *dst, int begin, int end) {
    (void)op;
    (void)dst;
    (void)begin;
    (void)end;
    return false;
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

#include "kernels/cpu/infer_bf16_finish.h"

#endif
