/* SPDX-License-Identifier: Apache-2.0 */
/* Recipe files: a good one of each kind, and every way to be bad, each refused in one line that
 * names the file and the key. */
#include "io/image.h"
#include "io/recipe.h"
#include "support.h"
#include "tests/run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MARK = 24 };

static const char good_marks[] =
    "format: 1\n"
    "frame: {width: 320, height: 240, pitch_um: 25.0}\n"
    "fixture: {kind: marks, search_px: 20, max_angle_deg: 2.5, min_score: 0.7,\n"
    "          marks: [{template: mark-a.png, x: 30, y: 40.5},\n"
    "                  {template: mark-b.png, x: 280, y: 200}]}\n"
    "patch: {size: 64}\n"
    "regions: [{vial: 0, region: 0, x: 50, y: 60, width: 64, height: 64},\n"
    "          {vial: 0, region: 1, x: 120, y: 60, width: 100, height: 64}]\n"
    "ignore: [{x: 60, y: 70, width: 5, height: 6}]\n";

static const char good_edges[] =
    "format: 1\n"
    "frame: {width: 320, height: 240, pitch_um: 25}\n"
    "fixture:\n"
    "  kind: edges\n"
    "  search_px: 15\n"
    "  max_angle_deg: 2\n"
    "  min_score: 0.6\n"
    "  edges:\n"
    "    - {runs: horizontal, x: 80, y: 30, length: 40, polarity: rising}\n"
    "    - {runs: horizontal, x: 240, y: 30, length: 40, polarity: falling}\n"
    "    - {runs: vertical, x: 25.5, y: 120, length: 40}\n"
    "patch: {size: 64}\n"
    "regions:\n"
    "  - {vial: 0, region: 0, x: 50, y: 60, width: 64, height: 64}\n";

static const char good_none[] = "# nothing to find\n"
                                "format: 1\n"
                                "frame: {width: 320, height: 240, pitch_um: 25}\n"
                                "fixture: {kind: none}\n"
                                "patch: {size: 64}\n"
                                "regions:\n"
                                "  - {vial: 0, region: 0, x: 50, y: 60, width: 64, height: 64}\n"
                                "ignore: []\n";

static uint8_t mark_pixel(int k, int x, int y) {
    return (uint8_t)((x / 5 + y / 7 + k) % 2 == 0 ? 40 + 3 * k : 200 - x);
}

static void write_mark(const char *name, int k, int width, int height) {
    uint8_t *pixels = malloc((size_t)width * (size_t)height);
    for (int i = 0; i < width * height; i++) {
        pixels[i] = mark_pixel(k, i % width, i / width);
    }
    drae__err err = {""};
    ck_ok(drae__png_write_gray(scratch(name), pixels, width, height, width, &err), &err);
    free(pixels);
}

static const char *write_recipe(const char *text) {
    static bool marks_written;
    if (!marks_written) {
        write_mark("mark-a.png", 0, MARK, MARK);
        write_mark("mark-b.png", 1, MARK, MARK + 2);
        marks_written = true;
    }
    const char *path = scratch("recipe.yaml");
    write_bytes(path, text, strlen(text));
    return path;
}

START_TEST(marks_are_read) {
    drae__err err = {""};
    drae__recipe *recipe = NULL;
    ck_ok(drae__recipe_load(write_recipe(good_marks), &recipe, &err), &err);
    const drae__recipe_geometry *g = drae__recipe_get(recipe);
    ck_assert(g->frame_width == 320 && g->frame_height == 240 && g->pitch_um == 25.0);
    ck_assert(g->size == 64 && g->fixture.kind == DRAE__FIXTURE_MARKS);
    ck_assert(g->fixture.search_px == 20 && g->fixture.max_angle_deg == 2.5);
    ck_assert(g->fixture.min_score == 0.7);
    ck_assert(g->fixture.marks[0].x == 30.0 && g->fixture.marks[0].y == 40.5);
    ck_assert(g->fixture.marks[1].height == MARK + 2);
    ck_assert(g->n_regions == 2 && g->regions[1].region == 1 && g->regions[1].rect.width == 100);
    ck_assert(g->regions[0].vial == 0 && g->regions[0].rect.y == 60);
    ck_assert(g->n_ignore == 1 && g->ignore[0].x == 60 && g->ignore[0].height == 6);

    /* the templates are those in the files: a frame made of them is found */
    static uint8_t frame[320 * 240];
    for (int i = 0; i < 320 * 240; i++) {
        frame[i] = (uint8_t)(100 + (i % 320) / 8);
    }
    for (int y = 0; y < MARK + 2; y++) {
        for (int x = 0; x < MARK; x++) {
            if (y < MARK) { /* centre (30, 40.5) of 24 x 24: from (18.5, 29); here 3 px lower */
                frame[(32 + y) * 320 + 19 + x] = mark_pixel(0, x, y);
            }
            frame[(188 + 3 + y) * 320 + 269 + x] = mark_pixel(1, x, y);
        }
    }
    void *workspace = malloc(drae__frame_workspace_bytes(recipe));
    drae__fixture_result seen;
    ck_ok(drae__frame_locate(recipe, frame, 320, workspace, &seen, &err), &err);
    ck_assert_msg(
        seen.shift_y > 2.5 && seen.shift_y < 3.5 && seen.score[0] > 0.99 && seen.score[1] > 0.99,
        "shift (%g, %g) scores %g %g", seen.shift_x, seen.shift_y, seen.score[0], seen.score[1]);
    free(workspace);
    drae__recipe_destroy(recipe);
}
END_TEST

