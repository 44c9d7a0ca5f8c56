/* SPDX-License-Identifier: Apache-2.0 */
/* Overlays and contact sheets: nothing outside the picture, every size, and what must be seen. */
#include "io/canvas.h"
#include "io/marks.h"
#include "io/report_pictures.h"
#include "tests/run.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { GUARD = 4096, FRESH = 0x5a };

typedef struct guarded {
    uint8_t *block;
    uint8_t *rgb;
    size_t n;
} guarded;

static guarded guarded_make(int width, int height) {
    guarded g = {.n = (size_t)width * (size_t)height * 3};
    g.block = malloc(g.n + 2 * GUARD);
    ck_assert_ptr_nonnull(g.block);
    memset(g.block, FRESH, g.n + 2 * GUARD);
    g.rgb = g.block + GUARD;
    return g;
}

static void guarded_check(guarded *g) {
    for (size_t i = 0; i < GUARD; i++) {
        ck_assert_msg(g->block[i] == FRESH, "byte -%zu was written", GUARD - i);
        ck_assert_msg(g->rgb[g->n + i] == FRESH, "byte %zu past the end was written", i);
    }
    free(g->block);
}

static bool is_red(const uint8_t *p) {
    return p[0] > 200 && p[1] < 100 && p[2] < 100;
}

static size_t count_red(const uint8_t *rgb, size_t n) {
    size_t red = 0;
    for (size_t i = 0; i + 2 < n; i += 3) {
        red += is_red(rgb + i) ? 1 : 0;
    }
    return red;
}

/* ---- canvas ---- */

START_TEST(fill_clips_at_every_side) {
    enum { W = 13, H = 9 };
    static const int boxes[][4] = {{2, 3, 4, 5},     {-3, -2, 6, 5},      {10, 6, 50, 50},
                                   {-5, -5, 99, 99}, {13, 0, 5, 5},       {0, 9, 5, 5},
                                   {-9, 0, 9, 9},    {3, 3, 0, 4},        {3, 3, -4, 4},
                                   {0, 0, W, H},     {W - 1, H - 1, 1, 1}};
    for (size_t b = 0; b < sizeof boxes / sizeof boxes[0]; b++) {
        const int *box = boxes[b];
        guarded g = guarded_make(W, H);
        drae__canvas canvas = {g.rgb, W, H};
        drae__canvas_fill(&canvas, box[0], box[1], box[2], box[3], (drae__color){1, 2, 3});
        for (int y = 0; y < H; y++) {
            for (int x = 0; x < W; x++) {
                bool in = x >= box[0] && x < box[0] + box[2] && y >= box[1] && y < box[1] + box[3];
                const uint8_t *p = g.rgb + (y * W + x) * 3;
                const uint8_t expected[3] = {in ? 1 : FRESH, in ? 2 : FRESH, in ? 3 : FRESH};
                ck_assert_msg(memcmp(p, expected, 3) == 0, "box %zu pixel %d,%d", b, x, y);
            }
        }
        guarded_check(&g);
    }
}
END_TEST

START_TEST(everything_clips) {
    enum { W = 40, H = 30 };
    static uint8_t gray[64 * 64];
    static uint8_t heat[64 * 64];
    memset(heat, 255, sizeof heat);
    for (int y = -80; y < 60; y += 13) {
        for (int x = -80; x < 60; x += 13) {
            guarded g = guarded_make(W, H);
            drae__canvas canvas = {g.rgb, W, H};
            drae__canvas_frame(&canvas, x, y, 50, 50, 3, (drae__color){9, 9, 9});
            drae__canvas_hatch(&canvas, x, y, 64, 64, (drae__color){0}, (drae__color){9, 9, 9});
            drae__canvas_gray(&canvas, x, y, 64, gray, 64);
            drae__canvas_heat(&canvas, x, y, 64, heat, 64);
            drae__canvas_blend(&canvas, x, y, 64, gray, heat, 64);
            drae__canvas_bar(&canvas, x, y, 10, 64);
            drae__canvas_text(&canvas, x, y, 2, (drae__color){9, 9, 9}, "REJECT");
            guarded_check(&g);
        }
    }
}
END_TEST

