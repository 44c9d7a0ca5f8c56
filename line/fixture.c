/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Marks: each is searched alone; of all pairs of candidates that stand at the right distance and
 * angle the one with the best summed score is taken, so that a look-alike beside one mark does not
 * win by its own score. Then both are refined together, their common angle with them.
 *
 * Edges: the strongest step in each window; the two windows on one edge give the angle, with which
 * the steps are looked for again and refined.
 */
#include "line/fixture.h"

#include <math.h>

#define REFINE_STEPS  12
#define REFINE_DONE   0.002 /* pixels: no need to go on */
#define REFINE_WANTED 0.05  /* pixels: where the last step was longer, refinement failed */
#define DRIFT_MAX     3.0   /* pixels from the whole-pixel place to the refined one */
#define SEARCH_WORK   4.0e8 /* multiplications of one mark's coarse search that are allowed */
#define SLACK_PX      1.0   /* of a candidate pair's distance, before refinement */
#define LIMIT_PX      0.5   /* a place found may lie beyond the search window by its rounding */
#define LIMIT_DEGREES 0.01

/* ---- preparation ---- */

bool drae__locator_book(const drae__fixture *fixture, size_t *total) {
    bool fits = true;
    for (int i = 0; i < 2 && fixture->kind == DRAE__FIXTURE_MARKS; i++) {
        fits = fits && drae__mark_book(&fixture->marks[i], total);
    }
    return fits;
}

/* How far an edge may run askew within its window. */
static int edge_skew(const drae__fixture_edge *edge, double max_angle) {
    return (int)ceil(0.5 * edge->length * tan(max_angle)) + 2;
}

size_t drae__locator_scratch_floats(const drae__fixture *fixture) {
    double max_angle = drae__radians(fixture->max_angle_deg) + DRAE__MARK_ANGLE_SLACK;
    size_t most = 0;
    for (int i = 0; i < 2 && fixture->kind == DRAE__FIXTURE_MARKS; i++) {
        size_t floats = drae__mark_scratch_floats(&fixture->marks[i], fixture);
        most = floats > most ? floats : most;
    }
    for (int i = 0; i < DRAE__FIXTURE_EDGES_N && fixture->kind == DRAE__FIXTURE_EDGES; i++) {
        const drae__fixture_edge *edge = &fixture->edges[i];
        int skew = edge_skew(edge, max_angle);
        int reach = fixture->search_px > skew ? fixture->search_px : skew;
        size_t floats = drae__edge_scratch_floats(edge, reach, max_angle);
        most = floats > most ? floats : most;
    }
    return most;
}

drae_status drae__locator_prepare(const drae__fixture *fixture, int frame_width, int frame_height,
                                  const drae__warp_taps *taps, drae__arena *arena, float *scratch,
                                  drae__locator *locator, drae__err *err) {
    locator->fixture = *fixture;
    locator->center_x = 0.5 * (frame_width - 1);
    locator->center_y = 0.5 * (frame_height - 1);
    for (int i = 0; i < 2 && fixture->kind == DRAE__FIXTURE_MARKS; i++) {
        drae__mark *mark = &locator->marks[i];
        double work = drae__mark_prepare(&fixture->marks[i], fixture, taps, arena, scratch, mark);
        locator->fixture.marks[i].pixels = NULL;
        if (work < 0.0) {
            return drae__fail(err, DRAE_ERROR_ARGUMENT,
                              "fixture.marks[%d].template: its middle is too small or too flat for "
                              "fixture.max_angle_deg %g; use a larger, squarer mark",
                              i, fixture->max_angle_deg);
        }
        if (mark->texture < DRAE__MARK_TEXTURE_MIN) {
            return drae__fail(err, DRAE_ERROR_ARGUMENT,
                              "fixture.marks[%d].template: a stripe, which fixes one direction "
                              "only; use a mark with detail along x and y",
                              i);
        }
        if (work > SEARCH_WORK) {
            return drae__fail(err, DRAE_ERROR_ARGUMENT,
                              "fixture.search_px: %d is too far for the fine detail of "
                              "fixture.marks[%d].template; search less far or use a coarser mark",
                              fixture->search_px, i);
        }
    }
    return DRAE_OK;
}

/* ---- checks of what was found ---- */

static drae_status check_scores(const drae__locator *locator, const drae__fixture_result *result,
                                const char *what, drae__err *err) {
    for (int i = 0; i < result->n_points; i++) {
        if (!(result->score[i] >= locator->fixture.min_score)) {
            return drae__fail(err, DRAE_ERROR_NO_PART,
                              "part not found: %s %d scores %.3f at (%.1f, %.1f), "
                              "fixture.min_score is %.3f",
                              what, i, result->score[i], result->x[i], result->y[i],
                              locator->fixture.min_score);
        }
    }
    return DRAE_OK;
}