START_TEST(edges_are_read) {
    drae__err err = {""};
    drae__recipe *recipe = NULL;
    ck_ok(drae__recipe_load(write_recipe(good_edges), &recipe, &err), &err);
    const drae__fixture *f = &drae__recipe_get(recipe)->fixture;
    ck_assert(f->kind == DRAE__FIXTURE_EDGES && f->search_px == 15);
    ck_assert(f->edges[0].horizontal && f->edges[1].horizontal && !f->edges[2].horizontal);
    ck_assert(f->edges[0].polarity == 1 && f->edges[1].polarity == -1 && f->edges[2].polarity == 0);
    ck_assert(f->edges[2].x == 25.5 && f->edges[2].y == 120.0 && f->edges[2].length == 40);
    ck_assert_uint_eq(drae__recipe_get(recipe)->n_ignore, 0);
    drae__recipe_destroy(recipe);
}
END_TEST

START_TEST(no_fixture_is_read) {
    drae__err err = {""};
    drae__recipe *recipe = NULL;
    ck_ok(drae__recipe_load(write_recipe(good_none), &recipe, &err), &err);
    ck_assert_int_eq(drae__recipe_get(recipe)->fixture.kind, DRAE__FIXTURE_NONE);
    drae__recipe_destroy(recipe);
}
END_TEST

/* ---- bad ones ---- */