START_TEST(text_fits) {
    char line[32];
    drae__text_fit(1, 60, "0123456789", line, sizeof line);
    ck_assert_str_eq(line, "0123456789");
    drae__text_fit(1, 59, "0123456789", line, sizeof line);
    ck_assert_str_eq(line, "0123456..");
    drae__text_fit(2, 60, "0123456789", line, sizeof line);
    ck_assert_str_eq(line, "012..");
    drae__text_fit(1, 1000, "0123456789", line, 4);
    ck_assert_str_eq(line, "0..");
    drae__text_fit(1, 6, "0123456789", line, sizeof line);
    ck_assert_str_eq(line, "0");
    drae__text_fit(1, 0, "0123456789", line, sizeof line);
    ck_assert_str_eq(line, "");
    drae__text_fit(1, -5, "0123456789", line, sizeof line);
    ck_assert_str_eq(line, "");
    strcpy(line, "in place, too long");
    drae__text_fit(1, 48, line, line, sizeof line);
    ck_assert_str_eq(line, "in pla..");
    ck_assert_int_eq(drae__text_width(2, "abc"), 36);
}
END_TEST

START_TEST(gray_is_repeated_and_reduced) {
    const uint8_t gray[4] = {10, 20, 30, 40};
    uint8_t rgb[6 * 6 * 3];
    drae__canvas canvas = {rgb, 6, 6};
    drae__canvas_gray(&canvas, 0, 0, 6, gray, 2);
    for (int y = 0; y < 6; y++) {
        for (int x = 0; x < 6; x++) {
            ck_assert_uint_eq(rgb[(y * 6 + x) * 3 + 1], gray[y / 3 * 2 + x / 3]);
        }
    }
    uint8_t big[16];
    for (int i = 0; i < 16; i++) {
        big[i] = (uint8_t)(i * 10);
    }
    canvas = (drae__canvas){rgb, 2, 2};
    drae__canvas_gray(&canvas, 0, 0, 2, big, 4);
    ck_assert_uint_eq(rgb[0], 25);      /* (0 + 10 + 40 + 50) / 4 */
    ck_assert_uint_eq(rgb[3 * 3], 125); /* (100 + 110 + 140 + 150) / 4 */
}
END_TEST

START_TEST(a_single_hot_pixel_survives_reduction) {
    static uint8_t gray[1024 * 1024];
    static uint8_t heat[1024 * 1024];
    memset(gray, 100, sizeof gray);
    static uint8_t rgb[341 * 341 * 3];
    const int hot[] = {0, 1023, 512 * 1024 + 513, 1024 * 1024 - 1, 700 * 1024 + 2};
    for (size_t i = 0; i < sizeof hot / sizeof hot[0]; i++) {
        memset(heat, 0, sizeof heat);
        heat[hot[i]] = 255;
        drae__canvas canvas = {rgb, 341, 341};
        drae__canvas_blend(&canvas, 0, 0, 341, gray, heat, 1024);
        size_t changed = 0;
        for (size_t k = 0; k < 341 * 341; k++) {
            const uint8_t *p = rgb + k * 3;
            changed += p[0] != 100 || p[1] != 100 || p[2] != 100 ? 1 : 0;
        }
        ck_assert_msg(changed >= 1 && changed <= 4, "hot pixel %zu: %zu changed", i, changed);
    }
}
END_TEST

START_TEST(blend_leaves_what_is_normal_alone) {
    uint8_t gray[256];
    uint8_t heat[256];
    uint8_t rgb[256 * 3];
    for (int i = 0; i < 256; i++) {
        gray[i] = 77;
        heat[i] = (uint8_t)i;
    }
    drae__canvas canvas = {rgb, 16, 16};
    drae__canvas_blend(&canvas, 0, 0, 16, gray, heat, 16);
    for (int i = 0; i < 256; i++) {
        bool plain = rgb[i * 3] == 77 && rgb[i * 3 + 1] == 77 && rgb[i * 3 + 2] == 77;
        ck_assert_msg(i <= 127 ? plain : i < 135 || !plain, "heat %d", i);
    }
}
END_TEST

