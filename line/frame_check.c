/* SPDX-License-Identifier: Apache-2.0 */
/* Checks a recipe's geometry key by key. Comparisons are written so that a NaN fails them. */
#include "line/frame_check.h"

#include "line/fixture.h"
#include "model/record.h"

#include <math.h>
#include <stdio.h>

#define FRAME_SIDE_MIN 16
#define PITCH_MAX_UM   10000.0

static drae_status check_range(const char *key, long value, long lo, long hi, drae__err *err) {
    if (value < lo || value > hi) {
        return drae__fail(err, DRAE_ERROR_ARGUMENT, "%s: %ld is not in %ld..%ld", key, value, lo,
                          hi);
    }
    return DRAE_OK;
}

static drae_status check_frame(const drae__recipe_geometry *g, drae__err *err) {
    drae_status status;
    DRAE__TRY(
        check_range("frame.width", g->frame_width, FRAME_SIDE_MIN, DRAE__FRAME_SIDE_MAX, err));
    DRAE__TRY(
        check_range("frame.height", g->frame_height, FRAME_SIDE_MIN, DRAE__FRAME_SIDE_MAX, err));
    if (!(g->pitch_um > 0.0 && g->pitch_um <= PITCH_MAX_UM)) {
        status = drae__fail(err, DRAE_ERROR_ARGUMENT,
                            "frame.pitch_um: %g is not in 0..%g; give the um that a frame pixel "
                            "covers on the part",
                            g->pitch_um, PITCH_MAX_UM);
        goto done;
    }
    DRAE__TRY(check_range("patch.size", g->size, DRAE__PATCH_SIZE_MIN, DRAE__PATCH_SIZE_MAX, err));
    if (g->size % 16 != 0) {
        status =
            drae__fail(err, DRAE_ERROR_ARGUMENT, "patch.size: %d is not a multiple of 16", g->size);
    }
done:
    return status;
}

/* A rectangle of at least one pixel within the frame. */
static drae_status check_rect(const drae__recipe_geometry *g, const char *list, size_t i,
                              const drae__rect *r, drae__err *err) {
    if (r->width < 1 || r->height < 1) {
        return drae__fail(err, DRAE_ERROR_ARGUMENT,
                          "%s[%zu]: width %d and height %d must be at least 1", list, i, r->width,
                          r->height);
    }
    if (r->x < 0 || r->y < 0 || (int64_t)r->x + r->width > g->frame_width ||
        (int64_t)r->y + r->height > g->frame_height) {
        return drae__fail(err, DRAE_ERROR_ARGUMENT,
                          "%s[%zu]: x %d..%lld, y %d..%lld leaves the frame of %d x %d; move or "
                          "shrink it",
                          list, i, r->x, (long long)r->x + r->width - 1, r->y,
                          (long long)r->y + r->height - 1, g->frame_width, g->frame_height);
    }
    return DRAE_OK;
}

static drae_status check_scale(const drae__recipe_geometry *g, size_t i, drae__err *err) {
    const drae__rect *r = &g->regions[i].rect;
    int lo = (g->size + DRAE__FRAME_SHRINK_MAX - 1) / DRAE__FRAME_SHRINK_MAX;
    int hi = g->size * DRAE__FRAME_SHRINK_MAX;
    if (r->width < lo || r->height < lo || r->width > hi || r->height > hi) {
        return drae__fail(err, DRAE_ERROR_ARGUMENT,
                          "regions[%zu]: %d x %d pixels for a patch of %d; each side must be in "
                          "%d..%d",
                          i, r->width, r->height, g->size, lo, hi);
    }
    return DRAE_OK;
}

