/* SPDX-License-Identifier: Apache-2.0 */
/* Patches: copies without a fixture; with one alike wherever the part lies, and never a pixel
 * elsewhere. */
#include "frame_scene.h"

#include "base/arena.h"
#include "base/philox.h"
#include "line/warp.h"
#include "tests/run.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { SIZE = 64, GUARD = 64, PATCH = SIZE * SIZE };

static uint8_t frame[SCENE_W * SCENE_H];

/* Cuts with poisoned workspace and guards around the patches; patches must hold n_regions. */
static drae_status cut(const drae__recipe_geometry *g, const uint8_t *pixels, size_t stride,
                       uint8_t *patches, drae__fixture_result *result, drae__err *err) {
    drae__recipe *recipe = NULL;
    drae_status made = drae__recipe_create(g, &recipe, err);
    ck_assert_msg(made == DRAE_OK, "%s", err->text);
    size_t bytes = drae__frame_workspace_bytes(recipe);
    size_t n = g->n_regions * (size_t)g->size * (size_t)g->size;
    uint8_t *workspace = drae__aligned_alloc(bytes + GUARD);
    uint8_t *dst = malloc(n + 2 * GUARD);
    memset(workspace, 0xff, bytes + GUARD);
    memset(dst, 0xa5, n + 2 * GUARD);
    drae_status status =
        drae__frame_cut(recipe, pixels, stride, workspace, dst + GUARD, result, err);
    for (size_t i = 0; i < GUARD; i++) {
        ck_assert_msg(dst[i] == 0xa5 && dst[GUARD + n + i] == 0xa5, "guard %zu of the patches", i);
        ck_assert_msg(workspace[bytes + i] == 0xff, "guard %zu of the workspace", i);
    }
    memcpy(patches, dst + GUARD, n);
    free(workspace);
    free(dst);
    drae__recipe_destroy(recipe);
    return status;
}

static void cut_ok(const drae__recipe_geometry *g, const uint8_t *pixels, uint8_t *patches) {
    drae__err err = {""};
    drae_status status = cut(g, pixels, SCENE_W, patches, NULL, &err);
    ck_assert_msg(status == DRAE_OK, "%s", err.text);
}

static void fill_random(uint8_t *dst, size_t n, uint64_t seed) {
    drae__rng rng;
    drae__rng_init(&rng, seed, DRAE__PURPOSE_TEST, 2);
    for (size_t i = 0; i < n; i++) {
        dst[i] = (uint8_t)drae__rng_u32(&rng);
    }
}

static void expect_equal(const uint8_t *got, int n, const char *what, int (*expected)(int x, int y),
                         int tolerance) {
    for (int y = 0; y < n; y++) {
        for (int x = 0; x < n; x++) {
            int want = expected(x, y);
            ck_assert_msg(abs(got[y * n + x] - want) <= tolerance, "%s (%d, %d): %d, expected %d",
                          what, x, y, got[y * n + x], want);
        }
    }
}

static drae__rect here; /* the rectangle that the expectations below read */

static int as_it_is(int x, int y) {
    return frame[(here.y + y) * SCENE_W + here.x + x];
}

START_TEST(without_a_fixture_patches_are_copies) {
    static uint8_t patches[4 * PATCH];
    scene s = scene_default();
    drae__recipe_geometry g = scene_geometry(&s);
    g.fixture = (drae__fixture){.kind = DRAE__FIXTURE_NONE};
    const drae__frame_region corners[] = {{0, 0, {0, 0, SIZE, SIZE}},
                                          {0, 1, {SCENE_W - SIZE, 0, SIZE, SIZE}},
                                          {0, 2, {0, SCENE_H - SIZE, SIZE, SIZE}},
                                          {0, 3, {SCENE_W - SIZE, SCENE_H - SIZE, SIZE, SIZE}}};
    g.regions = corners;
    fill_random(frame, sizeof frame, 1);
    cut_ok(&g, frame, patches);
    for (int i = 0; i < 4; i++) {
        here = corners[i].rect;
        expect_equal(patches + i * PATCH, SIZE, "corner", as_it_is, 0);
    }
}
END_TEST

