/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finding the part: from two marks or three edge windows to shift and angle. Private to line/.
 */
#ifndef DRAE_LINE_FIXTURE_H
#define DRAE_LINE_FIXTURE_H

#include "base/arena.h"
#include "line/edge.h"
#include "line/frame.h"
#include "line/mark.h"
#include "line/warp.h"

/* Marks may stand this far from their nominal distance: TOLERANCE_PX + TOLERANCE_SHARE * distance.
 * A moulded part shrinks and the camera's pitch drifts; a wrong find is rarely that near. */
#define DRAE__MARK_TOLERANCE_PX    1.0
#define DRAE__MARK_TOLERANCE_SHARE 0.0025

/* Marks, and the two windows on one edge, stand at least this far apart: nearer ones do not fix the
 * angle. */
#define DRAE__FIXTURE_SPAN_MIN 32.0

/* A prepared fixture. */
typedef struct drae__locator {
    drae__fixture fixture; /* pixels of the marks not used any more */
    double center_x, center_y;
    drae__mark marks[2];
} drae__locator;

/* Books on *total what preparing takes; false when it does not fit. */
bool drae__locator_book(const drae__fixture *fixture, size_t *total);

/* Floats of scratch for preparing and finding. */
size_t drae__locator_scratch_floats(const drae__fixture *fixture);

/* The two edge windows that run the same way: indices into fixture->edges. */
void drae__find_twins(const drae__fixture *fixture, int *a, int *b);

/* Prepares a checked fixture. ERROR_ARGUMENT, naming the key, for a template that turns out to be
 * useless: no contrast left when averaged down, a stripe, or a search too costly. */
drae_status drae__locator_prepare(const drae__fixture *fixture, int frame_width, int frame_height,
                                  const drae__warp_taps *taps, drae__arena *arena, float *scratch,
                                  drae__locator *locator, drae__err *err);

/* Fills result and, when found, pose. ERROR_NO_PART as in line/frame.h. */
drae_status drae__locate(const drae__locator *locator, const drae__plane *frame,
                         const drae__warp_taps *taps, float *scratch, drae__pose *pose,
                         drae__fixture_result *result, drae__err *err);

#endif
