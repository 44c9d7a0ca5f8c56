/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Arithmetic of inference on CUDA, f16 storage with f32 sums: launchers of kernels/cuda/, all with
 * the contract below. Oracles: kernels/ref/infer_*.c; on the CPU these files run under tests/simt.
 *
 * Layout: activations are dense NHWC f16, [n,h,w,c] with c a multiple of 8, so that a pixel is a
 * row of 16-byte words; pointers are aligned to 16 bytes. f16 is passed as its bits (uint16_t).
 * Pointers are the device's, except in the packing functions, which run on the host.
 *
 * Numerics: sums in f32 in an order that depends on the shape alone (no float atomics), so two runs
 * give the same bits and a patch's result does not depend on the batch around it. Results are
 * rounded once, to nearest even, where they are stored; beyond 65504 they become infinite.
 *
 * A launcher checks its arguments, launches on the stream and returns: ERROR_UNSUPPORTED with the
 * name of what the kernel does not do, ERROR_DEVICE with the runtime's text. It allocates nothing,
 * waits for nothing and may be captured into a graph.
 */
#ifndef DRAE_KERNELS_INFER_CUDA_H
#define DRAE_KERNELS_INFER_CUDA_H

#include "base/error.h"
#include "kernels/head.h"
#include "kernels/ssim.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct CUstream_st *drae__cuda_stream; /* cudaStream_t */

/* f32 to f16 bits, nearest even, and back; for packing on the host. */
uint16_t drae__f16_of(float value);
float drae__f16_value(uint16_t bits);

/* ---- convolutions ---- */

typedef enum drae__cuda_conv_kind {                         /* numbers of drae__infer_conv_kind */
                                    DRAE__CUDA_CONV3 = 0,   /* 3x3, pad 1 */
                                    DRAE__CUDA_CONV3S2 = 1, /* 3x3, pad 1, stride 2; h and w even */
                                    DRAE__CUDA_CONVT4 = 2   /* transposed 4x4, stride 2, pad 1, as
                                                               four 2x2 convolutions */
} drae__cuda_conv_kind;

/*
 * v = conv(src) + projection(proj) + residual;  raw = v;  act = leaky(scale[c] v + shift[c])
 * As drae__infer_conv; proj, residual, raw and act may each be NULL, not both of raw and act.
 * raw and residual may be the same buffer; no other may overlap.
 */
typedef struct drae__cuda_conv {
    drae__cuda_conv_kind kind;
    int n, h, w; /* of src */
    int c_in, c_out;
    int proj_c_in, proj_stride; /* stride 1 or 2 with CONV3: proj is [n,h s,w s,proj_c_in] */
    int tile_n; /* output channels of a tile: 16, 32, 64 or 128; 0: the launcher chooses */
    const uint16_t *src;
    const uint16_t *proj;
    const uint16_t *wei; /* packed by drae__cuda_conv_pack */
    const uint16_t *residual;
    const float *scale, *shift; /* [c_out] */
    float slope;
    uint16_t *raw;
    uint16_t *act;
} drae__cuda_conv;

/* conv_igemm.cu: any shape of this contract; the kernel for wide nets, and the fallback. */
drae_status drae__cuda_conv_igemm(const drae__cuda_conv *op, drae__cuda_stream stream,
                                  drae__err *err);

/* Layout "nk8", version 1: [phase][c_out][k], k = taps in the kernel's order, each with all its
 * input channels, then the projection's channels, then zeros up to a multiple of 32. One phase, or
 * four (row parity, then column parity) for CONVT4. wei and proj_wei are the model's. */
size_t drae__cuda_conv_packed(drae__cuda_conv_kind kind, int c_in, int c_out, int proj_c_in);
void drae__cuda_conv_pack(drae__cuda_conv_kind kind, int c_in, int c_out, int proj_c_in,
                          const float *wei, const float *proj_wei, uint16_t *dst);

/* ---- a whole residual block in one kernel ---- */

