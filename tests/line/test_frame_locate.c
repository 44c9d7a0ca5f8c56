/* SPDX-License-Identifier: Apache-2.0 */
/* The part is found where the scene put it, and not found where it is not. */
#include "frame_scene.h"

#include "base/arena.h"
#include "line/correlate.h"
#include "line/mark.h"
#include "base/philox.h"
#include "tests/run.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The issue of a line: a tenth of a pixel and a fiftieth of a degree. */
#define SHIFT_BOUND 0.1
#define ANGLE_BOUND 0.02

static uint8_t frame[SCENE_W * SCENE_H];

typedef struct pose {
    double x, y, angle;
} pose;

/* Renders, locates; the caller looks at what comes back. */
static drae_status locate(const drae__recipe_geometry *g, const scene *s, pose p, uint64_t seed,
                          drae__fixture_result *result, drae__err *err) {
    drae__recipe *recipe = NULL;
    drae_status made = drae__recipe_create(g, &recipe, err);
    ck_assert_msg(made == DRAE_OK, "%s", err->text);
    enum { GUARD = 4096 };
    size_t bytes = drae__frame_workspace_bytes(recipe);
    uint8_t *workspace = drae__aligned_alloc(bytes + GUARD);
    memset(workspace, 0xff, bytes + GUARD); /* NaN */
    scene_render(s, p.x, p.y, p.angle, seed, frame);
    drae_status status = drae__frame_locate(recipe, frame, SCENE_W, workspace, result, err);
    for (size_t i = 0; i < GUARD; i++) {
        ck_assert_msg(workspace[bytes + i] == 0xff, "byte %zu behind the workspace", i);
    }
    free(workspace);
    drae__recipe_destroy(recipe);
    return status;
}

static void expect_found(const drae__recipe_geometry *g, const scene *s, pose p, uint64_t seed,
                         double shift_bound, double angle_bound) {
    drae__fixture_result seen;
    drae__err err = {""};
    drae_status status = locate(g, s, p, seed, &seen, &err);
    ck_assert_msg(status == DRAE_OK && seen.found, "at (%g, %g) %g deg: %s", p.x, p.y, p.angle,
                  err.text);
    ck_assert_msg(fabs(seen.shift_x - p.x) < shift_bound && fabs(seen.shift_y - p.y) < shift_bound,
                  "shift (%.4f, %.4f) at (%g, %g) %g deg, seed %llu; bound %g", seen.shift_x,
                  seen.shift_y, p.x, p.y, p.angle, (unsigned long long)seed, shift_bound);
    ck_assert_msg(fabs(seen.angle_deg - p.angle) < angle_bound,
                  "angle %.4f at (%g, %g) %g deg, seed %llu; bound %g", seen.angle_deg, p.x, p.y,
                  p.angle, (unsigned long long)seed, angle_bound);
    for (int i = 0; i < seen.n_points; i++) {
        ck_assert_msg(seen.score[i] > 0.6 && seen.score[i] < 1.0 + 1e-9, "score[%d] = %g", i,
                      seen.score[i]);
    }
}

static void expect_lost(const drae__recipe_geometry *g, const scene *s, pose p, const char *words) {
    drae__fixture_result seen;
    drae__err err = {""};
    drae_status status = locate(g, s, p, 1, &seen, &err);
    ck_assert_msg(status == DRAE_ERROR_NO_PART && !seen.found,
                  "status %d at (%g, %g) %g deg, found (%g, %g) %g deg scores %g %g", status, p.x,
                  p.y, p.angle, seen.shift_x, seen.shift_y, seen.angle_deg, seen.score[0],
                  seen.score[1]);
    ck_assert_msg(strstr(err.text, words) != NULL, "'%s' says nothing of '%s'", err.text, words);
}

