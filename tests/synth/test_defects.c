/* SPDX-License-Identifier: Apache-2.0 */
/* Defects: planned as documented, drawn where the mask says and nowhere else, visible. */
#include "tests/synth/suites.h"

#include <stdlib.h>
#include <string.h>

/* Check writes to a file for every ck_assert: per pixel an `if` with ck_abort_msg instead. */

/* Gray levels by which the strongest pixel of a defect differs at least from the same good part. */
#define VISIBLE 4

/* The liquid of a vial with a wrong level differs around the band, too: the surface itself, what
 * floats on it and the drops above it. */
#define LEVEL_SLACK 70

typedef struct box {
    int x0, y0, x1, y1; /* inclusive */
    size_t n;
} box;

static box mask_box(const uint8_t *mask, int kind) {
    box b = {DRAE__SYNTH_WIDTH, DRAE__SYNTH_HEIGHT, -1, -1, 0};
    for (int y = 0; y < DRAE__SYNTH_HEIGHT; y++) {
        for (int x = 0; x < DRAE__SYNTH_WIDTH; x++) {
            uint8_t value = mask[y * DRAE__SYNTH_WIDTH + x];
            if (value == 0) {
                continue;
            }
            if (value != kind) {
                ck_abort_msg("mask holds class %d, expected %d", value, kind);
            }
            b.x0 = x < b.x0 ? x : b.x0;
            b.x1 = x > b.x1 ? x : b.x1;
            b.y0 = y < b.y0 ? y : b.y0;
            b.y1 = y > b.y1 ? y : b.y1;
            b.n++;
        }
    }
    return b;
}

/* Pixels that differ outside the mask's box widened by slack, and the largest difference inside
 * the mask. */
static void compare(const picture *good, const picture *bad, const box *b, int slack_x, int slack_y,
                    int kind, int *largest) {
    *largest = 0;
    for (int y = 0; y < DRAE__SYNTH_HEIGHT; y++) {
        for (int x = 0; x < DRAE__SYNTH_WIDTH; x++) {
            int i = y * DRAE__SYNTH_WIDTH + x;
            int d = abs(good->pixels[i] - bad->pixels[i]);
            bool near = x >= b->x0 - slack_x && x <= b->x1 + slack_x && y >= b->y0 - slack_y &&
                        y <= b->y1 + slack_y;
            if (!near && d != 0) {
                ck_abort_msg("class %d: pixel (%d,%d) differs by %d far from the mask", kind, x, y,
                             d);
            }
            if (bad->mask[i] != 0 && d > *largest) {
                *largest = d;
            }
        }
    }
}

static int any_region(unsigned regions, int want) {
    for (int i = 0; i < DRAE__REGIONS; i++) {
        int r = (want + i) % DRAE__REGIONS;
        if ((regions >> r & 1u) != 0) {
            return r;
        }
    }
    return -1;
}

static void check_defect(const drae__synth_config *config, const picture *good, int product,
                         int kind, int vial, float size, float contrast) {
    drae__synth_defect d = {.kind = kind,
                            .vial = vial,
                            .region = any_region(drae__synth_defect_bounds(kind).regions, kind),
                            .x = -1.0f,
                            .y = -1.0f,
                            .size_px = size,
                            .contrast = contrast};
    picture bad = picture_make(config, product, 0, 1, false, &d, 1);
    box b = mask_box(bad.mask, kind);
    int w = b.x1 - b.x0 + 1, h = b.y1 - b.y0 + 1, longer = w > h ? w : h, largest;
    ck_assert_msg(b.n >= DRAE__SYNTH_LABEL_PIXELS, "class %d of %.0f px: %zu mask pixels", kind,
                  (double)size, b.n);
    if (kind == DRAE__DEFECT_LEVEL) {
        /* documented: the band's height, and what tilt and ripple add */
        ck_assert_msg(h >= 4 && h <= (int)size + 24 && w >= 150 && w <= 206,
                      "level of %.0f px: %d x %d", (double)size, w, h);
        compare(good, &bad, &b, 16, LEVEL_SLACK, kind, &largest);
    } else {
        ck_assert_msg(longer >= 4 && longer <= 40, "class %d of %.0f px: %d x %d", kind,
                      (double)size, w, h);
        /* a short shot or a missing letter is as large as the part that it takes away */
        if (kind != DRAE__DEFECT_FLAG && kind != DRAE__DEFECT_BOTTOM) {
            ck_assert_msg(longer >= (int)size - 2 - (int)(size / 8.0f) && longer <= (int)size + 2,
                          "class %d of %.0f px: %d x %d", kind, (double)size, w, h);
        }
        int slack = 5 + (int)(size / 4.0f);
        compare(good, &bad, &b, slack, slack, kind, &largest);
    }
    ck_assert_msg(largest >= VISIBLE, "class %d of %.0f px, contrast %.2f: %d gray levels", kind,
                  (double)size, (double)contrast, largest);
    picture_free(&bad);
}

