/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The head: a small convolutional network that tells a defect from what good patches show too, by
 * the difference X - X^, by how unusual it and the matched filters are at their pixel, and by the
 * surroundings in X^. It is what the segmentation network is for DRAEM (arXiv 2108.07610) and
 * GRD-Net, at a fraction of their size: 13,937 weights, trained by `drae calibrate` on good patches
 * and synthetic defects alone.
 *
 * Its input are four planes of S x S pixels, with the maps mean and scale of z (kernels/infer.h)
 * and the map m of the matched filters (kernels/matched.h):
 *     20 (X - X^),   (X - X^ - mean) / scale,   2 X^ - 1,   m / 8
 * each split into its four phases, plane 4 c + 2 (row & 1) + (column & 1), so 16 planes of S/2 x
 * S/2. Then, with C_d a 3x3 convolution of 16 to 16 planes whose taps lie d pixels apart, zeros
 * outside, and L(v) = max(v, SLOPE v):
 *     t_0 = L(C_1 input + b_0),   t_l = t_(l-1) + L(C_d t_(l-1) + b_l),  l = 1..5, d = 1 2 4 8 1
 *     o   = sum over planes of w t_5 + b                    [S/2,S/2]
 * The map of the score is h = 1 + o where o > 0, else 1 / (1 - o): above 0, ever growing, without a
 * libm function; pixel (row, column) of the map takes that of (row / 2, column / 2). The score is
 * the mean of the TOP largest of the map, which are 8 of o.
 *
 * Weights lie as LAYERS times [16 out,16 in,3,3] and [16], then [16] and [1].
 */
#ifndef DRAE_KERNELS_HEAD_H
#define DRAE_KERNELS_HEAD_H

#include <stdbool.h>
#include <stddef.h>

#define DRAE__H_PLANES 16
#define DRAE__H_LAYERS 6
#define DRAE__H_STEPS                                                                              \
    { 1, 1, 2, 4, 8, 1 }  /* d of each layer */
#define DRAE__H_PAD     8 /* zeros around a plane: the largest step */
#define DRAE__H_TOP     32
#define DRAE__H_LEAST   64 /* size of an image: two vectors of any table in a row */
#define DRAE__H_SLOPE   0.1f
#define DRAE__H_LAYER   (DRAE__H_PLANES * DRAE__H_PLANES * 9 + DRAE__H_PLANES)
#define DRAE__H_WEIGHTS (DRAE__H_LAYERS * DRAE__H_LAYER + DRAE__H_PLANES + 1)

/* Sizes of images that the head takes: sides of its planes are whole vectors of every table. */
static inline bool drae__h_takes(int size) {
    return size >= DRAE__H_LEAST && size % 32 == 0;
}

/* Planes of `side` x `side` floats with rows of drae__h_pitch, PAD zeros on every side. */
static inline ptrdiff_t drae__h_pitch(int side) {
    return side + 2 * DRAE__H_PAD;
}

/* Floats of one plane, and where its pixel (0,0) lies. */
static inline ptrdiff_t drae__h_plane(int side) {
    return drae__h_pitch(side) * drae__h_pitch(side);
}

static inline ptrdiff_t drae__h_origin(int side) {
    return DRAE__H_PAD * (drae__h_pitch(side) + 1);
}

/* Floats of scratch for the map of an image. */
static inline size_t drae__h_scratch(int size) {
    return (size_t)(2 * DRAE__H_PLANES * drae__h_plane(size / 2));
}

/* ---- fast: one table an instruction set (kernels/infer.h leads to it) ----
 * "planes" are 16 padded planes; sides are multiples of 16 and at least 32. Serial; no alias. */
typedef struct drae__head_kernels {
    /* dst [size,size] = h; x, y, mean and scale as of z; m [size,size], may be dst. Not a number
     * where X or X^ is not. scratch: drae__h_scratch(size) floats. */
    void (*map)(int size, const float *x, ptrdiff_t x_stride, const float *y, ptrdiff_t y_stride,
                const float *mean, const float *scale, const float *m, const float *weights,
                float *dst, float *scratch);

    /* What map is made of, and what training needs besides. input: planes of side size / 2, padding
     * included; rows of mean and scale are map_stride floats. conv: the inside of dst = C_step src
     * + b, weights of one layer. rectify: the inside of t = L(a), or t + L(a). out: o [side,side],
     * weights those behind the layers. gradient: of one layer's weights, from src as of conv and
     * the derivative by its result. */
    void (*input)(int size, const float *x, ptrdiff_t x_stride, const float *y, ptrdiff_t y_stride,
                  const float *mean, const float *scale, ptrdiff_t map_stride, const float *m,
                  float *planes);
    void (*conv)(int side, int step, const float *src, const float *weights, float *dst);
    void (*rectify)(int side, bool add, const float *a, float *t);
    void (*out)(int side, const float *t, const float *weights, float *o);
    void (*gradient)(int side, int step, const float *src, const float *d_a, float *gradient);
} drae__head_kernels;

/* ---- ref: double ---- */

/* o [side,side] of the input planes [16,side,side], and the derivative of sum of d_o times o with
 * respect to the weights, which is overwritten; both d_o and gradient NULL: forward only. scratch
 * [DRAE__REF_HEAD_PLANES,16,side,side]. */
#define DRAE__REF_HEAD_PLANES (2 * DRAE__H_LAYERS + 4)
void drae__ref_head(int side, const double *input, const double *weights, double *o,
                    const double *d_o, double *gradient, double *scratch);
/* input [16,size/2,size/2] of an image; maps are those of z. */
void drae__ref_head_input(int size, const double *x, const double *y, const double *mean,
                          const double *scale, const double *m, double *input);

#endif
