/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SSIM, the oracle: at every position of the map the window's moments by two passes, means first.
 *
 * Gradient. With w the window's weight of pixel q at position p, and s = s(mx, my, sxx, syy, sxy):
 *   dmy/dy_q = w,  dsyy/dy_q = 2 w (y_q - my),  dsxy/dy_q = w (x_q - mx)
 *   ds/dy_q = w (s_my + 2 s_syy (y_q - my) + s_sxy (x_q - mx))
 * and with s = (A1 A2) / (B1 B2), A1 = 2 mx my + C1, A2 = 2 sxy + C2, B1 = mx^2 + my^2 + C1,
 * B2 = sxx + syy + C2:
 *   s_my = A2 / B2 (2 mx B1 - 2 my A1) / B1^2,  s_syy = - A1 A2 / (B1 B2^2),  s_sxy = 2 A1 / (B1
 * B2)
 */
#include "kernels/ssim.h"

typedef struct moments {
    double mx, my, sxx, syy, sxy;
} moments;

/* Row and column of the image under the window's first tap at map position 0. */
static int origin(drae__ssim_window window) {
    return window == DRAE__SSIM_GAUSSIAN ? 0 : -(DRAE__SSIM_SIDE - 1) / 2;
}

/* Pixels outside the image are zero and count. */
static double pixel(int size, const double *image, int row, int col) {
    return row < 0 || row >= size || col < 0 || col >= size
               ? 0.0
               : image[(size_t)row * (size_t)size + (size_t)col];
}

static moments moments_at(int size, const double *x, const double *y, const double *weights,
                          int row, int col) {
    moments m = {0};
    for (int i = 0; i < DRAE__SSIM_SIDE; i++) {
        for (int j = 0; j < DRAE__SSIM_SIDE; j++) {
            double w = weights[i] * weights[j];
            m.mx += w * pixel(size, x, row + i, col + j);
            m.my += w * pixel(size, y, row + i, col + j);
        }
    }
    for (int i = 0; i < DRAE__SSIM_SIDE; i++) {
        for (int j = 0; j < DRAE__SSIM_SIDE; j++) {
            double w = weights[i] * weights[j];
            double dx = pixel(size, x, row + i, col + j) - m.mx;
            double dy = pixel(size, y, row + i, col + j) - m.my;
            m.sxx += w * dx * dx;
            m.syy += w * dy * dy;
            m.sxy += w * dx * dy;
        }
    }
    return m;
}

double drae__ref_ssim(drae__ssim_window window, int size, const double *x, const double *y,
                      double *map) {
    double weights[DRAE__SSIM_SIDE];
    drae__ssim_weights(window, weights);
    int side = drae__ssim_map_side(window, size), o = origin(window);
    double sum = 0.0;
    for (int r = 0; r < side; r++) {
        for (int c = 0; c < side; c++) {
            moments m = moments_at(size, x, y, weights, r + o, c + o);
            double s =
                (2.0 * m.mx * m.my + DRAE__SSIM_C1) * (2.0 * m.sxy + DRAE__SSIM_C2) /
                ((m.mx * m.mx + m.my * m.my + DRAE__SSIM_C1) * (m.sxx + m.syy + DRAE__SSIM_C2));
            if (map != NULL) {
                map[(size_t)r * (size_t)side + (size_t)c] = s;
            }
            sum += s;
        }
    }
    return sum / ((double)side * (double)side);
}

void drae__ref_ssim_bwd(drae__ssim_window window, int size, const double *x, const double *y,
                        double *dy) {
    double weights[DRAE__SSIM_SIDE];
    drae__ssim_weights(window, weights);
    int side = drae__ssim_map_side(window, size), o = origin(window);
    size_t pixels = (size_t)size * (size_t)size;
    for (size_t i = 0; i < pixels; i++) {
        dy[i] = 0.0;
    }
    double each = 1.0 / ((double)side * (double)side);
    for (int r = 0; r < side; r++) {
        for (int c = 0; c < side; c++) {
            moments m = moments_at(size, x, y, weights, r + o, c + o);
            double a1 = 2.0 * m.mx * m.my + DRAE__SSIM_C1;
            double a2 = 2.0 * m.sxy + DRAE__SSIM_C2;
            double b1 = m.mx * m.mx + m.my * m.my + DRAE__SSIM_C1;
            double b2 = m.sxx + m.syy + DRAE__SSIM_C2;
            double s_my = a2 / b2 * (2.0 * m.mx * b1 - 2.0 * m.my * a1) / (b1 * b1);
            double s_syy = -a1 * a2 / (b1 * b2 * b2);
            double s_sxy = 2.0 * a1 / (b1 * b2);
            for (int i = 0; i < DRAE__SSIM_SIDE; i++) {
                for (int j = 0; j < DRAE__SSIM_SIDE; j++) {
                    int row = r + o + i, col = c + o + j;
                    if (row < 0 || row >= size || col < 0 || col >= size) {
                        continue;
                    }
                    double w = weights[i] * weights[j];
                    size_t q = (size_t)row * (size_t)size + (size_t)col;
                    dy[q] +=
                        each * w * (s_my + 2.0 * s_syy * (y[q] - m.my) + s_sxy * (x[q] - m.mx));
                }
            }
        }
    }
}
