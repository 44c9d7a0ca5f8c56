/* SPDX-License-Identifier: Apache-2.0 */
/* Every way in which a recipe's geometry can be wrong is refused with the key that is wrong. */
#include "frame_scene.h"
#include "tests/run.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static drae__frame_region regions[4];
static drae__rect zones[2];

/* A good recipe whose regions and zones a case may spoil. */
static drae__recipe_geometry good(bool edges) {
    scene s = scene_default();
    drae__recipe_geometry g = edges ? scene_edge_geometry() : scene_geometry(&s);
    memcpy(regions, g.regions, sizeof regions);
    zones[0] = (drae__rect){10, 10, 5, 5};
    zones[1] = (drae__rect){0, 0, SCENE_W, SCENE_H};
    g.regions = regions;
    g.ignore = zones;
    g.n_ignore = 2;
    return g;
}

static void refuse(const drae__recipe_geometry *g, const char *words) {
    drae__recipe *recipe = NULL;
    drae__err err = {""};
    drae_status status = drae__recipe_create(g, &recipe, &err);
    ck_assert_msg(status == DRAE_ERROR_ARGUMENT && recipe == NULL, "status %d instead of '%s'",
                  status, words);
    ck_assert_msg(strstr(err.text, words) != NULL, "'%s' says nothing of '%s'", err.text, words);
}

static void accept(const drae__recipe_geometry *g) {
    drae__recipe *recipe = NULL;
    drae__err err = {""};
    ck_assert_msg(drae__recipe_create(g, &recipe, &err) == DRAE_OK, "%s", err.text);
    drae__recipe_destroy(recipe);
}

#define REFUSE(edges, spoil, words)                                                                \
    do {                                                                                           \
        drae__recipe_geometry g = good(edges);                                                     \
        spoil;                                                                                     \
        refuse(&g, words);                                                                         \
    } while (0)

START_TEST(good_ones_are_taken) {
    drae__recipe_geometry g = good(false);
    accept(&g);
    g = good(true);
    accept(&g);
    g.fixture.kind = DRAE__FIXTURE_NONE;
    g.fixture.search_px = -1; /* means nothing without a fixture */
    accept(&g);
    drae__recipe_destroy(NULL);
}
END_TEST

START_TEST(what_a_recipe_holds_is_a_copy) {
    drae__recipe_geometry g = good(false);
    drae__recipe *recipe = NULL;
    ck_assert_int_eq(drae__recipe_create(&g, &recipe, NULL), DRAE_OK);
    memset(regions, 0xff, sizeof regions);
    memset(zones, 0xff, sizeof zones);
    const drae__recipe_geometry *kept = drae__recipe_get(recipe);
    ck_assert(kept->n_regions == 4 && kept->regions[3].rect.x == 280 && kept->n_ignore == 2);
    ck_assert(kept->ignore[0].width == 5 && kept->regions != regions && kept->ignore != zones);
    drae__recipe_destroy(recipe);
}
END_TEST

START_TEST(frame_and_patch) {
    REFUSE(false, g.frame_width = 0, "frame.width: 0 is not in");
    REFUSE(false, g.frame_width = -5, "frame.width");
    REFUSE(false, g.frame_height = 20000, "frame.height: 20000");
    REFUSE(false, g.pitch_um = 0.0, "frame.pitch_um");
    REFUSE(false, g.pitch_um = -1.0, "frame.pitch_um");
    REFUSE(false, g.pitch_um = (double)NAN, "frame.pitch_um");
    REFUSE(false, g.pitch_um = (double)INFINITY, "frame.pitch_um");
    REFUSE(false, g.size = 0, "patch.size");
    REFUSE(false, g.size = 16, "patch.size: 16 is not in 32..1024");
    REFUSE(false, g.size = 72, "patch.size: 72 is not a multiple of 16");
    REFUSE(false, g.size = 1 << 30, "patch.size");
}
END_TEST

START_TEST(region_rectangles) {
    REFUSE(false, g.n_regions = 0, "regions: 0 entries");
    REFUSE(false, g.n_regions = 5000, "regions: 5000 entries");
    REFUSE(false, regions[2].vial = -1, "regions[2].vial: -1");
    REFUSE(false, regions[2].vial = 256, "regions[2].vial: 256");
    REFUSE(false, regions[1].region = 256, "regions[1].region: 256");
    REFUSE(false, regions[3].region = 0, "regions[3]: vial 1 region 0 was given before");
    REFUSE(false, regions[0].rect.x = -1, "regions[0]: x -1..62");
    REFUSE(false, regions[0].rect.x = SCENE_W - 63, "regions[0]: x 417..480");
    REFUSE(false, regions[0].rect.y = INT32_MAX, "regions[0]");
    REFUSE(false, regions[0].rect.width = INT32_MAX, "regions[0]");
    REFUSE(false, regions[0].rect.height = 0, "regions[0]: width 64 and height 0");
    REFUSE(false, regions[0].rect.width = INT32_MIN, "regions[0]");
    REFUSE(false, regions[0].rect.width = 3, "regions[0]: 3 x 64 pixels for a patch of 64");
    REFUSE(false, (g.size = 1024, regions[0].rect.width = 63), "regions[0]: 63 x 64 pixels");
}
END_TEST

