/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is drawn over a patch: a ring at the most unusual place, and the outline of the place that
 * is labelled as the defect. Both leave what they point at to be seen, stay within the patch's
 * square, and have one size on the screen, whatever the patch's size.
 */
#ifndef DRAE_IO_MARKS_H
#define DRAE_IO_MARKS_H

#include "io/canvas.h"

#include <stdbool.h>

/* A pixel of a patch; x < 0: none. */
typedef struct drae__spot {
    int x, y;
} drae__spot;

#define DRAE__NO_SPOT ((drae__spot){-1, -1})

/* The place of the largest value of map [size,size], the first of several; what is not a number
 * does not count. DRAE__NO_SPOT where there is none. */
drae__spot drae__map_peak(const float *map, int size);

/* Radius of a ring on the screen, to the middle of its line. */
#define DRAE__RING_RADIUS 16

/* Round a pixel of a patch [size,size] that is drawn at (x, y), `side` pixels a side: white with
 * dark rims, to be seen on any ground. Nothing where there is no spot. */
void drae__canvas_ring(drae__canvas *canvas, int x, int y, int side, drae__spot spot, int size);

/* Round the mask [size,size] (0: not), two pixels wide and two away from it on the screen, so that
 * a thin defect stays to be seen. Nothing for an empty mask. */
void drae__canvas_outline(drae__canvas *canvas, int x, int y, int side, const uint8_t *mask,
                          int size);

/* A ring and an outline as they look, each with what it means, from (x, y) on: a legend. Returns
 * the pixels that it is wide. ring, outline: NULL leaves it out. */
int drae__canvas_legend(drae__canvas *canvas, int x, int y, int scale, drae__color color,
                        const char *ring, const char *outline);

#endif