/* The part as drawn, read by the even kernel at whole pixels. */
static int evenly_read(int x, int y) {
    static drae__warp_taps taps;
    if (taps.weight[0][2] == 0.0f) {
        drae__warp_taps_init_even(&taps);
    }
    double sum = 0.0;
    for (int j = 0; j < 5; j++) {
        for (int i = 0; i < 5; i++) {
            sum += (double)taps.weight[0][i] * (double)taps.weight[0][j] *
                   frame[(here.y + y + j - 2) * SCENE_W + here.x + x + i - 2];
        }
    }
    return (int)lrint(sum);
}

START_TEST(an_unmoved_part_is_read_as_any_other) {
    static uint8_t patches[4 * PATCH];
    scene s = scene_default();
    drae__recipe_geometry g = scene_geometry(&s);
    scene_render(&s, 0, 0, 0, 1, frame);
    cut_ok(&g, frame, patches);
    for (int i = 0; i < 4; i++) {
        here = g.regions[i].rect;
        expect_equal(patches + i * PATCH, SIZE, "region", evenly_read, 1); /* 1: ties of rounding */
    }
}
END_TEST

START_TEST(a_part_moved_by_whole_pixels_gives_the_same_bytes) {
    /* the marks are pictures moved by whole pixels, so the pose is exact */
    static uint8_t still[4 * PATCH], patches[4 * PATCH], moved[SCENE_W * SCENE_H];
    scene s = scene_default();
    drae__recipe_geometry g = scene_geometry(&s);
    scene_render(&s, 0, 0, 0, 1, frame);
    for (int y = 0; y < SCENE_H; y++) {
        for (int x = 0; x < SCENE_W; x++) {
            int from_x = (x - 11 + SCENE_W) % SCENE_W, from_y = (y + 7) % SCENE_H;
            moved[y * SCENE_W + x] = frame[from_y * SCENE_W + from_x];
        }
    }
    cut_ok(&g, frame, still);
    cut_ok(&g, moved, patches);
    for (int i = 0; i < 4 * PATCH; i++) {
        ck_assert_msg(patches[i] == still[i], "patch %d pixel %d: %d, unmoved %d", i / PATCH,
                      i % PATCH, patches[i], still[i]);
    }
}
END_TEST

/* Mean square of the difference between neighbours, which a smooth scene hardly has: noise. */
static double roughness(const uint8_t *patch) {
    double sum = 0.0;
    for (int i = 0; i + 1 < PATCH; i++) {
        double d = i % SIZE == SIZE - 1 ? 0.0 : patch[i + 1] - patch[i];
        sum += d * d;
    }
    return sum / PATCH;
}

START_TEST(noise_comes_out_alike_wherever_the_part_lies) {
    static uint8_t patches[4 * PATCH];
    const double poses[][3] = {{0, 0, 0}, {0.5, 0.5, 0}, {0.25, 0.5, 0}, {4.3, -2.6, 1.7}};
    scene s = scene_default();
    drae__recipe_geometry g = scene_geometry(&s);
    double whole[4] = {0};
    for (size_t k = 0; k < sizeof poses / sizeof poses[0]; k++) {
        drae__rng rng;
        drae__rng_init(&rng, 7 + k, DRAE__PURPOSE_TEST, 3);
        scene_render(&s, poses[k][0], poses[k][1], poses[k][2], 1, frame);
        for (size_t i = 0; i < sizeof frame; i++) {
            int noisy = frame[i] + (int)drae__rng_below(&rng, 17) - 8;
            frame[i] = (uint8_t)(noisy < 0 ? 0 : noisy > 255 ? 255 : noisy);
        }
        cut_ok(&g, frame, patches);
        for (int i = 0; i < 4; i++) {
            double now = roughness(patches + i * PATCH);
            whole[i] = k == 0 ? now : whole[i];
            ck_assert_msg(fabs(now / whole[i] - 1.0) < 0.12,
                          "pose %zu region %d: %.2f, unmoved "
                          "%.2f",
                          k, i, now, whole[i]);
        }
    }
}
END_TEST

