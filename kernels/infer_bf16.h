/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Convolutions of inference on the CPU in bf16: activations and weights are bf16, sums and what
 * follows them f32. One table of functions per instruction set, all with the contract below and all
 * with the same bits: a product of two bf16 is exact in f32, and the order of the additions is that
 * of the AMX unit, which the other tables follow.
 *
 * Layout: NHWC. A map is h rows of w pixels of c channels, a row of zeros above and below, each row
 * followed by at least one pixel of zeros, which is also x = -1 of the row below. Channels are
 * padded with zeros to 8, 16 or a multiple of 32 (1 stays 1: the image), so that whole numbers of
 * pixels fill the 64 bytes of a tile's row.
 *
 * One unit of work is a tile of 16 rows x 16 columns of f32 sums:
 *
 *     row r      16 neighbouring floats of an output row: 2 pixels of 8 channels, or 16 channels
 *                of one pixel; "unit" u counts such steps along the image row
 *     a source   row r of A is 32 neighbouring bf16 of an input row, from the unit's window on:
 *                4 pixels of 8 channels, 2 of 16, or 32 channels of one
 *     weights    B, 32 x 16, zero where a channel is not in a pixel's window
 *
 * so one matrix product serves up to three taps of a row of the window, and neither source nor
 * result is ever rearranged. A transposed convolution writes two output pixels a unit.
 *
 * Numerics: for each tile of 32 terms, t_even and t_odd are chains of 16 fused multiply-adds from
 * zero over the even and odd terms; sum += t_even + t_odd. Tiles in the order: row of the window,
 * 32s along it, product of parts, then those of the projection. Then v = sum + residual, rounded to
 * bf16 for raw; act = leaky(scale v + shift), multiply and add rounded apart, then to bf16.
 * Rounding is to nearest, ties to even; results below 1.18e-38 become zero (the unit flushes them).
 * Functions allocate nothing and run on the calling thread.
 */
#ifndef DRAE_KERNELS_INFER_BF16_H
#define DRAE_KERNELS_INFER_BF16_H

#include "kernels/infer.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint16_t drae__bf16; /* the upper half of a float */

#define DRAE__BF16_ROWS  16  /* of a tile */
#define DRAE__BF16_TERMS 32  /* of a tile's row */
#define DRAE__BF16_TILE  512 /* elements */

static inline float drae__bf16_to_float(drae__bf16 v) {
    union {
        uint32_t bits;
        float f;
    } u = {.bits = (uint32_t)v << 16};
    return u.f;
}

/* To nearest, ties to even; what is below the normal numbers becomes zero, NaN stays one. */
static inline drae__bf16 drae__bf16_of(float f) {
    union {
        float f;
        uint32_t bits;
    } u = {.f = f};
    uint32_t sign = u.bits & 0x80000000u, rest = u.bits & 0x7fffffffu;
    if (rest > 0x7f800000u) {
        return (drae__bf16)(u.bits >> 16 | 0x40u);
    }
    if (rest < 0x00800000u) {
        return (drae__bf16)(sign >> 16);
    }
    return (drae__bf16)((u.bits + 0x7fffu + (u.bits >> 16 & 1u)) >> 16);
}

/* Two of them in the bits of a float, the even one in the lower half: an element of maps in pairs
 * (kernels/infer.h). Such a float is moved, never computed with. */
static inline float drae__bf16_pair(float even, float odd) {
    union {
        uint32_t bits;
        float f;
    } u = {.bits = (uint32_t)drae__bf16_of(odd) << 16 | drae__bf16_of(even)};
    return u.f;
}

static inline float drae__bf16_of_pair(float pair, int which) {
    union {
        float f;
        uint32_t bits;
    } u = {.f = pair};
    return drae__bf16_to_float((drae__bf16)(u.bits >> 16 * which));
}