/* Smallest and faintest, largest and strongest of every class. */
START_TEST(masks_hold_what_differs) {
    const int product = 7;
    drae__synth_config config = test_config();
    picture good = picture_make(&config, product, 0, 1, false, NULL, 0);
    for (int kind = 1; kind < DRAE__DEFECTS; kind++) {
        drae__synth_defect_range r = drae__synth_defect_bounds(kind);
        check_defect(&config, &good, product, kind, kind % 5, r.size_lo, r.contrast_lo);
        check_defect(&config, &good, product, kind, (kind + 2) % 5, r.size_hi, r.contrast_hi);
    }
    picture_free(&good);
}
END_TEST

START_TEST(defect_stays_on_the_product) {
    drae__synth_config config = test_config();
    drae__synth_defect d = {DRAE__DEFECT_BURN, 2, 1, -1.0f, -1.0f, 20.0f, 0.6f};
    box first = {0};
    for (int run = 0; run < 2; run++) {
        picture p = picture_make(&config, 9, run, 3 * run, false, &d, 1);
        box b = mask_box(p.mask, d.kind);
        if (run == 0) {
            first = b;
        }
        ck_assert_msg(abs(b.x0 - first.x0) <= 5 && abs(b.y0 - first.y0) <= 5,
                      "run %d: the mask begins at (%d,%d), in run 0 at (%d,%d)", run, b.x0, b.y0,
                      first.x0, first.y0);
        picture_free(&p);
    }
}
END_TEST

START_TEST(plans_are_as_documented) {
    enum { PRODUCTS = 4000 };
    drae__synth_config config = test_config();
    drae__synth_defect d[DRAE__SYNTH_DEFECTS_MAX];
    int defective = 0, two = 0, kinds[DRAE__DEFECTS] = {0}, regions[DRAE__REGIONS] = {0};
    int vials[DRAE__SYNTH_VIALS] = {0};
    config.defect_rate = 0.25;
    for (int product = 0; product < PRODUCTS; product++) {
        int n = drae__synth_plan(&config, product, d);
        defective += n > 0;
        two += n > 1;
        ck_assert_msg(n < 2 || d[0].vial != d[1].vial, "product %d: two defects on vial %d",
                      product, d[0].vial);
        for (int i = 0; i < n; i++) {
            drae__synth_defect_range r = drae__synth_defect_bounds(d[i].kind);
            ck_assert_msg(d[i].size_px >= r.size_lo && d[i].size_px <= r.size_hi * 1.0001f,
                          "class %d: %.2f px", d[i].kind, (double)d[i].size_px);
            ck_assert_msg(d[i].contrast >= r.contrast_lo &&
                              d[i].contrast <= r.contrast_hi * 1.0001f,
                          "class %d: contrast %.3f", d[i].kind, (double)d[i].contrast);
            ck_assert_msg((r.regions >> d[i].region & 1u) != 0, "class %d in region %d", d[i].kind,
                          d[i].region);
            kinds[d[i].kind]++;
            regions[d[i].region]++;
            vials[d[i].vial]++;
        }
    }
    /* 1000 expected, sigma 27; a tenth of them a class, sigma 10; an eighth of them a second */
    ck_assert_msg(defective > 880 && defective < 1120, "%d of 4000 defective", defective);
    ck_assert_msg(two > 70 && two < 180, "%d with a second defect", two);
    for (int k = 1; k < DRAE__DEFECTS; k++) {
        ck_assert_msg(kinds[k] > 65 && kinds[k] < 165, "class %d occurs %d times", k, kinds[k]);
    }
    for (int r = 0; r < DRAE__REGIONS; r++) {
        ck_assert_msg(regions[r] > 150, "region %d occurs %d times", r, regions[r]);
    }
    for (int v = 0; v < DRAE__SYNTH_VIALS; v++) {
        ck_assert_msg(vials[v] > 150, "vial %d occurs %d times", v, vials[v]);
    }
    config.defect_rate = 0.0;
    for (int product = 0; product < PRODUCTS; product++) {
        ck_assert_int_eq(drae__synth_plan(&config, product, d), 0);
    }
}
END_TEST

