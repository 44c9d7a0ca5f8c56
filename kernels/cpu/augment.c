/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Augmentation of one patch in f32, serial: the caller runs patches in parallel. Coordinates of the
 * rotation are computed in double, so that an interpolation weight is as good at the rim as in the
 * middle; everything else is f32.
 */
#include "kernels/augment.h"

#include "kernels/cpu/isa.h"

#include <math.h>

/* ---- rotation ---- */

typedef struct turn {
    int size;
    double c, s; /* cosine, sine */
    bool flip;
} turn;

DRAE__BODY void rotate_row_body(const turn *t, int y, const float *restrict src,
                                float *restrict dst) {
    const double centre = 0.5 * (double)(t->size - 1), last = (double)(t->size - 1);
    const double dy = (double)y - centre, c = t->c, s = t->s;
    const int size = t->size, end = size - 1, flip = t->flip ? end : 0, sign = t->flip ? -1 : 1;
#pragma omp simd
    for (int x = 0; x < size; x++) {
        double dx = (double)x - centre;
        double sx = (centre + dx * c) - dy * s, sy = (centre + dx * s) + dy * c;
        sx = sx > 0.0 ? sx : 0.0;
        sy = sy > 0.0 ? sy : 0.0;
        sx = sx < last ? sx : last;
        sy = sy < last ? sy : last;
        int x0 = (int)sx, y0 = (int)sy;
        int x1 = x0 < end ? x0 + 1 : x0, y1 = y0 < end ? y0 + 1 : y0;
        float fx = (float)(sx - (double)x0), fy = (float)(sy - (double)y0);
        int top = (flip + sign * y0) * size, low = (flip + sign * y1) * size;
        float a = src[top + x0], b = src[low + x0];
        float above = a + fx * (src[top + x1] - a);
        float below = b + fx * (src[low + x1] - b);
        dst[x] = above + fy * (below - above);
    }
}
DRAE__CLONES(rotate_row, (const turn *t, int y, const float *src, float *dst), (t, y, src, dst))

void drae__cpu_rotate_flip(int size, float angle, bool flip, const float *src, float *dst) {
    turn t = {.size = size, .c = cos((double)angle), .s = sin((double)angle), .flip = flip};
    for (int y = 0; y < size; y++) {
        rotate_row(&t, y, src, dst + (size_t)y * (size_t)size);
    }
}

/* ---- Perlin noise ---- */

/* One cell's part of one row: pixels x0 .. x1, all of which have the same four corners. */
typedef struct cell {
    int size, rx, x0, x1;
    float top, low;             /* v-weights: sqrt(2) (1 - fade(fy)), sqrt(2) fade(fy) */
    float gx[2][2], base[2][2]; /* corner [row][column]: cosine; its share that is fixed in a row */
} cell;

DRAE__BODY void perlin_cell_body(const cell *k, float *restrict dst) {
    const float inverse = 1.0f / (float)k->size;
    const int first = k->x0 * k->rx / k->size * k->size;
#pragma omp simd
    for (int x = k->x0; x < k->x1; x++) {
        float fx = (float)(x * k->rx - first) * inverse;
        float u = fx * fx * fx * (fx * (6.0f * fx - 15.0f) + 10.0f);
        float a = k->gx[0][0] * fx + k->base[0][0], b = k->gx[0][1] * fx + k->base[0][1];
        float c = k->gx[1][0] * fx + k->base[1][0], d = k->gx[1][1] * fx + k->base[1][1];
        dst[x] = k->top * (a + u * (b - a)) + k->low * (c + u * (d - c));
    }
}
DRAE__CLONES(perlin_cell, (const cell *k, float *dst), (k, dst))

/* First pixel of lattice cell i: the least x with x * r / size >= i. */
static int cell_begin(int i, int r, int size) {
    return (i * size + r - 1) / r;
}

/* Rows of lattice row i, cell by cell. */
static void perlin_band(int size, int rx, int ry, int i, int j, const float *angles, float *dst) {
    cell k = {.size = size, .rx = rx, .x0 = cell_begin(j, rx, size)};
    k.x1 = cell_begin(j + 1, rx, size);
    float gy[2][2];
    for (int a = 0; a < 2; a++) {
        for (int b = 0; b < 2; b++) {
            float angle = angles[(size_t)(i + a) * (size_t)(rx + 1) + (size_t)(j + b)];
            k.gx[a][b] = cosf(angle);
            gy[a][b] = sinf(angle);
        }
    }
    for (int y = cell_begin(i, ry, size); y < cell_begin(i + 1, ry, size); y++) {
        float fy = (float)(y * ry - i * size) / (float)size;
        float v = fy * fy * fy * (fy * (6.0f * fy - 15.0f) + 10.0f);
        k.top = 1.41421356f * (1.0f - v);
        k.low = 1.41421356f * v;
        for (int a = 0; a < 2; a++) {
            for (int b = 0; b < 2; b++) {
                k.base[a][b] = gy[a][b] * (fy - (float)a) - k.gx[a][b] * (float)b;
            }
        }
        perlin_cell(&k, dst + (size_t)y * (size_t)size);
    }
}

