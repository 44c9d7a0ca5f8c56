/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The walk over the tiles of a bf16 convolution (kernels/infer_bf16.h), the same for every table.
 * A file that includes it has defined
 *     multiply(operands, count, block, wei, sums)   sums of `count` x `block` tiles
 *     finish_pair(op, column, at, n, lo, hi)        what follows 2 x 16 sums, at element `at` on
 *
 * Tiles of sums that are computed together, so that a source tile and a weights tile serve twice
 * and four chains of sums hide the latency of the unit:
 *
 *     block 2:  2 tiles of rows x 2 of columns      block 1:  4 tiles of rows x 1 of columns
 *     sums[0] sums[1]                               sums[0] sums[1] sums[2] sums[3]
 *     sums[2] sums[3]
 *
 * The weights of one block stay in the first cache while the rows of the range stream past them.
 */
#ifndef DRAE_KERNELS_CPU_INFER_BF16_BODY_H
#define DRAE_KERNELS_CPU_INFER_BF16_BODY_H

#include "kernels/cpu/infer_bf16_operands.h"

/* The unit that tile `index` of the range starts at: its row and number in it. */
typedef struct tile_place {
    int row, unit, n; /* n units to keep */
} tile_place;

INLINE tile_place place_of(int index, int last, int begin, int per_row, int units) {
    int i = index < last ? index : last;
    int unit = i % per_row * DRAE__BF16_ROWS;
    int left = units - unit < DRAE__BF16_ROWS ? units - unit : DRAE__BF16_ROWS;
    return (tile_place){begin + i / per_row, unit, index <= last ? left : 0};
}

/* Where the tiles of a group find their terms. */
INLINE void locate(const drae__bf16_conv *op, int parity, int group, const tile_place *at,
                   int count, operand operands[2]) {
    const drae__bf16_shape *s = &op->shape;
    operands[0] = (operand){.rows = s->rows,
                            .k_tiles = s->k_tiles,
                            .row_step = op->src_map.stride,
                            .unit_step = (ptrdiff_t)s->step * op->src_map.c};
    operands[1] = (operand){.rows = op->proj == NULL ? 0 : 1,
                            .k_tiles = s->proj_k_tiles,
                            .unit_step = (ptrdiff_t)s->proj_step * op->proj_map.c};
    int per_row = s->transposed ? 1 : s->stride;
    int proj_rows = s->transposed ? 1 : s->proj_step / s->pixels;
    for (int j = 0; j < count; j++) {
        ptrdiff_t y = (ptrdiff_t)per_row * at[j].row - 1 + parity;
        ptrdiff_t x = (ptrdiff_t)s->step * at[j].unit + s->x0[group];
        operands[0].src[j] = op->src + y * op->src_map.stride + x * op->src_map.c;
        operands[1].src[j] =
            op->proj == NULL ? NULL
                             : op->proj + (ptrdiff_t)proj_rows * at[j].row * op->proj_map.stride +
                                   (ptrdiff_t)s->proj_step * at[j].unit * op->proj_map.c;
    }
}

/* Residual, raw and activation of n units: of 16 columns each, or of 32. */
INLINE void finish(const drae__bf16_conv *op, int block, int column, ptrdiff_t at, ptrdiff_t step,
                   int n, const float *lo, const float *hi) {
    if (block == 2) {
        for (int u = 0; u < n; u++) {
            finish_pair(op, column, 16, at + u * step, 32, lo + 16 * u, hi + 16 * u);
        }
    } else {
        int u = 0;
        if (step == 16) {
            for (; u + 2 <= n; u += 2) {
                finish_pair(op, column, 0, at + u * step, 32, lo + 16 * u, lo + 16 * u + 16);
            }
        }
        for (; u < n; u++) {
            finish_pair(op, column, 0, at + u * step, 16, lo + 16 * u, lo + 16 * u);
        }
    }
}