/*
 * t = leaky(scale1 conv1(p) + shift1), zero outside the image;  v = conv2(t) + shortcut
 * raw = v;  act = leaky(scale2 v + shift2)
 * with conv1 3x3 of stride 1 or, halve, 2; conv2 3x3 or, up, the transposed 4x4/2; the shortcut
 * proj(p), of the strides of the block, or, where residual is given, that. t is rounded to f16 and
 * never leaves the chip. Shapes: p [n,h,w,c_in]; raw, act and residual [n,h',w',c].
 */
typedef struct drae__cuda_block {
    bool halve, up; /* C of the encoder, C of the decoder */
    int n, h, w;
    int c_in, c;
    int rows;            /* of t that a step makes, 1 or 2; 0: two where they fit */
    const uint16_t *src; /* p */
    const uint16_t *wei; /* packed by drae__cuda_block_pack */
    const uint16_t *residual;
    const float *scale1, *shift1, *scale2, *shift2; /* [c] */
    float slope;
    uint16_t *raw;
    uint16_t *act;
    /* Where image is given, src is NULL and p = leaky(stem_scale conv3x3(image) + stem_shift), the
     * stem, is made on the way: image [n,h,w] bytes, stem_wei [c_in,3,3] f16 of the model,
     * stem_scale with the 1/255 of the bytes in it. */
    const uint8_t *image;
    const uint16_t *stem_wei;
    const float *stem_scale, *stem_shift; /* [c_in] */
} drae__cuda_block;

/* What a launcher must know of the device. */
typedef struct drae__cuda_device {
    int arch; /* compute capability, 86 for 8.6; 0: unknown */
    int sm_count;
    size_t shared_max; /* bytes of dynamic shared memory that a block may have */
    /* For plans alone, 0 where unknown: bytes a second of its memory, f16 operations a second of
     * its tensor cores. */
    double memory_rate, f16_rate;
} drae__cuda_device;

/* resblock.cu: 8, 16, 32 and 64 channels, a change to the double or the half in a plain block, not
 * 64 with up or image; whole rows in shared memory; 8 channels want columns in pairs. All else is
 * refused by name, ERROR_UNSUPPORTED. */
drae_status drae__cuda_block_stream(const drae__cuda_block *op, const drae__cuda_device *device,
                                    drae__cuda_stream stream, drae__err *err);
/* Whether it takes the shape on that device; says why not in err. */
drae_status drae__cuda_block_check(const drae__cuda_block *op, const drae__cuda_device *device,
                                   drae__err *err);

/* Layout "a16", version 2: fragments of mma's A operand, 32 lanes x 16 bytes each, in the order in
 * which warps keep them (block_pack.c); rows permuted so that a lane of the transposed result holds
 * 4 neighbouring channels (resblock_tile.cuh). proj_wei NULL: none. */
size_t drae__cuda_block_packed(const drae__cuda_block *op);
void drae__cuda_block_pack(const drae__cuda_block *op, const float *wei1, const float *wei2,
                           const float *proj_wei, uint16_t *dst);

/* ---- stem and dense ---- */

/* act = leaky(scale[c] conv3x3(image / 255) + shift[c]): image [n,h,w] bytes, wei [9,c] f32. */
typedef struct drae__cuda_stem {
    int n, h, w, c;
    const uint8_t *image;
    const float *wei, *scale, *shift;
    float slope;
    uint16_t *act;
} drae__cuda_stem;
drae_status drae__cuda_stem_u8(const drae__cuda_stem *op, drae__cuda_stream stream, drae__err *err);

/* latents = leaky(wei_down features + bias_down); features of the decoder = leaky(scale
 * leaky(wei_up latents + bias_up) + shift). Features [n,elems] in H,W,C order, elems a multiple of
 * 64; latents [n,latent_padded], zeros behind latent. Weights and the vectors of `up` are packed in
 * that order by drae__cuda_dense_pack. */
#define DRAE__CUDA_DOWN_CHUNK   256 /* features of one partial sum, always: fixes the order */
#define DRAE__CUDA_LATENT_ALIGN 64

