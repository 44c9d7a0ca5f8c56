/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The walk over the tiles of a bf16 convolution (kernels/infer_bf16.h), the same for every table.
 * A file that includes it has defined
 *     epilogue, epilogue_of(op, column, block)   what follows the sums of a block of columns
 *     finish_pair(e, form, at_lo, at_hi, lo, hi) that, for 2 x 16 sums, to elements at_.. on
 *     finish_one(e, form, t, at, sums)           for 16 of tile t of the block
 *     multiply(terms, operands, form, block, wei, sums, e, f)  4 tiles of sums; may finish chunks
 * of f multiply_alone(terms, operands, wei, sums)               4 tiles, block 1 tiles_begin(),
 * tiles_end()                 around them
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

#include "kernels/cpu/infer_bf16_finish.h"
#include "kernels/cpu/infer_bf16_walk.h"

/* One block of columns over all rows of the range. The sums of one step are finished while those of
 * the next are made. */
INLINE void conv_block(const drae__bf16_conv *op, int form, int block, int parity, int group,
                       int column, const drae__bf16 *wei, int begin, int end) {
    const drae__bf16_shape *s = &op->shape;
    float sums[2][4 * TILE_SUMS] __attribute__((aligned(64)));
    schedule terms;
    schedule_terms(op, &terms);
    const walk w = walk_of(op, parity, group);
    const int wide = s->transposed ? op->src_map.w : op->dst_map.w / s->pixels, count = 4 / block;
    const ptrdiff_t first = (ptrdiff_t)parity * op->dst_map.stride + column;
    const epilogue e = epilogue_of(op, column, block);
    finishing before = {.next = CHUNKS, .whole = true};
    tile_place next = {begin, 0, 1};
    for (int turn = 0; next.n > 0; turn = 1 - turn) {
        tile_place at[4];
        finishing now = {.sums = sums[turn], .step = w.dst_unit, .whole = true};
        UNROLL
        for (int j = 0; j < count; j++) {
            at[j] = place_next(&next, end, wide);
            now.at[j] = first + at[j].row * w.dst_row + at[j].unit * w.dst_unit;
            now.n[j] = at[j].n;
            now.whole = now.whole && at[j].n == DRAE__BF16_ROWS;
        }
        now.next = now.whole ? 0 : CHUNKS;
        const operands o = operands_of(&w, at, count);
        multiply(&terms, &o, form, block, wei, sums[turn], &e, &before);
        finish_rest(&e, form, block, &before);
        before = now;
    }
    finish_rest(&e, form, block, &before);
}

#define CONV_BLOCK(name, form, block)                                                              \
    NOINLINE void name(const drae__bf16_conv *op, int parity, int group, int column,               \
                       const drae__bf16 *wei, int begin, int end) {                                \
        conv_block(op, form, block, parity, group, column, wei, begin, end);                       \
    }
#define CONV_FORMS(form)                                                                           \
    CONV_BLOCK(conv_##form##_1, form, 1)                                                           \
    CONV_BLOCK(conv_##form##_2, form, 2)
CONV_FORMS(2)
CONV_FORMS(3)
CONV_FORMS(4)
CONV_FORMS(5)
CONV_FORMS(6)
CONV_FORMS(7)

typedef void (*block_function)(const drae__bf16_conv *op, int parity, int group, int column,
                               const drae__bf16 *wei, int begin, int end);

static void kernel_conv(const drae__bf16_conv *op, int begin, int end) {
    /* By what follows, then by tiles of columns. */
    static const block_function functions[8][2] = {
        {NULL, NULL},         {NULL, NULL},         {conv_2_1, conv_2_2}, {conv_3_1, conv_3_2},
        {conv_4_1, conv_4_2}, {conv_5_1, conv_5_2}, {conv_6_1, conv_6_2}, {conv_7_1, conv_7_2}};
    int form = (op->residual != NULL ? FORM_RESIDUAL : 0) | (op->raw != NULL ? FORM_RAW : 0) |
               (op->act != NULL ? FORM_ACT : 0);
    const drae__bf16_shape *s = &op->shape;
    const drae__bf16 *wei = op->wei;
    size_t terms = ((size_t)s->rows * (size_t)s->k_tiles + (size_t)s->proj_k_tiles) *
                   (size_t)drae__bf16_products(s);
    if (begin >= end) {
        return;
    }
    tiles_begin();
    for (int part = 0; part < s->parities * s->groups; part++) {
        int parity = part / s->groups, group = part % s->groups;
        for (int tile = 0; tile < s->group_tiles; tile += s->block_tiles) {
            int column = (group * s->group_tiles + tile) * 16;
            if (!few_terms(op, form, parity, group, column, wei, begin, end)) {
                functions[form][s->block_tiles - 1](op, parity, group, column, wei, begin, end);
            }
            wei += terms * (size_t)s->block_tiles * DRAE__BF16_TILE;
        }
    }
    tiles_end();
}

/* The sums of the last layer: two pixels a unit, in the first two of 16 columns. */
static void out_sums(const drae__bf16_conv *op, float *dst, int begin, int end) {
    const drae__bf16_map *map = &op->src_map;
    int wide = map->w / op->shape.pixels;
    schedule terms;
    schedule_terms(op, &terms);
    const walk w = walk_of(op, 0, 0);
    tile_place next = {begin, 0, begin < end};
    tiles_begin();
    while (next.n > 0) {
        float sums[4 * TILE_SUMS] __attribute__((aligned(64)));
        tile_place at[4];
        UNROLL
        for (int j = 0; j < 4; j++) {
            at[j] = place_next(&next, end, wide);
        }
        const operands o = operands_of(&w, at, 4);
        multiply_alone(&terms, &o, op->wei, sums);
        for (int j = 0; j < 4; j++) {
            float *to = dst + (ptrdiff_t)at[j].row * map->w + (ptrdiff_t)at[j].unit * 2;
            for (int u = 0; u < at[j].n; u++) {
                to[2 * u] = sums[j * TILE_SUMS + 16 * u];
                to[2 * u + 1] = sums[j * TILE_SUMS + 16 * u + 1];
            }
        }
    }
    tiles_end();
}

static void kernel_out(const drae__bf16_conv *op, float bias, float *dst, int begin, int end) {
    if (!few_terms_out(op, dst, begin, end)) {
        out_sums(op, dst, begin, end);
    }
    float *row = dst + (ptrdiff_t)begin * op->src_map.w;
    ptrdiff_t n = (ptrdiff_t)(end - begin) * op->src_map.w, k = 0;
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
