/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sums of products of one tap by one to NV vectors, begun or gone on with: what strips and copied
 * windows multiply by (ADD_TAPS, infer_conv_body.h).
 */
#ifndef DRAE_KERNELS_CPU_INFER_PRODUCTS_BODY_H
#define DRAE_KERNELS_CPU_INFER_PRODUCTS_BODY_H

#include "kernels/cpu/infer_conv_body.h"

ADD_TAPS(products1, true, 1, 1, false)
ADD_TAPS(products2, true, 2, 1, false)
ADD_TAPS(products3, true, 3, 1, false)
ADD_TAPS(more_products1, false, 1, 1, false)
ADD_TAPS(more_products2, false, 2, 1, false)
ADD_TAPS(more_products3, false, 3, 1, false)

_Static_assert(NV == 3, "products of one to NV vectors");

typedef void (*products_of)(float sums[CO][NV][VL], const float *const src[NV], ptrdiff_t stride,
                            ptrdiff_t plane, int c_in, const float *restrict wei);
static const products_of products[NV] = {products1, products2, products3};
static const products_of more_products[NV] = {more_products1, more_products2, more_products3};

#endif
