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

#include "kernels/cpu/infer_epilogue_body.h"

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

/* sums += k x k window over so many planes (sums = it where first) of the first nv vectors; src[j]
 * is the window's upper left corner for lane 0 of vector j; even: lanes are two pixels apart. */
INLINE void add_taps(float sums[CO][NV][VL], product_of add, bool first, int nv,
                     const float *const src[NV], ptrdiff_t stride, ptrdiff_t plane, int planes,
                     int k, bool even, const float *restrict wei) {
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
    for (int i = 0; i < planes; i++) {
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
                    add(&acc[o][j], w, s[j]);
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
#define ADD_TAPS(name, add, first, nv, k, even)                                                    \
    NOINLINE void name(float sums[CO][NV][VL], const float *const src[NV], ptrdiff_t stride,       \
                       ptrdiff_t plane, int planes, const float *restrict wei) {                   \
        add_taps(sums, add, first, nv, src, stride, plane, planes, k, even, wei);                  \
    }
ADD_TAPS(window3, vf_product, true, NV, 3, false)
ADD_TAPS(window3_even, vf_product, true, NV, 3, true)
ADD_TAPS(point, vf_product, false, NV, 1, false)
ADD_TAPS(point_even, vf_product, false, NV, 1, true)

typedef void (*window_of)(float sums[CO][NV][VL], const float *const src[NV], ptrdiff_t stride,
                          ptrdiff_t plane, int planes, const float *restrict wei);

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
        (stride == 1 ? point : point_even)(sums, src, from->stride, from->plane,
                                           PLANES(op->proj.c_in),
                                           op->proj.wei + (ptrdiff_t)co * PLANES(op->proj.c_in));
    }
    for (int o = 0; o < CO; o += 2) {
        for (int j = 0; j < NV; j++) {
            finish_two(e, co + o, at->y[j] * map->stride + at->x[j], at->n[j], vf_load(sums[o][j]),
                       vf_load(sums[o + 1][j]));
        }
    }
}

INLINE void conv3_by(const drae__infer_conv *op, window_of window, int planes) {
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
            window(sums, src, in->stride, in->plane, planes, op->wei + (ptrdiff_t)co * planes * 9);
            finish_tile(op, &e, &at, co, sums);
        }
    }
}

static void conv3(const drae__infer_conv *op) {
    conv3_by(op, op->kind == DRAE__INFER_CONV3S2 ? window3_even : window3, PLANES(op->c_in));
}

#endif
