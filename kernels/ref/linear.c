/* SPDX-License-Identifier: Apache-2.0 */
/* Dense layer, the oracle. */
#include "kernels/linear.h"

void drae__ref_linear_fwd(size_t n, size_t in, size_t out, const double *src, const double *wei,
                          const double *bias, double *dst) {
    for (size_t i = 0; i < n; i++) {
        for (size_t o = 0; o < out; o++) {
            double sum = bias != NULL ? bias[o] : 0.0;
            for (size_t k = 0; k < in; k++) {
                sum += src[i * in + k] * wei[o * in + k];
            }
            dst[i * out + o] = sum;
        }
    }
}

void drae__ref_linear_bwd(size_t n, size_t in, size_t out, const double *src, const double *wei,
                          const double *ddst, double *dsrc, double *dwei, double *dbias) {
    for (size_t i = 0; dsrc != NULL && i < n; i++) {
        for (size_t k = 0; k < in; k++) {
            double sum = 0.0;
            for (size_t o = 0; o < out; o++) {
                sum += ddst[i * out + o] * wei[o * in + k];
            }
            dsrc[i * in + k] = sum;
        }
    }
    for (size_t o = 0; dwei != NULL && o < out; o++) {
        for (size_t k = 0; k < in; k++) {
            double sum = 0.0;
            for (size_t i = 0; i < n; i++) {
                sum += ddst[i * out + o] * src[i * in + k];
            }
            dwei[o * in + k] = sum;
        }
    }
    for (size_t o = 0; dbias != NULL && o < out; o++) {
        double sum = 0.0;
        for (size_t i = 0; i < n; i++) {
            sum += ddst[i * out + o];
        }
        dbias[o] = sum;
    }
}
