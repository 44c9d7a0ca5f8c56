/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One straight edge: where gray steps most across a window, to a fraction of a pixel. Private to
 * line/.
 */
#ifndef DRAE_LINE_EDGE_H
#define DRAE_LINE_EDGE_H

#include "line/frame.h"
#include "line/warp.h"

#define DRAE__EDGE_LENGTH_MIN 8
#define DRAE__EDGE_LENGTH_MAX 1024

/* Pixels that an edge may run askew within its window at the largest angle: the mean along the
 * window blurs the step by that much before the angle is known. */
#define DRAE__EDGE_SKEW_MAX 16.0

/* A step smaller than this many gray levels is no edge. */
#define DRAE__EDGE_STEP_MIN 8.0

/* A point of the edge in frame coordinates and what the step looks like there. */
typedef struct drae__edge_place {
    double x, y;
    double score; /* correlation of the gray profile with an ideal step, 0 where it is too small */
} drae__edge_place;

/* Floats of scratch for any call with at most this reach. */
size_t drae__edge_scratch_floats(const drae__fixture_edge *edge, int reach, double max_angle);

/* Moves place across the edge, turned by angle (radians), to the strongest step within reach whole
 * pixels; equal steps: the nearest. */
void drae__edge_search(const drae__fixture_edge *edge, const drae__plane *frame,
                       const drae__warp_taps *taps, double angle, int reach, float *scratch,
                       drae__edge_place *place);

/* Moves place by the fraction of a pixel that centres the step; returns how far. */
double drae__edge_refine(const drae__fixture_edge *edge, const drae__plane *frame,
                         const drae__warp_taps *taps, double angle, float *scratch,
                         drae__edge_place *place);

#endif
