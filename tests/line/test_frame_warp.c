/* SPDX-License-Identifier: Apache-2.0 */
/* Sampling and correlation against plain loops in double. */
#include "line/correlate.h"
#include "line/warp.h"

#include "base/philox.h"
#include "tests/run.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { W = 23, H = 17, STRIDE = 29, GUARD = 16 };

static uint8_t picture[STRIDE * H];

static void fill_picture(uint64_t seed) {
    drae__rng rng;
    drae__rng_init(&rng, seed, DRAE__PURPOSE_TEST, 7);
    for (int i = 0; i < STRIDE * H; i++) {
        picture[i] = (uint8_t)drae__rng_u32(&rng);
    }
}

static double sinc(double x) {
    double a = acos(-1.0) * x;
    return fabs(x) < 1e-12 ? 1.0 : sin(a) / a;
}

static double kernel(double cutoff, double x) {
    return fabs(x) >= 3.0 ? 0.0 : sinc(cutoff * x) * sinc(x / 3);
}

/* The two kernels of line/warp.h: interpolating, and even at every phase. */
static const double cutoffs[] = {1.0, DRAE__WARP_CUTOFF};

static void make_taps(int which, drae__warp_taps *taps) {
    if (which == 0) {
        drae__warp_taps_init(taps);
    } else {
        drae__warp_taps_init_even(taps);
    }
}

static double pixel(long x, long y) { /* the border goes on */
    x = x < 0 ? 0 : x >= W ? W - 1 : x;
    y = y < 0 ? 0 : y >= H ? H - 1 : y;
    return picture[y * STRIDE + x];
}

/* The point's value at the nearest of 256 phases an axis, as the header promises. */
static double oracle(double cutoff, double x, double y) {
    x = floor(x * DRAE__WARP_PHASES + 0.5) / DRAE__WARP_PHASES;
    y = floor(y * DRAE__WARP_PHASES + 0.5) / DRAE__WARP_PHASES;
    long x0 = (long)floor(x), y0 = (long)floor(y);
    double sum = 0.0, weights = 0.0;
    for (long j = y0 - 2; j <= y0 + 3; j++) {
        for (long i = x0 - 2; i <= x0 + 3; i++) {
            double weight = kernel(cutoff, x - (double)i) * kernel(cutoff, y - (double)j);
            sum += weight * pixel(i, j);
            weights += weight;
        }
    }
    return sum / weights;
}

static void check_grid(const drae__warp_taps *taps, double cutoff, const drae__grid *g, double step,
                       double max_angle) {
    drae__plane plane = {picture, STRIDE, W, H};
    size_t n = (size_t)g->n_columns * (size_t)g->n_rows;
    size_t n_scratch =
        drae__warp_scratch_floats(g->n_columns, g->n_rows, step, hypot(g->v_x, g->v_y), max_angle);
    float *scratch = malloc((n_scratch + GUARD) * sizeof *scratch);
    float *dst = malloc((n + GUARD) * sizeof *dst);
    memset(scratch, 0xff, (n_scratch + GUARD) * sizeof *scratch);
    memset(dst, 0xff, (n + GUARD) * sizeof *dst);
    drae__warp_sample(&plane, taps, g, scratch, dst);
    for (int j = 0; j < g->n_rows; j++) {
        for (int i = 0; i < g->n_columns; i++) {
            double x = g->origin_x + i * g->u_x + j * g->v_x;
            double y = g->origin_y + i * g->u_y + j * g->v_y;
            double got = (double)dst[j * g->n_columns + i], want = oracle(cutoff, x, y);
            /* a position that rounds to the next phase at a tie moves by 1/256 px */
            double near_x = oracle(cutoff, x + 1e-9, y + 1e-9),
                   near_y = oracle(cutoff, x - 1e-9, y - 1e-9);
            double error = fmin(fabs(got - want), fmin(fabs(got - near_x), fabs(got - near_y)));
            ck_assert_msg(error < 1e-3, "(%d, %d) at (%.6f, %.6f): %.5f, expected %.5f", i, j, x, y,
                          got, want);
        }
    }
    for (size_t i = 0; i < GUARD; i++) {
        ck_assert_msg(isnan(dst[n + i]) && isnan(scratch[n_scratch + i]), "guard %zu", i);
    }
    free(dst);
    free(scratch);
}

