/* SPDX-License-Identifier: Apache-2.0 */
/* The last layer and the score in double: textbook loops, the oracle. */
#include "kernels/infer.h"

#include <math.h>

void drae__ref_infer_out(int c_in, int h, int w, const double *src, const double *wei, double bias,
                         double *dst) {
    for (int y = 0; y < h; y++) {
        for (int x = 0; x < w; x++) {
            double sum = bias;
            for (int ci = 0; ci < c_in; ci++) {
                for (int ky = 0; ky < 3; ky++) {
                    for (int kx = 0; kx < 3; kx++) {
                        int sy = y - 1 + ky, sx = x - 1 + kx;
                        if (sy >= 0 && sy < h && sx >= 0 && sx < w) {
                            sum += src[((ptrdiff_t)ci * h + sy) * w + sx] *
                                   wei[((ptrdiff_t)ci * 3 + ky) * 3 + kx];
                        }
                    }
                }
            }
            dst[(ptrdiff_t)y * w + x] = 1.0 / (1.0 + exp(-sum));
        }
    }
}

/* Weighted mean of (u - u0)(v - v0) over the window at (row, column); u NULL stands for 1. */
static double moment(const double weights[DRAE__SSIM_SIDE], int size, int row, int column,
                     const double *u, double u0, const double *v, double v0) {
    double sum = 0.0;
    for (int i = 0; i < DRAE__SSIM_SIDE; i++) {
        for (int k = 0; k < DRAE__SSIM_SIDE; k++) {
            int y = row + i, x = column + k;
            bool inside = y >= 0 && y < size && x >= 0 && x < size;
            ptrdiff_t at = (ptrdiff_t)y * size + x;
            double a = u == NULL ? 1.0 : (inside ? u[at] : 0.0) - u0;
            sum += weights[i] * weights[k] * a * ((inside ? v[at] : 0.0) - v0);
        }
    }
    return sum;
}

double drae__ref_infer_phi(drae__ssim_window window, int size, const double *x, const double *y) {
    double weights[DRAE__SSIM_SIDE];
    drae__ssim_weights(window, weights);
    int side = drae__ssim_map_side(window, size);
    int lead = window == DRAE__SSIM_GAUSSIAN ? 0 : DRAE__SSIM_SIDE / 2;
    double total = 0.0;
    for (int row = -lead; row < side - lead; row++) {
        for (int column = -lead; column < side - lead; column++) {
            double mx = moment(weights, size, row, column, NULL, 0.0, x, 0.0);
            double my = moment(weights, size, row, column, NULL, 0.0, y, 0.0);
            double sxx = moment(weights, size, row, column, x, mx, x, mx);
            double syy = moment(weights, size, row, column, y, my, y, my);
            double sxy = moment(weights, size, row, column, x, mx, y, my);
            total += 1.0 - (2.0 * mx * my + DRAE__SSIM_C1) * (2.0 * sxy + DRAE__SSIM_C2) /
                               ((mx * mx + my * my + DRAE__SSIM_C1) * (sxx + syy + DRAE__SSIM_C2));
        }
    }
    return total / ((double)side * side);
}
