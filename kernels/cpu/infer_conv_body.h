/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Convolutions with projection, residual and activation (drae__infer_conv), f32, planar.
 *
 * Tile: NV vectors of neighbouring pixels x CO output channels, all accumulators in registers:
 *
 *              vector 0   vector 1   vector 2        per tap: NV loads of pixels, CO broadcasts of
 *   channel 0  acc[0][0]  acc[0][1]  acc[0][2]       weights, CO * NV multiply-adds; with 8 x 3 on
 *   channel 1  acc[1][0]  ...                        AVX-512 that is 24 multiply-adds (12 cycles)
 *   ...                                              for 11 loads (16 line accesses, 8 cycles).
 *   channel 7  acc[7][0]  acc[7][1]  acc[7][2]
 *
 * The vectors of a tile follow each other through the map row by row, so small maps fill tiles too;
 * behind the last vector a tile repeats it and stores nothing. The transposed convolution computes
 * two neighbouring output columns per pixel, of one output row at a time, and zips them on store.
 *
 * A tile's sums pass through a buffer on the stack between the loop over input channels and what
 * follows: in one function with several loops GCC 12 spills the accumulators inside the loops (120
 * instead of 170 GFLOP/s), while a store and a load of 24 registers per tile cost 2 %.
 */
#ifndef DRAE_KERNELS_CPU_INFER_CONV_BODY_H
#define DRAE_KERNELS_CPU_INFER_CONV_BODY_H

#include "kernels/cpu/infer_body.h"

typedef struct tile_at {
    ptrdiff_t y[NV > NVT ? NV : NVT];
    ptrdiff_t x[NV > NVT ? NV : NVT];
    int n[NV > NVT ? NV : NVT]; /* lanes to store */
} tile_at;

/* The count vectors from number first on, in row order, of a map of h rows of w pixels. */
INLINE void tile_locate(tile_at *at, int first, int count, int h, int w) {
    int per_row = (w + VL - 1) / VL;
    int last = h * per_row - 1;
    for (int j = 0; j < count; j++) {
        int v = first + j < last ? first + j : last;
        at->y[j] = v / per_row;
        at->x[j] = (ptrdiff_t)(v % per_row) * VL;
        at->n[j] = first + j <= last ? lanes_left(w, (int)at->x[j]) : 0;
    }
}

INLINE vf load_pixels(const float *p, bool even) {
    return even ? vf_load_even(p) : vf_load(p);
}

/* sums += k x k window over c_in channels (sums = it where first); src[j] is the window's upper
 * left corner for lane 0 of vector j; even: lanes are two pixels apart. */
INLINE void add_taps(float sums[CO][NV][VL], bool first, const float *const src[NV],
                     ptrdiff_t stride, ptrdiff_t plane, int c_in, int k, bool even,
                     const float *restrict wei) {
    const float *p[NV];
    vf acc[CO][NV];
    UNROLL
    for (int j = 0; j < NV; j++) {
        p[j] = src[j];
        UNROLL
        for (int o = 0; o < CO; o++) {
            acc[o][j] = first ? vf_set(0.0f) : vf_load(sums[o][j]);
        }
    }
    for (int ci = 0; ci < c_in; ci++) {
        UNROLL
        for (int tap = 0; tap < k * k; tap++) {
            vf s[NV];
            UNROLL
            for (int j = 0; j < NV; j++) {
                s[j] = load_pixels(p[j] + tap / k * stride + tap % k, even);
            }
            UNROLL
            for (int o = 0; o < CO; o++) {
                vf w = vf_set(wei[o]);
                UNROLL
                for (int j = 0; j < NV; j++) {
                    vf_acc(&acc[o][j], w, s[j]);
                }
            }
            wei += CO;
        }
        UNROLL
        for (int j = 0; j < NV; j++) {
            if (k > 1) {
                /* What the tiles of the next row need and no tile has touched: w = 16 gains 4 %. */
                __builtin_prefetch(p[j] + k * stride + VL);
            }
            p[j] += plane;
        }
    }
    UNROLL
    for (int o = 0; o < CO; o++) {
        UNROLL
        for (int j = 0; j < NV; j++) {
            vf_store(sums[o][j], acc[o][j]);
        }
    }
}

/* The four windows, each a function of its own. */
#define ADD_TAPS(name, first, k, even)                                                             \
    NOINLINE void name(float sums[CO][NV][VL], const float *const src[NV], ptrdiff_t stride,       \
                       ptrdiff_t plane, int c_in, const float *restrict wei) {                     \
        add_taps(sums, first, src, stride, plane, c_in, k, even, wei);                             \
    }
ADD_TAPS(window3, true, 3, false)
ADD_TAPS(window3_even, true, 3, true)
ADD_TAPS(point, false, 1, false)
ADD_TAPS(point_even, false, 1, true)
#undef ADD_TAPS

/* What follows the sums, in registers: stores may change nothing of it. */
typedef struct epilogue {
    const float *residual, *scale, *shift;
    float *raw, *act;
    ptrdiff_t plane;
    vf slope;
} epilogue;

INLINE epilogue epilogue_of(const drae__infer_conv *op) {
    const epilogue e = {op->residual, op->scale,         op->shift,        op->raw,
                        op->act,      op->dst_map.plane, vf_set(op->slope)};
    return e;
}

/* Residual, raw, activation of one vector at offset at of channel co. */
INLINE void finish(const epilogue *e, int co, ptrdiff_t at, int n, vf v) {
    ptrdiff_t offset = e->plane * co + at;
    if (e->residual != NULL) {
        v += vf_load(e->residual + offset);
    }
    if (e->raw != NULL) {
        vf_store_n(e->raw + offset, v, n);
    }
    if (e->act != NULL) {
        vf u = vf_fma(vf_set(e->scale[co]), v, vf_set(e->shift[co]));
        vf_store_n(e->act + offset, vf_leaky(u, e->slope), n);
    }
}

