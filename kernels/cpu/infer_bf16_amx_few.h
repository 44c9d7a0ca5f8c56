/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Blocks of one column of tiles and at most 6 tiles of terms: layers of 8 and 16 channels, the
 * stem, the last layer. The weights stay in registers 2 to 7 for the whole range, one tile of rows
 * after another passes through 1 into 0. A chain of products takes 52 cycles a link, but tile
 * registers are renamed, so the chains of the next tiles run beside it:
 *
 *     zero 0;  load 1, product 0 += 1 x 2;  load 1, product 0 += 1 x 3;  ...  store 0; finish
 * before
 *
 * 4 tiles of 3 terms take 390 cycles with their epilogue instead of 590, of 6 terms 590 to 630
 * instead of 750 (Xeon with AMX, 3.2 GHz).
 */
#ifndef DRAE_KERNELS_CPU_INFER_BF16_AMX_FEW_H
#define DRAE_KERNELS_CPU_INFER_BF16_AMX_FEW_H

#include "kernels/cpu/infer_bf16_walk.h"

#define FEW_TERMS 6
#define BUFFERS   4 /* of sums, so that loads never wait for the stores before them */

#define LOAD_WEIGHTS(t, register)                                                                  \
    if ((t) < n) {                                                                                 \
        _tile_loadd(register, (const char *)wei + (t)*TILE_BYTES, ROW_BYTES);                      \
    }

/* n tiles of weights into registers 2 and up. */
INLINE void load_weights(const drae__bf16 *wei, int n) {
    LOAD_WEIGHTS(0, 2)
    LOAD_WEIGHTS(1, 3)
    LOAD_WEIGHTS(2, 4)
    LOAD_WEIGHTS(3, 5)
    LOAD_WEIGHTS(4, 6)
    LOAD_WEIGHTS(5, 7)
}

#define MULTIPLY_TERM(t, register)                                                                 \
    if ((t) < n) {                                                                                 \
        int s = (t) < terms->terms[0] ? 0 : 1;                                                     \
        _tile_loadd(1, (s == 0 ? src : proj) + terms->offset[t], step[s]);                         \
        _tile_dpbf16ps(0, 1, register);                                                            \
    }

/* Register 0 = the sums of one tile. */
INLINE void chain(const schedule *terms, int n, const drae__bf16 *src, const drae__bf16 *proj) {
    const size_t step[2] = {(size_t)terms->unit_step[0] * sizeof(drae__bf16),
                            (size_t)terms->unit_step[1] * sizeof(drae__bf16)};
    _tile_zero(0);
    MULTIPLY_TERM(0, 2)
    MULTIPLY_TERM(1, 3)
    MULTIPLY_TERM(2, 4)
    MULTIPLY_TERM(3, 5)
    MULTIPLY_TERM(4, 6)
    MULTIPLY_TERM(5, 7)
}

/* The sums of one tile, to be finished. */
typedef struct tile_sums {
    const float *sums;
    ptrdiff_t at;
    int n;
} tile_sums;

INLINE void finish_tile(const epilogue *e, int form, ptrdiff_t step, const tile_sums *t) {
    if (t->n == DRAE__BF16_ROWS) {
        UNROLL
        for (int u = 0; u < DRAE__BF16_ROWS; u += 2) {
            finish_pair(e, form, t->at + u * step, t->at + (u + 1) * step, t->sums + 16 * u,
                        t->sums + 16 * u + 16);
        }
    } else {
        for (int u = 0; u < t->n; u++) {
            finish_one(e, form, 0, t->at + u * step, t->sums + 16 * u);
        }
    }
}

INLINE void few_block(const drae__bf16_conv *op, int form, int n, int parity, int group, int column,
                      const drae__bf16 *wei, int begin, int end) {
    const drae__bf16_shape *s = &op->shape;
    float sums[BUFFERS][TILE_SUMS] __attribute__((aligned(64)));
    schedule terms;
    schedule_terms(op, &terms);
    const walk w = walk_of(op, parity, group);
    const int wide = s->transposed ? op->src_map.w : op->dst_map.w / s->pixels;
    const ptrdiff_t first = (ptrdiff_t)parity * op->dst_map.stride + column;
    epilogue e = epilogue_of(op, column, 1);
    e.parts = 1; /* few_terms saw to it; told here, the compiler drops the loops over parts */
    tile_place next = {begin, 0, 1};
    tile_sums before = {.n = 0};
    /* A row of 64 bytes that begins anywhere crosses a cache line; the stem needs 8. */
    const bool image = op->src_map.c == 1;
    if (image) {
        const int window = (s->pixels - 1) * s->stride + 3;
        configure((window + 1) / 2 * 2 * (int)sizeof(drae__bf16), ROW_BYTES);
    }
    load_weights(wei, n);
    for (int turn = 0; next.n > 0; turn = (turn + 1) % BUFFERS) {
        const tile_place at = place_next(&next, end, wide);
        chain(&terms, n, w.src + at.row * w.row + at.unit * w.unit,
              w.proj + at.row * w.proj_row + at.unit * w.proj_unit);
        _tile_stored(0, sums[turn], ROW_BYTES);
        finish_tile(&e, form, w.dst_unit, &before);
        before = (tile_sums){sums[turn], first + at.row * w.dst_row + at.unit * w.dst_unit, at.n};
    }
    finish_tile(&e, form, w.dst_unit, &before);
    if (image) {
        configure(ROW_BYTES, ROW_BYTES);
    }
}

