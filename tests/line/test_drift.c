/* SPDX-License-Identifier: Apache-2.0 */
/* Drift: the reference, how rarely the charts alarm without a change and how soon with one, KS. */
#include "line/drift.h"

#include "base/philox.h"
#include "line/mask.h"
#include "line/statistics.h"
#include "tests/run.h"

#include <check.h>
#include <math.h>
#include <string.h>

START_TEST(reference_is_robust) {
    float values[41];
    float scratch[41];
    drae__drift_reference r;
    drae__err err = {{0}};
    for (int i = 0; i < 41; i++) { /* -20..20 around 100, scattered */
        values[i] = 100.0f + (float)(i * 17 % 41 - 20);
    }
    ck_assert_int_eq(drae__drift_learn(41, values, scratch, &r, &err), DRAE_OK);
    ck_assert_double_eq(r.centre, 100.0);
    ck_assert(fabs(r.scale - 14.826) < 1e-9);
    values[40] = 1e6f; /* one outlier changes little */
    ck_assert_int_eq(drae__drift_learn(41, values, scratch, &r, &err), DRAE_OK);
    ck_assert(fabs(r.centre - 100.0) <= 1.0 && r.scale < 17.0);
    ck_assert_int_eq(drae__drift_learn(19, values, scratch, &r, &err), DRAE_ERROR_FILE);
    ck_assert_ptr_nonnull(strstr(err.text, "at least 20"));
    for (int i = 0; i < 41; i++) {
        values[i] = i < 30 ? 5.0f : 6.0f; /* no median deviation */
    }
    ck_assert_int_eq(drae__drift_learn(41, values, scratch, &r, &err), DRAE_OK);
    ck_assert(r.centre == 5.0 && r.scale > 0.4 && r.scale < 0.5);
    for (int i = 0; i < 41; i++) {
        values[i] = 5.0f;
    }
    ck_assert_int_eq(drae__drift_learn(41, values, scratch, &r, &err), DRAE_ERROR_FILE);
    values[3] = NAN;
    ck_assert_int_eq(drae__drift_learn(41, values, scratch, &r, &err), DRAE_ERROR_NOT_FINITE);
}
END_TEST

START_TEST(limit_gives_the_run_length) {
    /* Tables of CUSUM, one side: k = 0.5, h = 4 runs 336 on average, h = 5 runs 930 (Montgomery);
     * Siegmund's approximation gives 338 and 938. Both sides: half. */
    ck_assert(fabs(drae__drift_limit(0.5, 169.0) - 4.0) < 0.01);
    ck_assert(fabs(drae__drift_limit(0.5, 469.0) - 5.0) < 0.01);
}
END_TEST

/* Values until the first alarm, at most `most`; which: 0 any, 1 CUSUM, 2 Page-Hinkley. */
static uint64_t run(uint64_t index, double length, double shift, uint64_t change, uint64_t most,
                    int which) {
    const drae__drift_reference reference = {100, 10.0, 2.0};
    drae__drift d;
    drae__rng rng;
    drae__rng_init(&rng, 11, DRAE__PURPOSE_TEST, index);
    ck_assert_int_eq(drae__drift_begin(&d, 0.5, length, NULL), DRAE_OK);
    while (d.n < most) {
        double x = (double)drae__rng_normal(&rng) + (d.n >= change ? shift : 0.0);
        (void)drae__drift_add(&d, &reference, 10.0 + 2.0 * x);
        if (which == 0 ? d.cusum || d.page_hinkley : which == 1 ? d.cusum : d.page_hinkley) {
            break;
        }
    }
    return d.n;
}

START_TEST(false_alarms_are_as_rare_as_promised) {
    /* Run lengths are nearly exponential: the mean of 200 strays 7 %. */
    double sums[3] = {0};
    for (uint64_t t = 0; t < 200; t++) {
        for (int which = 1; which <= 2; which++) {
            sums[which] += (double)run(t, 500.0, 0.0, 0, 20000, which) / 200.0;
        }
    }
    ck_assert_msg(sums[1] > 400.0 && sums[1] < 650.0, "CUSUM runs %g", sums[1]);
    ck_assert_msg(sums[2] > 400.0, "Page-Hinkley runs %g", sums[2]);
}
END_TEST

START_TEST(shifts_are_found_soon) {
    /* One scale either way, after 200 good values: about h / (1 - k) + some = 25 more. */
    double delay = 0.0;
    for (uint64_t t = 0; t < 100; t++) {
        double shift = t % 2 == 0 ? 1.0 : -1.0;
        uint64_t n = run(1000 + t, 1e6, shift, 200, 2000, 0);
        ck_assert_msg(n > 200 && n < 400, "run %u: alarm at %u", (unsigned)t, (unsigned)n);
        delay += (double)(n - 200) / 100.0;
    }
    ck_assert_msg(delay < 50.0, "mean delay %g", delay);
}
END_TEST

START_TEST(one_outlier_is_no_drift_and_no_number_counts) {
    const drae__drift_reference reference = {100, 0.0, 1.0};
    drae__drift d;
    ck_assert_int_eq(drae__drift_begin(&d, 0.5, 1e5, NULL), DRAE_OK);
    ck_assert(!drae__drift_add(&d, &reference, 30.0));
    for (int i = 0; i < 20; i++) {
        ck_assert(!drae__drift_add(&d, &reference, 0.0));
    }
    for (int i = 0; i < 20; i++) {
        (void)drae__drift_add(&d, &reference, NAN);
    }
    ck_assert(d.cusum && d.at > 21 && d.at < 30);
    uint64_t at = d.at;
    ck_assert(drae__drift_add(&d, &reference, 0.0));
    ck_assert(d.at == at);
    ck_assert_int_eq(drae__drift_begin(&d, 0.0, 1e5, NULL), DRAE_ERROR_ARGUMENT);
    ck_assert_int_eq(drae__drift_begin(&d, 0.5, 1.0, NULL), DRAE_ERROR_ARGUMENT);
}
END_TEST