START_TEST(ignored_zones) {
    REFUSE(false, g.n_ignore = 257, "ignore: 257 rectangles");
    REFUSE(false, zones[1].width++, "ignore[1]: x 0..480");
    REFUSE(false, zones[0].height = 0, "ignore[0]: width 5 and height 0");
}
END_TEST

START_TEST(fixture_numbers) {
    REFUSE(false, g.fixture.search_px = 0, "fixture.search_px: 0");
    REFUSE(false, g.fixture.search_px = 513, "fixture.search_px: 513");
    REFUSE(false, g.fixture.max_angle_deg = -0.1, "fixture.max_angle_deg");
    REFUSE(false, g.fixture.max_angle_deg = 11, "fixture.max_angle_deg: 11");
    REFUSE(false, g.fixture.max_angle_deg = (double)NAN, "fixture.max_angle_deg");
    REFUSE(false, g.fixture.min_score = 0.0, "fixture.min_score");
    REFUSE(false, g.fixture.min_score = 1.5, "fixture.min_score");
    REFUSE(false, g.fixture.min_score = (double)NAN, "fixture.min_score");
    REFUSE(false, g.fixture.kind = (drae__fixture_kind)7, "fixture.kind: 7");
}
END_TEST

START_TEST(templates) {
    static uint8_t flat[64 * 64], stripe[64 * 64], checks[64 * 64], frame_mark[64 * 64];
    memset(flat, 77, sizeof flat);
    memset(frame_mark, 200, sizeof frame_mark);
    for (int i = 0; i < 64 * 64; i++) {
        stripe[i] = (uint8_t)(i % SCENE_MARK < 15 ? 20 : 200);
        checks[i] = (uint8_t)((i % 64 + i / 64) % 2 == 0 ? 20 : 200);
        if (i % 64 < 4 || i % 64 >= 60 || i / 64 < 4 || i / 64 >= 60) {
            frame_mark[i] = 20;
        }
    }
    REFUSE(false, g.fixture.marks[0].width = 7, "fixture.marks[0].template: 7 x 33");
    REFUSE(false, g.fixture.marks[1].height = 0, "fixture.marks[1].template: 33 x 0");
    REFUSE(false, g.fixture.marks[1].height = 257, "fixture.marks[1].template: 33 x 257");
    REFUSE(false, g.fixture.marks[0].pixels = flat, "fixture.marks[0].template: flat");
    REFUSE(false, g.fixture.marks[1].pixels = stripe, "fixture.marks[1].template: a stripe");
    REFUSE(false, g.fixture.marks[0].x = 15.9, "fixture.marks[0]: 33 x 33 pixels around");
    REFUSE(false, g.fixture.marks[1].y = SCENE_H - 16.9, "fixture.marks[1]");
    REFUSE(false, g.fixture.marks[1].x = (double)NAN, "fixture.marks[1]");
    REFUSE(false, g.fixture.marks[0].y = (double)INFINITY, "fixture.marks[0]");
    REFUSE(false, (g.fixture.marks[1].x = 80, g.fixture.marks[1].y = 60), "fixture.marks");
    /* all of the contrast lies in the rim, which is lost when the mark is turned */
    REFUSE(false,
           (g.fixture.max_angle_deg = 10,
            g.fixture.marks[0] = (drae__fixture_mark){frame_mark, 64, 64, 100, 100}),
           "fixture.marks[0].template: its middle is too small or too flat");
    /* a pattern of single pixels cannot be averaged down, so a far search would take seconds */
    REFUSE(false,
           (g.fixture.search_px = 200,
            g.fixture.marks[0] = (drae__fixture_mark){checks, 64, 64, 100, 100}),
           "fixture.search_px: 200 is too far");
}
END_TEST

START_TEST(edge_windows) {
    REFUSE(true, (g.fixture.edges[0].horizontal = false, g.fixture.edges[2].horizontal = false),
           "fixture.edges: all run vertical");
    REFUSE(true, g.fixture.edges[1].horizontal = true, "fixture.edges: all run horizontal");
    REFUSE(true, g.fixture.edges[2].x = g.fixture.edges[0].x + 31, "fixture.edges: 31 px apart");
    REFUSE(true, g.fixture.edges[1].length = 7, "fixture.edges[1].length: 7");
    REFUSE(true, g.fixture.edges[1].length = 1025, "fixture.edges[1].length: 1025");
    REFUSE(true, (g.fixture.max_angle_deg = 10, g.fixture.edges[1].length = 100),
           "fixture.edges[1].length: 100 is too long");
    REFUSE(true, g.fixture.edges[1].polarity = 2, "fixture.edges[1].polarity");
    REFUSE(true, g.fixture.edges[0].x = 20, "fixture.edges[0]: 60 x 1 pixels");
    REFUSE(true, g.fixture.edges[1].y = (double)NAN, "fixture.edges[1]");
}
END_TEST

int main(void) {
    Suite *suite = suite_create("frame_check");
    TCase *tc = tcase_create("check");
    tcase_add_test(tc, good_ones_are_taken);
    tcase_add_test(tc, what_a_recipe_holds_is_a_copy);
    tcase_add_test(tc, frame_and_patch);
    tcase_add_test(tc, region_rectangles);
    tcase_add_test(tc, ignored_zones);
    tcase_add_test(tc, fixture_numbers);
    tcase_add_test(tc, templates);
    tcase_add_test(tc, edge_windows);
    suite_add_tcase(suite, tc);
    return drae_run_suite(suite);
}
