/* SPDX-License-Identifier: Apache-2.0 */
#include "line/mask.h"

#include <math.h>
#include <stdbool.h>

enum { RING = 4 };

static int clamp(int x, int low, int high) {
    return x < low ? low : x > high ? high : x;
}

/* Whether a pixel outside of the mask lies within the ring. */
static bool in_ring(int size, const uint8_t *mask, int x, int y) {
    for (int v = clamp(y - RING, 0, size - 1); v <= clamp(y + RING, 0, size - 1); v++) {
        for (int u = clamp(x - RING, 0, size - 1); u <= clamp(x + RING, 0, size - 1); u++) {
            if (mask[v * size + u] != 0) {
                return true;
            }
        }
    }
    return false;
}

drae__mask_size drae__mask_measure(int size, const uint8_t *patch, const uint8_t *mask) {
    drae__mask_size found = {.contrast = NAN};
    int left = size;
    int right = -1;
    int top = size;
    int bottom = -1;
    double inside = 0.0;
    for (int y = 0; y < size; y++) {
        for (int x = 0; x < size; x++) {
            if (mask[y * size + x] != 0) {
                found.area++;
                inside += patch[y * size + x];
                left = x < left ? x : left;
                right = x > right ? x : right;
                top = y < top ? y : top;
                bottom = y;
            }
        }
    }
    if (found.area == 0) {
        return found;
    }
    found.extent = right - left > bottom - top ? right - left + 1 : bottom - top + 1;
    double around = 0.0;
    int n_around = 0;
    for (int y = clamp(top - RING, 0, size - 1); y <= clamp(bottom + RING, 0, size - 1); y++) {
        for (int x = clamp(left - RING, 0, size - 1); x <= clamp(right + RING, 0, size - 1); x++) {
            if (mask[y * size + x] == 0 && in_ring(size, mask, x, y)) {
                around += patch[y * size + x];
                n_around++;
            }
        }
    }
    if (n_around > 0) {
        found.contrast = (float)fabs(inside / found.area - around / n_around);
    }
    return found;
}

void drae__grey_moments(size_t n, const uint8_t *patch, float *mean, float *spread) {
    uint64_t sum = 0;
    uint64_t squares = 0;
    for (size_t i = 0; i < n; i++) {
        sum += patch[i];
        squares += (uint64_t)patch[i] * patch[i];
    }
    double m = (double)sum / (double)n;
    double v = (double)squares / (double)n - m * m; /* whole numbers below 2^53: exact enough */
    *mean = (float)m;
    *spread = (float)sqrt(v > 0.0 ? v : 0.0);
}
