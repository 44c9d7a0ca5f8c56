/* SPDX-License-Identifier: Apache-2.0 */
/* The recipe and the reference marks: found in the frames, displaced ones too, and nowhere else. */
#include "tests/synth/suites.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { SIDE = DRAE__SYNTH_MARK_SIDE };

/* Normalised correlation of a template with the frame, its centre at (cx, cy). */
static double correlation(const uint8_t *frame, const uint8_t *mark, int cx, int cy) {
    double st = 0, sf = 0, stt = 0, sff = 0, stf = 0;
    const double n = SIDE * SIDE;
    for (int y = 0; y < SIDE; y++) {
        for (int x = 0; x < SIDE; x++) {
            double t = mark[y * SIDE + x];
            double f = frame[(cy + y - SIDE / 2) * DRAE__SYNTH_WIDTH + cx + x - SIDE / 2];
            st += t;
            sf += f;
            stt += t * t;
            sff += f * f;
            stf += t * f;
        }
    }
    double spread = (stt - st * st / n) * (sff - sf * sf / n);
    return spread > 0 ? (stf - st * sf / n) / sqrt(spread) : 0;
}

/* Best match of a mark within +-SEARCH_PX of its nominal place, on every second pixel and then on
 * its neighbours. */
static double find_mark(const uint8_t *frame, int which, int *dx, int *dy) {
    uint8_t mark[SIDE * SIDE];
    int x, y;
    drae__synth_mark(which, mark);
    drae__synth_mark_place(which, &x, &y);
    double best = -1;
    *dx = *dy = 0;
    for (int v = -DRAE__SYNTH_SEARCH_PX; v <= DRAE__SYNTH_SEARCH_PX; v += 2) {
        for (int u = -DRAE__SYNTH_SEARCH_PX; u <= DRAE__SYNTH_SEARCH_PX; u += 2) {
            double c = correlation(frame, mark, x + u, y + v);
            if (c > best) {
                best = c;
                *dx = u;
                *dy = v;
            }
        }
    }
    int mx = *dx, my = *dy;
    for (int v = my - 1; v <= my + 1; v++) {
        for (int u = mx - 1; u <= mx + 1; u++) {
            double c = correlation(frame, mark, x + u, y + v);
            if (c > best) {
                best = c;
                *dx = u;
                *dy = v;
            }
        }
    }
    return best;
}

START_TEST(marks_are_found_near_their_nominal_places) {
    drae__synth_config config = test_config();
    picture p = picture_make(&config, 2, 0, 0, false, NULL, 0);
    for (int which = 0; which < DRAE__SYNTH_MARKS; which++) {
        int dx, dy;
        double score = find_mark(p.pixels, which, &dx, &dy);
        ck_assert_msg(score > 0.9 && abs(dx) <= 4 && abs(dy) <= 4,
                      "mark %d: score %.3f, (%d,%d) px from its place", which, score, dx, dy);
    }
    /* the two marks do not match each other */
    uint8_t other[SIDE * SIDE];
    int x, y;
    drae__synth_mark(1, other);
    drae__synth_mark_place(0, &x, &y);
    for (int v = -4; v <= 4; v++) {
        for (int u = -4; u <= 4; u++) {
            double c = correlation(p.pixels, other, x + u, y + v);
            ck_assert_msg(c < 0.85, "mark 1 matches mark 0 with %.3f", c);
        }
    }
    picture_free(&p);
}
END_TEST

START_TEST(displaced_frames_keep_their_marks_in_reach) {
    drae__synth_config config = test_config();
    config.frame_shift_px = 20.0;
    config.frame_turn_deg = 1.3;
    ck_assert_int_eq(drae__synth_check(&config, NULL), DRAE_OK);
    picture still = picture_make(&config, 2, 0, 0, false, NULL, 0);
    int far = 0, dx, dy;
    for (int frame = 0; frame < 2; frame++) {
        picture p = picture_make(&config, 2, 0, frame, true, NULL, 0);
        for (int which = 0; which < DRAE__SYNTH_MARKS; which++) {
            double score = find_mark(p.pixels, which, &dx, &dy);
            ck_assert_msg(score > 0.8, "frame %d, mark %d: score %.3f at (%d,%d)", frame, which,
                          score, dx, dy);
            far = abs(dx) > far ? abs(dx) : far;
            far = abs(dy) > far ? abs(dy) : far;
        }
        picture_free(&p);
    }
    ck_assert_msg(far > 5, "no mark moved by more than %d px", far);
    /* without `moved` the extra motion is left out */
    (void)find_mark(still.pixels, 0, &dx, &dy);
    ck_assert_msg(abs(dx) <= 4 && abs(dy) <= 4, "the still frame is off by (%d,%d)", dx, dy);
    picture_free(&still);
}
END_TEST

START_TEST(recipe_names_every_rectangle) {
    char *text = drae__synth_recipe();
    ck_assert_ptr_nonnull(text);
    ck_assert_ptr_nonnull(strstr(text, "frame: {width: 1520, height: 1232, pitch_um: 25.0}"));
    ck_assert_ptr_nonnull(strstr(text, "- {template: mark-a.png, x: 104, y: 72}"));
    ck_assert_ptr_nonnull(strstr(text, "- {template: mark-b.png, x: 1416, y: 72}"));
    ck_assert_ptr_nonnull(
        strstr(text, "{vial: 0, region: 0, x: 88, y: 128, width: 256, height: 256}"));
    ck_assert_ptr_nonnull(
        strstr(text, "{vial: 4, region: 3, x: 1176, y: 896, width: 256, height: 256}"));
    int n = 0;
    for (const char *at = text; (at = strstr(at, "{vial: ")) != NULL; at++) {
        n++;
    }
    ck_assert_int_eq(n, DRAE__SYNTH_PATCHES);
    ck_assert_ptr_nonnull(strstr(text, "ignore: []\n"));
    free(text);
}
END_TEST

TCase *recipe_cases(void) {
    TCase *cases = tcase_create("recipe");
    tcase_add_test(cases, marks_are_found_near_their_nominal_places);
    tcase_add_test(cases, displaced_frames_keep_their_marks_in_reach);
    tcase_add_test(cases, recipe_names_every_rectangle);
    return cases;
}
