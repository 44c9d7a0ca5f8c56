/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Arithmetic of inference on the CPU, f32: one table of functions per instruction set, all with the
 * contract below. Twins: kernels/ref/infer_*.c (double, textbook loops) and
 * kernels/cpu/infer_<name>.c.
 *
 * Layout "planar": a tensor of c channels is c planes of h rows, each plane with one row of zeros
 * above and below and each row followed by at least one zero, so that a 3x3 window never asks where
 * the border is. A vector register holds neighbouring pixels of one channel, and weights are
 * broadcast: that serves 8 channels as well as 128, a single output channel (the last layer), a
 * single input channel (the first), and SSIM. Measured against channels-in-a-register (NHWC): at
 * w = 8 half of a 512-bit register would stay empty.
 *
 *     stride = (w + 1) rounded up to 16         x = -1 is the zero behind the row above
 *     plane  = (h + 2) * stride                 y = -1 and y = h are rows of zeros
 *
 * Numerics: every output element is one chain of multiply-adds in a fixed order (input channel,
 * then row, then column of the window; then the channels of the projection; then the residual), so
 * results depend on neither threads, batch nor tiles. portable rounds multiply and add apart, is
 * compiled for the baseline, and gives the same bits on every IEEE machine: the reference of
 * self-tests. avx512 and avx2 fuse them, and compute 3x3 convolutions of stride 1 and transposed
 * ones by strips of four rows and pairs of columns (cpu/infer_strip_body.h): 24 such chains and
 * their sums in a fixed order, which depends on the element's row in its strip and column in its
 * pair, counted from the corner of the map, and on nothing else. Functions allocate nothing and run
 * on the calling thread.
 */
#ifndef DRAE_KERNELS_INFER_H
#define DRAE_KERNELS_INFER_H

#include "kernels/head.h"
#include "kernels/ssim.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DRAE__MAP_ROW_ALIGN 16 /* floats; one cache line */
#define DRAE__MAP_SLACK     96 /* floats behind the last plane that vector loads may read */

/* Geometry of planar maps of h x w pixels, for any number of channels. */
typedef struct drae__map_geometry {
    int h, w;
    ptrdiff_t stride; /* floats from a row to the next */
    ptrdiff_t plane;  /* floats from a channel to the next */
} drae__map_geometry;

static inline drae__map_geometry drae__map_geometry_of(int h, int w) {
    ptrdiff_t stride =
        ((ptrdiff_t)w + DRAE__MAP_ROW_ALIGN) / DRAE__MAP_ROW_ALIGN * DRAE__MAP_ROW_ALIGN;
    drae__map_geometry g = {.h = h, .w = w, .stride = stride, .plane = ((ptrdiff_t)h + 2) * stride};
    return g;
}

/* Floats of a buffer for c channels, and where in it channel 0, row 0, column 0 lies (a multiple of
 * 16 floats). The buffer must be zero before first use; kernels write pixels only. */
static inline size_t drae__map_floats(const drae__map_geometry *g, int c) {
    return (size_t)(DRAE__MAP_ROW_ALIGN + g->plane * c + DRAE__MAP_SLACK);
}

static inline size_t drae__map_origin(const drae__map_geometry *g) {
    return (size_t)(DRAE__MAP_ROW_ALIGN + g->stride);
}

typedef enum drae__infer_conv_kind {
    DRAE__INFER_CONV3 = 0,   /* 3x3, pad 1; wei [c_out,c_in,3,3] */
    DRAE__INFER_CONV3S2 = 1, /* 3x3, pad 1, stride 2; wei [c_out,c_in,3,3] */
    DRAE__INFER_CONVT4 = 2,  /* transposed 4x4, stride 2, pad 1; wei [c_in,c_out,4,4] */
    DRAE__INFER_KINDS
} drae__infer_conv_kind;

/* The projection of a block's shortcut, summed by the same kernel:
 *   with CONV3:  1x1 of stride 1 or 2 (the ratio of the maps); wei [c_out,c_in,1,1]
 *   with CONVT4: transposed 2x2, stride 2, pad 0;              wei [c_in,c_out,2,2] */

