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

/* Half of a vector of parts: VL pixels of a row, and what of them there is to store. */
typedef struct strip_half {
    ptrdiff_t y, x; /* first row of the strip and first column, of the source */
    int rows, lanes;
} strip_half;

/* A map of at most VL columns is narrow: the second half of a vector is the next strip. */
typedef struct strip_tile {
    int n; /* vectors, the rest of NV is not there */
    bool narrow;
    strip_half half[NV][2];
} strip_tile;

/* How a map's strips from row begin to row end fall into vectors. */
typedef struct strip_walk {
    int begin, end, w;
    bool narrow;
    int per_row, vectors;
} strip_walk;

static strip_walk strip_walk_of(int begin, int end, int w) {
    const bool narrow = w <= VL;
    const int per_row = (w + S_WIDE - 1) / S_WIDE, strips = (end - begin + S_ROWS - 1) / S_ROWS;
    const strip_walk walk = {begin,  end,     w,
                             narrow, per_row, narrow ? (strips + 1) / 2 : strips * per_row};
    return walk;
}

/* The last vectors of a map go in twos and ones: three with a place empty cost as much as three. */
static void strip_locate(strip_tile *t, int first, const strip_walk *walk) {
    const int left = walk->vectors - first;
    t->n = left == 4 || left < NV ? (left == 1 ? 1 : 2) : NV;
    t->narrow = walk->narrow;
    for (int j = 0; j < NV; j++) {
        const int v = first + (j < t->n ? j : 0);
        for (int i = 0; i < 2; i++) {
            strip_half *half = &t->half[j][i];
            const int strip = walk->narrow ? 2 * v + i : v / walk->per_row;
            const int x = walk->narrow ? 0 : v % walk->per_row * S_WIDE + i * VL;
            const int rows = walk->end - walk->begin - strip * S_ROWS;
            half->y = walk->begin + (ptrdiff_t)strip * S_ROWS;
            half->x = x;
            half->rows = rows < 0 ? 0 : rows < S_ROWS ? rows : S_ROWS;
            half->lanes = lanes_left(walk->w, x);
        }
    }
}

NOINLINE void strip_finish(const drae__infer_conv *op, const strip_tile *t, int co,
                           strip_sums sums) {
    const epilogue e = epilogue_of(op);
    for (int j = 0; j < t->n; j++) {
        const strip_half *lo = &t->half[j][0], *hi = &t->half[j][1];
        const ptrdiff_t stride = op->dst_map.stride;
        const ptrdiff_t to_hi = (hi->y - lo->y) * stride + hi->x - lo->x;
        for (int o = 0; o < CO; o++) {
            const channel c = channel_of(&e, co + o, lo->y * stride + lo->x);
            for (int row = 0; row < lo->rows; row++) {
                vf even = vf_load(sums[row][0][o][j]), odd = vf_load(sums[row][1][o][j]);
                finish_channel(&e, &c, row * stride, lo->lanes, vf_pairs_lo(even, odd));
                if (row < hi->rows) {
                    finish_channel(&e, &c, row * stride + to_hi, hi->lanes, vf_pairs_hi(even, odd));
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
    const ptrdiff_t stride = op->dst_map.stride;
    const epilogue e = epilogue_of(op);
    for (int j = 0; j < t->n; j++) {
        const strip_half *lo = &t->half[j][0], *hi = &t->half[j][1];
        for (int o = 0; o < CO; o++) {
            for (int row = 0; row < 2 * lo->rows; row++) {
                vf first[2], second[2];
                for (int column = 0; column < 2; column++) {
                    float(*from)[CO][NV][VL] = sums[(row % 2 * 2 + column) * tiles][row / 2];
                    vf even = vf_load(from[0][o][j]), odd = vf_load(from[1][o][j]);
                    first[column] = vf_pairs_lo(even, odd);
                    second[column] = vf_pairs_hi(even, odd);
                }
                finish_zipped(&e, co + o, (2 * lo->y + row) * stride + 2 * lo->x, lo->lanes,
                              first[0], first[1]);
                if (row < 2 * hi->rows) {
                    finish_zipped(&e, co + o, (2 * hi->y + row) * stride + 2 * hi->x, hi->lanes,
                                  second[0], second[1]);
                }
            }
        }
    }
}

#endif
