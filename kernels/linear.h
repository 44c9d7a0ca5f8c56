/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Dense layer: dst[n,out] = src[n,in] * wei[out,in]^T + bias[out].
 * ref: double. cpu: f32, fixed reduction order (in blocks of the input), any thread count.
 */
#ifndef DRAE_KERNELS_LINEAR_H
#define DRAE_KERNELS_LINEAR_H

#include <stddef.h>

void drae__ref_linear_fwd(size_t n, size_t in, size_t out, const double *src, const double *wei,
                          const double *bias, double *dst);
/* dsrc, dwei, dbias may each be NULL (not wanted). Overwrites. */
void drae__ref_linear_bwd(size_t n, size_t in, size_t out, const double *src, const double *wei,
                          const double *ddst, double *dsrc, double *dwei, double *dbias);

void drae__cpu_linear_fwd(size_t n, size_t in, size_t out, const float *src, const float *wei,
                          const float *bias, float *dst);
void drae__cpu_linear_bwd(size_t n, size_t in, size_t out, const float *src, const float *wei,
                          const float *ddst, float *dsrc, float *dwei, float *dbias);

/* NHWC [n,h,w,c] <-> the flattened C,H,W order [n, c*h*w] that the bottleneck's weights expect. */
void drae__cpu_nhwc_to_nchw(size_t n, size_t hw, size_t c, const float *src, float *dst);
void drae__cpu_nchw_to_nhwc(size_t n, size_t hw, size_t c, const float *src, float *dst);

#endif
