/* SPDX-License-Identifier: Apache-2.0 */
/* The driver: order, records, rank images, labels, and that threads change nothing. */
#include "tests/synth/suites.h"

#include "base/sha256.h"

#include <stdlib.h>
#include <string.h>

#define PATCH_PIXELS ((size_t)DRAE__SYNTH_PATCH * DRAE__SYNTH_PATCH)
#define ALL_PIXELS   (PATCH_PIXELS * DRAE__SYNTH_PATCHES)

/* ---- the same bytes for any number of threads ---- */

static drae_status hash_sink(void *user, const drae__synth_output *out, drae__err *err) {
    drae__sha256 *hash = user;
    (void)err;
    if (out->pixels != NULL) {
        drae__sha256_update(hash, out->pixels, DRAE__SYNTH_PIXELS);
    }
    drae__sha256_update(hash, out->patches, ALL_PIXELS);
    drae__sha256_update(hash, out->masks, ALL_PIXELS);
    drae__sha256_update(hash, out->records, DRAE__SYNTH_PATCHES * sizeof *out->records);
    return DRAE_OK;
}

START_TEST(threads_change_nothing) {
    char hex[3][65];
    for (int threads = 1; threads <= 3; threads++) {
        drae__synth_config config = test_config();
        config.threads = threads;
        config.strips = 2;
        config.runs = 1;
        config.frames = 3;
        config.defect_rate = 1.0;
        config.rank_images = true;
        config.frame_shift_px = 10.0;
        drae__sha256 hash;
        uint8_t digest[32];
        drae__err err = {.text = ""};
        drae__sha256_init(&hash);
        ck_assert_msg(drae__synth_run(&config, hash_sink, &hash, &err) == DRAE_OK, "%s", err.text);
        drae__sha256_final(&hash, digest);
        drae__sha256_hex(digest, hex[threads - 1]);
    }
    ck_assert_str_eq(hex[0], hex[1]);
    ck_assert_str_eq(hex[0], hex[2]);
}
END_TEST

/* ---- order, records, labels ---- */

typedef struct seen {
    const drae__synth_config *config;
    int n;                  /* outputs so far */
    int labelled;           /* patches with label 1 */
    int planned_missing;    /* frames whose planned defect no patch shows */
    uint8_t *bright, *dark; /* over the frames of the run */
} seen;

static void check_records(const drae__synth_output *out) {
    for (int k = 0; k < DRAE__SYNTH_PATCHES; k++) {
        const drae__record *r = &out->records[k];
        ck_assert_int_eq(r->vial, k / DRAE__REGIONS);
        ck_assert_int_eq(r->region, k % DRAE__REGIONS);
        ck_assert_int_eq(r->product, out->product);
        ck_assert_int_eq(r->run, out->run);
        ck_assert_int_eq(r->frame, out->frame);
        ck_assert_int_eq(r->batch, 5);
        ck_assert_int_eq(r->recipe, 0);
        ck_assert_int_eq(r->station, 0);
        size_t in_mask = 0;
        for (size_t i = 0; i < PATCH_PIXELS; i++) {
            uint8_t m = out->masks[(size_t)k * PATCH_PIXELS + i];
            if (m > 1) {
                ck_abort_msg("patch %d: mask value %d", k, m);
            }
            in_mask += m;
        }
        ck_assert_msg(r->label == (r->defect != DRAE__DEFECT_NONE), "patch %d: label %d defect %d",
                      k, r->label, r->defect);
        ck_assert_msg(r->label ? in_mask >= DRAE__SYNTH_LABEL_PIXELS : in_mask == 0,
                      "patch %d: label %d with %zu mask pixels", k, r->label, in_mask);
    }
}

static drae_status watch_sink(void *user, const drae__synth_output *out, drae__err *err) {
    seen *s = user;
    const drae__synth_config *c = s->config;
    const int a_run = c->frames + 2;
    int of_run = s->n % a_run;
    (void)err;
    ck_assert_int_eq(out->product, c->first_product + s->n / (a_run * c->runs));
    ck_assert_int_eq(out->run, s->n / a_run % c->runs);
    ck_assert_int_eq(out->frame, of_run < c->frames ? of_run : c->frames - of_run - 1);
    ck_assert((out->pixels == NULL) == (out->frame < 0));
    check_records(out);

    const drae__synth_defect *defects;
    int n = drae__synth_defects(out->strip, &defects);
    bool found[DRAE__SYNTH_DEFECTS_MAX] = {false};
    for (int k = 0; k < DRAE__SYNTH_PATCHES; k++) {
        const drae__record *r = &out->records[k];
        bool known = r->label == 0;
        s->labelled += r->label;
        for (int i = 0; i < n; i++) {
            bool same = r->label == 1 && r->defect == defects[i].kind && r->vial == defects[i].vial;
            known |= same;
            found[i] |= same && r->region == defects[i].region;
        }
        ck_assert_msg(known, "patch %d: class %d was not planned", k, r->defect);
    }
    for (int i = 0; i < n; i++) {
        s->planned_missing += !found[i];
    }

    /* the rank images, made again pixel by pixel */
    if (out->frame >= 0) {
        for (size_t i = 0; i < ALL_PIXELS; i++) {
            uint8_t p = out->patches[i];
            s->bright[i] = out->frame == 0 || p > s->bright[i] ? p : s->bright[i];
            s->dark[i] = out->frame == 0 || p < s->dark[i] ? p : s->dark[i];
        }
    } else {
        const uint8_t *want = out->frame == -1 ? s->bright : s->dark;
        for (size_t i = 0; i < ALL_PIXELS; i++) {
            if (out->patches[i] != want[i]) {
                ck_abort_msg("rank image %d, pixel %zu: %d, expected %d", out->frame, i,
                             out->patches[i], want[i]);
            }
        }
    }
    s->n++;
    return DRAE_OK;
}