/* ---- marks ---- */

START_TEST(the_peak_is_the_largest_number) {
    enum { N = 5 };
    float map[N * N];
    for (int at = 0; at < N * N; at++) {
        for (int i = 0; i < N * N; i++) {
            map[i] = i == at ? -1.0f : i % 2 == 0 ? NAN : -2.0f;
        }
        drae__spot peak = drae__map_peak(map, N);
        ck_assert_msg(peak.x == at % N && peak.y == at / N, "at %d: %d, %d", at, peak.x, peak.y);
    }
    for (int i = 0; i < N * N; i++) {
        map[i] = 3.0f;
    }
    ck_assert_int_eq(drae__map_peak(map, N).x, 0);
    ck_assert_int_eq(drae__map_peak(map, N).y, 0);
    for (int i = 0; i < N * N; i++) {
        map[i] = NAN;
    }
    ck_assert_int_lt(drae__map_peak(map, N).x, 0);
}
END_TEST

/* A ring of one size round the right place, its middle and what is outside of the square left. */
START_TEST(a_ring_surrounds_its_place) {
    enum { W = 300, LEFT = 7, UP = 11, REACH = DRAE__RING_RADIUS + 4 };
    static const int shapes[][2] = {{96, 192}, {256, 256}, {1024, 256}};
    static uint8_t rgb[W * W * 3];
    for (size_t s = 0; s < sizeof shapes / sizeof shapes[0]; s++) {
        int size = shapes[s][0];
        int side = shapes[s][1];
        const int places[] = {0, size / 3, size - 1};
        for (int k = 0; k < 9; k++) {
            drae__spot spot = {places[k % 3], places[k / 3]};
            int cx = LEFT + (2 * spot.x + 1) * side / (2 * size);
            int cy = UP + (2 * spot.y + 1) * side / (2 * size);
            drae__canvas canvas = {rgb, W, W};
            int white = 0;
            int wrong = 0;
            memset(rgb, FRESH, sizeof rgb);
            drae__canvas_ring(&canvas, LEFT, UP, side, spot, size);
            for (int i = 0; i < W * W; i++) {
                int x = i % W, y = i / W;
                const uint8_t *p = rgb + (size_t)i * 3;
                int far = (x - cx) * (x - cx) + (y - cy) * (y - cy);
                bool in = x >= LEFT && y >= UP && x < LEFT + side && y < UP + side;
                bool near_ring =
                    far < REACH * REACH && far > (DRAE__RING_RADIUS - 4) * (DRAE__RING_RADIUS - 4);
                wrong += p[0] == FRESH || (in && near_ring) ? 0 : 1;
                white += p[0] == 255 ? 1 : 0;
            }
            ck_assert_msg(wrong == 0, "shape %zu, place %d: %d pixels off the ring", s, k, wrong);
            bool corner = k % 3 != 1 || k / 3 != 1;
            ck_assert_int_gt(white, corner ? 30 : 150);
        }
        memset(rgb, FRESH, sizeof rgb);
        drae__canvas canvas = {rgb, W, W};
        drae__canvas_ring(&canvas, LEFT, UP, side, DRAE__NO_SPOT, size);
        for (size_t i = 0; i < sizeof rgb; i++) {
            if (rgb[i] != FRESH) {
                ck_abort_msg("byte %zu was drawn without a spot", i);
            }
        }
    }
}
END_TEST