START_TEST(samples_are_what_the_formula_says) {
    drae__warp_taps taps;
    drae__rng rng;
    make_taps(_i, &taps);
    drae__rng_init(&rng, 5, DRAE__PURPOSE_TEST, 8);
    for (uint64_t k = 0; k < 300; k++) { /* inside, across every border, and wholly outside */
        fill_picture(k % 3);
        double angle = (double)drae__rng_range(&rng, -0.2f, 0.2f);
        double step = (double)drae__rng_range(&rng, 0.3f, 1.7f);
        double step_v = k % 2 == 0 ? step : (double)drae__rng_range(&rng, 0.3f, 1.7f);
        angle += k % 5 == 0 ? acos(0.0) : 0.0; /* along the other axis */
        drae__grid g = {.origin_x = (double)drae__rng_range(&rng, -12.0f, W + 6.0f),
                        .origin_y = (double)drae__rng_range(&rng, -12.0f, H + 6.0f),
                        .u_x = step * cos(angle),
                        .u_y = step * sin(angle),
                        .v_x = -step_v * sin(angle),
                        .v_y = step_v * cos(angle),
                        .n_columns = 1 + (int)drae__rng_below(&rng, 19),
                        .n_rows = 1 + (int)drae__rng_below(&rng, 13)};
        if (k % 5 == 0) { /* booked as the turned grid: columns run down */
            g.n_rows = g.n_columns;
            g.v_x = -step * sin(angle);
            g.v_y = step * cos(angle);
        }
        check_grid(&taps, cutoffs[_i], &g, step, 0.2);
    }
}
END_TEST

START_TEST(whole_pixels_are_copies) {
    drae__warp_taps taps;
    drae__warp_taps_init(&taps);
    fill_picture(1);
    drae__plane plane = {picture, STRIDE, W, H};
    drae__grid g = {.u_x = 1.0, .v_y = 1.0, .n_columns = W + 8, .n_rows = H + 8};
    g.origin_x = g.origin_y = -4.0;
    static float scratch[64 * 64], dst[(W + 8) * (H + 8)];
    ck_assert_uint_le(drae__warp_scratch_floats(g.n_columns, g.n_rows, 1.0, 1.0, 0.0), 64 * 64);
    memset(scratch, 0xff, sizeof scratch);
    drae__warp_sample(&plane, &taps, &g, scratch, dst);
    for (int j = 0; j < g.n_rows; j++) {
        for (int i = 0; i < g.n_columns; i++) {
            float got = dst[j * g.n_columns + i], want = (float)pixel(i - 4, j - 4);
            ck_assert_msg(got == want, "(%d, %d): %g, expected %g", i, j, (double)got,
                          (double)want);
        }
    }
}
END_TEST

START_TEST(weights_add_up) {
    drae__warp_taps taps;
    make_taps(_i, &taps);
    for (int k = 0; k <= DRAE__WARP_PHASES; k++) {
        double sum = 0.0;
        for (int i = 0; i < 8; i++) {
            sum += (double)taps.weight[k][i];
        }
        ck_assert_msg(fabs(sum - 1.0) < 1e-6, "phase %d: %.9f", k, sum);
        ck_assert(taps.weight[k][6] == 0.0f && taps.weight[k][7] == 0.0f);
        for (int i = 0; i < DRAE__WARP_TAPS; i++) { /* the same from the other side */
            double a = (double)taps.weight[k][i];
            double b = (double)taps.weight[DRAE__WARP_PHASES - k][DRAE__WARP_TAPS - 1 - i];
            ck_assert_msg(fabs(a - b) < 1e-6, "phase %d tap %d: %.9f, %.9f", k, i, a, b);
        }
    }
}
END_TEST

/* What is left of a wave of `frequency` cycles a pixel (0: of white noise, as power) by phase k. */
static double passed(const drae__warp_taps *taps, int k, double frequency) {
    double re = 0.0, im = 0.0, power = 0.0, turn = 2.0 * acos(-1.0) * frequency;
    for (int i = 0; i < DRAE__WARP_TAPS; i++) {
        double w = (double)taps->weight[k][i];
        double at = i - 2 - (double)k / DRAE__WARP_PHASES;
        re += w * cos(turn * at);
        im += w * sin(turn * at);
        power += w * w;
    }
    return frequency > 0.0 ? hypot(re, im) : power;
}

START_TEST(the_even_kernel_is_alike_at_every_phase) {
    /* white noise, and waves down to the shortest that pixels hold; of those little passes at all
     */
    static const struct {
        double frequency, bound;
    } waves[] = {{0.0, 0.01}, {0.05, 0.01}, {0.1, 0.01}, {0.2, 0.01},
                 {0.3, 0.01}, {0.4, 0.03},  {0.5, 0.09}};
    drae__warp_taps even, sharp;
    drae__warp_taps_init_even(&even);
    drae__warp_taps_init(&sharp);
    for (size_t i = 0; i < sizeof waves / sizeof waves[0]; i++) {
        double whole = passed(&even, 0, waves[i].frequency);
        for (int k = 0; k <= DRAE__WARP_PHASES; k++) {
            double now = passed(&even, k, waves[i].frequency);
            ck_assert_msg(fabs(now - whole) < waves[i].bound,
                          "%.2f cycles a pixel, phase %d: %.4f, at phase 0 %.4f",
                          waves[i].frequency, k, now, whole);
        }
    }
    ck_assert_msg(passed(&even, 0, 0.125) > 0.9, "8 pixels a wave: %.3f", passed(&even, 0, 0.125));
    /* why it is there: the interpolator takes a fifth of the noise's power an axis at half pixels
     */
    ck_assert(passed(&sharp, DRAE__WARP_PHASES / 2, 0.0) < 0.8);
}
END_TEST