/* text with the first `from` replaced by `to` */
static const char *spoil(const char *text, const char *from, const char *to) {
    static char spoilt[8192];
    const char *at = strstr(text, from);
    ck_assert_msg(at != NULL, "no '%s' in the recipe", from);
    snprintf(spoilt, sizeof spoilt, "%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
    return spoilt;
}

static void refuse(const char *text, const char *words) {
    drae__err err = {""};
    drae__recipe *recipe = NULL;
    const char *path = write_recipe(text);
    drae_status status = drae__recipe_load(path, &recipe, &err);
    ck_assert_msg(status == DRAE_ERROR_FILE && recipe == NULL, "status %d, expected '%s'; %s\n%s",
                  status, words, err.text, text);
    ck_assert_msg(strstr(err.text, words) != NULL, "'%s' says nothing of '%s'", err.text, words);
    ck_assert_msg(strstr(err.text, "recipe.yaml") != NULL, "'%s' does not name the file", err.text);
    ck_assert_msg(strchr(err.text, '\n') == NULL, "'%s' has two lines", err.text);
}

START_TEST(every_bad_key_is_named) {
    static const struct {
        const char *base, *from, *to, *words;
    } cases[] = {
        /* the grammar */
        {good_none, "format: 1", "", "format"},
        {good_none, "format: 1", "format: 2", "format: 2 is unknown, this version reads 1"},
        {good_none, "format: 1", "format: one", "format"},
        {good_none, "format: 1", "format: 1\nlens: 5", "lens"},
        {good_none, "pitch_um: 25", "pitch_um: 25, lens: 5", "lens"},
        {good_none, "pitch_um: 25", "pitch_um: [25]", "pitch_um"},
        {good_none, "width: 320", "width: 320.5", "width"},
        {good_none, "width: 320", "width: 99999999999", "width"},
        {good_none, "width: 320", "width: 320x", "width"},
        {good_none, "width: 320", "width: ''", "width"},
        {good_none, "width: 320, ", "", "width"},
        {good_none, "patch: {size: 64}", "patch: 64", "patch"},
        {good_none, "kind: none", "kind: circles", "circles"},
        {good_none, "kind: none", "kind: 1", "kind"},
        {good_none, "kind: none", "kind: 0", "kind"},
        {good_none, "  - {vial: 0", "  - {vial: zero", "vial"},
        {good_none, "regions:\n", "regions: {}\nx:\n", "regions"},
        {good_none, "ignore: []", "ignore: [1]", "Expecting MAPPING"},
        {good_none, "ignore: []", "ignore: [{x: 1, y: 1, width: 1}]", "height"},
        {good_none, "ignore: []", "ignore: [", "recipe.yaml"},
        {good_none, "ignore: []", "\t\x01", "recipe.yaml"},
        {good_none, "{kind: none}", "{kind: &a none, search_px: *a}", "alias"},
        /* keys of the wrong kind of fixture */
        {good_none, "kind: none", "kind: none, min_score: 0.5", "fixture.min_score means nothing"},
        {good_none, "kind: none", "kind: marks", "fixture.search_px is missing for kind: marks"},
        {good_marks, "search_px: 20, ", "", "fixture.search_px is missing"},
        {good_marks, "kind: marks", "kind: edges", "fixture.marks means nothing for kind: edges"},
        {good_edges, "kind: edges", "kind: marks", "fixture.marks is missing for kind: marks"},
        /* numbers and rectangles: line/ has the whole list */
        {good_marks, "pitch_um: 25.0", "pitch_um: nan", "frame.pitch_um"},
        {good_marks, "pitch_um: 25.0", "pitch_um: -3", "frame.pitch_um"},
        {good_marks, "pitch_um: 25.0", "pitch_um: inf", "frame.pitch_um"},
        {good_marks, "pitch_um: 25.0", "pitch_um: 1e999", "pitch_um"},
        {good_marks, "max_angle_deg: 2.5", "max_angle_deg: nan", "fixture.max_angle_deg"},
        {good_marks, "min_score: 0.7", "min_score: 7", "fixture.min_score: 7"},
        {good_marks, "search_px: 20", "search_px: 0", "fixture.search_px: 0"},
        {good_marks, "x: 30,", "x: nan,", "fixture.marks[0]"},
        {good_marks, "x: 30,", "x: 3,", "fixture.marks[0]: 24 x 24 pixels around (3, 40.5)"},
        {good_marks, "size: 64", "size: 60", "patch.size: 60"},
        {good_marks, "width: 320", "width: 0", "frame.width: 0"},
        {good_marks, "x: 120, y: 60, width: 100", "x: 280, y: 60, width: 100", "regions[1]: x 280"},
        {good_marks, "vial: 0, region: 1", "vial: 0, region: 0", "given before"},
        {good_marks, "ignore: [{x: 60", "ignore: [{x: -60", "ignore[0]"},
        {good_edges, "runs: vertical", "runs: horizontal", "fixture.edges: all run horizontal"},
        {good_edges, "runs: vertical", "runs: down", "down"},
        {good_edges, "polarity: rising", "polarity: up", "up"},
        {good_edges, "length: 40}\npatch", "length: 4}\npatch", "fixture.edges[2].length: 4"},
        {good_edges, "    - {runs: vertical, x: 25.5, y: 120, length: 40}\n", "",
         "fixture.edges: 2 entries, must be 3"},
        {good_marks, "marks: [", "marks: [{template: a.png, x: 1, y: 1}, ",
         "fixture.marks: 3 entries, must be 2"},
        {good_marks, "ignore: [{", "ignore: []\nlens: [{", "lens"},
        /* templates */
        {good_marks, "mark-b.png", "absent.png", "fixture.marks[1].template"},
        {good_marks, "mark-b.png", "recipe.yaml", "fixture.marks[1].template"},
        {good_marks, "mark-b.png", "../mark-b.png", "names a folder"},
        {good_marks, "mark-b.png", "/etc/hostname", "names a folder"},
        {good_marks, "mark-b.png", "''", "template"},
        {good_marks, "mark-b.png", "flat.png", "fixture.marks[1].template: flat"},
        {good_marks, "mark-b.png", "large.png", "has 300 x 40 pixels, at most 256 x 256"},
        {good_marks, "mark-b.png", "tiny.png", "fixture.marks[1].template: 7 x 7"},
        {good_marks, "mark-b.png", ".", "fixture.marks[1].template"}};
    static uint8_t gray[40 * 40];
    drae__err err = {""};
    memset(gray, 90, sizeof gray);
    ck_ok(drae__png_write_gray(scratch("flat.png"), gray, 40, 40, 40, &err), &err);
    write_mark("large.png", 0, 300, 40);
    write_mark("tiny.png", 0, 7, 7);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        refuse(spoil(cases[i].base, cases[i].from, cases[i].to), cases[i].words);
    }
}
END_TEST

