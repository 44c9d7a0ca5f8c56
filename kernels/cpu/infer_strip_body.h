/* SPDX-License-Identifier: Apache-2.0 */
/*
 * 3x3 convolutions of stride 1 by strips of four rows and pairs of columns, a third of the
 * multiplications of the direct sum, and transposed ones as four of them.
 *
 * Down the columns, four outputs of a filter of three taps come from six products instead of twelve
 * (Cook-Toom with the points 0, 1, -1, 1/2, -1/2 and infinity; Winograd's F(4,3)); along the rows,
 * two outputs from four instead of six (F(2,3)). A vector of parts stands for VL pairs of columns:
 *
 *     row d of the source   ... o[-1] e[0] o[0] e[1] o[1] ...     even and odd columns
 *     along the rows        0: o[t-1] - o[t]   1: e[t] + o[t]   2: o[t] - e[t]   3: e[t] - e[t+1]
 *     down the columns      v = B d of rows y-1 .. y+4           six parts of each of the four
 *     weights               u = G g of both directions           packed (infer_pack.c)
 *     products              m = sum over channels of u v         one tap: the loop of a projection
 *     output                A m down, then along the rows:       even: m1 + m2 + m0
 *                                                                odd:  m1 - m2 - m3
 *
 * Two of the four are made at a time, for all channels: 1 and 2, then 0 and 3, which share what
 * they load. Products go by blocks of output channels, so that a part is read from L1 however many
 * channels there are, and weights come in order. A projection adds to the sums while they are apart
 * in even and odd columns: its pixels are copied so, once a tile.
 *
 * B and A hold powers of two but for two coefficients 5/4; along the rows all are 1 or 1/2. The
 * even output of a pair does not meet the column behind the pair's window, so what lies behind a
 * row's one zero never counts. A strip that ends below the map reads the row of zeros below it
 * instead of what follows. The vectors of a tile follow each other through the strips, as those of
 * infer_conv_body.h through the rows.
 */
#ifndef DRAE_KERNELS_CPU_INFER_STRIP_BODY_H
#define DRAE_KERNELS_CPU_INFER_STRIP_BODY_H

#include "kernels/cpu/infer_products_body.h"
#include "kernels/cpu/infer_strided_body.h"
#include "kernels/cpu/infer_strip_tile.h"

/* ---- parts of the source ---- */

/* Two of the four along the rows, from column x on at lo, VL pixels further at hi (narrow: of the
 * next strip): 1 and 2, or 0 and 3. */
INLINE void strip_along(const float *lo, const float *hi, bool narrow, bool first, vf v[2]) {
    const vf a = vf_load(lo), b = vf_load(hi);
    const vf even = vf_evens(a, b), odd = vf_odds(a, b);
    v[0] = first ? even + odd : vf_odds_before(odd, lo, hi, narrow) - odd;
    v[1] = first ? odd - even : even - vf_evens_after(even, lo, hi, narrow);
}

/* v = B d, a part every `part` floats. */
INLINE void strip_down(vf d[S_DOWN][2], int which, float *v, ptrdiff_t part) {
    const vf quarter = vf_set(0.25f), minus_quarter = vf_set(-0.25f), half = vf_set(0.5f);
    const vf minus_five_quarters = vf_set(-1.25f);
    vf d0 = d[0][which], d1 = d[1][which], d2 = d[2][which];
    vf d3 = d[3][which], d4 = d[4][which], d5 = d[5][which];
    vf_store(v, vf_fma(quarter, d0, vf_fma(minus_five_quarters, d2, d4)));
    vf a = vf_fma(minus_quarter, d2, d4), b = vf_fma(minus_quarter, d1, d3);
    vf_store(v + part, a + b);
    vf_store(v + 2 * part, a - b);
    vf c = d4 - d2, e = half * (d3 - d1);
    vf_store(v + 3 * part, c + e);
    vf_store(v + 4 * part, c - e);
    vf_store(v + 5 * part, vf_fma(quarter, d1, vf_fma(minus_five_quarters, d3, d5)));
}

/* Row i of a strip; what lies below the map is its row of zeros. */
INLINE const float *strip_row(const drae__infer_conv *op, const strip_half *half, int i) {
    const drae__map_geometry *in = &op->src_map;
    const ptrdiff_t y = half->y - 1 + i;
    return op->src + (y < in->h ? y : in->h) * in->stride + half->x;
}

