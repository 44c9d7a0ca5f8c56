/* SPDX-License-Identifier: Apache-2.0 */
/* Weights from the model's layout into the order in which the inference kernels read them. */
#include "kernels/infer_bf16.h"

#include <string.h>

/* Weights in the model's layout, and how many elements their input channels become. */
typedef struct source {
    const float *wei;
    int c_in, planes;
    bool pairs;
} source;

static source source_of(const drae__infer_kernels *kernels, int c_in, const float *wei) {
    const source s = {wei, c_in, kernels->pairs ? (c_in + 1) / 2 : c_in, kernels->pairs};
    return s;
}

/* The element of a plane; at: where the weight of input channel 0 lies, step: to the next one's. */
static float element(const source *s, int plane, ptrdiff_t at, ptrdiff_t step) {
    const float *first = s->wei + at + (s->pairs ? 2 : 1) * plane * step;
    if (!s->pairs) {
        return *first;
    }
    return drae__bf16_pair(*first, 2 * plane + 1 < s->c_in ? first[step] : 0.0f);
}

/* [c_out,c_in,k,k] -> [tile][plane][k*k][channel of the tile] */
static void pack_direct(int tile, int taps, int c_out, const source *s, float *dst) {
    for (int co = 0; co < c_out; co += tile) {
        for (int i = 0; i < s->planes; i++) {
            for (int tap = 0; tap < taps; tap++) {
                for (int o = 0; o < tile; o++) {
                    *dst++ = element(s, i, (ptrdiff_t)(co + o) * s->c_in * taps + tap, taps);
                }
            }
        }
    }
}

const int drae__strip_order[DRAE__STRIP_ALONG] = {1, 2, 0, 3};

/* The window of one pair of channels as 3x3 of stride 1: of CONVT4 that of a phase. */
static void strip_window(drae__infer_conv_kind kind, int phase, int c_in, int c_out, int ci, int co,
                         const float *wei, double window[3][3]) {
    /* Of the 4x4 kernel, by parity of the result: row y-1, y, y+1 of the source; -1: none. */
    static const int tap[2][3] = {{3, 1, -1}, {-1, 2, 0}};
    for (int row = 0; row < 3; row++) {
        for (int column = 0; column < 3; column++) {
            int ky = tap[phase / 2][row], kx = tap[phase % 2][column];
            if (kind == DRAE__INFER_CONV3) {
                window[row][column] =
                    (double)wei[((ptrdiff_t)co * c_in + ci) * 9 + 3 * row + column];
            } else {
                window[row][column] =
                    ky < 0 || kx < 0 ? 0.0
                                     : (double)wei[((ptrdiff_t)ci * c_out + co) * 16 + 4 * ky + kx];
            }
        }
    }
}

/* One part of a window: row `down` of G (four rows of results) down the columns, row `along` of
 * that of pairs along the rows, rounded once; see infer_strip_body.h. */
static float strip_weight(const double window[3][3], int down, int along) {
    static const double g[DRAE__STRIP_DOWN][3] = {
        {4.0, 0.0, 0.0},    {2.0, 2.0, 2.0},   {2.0, -2.0, 2.0},
        {-8.0, -4.0, -2.0}, {-8.0, 4.0, -2.0}, {0.0, 0.0, 1.0},
    };
    static const double divisor[DRAE__STRIP_DOWN] = {1.0, 3.0, 3.0, 3.0, 3.0, 1.0};
    static const double pair[DRAE__STRIP_ALONG][3] = {
        {1.0, 0.0, 0.0}, {0.5, 0.5, 0.5}, {0.5, -0.5, 0.5}, {0.0, 0.0, 1.0}};
    double sum = 0.0;
    for (int row = 0; row < 3; row++) {
        for (int column = 0; column < 3; column++) {
            sum += g[down][row] * pair[along][column] * window[row][column];
        }
    }
    return (float)(sum / divisor[down]);
}

