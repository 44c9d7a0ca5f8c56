/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a convolution falls into tiles, and its weights in the order in which the kernels meet them:
 *     [row parity][group][block of 1 or 2 tiles][row of the window][32 terms][product of parts]
 *     [tile of the block]
 * with the tiles of the projection behind those of the window; a tile is [16 pairs of terms]
 * [16 columns][2 terms of the pair].
 */
#include "kernels/infer_bf16.h"

#include <string.h>

static int tiles_of(int elems) {
    return (elems + DRAE__BF16_TERMS - 1) / DRAE__BF16_TERMS;
}

drae__bf16_shape drae__bf16_shape_of(drae__infer_conv_kind kind, int c_in, int c_out, int proj_c_in,
                                     int proj_stride, int parts) {
    int in = drae__bf16_channels(c_in), out = c_out == 1 ? 1 : drae__bf16_channels(c_out);
    int proj = proj_c_in == 0 ? 0 : drae__bf16_channels(proj_c_in);
    drae__bf16_shape s = {.parts = parts,
                          .src_parts = c_in == 1 ? 1 : parts,
                          .stride = 1,
                          .parities = 1,
                          .groups = 1,
                          .x0 = {-1, 0},
                          .rows = 3};
    if (kind == DRAE__INFER_CONVT4) {
        /* Two output pixels of 8 channels share a window of three input pixels; wider ones have a
         * group each, with its own two. */
        s.transposed = true;
        s.pixels = 2;
        s.step = s.proj_step = 1;
        s.parities = s.rows = 2;
        s.groups = out == 8 ? 1 : 2;
        s.k_tiles = tiles_of((out == 8 ? 3 : 2) * in);
        s.proj_k_tiles = tiles_of(proj);
    } else {
        s.stride = kind == DRAE__INFER_CONV3S2 ? 2 : 1;
        s.pixels = out <= 8 ? 2 : 1;
        s.step = s.stride * s.pixels;
        s.k_tiles = tiles_of(((s.pixels - 1) * s.stride + 3) * in);
        s.proj_step = proj_stride * s.pixels;
        s.proj_k_tiles = tiles_of(((s.pixels - 1) * proj_stride + 1) * proj);
    }
    s.group_tiles = (s.pixels * out / s.groups + 15) / 16;
    s.block_tiles = s.group_tiles % 2 == 0 ? 2 : 1;
    return s;
}

size_t drae__bf16_packed_elems(const drae__bf16_shape *s) {
    return (size_t)s->parities * (size_t)s->groups * (size_t)s->group_tiles *
           ((size_t)s->rows * (size_t)s->k_tiles + (size_t)s->proj_k_tiles) *
           (size_t)drae__bf16_products(s) * DRAE__BF16_TILE;
}

typedef struct packing {
    const drae__bf16_shape *s;
    int c_in, c_out;
    const float *wei;
    double factor;
    int proj_c_in, proj_stride;
    const float *proj;
} packing;

/* Which channel of which output pixel of the unit a column of a group is; false: padding. */
static bool column_of(const packing *p, int group, int column, int *pixel, int *co) {
    int out = p->c_out == 1 ? 1 : drae__bf16_channels(p->c_out);
    *pixel = p->s->groups == 2 ? group : column / out;
    *co = p->s->groups == 2 ? column : column % out;
    return *pixel < p->s->pixels && *co < p->c_out;
}

/* The weight of term `term` of row `row` of the window. */
static double window_weight(const packing *p, int parity, int group, int row, int term,
                            int column) {
    int in = drae__bf16_channels(p->c_in), dx = term / in, ci = term % in, pixel, co;
    if (!column_of(p, group, column, &pixel, &co) || ci >= p->c_in) {
        return 0.0;
    }
    if (p->s->transposed) {
        int ky = parity + 1 - 2 * (row - 1 + parity);
        int kx = pixel + 1 - 2 * (p->s->x0[group] + dx);
        return kx < 0 || kx > 3
                   ? 0.0
                   : (double)p->wei[(((ptrdiff_t)ci * p->c_out + co) * 4 + ky) * 4 + kx];
    }
    int kx = dx - p->s->stride * pixel;
    return kx < 0 || kx > 2 ? 0.0
                            : (double)p->wei[(((ptrdiff_t)co * p->c_in + ci) * 3 + row) * 3 + kx];
}

static double proj_weight(const packing *p, int parity, int group, int term, int column) {
    int in = drae__bf16_channels(p->proj_c_in), dx = term / in, ci = term % in, pixel, co;
    if (!column_of(p, group, column, &pixel, &co) || ci >= p->proj_c_in) {
        return 0.0;
    }
    if (p->s->transposed) {
        return dx != 0 ? 0.0
                       : (double)p->proj[((ptrdiff_t)ci * p->c_out + co) * 4 + 2 * parity + pixel];
    }
    return dx != p->proj_stride * pixel ? 0.0 : (double)p->proj[(ptrdiff_t)co * p->proj_c_in + ci];
}

/* row < 0: of the projection. */
static void pack_tile(const packing *p, int parity, int group, int row, int part, int first_term,
                      int first_column, drae__bf16 *dst) {
    for (int k = 0; k < DRAE__BF16_TERMS; k++) {
        for (int n = 0; n < 16; n++) {
            int term = first_term + k, column = first_column + n;
            double v = row < 0 ? proj_weight(p, parity, group, term, column)
                               : window_weight(p, parity, group, row, term, column) * p->factor;
            drae__bf16 parts[DRAE__BF16_PARTS_MAX];
            drae__bf16_split((float)v, part + 1, 1, parts);
            dst[k / 2 * 32 + 2 * n + k % 2] = parts[part];
        }
    }
}

void drae__bf16_pack(const drae__bf16_shape *shape, int c_in, int c_out, const float *wei,
                     double factor, int proj_c_in, int proj_stride, const float *proj,
                     drae__bf16 *dst) {
    const packing p = {shape, c_in, c_out, wei, factor, proj_c_in, proj_stride, proj};
    int terms = shape->rows * shape->k_tiles, products = drae__bf16_products(shape);
    for (int part = 0; part < shape->parities * shape->groups; part++) {
        int parity = part / shape->groups, group = part % shape->groups;
        for (int block = 0; block < shape->group_tiles; block += shape->block_tiles) {
            for (int i = 0; i < (terms + shape->proj_k_tiles) * products; i++) {
                int k = i / products, src_part, wei_part;
                int row = k < terms ? k / shape->k_tiles : -1;
                int at = k < terms ? k % shape->k_tiles : k - terms;
                drae__bf16_product(shape, i % products, &src_part, &wei_part);
                for (int t = 0; t < shape->block_tiles; t++) {
                    pack_tile(&p, parity, group, row, wei_part, at * DRAE__BF16_TERMS,
                              (block + t) * 16, dst);
                    dst += DRAE__BF16_TILE;
                }
            }
        }
    }
}

void drae__bf16_pack_affine(const drae__bf16_shape *shape, int c_out, const float *src,
                            float *dst) {
    const packing p = {.s = shape, .c_out = c_out};
    int per_group = shape->group_tiles * 16;
    for (int i = 0; i < drae__bf16_columns(shape); i++) {
        int pixel, co;
        dst[i] = column_of(&p, i / per_group, i % per_group, &pixel, &co) ? src[co] : 0.0f;
    }
}