/*
 * A float as a sum of up to three bf16, each the rest of those before it: 8, 16 or 24 bits of
 * mantissa. Maps and weights of `parts` parts make convolutions of that precision from the same
 * products of tiles: of parts i and j those with i + j < parts, 1, 3 or 6.
 */
#define DRAE__BF16_PARTS_MAX 3

static inline void drae__bf16_split(float v, int parts, ptrdiff_t plane, drae__bf16 *dst) {
    for (int i = 0; i < parts; i++) {
        dst[i * plane] = drae__bf16_of(v);
        v -= drae__bf16_to_float(dst[i * plane]);
    }
}

/* The sum, the smallest part first. */
static inline float drae__bf16_join(const drae__bf16 *src, int parts, ptrdiff_t plane) {
    float v = drae__bf16_to_float(src[(parts - 1) * plane]);
    for (int i = parts - 2; i >= 0; i--) {
        v += drae__bf16_to_float(src[i * plane]);
    }
    return v;
}

static inline int drae__bf16_channels(int c) {
    return c == 1 || c == 8 || c == 16 ? c : (c + 31) / 32 * 32;
}

/* Geometry of a map of h x w pixels and c channels (padded), in parts that follow each other. */
typedef struct drae__bf16_map {
    int h, w, c, parts;
    ptrdiff_t stride; /* elements from a row to the next; a multiple of 32 */
    ptrdiff_t plane;  /* elements from a part to the next; a multiple of 32 */
} drae__bf16_map;

/* Elements of a buffer, and where in it pixel (0,0) lies. The buffer must be zero before first use;
 * kernels write pixels only, and read up to 16 units behind a row's last. */
static inline size_t drae__bf16_map_origin(const drae__bf16_map *m) {
    /* 8 channels: pixel -1, where the windows of even units begin, at a multiple of 64 bytes. Rows
     * of a tile that all cross cache lines load at a third of the speed. */
    ptrdiff_t lead = m->c == 8                 ? DRAE__BF16_TERMS + 8
                     : m->c > DRAE__BF16_TERMS ? m->c
                                               : DRAE__BF16_TERMS;
    return (size_t)(m->stride + lead);
}

static inline size_t drae__bf16_map_elems(const drae__bf16_map *m) {
    return (size_t)(m->plane * m->parts);
}

static inline drae__bf16_map drae__bf16_map_of(int h, int w, int c, int parts) {
    ptrdiff_t row = ((ptrdiff_t)w + 1) * drae__bf16_channels(c);
    drae__bf16_map m = {h, w, drae__bf16_channels(c), parts, (row + 31) / 32 * 32, 0};
    ptrdiff_t plane = (ptrdiff_t)drae__bf16_map_origin(&m) + m.stride * (h + 1) + DRAE__BF16_TERMS +
                      (ptrdiff_t)4 * DRAE__BF16_ROWS * m.c;
    m.plane = (plane + 31) / 32 * 32;
    return m;
}

/* How a convolution falls into tiles: what packing and kernels agree on. Terms of A lie
 * k_tiles * 32 elements from pixel x0 of a unit on, in each of `rows` rows. */
typedef struct drae__bf16_shape {
    bool transposed;
    int parts, src_parts; /* of weights and results; of the source, 1 where it is the image */
    int stride;           /* input pixels per output pixel; 1 where transposed */
    int pixels;           /* output pixels of a unit */
    int step;             /* input pixels from a unit to the next */
    int parities;         /* rows of output per row of units: 1, or 2 where transposed */
    int groups;           /* of columns with a window of their own: 1, or 2 where transposed */
    int group_tiles;      /* tiles of 16 columns in a group */
    int block_tiles;      /* of them computed together: 1 or 2 */
    int x0[2];            /* of each group */
    int rows, k_tiles;
    int proj_step, proj_k_tiles; /* 0: none */
} drae__bf16_shape;

/*
 * c_in and c_out in channels of the model: c_in 1 or a multiple of 8, c_out a multiple of 8, or 1
 * (the last layer). proj_c_in 0: no projection; proj_stride 1 or 2 as the maps say.
 */
