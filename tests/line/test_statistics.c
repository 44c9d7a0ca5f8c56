/* SPDX-License-Identifier: Apache-2.0 */
/* Quantiles, thresholds, anchors, AUROC and counts against values worked out by hand. */
#include "line/statistics.h"

#include "base/philox.h"
#include "tests/run.h"

#include <check.h>
#include <math.h>
#include <string.h>

START_TEST(quantile_is_the_inverse_of_the_distribution_function) {
    /* n = 5: F(x) jumps by 0.2 at each value. */
    float values[] = {30.0f, 10.0f, 50.0f, 20.0f, 40.0f};
    drae__sort(5, values);
    static const struct {
        double p;
        float value;
    } cases[] = {{0.0, 10}, {0.1, 10},  {0.2, 10}, {0.2001, 20}, {0.4, 20}, {0.5, 30},
                 {0.6, 30}, {0.61, 40}, {0.8, 40}, {0.81, 50},   {1.0, 50}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        float got = drae__quantile(5, values, cases[i].p);
        ck_assert_msg(got == cases[i].value, "case %zu: p %g gives %g, expected %g", i, cases[i].p,
                      (double)got, (double)cases[i].value);
    }
    float one = 7.0f;
    ck_assert(drae__quantile(1, &one, 0.0) == 7.0f && drae__quantile(1, &one, 1.0) == 7.0f);
}
END_TEST

START_TEST(quantile_rank_is_not_fooled_by_rounding) {
    /* 0.995 and 1 - 0.005 are not exact in binary; the products must count as whole all the same.
     */
    for (size_t k = 1; k <= 5000; k++) {
        ck_assert_uint_eq(drae__quantile_rank(200 * k, 0.995), 199 * k);
        ck_assert_uint_eq(drae__quantile_rank(200 * k, 1.0 - 0.005), 199 * k);
        ck_assert_uint_eq(drae__quantile_rank(1000 * k, 1.0 - 0.001), 999 * k);
        ck_assert_uint_eq(drae__quantile_rank(1000 * k, 0.999), 999 * k);
    }
    ck_assert_uint_eq(drae__quantile_rank(201, 0.995), 200); /* 199.995 */
    ck_assert_uint_eq(drae__quantile_rank(399, 0.995), 398); /* 397.005 */
}
END_TEST

START_TEST(samples_needed_for_a_rate) {
    ck_assert_uint_eq(drae__samples_needed(0.005), 200);
    ck_assert_uint_eq(drae__samples_needed(0.01), 100);
    ck_assert_uint_eq(drae__samples_needed(0.001), 1000);
    ck_assert_uint_eq(drae__samples_needed(0.3), 4); /* 3.33 */
    ck_assert_uint_eq(drae__samples_needed(0.5), 2);
    ck_assert_uint_eq(drae__samples_needed(0.0001), 10000);
}
END_TEST

START_TEST(threshold_lets_at_most_the_rate_through) {
    enum { N = 1000 };
    static float scores[N];
    const double rates[] = {0.005, 0.001, 0.01, 0.0333, 0.25, 0.999};
    for (size_t k = 0; k < sizeof rates / sizeof rates[0]; k++) {
        /* 0..999 in a scattered order (7 and 1000 have no common factor), plus one. */
        for (size_t i = 0; i < N; i++) {
            scores[i] = (float)(i * 7 % N) / 1024.0f;
        }
        float threshold = -1.0f;
        size_t n_above = 12345;
        drae__err err = {{0}};
        ck_assert_int_eq(drae__threshold_from_good(N, scores, rates[k], &threshold, &n_above, &err),
                         DRAE_OK);
        size_t allowed = (size_t)floor(rates[k] * N + 1e-9);
        ck_assert_uint_eq(n_above, allowed);
        ck_assert_float_eq(threshold, (float)(N - 1 - allowed) / 1024.0f);
    }
}
END_TEST

START_TEST(threshold_with_ties_rejects_fewer) {
    float scores[200];
    for (size_t i = 0; i < 200; i++) {
        scores[i] = i < 190 ? 0.1f : 0.2f;
    }
    float threshold = -1.0f;
    size_t n_above = 99;
    ck_assert_int_eq(drae__threshold_from_good(200, scores, 0.005, &threshold, &n_above, NULL),
                     DRAE_OK);
    ck_assert_float_eq(threshold, 0.2f);
    ck_assert_uint_eq(n_above, 0);
}
END_TEST

