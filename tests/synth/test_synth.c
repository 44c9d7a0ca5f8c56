/* SPDX-License-Identifier: Apache-2.0 */
/* Frames of good strips: repeatable, varied where they should be, quiet where they should be. */
#include "tests/synth/suites.h"
#include "tests/run.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

drae__synth_config test_config(void) {
    drae__synth_config config;
    drae__synth_defaults(&config);
    config.seed = 11;
    config.threads = 2;
    return config;
}

picture picture_make(const drae__synth_config *config, int product, int run, int frame, bool moved,
                     const drae__synth_defect *defects, int n) {
    drae__err err = {.text = ""};
    drae__synth_strip *strip = NULL;
    ck_assert_msg(drae__synth_create(config, product, defects, n, &strip, &err) == DRAE_OK, "%s",
                  err.text);
    float *scratch = malloc(drae__synth_scratch_floats() * sizeof(float));
    picture p = {.pixels = malloc(DRAE__SYNTH_PIXELS), .mask = malloc(DRAE__SYNTH_PIXELS)};
    ck_assert(scratch != NULL && p.pixels != NULL && p.mask != NULL);
    memset(p.mask, 0xAA, DRAE__SYNTH_PIXELS);
    drae__synth_frame(strip, run, frame, moved, scratch, p.pixels, p.mask);
    free(scratch);
    drae__synth_destroy(strip);
    return p;
}

void picture_free(picture *p) {
    free(p->pixels);
    free(p->mask);
}

/* Number of pixels of a rectangle that differ by more than `more` gray levels. */
static size_t changed(const picture *a, const picture *b, int x0, int y0, int w, int h, int more) {
    size_t n = 0;
    for (int y = y0; y < y0 + h; y++) {
        for (int x = x0; x < x0 + w; x++) {
            int i = y * DRAE__SYNTH_WIDTH + x;
            n += abs(a->pixels[i] - b->pixels[i]) > more;
        }
    }
    return n;
}

static double mean(const picture *a, int x0, int y0, int w, int h) {
    double sum = 0;
    for (int y = y0; y < y0 + h; y++) {
        for (int x = x0; x < x0 + w; x++) {
            sum += a->pixels[y * DRAE__SYNTH_WIDTH + x];
        }
    }
    return sum / ((double)w * h);
}

static int patch_x(int vial) {
    return DRAE__SYNTH_AXIS_X + DRAE__SYNTH_PITCH * vial - DRAE__SYNTH_PATCH / 2;
}

static int patch_y(int region) {
    return DRAE__SYNTH_TOP_Y + DRAE__SYNTH_PATCH * region;
}

START_TEST(same_configuration_same_frame) {
    drae__synth_config one = test_config(), two = test_config();
    one.threads = 1;
    picture a = picture_make(&one, 3, 1, 2, false, NULL, 0);
    picture b = picture_make(&two, 3, 1, 2, false, NULL, 0);
    for (int i = 0; i < DRAE__SYNTH_PIXELS; i++) {
        if (a.pixels[i] != b.pixels[i]) {
            ck_abort_msg("pixel %d: %d with one thread, %d with two", i, a.pixels[i], b.pixels[i]);
        }
    }
    picture_free(&a);
    picture_free(&b);
}
END_TEST

START_TEST(seeds_products_runs_and_frames_differ) {
    drae__synth_config config = test_config(), other = test_config();
    other.seed = 12;
    picture base = picture_make(&config, 3, 0, 0, false, NULL, 0);
    picture others[4] = {picture_make(&other, 3, 0, 0, false, NULL, 0),
                         picture_make(&config, 5, 0, 0, false, NULL, 0),
                         picture_make(&config, 3, 1, 0, false, NULL, 0),
                         picture_make(&config, 3, 0, 1, false, NULL, 0)};
    static const char *const what[4] = {"seed", "product", "run", "frame"};
    for (int i = 0; i < 4; i++) {
        /* even the bare backlight differs, by its noise */
        size_t corner = changed(&base, &others[i], 0, 0, 30, 200, 0);
        ck_assert_msg(corner > 3000, "another %s: only %zu of 6000 pixels of noise differ", what[i],
                      corner);
        picture_free(&others[i]);
    }
    picture_free(&base);
}
END_TEST

START_TEST(good_strip_has_no_mask) {
    drae__synth_config config = test_config();
    picture a = picture_make(&config, 8, 0, 1, false, NULL, 0);
    for (int i = 0; i < DRAE__SYNTH_PIXELS; i++) {
        if (a.mask[i] != 0) {
            ck_abort_msg("mask pixel %d is %d", i, a.mask[i]);
        }
    }
    picture_free(&a);
}
END_TEST

/* The surface moves from frame to frame, the lettering stays but for the jitter of the placement.
 */