drae__bf16_shape drae__bf16_shape_of(drae__infer_conv_kind kind, int c_in, int c_out, int proj_c_in,
                                     int proj_stride, int parts);

/* Products of parts, and the parts of source and weights of the i-th. */
static inline int drae__bf16_products(const drae__bf16_shape *s) {
    return s->src_parts == 1 ? s->parts : s->parts * (s->parts + 1) / 2;
}

static inline void drae__bf16_product(const drae__bf16_shape *s, int i, int *src, int *wei) {
    *src = 0;
    while (i >= s->parts - *src) {
        i -= s->parts - *src;
        (*src)++;
    }
    *wei = i;
}

/* Elements of packed weights, and packing from the model's layouts (kernels/infer.h); values are
 * multiplied by `factor` in double, then rounded once. proj NULL where there is none. */
size_t drae__bf16_packed_elems(const drae__bf16_shape *shape);
void drae__bf16_pack(const drae__bf16_shape *shape, int c_in, int c_out, const float *wei,
                     double factor, int proj_c_in, int proj_stride, const float *proj,
                     drae__bf16 *dst);

/* Columns of scale and shift: output floats of a unit, at least 16. */
static inline int drae__bf16_columns(const drae__bf16_shape *s) {
    return s->groups * s->group_tiles * 16;
}

/* Repeats scale and shift [c_out] for every column; zeros for channels of padding. */
void drae__bf16_pack_affine(const drae__bf16_shape *shape, int c_out, const float *src, float *dst);

/*
 * One convolution with what follows it, for rows [begin, end) of units: of dst, or of src where
 * transposed (each makes two rows of dst).
 *     v = conv(src) + projection(proj) + residual
 *     raw = bf16(v);  act = bf16(leaky(scale v + shift))
 * each in shape.parts parts, as residual and proj are. proj, residual, raw and act may be NULL; at
 * least one of raw and act is given. raw and residual may be the same buffer; no other may overlap.
 * The width of dst is a multiple of shape.pixels.
 */
typedef struct drae__bf16_conv {
    drae__bf16_shape shape;
    drae__bf16_map src_map, dst_map, proj_map;
    const drae__bf16 *src, *proj; /* pixel (0,0), as all below */
    const drae__bf16 *wei;        /* 64-byte aligned */
    const drae__bf16 *residual;
    const float *scale, *shift; /* [columns] */
    float slope;
    drae__bf16 *raw, *act;
} drae__bf16_conv;

typedef struct drae__bf16_kernels {
    const char *name; /* "amx", "avx512", "avx2", "portable" */

    void (*conv)(const drae__bf16_conv *op, int begin, int end);

    /* The last layer, rows [begin, end): dst [h,w] dense = sigmoid(conv3x3(src) + bias). Of op only
     * shape (c_out 1), src_map, src and wei are read. */
    void (*out)(const drae__bf16_conv *op, float bias, float *dst, int begin, int end);

    /* Grey levels 0..255, which bf16 holds exactly, from dense rows to a map of one channel. */
    void (*load_u8)(const uint8_t *src, const drae__bf16_map *map, drae__bf16 *dst);

    /* rounds x products of tiles alone, for benches; returns the floating-point operations. */
    double (*peak)(size_t rounds, float *sink);
} drae__bf16_kernels;

/* All tables, best first, portable last; *n how many. */
const drae__bf16_kernels *const *drae__bf16_kernels_list(size_t *n);

/* Whether this processor and operating system run the table. Asks the system once for the use of
 * the AMX registers, for all threads of the process. */
bool drae__bf16_kernels_supported(const drae__bf16_kernels *kernels);

/* The table of that name, or the best supported one for "auto"; NULL when there is none. Says
 * nothing about support of a named one. */
const drae__bf16_kernels *drae__bf16_kernels_find(const char *name);

#endif