/* One block of columns over all rows of the range. */
INLINE void conv_block(const drae__bf16_conv *op, int block, int parity, int group, int column,
                       const drae__bf16 *wei, int begin, int end) {
    const drae__bf16_shape *s = &op->shape;
    int wide = s->transposed ? op->src_map.w : op->dst_map.w / s->pixels;
    int per_row = (wide + DRAE__BF16_ROWS - 1) / DRAE__BF16_ROWS;
    int last = (end - begin) * per_row - 1, count = 4 / block;
    ptrdiff_t step = (ptrdiff_t)s->pixels * op->dst_map.c;
    for (int first = 0; first <= last; first += count) {
        float sums[4][DRAE__BF16_ROWS * 16] __attribute__((aligned(64)));
        tile_place at[4];
        operand operands[2];
        for (int j = 0; j < count; j++) {
            at[j] = place_of(first + j, last, begin, per_row, wide);
        }
        locate(op, parity, group, at, count, operands);
        multiply(operands, block, wei, sums);
        for (int j = 0; j < count; j++) {
            ptrdiff_t y = (ptrdiff_t)s->parities * at[j].row + parity;
            finish(op, block, column, y * op->dst_map.stride + at[j].unit * step + column, step,
                   at[j].n, sums[j * block], sums[j * block + block - 1]);
        }
    }
}

static void kernel_conv(const drae__bf16_conv *op, int begin, int end) {
    const drae__bf16_shape *s = &op->shape;
    const drae__bf16 *wei = op->wei;
    size_t terms = (size_t)s->rows * (size_t)s->k_tiles + (size_t)s->proj_k_tiles;
    tiles_begin();
    for (int part = 0; part < s->parities * s->groups; part++) {
        int parity = part / s->groups, group = part % s->groups;
        for (int tile = 0; tile < s->group_tiles; tile += s->block_tiles) {
            int column = (group * s->group_tiles + tile) * 16;
            if (s->block_tiles == 2) {
                conv_block(op, 2, parity, group, column, wei, begin, end);
            } else {
                conv_block(op, 1, parity, group, column, wei, begin, end);
            }
            wei += terms * (size_t)s->block_tiles * DRAE__BF16_TILE;
        }
    }
    tiles_end();
}

/* The last layer: two pixels a unit, in the first two of 16 columns. */
static void kernel_out(const drae__bf16_conv *op, float bias, float *dst, int begin, int end) {
    const drae__bf16_map *map = &op->src_map;
    int wide = map->w / op->shape.pixels;
    int per_row = (wide + DRAE__BF16_ROWS - 1) / DRAE__BF16_ROWS;
    int last = (end - begin) * per_row - 1;
    tiles_begin();
    for (int first = 0; first <= last; first += 4) {
        float sums[4][DRAE__BF16_ROWS * 16] __attribute__((aligned(64)));
        tile_place at[4];
        operand operands[2];
        for (int j = 0; j < 4; j++) {
            at[j] = place_of(first + j, last, begin, per_row, wide);
        }
        locate(op, 0, 0, at, 4, operands);
        multiply(operands, 1, op->wei, sums);
        for (int j = 0; j < 4; j++) {
            float *to = dst + (ptrdiff_t)at[j].row * map->w + (ptrdiff_t)at[j].unit * 2;
            for (int u = 0; u < at[j].n; u++) {
                to[2 * u] = sums[j][16 * u];
                to[2 * u + 1] = sums[j][16 * u + 1];
            }
        }
    }
    tiles_end();
    float *row = dst + (ptrdiff_t)begin * map->w;
    ptrdiff_t n = (ptrdiff_t)(end - begin) * map->w, k = 0;
    for (; k + VL <= n; k += VL) {
        vf_store(row + k, vf_sigmoid(vf_load(row + k) + vf_set(bias)));
    }
    for (; k < n; k++) {
        vf_store_n(row + k, vf_sigmoid(vf_set(row[k] + bias)), 1);
    }
}

static void kernel_load_u8(const uint8_t *src, const drae__bf16_map *map, drae__bf16 *dst) {
    for (int y = 0; y < map->h; y++) {
        const uint8_t *from = src + (size_t)y * (size_t)map->w;
        drae__bf16 *to = dst + y * map->stride;
        for (int x = 0; x < map->w; x++) {
            union {
                float f;
                uint32_t bits;
            } u = {.f = (float)from[x]};
            to[x] = (drae__bf16)(u.bits >> 16);
        }
    }
}

#endif
