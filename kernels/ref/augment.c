/* SPDX-License-Identifier: Apache-2.0 */
/* Augmentation, the oracle. */
#include "kernels/augment.h"

#include <math.h>

static double clamp(double v, double lo, double hi) {
    return v < lo ? lo : v > hi ? hi : v;
}

/* A pixel of dst at offset (dx, dy) from the centre, y downwards, comes from the offset turned
 * back: (dx cos - dy sin, dx sin + dy cos). */
void drae__ref_rotate_flip(int size, double angle, bool flip, const double *src, double *dst) {
    double centre = 0.5 * (double)(size - 1), last = (double)(size - 1);
    for (int y = 0; y < size; y++) {
        for (int x = 0; x < size; x++) {
            double dx = (double)x - centre, dy = (double)y - centre;
            double sx = clamp(centre + dx * cos(angle) - dy * sin(angle), 0.0, last);
            double sy = clamp(centre + dx * sin(angle) + dy * cos(angle), 0.0, last);
            int x0 = (int)sx, y0 = (int)sy;
            int x1 = x0 + 1 < size ? x0 + 1 : x0, y1 = y0 + 1 < size ? y0 + 1 : y0;
            double fx = sx - (double)x0, fy = sy - (double)y0;
            const double *top = src + (size_t)(flip ? size - 1 - y0 : y0) * (size_t)size;
            const double *low = src + (size_t)(flip ? size - 1 - y1 : y1) * (size_t)size;
            dst[(size_t)y * (size_t)size + (size_t)x] =
                (1.0 - fy) * ((1.0 - fx) * top[x0] + fx * top[x1]) +
                fy * ((1.0 - fx) * low[x0] + fx * low[x1]);
        }
    }
}

static double fade(double t) {
    return t * t * t * (t * (6.0 * t - 15.0) + 10.0);
}

void drae__ref_perlin(int size, int ry, int rx, const double *angles, double *dst) {
    for (int y = 0; y < size; y++) {
        for (int x = 0; x < size; x++) {
            int i = y * ry / size, j = x * rx / size;
            double fy = (double)(y * ry % size) / (double)size;
            double fx = (double)(x * rx % size) / (double)size;
            double corner[2][2];
            for (int a = 0; a < 2; a++) {
                for (int b = 0; b < 2; b++) {
                    double angle = angles[(size_t)(i + a) * (size_t)(rx + 1) + (size_t)(j + b)];
                    corner[a][b] = cos(angle) * (fx - b) + sin(angle) * (fy - a);
                }
            }
            double u = fade(fx), v = fade(fy);
            double top = (1.0 - u) * corner[0][0] + u * corner[0][1];
            double low = (1.0 - u) * corner[1][0] + u * corner[1][1];
            dst[(size_t)y * (size_t)size + (size_t)x] = sqrt(2.0) * ((1.0 - v) * top + v * low);
        }
    }
}

size_t drae__ref_perlin_mask(size_t pixels, double threshold, const double *field, double *mask,
                             double *noise) {
    double lo = field[0], hi = field[0];
    for (size_t i = 1; i < pixels; i++) {
        lo = field[i] < lo ? field[i] : lo;
        hi = field[i] > hi ? field[i] : hi;
    }
    size_t count = 0;
    for (size_t i = 0; i < pixels; i++) {
        count += field[i] > threshold ? 1 : 0;
        mask[i] = field[i] > threshold ? 1.0 : 0.0;
        noise[i] = hi > lo ? (field[i] - lo) / (hi - lo) : 0.0;
    }
    return count;
}

void drae__ref_blend(size_t pixels, const double *x, const double *mask, const double *noise,
                     double beta, bool leak, const double *gauss, double *x_star) {
    for (size_t i = 0; i < pixels; i++) {
        double blend = (1.0 - mask[i]) * x[i] + (1.0 - beta) * mask[i] * x[i] +
                       beta * (leak ? 1.0 : mask[i]) * noise[i];
        x_star[i] = clamp(blend + (gauss != NULL ? gauss[i] : 0.0), 0.0, 1.0);
    }
}
