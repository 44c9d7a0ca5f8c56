/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A tile of strips (infer_strip_body.h): which rows and pairs of columns its vectors stand for, and
 * how its sums, apart in even and odd columns, become pixels.
 */
#ifndef DRAE_KERNELS_CPU_INFER_STRIP_TILE_H
#define DRAE_KERNELS_CPU_INFER_STRIP_TILE_H

#include "kernels/cpu/infer_conv_body.h"

#define S_ROWS  DRAE__STRIP_ROWS
#define S_DOWN  DRAE__STRIP_DOWN
#define S_BLOCK DRAE__STRIP_BLOCK
#define S_PITCH ((ptrdiff_t)NV * VL) /* floats of a channel in a part */
#define S_WIDE  (2 * VL)             /* pixels of a row in a vector of parts */

/* Sums of a tile of channels, of every row of the strip, even and odd columns. */
typedef float strip_sums[S_ROWS][2][CO][NV][VL];
typedef float strip_products[S_DOWN][CO][NV][VL];

typedef struct strip_tile {
    int n;           /* vectors, the rest of NV is not there */
    ptrdiff_t y[NV]; /* first row of the strip, of the source */
    ptrdiff_t x[NV];
} strip_tile;

/* The last vectors of a map go in twos and ones: three with a place empty cost as much as three. */
static void strip_locate(strip_tile *t, int first, int end, int w) {
    const int per_row = (w + S_WIDE - 1) / S_WIDE, left = end - first;
    t->n = left == 4 || left < NV ? (left == 1 ? 1 : 2) : NV;
    for (int j = 0; j < NV; j++) {
        int v = first + (j < t->n ? j : 0);
        t->y[j] = (ptrdiff_t)(v / per_row) * S_ROWS;
        t->x[j] = (ptrdiff_t)(v % per_row) * S_WIDE;
    }
}

NOINLINE void strip_finish(const drae__infer_conv *op, const strip_tile *t, int co,
                           strip_sums sums) {
    const drae__map_geometry *map = &op->dst_map;
    const epilogue e = epilogue_of(op);
    for (int j = 0; j < t->n; j++) {
        const int rows = map->h - t->y[j] < S_ROWS ? (int)(map->h - t->y[j]) : S_ROWS;
        const int left = map->w - (int)t->x[j];
        for (int o = 0; o < CO; o++) {
            const channel c = channel_of(&e, co + o, t->y[j] * map->stride + t->x[j]);
            for (int row = 0; row < rows; row++) {
                vf even = vf_load(sums[row][0][o][j]), odd = vf_load(sums[row][1][o][j]);
                const ptrdiff_t at = row * map->stride;
                if (left >= S_WIDE) {
                    finish_channel(&e, &c, at, VL, vf_pairs_lo(even, odd));
                    finish_channel(&e, &c, at + VL, VL, vf_pairs_hi(even, odd));
                } else {
                    finish_channel(&e, &c, at, left < VL ? left : VL, vf_pairs_lo(even, odd));
                    finish_channel(&e, &c, at + VL, left - VL, vf_pairs_hi(even, odd));
                }
            }
        }
    }
}

/* Two neighbouring columns of a transposed convolution, of n pixels of the source. */
INLINE void finish_zipped(const epilogue *e, int co, ptrdiff_t at, int n, vf even, vf odd) {
    if (n > 0) {
        finish(e, co, at, 2 * n < VL ? 2 * n : VL, vf_zip_lo(even, odd));
    }
    if (2 * n > VL) {
        finish(e, co, at + VL, 2 * n - VL, vf_zip_hi(even, odd));
    }
}

/* Of a transposed convolution: rows and columns of the two parities; sums: [phase] of this tile of
 * channels, `tiles` apart. */
NOINLINE void strip_finish_up(const drae__infer_conv *op, const strip_tile *t, int co,
                              strip_sums *sums, int tiles) {
    const drae__map_geometry *map = &op->dst_map, *in = &op->src_map;
    const epilogue e = epilogue_of(op);
    for (int j = 0; j < t->n; j++) {
        const int rows = in->h - t->y[j] < S_ROWS ? (int)(in->h - t->y[j]) : S_ROWS;
        const int left = in->w - (int)t->x[j];
        for (int o = 0; o < CO; o++) {
            for (int row = 0; row < 2 * rows; row++) {
                const ptrdiff_t at = (2 * t->y[j] + row) * map->stride + 2 * t->x[j];
                vf lo[2], hi[2];
                for (int column = 0; column < 2; column++) {
                    float(*from)[CO][NV][VL] = sums[(row % 2 * 2 + column) * tiles][row / 2];
                    vf even = vf_load(from[0][o][j]), odd = vf_load(from[1][o][j]);
                    lo[column] = vf_pairs_lo(even, odd);
                    hi[column] = vf_pairs_hi(even, odd);
                }
                finish_zipped(&e, co + o, at, left < VL ? left : VL, lo[0], lo[1]);
                finish_zipped(&e, co + o, at + 2 * VL, left < 2 * VL ? left - VL : VL, hi[0],
                              hi[1]);
            }
        }
    }
}

#endif