/*
 * One convolution with everything that follows it:
 *     v = conv(src) + projection(proj) + residual
 *     raw = v;  act = leaky(scale[c] v + shift[c])
 * proj.src, residual, raw and act may each be NULL (not there); at least one of raw and act is
 * given. c_out is a multiple of 8. raw and residual may be the same buffer; no other may overlap.
 * row, rows: rows of the result to compute, rows 0: all; multiples of DRAE__INFER_TURN but where
 * they end with the map. Nothing else is written, and every row comes out as with all others.
 * scratch: drae__infer_conv_scratch(kernels, the most channels of src, proj and dst) floats; NULL
 * where that is 0.
 */
typedef struct drae__infer_conv {
    drae__infer_conv_kind kind;
    int c_in, c_out;
    drae__map_geometry src_map, dst_map; /* dst_map also of residual, raw and act */
    const float *src;                    /* pixel (0,0) of channel 0, as all below */
    const float *wei;                    /* packed by pack_conv */
    struct {
        int c_in;
        drae__map_geometry map;
        const float *src;
        const float *wei; /* packed by pack_proj */
    } proj;
    const float *residual;
    const float *scale, *shift; /* [c_out] */
    float slope;
    float *raw;
    float *act;
    int row, rows;
    float *scratch;
} drae__infer_conv;

#define DRAE__INFER_TURN 8

/* The row behind the last one to compute. */
static inline int drae__infer_conv_end(const drae__infer_conv *op) {
    return op->rows == 0 ? op->dst_map.h : op->row + op->rows;
}

/* Dense layers work on dense rows: features [n, elems] in C,H,W order, elems a multiple of 64.
 * Latents are padded with zeros to a multiple of DRAE__INFER_LATENT_ALIGN. */
#define DRAE__INFER_LATENT_ALIGN 64
#define DRAE__INFER_DOWN_CHUNK   512 /* features of one partial sum, always: fixes the order */
#define DRAE__INFER_UP_BLOCK     64  /* outputs of one unit of work */

static inline size_t drae__infer_latent_padded(int latent) {
    return ((size_t)latent + DRAE__INFER_LATENT_ALIGN - 1) / DRAE__INFER_LATENT_ALIGN *
           DRAE__INFER_LATENT_ALIGN;
}

static inline size_t drae__infer_down_chunks(size_t elems) {
    return (elems + DRAE__INFER_DOWN_CHUNK - 1) / DRAE__INFER_DOWN_CHUNK;
}

/*
 * In pairs of bf16 (a table of its own, drae__infer_kernels_in_pairs): an element of a map is not a
 * float but two channels in bf16, the even one in its lower half, and weights likewise; so c
 * channels are (c + 1) / 2 planes, and a last half is zero. Geometry, rows and turns are as in f32.
 * The image of the first layer (CONV3, c_in 1) and its weights are floats; dense rows are floats,
 * moved by pack_map and unpack_map. Sums, what follows them, score and maps of the region are f32:
 *     v = sums + residual;  raw = bf16(v);  act = bf16(leaky(scale v + shift))
 * rounded as kernels/infer_bf16.h rounds; a product of two pairs adds the odd channels' to a sum,
 * rounds, adds the even ones', rounds (VDPBF16PS). Other sums than those of kernels/infer_bf16.h,
 * which follow the AMX unit: within the same bounds, not the same bits.
 */