START_TEST(threshold_refuses_what_it_cannot_know) {
    float scores[199] = {0};
    float threshold = 42.0f;
    drae__err err = {{0}};
    ck_assert_int_eq(drae__threshold_from_good(199, scores, 0.005, &threshold, NULL, &err),
                     DRAE_ERROR_FILE);
    ck_assert_ptr_nonnull(strstr(err.text, "199 good patches"));
    ck_assert_ptr_nonnull(strstr(err.text, "at least 200"));
    ck_assert_int_eq(drae__threshold_from_good(0, scores, 0.005, &threshold, NULL, &err),
                     DRAE_ERROR_FILE);
    const double wrong[] = {0.0, 1.0, -0.1, 1.5, (double)NAN};
    for (int i = 0; i < 5; i++) {
        ck_assert_int_eq(drae__threshold_from_good(199, scores, wrong[i], &threshold, NULL, &err),
                         DRAE_ERROR_ARGUMENT);
    }
    scores[77] = NAN;
    ck_assert_int_eq(drae__threshold_from_good(199, scores, 0.1, &threshold, NULL, &err),
                     DRAE_ERROR_NOT_FINITE);
    ck_assert_ptr_nonnull(strstr(err.text, "score 77"));
    ck_assert_float_eq(threshold, 42.0f);
}
END_TEST

static drae__histogram histogram;

START_TEST(histogram_quantile_is_exact_to_1e_4) {
    /* Against the sorted values themselves, streamed in uneven pieces. */
    enum { N = 100003 };
    static float values[N];
    drae__rng rng;
    drae__rng_init(&rng, 1, DRAE__PURPOSE_TEST, 0);
    for (size_t i = 0; i < N; i++) {
        float u = drae__rng_uniform(&rng);
        values[i] = u * u * u * u; /* most near 0, a long tail, as residuals are */
    }
    memset(&histogram, 0, sizeof histogram);
    for (size_t at = 0, piece = 1; at < N; at += piece, piece = piece * 3 % 4099 + 1) {
        drae__histogram_add(&histogram, piece < N - at ? piece : N - at, values + at);
    }
    ck_assert_uint_eq(histogram.n, N);
    drae__sort(N, values);
    const double ps[] = {0.0, 0.001, 0.5, 0.9, 0.99, 0.999, 0.9999, 1.0};
    for (size_t i = 0; i < sizeof ps / sizeof ps[0]; i++) {
        double exact = (double)drae__quantile(N, values, ps[i]);
        double got = (double)drae__histogram_quantile(&histogram, ps[i]);
        ck_assert_msg(got >= exact && got - exact <= 1.0 / DRAE__HISTOGRAM_BINS,
                      "p %g: %.9g, exact %.9g", ps[i], got, exact);
    }
}
END_TEST

START_TEST(histogram_edges) {
    memset(&histogram, 0, sizeof histogram);
    ck_assert(isnan(drae__histogram_quantile(&histogram, 0.999)));
    const float low[] = {-1.0f, 0.0f, -0.0f, 1e-30f, -INFINITY};
    drae__histogram_add(&histogram, 5, low);
    ck_assert_uint_eq(histogram.counts[0], 5);
    ck_assert_float_eq(drae__histogram_quantile(&histogram, 1.0), 1.0f / DRAE__HISTOGRAM_BINS);
    const float high[] = {1.0f, 2.0f, INFINITY, NAN, 0.99999f};
    drae__histogram_add(&histogram, 5, high);
    ck_assert_uint_eq(histogram.counts[DRAE__HISTOGRAM_BINS - 1], 5);
    ck_assert_float_eq(drae__histogram_quantile(&histogram, 1.0), 1.0f);
    ck_assert_float_eq(drae__histogram_quantile(&histogram, 0.5), 1.0f / DRAE__HISTOGRAM_BINS);
    ck_assert_float_eq(drae__histogram_quantile(&histogram, 0.51), 1.0f);
}
END_TEST

static double auroc(size_t n, const float *scores, const char *labels) {
    drae__scored items[32];
    for (size_t i = 0; i < n; i++) {
        items[i] = (drae__scored){scores[i], labels[i] == '1'};
    }
    return drae__auroc(n, items);
}

