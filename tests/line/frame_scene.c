/* SPDX-License-Identifier: Apache-2.0 */
#include "frame_scene.h"

#include "base/philox.h"

#include <math.h>
#include <stddef.h>

static double smooth(double lo, double hi, double t) {
    double s = fmin(fmax((t - lo) / (hi - lo), 0.0), 1.0);
    return s * s * (3.0 - 2.0 * s);
}

/* Mark 0: a ring with a cross in it; mark 1: a square with a notch. 1 inside, 0 outside. */
static double mark_shape(int k, double x, double y) {
    double r = hypot(x, y);
    if (k == 0) {
        double ring = smooth(1.0, -1.0, fabs(r - 11.0) - 2.0);
        double cross = smooth(1.0, -1.0, fmin(fabs(x), fabs(y)) - 1.5) * smooth(9.0, 7.0, r);
        return fmax(ring, cross);
    }
    double square = smooth(1.0, -1.0, fmax(fabs(x), fabs(y)) - 10.0);
    double notch = smooth(1.0, -1.0, fmax(fabs(x - 4.0), fabs(y + 5.0)) - 3.5);
    return square * (1.0 - notch);
}

static double background(double x, double y) {
    return 120.0 + 25.0 * sin(0.031 * x + 0.043 * y + 0.6) + 14.0 * sin(0.21 * x + 0.13 * y) +
           10.0 * sin(0.47 * y - 0.29 * x + 1.0);
}

/* Nothing in it is finer than two pixels, so that one point of it is a pixel. */
static double gray_at(const scene *s, double x, double y) {
    double gray = background(x, y);
    if (s->edges) {
        double inside = smooth(-1.0, 1.0, x - SCENE_EDGE_X) * smooth(-1.0, 1.0, y - SCENE_EDGE_Y);
        gray = 0.35 * gray + 110.0 * inside;
    }
    for (int k = 0; k < 2; k++) {
        double dx = x - s->mark_x[k], dy = y - s->mark_y[k];
        bool lost = k == 0 && s->worn && dx > 3.0;
        if (!s->hide[k] && !lost && fabs(dx) < 20.0 && fabs(dy) < 20.0) {
            gray += (30.0 - gray) * mark_shape(k, dx, dy);
        }
    }
    if (s->twin_x >= 0.0) {
        gray += (30.0 - gray) * mark_shape(0, x - s->twin_x, y - s->twin_y);
    }
    return gray;
}

scene scene_default(void) {
    return (scene){
        .mark_x = {60.0, 420.0}, .mark_y = {50.0, 310.0}, .twin_x = -1.0, .twin_y = -1.0};
}

static uint8_t to_gray(double value) {
    return (uint8_t)lrint(fmin(fmax(value, 0.0), 255.0));
}

void scene_render(const scene *s, double shift_x, double shift_y, double angle_deg, uint64_t seed,
                  uint8_t *frame) {
    double angle = angle_deg * acos(-1.0) / 180.0, c = cos(angle), n = sin(angle);
    double cx = 0.5 * (SCENE_W - 1), cy = 0.5 * (SCENE_H - 1);
    drae__rng rng;
    drae__rng_init(&rng, seed, DRAE__PURPOSE_TEST, 1);
    for (int y = 0; y < SCENE_H; y++) {
        for (int x = 0; x < SCENE_W; x++) {
            double dx = x - cx - shift_x, dy = y - cy - shift_y;
            double gray = gray_at(s, cx + c * dx + n * dy, cy - n * dx + c * dy);
            double noise = s->noise > 0.0 ? s->noise * (double)drae__rng_normal(&rng) : 0.0;
            frame[y * SCENE_W + x] = to_gray(gray + noise);
        }
    }
}

void scene_template(int k, uint8_t *pixels) {
    scene s = scene_default();
    for (int y = 0; y < SCENE_MARK; y++) {
        for (int x = 0; x < SCENE_MARK; x++) {
            pixels[y * SCENE_MARK + x] = to_gray(
                gray_at(&s, s.mark_x[k] + x - SCENE_MARK / 2, s.mark_y[k] + y - SCENE_MARK / 2));
        }
    }
}

static const drae__frame_region regions[] = {{0, 0, {100, 80, 64, 64}},
                                             {0, 1, {100, 200, 64, 64}},
                                             {1, 0, {280, 80, 64, 64}},
                                             {1, 1, {280, 200, 64, 64}}};

static drae__recipe_geometry plain_geometry(void) {
    return (drae__recipe_geometry){.frame_width = SCENE_W,
                                   .frame_height = SCENE_H,
                                   .pitch_um = 25.0,
                                   .size = 64,
                                   .fixture = {.kind = DRAE__FIXTURE_NONE,
                                               .search_px = 25,
                                               .max_angle_deg = 3.0,
                                               .min_score = 0.6},
                                   .n_regions = 4,
                                   .regions = regions};
}

drae__recipe_geometry scene_geometry(const scene *s) {
    static uint8_t templates[2][SCENE_MARK * SCENE_MARK];
    drae__recipe_geometry g = plain_geometry();
    g.fixture.kind = DRAE__FIXTURE_MARKS;
    for (int k = 0; k < 2; k++) {
        scene_template(k, templates[k]);
        g.fixture.marks[k] =
            (drae__fixture_mark){templates[k], SCENE_MARK, SCENE_MARK, s->mark_x[k], s->mark_y[k]};
    }
    return g;
}

drae__recipe_geometry scene_edge_geometry(void) {
    drae__recipe_geometry g = plain_geometry();
    g.fixture.kind = DRAE__FIXTURE_EDGES;
    g.fixture.edges[0] = (drae__fixture_edge){true, 1, 130.0, SCENE_EDGE_Y, 60};
    g.fixture.edges[1] = (drae__fixture_edge){false, 1, SCENE_EDGE_X, 200.0, 60};
    g.fixture.edges[2] = (drae__fixture_edge){true, 0, 400.0, SCENE_EDGE_Y, 60};
    return g;
}