START_TEST(kolmogorov_smirnov_agrees_with_scipy) {
    float a[101];
    float b[60];
    for (int i = 0; i < 101; i++) {
        a[i] = (float)(i * 37 % 101) / 8.0f;
    }
    for (int i = 0; i < 60; i++) {
        b[i] = (float)(i * 53 % 97) / 8.0f + 1.5f;
    }
    drae__sort(101, a);
    drae__sort(60, b);
    drae__ks got = drae__ks_test(101, a, 60, b, 0.01);
    ck_assert(fabs(got.distance - 0.1188118811881188) < 1e-12);
    ck_assert_msg(fabs(got.p - 0.6626980089631453) < 1e-12, "p %.17g", got.p);
    ck_assert(!got.changed);
    for (int i = 0; i < 60; i++) {
        b[i] += 8.0f;
    }
    ck_assert(drae__ks_test(101, a, 60, b, 0.01).changed);
    got = drae__ks_test(101, a, 101, a, 0.01);
    ck_assert(got.distance == 0.0 && got.p == 1.0);
}
END_TEST

START_TEST(kolmogorov_smirnov_keeps_its_rate) {
    enum { TRIES = 2000, N = 80, M = 60 };
    int alarms = 0;
    for (uint64_t t = 0; t < TRIES; t++) {
        float a[N];
        float b[M];
        drae__rng rng;
        drae__rng_init(&rng, 12, DRAE__PURPOSE_TEST, t);
        for (int i = 0; i < N; i++) {
            a[i] = drae__rng_normal(&rng);
        }
        for (int i = 0; i < M; i++) {
            b[i] = drae__rng_normal(&rng);
        }
        drae__sort(N, a);
        drae__sort(M, b);
        alarms += drae__ks_test(N, a, M, b, 0.05).changed;
    }
    /* 5 % of 2000 are 100; the asymptotic test errs on the quiet side. */
    ck_assert_msg(alarms > 40 && alarms < 125, "%d of %d", alarms, TRIES);
}
END_TEST

START_TEST(comparison_of_two_sets) {
    enum { N = 60, M = 80 };
    float before[N];
    float now[M];
    drae__rng rng;
    drae__drift_found f;
    drae__err err = {{0}};
    drae__rng_init(&rng, 13, DRAE__PURPOSE_TEST, 0);
    for (int i = 0; i < N; i++) {
        before[i] = 50.0f + drae__rng_normal(&rng);
    }
    for (int i = 0; i < M; i++) {
        now[i] = 50.0f + drae__rng_normal(&rng);
    }
    ck_assert_int_eq(drae__drift_compare(N, before, M, now, 0.01, 1e5, &f, &err), DRAE_OK);
    ck_assert(!f.changed && f.at == M && fabs(f.shift) < 1.0 && f.n == M);
    float first = now[0];
    for (int i = 30; i < M; i++) { /* from value 30 on, two scales down */
        now[i] -= 2.0f;
    }
    ck_assert_int_eq(drae__drift_compare(N, before, M, now, 0.01, 1e5, &f, &err), DRAE_OK);
    ck_assert(f.changed && f.ks.changed && f.cusum);
    ck_assert_msg(f.at > 30 && f.at < 60, "alarm at %zu", f.at);
    ck_assert(now[0] == first); /* the stream stays as it was */
    ck_assert_int_eq(drae__drift_compare(10, before, M, now, 0.01, 1e5, &f, &err), DRAE_ERROR_FILE);
}
END_TEST

START_TEST(means_by_cluster) {
    const float values[] = {1, 2, 3, 4, NAN, 100, 7};
    const uint32_t cluster[] = {2, 0, 2, 0, 0, 1, 3};
    const bool keep[] = {true, true, true, true, true, false, true};
    double sums[10];
    float means[5];
    uint32_t of[5];
    ck_assert_uint_eq(drae__cluster_means(7, values, cluster, 5, keep, sums, means, of), 3);
    ck_assert(of[0] == 0 && of[1] == 2 && of[2] == 3);
    ck_assert(means[0] == 3.0f && means[1] == 2.0f && means[2] == 7.0f);
}
END_TEST

START_TEST(moments_of_an_image) {
    const uint8_t patch[] = {0, 255, 0, 255};
    float mean = 0.0f;
    float spread = 0.0f;
    drae__grey_moments(4, patch, &mean, &spread);
    ck_assert(mean == 127.5f && spread == 127.5f);
    drae__grey_moments(1, patch + 1, &mean, &spread);
    ck_assert(mean == 255.0f && spread == 0.0f);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("drift");
    TCase *t = tcase_create("drift");
    tcase_add_test(t, reference_is_robust);
    tcase_add_test(t, limit_gives_the_run_length);
    tcase_add_test(t, false_alarms_are_as_rare_as_promised);
    tcase_add_test(t, shifts_are_found_soon);
    tcase_add_test(t, one_outlier_is_no_drift_and_no_number_counts);
    tcase_add_test(t, kolmogorov_smirnov_agrees_with_scipy);
    tcase_add_test(t, kolmogorov_smirnov_keeps_its_rate);
    tcase_add_test(t, comparison_of_two_sets);
    tcase_add_test(t, means_by_cluster);
    tcase_add_test(t, moments_of_an_image);
    suite_add_tcase(suite, t);
    return drae_run_suite(suite);
}