/* One pixel of a mask, anywhere, at any reduction: outlined, and itself not covered. */
START_TEST(an_outline_surrounds_its_mask) {
    enum { W = 300, LEFT = 5, UP = 9 };
    static const int shapes[][2] = {{96, 192}, {256, 256}, {1000, 250}};
    static uint8_t mask[1000 * 1000];
    static uint8_t rgb[W * W * 3];
    for (size_t s = 0; s < sizeof shapes / sizeof shapes[0]; s++) {
        int size = shapes[s][0];
        int side = shapes[s][1];
        const int places[] = {0, size / 2 + 1, size - 1};
        for (int k = 0; k < 10; k++) {
            int u = places[k % 3], v = places[k / 3 % 3];
            int cx = LEFT + u * side / size;
            int cy = UP + v * side / size;
            drae__canvas canvas = {rgb, W, W};
            int drawn = 0;
            int covered = 0;
            int wrong = 0;
            memset(mask, 0, sizeof mask);
            mask[v * size + u] = k < 9 ? 1 : 0; /* the tenth is empty */
            memset(rgb, FRESH, sizeof rgb);
            drae__canvas_outline(&canvas, LEFT, UP, side, mask, size);
            for (int i = 0; i < W * W; i++) {
                int x = i % W, y = i / W;
                int dx = abs(x - cx), dy = abs(y - cy);
                bool in = x >= LEFT && y >= UP && x < LEFT + side && y < UP + side;
                bool changed = rgb[(size_t)i * 3] != FRESH;
                covered += changed && dx <= 1 && dy <= 1 ? 1 : 0;
                wrong += changed && (!in || dx > 6 || dy > 6) ? 1 : 0;
                drawn += changed ? 1 : 0;
            }
            ck_assert_msg(wrong == 0, "shape %zu, %d: %d pixels astray", s, k, wrong);
            ck_assert_msg(covered == 0, "shape %zu, %d: the defect is covered", s, k);
            ck_assert_msg(k < 9 ? drawn >= 8 : drawn == 0, "shape %zu, %d: %d drawn", s, k, drawn);
        }
    }
}
END_TEST

/* ---- overlay ---- */

START_TEST(overlay_of_every_size) {
    static const int sizes[] = {1, 2, 16, 32, 96, 191, 192, 193, 256, 384, 385, 1024};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        int size = sizes[i];
        size_t n = (size_t)size * (size_t)size;
        uint8_t *image = calloc(n, 1);
        ck_assert_ptr_nonnull(image);
        int width = 0;
        int height = 0;
        drae__overlay_extent(size, &width, &height);
        ck_assert_int_le(width, 1400);
        guarded g = guarded_make(width, height);
        drae__overlay overlay = {.size = size,
                                 .patch = image,
                                 .heat = image,
                                 .heat_fixed = image,
                                 .mask = i % 2 == 0 ? image : NULL,
                                 .peak = {size - 1, size / 2},
                                 .anchor = 0.1f,
                                 .score = 0.5f,
                                 .threshold = 0.25f,
                                 .mark = DRAE__MARK_REJECT,
                                 .region = "R2 liquid body",
                                 .detail = "a detail that is much longer than a small picture is "
                                           "wide, and goes on, and on, and on, and on, and on, and "
                                           "on, and on, and on, and on, and on, and on",
                                 .truth = "label: defective",
                                 .label = 1};
        drae__overlay_draw(&overlay, g.rgb);
        ck_assert_uint_gt(count_red(g.rgb, g.n), (size_t)width * 20);
        guarded_check(&g);
        free(image);
    }
}
END_TEST

START_TEST(overlay_colours_say_the_verdict) {
    static uint8_t image[256 * 256];
    const float scores[] = {0.01f, 0.5f, NAN, INFINITY, -1.0f, 0.5f};
    const float thresholds[] = {0.25f, 0.25f, 0.25f, 0.25f, 0.25f, NAN};
    const drae__mark marks[] = {DRAE__MARK_GOOD,      DRAE__MARK_REJECT, DRAE__MARK_NO_RESULT,
                                DRAE__MARK_NO_RESULT, DRAE__MARK_GOOD,   DRAE__MARK_OPEN};
    int width = 0;
    int height = 0;
    drae__overlay_extent(256, &width, &height);
    for (size_t i = 0; i < 6; i++) {
        guarded g = guarded_make(width, height);
        drae__overlay overlay = {.size = 256,
                                 .patch = image,
                                 .heat = image,
                                 .heat_fixed = image,
                                 .anchor = 0.1f,
                                 .kind = i % 2 == 0 ? "z" : "phi",
                                 .on_z = i % 2 == 0,
                                 .score = scores[i],
                                 .threshold = thresholds[i],
                                 .mark = marks[i],
                                 .region = "region 0",
                                 .detail = "patch 0",
                                 .truth = "",
                                 .label = -1};
        drae__overlay_draw(&overlay, g.rgb);
        bool rejected = marks[i] == DRAE__MARK_REJECT || marks[i] == DRAE__MARK_NO_RESULT;
        ck_assert_msg(is_red(g.rgb) == rejected, "case %zu", i);
        /* A label that agrees changes nothing, one that contradicts makes the head amber. */
        static const int against[] = {1, 0, -1, -1, 1, -1};
        for (int label = 0; label <= 1; label++) {
            guarded other = guarded_make(width, height);
            overlay.label = label;
            drae__overlay_draw(&overlay, other.rgb);
            bool amber = memcmp(g.rgb, other.rgb, 3) != 0;
            ck_assert_msg(amber == (label == against[i]), "case %zu, label %d", i, label);
            guarded_check(&other);
        }
        guarded_check(&g);
    }
}
END_TEST

