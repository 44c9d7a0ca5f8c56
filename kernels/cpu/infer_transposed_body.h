/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Transposed convolutions summed directly, for the tables without strips. A tile is two
 * neighbouring output columns of NVT vectors of pixels, of one output row at a time, zipped on
 * store.
 */
#ifndef DRAE_KERNELS_CPU_INFER_TRANSPOSED_BODY_H
#define DRAE_KERNELS_CPU_INFER_TRANSPOSED_BODY_H

#include "kernels/cpu/infer_conv_body.h"

/* acc[o][column parity][j] += w * s[j] for the COT channels of one tap. */
INLINE const float *add_parity(vf acc[COT][2][NVT], int parity, const vf s[NVT], const float *wei) {
    UNROLL
    for (int o = 0; o < COT; o++) {
        vf w = vf_set(wei[o]);
        UNROLL
        for (int j = 0; j < NVT; j++) {
            vf_product(&acc[o][parity][j], w, s[j]);
        }
    }
    return wei + COT;
}

INLINE void load_column(vf s[NVT], const float *const p[NVT], ptrdiff_t offset) {
    UNROLL
    for (int j = 0; j < NVT; j++) {
        s[j] = vf_load(p[j] + offset);
    }
}

INLINE void store_sums(float sums[COT][2][NVT][VL], vf acc[COT][2][NVT]) {
    UNROLL
    for (int o = 0; o < COT; o++) {
        UNROLL
        for (int j = 0; j < NVT; j++) {
            vf_store(sums[o][0][j], acc[o][0][j]);
            vf_store(sums[o][1][j], acc[o][1][j]);
        }
    }
}

/*
 * Output row 2y + parity of a transposed 4x4/2 convolution with pad 1 meets two input rows:
 * parity 0: y-1 (ky 3), y (ky 1); parity 1: y (ky 2), y+1 (ky 0). Columns alike: an even column
 * meets x-1 and x, an odd one x and x+1. src[j] lies in the first of the two rows.
 */
NOINLINE void transposed4(float sums[COT][2][NVT][VL], const float *const src[NVT],
                          ptrdiff_t stride, ptrdiff_t plane, int planes,
                          const float *restrict wei) {
    const float *p[NVT];
    vf acc[COT][2][NVT];
    UNROLL
    for (int j = 0; j < NVT; j++) {
        p[j] = src[j];
        UNROLL
        for (int o = 0; o < COT; o++) {
            acc[o][0][j] = acc[o][1][j] = vf_set(0.0f);
        }
    }
    for (int i = 0; i < planes; i++) {
        UNROLL
        for (int row = 0; row < 2; row++) {
            vf s[NVT];
            load_column(s, p, row * stride - 1);
            wei = add_parity(acc, 0, s, wei);
            load_column(s, p, row * stride);
            wei = add_parity(acc, 0, s, wei);
            wei = add_parity(acc, 1, s, wei);
            load_column(s, p, row * stride + 1);
            wei = add_parity(acc, 1, s, wei);
        }
        UNROLL
        for (int j = 0; j < NVT; j++) {
            p[j] += plane;
        }
    }
    store_sums(sums, acc);
}

/* The projection, transposed 2x2/2: one tap per output pixel. */
NOINLINE void transposed2(float sums[COT][2][NVT][VL], const float *const src[NVT], ptrdiff_t plane,
                          int planes, const float *restrict wei) {
    vf acc[COT][2][NVT];
    UNROLL
    for (int o = 0; o < COT; o++) {
        UNROLL
        for (int j = 0; j < NVT; j++) {
            acc[o][0][j] = vf_load(sums[o][0][j]);
            acc[o][1][j] = vf_load(sums[o][1][j]);
        }
    }
    for (int i = 0; i < planes; i++) {
        vf s[NVT];
        load_column(s, src, plane * i);
        wei = add_parity(acc, 0, s, wei);
        wei = add_parity(acc, 1, s, wei);
    }
    store_sums(sums, acc);
}

static void convt4(const drae__infer_conv *op) {
    const drae__map_geometry *in = &op->src_map, *map = &op->dst_map;
    const epilogue e = epilogue_of(op);
    const int end = drae__infer_conv_end(op) / 2, per_row = (in->w + VL - 1) / VL;
    const int planes = PLANES(op->c_in);
    for (int first = op->row / 2 * per_row; first < end * per_row; first += NVT) {
        tile_at at;
        tile_locate(&at, first, NVT, end, in->w);
        const float *src[2][NVT];
        const float *proj[NVT];
        for (int j = 0; j < NVT; j++) {
            src[1][j] = op->src + at.y[j] * in->stride + at.x[j];
            src[0][j] = src[1][j] - in->stride;
            proj[j] = op->proj.src == NULL ? NULL
                                           : op->proj.src + at.y[j] * op->proj.map.stride + at.x[j];
        }
        for (int part = 0; part < 2 * op->c_out / COT; part++) {
            int co = part / 2 * COT, parity = part % 2;
            float sums[COT][2][NVT][VL] __attribute__((aligned(64)));
            for (int o = 0; o < COT; o += 1 + PAIRS) {
                for (int j = 0; j < NVT; j++) {
                    ptrdiff_t to = (2 * at.y[j] + parity) * map->stride + 2 * at.x[j];
                    finish_soon(&e, co + o, to);
                    finish_soon(&e, co + o, to + VL);
                }
            }
            transposed4(sums, src[parity], in->stride, in->plane, planes,
                        op->wei + (ptrdiff_t)part * COT * planes * 8);
            if (op->proj.src != NULL) {
                transposed2(sums, proj, op->proj.map.plane, PLANES(op->proj.c_in),
                            op->proj.wei + (ptrdiff_t)part * COT * PLANES(op->proj.c_in) * 2);
            }
            for (int o = 0; o < COT; o += 2) {
                for (int j = 0; j < NVT; j++) {
                    vf even = vf_load(sums[o][0][j]), odd = vf_load(sums[o][1][j]);
                    vf even1 = vf_load(sums[o + 1][0][j]), odd1 = vf_load(sums[o + 1][1][j]);
                    ptrdiff_t to = (2 * at.y[j] + parity) * map->stride + 2 * at.x[j];
                    int n = 2 * at.n[j];
                    finish_two(&e, co + o, to, n < VL ? n : VL, vf_zip_lo(even, odd),
                               vf_zip_lo(even1, odd1));
                    finish_two(&e, co + o, to + VL, n < VL ? 0 : n - VL, vf_zip_hi(even, odd),
                               vf_zip_hi(even1, odd1));
                }
            }
        }
    }
}

#endif
