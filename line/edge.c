/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The gray values are averaged along the window into a profile p across it. The step at t is
 *     D(t) = mean p[t+1 .. t+4] - mean p[t-4 .. t-1]
 * and the edge lies where D is greatest. For a fraction of a pixel the profile is read again at the
 * place found until D(-1) = D(+1): for an edge that looks the same from both sides this has no
 * bias. The score correlates p[t-4 .. t+4] with the step -1 -1 -1 -1 0 1 1 1 1.
 */
#include "line/edge.h"

#include <math.h>

#define STEP_HALF 4
#define MOVE_MAX  1.0 /* pixels, of one refinement */

size_t drae__edge_scratch_floats(const drae__fixture_edge *edge, int reach, double max_angle) {
    int rows = 2 * (reach + STEP_HALF) + 1;
    return (size_t)rows + (size_t)rows * (size_t)edge->length +
           drae__warp_scratch_floats(edge->length, rows, 1.0, 1.0, max_angle);
}

/* u runs along the edge, v = u turned by +90 degrees across it, towards +y or +x. */
static void directions(const drae__fixture_edge *edge, double angle, double *u_x, double *u_y) {
    *u_x = edge->horizontal ? cos(angle) : sin(angle);
    *u_y = edge->horizontal ? sin(angle) : -cos(angle);
}

/* The profile from -(reach + STEP_HALF) to +(reach + STEP_HALF) across the place; returns its
 * middle. */
static const float *read_profile(const drae__fixture_edge *edge, const drae__plane *frame,
                                 const drae__warp_taps *taps, double angle, int reach,
                                 const drae__edge_place *place, float *scratch) {
    int half = reach + STEP_HALF, rows = 2 * half + 1;
    double u_x, u_y, along = 0.5 * (edge->length - 1);
    directions(edge, angle, &u_x, &u_y);
    drae__grid grid = {.origin_x = place->x - along * u_x + half * u_y,
                       .origin_y = place->y - along * u_y - half * u_x,
                       .u_x = u_x,
                       .u_y = u_y,
                       .v_x = -u_y,
                       .v_y = u_x,
                       .n_columns = edge->length,
                       .n_rows = rows};
    float *profile = scratch, *samples = profile + rows;
    drae__warp_sample(frame, taps, &grid, samples + (size_t)rows * (size_t)edge->length, samples);
    for (int j = 0; j < rows; j++) {
        double sum = 0.0;
        for (int i = 0; i < edge->length; i++) {
            sum += (double)samples[(size_t)j * (size_t)edge->length + (size_t)i];
        }
        profile[j] = (float)(sum / edge->length);
    }
    return profile + half;
}

static double step_at(const float *profile, int t) {
    double sum = 0.0;
    for (int k = 1; k <= STEP_HALF; k++) {
        sum += (double)profile[t + k] - (double)profile[t - k];
    }
    return sum / STEP_HALF;
}

/* The step as the polarity counts it. */
static double signed_step(const drae__fixture_edge *edge, double step) {
    return edge->polarity == 0 ? fabs(step) : edge->polarity * step;
}

static double score_of(const drae__fixture_edge *edge, const float *profile) {
    double step = signed_step(edge, step_at(profile, 0)), mean = 0.0, square = 0.0;
    if (step < DRAE__EDGE_STEP_MIN) {
        return 0.0;
    }
    for (int k = -STEP_HALF; k <= STEP_HALF; k++) {
        mean += (double)profile[k] / (2 * STEP_HALF + 1);
    }
    for (int k = -STEP_HALF; k <= STEP_HALF; k++) {
        square += ((double)profile[k] - mean) * ((double)profile[k] - mean);
    }
    return step * STEP_HALF / sqrt(2.0 * STEP_HALF * square);
}

static void move_across(const drae__fixture_edge *edge, double angle, double t,
                        drae__edge_place *place) {
    double u_x, u_y;
    directions(edge, angle, &u_x, &u_y);
    place->x -= t * u_y;
    place->y += t * u_x;
}

void drae__edge_search(const drae__fixture_edge *edge, const drae__plane *frame,
                       const drae__warp_taps *taps, double angle, int reach, float *scratch,
                       drae__edge_place *place) {
    const float *profile = read_profile(edge, frame, taps, angle, reach, place, scratch);
    double best = signed_step(edge, step_at(profile, 0));
    int best_t = 0;
    for (int k = 1; k <= reach; k++) {
        for (int side = -1; side <= 1; side += 2) {
            double step = signed_step(edge, step_at(profile, side * k));
            if (step > best) {
                best = step;
                best_t = side * k;
            }
        }
    }
    place->score = score_of(edge, profile + best_t);
    move_across(edge, angle, best_t, place);
}

double drae__edge_refine(const drae__fixture_edge *edge, const drae__plane *frame,
                         const drae__warp_taps *taps, double angle, float *scratch,
                         drae__edge_place *place) {
    const float *profile = read_profile(edge, frame, taps, angle, 1, place, scratch);
    double before = signed_step(edge, step_at(profile, -1));
    double here = signed_step(edge, step_at(profile, 0));
    double behind = signed_step(edge, step_at(profile, 1));
    double bend = 2.0 * here - before - behind;
    place->score = score_of(edge, profile);
    double t = bend > 0.0 ? 0.5 * (behind - before) / bend : 0.0;
    t = fmin(fmax(t, -MOVE_MAX), MOVE_MAX);
    move_across(edge, angle, t, place);
    return fabs(t);
}