/* Six parts of every channel for each of two: parts [2][S_DOWN][part], in a part [c_in][NV][VL]. */
INLINE void strip_parts(const drae__infer_conv *op, const strip_tile *t, bool narrow, bool first,
                        float *parts, ptrdiff_t part) {
    for (int j = 0; j < t->n; j++) {
        const float *lo[S_DOWN], *hi[S_DOWN];
        for (int i = 0; i < S_DOWN; i++) {
            lo[i] = strip_row(op, &t->half[j][0], i);
            hi[i] = strip_row(op, &t->half[j][1], i);
        }
        for (int ci = 0; ci < op->c_in; ci++) {
            vf d[S_DOWN][2];
            UNROLL
            for (int i = 0; i < S_DOWN; i++) {
                if (first && !narrow) { /* of the next tile */
                    __builtin_prefetch(lo[i] + NV * S_WIDE + 2, 0, 2);
                }
                strip_along(lo[i], narrow ? hi[i] : lo[i] + VL, narrow, first, d[i]);
                lo[i] += op->src_map.plane;
                hi[i] += op->src_map.plane;
            }
            float *v = parts + ci * S_PITCH + j * VL;
            strip_down(d, 0, v, part);
            strip_down(d, 1, v + S_DOWN * part, part);
        }
    }
}

typedef void (*parts_of)(const drae__infer_conv *op, const strip_tile *t, float *parts,
                         ptrdiff_t part);
#define STRIP_PARTS(name, narrow, first)                                                           \
    NOINLINE void name(const drae__infer_conv *op, const strip_tile *t, float *parts,              \
                       ptrdiff_t part) {                                                           \
        strip_parts(op, t, narrow, first, parts, part);                                            \
    }
STRIP_PARTS(strip_parts12, false, true)
STRIP_PARTS(strip_parts03, false, false)
STRIP_PARTS(narrow_parts12, true, true)
STRIP_PARTS(narrow_parts03, true, false)

/* [narrow][0 and 3] */
static const parts_of parts_by[2][2] = {{strip_parts12, strip_parts03},
                                        {narrow_parts12, narrow_parts03}};

/* ---- sums ---- */

/* A m down the columns, then what it adds along the rows; in the order of drae__strip_order. */
INLINE void strip_add(int n, int along, strip_products m, strip_sums sums) {
    const vf half = vf_set(0.5f), quarter = vf_set(0.25f), eighth = vf_set(0.125f);
    for (int o = 0; o < CO; o++) {
        for (int j = 0; j < n; j++) {
            vf m1 = vf_load(m[1][o][j]), m2 = vf_load(m[2][o][j]);
            vf m3 = vf_load(m[3][o][j]), m4 = vf_load(m[4][o][j]);
            vf sum1 = m1 + m2, sum3 = m3 + m4, dif1 = m1 - m2, dif3 = m3 - m4;
            const vf r[S_ROWS] = {vf_load(m[0][o][j]) + sum1 + sum3, vf_fma(half, dif3, dif1),
                                  vf_fma(quarter, sum3, sum1),
                                  vf_fma(eighth, dif3, dif1) + vf_load(m[5][o][j])};
            UNROLL
            for (int row = 0; row < S_ROWS; row++) {
                float *even = sums[row][0][o][j], *odd = sums[row][1][o][j];
                vf so_far = along == 1 ? r[row] : vf_load(along == 3 ? odd : even);
                switch (along) {
                case 1:
                    vf_store(even, r[row]);
                    break;
                case 2:
                    vf_store(even, so_far + r[row]);
                    vf_store(odd, so_far - r[row]);
                    break;
                case 0:
                    vf_store(even, so_far + r[row]);
                    break;
                default:
                    vf_store(odd, so_far - r[row]);
                    break;
                }
            }
        }
    }
}

#define STRIP_ADD(name, along)                                                                     \
    NOINLINE void name(int n, strip_products m, strip_sums sums) {                                 \
        strip_add(n, along, m, sums);                                                              \
    }
STRIP_ADD(strip_add0, 0)
STRIP_ADD(strip_add1, 1)
STRIP_ADD(strip_add2, 2)
STRIP_ADD(strip_add3, 3)