typedef struct drae__cuda_dense {
    int n, latent;
    size_t elems;
    const uint16_t *src; /* [n,elems] */
    const uint16_t *wei_down, *wei_up;
    const float *bias_down;               /* [latent_padded] */
    const float *bias_up, *scale, *shift; /* [elems] */
    float slope;
    float *partial; /* drae__cuda_dense_partial floats */
    uint16_t *latents;
    uint16_t *dst; /* [n,elems]; may be src */
} drae__cuda_dense;

static inline size_t drae__cuda_latent_padded(int latent) {
    return ((size_t)latent + DRAE__CUDA_LATENT_ALIGN - 1) / DRAE__CUDA_LATENT_ALIGN *
           DRAE__CUDA_LATENT_ALIGN;
}
static inline size_t drae__cuda_down_chunks(size_t elems) {
    return (elems + DRAE__CUDA_DOWN_CHUNK - 1) / DRAE__CUDA_DOWN_CHUNK;
}
static inline size_t drae__cuda_dense_partial(int n, size_t elems, int latent) {
    return drae__cuda_down_chunks(elems) * (size_t)n * drae__cuda_latent_padded(latent);
}

drae_status drae__cuda_down(const drae__cuda_dense *op, drae__cuda_stream stream, drae__err *err);
drae_status drae__cuda_up(const drae__cuda_dense *op, drae__cuda_stream stream, drae__err *err);

/* Host: C,H,W order of the model to H,W,C. down [latent,elems] -> [latent_padded,elems], up
 * [elems,latent] -> [elems,latent_padded], vectors [elems]. pixels = elems / c. */
void drae__cuda_down_pack(int c, int pixels, int latent, const float *wei, uint16_t *dst);
void drae__cuda_up_pack(int c, int pixels, int latent, const float *wei, uint16_t *dst);
void drae__cuda_vector_pack(int c, int pixels, const float *src, float *dst);

/* ---- the last layer, score and maps ---- */

/* Weights of a head (kernels/head.h), layout "h16", version 1: of each layer and tap what a lane
 * holds of the B operands of two mma, f16; what is added and the last layer in f32. */
typedef struct drae__cuda_head {
    uint32_t wei[DRAE__H_LAYERS][9][32][4];
    float bias[DRAE__H_LAYERS][DRAE__H_PLANES];
    float out[DRAE__H_PLANES], out_bias;
    float unused[3]; /* whole units of 16 bytes */
} drae__cuda_head;
void drae__cuda_head_pack(const float *weights, drae__cuda_head *dst);

/* What the scores of a patch take of its region. */
typedef struct drae__cuda_region {
    int32_t maps;               /* which of the maps; negative: none, z is not known */
    int32_t filters;            /* which of the scales of matched filters; negative: z of points */
    int32_t head;               /* which of the heads, with filters; negative: z by the filters */
    int32_t kind;               /* what decides: DRAE__CUDA_BY_PHI, DRAE__CUDA_BY_Z */
    float threshold, undecided; /* as of drae__calibration; threshold NaN: none */
} drae__cuda_region;

enum { DRAE__CUDA_BY_PHI = 0, DRAE__CUDA_BY_Z = 1 }; /* numbers of drae_score */

/* A patch's verdict, numbers of drae_verdict. */
enum { DRAE__CUDA_REJECT = 0, DRAE__CUDA_GOOD = 1, DRAE__CUDA_UNDECIDED = 2 };

/*
 * The last layer and the scores of every patch:
 *     y = sigmoid(conv3x3(src) + bias), x = image / 255
 *     phi (kernels/infer.h has the formula, ssim.h the definition), least and greatest |x - y|, z,
 *     the normalised residual, with the mean of its largest (kernels/infer.h), where a patch's
 *     region has maps, by matched filters (kernels/matched.h) where it has those, by the head
 *     (kernels/head.h) where it has that; and the verdict of the score that decides: REJECT above
 *     the threshold or where it is not finite, UNDECIDED between undecided (> 0) and threshold or
 *     without a threshold, else GOOD
 * Shapes: src [n,size,size,c], image [n,size,size] bytes, wei [9,c] f32, bias [1]; size >= 11, a
 * multiple of 16 with filters, one that drae__h_takes with heads. weights: the 11 of
 * drae__ssim_weights as f32. maps [k,2,size,size]: mean, then scale; filters
 * [k,drae__m_scales(size)], NULL: no region has any; heads [k], 16-byte aligned, NULL: no region
 * has one; table [regions], regions [n]: which row of it a patch takes, negative: none; NULL: none
 * at all. planes: scratch, drae__cuda_planes floats, with filters. head_maps: scratch,
 * drae__cuda_head_elems f16 each, with heads. recon and z [n,size,size] may each be NULL, not
 * written then; z is not written where a patch has no maps. partial: drae__cuda_out_score_partial
 * floats. result [n,DRAE__CUDA_RESULT]: phi, least, greatest, z or NaN, the verdict as a number.
 * The largest z are chosen exactly and summed in descending order in double.
 */