START_TEST(auroc_by_hand) {
    const float rising[] = {1, 2, 3, 4, 5, 6};
    ck_assert_double_eq(auroc(6, rising, "000111"), 1.0);
    ck_assert_double_eq(auroc(6, rising, "111000"), 0.0);
    /* positives at 2, 4, 6: pairs won 1 + 2 + 3 of 9 */
    ck_assert_double_eq(auroc(6, rising, "010101"), 6.0 / 9.0);
    /* all equal: every pair is half won */
    const float equal[] = {3, 3, 3, 3};
    ck_assert_double_eq(auroc(4, equal, "0101"), 0.5);
    /* negatives 1 2 2 3, positives 2 3 4:
     * 2: 1 + 2/2 = 2; 3: 3 + 1/2 = 3.5; 4: 4; sum 9.5 of 12 */
    const float tied[] = {2, 1, 3, 2, 4, 3, 2};
    ck_assert_double_eq(auroc(7, tied, "1010100"), 9.5 / 12.0);
    /* the order in which they come does not matter */
    const float shuffled[] = {4, 3, 2, 2, 2, 1, 3};
    ck_assert_double_eq(auroc(7, shuffled, "1110000"), 9.5 / 12.0);
    const float pair[] = {0.5f, 0.25f};
    ck_assert_double_eq(auroc(2, pair, "10"), 1.0);
}
END_TEST

START_TEST(auroc_needs_both_classes) {
    const float rising[] = {1, 2, 3};
    ck_assert(isnan(auroc(3, rising, "000")));
    ck_assert(isnan(auroc(3, rising, "111")));
    ck_assert(isnan(auroc(0, rising, "")));
}
END_TEST

START_TEST(auroc_equals_counting_all_pairs) {
    enum { N = 500 };
    drae__scored items[N];
    drae__rng rng;
    drae__rng_init(&rng, 2, DRAE__PURPOSE_TEST, 0);
    for (size_t i = 0; i < N; i++) {
        items[i].positive = drae__rng_below(&rng, 4) == 0;
        /* few distinct scores, so that ties are many */
        items[i].score = (float)drae__rng_below(&rng, 40) + (items[i].positive ? 5.0f : 0.0f);
    }
    double won = 0.0;
    double pairs = 0.0;
    for (size_t i = 0; i < N; i++) {
        for (size_t j = 0; j < N; j++) {
            if (items[i].positive && !items[j].positive) {
                pairs += 1.0;
                won += items[i].score > items[j].score    ? 1.0
                       : items[i].score == items[j].score ? 0.5
                                                          : 0.0;
            }
        }
    }
    ck_assert_double_eq(drae__auroc(N, items), won / pairs);
}
END_TEST

START_TEST(counts_name_both_errors) {
    drae__counts counts = {0};
    const bool defective[] = {false, false, false, true, true, true, true, true};
    const bool rejected[] = {false, true, false, true, false, false, true, false};
    for (int i = 0; i < 8; i++) {
        drae__counts_add(&counts, defective[i], rejected[i]);
    }
    ck_assert_uint_eq(counts.n_good, 3);
    ck_assert_uint_eq(counts.n_defective, 5);
    ck_assert_uint_eq(counts.n_false_reject, 1);
    ck_assert_uint_eq(counts.n_missed, 3);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("statistics");
    TCase *quantiles = tcase_create("quantiles");
    tcase_add_test(quantiles, quantile_is_the_inverse_of_the_distribution_function);
    tcase_add_test(quantiles, quantile_rank_is_not_fooled_by_rounding);
    tcase_add_test(quantiles, samples_needed_for_a_rate);
    tcase_add_test(quantiles, threshold_lets_at_most_the_rate_through);
    tcase_add_test(quantiles, threshold_with_ties_rejects_fewer);
    tcase_add_test(quantiles, threshold_refuses_what_it_cannot_know);
    tcase_add_test(quantiles, histogram_quantile_is_exact_to_1e_4);
    tcase_add_test(quantiles, histogram_edges);
    suite_add_tcase(suite, quantiles);
    TCase *ranks = tcase_create("ranks");
    tcase_add_test(ranks, auroc_by_hand);
    tcase_add_test(ranks, auroc_needs_both_classes);
    tcase_add_test(ranks, auroc_equals_counting_all_pairs);
    tcase_add_test(ranks, counts_name_both_errors);
    suite_add_tcase(suite, ranks);
    return drae_run_suite(suite);
}