static const pose poses[] = {
    {0, 0, 0},    {7, -3, 0},         {0.5, 0.5, 0},     {-12.3, 8.7, 0},     {0, 0, 1.0},
    {0, 0, -3.0}, {3.25, -6.75, 2.5}, {-9.1, 5.6, -1.7}, {0.03, -0.02, 0.01}, {14.9, 14.9, -0.4}};
#define N_POSES (sizeof poses / sizeof poses[0])

START_TEST(marks_give_shift_and_angle) {
    scene s = scene_default();
    drae__recipe_geometry g = scene_geometry(&s);
    for (size_t i = 0; i < N_POSES; i++) {
        expect_found(&g, &s, poses[i], 1, 0.03, 0.005);
    }
}
END_TEST

START_TEST(an_unmoved_part_gives_exactly_zero) {
    scene s = scene_default();
    drae__recipe_geometry g = scene_geometry(&s);
    drae__fixture_result seen;
    drae__err err = {""};
    ck_assert_int_eq(locate(&g, &s, (pose){0, 0, 0}, 1, &seen, &err), DRAE_OK);
    ck_assert(seen.shift_x == 0.0 && seen.shift_y == 0.0 && seen.angle_deg == 0.0);
    ck_assert(fabs(seen.score[0] - 1.0) < 1e-9 && fabs(seen.score[1] - 1.0) < 1e-9);
    ck_assert(seen.n_points == 2 && seen.x[0] == 60.0 && seen.y[1] == 310.0);
}
END_TEST

START_TEST(edges_give_shift_and_angle) {
    scene s = scene_default();
    s.hide[0] = s.hide[1] = s.edges = true;
    drae__recipe_geometry g = scene_edge_geometry();
    for (size_t i = 0; i < N_POSES; i++) {
        expect_found(&g, &s, poses[i], 1, SHIFT_BOUND, ANGLE_BOUND);
    }
    /* and with two vertical windows instead of two horizontal ones */
    g.fixture.edges[0] = (drae__fixture_edge){false, 1, SCENE_EDGE_X, 110.0, 60};
    g.fixture.edges[1] = (drae__fixture_edge){true, 1, 240.0, SCENE_EDGE_Y, 60};
    g.fixture.edges[2] = (drae__fixture_edge){false, 1, SCENE_EDGE_X, 300.0, 60};
    for (size_t i = 0; i < N_POSES; i++) {
        expect_found(&g, &s, poses[i], 1, SHIFT_BOUND, ANGLE_BOUND);
    }
}
END_TEST

START_TEST(random_poses_in_noise) {
    scene s = scene_default();
    s.noise = 4.0;
    drae__recipe_geometry g = scene_geometry(&s);
    scene plate = scene_default();
    plate.hide[0] = plate.hide[1] = plate.edges = true;
    plate.noise = 4.0;
    drae__recipe_geometry edges = scene_edge_geometry();
    drae__rng rng;
    drae__rng_init(&rng, 20260101, DRAE__PURPOSE_TEST, 0);
    for (uint64_t i = 0; i < 24; i++) { /* 3 degrees move a mark by up to 12 px: 12 are left */
        pose p = {(double)drae__rng_range(&rng, -12.0f, 12.0f),
                  (double)drae__rng_range(&rng, -12.0f, 12.0f),
                  (double)drae__rng_range(&rng, -3.0f, 3.0f)};
        expect_found(&g, &s, p, i, SHIFT_BOUND, ANGLE_BOUND);
        expect_found(&edges, &plate, p, i, SHIFT_BOUND, ANGLE_BOUND);
    }
}
END_TEST