static drae_status check_angle(const drae__locator *locator, const drae__fixture_result *result,
                               drae__err *err) {
    double limit = locator->fixture.max_angle_deg;
    if (!(fabs(result->angle_deg) <= limit + LIMIT_DEGREES)) {
        return drae__fail(err, DRAE_ERROR_NO_PART,
                          "part not found: turned by %.3f degrees, fixture.max_angle_deg is %g",
                          result->angle_deg, limit);
    }
    return DRAE_OK;
}

static void set_pose(const drae__locator *locator, double angle, double shift_x, double shift_y,
                     drae__pose *pose, drae__fixture_result *result) {
    pose->center_x = locator->center_x;
    pose->center_y = locator->center_y;
    pose->shift_x = shift_x;
    pose->shift_y = shift_y;
    pose->cos_a = cos(angle);
    pose->sin_a = sin(angle);
    result->shift_x = shift_x;
    result->shift_y = shift_y;
    result->angle_deg = drae__degrees(angle);
}

/* ---- marks ---- */

/* How two places stand to each other, against how the marks do nominally. */
static void compare_pair(const drae__locator *locator, const drae__mark_place *a,
                         const drae__mark_place *b, double *distance, double *nominal,
                         double *angle) {
    double nx = locator->marks[1].x - locator->marks[0].x;
    double ny = locator->marks[1].y - locator->marks[0].y;
    double dx = b->x - a->x, dy = b->y - a->y;
    *distance = hypot(dx, dy);
    *nominal = hypot(nx, ny);
    *angle = atan2(nx * dy - ny * dx, nx * dx + ny * dy);
}

static double tolerance(double nominal) {
    return DRAE__MARK_TOLERANCE_PX + DRAE__MARK_TOLERANCE_SHARE * nominal;
}

/* The best pair that stands as the marks do; false when none does. Candidates come best first and a
 * later pair must be strictly better, so equals keep the nearer one. */
static bool choose_pair(const drae__locator *locator,
                        drae__mark_place places[2][DRAE__MARK_CANDIDATES], const int n[2],
                        drae__mark_place pair[2]) {
    double max_angle = drae__radians(locator->fixture.max_angle_deg) + DRAE__MARK_ANGLE_SLACK;
    double best = -4.0;
    bool found = false;
    for (int i = 0; i < n[0]; i++) {
        for (int j = 0; j < n[1]; j++) {
            double distance, nominal, angle;
            compare_pair(locator, &places[0][i], &places[1][j], &distance, &nominal, &angle);
            double sum = places[0][i].score + places[1][j].score;
            if (fabs(distance - nominal) <= tolerance(nominal) + SLACK_PX &&
                fabs(angle) <= max_angle && sum > best) {
                best = sum;
                pair[0] = places[0][i];
                pair[1] = places[1][j];
                found = true;
            }
        }
    }
    return found;
}

/* Refines both marks and their common angle; returns how far a mark went, or infinity when that
 * does not come to rest. */
static double refine_pair(const drae__locator *locator, const drae__plane *frame,
                          const drae__warp_taps *taps, float *scratch, drae__mark_place pair[2]) {
    double max_angle = drae__radians(locator->fixture.max_angle_deg) + DRAE__MARK_ANGLE_SLACK;
    drae__mark_place start[2] = {pair[0], pair[1]};
    double moved = 0.0, drift = 0.0;
    for (int step = 0; step < REFINE_STEPS; step++) {
        double distance, nominal, angle;
        compare_pair(locator, &pair[0], &pair[1], &distance, &nominal, &angle);
        angle = fmin(fmax(angle, -max_angle), max_angle);
        moved = 0.0;
        for (int i = 0; i < 2; i++) {
            pair[i].angle = angle;
            moved =
                fmax(moved, drae__mark_refine(&locator->marks[i], frame, taps, scratch, &pair[i]));
        }
        if (moved < REFINE_DONE) {
            break;
        }
    }
    for (int i = 0; i < 2; i++) {
        drift = fmax(drift, hypot(pair[i].x - start[i].x, pair[i].y - start[i].y));
    }
    return moved > REFINE_WANTED ? INFINITY : drift;
}

