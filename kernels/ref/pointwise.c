/* SPDX-License-Identifier: Apache-2.0 */
/* Elementwise operations, the oracle. */
#include "kernels/pointwise.h"

#include <math.h>

void drae__ref_leaky_fwd(size_t n, double slope, const double *src, double *dst) {
    for (size_t i = 0; i < n; i++) {
        dst[i] = src[i] > 0.0 ? src[i] : slope * src[i];
    }
}

void drae__ref_leaky_bwd(size_t n, double slope, const double *src, const double *ddst,
                         double *dsrc) {
    for (size_t i = 0; i < n; i++) {
        dsrc[i] = ddst[i] * (src[i] > 0.0 ? 1.0 : slope);
    }
}

void drae__ref_sigmoid_fwd(size_t n, const double *src, double *dst) {
    for (size_t i = 0; i < n; i++) {
        dst[i] = 1.0 / (1.0 + exp(-src[i]));
    }
}

void drae__ref_sigmoid_bwd(size_t n, double least, const double *dst, const double *ddst,
                           double *dsrc) {
    for (size_t i = 0; i < n; i++) {
        dsrc[i] = ddst[i] * fmax(dst[i] * (1.0 - dst[i]), least);
    }
}

void drae__ref_add(size_t n, const double *a, const double *b, double *dst) {
    for (size_t i = 0; i < n; i++) {
        dst[i] = a[i] + b[i];
    }
}
