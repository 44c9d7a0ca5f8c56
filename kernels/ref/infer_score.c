/* SPDX-License-Identifier: Apache-2.0 */
/* The normalised residual and the mean of its largest values in double: textbook loops. */
#include "kernels/infer.h"

#include <math.h>
#include <stdbool.h>

void drae__ref_infer_z(int size, const double *x, const double *y, const double *mean,
                       const double *scale, double *dst) {
    static const double taps[DRAE__Z_TAPS] = DRAE__Z_WEIGHTS;
    for (int row = 0; row < size; row++) {
        for (int column = 0; column < size; column++) {
            double sum = 0.0;
            for (int i = -DRAE__Z_RADIUS; i <= DRAE__Z_RADIUS; i++) {
                for (int k = -DRAE__Z_RADIUS; k <= DRAE__Z_RADIUS; k++) {
                    int v = row + i, u = column + k;
                    bool inside = v >= 0 && v < size && u >= 0 && u < size;
                    ptrdiff_t at = (ptrdiff_t)v * size + u;
                    sum += taps[i + DRAE__Z_RADIUS] * taps[k + DRAE__Z_RADIUS] *
                           (inside ? x[at] - y[at] : 0.0);
                }
            }
            ptrdiff_t at = (ptrdiff_t)row * size + column;
            dst[at] = fabs(sum - mean[at]) / scale[at];
        }
    }
}

/* The value that fewer than k others exceed and that k reach, by counting for each. */
double drae__ref_infer_top_mean(size_t n, const double *src, int k) {
    size_t want = (size_t)k;
    double sum = 0.0;
    for (size_t i = 0; i < n; i++) {
        size_t before = 0; /* larger, or equal and earlier */
        for (size_t j = 0; j < n && before < want; j++) {
            before += src[j] > src[i] || (src[j] == src[i] && j < i);
        }
        sum += before < want ? src[i] : 0.0;
    }
    return sum / k;
}
