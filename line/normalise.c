/* SPDX-License-Identifier: Apache-2.0 */
#include "line/normalise.h"

#include "line/statistics.h"

#include <math.h>
#include <string.h>

void drae__normalise_add(size_t pixels, size_t n, const float *residual, double *mean, double *m2) {
    const double inverse = 1.0 / (double)(n + 1);
    for (size_t i = 0; i < pixels; i++) {
        double from_old = (double)residual[i] - mean[i];
        mean[i] += from_old * inverse;
        m2[i] += from_old * ((double)residual[i] - mean[i]);
    }
}

/* dst[i] = the greatest of the `length` values, `stride` apart, within REACH of the i-th. */
static void widen(int length, ptrdiff_t stride, const float *src, float *dst) {
    for (int i = 0; i < length; i++) {
        int first = i > DRAE__NORMALISE_REACH ? i - DRAE__NORMALISE_REACH : 0;
        int last = i + DRAE__NORMALISE_REACH < length ? i + DRAE__NORMALISE_REACH : length - 1;
        float most = src[first * stride];
        for (int k = first + 1; k <= last; k++) {
            most = src[k * stride] > most ? src[k * stride] : most;
        }
        dst[i * stride] = most;
    }
}

void drae__normalise_maps(int size, size_t n, const double *mean, const double *m2, float *maps,
                          float *scratch) {
    size_t pixels = (size_t)size * (size_t)size;
    float *scale = maps + pixels;
    double all = 0.0;
    for (size_t i = 0; i < pixels; i++) {
        all += m2[i];
    }
    all /= (double)pixels * (double)(n - 1);
    for (size_t i = 0; i < pixels; i++) {
        double v =
            (m2[i] + DRAE__NORMALISE_SHRINK * all) / ((double)(n - 1) + DRAE__NORMALISE_SHRINK);
        maps[i] = (float)mean[i];
        scale[i] = (float)sqrt(v);
    }
    for (int y = 0; y < size; y++) {
        widen(size, 1, scale + (ptrdiff_t)y * size, scratch + (ptrdiff_t)y * size);
    }
    for (int x = 0; x < size; x++) {
        widen(size, size, scratch + x, scale + x);
    }
    memcpy(scratch, scale, pixels * sizeof *scratch);
    drae__sort(pixels, scratch);
    float median = drae__quantile(pixels, scratch, 0.5);
    /* Patches that are all alike have no spread: one grey level in ten thousand, so that any
     * difference counts and nothing is divided by zero. */
    float floor_ = (float)DRAE__NORMALISE_FLOOR * median;
    floor_ = floor_ > 1e-6f ? floor_ : 1e-6f;
    for (size_t i = 0; i < pixels; i++) {
        scale[i] += floor_;
    }
}