static drae_status check_marks(const drae__locator *locator, const drae__mark_place pair[2],
                               double drift, const drae__fixture_result *result, drae__err *err) {
    drae_status status = check_scores(locator, result, "mark", err);
    if (status != DRAE_OK) {
        return status;
    }
    if (!(drift <= DRIFT_MAX)) {
        return drae__fail(err, DRAE_ERROR_NO_PART,
                          "part not found: what resembles the marks does not hold to the pixel; a "
                          "mark may be damaged, out of focus or partly out of view");
    }
    double distance, nominal, angle, limit = locator->fixture.search_px;
    compare_pair(locator, &pair[0], &pair[1], &distance, &nominal, &angle);
    if (!(fabs(distance - nominal) <= tolerance(nominal))) {
        return drae__fail(err, DRAE_ERROR_NO_PART,
                          "part not found: the marks stand %.2f px apart, nominal %.2f, tolerance "
                          "%.2f",
                          distance, nominal, tolerance(nominal));
    }
    for (int i = 0; i < 2; i++) {
        double dx = pair[i].x - locator->marks[i].x, dy = pair[i].y - locator->marks[i].y;
        if (!(fabs(dx) <= limit + LIMIT_PX && fabs(dy) <= limit + LIMIT_PX)) {
            return drae__fail(err, DRAE_ERROR_NO_PART,
                              "part not found: mark %d lies (%.1f, %.1f) px from its nominal "
                              "place, fixture.search_px is %d",
                              i, dx, dy, locator->fixture.search_px);
        }
    }
    return check_angle(locator, result, err);
}

/* Refines a pair, fills pose and result from it and checks it. */
static drae_status settle_pair(const drae__locator *locator, const drae__plane *frame,
                               const drae__warp_taps *taps, float *scratch,
                               drae__mark_place pair[2], drae__pose *pose,
                               drae__fixture_result *result, drae__err *err) {
    double distance, nominal, angle, shift_x = 0.0, shift_y = 0.0;
    double drift = refine_pair(locator, frame, taps, scratch, pair);
    compare_pair(locator, &pair[0], &pair[1], &distance, &nominal, &angle);
    result->n_points = 2;
    for (int i = 0; i < 2; i++) { /* the mean of both marks fixes the shift */
        double dx = locator->marks[i].x - locator->center_x;
        double dy = locator->marks[i].y - locator->center_y;
        shift_x += 0.5 * (pair[i].x - locator->center_x - (cos(angle) * dx - sin(angle) * dy));
        shift_y += 0.5 * (pair[i].y - locator->center_y - (sin(angle) * dx + cos(angle) * dy));
        result->score[i] = pair[i].score;
        result->x[i] = pair[i].x;
        result->y[i] = pair[i].y;
    }
    set_pose(locator, angle, shift_x, shift_y, pose, result);
    return check_marks(locator, pair, drift, result, err);
}

static drae_status locate_marks(const drae__locator *locator, const drae__plane *frame,
                                const drae__warp_taps *taps, float *scratch, drae__pose *pose,
                                drae__fixture_result *result, drae__err *err) {
    drae__mark_place places[2][DRAE__MARK_CANDIDATES], pair[2];
    int n[2];
    for (int i = 0; i < 2; i++) {
        n[i] = drae__mark_search(&locator->marks[i], frame, taps, scratch, places[i]);
    }
    drae_status status = DRAE_ERROR_NO_PART;
    if (choose_pair(locator, places, n, pair)) {
        status = settle_pair(locator, frame, taps, scratch, pair, pose, result, err);
    }
    if (status != DRAE_OK) { /* what each mark looks like by itself says best what is wrong */
        pair[0] = places[0][0];
        pair[1] = places[1][0];
        status = settle_pair(locator, frame, taps, scratch, pair, pose, result, err);
    }
    return status;
}

/* ---- edges ---- */

void drae__find_twins(const drae__fixture *fixture, int *a, int *b) {
    *a = fixture->edges[0].horizontal == fixture->edges[1].horizontal ? 0 : 2;
    *b = *a == 0 ? 1 : fixture->edges[2].horizontal == fixture->edges[0].horizontal ? 0 : 1;
}

/*
 * A point q found on an edge with nominal point p and normal n (an axis) obeys
 *     (R n) . (q - c - s) = n . (p - c)
 * The difference over the twins leaves the angle alone; then R e_x and R e_y, which stand at right
 * angles, give the two parts of s.
 */