START_TEST(bad_files_are_refused) {
    drae__err err = {""};
    drae__recipe *recipe = NULL;
    refuse("", "recipe.yaml");
    refuse("# nothing\n", "recipe.yaml");
    refuse("just a word", "recipe.yaml");
    refuse("[1, 2]", "recipe.yaml");
    ck_refused(drae__recipe_load(scratch("absent.yaml"), &recipe, &err), DRAE_ERROR_FILE,
               "absent.yaml", &err);
    ck_refused(drae__recipe_load(scratch(""), &recipe, &err), DRAE_ERROR_FILE, "", &err);
    ck_assert_ptr_null(recipe);

    enum { N = 100000 }; /* a mountain of brackets, and one of keys */
    char *text = malloc(2 * N + 1);
    memset(text, '[', N);
    text[N] = '\0';
    refuse(text, "recipe.yaml");
    for (int i = 0; i < N; i++) {
        memcpy(text + 2 * i, "?\n", 2);
    }
    text[2 * N] = '\0';
    refuse(text, "recipe.yaml");
    free(text);
}
END_TEST

START_TEST(a_key_given_twice_is_refused) {
    static const struct {
        const char *from, *to, *words;
    } cases[] = {
        {"patch: {size: 64}\n", "patch: {size: 64}\npatch: {size: 96}\n",
         "recipe.yaml:7: the key \"patch\" stands twice, first on line 6"},
        {"search_px: 20,", "search_px: 20, search_px: 20,",
         "recipe.yaml:3: the key \"search_px\" stands twice, first on line 3"},
        {"mark-b.png, x: 280", "mark-b.png, x: 280, \"x\": 281", "recipe.yaml:5: the key \"x\""},
        {"ignore: [{x: 60,", "ignore: [{x: 60,\n x: 60,", "recipe.yaml:10: the key \"x\""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        refuse(spoil(good_marks, cases[i].from, cases[i].to), cases[i].words);
    }
}
END_TEST

/* The same key in mappings beside each other is no repetition; a hostile file ends soon. */
START_TEST(deep_and_wide_files_are_refused) {
    enum { N = 100000 };
    char *text = malloc(16 * N);
    memset(text, '[', 200);
    text[200] = '\0';
    refuse(text, "nested too deep");
    size_t n = 0;
    for (int i = 0; i < N; i++) {
        n += (size_t)snprintf(text + n, 16, "k%d: 1\n", i);
    }
    refuse(text, "too many keys");
    free(text);
}
END_TEST

START_TEST(truncated_recipes_are_refused_or_whole) {
    for (size_t n = 0; n < sizeof good_marks; n += 3) {
        char text[sizeof good_marks];
        drae__err err = {""};
        drae__recipe *recipe = NULL;
        memcpy(text, good_marks, n);
        text[n] = '\0';
        drae_status status = drae__recipe_load(write_recipe(text), &recipe, &err);
        ck_assert_msg(status == DRAE_ERROR_FILE || (status == DRAE_OK && recipe != NULL),
                      "%zu bytes: status %d %s", n, status, err.text);
        drae__recipe_destroy(recipe);
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("recipe");
    TCase *tc = tcase_create("recipe");
    tcase_add_test(tc, marks_are_read);
    tcase_add_test(tc, edges_are_read);
    tcase_add_test(tc, no_fixture_is_read);
    tcase_add_test(tc, every_bad_key_is_named);
    tcase_add_test(tc, bad_files_are_refused);
    tcase_add_test(tc, a_key_given_twice_is_refused);
    tcase_add_test(tc, deep_and_wide_files_are_refused);
    tcase_add_test(tc, truncated_recipes_are_refused_or_whole);
    suite_add_tcase(suite, tc);
    return drae_run_suite(suite);
}