/* The parts of tiles [from, from + count) of a phase. Returns the end. */
static float *pack_strip_block(int tile, drae__infer_conv_kind kind, int phase, int along, int from,
                               int count, int c_in, int c_out, const float *wei, float *dst) {
    const int parity = kind == DRAE__INFER_CONV3 ? -1 : phase / 2;
    const ptrdiff_t part = (ptrdiff_t)count * c_in * tile;
    for (ptrdiff_t i = 0; i < part; i++) {
        int o = (int)(i % tile), ci = (int)(i / tile % c_in), t = from + (int)(i / tile / c_in);
        double window[3][3];
        strip_window(kind, phase, c_in, c_out, ci, t * tile + o, wei, window);
        float *to = dst + i;
        for (int down = 0; down < DRAE__STRIP_DOWN; down++) {
            if (!drae__strip_none(parity, down, DRAE__STRIP_DOWN)) {
                *to = strip_weight(window, down, along);
                to += part;
            }
        }
    }
    return dst + part * (parity < 0 ? DRAE__STRIP_DOWN : DRAE__STRIP_DOWN - 1);
}

static void pack_strips(int tile, drae__infer_conv_kind kind, int c_in, int c_out, const float *wei,
                        float *dst) {
    const int phases = kind == DRAE__INFER_CONV3 ? 1 : DRAE__STRIP_PHASES, tiles = c_out / tile;
    for (int step = 0; step < DRAE__STRIP_ALONG; step++) {
        const int along = drae__strip_order[step];
        for (int phase = 0; phase < phases; phase++) {
            const int parity = kind == DRAE__INFER_CONV3 ? -1 : phase % 2;
            if (drae__strip_none(parity, along, DRAE__STRIP_ALONG)) {
                continue;
            }
            for (int from = 0; from < tiles; from += DRAE__STRIP_BLOCK) {
                int left = tiles - from;
                dst = pack_strip_block(tile, kind, phase, along, from,
                                       left < DRAE__STRIP_BLOCK ? left : DRAE__STRIP_BLOCK, c_in,
                                       c_out, wei, dst);
            }
        }
    }
}

/* [c_in,c_out,2,2] -> [phase][tile][c_in][channel of the tile] */
static void pack_strip_proj(int tile, int c_in, int c_out, const float *wei, float *dst) {
    for (int phase = 0; phase < DRAE__STRIP_PHASES; phase++) {
        for (int co = 0; co < c_out; co += tile) {
            for (int ci = 0; ci < c_in; ci++) {
                for (int o = 0; o < tile; o++) {
                    *dst++ = wei[((ptrdiff_t)ci * c_out + co + o) * 4 + phase];
                }
            }
        }
    }
}

/* [c_in,c_out,4,4] -> [tile][row parity][plane][input row][4 taps][channel of the tile]; the taps
 * are (x-1, x) for the even output column and (x, x+1) for the odd one. */
static void pack_transposed4(int tile, int c_out, const source *s, float *dst) {
    static const ptrdiff_t ky[2][2] = {{3, 1}, {2, 0}};
    static const ptrdiff_t kx[4] = {3, 1, 2, 0};
    for (int co = 0; co < c_out; co += tile) {
        for (int parity = 0; parity < 2; parity++) {
            for (int i = 0; i < s->planes; i++) {
                for (int part = 0; part < 8; part++) {
                    for (int o = 0; o < tile; o++) {
                        ptrdiff_t tap = 4 * ky[parity][part / 4] + kx[part % 4];
                        *dst++ =
                            element(s, i, (ptrdiff_t)(co + o) * 16 + tap, (ptrdiff_t)c_out * 16);
                    }
                }
            }
        }
    }
}

/* [c_in,c_out,2,2] -> [tile][row parity][plane][column parity][channel of the tile] */
static void pack_transposed2(int tile, int c_out, const source *s, float *dst) {
    for (int co = 0; co < c_out; co += tile) {
        for (int parity = 0; parity < 2; parity++) {
            for (int i = 0; i < s->planes; i++) {
                for (int kx = 0; kx < 2; kx++) {
                    for (int o = 0; o < tile; o++) {
                        ptrdiff_t tap = 2 * parity + kx;
                        *dst++ = element(s, i, (ptrdiff_t)(co + o) * 4 + tap, (ptrdiff_t)c_out * 4);
                    }
                }
            }
        }
    }
}

/* Of a convolution: those of the image stay floats. */
static source source_in(const drae__infer_kernels *kernels, drae__infer_conv_kind kind, int c_in,
                        const float *wei) {
    const source floats = {wei, c_in, c_in, false};
    return kind == DRAE__INFER_CONV3 && c_in == 1 ? floats : source_of(kernels, c_in, wei);
}