static drae_status check_regions(const drae__recipe_geometry *g, drae__err *err) {
    char key[64];
    uint8_t seen[DRAE__FRAME_VIALS_MAX * DRAE__REGIONS_MAX / 8] = {0};
    drae_status status = DRAE_OK;
    if (g->n_regions < 1 || g->n_regions > DRAE__FRAME_REGIONS_MAX) {
        return drae__fail(err, DRAE_ERROR_ARGUMENT,
                          "regions: %zu entries; give 1..%d, one rectangle per vial and region",
                          g->n_regions, DRAE__FRAME_REGIONS_MAX);
    }
    for (size_t i = 0; i < g->n_regions; i++) {
        const drae__frame_region *region = &g->regions[i];
        snprintf(key, sizeof key, "regions[%zu].vial", i);
        DRAE__TRY(check_range(key, region->vial, 0, DRAE__FRAME_VIALS_MAX - 1, err));
        snprintf(key, sizeof key, "regions[%zu].region", i);
        DRAE__TRY(check_range(key, region->region, 0, DRAE__REGIONS_MAX - 1, err));
        DRAE__TRY(check_rect(g, "regions", i, &region->rect, err));
        DRAE__TRY(check_scale(g, i, err));
        size_t bit = (size_t)region->vial * DRAE__REGIONS_MAX + (size_t)region->region;
        if (seen[bit / 8] & (1u << (bit % 8))) {
            status = drae__fail(err, DRAE_ERROR_ARGUMENT,
                                "regions[%zu]: vial %d region %d was given before; each may appear "
                                "once",
                                i, region->vial, region->region);
            goto done;
        }
        seen[bit / 8] |= (uint8_t)(1u << (bit % 8));
    }
done:
    return status;
}

/* ---- fixture ---- */

static drae_status check_number(const char *key, double value, double lo, double hi,
                                drae__err *err) {
    if (!(value >= lo && value <= hi)) {
        return drae__fail(err, DRAE_ERROR_ARGUMENT, "%s: %g is not in %g..%g", key, value, lo, hi);
    }
    return DRAE_OK;
}

/* A box of width x height pixels centred at (x, y) within the frame. */
static drae_status check_box(const drae__recipe_geometry *g, const char *list, int i, double x,
                             double y, int width, int height, drae__err *err) {
    double half_w = 0.5 * (width - 1), half_h = 0.5 * (height - 1);
    if (!(x - half_w >= 0.0 && y - half_h >= 0.0 && x + half_w <= g->frame_width - 1 &&
          y + half_h <= g->frame_height - 1)) {
        return drae__fail(err, DRAE_ERROR_ARGUMENT,
                          "fixture.%s[%d]: %d x %d pixels around (%g, %g) leave the frame of "
                          "%d x %d",
                          list, i, width, height, x, y, g->frame_width, g->frame_height);
    }
    return DRAE_OK;
}

static drae_status check_mark(const drae__recipe_geometry *g, int i, drae__err *err) {
    const drae__fixture_mark *mark = &g->fixture.marks[i];
    if (mark->width < DRAE__MARK_SIDE_MIN || mark->width > DRAE__MARK_SIDE_MAX ||
        mark->height < DRAE__MARK_SIDE_MIN || mark->height > DRAE__MARK_SIDE_MAX) {
        return drae__fail(err, DRAE_ERROR_ARGUMENT,
                          "fixture.marks[%d].template: %d x %d pixels; each side must be in %d..%d",
                          i, mark->width, mark->height, DRAE__MARK_SIDE_MIN, DRAE__MARK_SIDE_MAX);
    }
    double spread = drae__mark_spread(mark);
    if (spread < DRAE__MARK_SPREAD_MIN) {
        return drae__fail(err, DRAE_ERROR_ARGUMENT,
                          "fixture.marks[%d].template: flat, its gray values spread by %.2f; use a "
                          "picture with contrast",
                          i, spread);
    }
    return check_box(g, "marks", i, mark->x, mark->y, mark->width, mark->height, err);
}

static drae_status check_span(const char *what, double span, drae__err *err) {
    if (!(span >= DRAE__FIXTURE_SPAN_MIN)) {
        return drae__fail(err, DRAE_ERROR_ARGUMENT,
                          "fixture.%s: %g px apart do not fix the angle; place them at least %g px "
                          "apart",
                          what, span, DRAE__FIXTURE_SPAN_MIN);
    }
    return DRAE_OK;
}