typedef void (*add_of)(int n, strip_products m, strip_sums sums);
static const add_of strip_adds[DRAE__STRIP_ALONG] = {strip_add0, strip_add1, strip_add2,
                                                     strip_add3};

/* What the tile's last steps will touch in one row, while its last products are computed: a few
 * lines at a time, for more wait for each other. Maps lie far apart, so that the processor's own
 * prefetching does not find them. phase: of a transposed convolution,
 * whose odd columns lie in the lines of the even ones, and reach one line further. */
INLINE void strip_prefetch(const drae__infer_conv *op, const strip_tile *t, int phase, int co,
                           int row) {
    const drae__map_geometry *map = &op->dst_map;
    const float *const maps[3] = {op->residual, op->raw, op->act};
    const int up = op->kind == DRAE__INFER_CONVT4 ? 2 : 1;
    const ptrdiff_t at = phase / 2 * map->stride + phase % 2 * S_WIDE;
    for (int m = 0; m < 3; m++) {
        if (maps[m] == NULL) {
            continue;
        }
        const float *p = maps[m] + co * map->plane + at;
        for (int o = 0; o < CO; o++) {
            for (int j = 0; j < t->n; j++) {
                const strip_half *half = &t->half[j][0];
                __builtin_prefetch(p + up * ((half->y + row) * map->stride + half->x), 0, 2);
            }
            p += map->plane;
        }
    }
}

/* Scratch of a tile. */
typedef struct strip_work {
    float *parts;
    ptrdiff_t part; /* floats from a part to the next */
    strip_products *m;
    strip_sums *sums; /* [phase][tile of channels] */
} strip_work;

static strip_work strip_lay_out(const drae__infer_conv *op) {
    const int c = op->c_in > op->proj.c_in ? op->c_in : op->proj.c_in;
    strip_work w = {.parts = op->scratch, .part = op->c_in * S_PITCH + DRAE__STRIP_STAGGER};
    w.m = (strip_products *)(void *)(w.parts + 2 * S_DOWN * (c * S_PITCH + DRAE__STRIP_STAGGER));
    w.sums = (strip_sums *)(void *)(w.m + S_BLOCK);
    return w;
}

/* Where a block of output channels stands. */
typedef struct strip_part {
    int along, phase;
    int from, count; /* tiles of channels */
    bool last;       /* results follow */
} strip_part;

/* One block of output channels of one of the four along the rows, from its parts; returns the
 * weights that follow. down: the row's parity in a transposed convolution, -1 otherwise. */
static const float *strip_block(const drae__infer_conv *op, const strip_tile *t,
                                const strip_work *w, const float *parts, const strip_part *at,
                                int down, const float *wei, strip_sums *sums) {
    const window_of sum = products[t->n - 1];
    for (int k = 0; k < S_DOWN; k++) {
        const float *const v = parts + k * w->part;
        const float *const src[NV] = {v, v + VL, v + 2 * VL};
        for (int i = 0; i < at->count; i++) {
            if (at->last && k < S_ROWS) {
                strip_prefetch(op, t, at->phase, (at->from + i) * CO, k);
            }
            if (drae__strip_none(down, k, S_DOWN)) {
                memset(w->m[i][k], 0, sizeof w->m[i][k]);
            } else {
                sum(w->m[i][k], src, 0, S_PITCH, op->c_in, wei);
                wei += (ptrdiff_t)op->c_in * CO;
            }
        }
    }
    for (int i = 0; i < at->count; i++) {
        strip_adds[at->along](t->n, w->m[i], sums[i]);
    }
    return wei;
}

/* All sums of a tile; phases: 1, or the four of a transposed convolution. */
static void strip_sum(const drae__infer_conv *op, const strip_tile *t, const strip_work *w,
                      int phases) {
    const int tiles = op->c_out / CO;
    const float *wei = op->wei;
    for (int step = 0; step < DRAE__STRIP_ALONG; step++) {
        const float *parts = w->parts + step % 2 * S_DOWN * w->part;
        strip_part at = {.along = drae__strip_order[step], .last = step + 1 == DRAE__STRIP_ALONG};
        if (step % 2 == 0) {
            parts_by[t->narrow][step / 2](op, t, w->parts, w->part);
        }
        for (at.phase = 0; at.phase < phases; at.phase++) {
            const int row = phases == 1 ? -1 : at.phase / 2;
            const int column = phases == 1 ? -1 : at.phase % 2;
            if (drae__strip_none(column, at.along, DRAE__STRIP_ALONG)) {
                continue;
            }
            for (at.from = 0; at.from < tiles; at.from += S_BLOCK) {
                at.count = tiles - at.from < S_BLOCK ? tiles - at.from : S_BLOCK;
                wei = strip_block(op, t, w, parts, &at, row, wei,
                                  w->sums + at.phase * tiles + at.from);
            }
        }
    }
}

