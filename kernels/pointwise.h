/* SPDX-License-Identifier: Apache-2.0 */
/* Elementwise operations, forward and backward. dst may alias src everywhere. */
#ifndef DRAE_KERNELS_POINTWISE_H
#define DRAE_KERNELS_POINTWISE_H

#include <stddef.h>

/* dst = src > 0 ? src : slope src;  dsrc = ddst * (src > 0 ? 1 : slope). */
void drae__ref_leaky_fwd(size_t n, double slope, const double *src, double *dst);
void drae__ref_leaky_bwd(size_t n, double slope, const double *src, const double *ddst,
                         double *dsrc);
void drae__cpu_leaky_fwd(size_t n, float slope, const float *src, float *dst);
void drae__cpu_leaky_bwd(size_t n, float slope, const float *src, const float *ddst, float *dsrc);

/* dst = 1 / (1 + exp(-src));  dsrc = ddst max(dst (1 - dst), least), from the forward result. cpu:
 * error below 2 ulp + 1e-7. least 0 is the derivative; above 0 (to 0.25) a unit that has run into
 * saturation is still pulled back. */
void drae__ref_sigmoid_fwd(size_t n, const double *src, double *dst);
void drae__ref_sigmoid_bwd(size_t n, double least, const double *dst, const double *ddst,
                           double *dsrc);
void drae__cpu_sigmoid_fwd(size_t n, const float *src, float *dst);
void drae__cpu_sigmoid_bwd(size_t n, float least, const float *dst, const float *ddst, float *dsrc);

/* dst = a + b; dst may alias either. */
void drae__ref_add(size_t n, const double *a, const double *b, double *dst);
void drae__cpu_add(size_t n, const float *a, const float *b, float *dst);

/* dst = src / 255 (patches of uint8 into [0,1]). */
void drae__cpu_from_u8(size_t n, const unsigned char *src, float *dst);

#endif