size_t drae__infer_conv_weights(const drae__infer_kernels *kernels, drae__infer_conv_kind kind,
                                int c_in, int c_out) {
    const size_t parts = DRAE__STRIP_DOWN * DRAE__STRIP_ALONG;
    const size_t phase_parts = (DRAE__STRIP_DOWN - 1) * (DRAE__STRIP_ALONG - 1);
    const bool up = kind == DRAE__INFER_CONVT4;
    size_t taps = up ? 16 : 9;
    if (drae__infer_by_strips(kernels, kind, c_in)) {
        taps = up ? DRAE__STRIP_PHASES * phase_parts : parts;
    }
    return (size_t)source_in(kernels, kind, c_in, NULL).planes * (size_t)c_out * taps;
}

void drae__infer_pack_conv(const drae__infer_kernels *kernels, drae__infer_conv_kind kind, int c_in,
                           int c_out, const float *wei, float *dst) {
    if (drae__infer_by_strips(kernels, kind, c_in)) {
        pack_strips(kernels->co_tile, kind, c_in, c_out, wei, dst);
        return;
    }
    const source s = source_in(kernels, kind, c_in, wei);
    if (kind == DRAE__INFER_CONVT4) {
        pack_transposed4(kernels->cot_tile, c_out, &s, dst);
    } else {
        pack_direct(kernels->co_tile, 9, c_out, &s, dst);
    }
}

void drae__infer_pack_proj(const drae__infer_kernels *kernels, drae__infer_conv_kind kind, int c_in,
                           int c_out, const float *wei, float *dst) {
    const source s = source_of(kernels, c_in, wei);
    if (kind != DRAE__INFER_CONVT4) {
        pack_direct(kernels->co_tile, 1, c_out, &s, dst);
    } else if (drae__infer_by_strips(kernels, kind, c_in)) {
        pack_strip_proj(kernels->co_tile, c_in, c_out, wei, dst);
    } else {
        pack_transposed2(kernels->cot_tile, c_out, &s, dst);
    }
}

void drae__infer_pack_out(const drae__infer_kernels *kernels, int c_in, const float *wei,
                          float *dst) {
    const source s = source_of(kernels, c_in, wei);
    for (int i = 0; i < s.planes * 9; i++) {
        dst[i] = element(&s, i / 9, i % 9, 9);
    }
}

void drae__infer_pack_down(size_t latent, size_t elems, const float *wei, float *dst) {
    size_t padded = drae__infer_latent_padded((int)latent);
    for (size_t i = 0; i < elems; i++) {
        for (size_t j = 0; j < latent; j++) {
            dst[i * padded + j] = wei[j * elems + i];
        }
        memset(dst + i * padded + latent, 0, (padded - latent) * sizeof *dst);
    }
}

void drae__infer_pack_up(size_t latent, size_t elems, const float *wei, float *dst) {
    for (size_t begin = 0; begin < elems; begin += DRAE__INFER_UP_BLOCK) {
        for (size_t j = 0; j < latent; j++) {
            for (size_t i = 0; i < DRAE__INFER_UP_BLOCK; i++) {
                *dst++ = wei[(begin + i) * latent + j];
            }
        }
    }
}

/* ---- maps in pairs ---- */

void drae__infer_pack_map(const drae__map_geometry *map, int channels, const float *rows,
                          float *dst) {
    const ptrdiff_t pixels = (ptrdiff_t)map->h * map->w;
    for (int c = 0; c < channels; c += 2) {
        const float *even = rows + c * pixels, *odd = c + 1 < channels ? even + pixels : NULL;
        for (ptrdiff_t i = 0; i < pixels; i++) {
            dst[c / 2 * map->plane + i / map->w * map->stride + i % map->w] =
                drae__bf16_pair(even[i], odd == NULL ? 0.0f : odd[i]);
        }
    }
}

void drae__infer_unpack_map(const drae__map_geometry *map, int channels, const float *src,
                            float *rows) {
    const ptrdiff_t pixels = (ptrdiff_t)map->h * map->w;
    for (int c = 0; c < channels; c++) {
        for (ptrdiff_t i = 0; i < pixels; i++) {
            *rows++ = drae__bf16_of_pair(
                src[c / 2 * map->plane + i / map->w * map->stride + i % map->w], c % 2);
        }
    }
}