START_TEST(light_and_contrast_may_change) {
    scene s = scene_default();
    drae__recipe_geometry g = scene_geometry(&s);
    drae__recipe *recipe = NULL;
    ck_assert_int_eq(drae__recipe_create(&g, &recipe, NULL), DRAE_OK);
    void *workspace = drae__aligned_alloc(drae__frame_workspace_bytes(recipe));
    scene_render(&s, 4.3, -2.2, 1.1, 1, frame);
    for (size_t i = 0; i < sizeof frame; i++) {
        frame[i] = (uint8_t)(60 + frame[i] / 2);
    }
    drae__fixture_result seen;
    ck_assert_int_eq(drae__frame_locate(recipe, frame, SCENE_W, workspace, &seen, NULL), DRAE_OK);
    ck_assert(fabs(seen.shift_x - 4.3) < SHIFT_BOUND && fabs(seen.shift_y + 2.2) < SHIFT_BOUND);
    ck_assert(fabs(seen.angle_deg - 1.1) < ANGLE_BOUND);
    free(workspace);
    drae__recipe_destroy(recipe);
}
END_TEST

START_TEST(a_missing_mark_is_no_part) {
    scene s = scene_default();
    drae__recipe_geometry g = scene_geometry(&s);
    for (int k = 0; k < 2; k++) {
        scene lacking = s;
        lacking.hide[k] = true;
        expect_lost(&g, &lacking, (pose){1.0, 2.0, 0.5}, k == 0 ? "mark 0" : "mark 1");
        expect_lost(&g, &lacking, (pose){1.0, 2.0, 0.5}, "fixture.min_score is 0.600");
    }
    scene bare = s;
    bare.hide[0] = bare.hide[1] = true;
    expect_lost(&g, &bare, (pose){0, 0, 0}, "part not found");
}
END_TEST

START_TEST(a_flat_frame_is_no_part) {
    scene s = scene_default();
    drae__recipe_geometry geometries[] = {scene_geometry(&s), scene_edge_geometry()};
    for (int k = 0; k < 2; k++) {
        drae__recipe *recipe = NULL;
        ck_assert_int_eq(drae__recipe_create(&geometries[k], &recipe, NULL), DRAE_OK);
        void *workspace = drae__aligned_alloc(drae__frame_workspace_bytes(recipe));
        const int grays[] = {0, 128, 255};
        for (int i = 0; i < 3; i++) {
            drae__fixture_result seen;
            drae__err err;
            memset(frame, grays[i], sizeof frame);
            ck_assert_int_eq(drae__frame_locate(recipe, frame, SCENE_W, workspace, &seen, &err),
                             DRAE_ERROR_NO_PART);
            ck_assert(!seen.found && seen.score[0] == 0.0);
        }
        free(workspace);
        drae__recipe_destroy(recipe);
    }
}
END_TEST

START_TEST(limits_are_kept) {
    scene s = scene_default();
    drae__recipe_geometry g = scene_geometry(&s);
    expect_lost(&g, &s, (pose){0, 0, 3.6}, "part not found"); /* turned too far */
    expect_lost(&g, &s, (pose){0, 0, -3.6}, "part not found");
    expect_found(&g, &s, (pose){25.2, 0, 0}, 1, SHIFT_BOUND, ANGLE_BOUND);
    expect_lost(&g, &s, (pose){25.8, 0, 0}, "fixture.search_px is 25"); /* just beyond */
    expect_lost(&g, &s, (pose){31.0, 0, 0}, "part not found");
    expect_lost(&g, &s, (pose){0, -31.0, 0}, "part not found");
    g.fixture.max_angle_deg = 0.5;
    expect_lost(&g, &s, (pose){0, 0, 0.7}, "part not found");
    expect_found(&g, &s, (pose){2, 3, 0.45}, 1, SHIFT_BOUND, ANGLE_BOUND);

    scene plate = scene_default();
    plate.hide[0] = plate.hide[1] = plate.edges = true;
    drae__recipe_geometry edges = scene_edge_geometry();
    expect_lost(&edges, &plate, (pose){0, 0, 3.5}, "turned by 3.5");
    edges.fixture.edges[0].polarity = -1; /* the scene has no such edge */
    expect_lost(&edges, &plate, (pose){0, 0, 0}, "edge 0");
}
END_TEST