typedef struct drae__infer_kernels {
    const char *name; /* "avx512", "avx2", "portable"; "avx512bf16" */
    int lanes;        /* pixels in a register */
    int co_tile;      /* output channels of a tile of CONV3 and CONV3S2 */
    int cot_tile;     /* and of CONVT4 */
    int pitch;        /* floats of a channel of a tile in the scratch; 0: none is used */
    bool pairs;       /* maps hold pairs of channels in bf16, see above */

    /* dst = src / 255, from dense rows [h,w] to a map of one channel. */
    void (*load_u8)(const uint8_t *src, const drae__map_geometry *map, float *dst);

    void (*conv)(const drae__infer_conv *op);

    /* The last layer: dst [h,w] dense = sigmoid(conv3x3(src) + bias), wei packed by pack_out. */
    void (*out)(int c_in, const drae__map_geometry *map, const float *src, const float *wei,
                float bias, float *dst);

    /* partial[p, 0..latent_padded) = sum over features i in [begin, end) of src[p, i] wei[i, :],
     * for n rows; wei packed by drae__infer_pack_down. */
    void (*down)(size_t n, size_t elems, size_t latent_padded, size_t begin, size_t end,
                 const float *src, const float *wei, float *partial);

    /* dst[p, i] = leaky(scale[i] leaky(sum_j src[p, j] wei[j, i] + bias[i]) + shift[i]) for n rows
     * and DRAE__INFER_UP_BLOCK outputs from begin; src [n, latent_padded], dst [n, elems]; wei
     * packed by drae__infer_pack_up; latent terms are summed. */
    void (*up)(size_t n, size_t elems, size_t latent, size_t latent_padded, size_t begin,
               const float *src, const float *wei, const float *bias, const float *scale,
               const float *shift, float slope, float *dst);

    /* phi = mean of 1 - SSIM over the positions of the window, x and y of size x size pixels with
     * rows of their own stride; see kernels/ssim.h for the definition. Summed as
     *     1 - SSIM = ((mx - my)^2 (sxx + syy + C2) + (2 mx my + C1) s_dd) / ((mx^2 + my^2 + C1)
     *                (sxx + syy + C2)),   s_dd = variance of x - y,
     * terms that are never negative: no digits are lost where x and y agree. Moments are taken
     * about the mean of a tile. scratch: DRAE__INFER_PHI_SCRATCH floats, 64-byte aligned. */
    float (*phi)(drae__ssim_window window, int size, const float *x, ptrdiff_t x_stride,
                 const float *y, ptrdiff_t y_stride, float *scratch);

    /* dst [size,size] = the normalised residual, see below; mean, scale [size,size], scale > 0; no
     * alias. scratch: drae__infer_z_scratch(size) floats. */
    void (*z)(int size, const float *x, ptrdiff_t x_stride, const float *y, ptrdiff_t y_stride,
              const float *mean, const float *scale, float *dst, float *scratch);

    /* dst [size,size] = m by the matched filters of kernels/matched.h; mean [size,size] as of z,
     * scales [drae__m_scales(size)], > 0; size is a multiple of 16; no alias. Not a number where
     * B (X - X^) is not. scratch: drae__m_scratch(size) floats. */
    void (*m)(int size, const float *x, ptrdiff_t x_stride, const float *y, ptrdiff_t y_stride,
              const float *mean, const float *scales, float *dst, float *scratch);

    /* dst [DRAE__M_FILTERS,size,size] = r_f of e [size,size]: what calibration measures. */
    void (*m_filters)(int size, const float *e, float *dst, float *scratch);

    const drae__head_kernels *head; /* kernels/head.h */

    /* The mean of the k largest of src[n], 1 <= k <= DRAE__TOP_MAX, k <= n: exact in the choice,
     * summed in descending order in double. NaN where any value is not finite. Time is bounded
     * whatever the values are. scratch: drae__infer_top_scratch(n) floats. */
    float (*top_mean)(size_t n, const float *src, int k, float *scratch);

    /* dst [size,size] = |x - y|; *lo and *hi its least and greatest value. */
    void (*residual)(int size, const float *x, ptrdiff_t x_stride, const float *y,
                     ptrdiff_t y_stride, float *dst, float *lo, float *hi);

    /* dst = round(255 clamp((src - lo) * scale, 0, 1)), halves up; 0 where that is not a number. */
    void (*to_u8)(size_t n, const float *src, float lo, float scale, uint8_t *dst);

    /* rounds x multiply-adds on registers alone, for benches: what the unit can do at most. Returns
     * the floating-point operations; *sink keeps the compiler honest. */
    double (*peak)(size_t rounds, float *sink);
} drae__infer_kernels;

#define DRAE__INFER_PHI_SCRATCH 16384

/*
 * The normalised residual of a patch, for pixels p of the image:
 *     z(p) = |(B (X - X^))(p) - mean(p)| / scale(p)
 * B is the 5x5 binomial blur, [1 4 6 4 1] / 16 along columns, then along rows, zeros outside: its
 * weights are exact in any precision. The score is the mean of the DRAE__Z_TOP largest z. mean and
 * scale are those of B (X - X^) over good patches of the region (line/normalise.h): where a good
 * part always differs in the same way, or differs from patch to patch, a difference counts less.
 * How blur, sign and number were chosen: docs/decisions.md.
 */