/* ---- contact sheet ---- */

static uint8_t patch[256 * 256];

static drae__sheet_cell cell(drae__mark mark) {
    return (drae__sheet_cell){.mark = mark,
                              .patch = mark == DRAE__MARK_NO_RESULT ? NULL : patch,
                              .heat = patch,
                              .mask = mark == DRAE__MARK_REJECT ? patch : NULL,
                              .peak = {3, 4},
                              .score = 0.02f,
                              .threshold = 0.03f,
                              .label = -1,
                              .note = "frame 2",
                              .why = "part not found in the frame"};
}

START_TEST(sheet_of_every_shape) {
    static const int shapes[][3] = {{256, 5, 4}, {32, 5, 4},  {1, 1, 1},  {128, 10, 6},
                                    {16, 21, 3}, {200, 1, 7}, {600, 2, 1}};
    static uint8_t large[600 * 600];
    static drae__sheet_cell cells[16 * 16];
    static drae__sheet_head heads[64];
    static char names[64][32];
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        for (int bare = 0; bare < 2; bare++) {
            for (int k = 0; k < 16 * 16; k++) {
                cells[k] = cell((drae__mark)(k % 5));
                cells[k].patch = cells[k].patch == NULL ? NULL : large;
                cells[k].heat = k % 3 == 0 ? NULL : large;
                cells[k].label = k % 3 - 1;
            }
            for (int k = 0; k < 64; k++) {
                heads[k].mark = (drae__mark)(k % 5);
                strcpy(heads[k].name, "vial 123456");
                strcpy(heads[k].why, "a reason that is wider than its column is");
                strcpy(names[k], k % 2 == 0 ? "a name wider than its place is" : "short");
            }
            drae__sheet sheet = {.size = shapes[i][0],
                                 .n_columns = shapes[i][1],
                                 .n_rows = shapes[i][2],
                                 .mark = DRAE__MARK_REJECT,
                                 .title = "product 12345678  run 12345678",
                                 .summary = "5 of 5 vials rejected",
                                 .heads = bare ? NULL : heads,
                                 .row_names = bare ? NULL : (const char(*)[32])names,
                                 .cells = cells};
            int width = 0;
            int height = 0;
            ck_assert(drae__sheet_extent(&sheet, &width, &height));
            guarded g = guarded_make(width, height);
            drae__sheet_draw(&sheet, g.rgb);
            guarded_check(&g);
        }
    }
}
END_TEST

START_TEST(sheet_refuses_what_is_none) {
    static const int wrong[][3] = {{0, 5, 4},    {256, 0, 4},  {256, 5, 0},  {256, 65, 4},
                                   {256, 5, 65}, {4097, 1, 1}, {-256, 5, 4}, {256, 64, 40},
                                   {1, 64, 64},  {256, -1, 4}};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        drae__sheet sheet = {.size = wrong[i][0], .n_columns = wrong[i][1], .n_rows = wrong[i][2]};
        int width = 42;
        int height = 43;
        ck_assert_msg(!drae__sheet_extent(&sheet, &width, &height), "case %zu", i);
        ck_assert_int_eq(width, 42);
        ck_assert_int_eq(height, 43);
    }
}
END_TEST