/* Asks for what finish will touch. */
INLINE void finish_soon(const epilogue *e, int co, ptrdiff_t at) {
    const float *const maps[3] = {e->residual, e->raw, e->act};
    UNROLL
    for (int m = 0; m < 3; m++) {
        if (maps[m] != NULL) {
            __builtin_prefetch(maps[m] + e->plane * co + at);
        }
    }
}

static void conv3(const drae__infer_conv *op) {
    const drae__map_geometry *in = &op->src_map, *map = &op->dst_map;
    const epilogue e = epilogue_of(op);
    int stride = op->kind == DRAE__INFER_CONV3S2 ? 2 : 1;
    int proj_stride = op->proj.src == NULL ? 0 : op->proj.map.h / map->h;
    int vectors = map->h * ((map->w + VL - 1) / VL);
    for (int first = 0; first < vectors; first += NV) {
        tile_at at;
        tile_locate(&at, first, NV, map->h, map->w);
        const float *src[NV];
        const float *proj[NV];
        for (int j = 0; j < NV; j++) {
            src[j] = op->src + (stride * at.y[j] - 1) * in->stride + stride * at.x[j] - 1;
            proj[j] = proj_stride == 0
                          ? NULL
                          : op->proj.src + proj_stride * at.y[j] * op->proj.map.stride +
                                proj_stride * at.x[j];
        }
        for (int co = 0; co < op->c_out; co += CO) {
            float sums[CO][NV][VL] __attribute__((aligned(64)));
            (stride == 1 ? window3 : window3_even)(sums, src, in->stride, in->plane, op->c_in,
                                                   op->wei + (ptrdiff_t)co * op->c_in * 9);
            if (proj_stride > 0) {
                (proj_stride == 1 ? point : point_even)(
                    sums, proj, op->proj.map.stride, op->proj.map.plane, op->proj.c_in,
                    op->proj.wei + (ptrdiff_t)co * op->proj.c_in);
            }
            for (int o = 0; o < CO; o++) {
                for (int j = 0; j < NV; j++) {
                    finish(&e, co + o, at.y[j] * map->stride + at.x[j], at.n[j],
                           vf_load(sums[o][j]));
                }
            }
        }
    }
}

/* acc[o][column parity][j] += w * s[j] for the COT channels of one tap. */
INLINE const float *add_parity(vf acc[COT][2][NVT], int parity, const vf s[NVT], const float *wei) {
    UNROLL
    for (int o = 0; o < COT; o++) {
        vf w = vf_set(wei[o]);
        UNROLL
        for (int j = 0; j < NVT; j++) {
            vf_acc(&acc[o][parity][j], w, s[j]);
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
                          ptrdiff_t stride, ptrdiff_t plane, int c_in, const float *restrict wei) {
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
    for (int ci = 0; ci < c_in; ci++) {
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
                          int c_in, const float *restrict wei) {
    vf acc[COT][2][NVT];
    UNROLL
    for (int o = 0; o < COT; o++) {
        UNROLL
        for (int j = 0; j < NVT; j++) {
            acc[o][0][j] = vf_load(sums[o][0][j]);
            acc[o][1][j] = vf_load(sums[o][1][j]);
        }
    }
    for (int ci = 0; ci < c_in; ci++) {
        vf s[NVT];
        load_column(s, src, plane * ci);
        wei = add_parity(acc, 0, s, wei);
        wei = add_parity(acc, 1, s, wei);
    }
    store_sums(sums, acc);
}

static void convt4(const drae__infer_conv *op) {
    const drae__map_geometry *in = &op->src_map, *map = &op->dst_map;
    const epilogue e = epilogue_of(op);
    int vectors = in->h * ((in->w + VL - 1) / VL);
    for (int first = 0; first < vectors; first += NVT) {
        tile_at at;
        tile_locate(&at, first, NVT, in->h, in->w);
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
            for (int o = 0; o < COT; o++) {
                for (int j = 0; j < NVT; j++) {
                    ptrdiff_t to = (2 * at.y[j] + parity) * map->stride + 2 * at.x[j];
                    finish_soon(&e, co + o, to);
                    finish_soon(&e, co + o, to + VL);
                }
            }
            transposed4(sums, src[parity], in->stride, in->plane, op->c_in,
                        op->wei + (ptrdiff_t)part * COT * op->c_in * 8);
            if (op->proj.src != NULL) {
                transposed2(sums, proj, op->proj.map.plane, op->proj.c_in,
                            op->proj.wei + (ptrdiff_t)part * COT * op->proj.c_in * 2);
            }
            for (int o = 0; o < COT; o++) {
                for (int j = 0; j < NVT; j++) {
                    vf even = vf_load(sums[o][0][j]), odd = vf_load(sums[o][1][j]);
                    ptrdiff_t to = (2 * at.y[j] + parity) * map->stride + 2 * at.x[j];
                    int n = 2 * at.n[j];
                    finish(&e, co + o, to, n < VL ? n : VL, vf_zip_lo(even, odd));
                    finish(&e, co + o, to + VL, n < VL ? 0 : n - VL, vf_zip_hi(even, odd));
                }
            }
        }
    }
}

static void conv_direct(const drae__infer_conv *op) {
    if (op->kind == DRAE__INFER_CONVT4) {
        convt4(op);
    } else {
        conv3(op);
    }
}

#endif
