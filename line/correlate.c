/* SPDX-License-Identifier: Apache-2.0 */
/* Normalised correlation (contract in line/correlate.h). */
#include "line/correlate.h"

#include <math.h>

/* Sums over a template-sized piece of a float picture: t f, f, f f. Eight lanes, added in a fixed
 * order. */
static void sums(const float *tmpl, const float *src, size_t src_stride, int width, int height,
                 double *tf, double *f, double *ff) {
    enum { LANES = 8 };
    *tf = *f = *ff = 0.0;
    for (int y = 0; y < height; y++) {
        const float *t = tmpl + (size_t)y * (size_t)width;
        const float *s = src + (size_t)y * src_stride;
        float sum_tf[LANES] = {0}, sum_f[LANES] = {0}, sum_ff[LANES] = {0};
        int x = 0;
        for (; x + LANES <= width; x += LANES) {
            for (int k = 0; k < LANES; k++) {
                float value = s[x + k];
                sum_tf[k] += t[x + k] * value;
                sum_f[k] += value;
                sum_ff[k] += value * value;
            }
        }
        for (int k = 0; x + k < width; k++) {
            float value = s[x + k];
            sum_tf[k] += t[x + k] * value;
            sum_f[k] += value;
            sum_ff[k] += value * value;
        }
        for (int k = 0; k < LANES; k++) {
            *tf += (double)sum_tf[k];
            *f += (double)sum_f[k];
            *ff += (double)sum_ff[k];
        }
    }
}

double drae__correlate(const float *tmpl, double power, const float *src, size_t src_stride,
                       int width, int height) {
    double tf, f, ff, n = (double)width * height;
    sums(tmpl, src, src_stride, width, height, &tf, &f, &ff);
    double variation = ff - f * f / n;
    if (variation < n * DRAE__FLAT_SPREAD * DRAE__FLAT_SPREAD) {
        return 0.0;
    }
    return tf / sqrt(power * variation);
}

double drae__center(float *values, size_t n) {
    double sum = 0.0, square = 0.0;
    for (size_t i = 0; i < n; i++) {
        sum += (double)values[i];
    }
    float mean = (float)(sum / (double)n);
    for (size_t i = 0; i < n; i++) {
        values[i] -= mean;
        square += (double)values[i] * (double)values[i];
    }
    return square;
}
