/* SPDX-License-Identifier: Apache-2.0 */
/* Sum of squares and Adam, the oracle. */
#include "kernels/optim.h"

#include <math.h>

double drae__ref_sum_squares(size_t n, const double *src) {
    double sum = 0.0;
    for (size_t i = 0; i < n; i++) {
        sum += src[i] * src[i];
    }
    return sum;
}

void drae__ref_adam(size_t n, double lr, double b1, double b2, double eps, int64_t t,
                    double grad_scale, const double *grad, double *m, double *v, double *param) {
    double correct1 = 1.0 - pow(b1, (double)t);
    double correct2 = 1.0 - pow(b2, (double)t);
    for (size_t i = 0; i < n; i++) {
        double g = grad[i] * grad_scale;
        m[i] = b1 * m[i] + (1.0 - b1) * g;
        v[i] = b2 * v[i] + (1.0 - b2) * g * g;
        param[i] -= lr * (m[i] / correct1) / (sqrt(v[i] / correct2) + eps);
    }
}