START_TEST(a_reject_is_framed_red_and_only_it) {
    for (int reject = -1; reject < 20; reject++) {
        drae__sheet_cell cells[20];
        for (int i = 0; i < 20; i++) {
            cells[i] = cell(i == reject ? DRAE__MARK_REJECT : DRAE__MARK_GOOD);
        }
        drae__sheet sheet = {.size = 32, .n_columns = 5, .n_rows = 4, .cells = cells};
        int width = 0;
        int height = 0;
        ck_assert(drae__sheet_extent(&sheet, &width, &height));
        guarded g = guarded_make(width, height);
        drae__sheet_draw(&sheet, g.rgb);
        size_t red = count_red(g.rgb, g.n);
        if (reject < 0) {
            ck_assert_uint_eq(red, 0);
        } else {
            ck_assert_uint_gt(red, 4 * 4 * 192);
            /* all of it within the cell's column and row */
            int column_width = (width - 8) / 5;
            for (int i = 0; i < width * height; i++) {
                if (is_red(g.rgb + (size_t)i * 3)) {
                    ck_assert_int_eq((i % width - 8) / column_width, reject % 5);
                }
            }
        }
        guarded_check(&g);
    }
}
END_TEST

/* White pixels of a sheet of one cell: only a ring has them. */
static size_t ring_of(drae__mark mark, int label, drae__spot peak) {
    drae__sheet_cell one = cell(mark);
    one.label = label;
    one.peak = peak;
    drae__sheet sheet = {.size = 256, .n_columns = 1, .n_rows = 1, .cells = &one};
    int width = 0;
    int height = 0;
    size_t white = 0;
    ck_assert(drae__sheet_extent(&sheet, &width, &height));
    guarded g = guarded_make(width, height);
    drae__sheet_draw(&sheet, g.rgb);
    for (size_t i = 0; i < g.n; i += 3) {
        white += g.rgb[i] == 255 && g.rgb[i + 1] == 255 && g.rgb[i + 2] == 255 ? 1 : 0;
    }
    guarded_check(&g);
    return white;
}

START_TEST(a_ring_is_for_what_is_not_good) {
    const drae__spot there = {100, 100};
    ck_assert_uint_eq(ring_of(DRAE__MARK_GOOD, -1, there), 0);
    ck_assert_uint_eq(ring_of(DRAE__MARK_GOOD, 0, there), 0);
    ck_assert_uint_gt(ring_of(DRAE__MARK_GOOD, 1, there), 150);
    ck_assert_uint_gt(ring_of(DRAE__MARK_REJECT, -1, there), 150);
    ck_assert_uint_gt(ring_of(DRAE__MARK_OPEN, -1, there), 150);
    ck_assert_uint_eq(ring_of(DRAE__MARK_NO_RESULT, -1, there), 0);
    ck_assert_uint_eq(ring_of(DRAE__MARK_REJECT, -1, DRAE__NO_SPOT), 0);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("report_pictures");
    TCase *canvas = tcase_create("canvas");
    tcase_add_test(canvas, fill_clips_at_every_side);
    tcase_add_test(canvas, everything_clips);
    tcase_add_test(canvas, text_fits);
    tcase_add_test(canvas, gray_is_repeated_and_reduced);
    tcase_add_test(canvas, a_single_hot_pixel_survives_reduction);
    tcase_add_test(canvas, blend_leaves_what_is_normal_alone);
    suite_add_tcase(suite, canvas);
    TCase *marks = tcase_create("marks");
    tcase_add_test(marks, the_peak_is_the_largest_number);
    tcase_add_test(marks, a_ring_surrounds_its_place);
    tcase_add_test(marks, an_outline_surrounds_its_mask);
    suite_add_tcase(suite, marks);
    TCase *pictures = tcase_create("pictures");
    tcase_add_test(pictures, overlay_of_every_size);
    tcase_add_test(pictures, overlay_colours_say_the_verdict);
    tcase_add_test(pictures, sheet_of_every_shape);
    tcase_add_test(pictures, sheet_refuses_what_is_none);
    tcase_add_test(pictures, a_reject_is_framed_red_and_only_it);
    tcase_add_test(pictures, a_ring_is_for_what_is_not_good);
    suite_add_tcase(suite, pictures);
    return drae_run_suite(suite);
}