START_TEST(moved_parts_give_nearly_the_same_patches) {
    static uint8_t still[4 * PATCH], patches[4 * PATCH];
    scene s = scene_default();
    drae__recipe_geometry g = scene_geometry(&s);
    scene_render(&s, 0, 0, 0, 1, frame);
    cut_ok(&g, frame, still);
    const double poses[][3] = {{0.5, 0.5, 0}, {-7.3, 4.6, 1.2}, {3.1, -9.8, -3.0}, {12, 3, 2.2}};
    for (size_t k = 0; k < sizeof poses / sizeof poses[0]; k++) {
        scene_render(&s, poses[k][0], poses[k][1], poses[k][2], 1, frame);
        cut_ok(&g, frame, patches);
        for (int i = 0; i < 4; i++) {
            double sum = 0.0;
            int worst = 0;
            for (int j = 0; j < PATCH; j++) {
                int difference = abs(patches[i * PATCH + j] - still[i * PATCH + j]);
                sum += difference;
                worst = difference > worst ? difference : worst;
            }
            ck_assert_msg(sum / PATCH < 0.6 && worst <= 4,
                          "pose %zu region %d: mean difference %.3f, largest %d", k, i, sum / PATCH,
                          worst);
        }
    }
}
END_TEST

START_TEST(edges_cut_alike) {
    static uint8_t still[4 * PATCH], patches[4 * PATCH];
    scene s = scene_default();
    s.hide[0] = s.hide[1] = s.edges = true;
    drae__recipe_geometry g = scene_edge_geometry();
    drae__recipe_geometry none = g;
    none.fixture.kind = DRAE__FIXTURE_NONE;
    scene_render(&s, 0, 0, 0, 1, frame);
    cut_ok(&none, frame, still);
    scene_render(&s, -6.2, 8.4, -1.4, 1, frame);
    cut_ok(&g, frame, patches);
    double sum = 0.0;
    for (int j = 0; j < 4 * PATCH; j++) {
        sum += abs(patches[j] - still[j]);
    }
    ck_assert_msg(sum / (4 * PATCH) < 0.6, "mean difference %.3f", sum / (4 * PATCH));
}
END_TEST

static int block_mean(int x, int y) {
    int w = here.width / SIZE, h = here.height / SIZE, sum = 0;
    for (int k = 0; k < w * h; k++) {
        sum += frame[(here.y + y * h + k / w) * SCENE_W + here.x + x * w + k % w];
    }
    return (2 * sum + w * h) / (2 * w * h);
}

START_TEST(shrinking_averages_the_area) {
    static uint8_t patches[3 * PATCH];
    scene s = scene_default();
    drae__recipe_geometry g = scene_geometry(&s);
    g.fixture = (drae__fixture){.kind = DRAE__FIXTURE_NONE};
    const drae__frame_region wide[] = {{0, 0, {5, 9, 2 * SIZE, 3 * SIZE}},
                                       {0, 1, {100, 100, SIZE, 2 * SIZE}},
                                       {0, 2, {0, 0, 7 * SIZE, 5 * SIZE}}};
    g.regions = wide;
    g.n_regions = 3;
    fill_random(frame, sizeof frame, 3);
    cut_ok(&g, frame, patches);
    for (int i = 0; i < 3; i++) {
        here = wide[i].rect;
        bool exact = i == 1; /* halves are exact in float, sixths and thirty-fifths are not */
        expect_equal(patches + i * PATCH, SIZE, "mean", block_mean, exact ? 0 : 1);
    }
}
END_TEST

static int ramp(int x, int y) {
    double at_x = here.x + (x + 0.5) * here.width / SIZE - 0.5;
    double at_y = here.y + (y + 0.5) * here.height / SIZE - 0.5;
    return (int)lrint(20.0 + 0.3 * at_x + 0.2 * at_y);
}

START_TEST(any_size_keeps_a_ramp) {
    /* a plane is reproduced by interpolation and by averages alike, and shows any offset */
    static uint8_t patches[5 * PATCH];
    scene s = scene_default();
    drae__recipe_geometry g = scene_geometry(&s);
    g.fixture = (drae__fixture){.kind = DRAE__FIXTURE_NONE};
    const drae__frame_region odd[] = {{0, 0, {40, 30, 63, 65}},
                                      {0, 1, {41, 31, 100, 37}},
                                      {0, 2, {10, 10, 400, 300}},
                                      {0, 3, {50, 60, 20, 20}},
                                      {0, 4, {30, 20, 129, 64}}};
    g.regions = odd;
    g.n_regions = 5;
    for (int y = 0; y < SCENE_H; y++) {
        for (int x = 0; x < SCENE_W; x++) {
            frame[y * SCENE_W + x] = (uint8_t)lrint(20.0 + 0.3 * x + 0.2 * y);
        }
    }
    cut_ok(&g, frame, patches);
    for (int i = 0; i < 5; i++) {
        here = odd[i].rect;
        expect_equal(patches + i * PATCH, SIZE, "ramp", ramp, 1);
    }
}
END_TEST

