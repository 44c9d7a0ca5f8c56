/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The matched filters of the score m: what z (kernels/infer.h) is for points, for spots of three
 * sizes and for thin lines of twelve directions. With e = B (X - X^) - mean, zeros outside the
 * image, and B_s the blur B whose taps lie s pixels apart (the planes of an a-trous wavelet):
 *     c2 = B_2 e, c3 = B_4 c2, c4 = B_8 c3
 *     r_0 = e          sigma 1, as z
 *     r_1 = e - c2     spots of 2 to 4 pixels, what is larger is taken away
 *     r_2 = c2 - c3    of 4 to 8
 *     r_3 = c3 - c4    of 8 to 16
 *     r_f = sum over j = -4..4 of r_1(p + j-th step of direction f - 4),  f = 4..15
 * A line is the sum of 9 values of r_1 along 17 pixels, every 15 degrees. Then, pixel by pixel,
 *     m(p) = greatest over f of |r_f(p)| / scale_f(p)
 * where scale_f is the spread of r_f on good patches of the region (line/matched.h), one value for
 * a block of 4x4 pixels: [FILTERS, size / 4, size / 4], as many floats as an image has pixels. The
 * score is the mean of the DRAE__Z_TOP largest m. All filters are linear and their weights exact in
 * any precision. Spread by direction matters: along an edge of the part good lines are large,
 * across it they are not (docs/decisions.md has the figures).
 */
#ifndef DRAE_KERNELS_MATCHED_H
#define DRAE_KERNELS_MATCHED_H

#include <stddef.h>

#define DRAE__M_PLANES  4 /* r_0 .. r_3 */
#define DRAE__M_LINES   12
#define DRAE__M_FILTERS (DRAE__M_PLANES + DRAE__M_LINES)
#define DRAE__M_BLOCK   4  /* pixels a side that share a scale */
#define DRAE__M_REACH   4  /* steps of a line to either side */
#define DRAE__M_PAD     16 /* zeros around a plane: two taps of B_8 */

/* x and y of steps 1 to 4 of each direction, rounded from 2 j (cos, sin); those of -1 to -4 are
 * their negatives. */
#define DRAE__M_STEPS                                                                              \
    {                                                                                              \
        {{2, 0}, {4, 0}, {6, 0}, {8, 0}}, {{2, 1}, {4, 1}, {6, 2}, {8, 2}},                        \
            {{2, 1}, {3, 2}, {5, 3}, {7, 4}}, {{1, 1}, {3, 3}, {4, 4}, {6, 6}},                    \
            {{1, 2}, {2, 3}, {3, 5}, {4, 7}}, {{1, 2}, {1, 4}, {2, 6}, {2, 8}},                    \
            {{0, 2}, {0, 4}, {0, 6}, {0, 8}}, {{-1, 2}, {-1, 4}, {-2, 6}, {-2, 8}},                \
            {{-1, 2}, {-2, 3}, {-3, 5}, {-4, 7}}, {{-1, 1}, {-3, 3}, {-4, 4}, {-6, 6}},            \
            {{-2, 1}, {-3, 2}, {-5, 3}, {-7, 4}}, {{-2, 1}, {-4, 1}, {-6, 2}, {-8, 2}},            \
    }

/* Floats of scale for an image; sizes of m are multiples of 16. */
static inline size_t drae__m_scales(int size) {
    size_t blocks = (size_t)size / DRAE__M_BLOCK;
    return DRAE__M_FILTERS * blocks * blocks;
}

/* Five padded planes, the row between two passes, the inverse scales of a row of blocks, and those
 * before they are spread. */
static inline size_t drae__m_scratch(int size) {
    size_t side = (size_t)size, padded = side + 2 * DRAE__M_PAD;
    return (DRAE__M_PLANES + 1) * padded * padded + padded + (DRAE__M_FILTERS + 1) * side;
}

#endif
