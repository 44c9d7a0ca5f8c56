/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sums of products of one tap by one to NV vectors, begun or gone on with: what strips and copied
 * windows multiply by (ADD_TAPS, infer_conv_body.h).
 */
#ifndef DRAE_KERNELS_CPU_INFER_PRODUCTS_BODY_H
#define DRAE_KERNELS_CPU_INFER_PRODUCTS_BODY_H

#include "kernels/cpu/infer_conv_body.h"

ADD_TAPS(products1, vf_product, true, 1, 1, false)
ADD_TAPS(products2, vf_product, true, 2, 1, false)
ADD_TAPS(products3, vf_product, true, 3, 1, false)
ADD_TAPS(more_products1, vf_product, false, 1, 1, false)
ADD_TAPS(more_products2, vf_product, false, 2, 1, false)
ADD_TAPS(more_products3, vf_product, false, 3, 1, false)

_Static_assert(NV == 3, "products of one to NV vectors");

static const window_of products[NV] = {products1, products2, products3};
static const window_of more_products[NV] = {more_products1, more_products2, more_products3};

#endif