START_TEST(liquid_varies_within_a_product) {
    drae__synth_config config = test_config();
    picture a = picture_make(&config, 4, 0, 0, false, NULL, 0);
    picture b = picture_make(&config, 4, 0, 3, false, NULL, 0);
    for (int v = 0; v < DRAE__SYNTH_VIALS; v++) {
        size_t liquid = changed(&a, &b, patch_x(v) + 40, patch_y(2), 176, 160, 15);
        size_t flag = changed(&a, &b, patch_x(v) + 50, patch_y(0) + 40, 156, 130, 15);
        ck_assert_msg(liquid > 300, "vial %d: only %zu pixels of the surface moved", v, liquid);
        ck_assert_msg(flag < liquid, "vial %d: %zu pixels of the flag changed, %zu of the liquid",
                      v, flag, liquid);
    }
    picture_free(&a);
    picture_free(&b);
}
END_TEST

/* Least share of the cavity number's pixels that differ when b is shifted as well as possible:
 * moulds put their lettering in slightly different places. */
static double number_differs(const picture *a, const picture *b, int vial) {
    enum { W = 64, H = 40, REACH = 9 };
    const int x0 = patch_x(vial) + DRAE__SYNTH_PATCH / 2 - W / 2, y0 = patch_y(0) + 124;
    int least = W * H;
    for (int v = -REACH; v <= REACH; v++) {
        for (int u = -REACH; u <= REACH; u++) {
            int n = 0;
            for (int y = y0; y < y0 + H; y++) {
                for (int x = x0; x < x0 + W; x++) {
                    n += abs(a->pixels[y * DRAE__SYNTH_WIDTH + x] -
                             b->pixels[(y + v) * DRAE__SYNTH_WIDTH + x + u]) > 14;
                }
            }
            least = n < least ? n : least;
        }
    }
    return (double)least / (W * H);
}

/* Ten cavities, two moulds: strips of other parity have other numbers on their flags. */
START_TEST(lettering_differs_by_cavity) {
    drae__synth_config config = test_config();
    picture odd = picture_make(&config, 1, 0, 0, false, NULL, 0);
    picture even = picture_make(&config, 2, 0, 0, false, NULL, 0);
    picture again = picture_make(&config, 4, 0, 0, false, NULL, 0);
    for (int v = 0; v < DRAE__SYNTH_VIALS; v++) {
        double other = number_differs(&odd, &even, v), same = number_differs(&again, &even, v);
        ck_assert_msg(same < 0.02 && other > 0.04,
                      "vial %d: %.3f of the number differs between cavities, %.3f within one", v,
                      other, same);
    }
    picture_free(&odd);
    picture_free(&even);
    picture_free(&again);
}
END_TEST

/* Row, with its fraction, where the rail begins in a column: the first crossing of gray 190. */
static double rail_edge(const picture *a, int col) {
    int y = 1;
    while (a->pixels[y * DRAE__SYNTH_WIDTH + col] > 190) {
        y++;
    }
    double above = a->pixels[(y - 1) * DRAE__SYNTH_WIDTH + col];
    double below = a->pixels[y * DRAE__SYNTH_WIDTH + col];
    return y - 1 + (above - 190.0) / (above - below);
}

/* At most 0.9 px by shift; by turn at most 0.6 px at the ends of the rail. */
START_TEST(jitter_moves_the_part_a_little) {
    drae__synth_config config = test_config();
    double lo[2] = {1000, 1000}, hi[2] = {0, 0};
    for (int run = 0; run < 5; run++) {
        picture a = picture_make(&config, 6, run, 0, false, NULL, 0);
        double left = rail_edge(&a, 160), right = rail_edge(&a, 1360);
        double place[2] = {0.5 * (left + right), right - left};
        for (int i = 0; i < 2; i++) {
            lo[i] = place[i] < lo[i] ? place[i] : lo[i];
            hi[i] = place[i] > hi[i] ? place[i] : hi[i];
        }
        picture_free(&a);
    }
    ck_assert_msg(hi[0] - lo[0] > 0.15 && hi[0] - lo[0] < 1.9, "the rail lies in rows %.2f to %.2f",
                  lo[0], hi[0]);
    ck_assert_msg(hi[1] - lo[1] > 0.15 && hi[1] - lo[1] < 2.4, "it is turned by %.2f to %.2f px",
                  lo[1], hi[1]);
}
END_TEST

START_TEST(noise_has_the_documented_strength) {
    drae__synth_config config = test_config();
    picture a = picture_make(&config, 6, 0, 0, false, NULL, 0);
    /* neighbours in the bare backlight differ by noise alone: variance of a difference is twice */
    double sum = 0, signal = mean(&a, 2, 300, 40, 600);
    size_t n = 0;
    for (int y = 300; y < 900; y++) {
        for (int x = 2; x < 42; x += 2) {
            double d =
                a.pixels[y * DRAE__SYNTH_WIDTH + x] - a.pixels[y * DRAE__SYNTH_WIDTH + x + 1];
            sum += d * d;
            n++;
        }
    }
    double sigma = sqrt(sum / (2.0 * (double)n));
    /* shot noise of 60000 electrons at 255, read noise of 25, rounding */
    double electrons = signal / 255.0 * 60000.0;
    double expected = sqrt((electrons + 625.0) * (255.0 / 60000.0) * (255.0 / 60000.0) + 1.0 / 12);
    ck_assert_msg(fabs(sigma - expected) < 0.05 * expected, "noise %.4f, expected %.4f", sigma,
                  expected);
    picture_free(&a);
}
END_TEST