void drae__cpu_perlin(int size, int ry, int rx, const float *angles, float *dst) {
    for (int i = 0; i < ry; i++) {
        for (int j = 0; j < rx; j++) {
            perlin_band(size, rx, ry, i, j, angles, dst);
        }
    }
}

/* ---- mask and blend ---- */

typedef struct range {
    float lo, hi;
} range;

/* Lane by lane: a compiler may not reorder a minimum of floats by itself, clang does not. */
DRAE__BODY void range_of_body(size_t n, const float *field, range *result) {
    float lo[DRAE__LANES], hi[DRAE__LANES];
    for (int l = 0; l < DRAE__LANES; l++) {
        lo[l] = hi[l] = field[0];
    }
    for (size_t i = 0; i < n; i += DRAE__LANES) {
        const float *src = field + i;
        int lanes = n - i < DRAE__LANES ? (int)(n - i) : DRAE__LANES;
        for (int l = 0; l < lanes; l++) {
            lo[l] = src[l] < lo[l] ? src[l] : lo[l];
            hi[l] = src[l] > hi[l] ? src[l] : hi[l];
        }
    }
    *result = (range){lo[0], hi[0]};
    for (int l = 1; l < DRAE__LANES; l++) {
        result->lo = lo[l] < result->lo ? lo[l] : result->lo;
        result->hi = hi[l] > result->hi ? hi[l] : result->hi;
    }
}
DRAE__CLONES(range_of, (size_t n, const float *field, range *result), (n, field, result))

DRAE__BODY void mask_body(size_t n, float threshold, range r, const float *restrict field,
                          float *restrict mask, float *restrict noise, size_t *result) {
    size_t count = 0;
    const float span = r.hi > r.lo ? r.hi - r.lo : 1.0f;
#pragma omp simd reduction(+ : count)
    for (size_t i = 0; i < n; i++) {
        float set = field[i] > threshold ? 1.0f : 0.0f;
        count += field[i] > threshold ? 1 : 0;
        mask[i] = set;
        noise[i] = (field[i] - r.lo) / span;
    }
    *result = count;
}
DRAE__CLONES(mask,
             (size_t n, float threshold, range r, const float *field, float *mask, float *noise,
              size_t *result),
             (n, threshold, r, field, mask, noise, result))

size_t drae__cpu_perlin_mask(size_t pixels, float threshold, const float *field, float *set,
                             float *noise) {
    range r;
    size_t count;
    range_of(pixels, field, &r);
    mask(pixels, threshold, r, field, set, noise, &count);
    return count;
}

typedef struct blend_args {
    const float *x, *mask, *noise, *gauss;
    float beta;
    float leak; /* 1: the noise is not masked */
    float *x_star;
} blend_args;

DRAE__BODY void blend_body(size_t n, const blend_args *k) {
    const float beta = k->beta, rest = 1.0f - k->beta, leak = k->leak;
    const float *restrict x = k->x, *restrict m = k->mask, *restrict z = k->noise;
    const float *restrict gauss = k->gauss;
    float *restrict out = k->x_star;
#pragma omp simd
    for (size_t i = 0; i < n; i++) {
        float weight = leak > m[i] ? leak : m[i];
        float v = (1.0f - m[i]) * x[i] + rest * (m[i] * x[i]) + beta * (weight * z[i]);
        v = gauss != NULL ? v + gauss[i] : v;
        v = v > 0.0f ? v : 0.0f;
        out[i] = v < 1.0f ? v : 1.0f;
    }
}
DRAE__CLONES(blend, (size_t n, const blend_args *k), (n, k))

void drae__cpu_blend(size_t pixels, const float *x, const float *mask_, const float *noise,
                     float beta, bool leak, const float *gauss, float *x_star) {
    blend_args k = {x, mask_, noise, gauss, beta, leak ? 1.0f : 0.0f, x_star};
    blend(pixels, &k);
}