#define DRAE__Z_RADIUS 2
#define DRAE__Z_TAPS   (2 * DRAE__Z_RADIUS + 1)
#define DRAE__Z_WEIGHTS                                                                            \
    { 0.0625f, 0.25f, 0.375f, 0.25f, 0.0625f }
#define DRAE__Z_TOP   8
#define DRAE__Z_PAD   16 /* floats on either side of a row in the scratch */
#define DRAE__TOP_MAX 64

static inline ptrdiff_t drae__infer_z_stride(int size) {
    return ((ptrdiff_t)size + DRAE__MAP_ROW_ALIGN - 1) / DRAE__MAP_ROW_ALIGN * DRAE__MAP_ROW_ALIGN;
}

static inline size_t drae__infer_z_scratch(int size) {
    return (size_t)(drae__infer_z_stride(size) * (size + 2 * DRAE__Z_RADIUS + 1) + 2 * DRAE__Z_PAD);
}

static inline size_t drae__infer_top_scratch(size_t n) {
    return 3 * n;
}

/*
 * CONV3 and CONVT4 by strips of DRAE__STRIP_ROWS rows and pairs of columns, where the table has
 * them: DRAE__STRIP_DOWN x DRAE__STRIP_ALONG parts of every channel of a tile are made in the
 * scratch, `pitch` floats a channel. CONVT4 counts as four convolutions 3x3 of stride 1, one
 * for each parity of the result's row and column ("phase" 2 * row + column), whose window has no
 * third row (column) where the row (column) is even and no first one where it is odd: of their
 * parts, those that would be zero are left out. CONV3S2 copies the pixels of its windows into the
 * scratch.
 */
#define DRAE__STRIP_ROWS     4
#define DRAE__STRIP_DOWN     (DRAE__STRIP_ROWS + 2)
#define DRAE__STRIP_ALONG    4
#define DRAE__STRIP_PHASES   4  /* of CONVT4 */
#define DRAE__STRIP_BLOCK    8  /* tiles of output channels that one part meets in turn */
#define DRAE__STRIP_CHANNELS 8  /* CONV3 with fewer input channels is summed directly */
#define DRAE__STRIP_STAGGER  16 /* floats between parts, against lines of the same cache set */

static inline bool drae__infer_by_strips(const drae__infer_kernels *kernels,
                                         drae__infer_conv_kind kind, int c_in) {
    return kernels->pitch > 0 && !kernels->pairs &&
           (kind == DRAE__INFER_CONVT4 ||
            (kind == DRAE__INFER_CONV3 && c_in >= DRAE__STRIP_CHANNELS));
}

/* Whether a part is zero whatever the weights are: in a direction where the window has no first or
 * no third weight. parity: of the result in that direction, -1 for CONV3; n: of parts. */
static inline bool drae__strip_none(int parity, int part, int n) {
    return (parity == 0 && part == n - 1) || (parity == 1 && part == 0);
}

/* Floats of the scratch of a convolution of any kind with at most so many channels in, out and in
 * its projection: parts, products of a block of channels, sums of all; more than the windows of
 * CONV3S2. */
static inline size_t drae__infer_conv_scratch(const drae__infer_kernels *kernels, int channels) {
    const size_t pitch = (size_t)kernels->pitch, c = (size_t)channels;
    if (pitch == 0 || kernels->pairs) {
        return (c + 1) / 2 * 9 * pitch; /* windows of CONV3S2 */
    }
    return 2 * DRAE__STRIP_DOWN * (c * pitch + DRAE__STRIP_STAGGER) +
           (size_t)(DRAE__STRIP_BLOCK * DRAE__STRIP_DOWN * kernels->co_tile) * pitch +
           (size_t)(DRAE__STRIP_PHASES * DRAE__STRIP_ROWS * 2) * c * pitch;
}

/* Elements that pack_conv writes: as many as the model has, but the parts where a convolution is
 * computed by strips, and half of them in pairs. */
size_t drae__infer_conv_weights(const drae__infer_kernels *kernels, drae__infer_conv_kind kind,
                                int c_in, int c_out);

