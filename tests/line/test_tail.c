/* SPDX-License-Identifier: Apache-2.0 */
/* Thresholds from order statistics and from a Pareto tail: values, coverage, refusals. */
#include "line/tail.h"

#include "base/philox.h"
#include "line/intervals.h"
#include "tests/run.h"

#include <check.h>
#include <math.h>
#include <string.h>

static drae_status threshold(size_t n, float *scores, double rate, double confidence,
                             drae__tail *tail, drae__err *err) {
    const drae__tail_ask ask = {.rate = rate, .confidence = confidence, .effect = 1.0};
    return drae__tail_threshold(n, scores, &ask, tail, err);
}

START_TEST(pareto_quantiles_are_those_of_scipy) {
    /* scipy.stats.genpareto.isf(p, shape, scale=scale) */
    static const double cases[][4] = {{0.1, 2.0, 0.25, 6.2262352803113825},
                                      {0.01, 0.5, -0.3, 1.2480189280817366},
                                      {0.5, 1.0, 0.0, 0.6931471805599453},
                                      {0.001, 3.0, 0.5, 183.73665961010275}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        double got = drae__pareto_quantile(cases[i][0], cases[i][1], cases[i][2]);
        ck_assert_msg(fabs(got - cases[i][3]) < 1e-12 * cases[i][3], "case %zu: %.17g", i, got);
    }
    ck_assert_double_eq(drae__pareto_quantile(1.0, 2.0, 0.25), 0.0);
}
END_TEST

START_TEST(fit_finds_scale_and_shape) {
    static const double shapes[] = {-0.3, 0.0, 0.25};
    enum { N = 20000 };
    static double x[N];
    for (size_t k = 0; k < 3; k++) {
        double scale = 0.0;
        double shape = 0.0;
        for (size_t i = 0; i < N; i++) { /* the plotting positions, ascending */
            x[i] = drae__pareto_quantile(1.0 - ((double)i + 0.5) / N, 2.0, shapes[k]);
        }
        double limits[3];
        drae__pareto_tail(N, x, 0.01, 0.95, 1.0, limits, &scale, &shape);
        ck_assert(limits[0] < limits[1] && limits[1] < limits[2]);
        ck_assert_msg(fabs(shape - shapes[k]) < 0.01 && fabs(scale - 2.0) < 0.03,
                      "shape %g: %g, scale %g", shapes[k], shape, scale);
    }
}
END_TEST

START_TEST(large_samples_speak_for_themselves) {
    enum { N = 1000 };
    static float scores[N];
    drae__tail tail;
    for (size_t i = 0; i < N; i++) {
        scores[i] = (float)(i * 7 % N) / 1024.0f;
    }
    ck_assert_int_eq(threshold(N, scores, 0.01, 0.95, &tail, NULL), DRAE_OK);
    ck_assert_int_eq(tail.method, DRAE__TAIL_EMPIRICAL);
    ck_assert_double_eq(tail.threshold, 989.0 / 1024.0);
    ck_assert_uint_eq(tail.n_above, 10);
    /* Of B ~ binomial (1000, 0.01): P(B <= 3) = 0.0101, P(B <= 4) = 0.0287; P(B > 16) = 0.0264,
     * P(B > 17) = 0.0139. So 3 values above at the top and 17 at the bottom. */
    ck_assert_double_eq(tail.high, (999.0 - 3.0) / 1024.0);
    ck_assert_double_eq(tail.low, (999.0 - 17.0) / 1024.0);
    ck_assert(isnan(tail.shape));
}
END_TEST

/* n scores of an exponential distribution, whose tail is known. */
static void draw(uint64_t index, size_t n, float *scores) {
    drae__rng rng;
    drae__rng_init(&rng, 5, DRAE__PURPOSE_TEST, index);
    for (size_t i = 0; i < n; i++) {
        scores[i] = (float)-log(((double)drae__rng_u32(&rng) + 0.5) / 4294967296.0);
    }
}