START_TEST(every_vial_has_a_defect_of_its_own) {
    drae__synth_config config = test_config();
    drae__synth_defect d[DRAE__SYNTH_DEFECTS_MAX];
    int classes = 0;
    config.defect_rate = 1.0;
    config.every_vial = true;
    for (int product = 0; product < 50; product++) {
        int n = drae__synth_plan(&config, product, d);
        ck_assert_int_eq(n, DRAE__SYNTH_VIALS);
        for (int i = 0; i < n; i++) {
            ck_assert_msg(d[i].vial == i, "product %d: defect %d is on vial %d", product, i,
                          d[i].vial);
            classes |= 1 << d[i].kind;
        }
    }
    ck_assert_msg(classes == (1 << DRAE__DEFECTS) - 2, "classes %#x", (unsigned)classes);
    drae__synth_strip *strip = NULL;
    drae__err err = {.text = ""};
    int n = drae__synth_plan(&config, 0, d);
    ck_assert_msg(drae__synth_create(&config, 0, d, n, &strip, &err) == DRAE_OK, "%s", err.text);
    drae__synth_destroy(strip);
}
END_TEST

START_TEST(names_follow_the_codes) {
    const char *const *names = drae__synth_defect_names();
    ck_assert_str_eq(names[DRAE__DEFECT_NONE], "none");
    ck_assert_str_eq(names[DRAE__DEFECT_CRACK], "crack");
    ck_assert_str_eq(names[DRAE__DEFECT_INCLUSION], "inclusion");
    ck_assert_ptr_null(names[DRAE__DEFECTS]);
}
END_TEST

START_TEST(wrong_defects_are_refused) {
    drae__synth_config config = test_config();
    const drae__synth_defect good = {DRAE__DEFECT_BURN, 2, 1, -1.0f, -1.0f, 20.0f, 0.6f};
    drae__synth_defect bad[6] = {good, good, good, good, good, good};
    bad[0].kind = 0;
    bad[1].kind = DRAE__DEFECTS;
    bad[2].vial = DRAE__SYNTH_VIALS;
    bad[3].region = -1;
    bad[4].size_px = 41.0f;
    bad[5].x = 10.0f;
    for (int i = 0; i < 6; i++) {
        drae__synth_strip *strip = NULL;
        drae__err err = {.text = ""};
        ck_assert_int_eq(drae__synth_create(&config, 0, &bad[i], 1, &strip, &err),
                         DRAE_ERROR_ARGUMENT);
        ck_assert_ptr_null(strip);
        ck_assert_msg(strstr(err.text, "defect 0") != NULL, "case %d: %s", i, err.text);
    }
}
END_TEST

TCase *defect_cases(void) {
    TCase *cases = tcase_create("defects");
    tcase_add_test(cases, masks_hold_what_differs);
    tcase_add_test(cases, defect_stays_on_the_product);
    tcase_add_test(cases, plans_are_as_documented);
    tcase_add_test(cases, every_vial_has_a_defect_of_its_own);
    tcase_add_test(cases, names_follow_the_codes);
    tcase_add_test(cases, wrong_defects_are_refused);
    return cases;
}
