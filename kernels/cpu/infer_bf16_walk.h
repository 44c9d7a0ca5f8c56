/* SPDX-License-Identifier: Apache-2.0 */
/* Where the tiles of a bf16 convolution lie, one after another. */
#ifndef DRAE_KERNELS_CPU_INFER_BF16_WALK_H
#define DRAE_KERNELS_CPU_INFER_BF16_WALK_H

#include "kernels/cpu/infer_bf16_operands.h"

/* A tile of rows: its row of units, the first unit in it, and how many are kept. */
typedef struct tile_place {
    int row, unit, n;
} tile_place;

/* The tile at *at, which moves on; behind the last row the last tile again, of which nothing is
 * kept. */
INLINE tile_place place_next(tile_place *at, int end, int units) {
    tile_place here = *at;
    int left = units - here.unit;
    here.n = at->n == 0 ? 0 : left < DRAE__BF16_ROWS ? left : DRAE__BF16_ROWS;
    if (left > DRAE__BF16_ROWS) {
        at->unit += DRAE__BF16_ROWS;
    } else if (here.row + 1 < end) {
        at->unit = 0;
        at->row++;
    } else {
        at->n = 0;
    }
    return here;
}

INLINE void schedule_terms(const drae__bf16_conv *op, schedule *to) {
    const drae__bf16_shape *s = &op->shape;
    int products = drae__bf16_products(s), window = s->rows * s->k_tiles;
    to->three = s->src_parts == 3;
    to->terms[0] = window * products;
    to->terms[1] = op->proj == NULL ? 0 : s->proj_k_tiles * products;
    to->unit_step[0] = (ptrdiff_t)s->step * op->src_map.c;
    to->unit_step[1] = (ptrdiff_t)s->proj_step * op->proj_map.c;
    int n = to->terms[0] + to->terms[1];
    for (int t = 0; t < n; t++) {
        int k = t / products, src_part, wei_part;
        drae__bf16_product(s, t % products, &src_part, &wei_part);
        to->offset[t] =
            k < window ? k / s->k_tiles * op->src_map.stride + src_part * op->src_map.plane +
                             (ptrdiff_t)(k % s->k_tiles) * DRAE__BF16_TERMS
                       : src_part * op->proj_map.plane + (ptrdiff_t)(k - window) * DRAE__BF16_TERMS;
        to->finished[t] = (uint8_t)((t + 1) * CHUNKS / n);
    }
}

/* What the steps of a block of columns walk along. */
typedef struct walk {
    const drae__bf16 *src, *proj;        /* first terms of row 0, unit 0 */
    ptrdiff_t row, proj_row, dst_row;    /* elements to the next row of units */
    ptrdiff_t unit, proj_unit, dst_unit; /* and to the next unit */
} walk;

INLINE walk walk_of(const drae__bf16_conv *op, int parity, int group) {
    const drae__bf16_shape *s = &op->shape;
    walk w = {.src = op->src + (ptrdiff_t)(parity - 1) * op->src_map.stride +
                     (ptrdiff_t)s->x0[group] * op->src_map.c,
              .row = s->stride * op->src_map.stride,
              .unit = (ptrdiff_t)s->step * op->src_map.c,
              .dst_row = s->parities * op->dst_map.stride,
              .dst_unit = (ptrdiff_t)s->pixels * op->dst_map.c};
    if (op->proj != NULL) {
        w.proj = op->proj;
        w.proj_row = (s->transposed ? 1 : s->proj_step / s->pixels) * op->proj_map.stride;
        w.proj_unit = (ptrdiff_t)s->proj_step * op->proj_map.c;
    }
    return w;
}

INLINE operands operands_of(const walk *w, const tile_place at[4], int count) {
    operands o;
    UNROLL
    for (int j = 0; j < count; j++) {
        o.src[0][j] = w->src + at[j].row * w->row + at[j].unit * w->unit;
        o.src[1][j] = w->proj + at[j].row * w->proj_row + at[j].unit * w->proj_unit;
    }
    return o;
}

#endif
