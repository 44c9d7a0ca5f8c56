/* SPDX-License-Identifier: Apache-2.0 */
#include "line/matched.h"

#include "kernels/infer.h"
#include "line/statistics.h"

#include <math.h>
#include <string.h>

/* Patches that are all alike: as line/normalise.c. */
#define SCALE_LEAST 1e-6f

size_t drae__matched_scratch(int size) {
    size_t pixels = (size_t)size * (size_t)size;
    return (DRAE__M_FILTERS + 1) * pixels + drae__m_scratch(size);
}

/* r_f of a residual into the front of scratch. */
static const float *filter(int size, const float *residual, float *scratch) {
    size_t pixels = (size_t)size * (size_t)size;
    drae__infer_kernels_find("portable")
        ->m_filters(size, residual, scratch, scratch + (DRAE__M_FILTERS + 1) * pixels);
    return scratch;
}

/* The block of pixel i of filter f. */
static size_t block_of(size_t side, size_t f, size_t i) {
    size_t blocks = side / DRAE__M_BLOCK;
    return f * blocks * blocks + i / side / DRAE__M_BLOCK * blocks + i % side / DRAE__M_BLOCK;
}

void drae__matched_add(int size, const float *residual, double *sums, float *scratch) {
    const size_t side = (size_t)size, pixels = side * side;
    const float *filters = filter(size, residual, scratch);
    for (size_t f = 0; f < DRAE__M_FILTERS; f++) {
        for (size_t i = 0; i < pixels; i++) {
            double r = (double)filters[f * pixels + i];
            sums[block_of(side, f, i)] += r * r;
        }
    }
}

/* The greatest of a block and the eight around it, of blocks of one filter. */
static float widest(int n, const float *spread, int row, int column) {
    float most = 0.0f;
    for (int v = row > 0 ? row - 1 : 0; v <= row + 1 && v < n; v++) {
        for (int u = column > 0 ? column - 1 : 0; u <= column + 1 && u < n; u++) {
            most = spread[v * n + u] > most ? spread[v * n + u] : most;
        }
    }
    return most;
}

void drae__matched_scales(int size, size_t n, const float *mean, const double *sums, float *scales,
                          float *scratch) {
    const int side = size / DRAE__M_BLOCK;
    const size_t blocks = (size_t)side * (size_t)side;
    const double number = DRAE__M_BLOCK * DRAE__M_BLOCK * (double)(n - 1);
    const float *filters = filter(size, mean, scratch);
    const size_t pixels = (size_t)size * (size_t)size;
    float *spread = scratch + DRAE__M_FILTERS * pixels;
    for (size_t f = 0; f < DRAE__M_FILTERS; f++) {
        float *scale = scales + f * blocks;
        for (size_t b = 0; b < blocks; b++) {
            const float *r = filters + f * pixels +
                             b / (size_t)side * DRAE__M_BLOCK * (size_t)size +
                             b % (size_t)side * DRAE__M_BLOCK;
            double of_mean = 0.0;
            for (size_t i = 0; i < DRAE__M_BLOCK; i++) {
                for (size_t k = 0; k < DRAE__M_BLOCK; k++) {
                    double value = (double)r[i * (size_t)size + k];
                    of_mean += value * value;
                }
            }
            double v = (sums[f * blocks + b] - (double)n * of_mean) / number;
            spread[b] = (float)sqrt(v > 0.0 ? v : 0.0);
        }
        for (int row = 0; row < side; row++) {
            for (int column = 0; column < side; column++) {
                scale[row * side + column] = widest(side, spread, row, column);
            }
        }
        memcpy(spread, scale, blocks * sizeof *scale);
        drae__sort(blocks, spread);
        float least = (float)DRAE__MATCHED_FLOOR * drae__quantile(blocks, spread, 0.5);
        least = least > SCALE_LEAST ? least : SCALE_LEAST;
        for (size_t b = 0; b < blocks; b++) {
            scale[b] = scale[b] > least ? scale[b] : least;
        }
    }
}

static size_t group_of(size_t filter) {
    return filter < DRAE__M_PLANES ? filter : DRAE__M_PLANES;
}

void drae__matched_peaks(int size, const float *residual, const float *mean, const float *scales,
                         float peaks[DRAE__MATCHED_GROUPS], float *scratch) {
    const size_t side = (size_t)size, pixels = side * side;
    float *e = scratch + DRAE__M_FILTERS * pixels;
    for (size_t i = 0; i < pixels; i++) {
        e[i] = residual[i] - mean[i];
    }
    const float *filters = filter(size, e, scratch);
    memset(peaks, 0, DRAE__MATCHED_GROUPS * sizeof *peaks);
    for (size_t f = 0; f < DRAE__M_FILTERS; f++) {
        float *peak = &peaks[group_of(f)];
        for (size_t i = 0; i < pixels; i++) {
            float value = fabsf(filters[f * pixels + i]) / scales[block_of(side, f, i)];
            *peak = value > *peak ? value : *peak;
        }
    }
}

void drae__matched_balance(int size, size_t n, const float *peaks, float *scales, float *sorted) {
    const size_t blocks = drae__m_scales(size) / DRAE__M_FILTERS;
    float level[DRAE__MATCHED_GROUPS];
    for (size_t g = 0; g < DRAE__MATCHED_GROUPS; g++) {
        for (size_t i = 0; i < n; i++) {
            sorted[i] = peaks[i * DRAE__MATCHED_GROUPS + g];
        }
        drae__sort(n, sorted);
        level[g] = drae__quantile(n, sorted, DRAE__MATCHED_QUANTILE);
    }
    for (size_t f = 0; f < DRAE__M_FILTERS; f++) {
        size_t g = group_of(f);
        /* Patches without spread have no tails either. */
        float balance = level[0] > 0.0f && level[g] > 0.0f ? level[g] / level[0] : 1.0f;
        for (size_t b = 0; b < blocks; b++) {
            scales[f * blocks + b] *= balance;
        }
    }
}
