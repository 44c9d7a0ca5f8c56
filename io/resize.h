/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one filter by which images become patches: exact area weighting. A pixel of the result is the
 * mean of the source over the rectangle that it covers, edge pixels weighted by the part of them
 * that lies inside; sides may shrink and grow independently. All sums are integers, so that the
 * result is the correctly rounded one on every machine.
 *
 *     dst(x, y) = sum over source pixels of  overlap_x * overlap_y * value  /  (sw * sh)
 *     overlap_x(x, i) = | [x sw, (x+1) sw)  intersected with  [i dw, (i+1) dw) |      (likewise y)
 *
 * Pure functions; sides from 1 to DRAE__IMAGE_SIDE_MAX.
 */
#ifndef DRAE_IO_RESIZE_H
#define DRAE_IO_RESIZE_H

#include <stddef.h>
#include <stdint.h>

/* Source value `black` becomes 0, `white` 255, linearly between, clipped outside, rounded half up
 * once at the end. 0 and 255 keep 8-bit values; 0 and 65535 are value * 255 / 65535. */
typedef struct drae__levels {
    uint32_t black;
    uint32_t white; /* > black, <= 65535 */
} drae__levels;

/* src: sh rows of sw values, `stride` values apart. dst: [dh,dw]. scratch: dw values. */
void drae__resize_area(const uint16_t *src, size_t stride, int sw, int sh, drae__levels levels,
                       uint8_t *dst, int dw, int dh, uint64_t *scratch);

/* A mask (0 or not): a pixel of dst is 1 where at least a quarter of it is covered, else 0. */
void drae__resize_mask(const uint16_t *src, size_t stride, int sw, int sh, uint8_t *dst, int dw,
                       int dh, uint64_t *scratch);

#endif
