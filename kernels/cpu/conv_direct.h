/* SPDX-License-Identifier: Apache-2.0 */
/*
 * 3x3 convolutions, stride 1, pad 1, of few channels (8, 16, ...: a multiple of 8 on both sides),
 * f32, AVX-512, on planar rows (cpu/planar.h). With 8 channels the library that computes the other
 * layers fills half of each vector; these run at the FMA rate. Forward, backward data (the same
 * kernel on turned weights) and backward weights; none of the results depends on the thread count.
 */
#ifndef DRAE_KERNELS_CPU_CONV_DIRECT_H
#define DRAE_KERNELS_CPU_CONV_DIRECT_H

#include <stdbool.h>
#include <stddef.h>

/* Whether this machine has AVX-512; nothing else here may be called where it has not. */
bool drae__cpu_direct_usable(void);

/* dst[n,h,w,c_out] from src[n,h,w,c_in] and weights in the model's layout: [c_out,c_in,3,3], or,
 * with `turned`, [c_in,c_out,3,3] read back to front, which is backward data (src = ddst, dst =
 * dsrc, c_in = the layer's c_out). Uses exactly `threads` threads. scratch: 64-byte aligned. */
void drae__cpu_direct_map(int n, int h, int w, int c_in, int c_out, bool turned, const float *src,
                          const float *wei, float *dst, void *scratch, int threads);
size_t drae__cpu_direct_map_scratch_bytes(int w, int c_in, int c_out, int threads);

/* dwei[c_out,c_in,3,3] = sum over pixels of src and ddst, in fixed chunks of rows. Otherwise alike.
 */
void drae__cpu_direct_weights(int n, int h, int w, int c_in, int c_out, const float *src,
                              const float *ddst, float *dwei, void *scratch, int threads);
size_t drae__cpu_direct_weights_scratch_bytes(int w, int c_in, int c_out, int threads);

#endif