START_TEST(marks_at_a_wrong_distance_are_no_part) {
    scene s = scene_default(), apart = s;
    drae__recipe_geometry g = scene_geometry(&s);
    apart.mark_x[1] += 6.0; /* 444.07 -> 448.95: 4.9 px, tolerance 1 + 0.0025 * 444 = 2.11 */
    expect_lost(&g, &apart, (pose){0, 0, 0}, "tolerance 2.11");
    apart.mark_x[1] = s.mark_x[1] + 1.5; /* 1.2 px: the part has grown, still the part */
    drae__fixture_result seen;
    drae__err err = {""};
    ck_assert_msg(locate(&g, &apart, (pose){0, 0, 0}, 1, &seen, &err) == DRAE_OK, "%s", err.text);
}
END_TEST

START_TEST(a_look_alike_does_not_win) {
    scene s = scene_default();
    drae__recipe_geometry g = scene_geometry(&s);
    const double places[][2] = {{82, 50}, {60, 72}, {38, 60}, {78, 34}};
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        s.twin_x = places[i][0]; /* overlaps the frame of the true one, not the mark itself */
        s.twin_y = places[i][1] + (i == 1 ? 4 : 0);
        s.noise = 2.0;
        /* in noise the twin's score may be the higher one; its distance betrays it */
        for (uint64_t seed = 0; seed < 3; seed++) {
            expect_found(&g, &s, (pose){0, 0, 0}, seed, 0.35, 0.1);
        }
    }
}
END_TEST

START_TEST(a_better_look_alike_does_not_win) {
    /* the true mark is worn, the twin is not: alone it would win, but it stands at a wrong distance
     * from the other mark */
    scene s = scene_default();
    s.worn = true;
    drae__recipe_geometry g = scene_geometry(&s);
    drae__fixture_result seen;
    drae__err err = {""};
    ck_assert_int_eq(locate(&g, &s, (pose){0, 0, 0}, 1, &seen, &err), DRAE_OK);
    ck_assert_msg(seen.score[0] < 0.85, "worn mark scores %g", seen.score[0]);
    s.twin_x = 40.0;
    s.twin_y = 72.0;
    ck_assert_msg(locate(&g, &s, (pose){0, 0, 0}, 1, &seen, &err) == DRAE_OK, "%s", err.text);
    ck_assert_msg(fabs(seen.shift_x) < 0.5 && fabs(seen.shift_y) < 0.5 && seen.score[0] < 0.85,
                  "shift (%g, %g) score %g", seen.shift_x, seen.shift_y, seen.score[0]);
    s.hide[0] = true; /* without the true one the twin is no part */
    expect_lost(&g, &s, (pose){0, 0, 0}, "part not found");
}
END_TEST