START_TEST(large_patches_are_cut_in_blocks) {
    enum { LARGE = 1008 }; /* two blocks of unequal width */
    static uint8_t patch[LARGE * LARGE];
    scene s = scene_default();
    drae__recipe_geometry g = scene_geometry(&s);
    g.fixture = (drae__fixture){.kind = DRAE__FIXTURE_NONE};
    const drae__frame_region one[] = {{0, 0, {40, 30, 400, 300}}};
    g.regions = one;
    g.n_regions = 1;
    g.size = LARGE;
    for (int y = 0; y < SCENE_H; y++) {
        for (int x = 0; x < SCENE_W; x++) {
            frame[y * SCENE_W + x] = (uint8_t)lrint(20.0 + 0.3 * x + 0.2 * y);
        }
    }
    cut_ok(&g, frame, patch);
    for (int y = 0; y < LARGE; y++) {
        for (int x = 0; x < LARGE; x++) {
            double at_x = 40 + (x + 0.5) * 400 / LARGE - 0.5;
            double at_y = 30 + (y + 0.5) * 300 / LARGE - 0.5;
            double want = 20.0 + 0.3 * at_x + 0.2 * at_y;
            ck_assert_msg(fabs(patch[y * LARGE + x] - want) < 1.5, "(%d, %d): %d, expected %.2f", x,
                          y, patch[y * LARGE + x], want);
        }
    }
}
END_TEST

START_TEST(ignored_zones_read_128) {
    static uint8_t patches[4 * PATCH], plain[4 * PATCH];
    scene s = scene_default();
    drae__recipe_geometry g = scene_geometry(&s);
    const drae__frame_region both[] = {{0, 0, {100, 80, SIZE, SIZE}},
                                       {0, 1, {100, 80, 2 * SIZE, 2 * SIZE}}};
    const drae__rect zones[] = {
        {90, 100, 30, 12}, {150, 85, 1, 1}, {151, 89, 1, 1}, {300, 300, 20, 20}};
    g.regions = both;
    g.n_regions = 2;
    for (int moved = 0; moved < 2; moved++) { /* zones move with the part */
        scene_render(&s, 5.5 * moved, -3.25 * moved, 1.0 * moved, 1, frame);
        g.n_ignore = 0;
        cut_ok(&g, frame, plain);
        g.ignore = zones;
        g.n_ignore = 4;
        cut_ok(&g, frame, patches);
        for (int i = 0; i < 2; i++) {
            double scale = both[i].rect.width / (double)SIZE;
            for (int y = 0; y < SIZE; y++) {
                for (int x = 0; x < SIZE; x++) {
                    double at_x = 100 + (x + 0.5) * scale, at_y = 80 + (y + 0.5) * scale;
                    bool inside = (at_x >= 90 && at_x < 120 && at_y >= 100 && at_y < 112) ||
                                  (at_x >= 150 && at_x < 151 && at_y >= 85 && at_y < 86) ||
                                  (at_x >= 151 && at_x < 152 && at_y >= 89 && at_y < 90);
                    int want = inside ? 128 : plain[i * PATCH + y * SIZE + x];
                    ck_assert_msg(patches[i * PATCH + y * SIZE + x] == want,
                                  "region %d (%d, %d): %d, expected %d", i, x, y,
                                  patches[i * PATCH + y * SIZE + x], want);
                }
            }
        }
    }
}
END_TEST

START_TEST(a_region_out_of_view_is_no_part) {
    static uint8_t patches[4 * PATCH], before[4 * PATCH];
    scene s = scene_default();
    drae__recipe_geometry g = scene_geometry(&s);
    drae__frame_region at_border[] = {{0, 0, {100, 80, SIZE, SIZE}},
                                      {3, 2, {SCENE_W - SIZE - 5, 100, SIZE, SIZE}}};
    g.regions = at_border;
    g.n_regions = 2;
    drae__fixture_result seen;
    drae__err err = {""};
    scene_render(&s, 4.0, 0, 0, 1, frame);
    ck_assert_int_eq(cut(&g, frame, SCENE_W, patches, &seen, &err), DRAE_OK);
    ck_assert(seen.found);
    scene_render(&s, 9.0, 0, 0, 1, frame);
    memset(before, 0xa5, sizeof before);
    ck_assert_int_eq(cut(&g, frame, SCENE_W, patches, &seen, &err), DRAE_ERROR_NO_PART);
    ck_assert_msg(strstr(err.text, "vial 3 region 2 leaves the frame by 4.0 px") != NULL, "%s",
                  err.text);
    ck_assert(!seen.found && fabs(seen.shift_x - 9.0) < 0.05);
    ck_assert_mem_eq(patches, before, 2 * PATCH); /* untouched */
}
END_TEST

