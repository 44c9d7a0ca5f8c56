/* SPDX-License-Identifier: Apache-2.0 */
/*
 * 3x3 convolutions of stride 2 by copied windows: a window is gathered once for all tiles of output
 * channels, the sums are those of infer_conv_body.h, term by term.
 */
#ifndef DRAE_KERNELS_CPU_INFER_STRIDED_BODY_H
#define DRAE_KERNELS_CPU_INFER_STRIDED_BODY_H

#include "kernels/cpu/infer_products_body.h"

/* The nine pixels of every window of the tile, channel after channel: [plane][9][NV][VL]. */
NOINLINE void copy_windows(const drae__infer_conv *op, const tile_at *at, float *dst) {
    const drae__map_geometry *in = &op->src_map;
    for (int j = 0; j < NV; j++) {
        const float *p = op->src + (2 * at->y[j] - 1) * in->stride + 2 * at->x[j];
        float *to = dst + (ptrdiff_t)j * VL;
        for (int i = 0; i < PLANES(op->c_in); i++) {
            UNROLL
            for (int row = 0; row < 3; row++) {
                vf columns[3];
                vf_load_columns(p + row * in->stride, columns);
                UNROLL
                for (int tap = 0; tap < 3; tap++) {
                    vf_store(to, columns[tap]);
                    to += (ptrdiff_t)NV * VL;
                }
            }
            p += in->plane;
        }
    }
}

/* The sums of conv3, term by term; but every window is gathered once, not for every tile of output
 * channels. */
static void conv3_copied(const drae__infer_conv *op) {
    const drae__map_geometry *map = &op->dst_map;
    const epilogue e = epilogue_of(op);
    const int end = drae__infer_conv_end(op), per_row = (map->w + VL - 1) / VL;
    const float *const src[NV] = {op->scratch, op->scratch + VL, op->scratch + 2 * VL};
    for (int first = op->row * per_row; first < end * per_row; first += NV) {
        tile_at at;
        tile_locate(&at, first, NV, end, map->w);
        copy_windows(op, &at, op->scratch);
        for (int co = 0; co < op->c_out; co += CO) {
            float sums[CO][NV][VL] __attribute__((aligned(64)));
            products3(sums, src, 0, (ptrdiff_t)NV * VL, 9 * PLANES(op->c_in),
                      op->wei + (ptrdiff_t)co * PLANES(op->c_in) * 9);
            finish_tile(op, &e, &at, co, sums);
        }
    }
}

#endif
