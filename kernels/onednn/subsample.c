/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/onednn/subsample.h"

#include <string.h>

void drae__subsample_gather(const drae__subsample *s, const float *large, float *small) {
    size_t c = (size_t)s->c, row = (size_t)s->w * c, step = (size_t)s->stride * c;
#pragma omp parallel for collapse(2) schedule(static)
    for (int i = 0; i < s->n; i++) {
        for (int y = 0; y < s->h_small; y++) {
            const float *from = large + ((size_t)i * (size_t)s->h + (size_t)(y * s->stride)) * row;
            float *to =
                small + ((size_t)i * (size_t)s->h_small + (size_t)y) * (size_t)s->w_small * c;
            for (size_t x = 0; x < (size_t)s->w_small; x++) {
                memcpy(to + x * c, from + x * step, c * sizeof *to);
            }
        }
    }
}

void drae__subsample_scatter(const drae__subsample *s, const float *small, float *large) {
    size_t c = (size_t)s->c, row = (size_t)s->w * c, step = (size_t)s->stride * c;
#pragma omp parallel for collapse(2) schedule(static)
    for (int i = 0; i < s->n; i++) {
        for (int y = 0; y < s->h; y++) {
            float *to = large + ((size_t)i * (size_t)s->h + (size_t)y) * row;
            memset(to, 0, row * sizeof *to);
            int ys = y / s->stride;
            if (y % s->stride != 0 || ys >= s->h_small) {
                continue;
            }
            const float *from =
                small + ((size_t)i * (size_t)s->h_small + (size_t)ys) * (size_t)s->w_small * c;
            for (size_t x = 0; x < (size_t)s->w_small; x++) {
                memcpy(to + x * step, from + x * c, c * sizeof *to);
            }
        }
    }
}
