/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One reference mark: prepared once from its template, then found in a frame by normalised
 * correlation (coarse to fine) and placed to a fraction of a pixel by least squares. Private to
 * line/.
 */
#ifndef DRAE_LINE_MARK_H
#define DRAE_LINE_MARK_H

#include "base/arena.h"
#include "line/frame.h"
#include "line/warp.h"

/* A template whose gray values spread less than this (standard deviation) is called flat. */
#define DRAE__MARK_SPREAD_MIN 4.0

#define DRAE__MARK_TEXTURE_MIN  0.02
#define DRAE__MARK_CANDIDATES   5
#define DRAE__MARK_ANGLES_MAX   33
#define DRAE__MARK_DECIMATE_MAX 8
#define DRAE__MARK_ANGLE_SLACK  0.01 /* radians beyond the recipe's limit that places may have */

typedef struct drae__mark {
    int width, height, search;
    double x, y;    /* nominal centre */
    float *tmpl;    /* [height, width], mean taken off */
    float *slope_x; /* [height, width], its derivative along x */
    float *slope_y;
    double power;      /* sum of tmpl squared */
    double xx, xy, yy; /* inverse of the 2x2 matrix of summed products of the slopes */
    double texture;    /* 1: slopes in both directions alike; 0: a stripe, which fixes one only */
    int decimate;      /* one pixel of the coarse search = decimate x decimate pixels */
    int coarse_w, coarse_h;
    int coarse_stride;                   /* coarse_w padded with zeros for drae__dot */
    int n_angles;                        /* turned coarse templates, to either side of 0 */
    double angle[DRAE__MARK_ANGLES_MAX]; /* radians */
    float *coarse;                       /* [n_angles, coarse_h, coarse_stride], mean taken off */
    double coarse_power[DRAE__MARK_ANGLES_MAX];
} drae__mark;

/* The k-th turned coarse template. */
static inline float *drae__mark_coarse(const drae__mark *mark, int k) {
    return mark->coarse + (size_t)k * (size_t)mark->coarse_stride * (size_t)mark->coarse_h;
}

/* A place where a mark may be: its centre in frame coordinates, how it is turned, its score. */
typedef struct drae__mark_place {
    double x, y, angle, score;
} drae__mark_place;

/* Standard deviation of the template's gray values. */
double drae__mark_spread(const drae__fixture_mark *source);

/* Books on *total what preparing takes from an arena; false when it does not fit in size_t. */
bool drae__mark_book(const drae__fixture_mark *source, size_t *total);

/* Floats of scratch that the calls below need. */
size_t drae__mark_scratch_floats(const drae__fixture_mark *source, const drae__fixture *fixture);

/* Prepares a checked template, memory from the arena; returns how many multiplications a search
 * costs, or -1 when the middle of the template (what remains when it is turned) is too small or
 * flat. A mark with little texture (below DRAE__MARK_TEXTURE_MIN) must not be refined. */
double drae__mark_prepare(const drae__fixture_mark *source, const drae__fixture *fixture,
                          const drae__warp_taps *taps, drae__arena *arena, float *scratch,
                          drae__mark *mark);

/* The best places within the search window, best score first, at whole pixels; returns how many
 * (at most DRAE__MARK_CANDIDATES). Equal scores: the one nearer to the nominal place first. */
int drae__mark_search(const drae__mark *mark, const drae__plane *frame, const drae__warp_taps *taps,
                      float *scratch, drae__mark_place places[DRAE__MARK_CANDIDATES]);

/* One least-squares step at place->angle: measures the score there, moves x and y, and returns how
 * far (pixels). */
double drae__mark_refine(const drae__mark *mark, const drae__plane *frame,
                         const drae__warp_taps *taps, float *scratch, drae__mark_place *place);

#endif