START_TEST(stride_and_neighbours_do_not_matter) {
    enum { STRIDE = SCENE_W + 37 };
    static uint8_t wide[STRIDE * SCENE_H], one[4 * PATCH], other[4 * PATCH];
    scene s = scene_default();
    drae__recipe_geometry g = scene_geometry(&s);
    scene_render(&s, 3.3, 2.2, -1.1, 1, frame);
    cut_ok(&g, frame, one);
    fill_random(wide, sizeof wide, 5);
    for (int y = 0; y < SCENE_H; y++) {
        memcpy(wide + y * STRIDE, frame + y * SCENE_W, SCENE_W);
    }
    drae__err err = {""};
    ck_assert_int_eq(cut(&g, wide, STRIDE, other, NULL, &err), DRAE_OK);
    ck_assert_mem_eq(one, other, sizeof one);
    memset(other, 0xa5, sizeof other);
    ck_assert_int_eq(cut(&g, frame, SCENE_W - 1, other, NULL, &err), DRAE_ERROR_ARGUMENT);
    ck_assert(strstr(err.text, "stride") != NULL);
}
END_TEST

START_TEST(threads_share_a_recipe) {
    enum { N = 8 };
    static uint8_t frames[N][SCENE_W * SCENE_H], serial[N][4 * PATCH], parallel[N][4 * PATCH];
    scene s = scene_default();
    drae__recipe_geometry g = scene_geometry(&s);
    drae__recipe *recipe = NULL;
    ck_assert_int_eq(drae__recipe_create(&g, &recipe, NULL), DRAE_OK);
    void *workspaces[2];
    for (int t = 0; t < 2; t++) {
        workspaces[t] = drae__aligned_alloc(drae__frame_workspace_bytes(recipe));
    }
    for (int i = 0; i < N; i++) {
        scene_render(&s, i - 3.3, 2.0 - 0.7 * i, 0.3 * i - 1.0, 1, frames[i]);
        drae__frame_cut(recipe, frames[i], SCENE_W, workspaces[0], serial[i], NULL, NULL);
    }
#pragma omp parallel for num_threads(2) schedule(static, 1)
    for (int i = 0; i < N; i++) {
        drae__frame_cut(recipe, frames[i], SCENE_W, workspaces[i % 2], parallel[i], NULL, NULL);
    }
    for (int i = 0; i < N; i++) {
        ck_assert_msg(memcmp(serial[i], parallel[i], sizeof serial[i]) == 0, "frame %d", i);
    }
    for (int t = 0; t < 2; t++) {
        free(workspaces[t]);
    }
    drae__recipe_destroy(recipe);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("frame_cut");
    TCase *tc = tcase_create("cut");
    tcase_add_test(tc, without_a_fixture_patches_are_copies);
    tcase_add_test(tc, an_unmoved_part_is_read_as_any_other);
    tcase_add_test(tc, a_part_moved_by_whole_pixels_gives_the_same_bytes);
    tcase_add_test(tc, noise_comes_out_alike_wherever_the_part_lies);
    tcase_add_test(tc, moved_parts_give_nearly_the_same_patches);
    tcase_add_test(tc, edges_cut_alike);
    tcase_add_test(tc, shrinking_averages_the_area);
    tcase_add_test(tc, any_size_keeps_a_ramp);
    tcase_add_test(tc, large_patches_are_cut_in_blocks);
    tcase_add_test(tc, ignored_zones_read_128);
    tcase_add_test(tc, a_region_out_of_view_is_no_part);
    tcase_add_test(tc, stride_and_neighbours_do_not_matter);
    tcase_add_test(tc, threads_share_a_recipe);
    suite_add_tcase(suite, tc);
    return drae_run_suite(suite);
}
