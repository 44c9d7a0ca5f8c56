/* SPDX-License-Identifier: Apache-2.0 */
/*
 * 3x3 convolutions of stride 1 by strips of four rows: half the multiplications of the direct sum.
 *
 * Down the columns, four outputs of a filter of three taps come from six products instead of twelve
 * (Cook-Toom with the points 0, 1, -1, 1/2, -1/2 and infinity; Winograd's F(4,3)). Along the rows
 * the convolution stays direct, so a register still holds neighbouring pixels and nothing is
 * shuffled:
 *
 *     rows y-1 .. y+4 of the source    v = B d       six parts of each channel, made once a tile,
 *            d0 .. d5                                  kept in the scratch (L1 at 16 channels)
 *     weights of a column              u = G g       six parts, packed (infer_pack.c)
 *     part k of the output             m_k = sum over channels and three columns of u_k v_k
 *     rows y .. y+3 of the output      A m           then projection, residual, activation
 *
 * B and A hold powers of two but for two coefficients 5/4, and the rounding errors of a sum are 1.8
 * times those of the direct one (rms, 16 and 64 channels). Two dimensions of this would multiply a
 * quarter as often, with larger errors, and shuffle: not tried.
 *
 * A strip that ends below the map reads the row of zeros below it instead of what follows. The
 * vectors of a tile follow each other through the strips, as those of infer_conv_body.h through the
 * rows, so small maps fill tiles too.
 */
#ifndef DRAE_KERNELS_CPU_INFER_STRIP_BODY_H
#define DRAE_KERNELS_CPU_INFER_STRIP_BODY_H

#include "kernels/cpu/infer_conv_body.h"

#define S_ROWS  DRAE__STRIP_ROWS
#define S_PARTS DRAE__STRIP_PARTS
/* Floats of a channel in a part: NV vectors, behind each room for the two columns that follow where
 * the next vector does not begin with them. */
#define S_PITCH ((ptrdiff_t)DRAE__STRIP_PITCH(NV, VL))

typedef struct strip_tile {
    tile_at at;       /* y counts strips */
    ptrdiff_t to[NV]; /* where a vector lies in a channel of a part */
    bool ends[NV];    /* the next vector is not its neighbour in the row */
} strip_tile;

static void strip_locate(strip_tile *t, int first, int strips, int w) {
    tile_locate(&t->at, first, NV, strips, w);
    ptrdiff_t to = 0;
    for (int j = 0; j < NV; j++) {
        t->to[j] = to;
        t->ends[j] =
            j + 1 == NV || t->at.y[j + 1] != t->at.y[j] || t->at.x[j + 1] != t->at.x[j] + VL;
        to += t->ends[j] ? 2 * VL : VL;
    }
}

/* v = B d of VL columns of one channel, a part every `part` floats. */
INLINE void strip_transform(const float *const row[S_PARTS], ptrdiff_t at, float *v,
                            ptrdiff_t part) {
    const vf quarter = vf_set(0.25f), five_quarters = vf_set(1.25f), half = vf_set(0.5f);
    vf d1 = vf_load(row[1] + at), d2 = vf_load(row[2] + at), d3 = vf_load(row[3] + at);
    vf d4 = vf_load(row[4] + at), zero = vf_set(0.0f);
    vf_store(v, vf_fma(quarter, vf_load(row[0] + at), vf_fma(zero - five_quarters, d2, d4)));
    vf a = vf_fma(zero - quarter, d2, d4), b = vf_fma(zero - quarter, d1, d3);
    vf_store(v + part, a + b);
    vf_store(v + 2 * part, a - b);
    vf c = d4 - d2, e = half * (d3 - d1);
    vf_store(v + 3 * part, c + e);
    vf_store(v + 4 * part, c - e);
    vf_store(v + 5 * part,
             vf_fma(quarter, d1, vf_fma(zero - five_quarters, d3, vf_load(row[5] + at))));
}

/* The six parts of a tile's columns and of one more to either side: parts [S_PARTS][c_in][pitch].
 */
