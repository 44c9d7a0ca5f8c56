/* SPDX-License-Identifier: Apache-2.0 */
/* Normalised correlation (contract in line/correlate.h). Sums run in DRAE__LANES lanes, which
 * compilers turn into vectors, and the lanes are added in order: one result on every machine. */
#include "line/correlate.h"

#include <math.h>

enum { LANES = DRAE__LANES };

static double add_lanes(const float *lane) {
    double sum = 0.0;
    for (int k = 0; k < LANES; k++) {
        sum += (double)lane[k];
    }
    return sum;
}

double drae__dot(const float *tmpl, int tmpl_stride, const float *src, size_t src_stride,
                 int height) {
    float lane[LANES] = {0};
    for (int y = 0; y < height; y++) {
        const float *t = tmpl + (size_t)y * (size_t)tmpl_stride;
        const float *s = src + (size_t)y * src_stride;
        for (int x = 0; x < tmpl_stride; x += LANES) {
            for (int k = 0; k < LANES; k++) {
                lane[k] += t[x + k] * s[x + k];
            }
        }
    }
    return add_lanes(lane);
}

double drae__score(double power, double n, double tf, double f, double ff) {
    double variation = ff - f * f / n;
    if (!(variation >= n * DRAE__FLAT_SPREAD * DRAE__FLAT_SPREAD)) {
        return 0.0;
    }
    return tf / sqrt(power * variation);
}

double drae__correlate(const float *tmpl, double power, const float *src, size_t src_stride,
                       int width, int height) {
    float tf[LANES] = {0}, f[LANES] = {0}, ff[LANES] = {0};
    int whole = width / LANES * LANES;
    for (int y = 0; y < height; y++) {
        const float *t = tmpl + (size_t)y * (size_t)width;
        const float *s = src + (size_t)y * src_stride;
        for (int x = 0; x < whole; x += LANES) {
            for (int k = 0; k < LANES; k++) {
                tf[k] += t[x + k] * s[x + k];
                f[k] += s[x + k];
                ff[k] += s[x + k] * s[x + k];
            }
        }
        for (int x = whole; x < width; x++) {
            tf[x - whole] += t[x] * s[x];
            f[x - whole] += s[x];
            ff[x - whole] += s[x] * s[x];
        }
    }
    return drae__score(power, (double)width * height, add_lanes(tf), add_lanes(f), add_lanes(ff));
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