/* Packed weights, layout "tiles of output channels": for each tile of co_tile (cot_tile) channels,
 * for each input channel, the taps in the order in which the kernel meets them, and for each tap
 * one element per channel of the tile. By strips: for each part along the rows (in the order
 * drae__strip_order), phase, block of tiles, part down the columns, tile and input channel one
 * float per channel of the tile. Those of projections take as many floats as in the model. */
extern const int drae__strip_order[DRAE__STRIP_ALONG];
void drae__infer_pack_conv(const drae__infer_kernels *kernels, drae__infer_conv_kind kind, int c_in,
                           int c_out, const float *wei, float *dst);
void drae__infer_pack_proj(const drae__infer_kernels *kernels, drae__infer_conv_kind kind, int c_in,
                           int c_out, const float *wei, float *dst);
void drae__infer_pack_out(const drae__infer_kernels *kernels, int c_in, const float *wei,
                          float *dst);
/*
 * Runs n <= DRAE__INFER_CHAIN convolutions, each of which may read what earlier ones write, in
 * turns: `rows` rows of the first one's result (a multiple of DRAE__INFER_TURN), then of every
 * other one what these allow, so that what lies between them is read while it is in a cache. The
 * same bits as one after the other, also where a later one writes to what an earlier one reads.
 * Maps are known by their pointers: those that overlap are the same map.
 */
#define DRAE__INFER_CHAIN 32
void drae__infer_conv_chain(const drae__infer_kernels *kernels, int n, const drae__infer_conv *ops,
                            int rows);

/* Whether an operation is better run in turns with the one before it: both maps are larger than a
 * core's cache, and weights, which every turn reads again, are few. */
bool drae__infer_conv_chains(const drae__infer_conv *before, const drae__infer_conv *op);

/* [latent,elems] -> [elems,latent_padded] and [elems,latent] -> per block of DRAE__INFER_UP_BLOCK
 * outputs [latent,64]. */
void drae__infer_pack_down(size_t latent, size_t elems, const float *wei, float *dst);
void drae__infer_pack_up(size_t latent, size_t elems, const float *wei, float *dst);

/* All tables, best first, portable last; *n how many. */
const drae__infer_kernels *const *drae__infer_kernels_list(size_t *n);

/* The table in pairs, which is not among these; NULL where the build has none. */
const drae__infer_kernels *drae__infer_kernels_in_pairs(void);

/* Rows [channels, h, w] of floats to pairs and back. */
void drae__infer_pack_map(const drae__map_geometry *map, int channels, const float *rows,
                          float *dst);
void drae__infer_unpack_map(const drae__map_geometry *map, int channels, const float *src,
                            float *rows);

/* Whether this processor and operating system run the table. */
bool drae__infer_kernels_supported(const drae__infer_kernels *kernels);

/* The table of that name, or the best supported one for "auto"; NULL when there is none. Says
 * nothing about support of a named one. */
const drae__infer_kernels *drae__infer_kernels_find(const char *name);

/* ---- ref: the same operations in double on dense NCHW arrays, for tests ----
 * src [c_in,h,w], dst [c_out,h_out,w_out]; weights in the model's layout; scale NULL: no act. */
typedef struct drae__ref_infer_op {
    drae__infer_conv_kind kind;
    int c_in, c_out, h_in, w_in;
    const double *src, *wei;
    struct {
        int c_in, stride; /* of the projection: 1, or 2 for either kind of stride 2 */
        const double *src, *wei;
    } proj;
    const double *residual, *scale, *shift;
    double slope;
    double *raw, *act;
} drae__ref_infer_op;

void drae__ref_infer_conv(const drae__ref_infer_op *op);

/* As the members out, down + up and phi of the table; dense NCHW. */
void drae__ref_infer_out(int c_in, int h, int w, const double *src, const double *wei, double bias,
                         double *dst);
double drae__ref_infer_phi(drae__ssim_window window, int size, const double *x, const double *y);

/* As the members z and top_mean; dense. */
void drae__ref_infer_z(int size, const double *x, const double *y, const double *mean,
                       const double *scale, double *dst);
double drae__ref_infer_top_mean(size_t n, const double *src, int k);

/* As m_filters, and m from its result. */
void drae__ref_infer_m_filters(int size, const double *e, double *dst);
void drae__ref_infer_m(int size, const double *filters, const double *scales, double *dst);

#endif