NOINLINE void strip_parts(const drae__infer_conv *op, const strip_tile *t, float *parts) {
    const drae__map_geometry *in = &op->src_map;
    const ptrdiff_t part = op->c_in * S_PITCH;
    for (int j = 0; j < NV; j++) {
        const float *row[S_PARTS];
        for (int i = 0; i < S_PARTS; i++) {
            ptrdiff_t y = S_ROWS * t->at.y[j] - 1 + i;
            row[i] = op->src + (y < in->h ? y : in->h) * in->stride + t->at.x[j] - 1;
        }
        float *to = parts + t->to[j];
        for (int ci = 0; ci < op->c_in; ci++) {
            for (int i = 0; i < S_PARTS; i++) { /* of the next tile */
                __builtin_prefetch(row[i] + ci * in->plane + NV * VL + 1, 0, 2);
            }
            strip_transform(row, ci * in->plane, to + ci * S_PITCH, part);
            if (t->ends[j]) {
                strip_transform(row, ci * in->plane + VL, to + ci * S_PITCH + VL, part);
            }
        }
    }
}

/* m = sum over channels and columns of one part. */
NOINLINE void strip_products(float m[CO][NV][VL], const float *const src[NV], int c_in,
                             const float *restrict wei) {
    const float *p[NV];
    vf acc[CO][NV];
    UNROLL
    for (int j = 0; j < NV; j++) {
        p[j] = src[j];
        UNROLL
        for (int o = 0; o < CO; o++) {
            acc[o][j] = vf_set(0.0f);
        }
    }
    for (int ci = 0; ci < c_in; ci++) {
        UNROLL
        for (int tap = 0; tap < 3; tap++) {
            vf s[NV];
            UNROLL
            for (int j = 0; j < NV; j++) {
                s[j] = vf_load(p[j] + tap);
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
            p[j] += S_PITCH;
        }
    }
    UNROLL
    for (int o = 0; o < CO; o++) {
        UNROLL
        for (int j = 0; j < NV; j++) {
            vf_store(m[o][j], acc[o][j]);
        }
    }
}

/* sums = A m */
NOINLINE void strip_rows(float m[S_PARTS][CO][NV][VL], float sums[S_ROWS][CO][NV][VL]) {
    const vf half = vf_set(0.5f), quarter = vf_set(0.25f), eighth = vf_set(0.125f);
    for (int o = 0; o < CO; o++) {
        UNROLL
        for (int j = 0; j < NV; j++) {
            vf m1 = vf_load(m[1][o][j]), m2 = vf_load(m[2][o][j]);
            vf m3 = vf_load(m[3][o][j]), m4 = vf_load(m[4][o][j]);
            vf sum1 = m1 + m2, sum3 = m3 + m4, dif1 = m1 - m2, dif3 = m3 - m4;
            vf_store(sums[0][o][j], vf_load(m[0][o][j]) + sum1 + sum3);
            vf_store(sums[1][o][j], vf_fma(half, dif3, dif1));
            vf_store(sums[2][o][j], vf_fma(quarter, sum3, sum1));
            vf_store(sums[3][o][j], vf_fma(eighth, dif3, dif1) + vf_load(m[5][o][j]));
        }
    }
}

/* The rows of the map that row `row` of each strip of the tile is, and the lanes to store. */
INLINE void strip_row(const strip_tile *t, int row, int h, ptrdiff_t y[NV], int n[NV]) {
    for (int j = 0; j < NV; j++) {
        y[j] = S_ROWS * t->at.y[j] + row;
        n[j] = y[j] < h ? t->at.n[j] : 0;
        y[j] = y[j] < h ? y[j] : h - 1;
    }
}

INLINE void prefetch_vectors(const float *map, ptrdiff_t stride, const ptrdiff_t y[NV],
                             const ptrdiff_t x[NV]) {
    for (int j = 0; j < NV; j++) {
        __builtin_prefetch(map + y[j] * stride + x[j]);
    }
}

/* What the tile's last steps will touch, while its products are computed. Maps lie far apart, so
 * that the processor's own prefetching does not find them. */
NOINLINE void strip_prefetch(const drae__infer_conv *op, const strip_tile *t, int co) {
    const drae__map_geometry *map = &op->dst_map, *from = &op->proj.map;
    const float *const maps[3] = {op->residual, op->raw, op->act};
    for (int row = 0; row < S_ROWS; row++) {
        ptrdiff_t y[NV];
        int n[NV];
        strip_row(t, row, map->h, y, n);
        for (int m = 0; m < 3; m++) {
            for (int o = 0; maps[m] != NULL && o < CO; o++) {
                prefetch_vectors(maps[m] + (co + o) * map->plane, map->stride, y, t->at.x);
            }
        }
        if (co == 0 && op->proj.src != NULL && from->h == map->h) {
            for (int ci = 0; ci < op->proj.c_in; ci++) {
                prefetch_vectors(op->proj.src + ci * from->plane, from->stride, y, t->at.x);
            }
        }
    }
}

/* Projection of row `row` of the tile's strips. */
static void strip_project(const drae__infer_conv *op, const strip_tile *t, const ptrdiff_t y[NV],
                          int co, float sums[CO][NV][VL]) {
    const drae__map_geometry *from = &op->proj.map;
    int stride = from->h / op->dst_map.h;
    const float *src[NV];
    for (int j = 0; j < NV; j++) {
        src[j] = op->proj.src + stride * (y[j] * from->stride + t->at.x[j]);
    }
    (stride == 1 ? point : point_even)(sums, src, from->stride, from->plane, op->proj.c_in,
                                       op->proj.wei + (ptrdiff_t)co * op->proj.c_in);
}

/* Projection and what follows it of row `row` of the tile's strips. */
NOINLINE void strip_finish(const drae__infer_conv *op, const strip_tile *t, int row, int co,
                           float sums[CO][NV][VL]) {
    const epilogue e = epilogue_of(op);
    const ptrdiff_t stride = op->dst_map.stride;
    ptrdiff_t y[NV];
    int n[NV];
    strip_row(t, row, op->dst_map.h, y, n);
    if (op->proj.src != NULL) {
        strip_project(op, t, y, co, sums);
    }
    for (int o = 0; o < CO; o++) {
        UNROLL
        for (int j = 0; j < NV; j++) {
            finish(&e, co + o, y[j] * stride + t->at.x[j], n[j], vf_load(sums[o][j]));
        }
    }
}

static void conv3_strips(const drae__infer_conv *op) {
    const drae__map_geometry *map = &op->dst_map;
    const int strips = (map->h + S_ROWS - 1) / S_ROWS;
    const int vectors = strips * ((map->w + VL - 1) / VL);
    const ptrdiff_t part = op->c_in * S_PITCH;
    for (int first = 0; first < vectors; first += NV) {
        strip_tile t;
        strip_locate(&t, first, strips, map->w);
        strip_parts(op, &t, op->scratch);
        const float *wei = op->wei;
        for (int co = 0; co < op->c_out; co += CO) {
            float m[S_PARTS][CO][NV][VL] __attribute__((aligned(64)));
            float sums[S_ROWS][CO][NV][VL] __attribute__((aligned(64)));
            strip_prefetch(op, &t, co);
            for (int k = 0; k < S_PARTS; k++) {
                const float *src[NV];
                for (int j = 0; j < NV; j++) {
                    src[j] = op->scratch + k * part + t.to[j];
                }
                strip_products(m[k], src, op->c_in, wei);
                wei += (ptrdiff_t)op->c_in * 3 * CO;
            }
            strip_rows(m, sums);
            for (int row = 0; row < S_ROWS; row++) {
                strip_finish(op, &t, row, co, sums[row]);
            }
        }
    }
}

static void conv_by_strips(const drae__infer_conv *op) {
    if (op->kind == DRAE__INFER_CONV3 && op->c_in >= DRAE__STRIP_CHANNELS) {
        conv3_strips(op);
    } else {
        conv_direct(op);
    }
}

#endif