/* ---- projection ---- */

/* Its pixels, even and odd columns of results apart: pixels [S_ROWS][2][c_in][NV][VL]. */
NOINLINE void strip_proj_pixels(const drae__infer_conv *op, const strip_tile *t, int h,
                                float *pixels) {
    const drae__map_geometry *from = &op->proj.map;
    const int stride = op->kind == DRAE__INFER_CONVT4 ? 1 : from->h / op->dst_map.h;
    const ptrdiff_t part = op->proj.c_in * S_PITCH;
    for (int i = 0; i < t->n * S_ROWS; i++) {
        const int j = i / S_ROWS, row = i % S_ROWS;
        const float *p[2];
        for (int half = 0; half < 2; half++) {
            const strip_half *at = &t->half[j][half];
            const ptrdiff_t y = at->y + row < h ? at->y + row : h - 1;
            p[half] = op->proj.src + stride * (y * from->stride + at->x);
        }
        float *to = pixels + 2 * row * part + j * VL;
        for (int ci = 0; ci < op->proj.c_in; ci++) {
            vf lo = stride == 1 ? vf_load(p[0]) : vf_load_even(p[0]);
            vf hi = stride == 1 ? vf_load(p[1]) : vf_load_even(p[1]);
            __builtin_prefetch(p[0] + stride * NV * S_WIDE, 0, 2);
            vf_store(to, vf_evens(lo, hi));
            vf_store(to + part, vf_odds(lo, hi));
            p[0] += from->plane;
            p[1] += from->plane;
            to += S_PITCH;
        }
    }
}

static void strip_project(const drae__infer_conv *op, const strip_tile *t, const strip_work *w,
                          int phases) {
    const int c_in = op->proj.c_in, tiles = phases * op->c_out / CO;
    strip_proj_pixels(op, t, op->kind == DRAE__INFER_CONVT4 ? op->src_map.h : op->dst_map.h,
                      w->parts);
    for (int i = 0; i < tiles; i++) {
        for (int part = 0; part < 2 * S_ROWS; part++) {
            const float *const v = w->parts + part * c_in * S_PITCH;
            const float *const src[NV] = {v, v + VL, v + 2 * VL};
            more_products[t->n - 1](w->sums[i][part / 2][part % 2], src, 0, S_PITCH, c_in,
                                    op->proj.wei + (ptrdiff_t)i * CO * c_in);
        }
    }
}

/* ---- all of it ---- */

static void conv_strips(const drae__infer_conv *op) {
    const bool up = op->kind == DRAE__INFER_CONVT4;
    const int tiles = op->c_out / CO, phases = up ? DRAE__STRIP_PHASES : 1;
    const strip_walk walk = strip_walk_of(op->row / (up ? 2 : 1),
                                          drae__infer_conv_end(op) / (up ? 2 : 1), op->src_map.w);
    const strip_work w = strip_lay_out(op);
    strip_tile t;
    for (int first = 0; first < walk.vectors; first += t.n) {
        strip_locate(&t, first, &walk);
        strip_sum(op, &t, &w, phases);
        if (op->proj.src != NULL) {
            strip_project(op, &t, &w, phases);
        }
        for (int i = 0; i < tiles; i++) {
            if (up) {
                strip_finish_up(op, &t, i * CO, w.sums + i, tiles);
            } else {
                strip_finish(op, &t, i * CO, w.sums[i]);
            }
        }
    }
}

/* Which convolution by what. */
static void conv_by_strips(const drae__infer_conv *op) {
    if (op->kind == DRAE__INFER_CONV3S2) {
        conv3_copied(op);
    } else if (op->kind == DRAE__INFER_CONVT4 || op->c_in >= DRAE__STRIP_CHANNELS) {
        conv_strips(op);
    } else {
        conv3(op);
    }
}

#endif
