/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sum of squares (double lanes) and Adam in f32. Adam's constants are folded in double first:
 *     param -= (lr / c1) m / (sqrt(v) / sqrt(c2) + eps),   c_k = 1 - b_k^t
 */
#include "kernels/optim.h"

#include "kernels/cpu/isa.h"

#include <math.h>

#define PIECE 16384

DRAE__BODY void squares_body(size_t n, const float *src, double *result) {
    drae__v8d acc[2] = {0};
    size_t i = 0;
    for (; i + 16 <= n; i += 16) {
        for (int h = 0; h < 2; h++) {
            drae__v8d d = __builtin_convertvector(DRAE__LOAD8(src + i + 8 * h), drae__v8d);
            acc[h] += d * d;
        }
    }
    acc[0] += acc[1];
    double sum = 0.0;
    for (; i < n; i++) {
        sum += (double)src[i] * (double)src[i];
    }
    for (int l = 0; l < 8; l++) {
        sum += acc[0][l];
    }
    *result = sum;
}
DRAE__CLONES(squares, (size_t n, const float *src, double *result), (n, src, result))

double drae__cpu_sum_squares(size_t n, const float *src) {
    double parts[DRAE__CHUNKS];
#pragma omp parallel for schedule(static) if (n > PIECE)
    for (int i = 0; i < DRAE__CHUNKS; i++) {
        size_t begin = drae__chunk_begin(n, i);
        squares(drae__chunk_begin(n, i + 1) - begin, src + begin, &parts[i]);
    }
    double sum = 0.0;
    for (int i = 0; i < DRAE__CHUNKS; i++) {
        sum += parts[i];
    }
    return sum;
}

typedef struct adam {
    float b1, b2, rest1, rest2; /* rest = 1 - b */
    float step;                 /* lr / c1 */
    float correct;              /* 1 / sqrt(c2) */
    float eps;
    float grad_scale;
} adam;

DRAE__BODY void adam_piece_body(size_t n, const adam *k, const float *restrict grad,
                                float *restrict m, float *restrict v, float *restrict param) {
    const adam c = *k;
#pragma omp simd
    for (size_t i = 0; i < n; i++) {
        float g = grad[i] * c.grad_scale;
        float first = c.b1 * m[i] + c.rest1 * g;
        float second = c.b2 * v[i] + c.rest2 * (g * g);
        m[i] = first;
        v[i] = second;
        param[i] -= c.step * first / (sqrtf(second) * c.correct + c.eps);
    }
}
DRAE__CLONES(adam_piece,
             (size_t n, const adam *k, const float *grad, float *m, float *v, float *param),
             (n, k, grad, m, v, param))

void drae__cpu_adam(size_t n, double lr, double b1, double b2, double eps, int64_t t,
                    double grad_scale, const float *grad, float *m, float *v, float *param) {
    double c1 = 1.0 - pow(b1, (double)t), c2 = 1.0 - pow(b2, (double)t);
    adam k = {.b1 = (float)b1,
              .b2 = (float)b2,
              .rest1 = (float)(1.0 - b1),
              .rest2 = (float)(1.0 - b2),
              .step = (float)(lr / c1),
              .correct = (float)(1.0 / sqrt(c2)),
              .eps = (float)eps,
              .grad_scale = (float)grad_scale};
#pragma omp parallel for schedule(static) if (n > PIECE)
    for (size_t i = 0; i < n; i += PIECE) {
        adam_piece(n - i < PIECE ? n - i : PIECE, &k, grad + i, m + i, v + i, param + i);
    }
}
