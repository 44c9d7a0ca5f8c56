/* SPDX-License-Identifier: Apache-2.0 */
/* f16 on a CPU that need not have it: f32 values rounded to what f16 holds. */
#ifndef DRAE_KERNELS_F16_H
#define DRAE_KERNELS_F16_H

#include <stddef.h>

/* The greatest f16. */
#define DRAE__F16_MOST 65504.0f

/* v[i] = the f16 nearest to v[i], ties to even, subnormals kept, infinite from 65520 on, NaN stays:
 * what cvt.rn.f16.f32 makes, in f32. The same bits on every machine. */
void drae__f16_round(size_t n, float *v);

#endif