/* Every form with 3, 4 and 6 terms: what the layers of a network have. */
#define FEW_FORM(form)                                                                             \
    NOINLINE bool few_##form(const drae__bf16_conv *op, int n, int parity, int group, int column,  \
                             const drae__bf16 *wei, int begin, int end) {                          \
        if (n == 3) {                                                                              \
            few_block(op, form, 3, parity, group, column, wei, begin, end);                        \
        } else if (n == 4) {                                                                       \
            few_block(op, form, 4, parity, group, column, wei, begin, end);                        \
        } else {                                                                                   \
            few_block(op, form, 6, parity, group, column, wei, begin, end);                        \
        }                                                                                          \
        return true;                                                                               \
    }
FEW_FORM(2)
FEW_FORM(3)
FEW_FORM(4)
FEW_FORM(5)
FEW_FORM(6)
FEW_FORM(7)

static bool few_terms(const drae__bf16_conv *op, int form, int parity, int group, int column,
                      const drae__bf16 *wei, int begin, int end) {
    const drae__bf16_shape *s = &op->shape;
    int n = s->rows * s->k_tiles + s->proj_k_tiles;
    if (s->parts != 1 || s->block_tiles != 1 || (n != 3 && n != 4 && n != FEW_TERMS)) {
        return false;
    }
    switch (form) {
    case FORM_RAW:
        return few_2(op, n, parity, group, column, wei, begin, end);
    case FORM_RAW | FORM_RESIDUAL:
        return few_3(op, n, parity, group, column, wei, begin, end);
    case FORM_ACT:
        return few_4(op, n, parity, group, column, wei, begin, end);
    case FORM_ACT | FORM_RESIDUAL:
        return few_5(op, n, parity, group, column, wei, begin, end);
    case FORM_ACT | FORM_RAW:
        return few_6(op, n, parity, group, column, wei, begin, end);
    default:
        return few_7(op, n, parity, group, column, wei, begin, end);
    }
}

/* Two columns of sums, so rows of 8 bytes: the tile is stored where its 32 pixels belong. */
INLINE void out_tiles(const drae__bf16_conv *op, int n, float *dst, int begin, int end) {
    const int width = op->src_map.w, wide = width / op->shape.pixels;
    schedule terms;
    schedule_terms(op, &terms);
    const walk w = walk_of(op, 0, 0);
    tile_place next = {begin, 0, begin < end};
    while (next.n > 0) {
        const tile_place at = place_next(&next, end, wide);
        float *to = dst + (ptrdiff_t)at.row * width + (ptrdiff_t)at.unit * 2;
        chain(&terms, n, w.src + at.row * w.row + at.unit * w.unit, NULL);
        if (at.n == DRAE__BF16_ROWS) {
            _tile_stored(0, to, 2 * sizeof(float));
        } else {
            float sums[2 * DRAE__BF16_ROWS];
            _tile_stored(0, sums, 2 * sizeof(float));
            memcpy(to, sums, 2 * sizeof(float) * (size_t)at.n);
        }
    }
}

static bool few_terms_out(const drae__bf16_conv *op, float *dst, int begin, int end) {
    int n = op->shape.rows * op->shape.k_tiles;
    if (op->shape.parts != 1 || (n != 3 && n != FEW_TERMS)) {
        return false;
    }
    configure(ROW_BYTES, 2 * sizeof(float));
    if (n == 3) {
        load_weights(op->wei, 3);
        out_tiles(op, 3, dst, begin, end);
    } else {
        load_weights(op->wei, FEW_TERMS);
        out_tiles(op, FEW_TERMS, dst, begin, end);
    }
    _tile_release();
    return true;
}

#endif
