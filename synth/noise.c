/* SPDX-License-Identifier: Apache-2.0 */
/* Value noise on a periodic lattice. */
#include "synth/noise.h"

#include <stddef.h>

void drae__noise_fill(drae__noise *noise, drae__rng *rng) {
    for (int i = 0; i < DRAE__NOISE_SIDE * DRAE__NOISE_SIDE; i++) {
        noise->value[i] = drae__rng_range(rng, -1.0f, 1.0f);
    }
}

static float fade(float t) {
    return t * t * t * (t * (t * 6.0f - 15.0f) + 10.0f);
}

float drae__noise_at(const drae__noise *noise, float x, float y) {
    const int wrap = DRAE__NOISE_SIDE - 1;
    float fx = floorf(x), fy = floorf(y);
    int ix = (int)fx, iy = (int)fy;
    float tx = fade(x - fx), ty = fade(y - fy);
    const float *row0 = noise->value + (size_t)(iy & wrap) * DRAE__NOISE_SIDE;
    const float *row1 = noise->value + (size_t)((iy + 1) & wrap) * DRAE__NOISE_SIDE;
    int x0 = ix & wrap, x1 = (ix + 1) & wrap;
    return drae__mix(drae__mix(row0[x0], row0[x1], tx), drae__mix(row1[x0], row1[x1], tx), ty);
}

float drae__noise_two(const drae__noise *noise, float x, float y) {
    /* 0.8, 0.6: a turn of 37 degrees */
    float u = (0.8f * x - 0.6f * y) * 1.9f + 31.7f;
    float v = (0.6f * x + 0.8f * y) * 1.9f + 57.3f;
    return 0.62f * drae__noise_at(noise, x, y) + 0.38f * drae__noise_at(noise, u, v);
}