static drae_status check_edges(const drae__recipe_geometry *g, drae__err *err) {
    const drae__fixture_edge *edges = g->fixture.edges;
    double lean = tan(drae__radians(g->fixture.max_angle_deg));
    int n_horizontal = 0;
    drae_status status;
    for (int i = 0; i < DRAE__FIXTURE_EDGES_N; i++) {
        const drae__fixture_edge *edge = &edges[i];
        char key[64];
        snprintf(key, sizeof key, "fixture.edges[%d].length", i);
        DRAE__TRY(
            check_range(key, edge->length, DRAE__EDGE_LENGTH_MIN, DRAE__EDGE_LENGTH_MAX, err));
        snprintf(key, sizeof key, "fixture.edges[%d].polarity", i);
        DRAE__TRY(check_range(key, edge->polarity, -1, 1, err));
        DRAE__TRY(check_box(g, "edges", i, edge->x, edge->y, edge->horizontal ? edge->length : 1,
                            edge->horizontal ? 1 : edge->length, err));
        if (edge->length * lean > DRAE__EDGE_SKEW_MAX) {
            status = drae__fail(err, DRAE_ERROR_ARGUMENT,
                                "fixture.edges[%d].length: %d is too long for "
                                "fixture.max_angle_deg %g; at most %d",
                                i, edge->length, g->fixture.max_angle_deg,
                                (int)(DRAE__EDGE_SKEW_MAX / lean));
            goto done;
        }
        n_horizontal += edge->horizontal ? 1 : 0;
    }
    if (n_horizontal == 0 || n_horizontal == DRAE__FIXTURE_EDGES_N) {
        status = drae__fail(err, DRAE_ERROR_ARGUMENT,
                            "fixture.edges: all run %s; two must run one way and one the other",
                            n_horizontal == 0 ? "vertical" : "horizontal");
        goto done;
    }
    int a, b;
    drae__find_twins(&g->fixture, &a, &b);
    DRAE__TRY(check_span(
        "edges",
        edges[a].horizontal ? fabs(edges[a].x - edges[b].x) : fabs(edges[a].y - edges[b].y), err));
done:
    return status;
}

static drae_status check_fixture(const drae__recipe_geometry *g, drae__err *err) {
    const drae__fixture *fixture = &g->fixture;
    drae_status status = DRAE_OK;
    if (fixture->kind == DRAE__FIXTURE_NONE) {
        return DRAE_OK;
    }
    DRAE__TRY(check_range("fixture.search_px", fixture->search_px, 1, DRAE__SEARCH_PX_MAX, err));
    DRAE__TRY(check_number("fixture.max_angle_deg", fixture->max_angle_deg, 0.0,
                           DRAE__MAX_ANGLE_DEG, err));
    DRAE__TRY(check_number("fixture.min_score", fixture->min_score, 0.1, 1.0, err));
    if (fixture->kind == DRAE__FIXTURE_EDGES) {
        DRAE__TRY(check_edges(g, err));
    } else if (fixture->kind == DRAE__FIXTURE_MARKS) {
        DRAE__TRY(check_mark(g, 0, err));
        DRAE__TRY(check_mark(g, 1, err));
        DRAE__TRY(check_span("marks",
                             hypot(fixture->marks[0].x - fixture->marks[1].x,
                                   fixture->marks[0].y - fixture->marks[1].y),
                             err));
    } else {
        status = drae__fail(err, DRAE_ERROR_ARGUMENT, "fixture.kind: %d is unknown", fixture->kind);
    }
done:
    return status;
}

drae_status drae__frame_check(const drae__recipe_geometry *g, drae__err *err) {
    drae_status status;
    DRAE__TRY(check_frame(g, err));
    DRAE__TRY(check_regions(g, err));
    if (g->n_ignore > DRAE__FRAME_IGNORE_MAX) {
        status = drae__fail(err, DRAE_ERROR_ARGUMENT, "ignore: %zu rectangles, at most %d",
                            g->n_ignore, DRAE__FRAME_IGNORE_MAX);
        goto done;
    }
    for (size_t i = 0; i < g->n_ignore; i++) {
        DRAE__TRY(check_rect(g, "ignore", i, &g->ignore[i], err));
    }
    DRAE__TRY(check_fixture(g, err));
done:
    return status;
}
