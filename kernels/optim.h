/* SPDX-License-Identifier: Apache-2.0 */
/* Gradient clipping by global norm and Adam (Kingma, Ba 2015), PyTorch's conventions. */
#ifndef DRAE_KERNELS_OPTIM_H
#define DRAE_KERNELS_OPTIM_H

#include <stddef.h>
#include <stdint.h>

/* Sum of squares in fixed order, in double. */
double drae__ref_sum_squares(size_t n, const double *src);
double drae__cpu_sum_squares(size_t n, const float *src);

/* One step t = 1, 2, ...: g = grad * grad_scale; m = b1 m + (1-b1) g; v = b2 v + (1-b2) g^2;
 * param -= lr * (m / (1-b1^t)) / (sqrt(v / (1-b2^t)) + eps). Elementwise, any thread count. */
void drae__ref_adam(size_t n, double lr, double b1, double b2, double eps, int64_t t,
                    double grad_scale, const double *grad, double *m, double *v, double *param);
void drae__cpu_adam(size_t n, double lr, double b1, double b2, double eps, int64_t t,
                    double grad_scale, const float *grad, float *m, float *v, float *param);

#endif