START_TEST(the_best_place_is_that_of_a_full_search) {
    /* much texture and a mark drowned in noise: many rivals, and only the best one is right */
    enum { SEARCH = 25, LEFT = 60 - SCENE_MARK / 2, TOP = 50 - SCENE_MARK / 2 };
    scene s = scene_default();
    drae__recipe_geometry g = scene_geometry(&s);
    drae__warp_taps taps;
    drae__arena arena = {0};
    drae__mark mark;
    size_t bytes = 0;
    drae__warp_taps_init(&taps);
    ck_assert(drae__mark_book(&g.fixture.marks[0], &bytes) && drae__arena_create(&arena, bytes));
    float *scratch =
        drae__aligned_alloc(drae__mark_scratch_floats(&g.fixture.marks[0], &g.fixture) * 4);
    g.fixture.max_angle_deg = 0.0;
    drae__mark_prepare(&g.fixture.marks[0], &g.fixture, &taps, &arena, scratch, &mark);
    drae__plane plane = {frame, SCENE_W, SCENE_W, SCENE_H};
    s.noise = 45.0;
    for (uint64_t seed = 0; seed < 8; seed++) {
        s.hide[0] = seed % 2 == 1; /* then nothing but rivals, all of them poor */
        scene_render(&s, (double)seed * 5.0 - 15.0, 24.0 - (double)seed * 6.0, 0, seed, frame);
        double best = -2.0;
        int best_x = 0, best_y = 0;
        for (int y = TOP > SEARCH ? TOP - SEARCH : 0; y <= TOP + SEARCH; y++) {
            for (int x = LEFT - SEARCH; x <= LEFT + SEARCH; x++) {
                float piece[SCENE_MARK * SCENE_MARK];
                for (int i = 0; i < SCENE_MARK * SCENE_MARK; i++) {
                    piece[i] = (float)frame[(y + i / SCENE_MARK) * SCENE_W + x + i % SCENE_MARK];
                    piece[i] -= 128.0f;
                }
                double score = drae__correlate(mark.tmpl, mark.power, piece, SCENE_MARK, SCENE_MARK,
                                               SCENE_MARK);
                if (score > best) {
                    best = score;
                    best_x = x;
                    best_y = y;
                }
            }
        }
        drae__mark_place places[DRAE__MARK_CANDIDATES];
        int n = drae__mark_search(&mark, &plane, &taps, scratch, places);
        ck_assert_int_gt(n, 0);
        ck_assert_msg(places[0].x == best_x + SCENE_MARK / 2 &&
                          places[0].y == best_y + SCENE_MARK / 2,
                      "seed %llu: (%g, %g) %.4f, full search (%d, %d) %.4f",
                      (unsigned long long)seed, places[0].x, places[0].y, places[0].score,
                      best_x + SCENE_MARK / 2, best_y + SCENE_MARK / 2, best);
        ck_assert(fabs(places[0].score - best) < 1e-6);
        for (int i = 1; i < n; i++) {
            ck_assert(places[i].score <= places[i - 1].score);
        }
    }
    free(scratch);
    drae__arena_destroy(&arena);
}
END_TEST

START_TEST(a_mark_at_the_frames_border_is_found) {
    scene s = scene_default();
    s.mark_x[0] = 16.0; /* the template touches the border at x = 0 and y = 0 */
    s.mark_y[0] = 16.0;
    drae__recipe_geometry g = scene_geometry(&s);
    expect_found(&g, &s, (pose){0, 0, 0}, 1, SHIFT_BOUND, ANGLE_BOUND);
    expect_found(&g, &s, (pose){6.4, 3.3, 0}, 1, SHIFT_BOUND, ANGLE_BOUND);
    expect_found(&g, &s, (pose){14.2, 11.1, 1.0}, 1, SHIFT_BOUND, ANGLE_BOUND);
    expect_lost(&g, &s, (pose){-20.0, -20.0, 0}, "mark 0"); /* half out of the frame */
}
END_TEST

START_TEST(small_and_large_marks) {
    scene s = scene_default();
    s.mark_x[0] = s.mark_y[0] = 85.0;
    s.mark_x[1] = 390.0;
    s.mark_y[1] = 270.0;
    drae__recipe_geometry g = scene_geometry(&s);
    static uint8_t whole[SCENE_W * SCENE_H], cut[2][101 * 101];
    scene_render(&s, 0, 0, 0, 1, whole);
    const int sides[] = {17, 24, 64, 101};
    for (size_t i = 0; i < sizeof sides / sizeof sides[0]; i++) {
        int side = sides[i];
        for (int k = 0; k < 2; k++) {
            int x0 = (int)s.mark_x[k] - side / 2, y0 = (int)s.mark_y[k] - side / 2;
            for (int y = 0; y < side; y++) {
                memcpy(cut[k] + y * side, whole + (y0 + y) * SCENE_W + x0, (size_t)side);
            }
            g.fixture.marks[k] = (drae__fixture_mark){cut[k], side, side, x0 + 0.5 * (side - 1),
                                                      y0 + 0.5 * (side - 1)};
        }
        for (int angle = -2; angle <= 2; angle += 2) {
            expect_found(&g, &s, (pose){1.7 * angle, 2.4, angle}, 1, SHIFT_BOUND, ANGLE_BOUND);
        }
    }
}
END_TEST

