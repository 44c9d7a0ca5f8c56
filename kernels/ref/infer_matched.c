/* SPDX-License-Identifier: Apache-2.0 */
/* The matched filters in double: textbook loops. */
#include "kernels/infer.h"
#include "kernels/matched.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

static double pixel(int size, const double *src, int row, int column) {
    bool inside = row >= 0 && row < size && column >= 0 && column < size;
    return inside ? src[(ptrdiff_t)row * size + column] : 0.0;
}

static double blur(int size, int step, const double *src, int row, int column) {
    static const double taps[DRAE__Z_TAPS] = DRAE__Z_WEIGHTS;
    double sum = 0.0;
    for (int i = 0; i < DRAE__Z_TAPS; i++) {
        for (int k = 0; k < DRAE__Z_TAPS; k++) {
            sum += taps[i] * taps[k] *
                   pixel(size, src, row + (i - DRAE__Z_RADIUS) * step,
                         column + (k - DRAE__Z_RADIUS) * step);
        }
    }
    return sum;
}

static double line(int size, int direction, const double *r1, int row, int column) {
    static const int steps[DRAE__M_LINES][DRAE__M_REACH][2] = DRAE__M_STEPS;
    double sum = pixel(size, r1, row, column);
    for (int j = 0; j < DRAE__M_REACH; j++) {
        int x = steps[direction][j][0], y = steps[direction][j][1];
        sum += pixel(size, r1, row + y, column + x) + pixel(size, r1, row - y, column - x);
    }
    return sum;
}

void drae__ref_infer_m_filters(int size, const double *e, double *dst) {
    const size_t pixels = (size_t)size * (size_t)size;
    memcpy(dst, e, pixels * sizeof *e);
    /* c2, c3, c4 in the places of r_1, r_2, r_3 first. */
    for (int f = 1; f < DRAE__M_PLANES; f++) {
        for (int i = 0; i < size; i++) {
            for (int k = 0; k < size; k++) {
                dst[(size_t)f * pixels + (size_t)(i * size + k)] =
                    blur(size, 1 << f, dst + (size_t)(f - 1) * pixels, i, k);
            }
        }
    }
    for (int f = DRAE__M_PLANES - 1; f > 0; f--) {
        double *r = dst + (size_t)f * pixels;
        for (size_t i = 0; i < pixels; i++) {
            r[i] = r[i - pixels] - r[i];
        }
    }
    for (int f = DRAE__M_PLANES; f < DRAE__M_FILTERS; f++) {
        for (int i = 0; i < size; i++) {
            for (int k = 0; k < size; k++) {
                dst[(size_t)f * pixels + (size_t)(i * size + k)] =
                    line(size, f - DRAE__M_PLANES, dst + pixels, i, k);
            }
        }
    }
}

void drae__ref_infer_m(int size, const double *filters, const double *scales, double *dst) {
    const size_t side = (size_t)size, blocks = side / DRAE__M_BLOCK;
    for (size_t i = 0; i < side * side; i++) {
        size_t block = i / side / DRAE__M_BLOCK * blocks + i % side / DRAE__M_BLOCK;
        dst[i] = 0.0;
        for (size_t f = 0; f < DRAE__M_FILTERS; f++) {
            dst[i] = fmax(dst[i],
                          fabs(filters[f * side * side + i]) / scales[f * blocks * blocks + block]);
        }
    }
}
