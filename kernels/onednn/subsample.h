/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every stride-th pixel of an NHWC map, and back: what makes a strided 1x1 convolution a dense one.
 * oneDNN has its own way of doing that, which in 2.6.3 writes beyond its scratchpad in backward
 * weights with 8 input channels ("rtus" of jit_1x1:avx512_core); and ours feeds the faster dense
 * kernels.
 */
#ifndef DRAE_KERNELS_ONEDNN_SUBSAMPLE_H
#define DRAE_KERNELS_ONEDNN_SUBSAMPLE_H

#include <stddef.h>

typedef struct drae__subsample {
    int n, h, w, c; /* the large map */
    int stride;
    int h_small,
        w_small; /* pixel (y,x) of the small map is (stride y, stride x) of the large one */
} drae__subsample;

void drae__subsample_gather(const drae__subsample *s, const float *large, float *small);

/* Pixels that the small map lacks become zero. */
void drae__subsample_scatter(const drae__subsample *s, const float *small, float *large);

#endif