#define DRAE__CUDA_RESULT 5

typedef struct drae__cuda_out_score {
    int n, size, c;
    drae__ssim_window window;
    float weights[DRAE__SSIM_SIDE];
    const uint16_t *src;
    const float *wei, *bias;
    const uint8_t *image;
    const float *maps, *filters;
    const drae__cuda_head *heads;
    const drae__cuda_region *table;
    const int32_t *regions;
    float *planes;
    uint16_t *head_maps[2];
    float *recon, *z;
    float *partial;
    float *result;
} drae__cuda_out_score;
#define DRAE__CUDA_SCORE_TILE    32 /* pixels a side of what a block scores */
#define DRAE__CUDA_SCORE_PARTIAL 12 /* floats of a tile: 4 of sums, its largest z */
#define DRAE__CUDA_HEAD_TILE     32 /* pixels of o, a side, of which a block finds the largest */

static inline size_t drae__cuda_out_score_partial(int n, int size) {
    size_t tiles = ((size_t)size + DRAE__CUDA_SCORE_TILE - 1) / DRAE__CUDA_SCORE_TILE;
    return (size_t)n * tiles * tiles * DRAE__CUDA_SCORE_PARTIAL;
}
/* f16 of a map of the head. */
static inline size_t drae__cuda_head_elems(size_t n, int size) {
    return n * (size_t)(size / 2) * (size_t)(size / 2) * DRAE__H_PLANES;
}
/* e, c2 and c3 of the matched filters, [3,n,size,size]. */
static inline size_t drae__cuda_planes(int n, int size) {
    return 3 * (size_t)n * (size_t)size * (size_t)size;
}
drae_status drae__cuda_out_score_run(const drae__cuda_out_score *op, drae__cuda_stream stream,
                                     drae__err *err);

/* matched.cu, part of the above: z by matched filters of the patches whose region has them, from e
 * in the first of the planes; leaves the largest of each tile in partial. */
drae_status drae__cuda_matched(const drae__cuda_out_score *op, drae__cuda_stream stream,
                               drae__err *err);

/*
 * head.cu, part of the above: layer 0..DRAE__H_LAYERS - 1 of the head, for the patches whose region
 * has one, from head_maps[layer % 2] to the other, [n,size/2,size/2,16]; the input is in the first.
 * The last layer makes h instead, to z and the largest of each tile to partial. Maps hold f16: the
 * input and each t are rounded to it, and what lies beyond 65504 becomes 65504 (no infinity that
 * less another would be NaN); NaN stays. Sums, the addition of t and all of the last layer are f32.
 */
drae_status drae__cuda_head_layer(const drae__cuda_out_score *op, int layer,
                                  drae__cuda_stream stream, drae__err *err);

/* residual = |x - y|; heat = round(255 (r - lo) / (hi - lo)), 0 where flat; heat_fixed = round(255
 * min(r / anchor, 1)), of z instead of r where by_z[patch] is not 0. Each may be NULL. result is
 * that of the score, anchors and by_z [n]; by_z NULL: no patch. */
typedef struct drae__cuda_maps {
    int n, size;
    const uint8_t *image;
    const float *recon, *result, *anchors;
    const float *z;
    const uint8_t *by_z;
    float *residual;
    uint8_t *heat, *heat_fixed;
} drae__cuda_maps;
drae_status drae__cuda_maps_write(const drae__cuda_maps *op, drae__cuda_stream stream,
                                  drae__err *err);

#endif
