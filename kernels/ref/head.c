/* SPDX-License-Identifier: Apache-2.0 */
/* The head in double: textbook loops, forward and backward. */
#include "kernels/head.h"

#include <string.h>

static const int steps[DRAE__H_LAYERS] = DRAE__H_STEPS;

static double rectify(double v) {
    double low = (double)DRAE__H_SLOPE * v;
    return v > low ? v : low;
}

static double at(int side, const double *plane, int row, int column) {
    return row >= 0 && row < side && column >= 0 && column < side ? plane[row * side + column]
                                                                  : 0.0;
}

/* a = C_step src + bias, all planes. */
static void convolve(int side, int step, const double *src, const double *weights, double *a) {
    const int pixels = side * side;
    for (int co = 0; co < DRAE__H_PLANES; co++) {
        for (int p = 0; p < pixels; p++) {
            double sum = weights[DRAE__H_PLANES * DRAE__H_PLANES * 9 + co];
            for (int ci = 0; ci < DRAE__H_PLANES; ci++) {
                for (int t = 0; t < 9; t++) {
                    sum += weights[(co * DRAE__H_PLANES + ci) * 9 + t] *
                           at(side, src + ci * pixels, p / side + (t / 3 - 1) * step,
                              p % side + (t % 3 - 1) * step);
                }
            }
            a[co * pixels + p] = sum;
        }
    }
}

/* d_src += the adjoint of C_step on d_a, and the gradient of its weights. */
static void differentiate(int side, int step, const double *src, const double *weights,
                          const double *d_a, double *d_src, double *gradient) {
    const int pixels = side * side;
    for (int co = 0; co < DRAE__H_PLANES; co++) {
        for (int p = 0; p < pixels; p++) {
            double d = d_a[co * pixels + p];
            gradient[DRAE__H_PLANES * DRAE__H_PLANES * 9 + co] += d;
            for (int ci = 0; ci < DRAE__H_PLANES; ci++) {
                for (int t = 0; t < 9; t++) {
                    int row = p / side + (t / 3 - 1) * step, column = p % side + (t % 3 - 1) * step;
                    if (row >= 0 && row < side && column >= 0 && column < side) {
                        int from = ci * pixels + row * side + column;
                        gradient[(co * DRAE__H_PLANES + ci) * 9 + t] += d * src[from];
                        d_src[from] += d * weights[(co * DRAE__H_PLANES + ci) * 9 + t];
                    }
                }
            }
        }
    }
}

void drae__ref_head(int side, const double *input, const double *weights, double *o,
                    const double *d_o, double *gradient, double *scratch) {
    const int pixels = side * side, n = DRAE__H_PLANES * pixels;
    /* t[0] the input, t[l + 1] what layer l makes, a its convolutions. */
    double *t[DRAE__H_LAYERS + 1], *a[DRAE__H_LAYERS], *d_t, *d_a, *spare;
    for (int l = 0; l <= DRAE__H_LAYERS; l++) {
        t[l] = scratch + (ptrdiff_t)l * n;
    }
    for (int l = 0; l < DRAE__H_LAYERS; l++) {
        a[l] = scratch + (ptrdiff_t)(DRAE__H_LAYERS + 1 + l) * n;
    }
    d_t = a[DRAE__H_LAYERS - 1] + n;
    d_a = d_t + n;
    spare = d_a + n;
    memcpy(t[0], input, (size_t)n * sizeof *input);
    for (int l = 0; l < DRAE__H_LAYERS; l++) {
        convolve(side, steps[l], t[l], weights + (ptrdiff_t)l * DRAE__H_LAYER, a[l]);
        for (int i = 0; i < n; i++) {
            t[l + 1][i] = (l > 0 ? t[l][i] : 0.0) + rectify(a[l][i]);
        }
    }
    const double *last = weights + (ptrdiff_t)DRAE__H_LAYERS * DRAE__H_LAYER;
    for (int p = 0; p < pixels; p++) {
        o[p] = last[DRAE__H_PLANES];
        for (int c = 0; c < DRAE__H_PLANES; c++) {
            o[p] += last[c] * t[DRAE__H_LAYERS][c * pixels + p];
        }
    }
    if (gradient != NULL) {
        memset(gradient, 0, DRAE__H_WEIGHTS * sizeof *gradient);
        double *d_last = gradient + (ptrdiff_t)DRAE__H_LAYERS * DRAE__H_LAYER;
        for (int p = 0; p < pixels; p++) {
            d_last[DRAE__H_PLANES] += d_o[p];
            for (int c = 0; c < DRAE__H_PLANES; c++) {
                d_last[c] += d_o[p] * t[DRAE__H_LAYERS][c * pixels + p];
                d_t[c * pixels + p] = d_o[p] * last[c];
            }
        }
        for (int l = DRAE__H_LAYERS - 1; l >= 0; l--) {
            memset(spare, 0, (size_t)n * sizeof *spare);
            for (int i = 0; i < n; i++) {
                d_a[i] = d_t[i] * (a[l][i] > 0.0 ? 1.0 : (double)DRAE__H_SLOPE);
            }
            differentiate(side, steps[l], t[l], weights + (ptrdiff_t)l * DRAE__H_LAYER, d_a, spare,
                          gradient + (ptrdiff_t)l * DRAE__H_LAYER);
            for (int i = 0; i < n; i++) {
                d_t[i] += spare[i];
            }
        }
    }
}

void drae__ref_head_input(int size, const double *x, const double *y, const double *mean,
                          const double *scale, const double *m, double *input) {
    const int side = size / 2, pixels = side * side;
    for (int row = 0; row < size; row++) {
        for (int column = 0; column < size; column++) {
            int p = row * size + column;
            double d = x[p] - y[p];
            double plane[4] = {20.0 * d, (d - mean[p]) / scale[p], 2.0 * y[p] - 1.0, m[p] / 8.0};
            for (int c = 0; c < 4; c++) {
                input[(4 * c + 2 * (row & 1) + (column & 1)) * pixels + row / 2 * side +
                      column / 2] = plane[c];
            }
        }
    }
}