START_TEST(large_marks_turned_to_the_limit) {
    /* near the middle, so that a short search covers the turn and the fine steps need most room */
    scene s = scene_default();
    s.mark_x[0] = 210.0;
    s.mark_x[1] = 270.0;
    s.mark_y[0] = s.mark_y[1] = 180.0;
    drae__recipe_geometry g = scene_geometry(&s);
    static uint8_t whole[SCENE_W * SCENE_H], cut[2][201 * 201];
    scene_render(&s, 0, 0, 0, 1, whole);
    for (int k = 0; k < 2; k++) {
        for (int y = 0; y < 201; y++) {
            memcpy(cut[k] + y * 201, whole + (80 + y) * SCENE_W + (int)s.mark_x[k] - 100, 201);
        }
        g.fixture.marks[k] = (drae__fixture_mark){cut[k], 201, 201, s.mark_x[k], s.mark_y[k]};
    }
    g.fixture.search_px = 6;
    g.fixture.max_angle_deg = 10.0;
    for (int turn = -10; turn <= 10; turn += 5) {
        expect_found(&g, &s, (pose){0.3, -0.4, turn}, 1, SHIFT_BOUND, ANGLE_BOUND);
    }
    expect_lost(&g, &s, (pose){0.3, -0.4, 10.5}, "part not found");
}
END_TEST

START_TEST(a_large_mark_partly_out_of_view_is_no_part) {
    /* 101 pixels of a repeating texture that leave the frame at two sides by a few pixels: what is
     * most alike within the frame scores 0.8 but is not the place. */
    scene s = scene_default();
    drae__recipe_geometry g = scene_geometry(&s);
    static uint8_t whole[SCENE_W * SCENE_H], cut[2][101 * 101];
    scene_render(&s, 0, 0, 0, 1, whole);
    for (int k = 0; k < 2; k++) {
        int x0 = k == 0 ? 10 : 370, y0 = k == 0 ? 0 : SCENE_H - 101;
        for (int y = 0; y < 101; y++) {
            memcpy(cut[k] + y * 101, whole + (y0 + y) * SCENE_W + x0, 101);
        }
        g.fixture.marks[k] = (drae__fixture_mark){cut[k], 101, 101, x0 + 50.0, y0 + 50.0};
    }
    expect_found(&g, &s, (pose){0, 0, 0}, 1, SHIFT_BOUND, ANGLE_BOUND);
    expect_lost(&g, &s, (pose){3.4, 2.4, 2.0}, "does not hold to the pixel");
}
END_TEST

int main(void) {
    Suite *suite = suite_create("frame_locate");
    TCase *tc = tcase_create("locate");
    tcase_add_test(tc, marks_give_shift_and_angle);
    tcase_add_test(tc, an_unmoved_part_gives_exactly_zero);
    tcase_add_test(tc, edges_give_shift_and_angle);
    tcase_add_test(tc, random_poses_in_noise);
    tcase_add_test(tc, light_and_contrast_may_change);
    tcase_add_test(tc, a_missing_mark_is_no_part);
    tcase_add_test(tc, a_flat_frame_is_no_part);
    tcase_add_test(tc, limits_are_kept);
    tcase_add_test(tc, marks_at_a_wrong_distance_are_no_part);
    tcase_add_test(tc, a_look_alike_does_not_win);
    tcase_add_test(tc, a_better_look_alike_does_not_win);
    tcase_add_test(tc, the_best_place_is_that_of_a_full_search);
    tcase_add_test(tc, a_mark_at_the_frames_border_is_found);
    tcase_add_test(tc, small_and_large_marks);
    tcase_add_test(tc, large_marks_turned_to_the_limit);
    tcase_add_test(tc, a_large_mark_partly_out_of_view_is_no_part);
    suite_add_tcase(suite, tc);
    return drae_run_suite(suite);
}
