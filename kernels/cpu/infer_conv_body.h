/* SPDX-License-Identifier: Apache-2.0 */
/*
 * 3x3 convolutions with projection, residual and activation (drae__infer_conv), f32, planar, summed
 * directly. The multiply-add loop and the epilogue serve the other kinds too.
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
 * behind the last vector a tile repeats it and stores nothing.
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

/* The count vectors from number first on, in row order, of a map whose rows end at h, of w pixels.
 */
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

/* sums += k x k window over c_in channels (sums = it where first) of the first nv vectors; src[j]
 * is the window's upper left corner for lane 0 of vector j; even: lanes are two pixels apart. */
INLINE void add_taps(float sums[CO][NV][VL], bool first, int nv, const float *const src[NV],
                     ptrdiff_t stride, ptrdiff_t plane, int c_in, int k, bool even,
                     const float *restrict wei) {
    const float *p[NV];
    vf acc[CO][NV];
    UNROLL
    for (int j = 0; j < nv; j++) {
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
            for (int j = 0; j < nv; j++) {
                s[j] = load_pixels(p[j] + tap / k * stride + tap % k, even);
            }
            UNROLL
            for (int o = 0; o < CO; o++) {
                vf w = vf_set(wei[o]);
                UNROLL
                for (int j = 0; j < nv; j++) {
                    vf_acc(&acc[o][j], w, s[j]);
                }
            }
            wei += CO;
        }
        UNROLL
        for (int j = 0; j < nv; j++) {
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
        for (int j = 0; j < nv; j++) {
            vf_store(sums[o][j], acc[o][j]);
        }
    }
}

/* The windows, each a function of its own. */
#define ADD_TAPS(name, first, nv, k, even)                                                         \
    NOINLINE void name(float sums[CO][NV][VL], const float *const src[NV], ptrdiff_t stride,       \
                       ptrdiff_t plane, int c_in, const float *restrict wei) {                     \
        add_taps(sums, first, nv, src, stride, plane, c_in, k, even, wei);                         \
    }
ADD_TAPS(window3, true, NV, 3, false)
ADD_TAPS(window3_even, true, NV, 3, true)
ADD_TAPS(point, false, NV, 1, false)
ADD_TAPS(point_even, false, NV, 1, true)

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

/* Of one channel, from an offset on. */
typedef struct channel {
    vf scale, shift;
    ptrdiff_t offset;
} channel;

INLINE channel channel_of(const epilogue *e, int co, ptrdiff_t at) {
    const vf none = vf_set(0.0f);
    const channel c = {e->act != NULL ? vf_set(e->scale[co]) : none,
                       e->act != NULL ? vf_set(e->shift[co]) : none, e->plane * co + at};
    return c;
}

/* Residual, raw, activation of one vector; n lanes, none where n <= 0. */
INLINE void finish_channel(const epilogue *e, const channel *c, ptrdiff_t at, int n, vf v) {
    const ptrdiff_t offset = c->offset + at;
    if (e->residual != NULL) {
        v += vf_load(e->residual + offset);
    }
    if (e->raw != NULL) {
        vf_store_n(e->raw + offset, v, n);
    }
    if (e->act != NULL) {
        vf_store_n(e->act + offset, vf_leaky(vf_fma(c->scale, v, c->shift), e->slope), n);
    }
}

INLINE void finish(const epilogue *e, int co, ptrdiff_t at, int n, vf v) {
    const channel c = channel_of(e, co, at);
    finish_channel(e, &c, 0, n, v);
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

/* Projection of a tile and what follows it. */
static void finish_tile(const drae__infer_conv *op, const epilogue *e, const tile_at *at, int co,
                        float sums[CO][NV][VL]) {
    const drae__map_geometry *map = &op->dst_map, *from = &op->proj.map;
    if (op->proj.src != NULL) {
        const int stride = from->h / map->h;
        const float *src[NV];
        for (int j = 0; j < NV; j++) {
            src[j] = op->proj.src + stride * (at->y[j] * from->stride + at->x[j]);
        }
        (stride == 1 ? point : point_even)(sums, src, from->stride, from->plane, op->proj.c_in,
                                           op->proj.wei + (ptrdiff_t)co * op->proj.c_in);
    }
    for (int o = 0; o < CO; o++) {
        for (int j = 0; j < NV; j++) {
            finish(e, co + o, at->y[j] * map->stride + at->x[j], at->n[j], vf_load(sums[o][j]));
        }
    }
}

static void conv3(const drae__infer_conv *op) {
    const drae__map_geometry *in = &op->src_map, *map = &op->dst_map;
    const epilogue e = epilogue_of(op);
    int stride = op->kind == DRAE__INFER_CONV3S2 ? 2 : 1;
    int end = drae__infer_conv_end(op), per_row = (map->w + VL - 1) / VL;
    for (int first = op->row * per_row; first < end * per_row; first += NV) {
        tile_at at;
        tile_locate(&at, first, NV, end, map->w);
        const float *src[NV];
        for (int j = 0; j < NV; j++) {
            src[j] = op->src + (stride * at.y[j] - 1) * in->stride + stride * at.x[j] - 1;
        }
        for (int co = 0; co < op->c_out; co += CO) {
            float sums[CO][NV][VL] __attribute__((aligned(64)));
            (stride == 1 ? window3 : window3_even)(sums, src, in->stride, in->plane, op->c_in,
                                                   op->wei + (ptrdiff_t)co * op->c_in * 9);
            finish_tile(op, &e, &at, co, sums);
        }
    }
}

#endif
