/* SPDX-License-Identifier: Apache-2.0 */
#include "io/resize.h"

#include <stdbool.h>
#include <string.h>

/* Length of the part that [a0, a1) and [b0, b1) share; they do overlap. */
static uint64_t overlap(uint64_t a0, uint64_t a1, uint64_t b0, uint64_t b1) {
    return (a1 < b1 ? a1 : b1) - (a0 > b0 ? a0 : b0);
}

/* sums[x] = the weighted sum under pixel (x, y) of the result; all weights add up to sw * sh. At
 * most 2^14 * 2^14 * 2^16 = 2^44. */
static void sum_row(const uint16_t *src, size_t stride, uint64_t sw, uint64_t sh, bool binary,
                    uint64_t dw, uint64_t dh, uint64_t y, uint64_t *sums) {
    memset(sums, 0, (size_t)dw * sizeof *sums);
    uint64_t y0 = y * sh;
    uint64_t y1 = y0 + sh;
    for (uint64_t i = y0 / dh; i * dh < y1; i++) {
        uint64_t wy = overlap(y0, y1, i * dh, (i + 1) * dh);
        const uint16_t *row = src + (size_t)i * stride;
        for (uint64_t x = 0; x < dw; x++) {
            uint64_t x0 = x * sw;
            uint64_t x1 = x0 + sw;
            uint64_t sum = 0;
            for (uint64_t j = x0 / dw; j * dw < x1; j++) {
                uint64_t value = binary ? row[j] != 0 : row[j];
                sum += overlap(x0, x1, j * dw, (j + 1) * dw) * value;
            }
            sums[x] += wy * sum;
        }
    }
}

void drae__resize_area(const uint16_t *src, size_t stride, int sw, int sh, drae__levels levels,
                       uint8_t *dst, int dw, int dh, uint64_t *scratch) {
    uint64_t weight = (uint64_t)sw * (uint64_t)sh;
    uint64_t black = weight * levels.black;
    uint64_t range = weight * (levels.white - levels.black);
    for (int y = 0; y < dh; y++) {
        sum_row(src, stride, (uint64_t)sw, (uint64_t)sh, false, (uint64_t)dw, (uint64_t)dh,
                (uint64_t)y, scratch);
        for (int x = 0; x < dw; x++) {
            uint64_t over = scratch[x] > black ? scratch[x] - black : 0;
            over = over < range ? over : range;
            dst[(size_t)y * (size_t)dw + (size_t)x] =
                (uint8_t)((2 * 255 * over + range) / (2 * range));
        }
    }
}

void drae__resize_mask(const uint16_t *src, size_t stride, int sw, int sh, uint8_t *dst, int dw,
                       int dh, uint64_t *scratch) {
    uint64_t weight = (uint64_t)sw * (uint64_t)sh;
    for (int y = 0; y < dh; y++) {
        sum_row(src, stride, (uint64_t)sw, (uint64_t)sh, true, (uint64_t)dw, (uint64_t)dh,
                (uint64_t)y, scratch);
        for (int x = 0; x < dw; x++) {
            dst[(size_t)y * (size_t)dw + (size_t)x] = 4 * scratch[x] >= weight;
        }
    }
}