START_TEST(poses_turn_as_documented) {
    double angle = drae__radians(90.0), x, y;
    drae__pose pose = {10.0, 20.0, 3.0, -4.0, cos(angle), sin(angle)};
    drae__pose_apply(&pose, 10.0, 20.0, &x, &y); /* the centre only shifts */
    ck_assert(fabs(x - 13.0) < 1e-12 && fabs(y - 16.0) < 1e-12);
    drae__pose_apply(&pose, 15.0, 20.0, &x, &y); /* +x turns to +y, which points down */
    ck_assert(fabs(x - 13.0) < 1e-12 && fabs(y - 21.0) < 1e-12);
    ck_assert(fabs(drae__degrees(drae__radians(33.0)) - 33.0) < 1e-12);
}
END_TEST

START_TEST(correlation_is_what_the_formula_says) {
    enum { MAX = 37, ROWS = 11, SRC_STRIDE = MAX + 13 };
    static float tmpl[MAX * ROWS], padded[(MAX + 8) * ROWS], src[SRC_STRIDE * ROWS];
    drae__rng rng;
    drae__rng_init(&rng, 9, DRAE__PURPOSE_TEST, 9);
    for (int width = 1; width <= MAX; width++) {
        for (int height = 1; height <= ROWS; height += 5) {
            size_t n = (size_t)(width * height);
            for (int i = 0; i < SRC_STRIDE * ROWS; i++) {
                src[i] = drae__rng_range(&rng, -128.0f, 127.0f);
            }
            for (size_t i = 0; i < n; i++) {
                tmpl[i] = drae__rng_range(&rng, 0.0f, 255.0f);
            }
            double power = drae__center(tmpl, n), mean = 0.0, square = 0.0, tf = 0.0, f = 0.0;
            for (size_t i = 0; i < n; i++) {
                mean += (double)tmpl[i] / (double)n;
                square += (double)tmpl[i] * (double)tmpl[i];
            }
            ck_assert(fabs(mean) < 1e-4 && fabs(square - power) <= 1e-9 * square);
            int stride = drae__lane_stride(width);
            ck_assert(stride % DRAE__LANES == 0 && stride >= width && stride < width + DRAE__LANES);
            memset(padded, 0, sizeof padded);
            for (int y = 0; y < height; y++) {
                for (int x = 0; x < width; x++) {
                    padded[y * stride + x] = tmpl[y * width + x];
                    f += (double)src[y * SRC_STRIDE + x] / (double)n;
                }
            }
            double ff = 0.0, scale = 0.0;
            for (int y = 0; y < height; y++) {
                for (int x = 0; x < width; x++) {
                    double t = (double)tmpl[y * width + x];
                    double value = (double)src[y * SRC_STRIDE + x];
                    tf += t * value;
                    ff += (value - f) * (value - f);
                    scale += fabs(t * value);
                }
            }
            double dot = drae__dot(padded, stride, src, SRC_STRIDE, height);
            ck_assert_msg(fabs(dot - tf) <= 1e-5 * scale + 1e-6, "%d x %d: %g, expected %g", width,
                          height, dot, tf);
            if (n > 1) { /* one pixel has no spread */
                double want = tf / sqrt(power * ff);
                double got = drae__correlate(tmpl, power, src, SRC_STRIDE, width, height);
                ck_assert_msg(fabs(got - want) < 1e-4, "%d x %d: %.7f, expected %.7f", width,
                              height, got, want);
            }
        }
    }
}
END_TEST

START_TEST(flat_pieces_match_nothing) {
    float tmpl[16] = {-1, 1, -1, 1, -1, 1, -1, 1, -1, 1, -1, 1, -1, 1, -1, 1}, src[16];
    for (int i = 0; i < 16; i++) {
        src[i] = 90.0f + 0.9f * tmpl[i]; /* alike, but below one level of gray */
    }
    ck_assert(drae__correlate(tmpl, 16.0, src, 4, 4, 4) == 0.0);
    for (int i = 0; i < 16; i++) {
        src[i] = 90.0f + 2.0f * tmpl[i];
    }
    ck_assert(fabs(drae__correlate(tmpl, 16.0, src, 4, 4, 4) - 1.0) < 1e-4);
    ck_assert(drae__score(16.0, 16.0, 5.0, (double)NAN, 3.0) == 0.0);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("frame_warp");
    TCase *tc = tcase_create("warp");
    tcase_add_loop_test(tc, samples_are_what_the_formula_says, 0, 2);
    tcase_add_test(tc, whole_pixels_are_copies);
    tcase_add_loop_test(tc, weights_add_up, 0, 2);
    tcase_add_test(tc, the_even_kernel_is_alike_at_every_phase);
    tcase_add_test(tc, poses_turn_as_documented);
    tcase_add_test(tc, correlation_is_what_the_formula_says);
    tcase_add_test(tc, flat_pieces_match_nothing);
    suite_add_tcase(suite, tc);
    return drae_run_suite(suite);
}
