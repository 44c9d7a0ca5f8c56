/* SPDX-License-Identifier: Apache-2.0 */
/*
 * 3x3 convolutions, stride 1, pad 1, between an image of one channel ("thin") and a map of c
 * channels ("wide", NHWC, c a multiple of 8): the first and the last layer of every network, which
 * libraries compute at a tenth of their speed. Three kernels serve all passes of both layers:
 *
 *                 stem: thin -> wide          out: wide -> thin
 *   fwd           expand                      reduce
 *   bwd_data      reduce, taps turned         expand, taps turned
 *   bwd_weights   correlate                   correlate, taps turned
 *
 * taps is [9,c], tap t = 3 ky + kx; "turned" means tap t read as tap 8 - t. f32; correlate sums in
 * fixed chunks of rows. Results do not depend on the thread count.
 */
#ifndef DRAE_KERNELS_CPU_CONV_THIN_H
#define DRAE_KERNELS_CPU_CONV_THIN_H

#include <stddef.h>

#define DRAE__THIN_TAPS 9

/* wide[n,y,x,:] = sum over t of thin[n, y + ky - 1, x + kx - 1] * taps[t,:] */
void drae__cpu_thin_expand(int n, int h, int w, int c, const float *thin, const float *taps,
                           float *wide);

/* thin[n,y,x] = bias + sum over t and channels of wide[n, y + ky - 1, x + kx - 1, :] * taps[t,:] */
void drae__cpu_thin_reduce(int n, int h, int w, int c, const float *wide, const float *taps,
                           float bias, float *thin);

/* taps[t,:] = sum over pixels of thin[n, y + ky - 1, x + kx - 1] * wide[n,y,x,:].
 * scratch: drae__cpu_thin_scratch_bytes(c), 64-byte aligned. */
size_t drae__cpu_thin_scratch_bytes(int c);
void drae__cpu_thin_correlate(int n, int h, int w, int c, const float *thin, const float *wide,
                              float *taps, void *scratch);

#endif
