/* SPDX-License-Identifier: Apache-2.0 */
/* Smooth random fields and the small curves that all rendering is made of. */
#ifndef DRAE_SYNTH_NOISE_H
#define DRAE_SYNTH_NOISE_H

#include "base/philox.h"

#include <math.h>

#define DRAE__NOISE_SIDE 128 /* a power of two: the lattice repeats after so many cells */

/* A lattice of uniform values in [-1,1]. */
typedef struct drae__noise {
    float value[DRAE__NOISE_SIDE * DRAE__NOISE_SIDE];
} drae__noise;

void drae__noise_fill(drae__noise *noise, drae__rng *rng);

/* Value noise with quintic interpolation at lattice coordinates (x, y), within [-1,1]. */
float drae__noise_at(const drae__noise *noise, float x, float y);

/* Two octaves, the second turned against the first so that the lattice does not show. */
float drae__noise_two(const drae__noise *noise, float x, float y);

/* Gauss bell of height 1. */
static inline float drae__bell(float d, float sigma) {
    float t = d / sigma;
    return t * t > 20.0f ? 0.0f : expf(-t * t);
}

static inline float drae__clamp01(float t) {
    return t < 0.0f ? 0.0f : t > 1.0f ? 1.0f : t;
}

static inline float drae__smooth(float lo, float hi, float t) {
    float s = drae__clamp01((t - lo) / (hi - lo));
    return s * s * (3.0f - 2.0f * s);
}

static inline float drae__mix(float a, float b, float t) {
    return a + (b - a) * t;
}

#endif