START_TEST(drift_takes_light_and_resin_darkens) {
    drae__synth_config plain = test_config(), drift = test_config(), resin = test_config();
    drift.illumination_drift = 0.2;
    resin.resin = 1;
    picture a = picture_make(&plain, plain.strips - 1, 0, 0, false, NULL, 0);
    picture b = picture_make(&drift, drift.strips - 1, 0, 0, false, NULL, 0);
    picture c = picture_make(&resin, resin.strips - 1, 0, 0, false, NULL, 0);
    picture d = picture_make(&drift, 0, 0, 0, false, NULL, 0);
    picture e = picture_make(&plain, 0, 0, 0, false, NULL, 0);
    double left = mean(&b, 0, 300, 40, 600) / mean(&a, 0, 300, 40, 600);
    double right = mean(&b, 1480, 300, 40, 600) / mean(&a, 1480, 300, 40, 600);
    ck_assert_msg(fabs(left - 0.8 * 1.097) < 0.01, "left side keeps %.3f of its light", left);
    ck_assert_msg(fabs(right - 0.8 * 0.903) < 0.01, "right side keeps %.3f of its light", right);
    double body = mean(&c, patch_x(2) + 80, patch_y(1) + 140, 96, 96) /
                  mean(&a, patch_x(2) + 80, patch_y(1) + 140, 96, 96);
    ck_assert_msg(body > 0.88 && body < 0.97, "the new resin lets %.3f of the light through", body);
    ck_assert_msg(memcmp(d.pixels, e.pixels, DRAE__SYNTH_PIXELS) == 0,
                  "the first strip of a drifting set differs from that of a steady one");
    picture *all[] = {&a, &b, &c, &d, &e};
    for (int i = 0; i < 5; i++) {
        picture_free(all[i]);
    }
}
END_TEST

START_TEST(wrong_configurations_are_refused_by_name) {
    drae__synth_config c = test_config();
    drae__err err;
#define REFUSED(field, value, word)                                                                \
    c = test_config();                                                                             \
    c.field = (value);                                                                             \
    err.text[0] = '\0';                                                                            \
    ck_assert_int_eq(drae__synth_check(&c, &err), DRAE_ERROR_ARGUMENT);                            \
    ck_assert_msg(strstr(err.text, word) != NULL, "%s", err.text)
    REFUSED(strips, 0, "strips");
    REFUSED(strips, DRAE__SYNTH_PRODUCT_MAX + 2, "strips");
    REFUSED(runs, 0, "runs");
    REFUSED(runs, DRAE__SYNTH_RUNS_MAX + 1, "runs");
    REFUSED(frames, -3, "frames");
    REFUSED(first_product, -1, "first product");
    REFUSED(batch, -1, "batch");
    REFUSED(resin, 2, "resin");
    REFUSED(threads, -1, "threads");
    REFUSED(defect_rate, 1.01, "defect rate");
    REFUSED(defect_rate, (double)NAN, "defect rate");
    REFUSED(illumination_drift, 0.6, "illumination drift");
    REFUSED(frame_shift_px, 38.5, "reference marks");
    REFUSED(frame_turn_deg, 3.5, "frame turn");
    REFUSED(frame_shift_px, -1.0, "frame shift");
#undef REFUSED
    c = test_config();
    c.first_product = DRAE__SYNTH_PRODUCT_MAX;
    ck_assert_int_eq(drae__synth_check(&c, &err), DRAE_ERROR_ARGUMENT);
    ck_assert_msg(strstr(err.text, "last product number") != NULL, "%s", err.text);
    c.strips = 1;
    ck_assert_int_eq(drae__synth_check(&c, NULL), DRAE_OK);
    c = test_config();
    ck_assert_int_eq(drae__synth_check(&c, NULL), DRAE_OK);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("synth");
    TCase *frames = tcase_create("frames");
    tcase_add_test(frames, same_configuration_same_frame);
    tcase_add_test(frames, seeds_products_runs_and_frames_differ);
    tcase_add_test(frames, good_strip_has_no_mask);
    tcase_add_test(frames, liquid_varies_within_a_product);
    tcase_add_test(frames, lettering_differs_by_cavity);
    tcase_add_test(frames, jitter_moves_the_part_a_little);
    tcase_add_test(frames, noise_has_the_documented_strength);
    tcase_add_test(frames, drift_takes_light_and_resin_darkens);
    tcase_add_test(frames, wrong_configurations_are_refused_by_name);
    suite_add_tcase(suite, frames);
    suite_add_tcase(suite, defect_cases());
    suite_add_tcase(suite, driver_cases());
    suite_add_tcase(suite, recipe_cases());
    return drae_run_suite(suite);
}