static double twin_angle(const drae__fixture *fixture, const drae__edge_place *places) {
    int a, b;
    drae__find_twins(fixture, &a, &b);
    const drae__fixture_edge *p = fixture->edges;
    double dx = places[b].x - places[a].x, dy = places[b].y - places[a].y;
    bool horizontal = p[a].horizontal;
    double offset = horizontal ? p[b].y - p[a].y : p[b].x - p[a].x;
    if ((horizontal ? dx : dy) < 0.0) {
        dx = -dx;
        dy = -dy;
        offset = -offset;
    }
    double tilt = asin(fmin(fmax(offset / fmax(hypot(dx, dy), 1.0), -1.0), 1.0));
    return horizontal ? atan2(dy, dx) - tilt : tilt - atan2(dx, dy);
}

static void edge_shift(const drae__locator *locator, const drae__edge_place *places, double angle,
                       double *shift_x, double *shift_y) {
    double part[2] = {0.0, 0.0}, n[2] = {0.0, 0.0}, c = cos(angle), s = sin(angle);
    for (int i = 0; i < DRAE__FIXTURE_EDGES_N; i++) {
        const drae__fixture_edge *edge = &locator->fixture.edges[i];
        double qx = places[i].x - locator->center_x, qy = places[i].y - locator->center_y;
        int k = edge->horizontal ? 1 : 0;
        part[k] += edge->horizontal ? (c * qy - s * qx) - (edge->y - locator->center_y)
                                    : (c * qx + s * qy) - (edge->x - locator->center_x);
        n[k] += 1.0;
    }
    part[0] /= n[0];
    part[1] /= n[1];
    *shift_x = c * part[0] - s * part[1];
    *shift_y = s * part[0] + c * part[1];
}

static drae_status locate_edges(const drae__locator *locator, const drae__plane *frame,
                                const drae__warp_taps *taps, float *scratch, drae__pose *pose,
                                drae__fixture_result *result, drae__err *err) {
    const drae__fixture *fixture = &locator->fixture;
    double max_angle = drae__radians(fixture->max_angle_deg) + DRAE__MARK_ANGLE_SLACK;
    drae__edge_place places[DRAE__FIXTURE_EDGES_N];
    for (int i = 0; i < DRAE__FIXTURE_EDGES_N; i++) {
        places[i] = (drae__edge_place){.x = fixture->edges[i].x, .y = fixture->edges[i].y};
        drae__edge_search(&fixture->edges[i], frame, taps, 0.0, fixture->search_px, scratch,
                          &places[i]);
    }
    for (int step = 0; step < REFINE_STEPS; step++) {
        double angle = fmin(fmax(twin_angle(fixture, places), -max_angle), max_angle), moved = 0.0;
        for (int i = 0; i < DRAE__FIXTURE_EDGES_N; i++) {
            const drae__fixture_edge *edge = &fixture->edges[i];
            if (step == 0) {
                drae__edge_search(edge, frame, taps, angle, edge_skew(edge, max_angle), scratch,
                                  &places[i]);
                moved = 1.0;
            } else {
                moved =
                    fmax(moved, drae__edge_refine(edge, frame, taps, angle, scratch, &places[i]));
            }
        }
        if (moved < REFINE_DONE) {
            break;
        }
    }
    double angle = twin_angle(fixture, places), shift_x, shift_y;
    edge_shift(locator, places, angle, &shift_x, &shift_y);
    result->n_points = DRAE__FIXTURE_EDGES_N;
    for (int i = 0; i < DRAE__FIXTURE_EDGES_N; i++) {
        result->score[i] = places[i].score;
        result->x[i] = places[i].x;
        result->y[i] = places[i].y;
    }
    set_pose(locator, angle, shift_x, shift_y, pose, result);
    drae_status status = check_scores(locator, result, "edge", err);
    return status != DRAE_OK ? status : check_angle(locator, result, err);
}

drae_status drae__locate(const drae__locator *locator, const drae__plane *frame,
                         const drae__warp_taps *taps, float *scratch, drae__pose *pose,
                         drae__fixture_result *result, drae__err *err) {
    drae_status status = DRAE_OK;
    *result = (drae__fixture_result){0};
    switch (locator->fixture.kind) {
    case DRAE__FIXTURE_NONE:
        set_pose(locator, 0.0, 0.0, 0.0, pose, result);
        break;
    case DRAE__FIXTURE_MARKS:
        status = locate_marks(locator, frame, taps, scratch, pose, result, err);
        break;
    case DRAE__FIXTURE_EDGES:
        status = locate_edges(locator, frame, taps, scratch, pose, result, err);
        break;
    }
    result->found = status == DRAE_OK;
    if (status == DRAE_OK && err != NULL) {
        err->text[0] = '\0'; /* of a first pair that did not hold */
    }
    return status;
}