START_TEST(order_records_labels_and_rank_images) {
    drae__synth_config config = test_config();
    config.first_product = 40;
    config.strips = 4;
    config.frames = 2;
    config.batch = 5;
    config.defect_rate = 1.0;
    config.rank_images = true;
    seen s = {.config = &config, .bright = malloc(ALL_PIXELS), .dark = malloc(ALL_PIXELS)};
    drae__err err = {.text = ""};
    ck_assert_msg(drae__synth_run(&config, watch_sink, &s, &err) == DRAE_OK, "%s", err.text);
    ck_assert_uint_eq((size_t)s.n * DRAE__SYNTH_PATCHES, drae__synth_count(&config));
    ck_assert_int_eq(s.n, 4 * 2 * 4);
    ck_assert_msg(s.labelled >= s.n, "%d labelled patches in %d frames", s.labelled, s.n);
    ck_assert_msg(s.planned_missing == 0, "%d planned defects not seen", s.planned_missing);
    free(s.bright);
    free(s.dark);
}
END_TEST

/* ---- a sink that fails ---- */

static drae_status failing_sink(void *user, const drae__synth_output *out, drae__err *err) {
    int *calls = user;
    (void)out;
    return ++*calls == 3 ? drae__fail(err, DRAE_ERROR_IO, "disk is full") : DRAE_OK;
}

START_TEST(failing_sink_stops_the_work) {
    drae__synth_config config = test_config();
    config.strips = 2;
    config.frames = 3;
    int calls = 0;
    drae__err err = {.text = ""};
    ck_assert_int_eq(drae__synth_run(&config, failing_sink, &calls, &err), DRAE_ERROR_IO);
    ck_assert_int_eq(calls, 3);
    ck_assert_str_eq(err.text, "disk is full");
}
END_TEST

/* ---- labels of patches ---- */

START_TEST(few_mask_pixels_do_not_make_a_label) {
    drae__synth_config config = test_config();
    uint8_t *pixels = calloc(DRAE__SYNTH_PIXELS, 1), *mask = calloc(DRAE__SYNTH_PIXELS, 1);
    uint8_t *patches = malloc(ALL_PIXELS), *masks = malloc(ALL_PIXELS);
    drae__record records[DRAE__SYNTH_PATCHES];
    /* vial 1, regions 2 and 3: one pixel too few above the border, just enough below */
    int x = DRAE__SYNTH_AXIS_X + DRAE__SYNTH_PITCH, y = DRAE__SYNTH_TOP_Y + 3 * DRAE__SYNTH_PATCH;
    for (int i = 0; i < DRAE__SYNTH_LABEL_PIXELS; i++) {
        mask[(y - 1) * DRAE__SYNTH_WIDTH + x + i] = i == 0 ? 0 : DRAE__DEFECT_CRACK;
        mask[y * DRAE__SYNTH_WIDTH + x + i] = DRAE__DEFECT_CRACK;
    }
    pixels[y * DRAE__SYNTH_WIDTH + x] = 77;
    drae__synth_cut(&config, 1, 0, 0, pixels, mask, patches, masks, records);
    const size_t upper = 1 * DRAE__REGIONS + 2, lower = upper + 1;
    ck_assert_int_eq(records[upper].label, 0);
    ck_assert_int_eq(records[upper].defect, DRAE__DEFECT_NONE);
    ck_assert_int_eq(records[lower].label, 1);
    ck_assert_int_eq(records[lower].defect, DRAE__DEFECT_CRACK);
    ck_assert_int_eq(patches[lower * PATCH_PIXELS + DRAE__SYNTH_PATCH / 2], 77);
    ck_assert_int_eq(masks[lower * PATCH_PIXELS + DRAE__SYNTH_PATCH / 2], 1);
    for (size_t i = 0; i < PATCH_PIXELS; i++) {
        if (masks[upper * PATCH_PIXELS + i] != 0) {
            ck_abort_msg("pixel %zu of a good patch's mask is set", i);
        }
    }
    free(pixels);
    free(mask);
    free(patches);
    free(masks);
}
END_TEST

TCase *driver_cases(void) {
    TCase *cases = tcase_create("driver");
    tcase_add_test(cases, threads_change_nothing);
    tcase_add_test(cases, order_records_labels_and_rank_images);
    tcase_add_test(cases, failing_sink_stops_the_work);
    tcase_add_test(cases, few_mask_pixels_do_not_make_a_label);
    return cases;
}
