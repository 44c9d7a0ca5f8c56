/* SPDX-License-Identifier: Apache-2.0 */
#include "train/augment.h"

#include "base/philox.h"
#include "kernels/augment.h"
#include "kernels/pointwise.h"

#include <string.h>

#define PI 3.14159265358979323846

static size_t angles_max(const drae__train_config *config) {
    size_t side = ((size_t)1 << config->augment.octave_max) + 1;
    return side * side;
}

size_t drae__augment_scratch_floats(const drae__train_config *config, int size) {
    return (size_t)size * (size_t)size + angles_max(config);
}

/* Draws mask and noise; false when no field had a mask that is large enough. */
static bool draw_mask(const drae__train_config *config, int size, drae__rng *rng,
                      const drae__sample *out, float *scratch) {
    size_t pixels = (size_t)size * (size_t)size;
    float *field = scratch;
    float *angles = scratch + pixels;
    uint32_t octaves = (uint32_t)config->augment.octave_max + 1;
    for (int64_t i = 0; i < config->augment.tries; i++) {
        int ry = 1 << drae__rng_below(rng, octaves);
        int rx = 1 << drae__rng_below(rng, octaves);
        size_t n = (size_t)(ry + 1) * (size_t)(rx + 1);
        for (size_t k = 0; k < n; k++) {
            angles[k] = drae__rng_range(rng, 0.0f, (float)(2.0 * PI));
        }
        drae__cpu_perlin(size, ry, rx, angles, field);
        size_t set = drae__cpu_perlin_mask(pixels, (float)config->augment.threshold, field,
                                           out->mask, out->noise);
        if (set >= (size_t)config->augment.min_pixels && set > 0) {
            return true;
        }
    }
    return false;
}

void drae__augment(const drae__train_config *config, int size, uint64_t epoch, uint64_t sample,
                   const uint8_t *patch, const drae__sample *out, float *scratch) {
    size_t pixels = (size_t)size * (size_t)size;
    drae__rng rng;
    drae__rng_init(&rng, (uint64_t)config->run.seed, DRAE__PURPOSE_AUGMENT,
                   epoch << DRAE__SAMPLE_BITS | sample);
    float limit = (float)config->augment.rotation;
    float degrees = drae__rng_range(&rng, -limit, limit);
    bool flip = drae__rng_uniform(&rng) < (float)config->augment.flip;
    bool perturb = drae__rng_uniform(&rng) < (float)config->augment.perturb;
    drae__cpu_from_u8(pixels, patch, out->x_star); /* x_star serves as room until the blend */
    drae__cpu_rotate_flip(size, (float)(degrees * (PI / 180.0)), flip, out->x_star, out->x);

    *out->beta = 0.0f;
    if (perturb && draw_mask(config, size, &rng, out, scratch)) {
        *out->beta =
            drae__rng_range(&rng, (float)config->augment.beta_min, (float)config->augment.beta_max);
    } else {
        memset(out->mask, 0, pixels * sizeof(float));
        memset(out->noise, 0, pixels * sizeof(float));
    }
    float *gauss = NULL;
    if (config->augment.sigma > 0.0) {
        gauss = scratch;
        float sigma = drae__rng_range(&rng, 0.0f, (float)config->augment.sigma);
        for (size_t i = 0; i < pixels; i++) {
            gauss[i] = sigma * drae__rng_normal(&rng);
        }
    }
    drae__cpu_blend(pixels, out->x, out->mask, out->noise, *out->beta, config->augment.leak, gauss,
                    out->x_star);
}