START_TEST(intervals_hold_what_they_promise) {
    enum { TRIES = 300, N = 400 };
    static float scores[N];
    /* 0.02: order statistics; 0.002: the tail. Truth -log(rate). */
    static const double rates[] = {0.02, 0.002};
    for (size_t k = 0; k < 2; k++) {
        int held = 0;
        double sum = 0.0;
        for (uint64_t t = 0; t < TRIES; t++) {
            drae__tail tail;
            drae__err err = {{0}};
            draw(t, N, scores);
            ck_assert_msg(threshold(N, scores, rates[k], 0.95, &tail, &err) == DRAE_OK, "%s",
                          err.text);
            ck_assert_int_eq(tail.method, k == 0 ? DRAE__TAIL_EMPIRICAL : DRAE__TAIL_PARETO);
            ck_assert(tail.low <= tail.threshold && tail.threshold <= tail.high);
            held += tail.low <= -log(rates[k]) && -log(rates[k]) <= tail.high;
            sum += tail.threshold;
        }
        ck_assert_msg(held >= TRIES * (k == 0 ? 93 : 85) / 100,
                      "rate %g: %d of %d intervals hold the truth", rates[k], held, TRIES);
        ck_assert_msg(fabs(sum / TRIES + log(rates[k])) < 0.35, "rate %g: mean threshold %g",
                      rates[k], sum / TRIES);
    }
}
END_TEST

START_TEST(same_sample_same_threshold) {
    float a[300];
    float b[300];
    drae__tail x;
    drae__tail y;
    draw(3, 300, a);
    for (size_t i = 0; i < 300; i++) {
        b[i] = a[299 - i];
    }
    ck_assert_int_eq(threshold(300, a, 0.005, 0.95, &x, NULL), DRAE_OK);
    ck_assert_int_eq(threshold(300, b, 0.005, 0.95, &y, NULL), DRAE_OK);
    ck_assert(x.threshold == y.threshold && x.low == y.low && x.high == y.high);
}
END_TEST

START_TEST(small_samples_are_refused_by_number) {
    float scores[250] = {0};
    drae__tail tail = {.threshold = 42.0};
    drae__err err = {{0}};
    ck_assert_uint_eq(drae__tail_needed_empirical(0.005), 800);
    ck_assert_uint_eq(drae__tail_needed(0.005), 200);
    ck_assert_uint_eq(drae__tail_needed(0.1), 40);
    ck_assert_uint_eq(drae__tail_needed(0.00001), 10000);
    draw(1, 250, scores);
    ck_assert_int_eq(threshold(199, scores, 0.005, 0.95, &tail, &err), DRAE_ERROR_FILE);
    ck_assert_ptr_nonnull(strstr(err.text, "at least 200"));
    ck_assert_ptr_nonnull(strstr(err.text, "800"));
    ck_assert_int_eq(threshold(250, scores, 0.0, 0.95, &tail, &err), DRAE_ERROR_ARGUMENT);
    ck_assert_int_eq(threshold(250, scores, 0.005, 1.0, &tail, &err), DRAE_ERROR_ARGUMENT);
    for (size_t i = 0; i < 250; i++) {
        scores[i] = 0.5f;
    }
    ck_assert_int_eq(threshold(250, scores, 0.005, 0.95, &tail, &err), DRAE_ERROR_FILE);
    ck_assert_ptr_nonnull(strstr(err.text, "no tail"));
    scores[7] = NAN;
    ck_assert_int_eq(threshold(250, scores, 0.005, 0.95, &tail, &err), DRAE_ERROR_NOT_FINITE);
    ck_assert_double_eq(tail.threshold, 42.0);
}
END_TEST

