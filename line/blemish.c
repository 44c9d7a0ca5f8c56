/* SPDX-License-Identifier: Apache-2.0 */
/* Small synthetic defects of a calibration; line/normalise.h has the contract. */
#include "base/philox.h"
#include "kernels/augment.h"
#include "line/normalise.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#define TRIES         16
#define OCTAVE_MIN    2 /* lattices of 4 to 32 cells a side: structure of the size of the disc */
#define OCTAVE_MAX    5
#define ANGLES_MAX    ((size_t)((1 << OCTAVE_MAX) + 1) * ((1 << OCTAVE_MAX) + 1))
#define MASK_OVER     0.5f
#define BETA_MIN      0.1f
#define BETA_MAX      0.6f
#define RADIUS_LEAST  64 /* of size */
#define RADIUS_GROWTH 8
#define PI_F          3.14159265f

size_t drae__blemish_scratch_floats(int size) {
    return 5 * (size_t)size * (size_t)size + ANGLES_MAX;
}

/* Field, mask and noise of one draw; the number of pixels in the mask. */
static size_t draw_mask(drae__rng *rng, int size, float *angles, float *field, float *mask,
                        float *noise) {
    int ry = 1 << (OCTAVE_MIN + drae__rng_below(rng, OCTAVE_MAX - OCTAVE_MIN + 1));
    int rx = 1 << (OCTAVE_MIN + drae__rng_below(rng, OCTAVE_MAX - OCTAVE_MIN + 1));
    for (int i = 0; i < (ry + 1) * (rx + 1); i++) {
        angles[i] = drae__rng_range(rng, 0.0f, 2.0f * PI_F);
    }
    drae__cpu_perlin(size, ry, rx, angles, field);
    return drae__cpu_perlin_mask((size_t)size * (size_t)size, MASK_OVER, field, mask, noise);
}

/* Leaves of the mask what lies within a disc about its chosen-th pixel. */
static void cut_to_disc(int size, size_t chosen, float radius, float *mask) {
    size_t pixels = (size_t)size * (size_t)size, centre = 0;
    for (size_t i = 0; i < pixels; i++) {
        if (mask[i] > 0.0f && chosen-- == 0) {
            centre = i;
            break;
        }
    }
    const int cy = (int)(centre / (size_t)size), cx = (int)(centre % (size_t)size);
    for (int y = 0; y < size; y++) {
        for (int x = 0; x < size; x++) {
            float dy = (float)(y - cy), dx = (float)(x - cx);
            float *to = mask + (ptrdiff_t)y * size + x;
            *to = dy * dy + dx * dx <= radius * radius ? *to : 0.0f;
        }
    }
}

/* ---- lines and spots ---- */

#define CONTRAST_MIN 0.04f
#define CONTRAST_MAX 0.24f
#define BEND         1.0f /* radians that a line turns at most over its length */

static float contrast(drae__rng *rng) {
    float c = drae__rng_range(rng, CONTRAST_MIN, CONTRAST_MAX);
    return drae__rng_below(rng, 2) == 0 ? c : -c;
}

/* layer = the greatest of itself and a Gaussian of height 1 about (x, y). */
static void dab(int size, float x, float y, float sigma, float *layer) {
    int reach = (int)ceilf(3.0f * sigma);
    for (int v = (int)y - reach; v <= (int)y + reach; v++) {
        for (int u = (int)x - reach; u <= (int)x + reach; u++) {
            if (v >= 0 && v < size && u >= 0 && u < size) {
                float dx = (float)u - x, dy = (float)v - y;
                float *to = layer + (ptrdiff_t)v * size + u;
                *to = fmaxf(*to, expf(-(dx * dx + dy * dy) / (2.0f * sigma * sigma)));
            }
        }
    }
}

static void draw_line(drae__rng *rng, int size, float *layer) {
    float length = drae__rng_range(rng, (float)size / 16.0f, (float)size / 4.0f);
    float angle = drae__rng_range(rng, 0.0f, 2.0f * PI_F);
    float turn = drae__rng_range(rng, -BEND, BEND) / length;
    float sigma = drae__rng_range(rng, 0.4f, 0.9f);
    float x = drae__rng_range(rng, 0.0f, (float)size), y = drae__rng_range(rng, 0.0f, (float)size);
    for (int i = 0; (float)i < 2.0f * length; i++) {
        dab(size, x, y, sigma, layer);
        x += 0.5f * cosf(angle);
        y += 0.5f * sinf(angle);
        angle += 0.5f * turn;
    }
}

static void draw_spot(drae__rng *rng, int size, float *layer) {
    float least = fmaxf(0.5f, (float)size / 256.0f);
    float sigma = least * powf((float)size / 32.0f / least, drae__rng_uniform(rng));
    float x = drae__rng_range(rng, 0.0f, (float)size), y = drae__rng_range(rng, 0.0f, (float)size);
    dab(size, x, y, sigma, layer);
}

/* dst = src with a line or a spot; the pixels that differ. */
static size_t add_mark(drae__rng *rng, int size, bool line, const uint8_t *src, uint8_t *dst,
                       float *layer) {
    size_t pixels = (size_t)size * (size_t)size, changed = 0;
    memset(layer, 0, pixels * sizeof *layer);
    float c = contrast(rng);
    if (line) {
        draw_line(rng, size, layer);
    } else {
        draw_spot(rng, size, layer);
    }
    for (size_t i = 0; i < pixels; i++) {
        float value = (float)src[i] / 255.0f + c * layer[i];
        dst[i] = (uint8_t)(fminf(fmaxf(value, 0.0f), 1.0f) * 255.0f + 0.5f);
        changed += dst[i] != src[i];
    }
    return changed;
}

size_t drae__blemish(int size, uint64_t index, const uint8_t *src, uint8_t *dst, float *scratch) {
    size_t pixels = (size_t)size * (size_t)size, changed = 0;
    float *field = scratch, *mask = field + pixels, *noise = mask + pixels, *x = noise + pixels;
    float *x_star = x + pixels, *angles = x_star + pixels;
    drae__rng rng;
    drae__rng_init(&rng, 0, DRAE__PURPOSE_BLEMISH, index);
    for (size_t i = 0; i < pixels; i++) {
        x[i] = (float)src[i] / 255.0f;
        dst[i] = src[i];
    }
    for (int t = 0; index % 3 != 0 && t < TRIES && changed == 0; t++) {
        changed = add_mark(&rng, size, index % 3 == 1, src, dst, field);
    }
    for (int t = 0; index % 3 == 0 && t < TRIES && changed == 0; t++) {
        size_t n = draw_mask(&rng, size, angles, field, mask, noise);
        float growth = powf((float)RADIUS_GROWTH, drae__rng_uniform(&rng));
        float radius = fmaxf(1.0f, (float)size / (float)RADIUS_LEAST * growth);
        float beta = drae__rng_range(&rng, BETA_MIN, BETA_MAX);
        if (n == 0) {
            continue;
        }
        cut_to_disc(size, drae__rng_below(&rng, (uint32_t)n), radius, mask);
        drae__cpu_blend(pixels, x, mask, noise, beta, false, NULL, x_star);
        for (size_t i = 0; i < pixels; i++) {
            dst[i] = (uint8_t)(x_star[i] * 255.0f + 0.5f);
            changed += dst[i] != src[i];
        }
    }
    return changed;
}