/* Every item m times over, in clusters of m, tells what the items tell alone. */
START_TEST(repeated_items_tell_nothing_new) {
    enum { N = 1000, M = 4 };
    static const double rates[] = {0.02, 0.0005};
    static float once[N];
    static float often[N * M];
    static double k[N];
    static double n[N];
    draw(9, N, once);
    for (size_t i = 0; i < N; i++) {
        for (size_t m = 0; m < M; m++) {
            often[M * i + m] = once[i];
        }
        n[i] = M;
        k[i] = once[i] > 2.3f ? M : 0.0;
    }
    double effect = drae__design_effect(N, k, n);
    ck_assert_msg(fabs(effect - M) < 0.01 * M, "design effect %g", effect);
    for (size_t r = 0; r < 2; r++) {
        drae__tail_ask ask = {.rate = rates[r], .confidence = 0.95, .effect = 1.0};
        drae__tail alone;
        drae__tail all;
        drae__tail naive;
        ck_assert_int_eq(drae__tail_threshold(N, once, &ask, &alone, NULL), DRAE_OK);
        ck_assert_int_eq(drae__tail_threshold(N * M, often, &ask, &naive, NULL), DRAE_OK);
        ask.effect = M;
        ck_assert_int_eq(drae__tail_threshold(N * M, often, &ask, &all, NULL), DRAE_OK);
        ck_assert_int_eq(all.method, alone.method);
        ck_assert_msg(fabs(all.threshold - alone.threshold) < 0.02, "rate %g: %g, alone %g",
                      rates[r], all.threshold, alone.threshold);
        ck_assert_msg(fabs(all.low - alone.low) < 0.02 * alone.low &&
                          fabs(all.high - alone.high) < 0.02 * alone.high,
                      "rate %g: %g to %g, alone %g to %g", rates[r], all.low, all.high, alone.low,
                      alone.high);
        ck_assert_msg(naive.high - naive.low < 0.7 * (all.high - all.low),
                      "rate %g: as wide as without the effect", rates[r]);
    }
}
END_TEST

START_TEST(one_product_is_one_item) {
    static const double k[] = {3, 0, 0};
    static const double n[] = {60, 0, 0};
    ck_assert_double_eq(drae__design_effect(3, k, n), 60.0);
    ck_assert_double_eq(drae__design_effect(0, k, n), 1.0);
}
END_TEST

START_TEST(a_small_sample_is_told_with_an_open_limit) {
    float scores[30];
    drae__tail tail;
    drae__err err = {{0}};
    drae__tail_ask ask = {.rate = 0.05, .confidence = 0.95, .effect = 1.5};
    draw(2, 30, scores);
    ck_assert_int_eq(drae__tail_threshold(30, scores, &ask, &tail, &err), DRAE_ERROR_FILE);
    ck_assert_ptr_nonnull(strstr(err.text, "worth 20"));
    ck_assert_ptr_nonnull(strstr(err.text, "80"));
    ask.small = true;
    ck_assert_int_eq(drae__tail_threshold(30, scores, &ask, &tail, &err), DRAE_OK);
    ck_assert_int_eq(tail.method, DRAE__TAIL_EMPIRICAL);
    ck_assert_double_eq(tail.threshold, scores[28]);
    ck_assert(isinf(tail.high) && tail.low < tail.threshold);
    ck_assert_int_eq(drae__tail_threshold(19, scores, &ask, &tail, &err), DRAE_ERROR_FILE);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("tail");
    TCase *t = tcase_create("tail");
    tcase_set_timeout(t, 120);
    tcase_add_test(t, pareto_quantiles_are_those_of_scipy);
    tcase_add_test(t, fit_finds_scale_and_shape);
    tcase_add_test(t, large_samples_speak_for_themselves);
    tcase_add_test(t, intervals_hold_what_they_promise);
    tcase_add_test(t, same_sample_same_threshold);
    tcase_add_test(t, small_samples_are_refused_by_number);
    tcase_add_test(t, repeated_items_tell_nothing_new);
    tcase_add_test(t, one_product_is_one_item);
    tcase_add_test(t, a_small_sample_is_told_with_an_open_limit);
    suite_add_tcase(suite, t);
    return drae_run_suite(suite);
}
