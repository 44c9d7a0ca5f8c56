/* SPDX-License-Identifier: Apache-2.0 */
/* Ranking figures, intervals, bootstrap and pixel figures against scikit-learn and SciPy. */
#include "line/bootstrap.h"
#include "line/pixel.h"
#include "statistics_cases.h"
#include "tests/run.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

enum { N_RANKING = sizeof ranking_cases / sizeof ranking_cases[0] };

static void near(const char *name, const char *what, double got, double want, double bound) {
    bool same = isnan(want) ? isnan(got) : fabs(got - want) <= bound;
    ck_assert_msg(same, "%s: %s is %.17g, expected %.17g within %g", name, what, got, want, bound);
}

static size_t take(const ranking_case *c, drae__item *items) {
    for (int i = 0; i < c->n; i++) {
        items[i] = (drae__item){(float)c->scores[i], c->labels[i] == '1', (uint32_t)i};
    }
    drae__items_sort((size_t)c->n, items);
    return (size_t)c->n;
}

START_TEST(ranking_agrees_with_scikit_learn) {
    for (int k = 0; k < N_RANKING; k++) {
        const ranking_case *c = &ranking_cases[k];
        drae__item items[72];
        drae__roc roc;
        size_t n = take(c, items);
        drae__roc_measure(n, items, NULL, 0.1, &roc);
        near(c->name, "AUROC", roc.auroc, c->auroc, 1e-12);
        near(c->name, "AUPR", roc.aupr, c->aupr, 1e-12);
        near(c->name, "AUPR of good", roc.aupr_good, c->aupr_good, 1e-12);
        near(c->name, "F1max", roc.f1max, c->f1, 1e-12);
        near(c->name, "F1max of good", roc.f1max_good, c->f1_good, 1e-12);
        near(c->name, "balanced", roc.balanced, c->balanced, 1e-12);
        if (!isnan(c->auroc)) {
            near(c->name, "detected at a rate", roc.detected_at_rate, c->detected, 1e-12);
            near(c->name, "false rejects at full", roc.false_rejects_at_full, c->full, 1e-12);
            near(c->name, "accepted at a rate", roc.accepted_at_rate, c->accepted, 1e-12);
            near(c->name, "missed at full", roc.missed_at_full, c->full_good, 1e-12);
        }
    }
}
END_TEST

START_TEST(thresholds_reach_what_they_promise) {
    for (int k = 0; k < N_RANKING; k++) {
        const ranking_case *c = &ranking_cases[k];
        drae__item items[72];
        drae__roc roc;
        size_t n = take(c, items);
        drae__roc_measure(n, items, NULL, 0.1, &roc);
        if (isnan(roc.auroc)) {
            continue;
        }
        double hits[2] = {0, 0};
        double passed[2] = {0, 0};
        const float threshold[2] = {roc.f1max_threshold, roc.balanced_threshold};
        for (size_t i = 0; i < n; i++) {
            for (int t = 0; t < 2; t++) {
                bool rejected = items[i].score > threshold[t];
                hits[t] += rejected && items[i].defective;
                passed[t] += !rejected && !items[i].defective;
            }
        }
        double errors = roc.n_defective - hits[0] + roc.n_good - passed[0];
        near(c->name, "F1 at its threshold", 2 * hits[0] / (2 * hits[0] + errors), roc.f1max,
             1e-12);
        near(c->name, "balanced at its threshold",
             (hits[1] / roc.n_defective + passed[1] / roc.n_good) / 2, roc.balanced, 1e-12);
    }
}
END_TEST

START_TEST(weights_count_like_copies) {
    for (int k = 0; k < N_RANKING; k++) {
        drae__item items[72];
        drae__item copies[4 * 72];
        uint32_t weights[72];
        drae__roc a;
        drae__roc b;
        size_t n = take(&ranking_cases[k], items);
        size_t m = 0;
        for (size_t i = 0; i < n; i++) {
            weights[items[i].cluster] = (uint32_t)(i * 7 % 4);
        }
        for (size_t i = 0; i < n; i++) {
            for (uint32_t w = 0; w < weights[items[i].cluster]; w++) {
                copies[m++] = items[i];
            }
        }
        drae__roc_measure(n, items, weights, 0.1, &a);
        drae__roc_measure(m, copies, NULL, 0.1, &b);
        near(ranking_cases[k].name, "weighted AUROC", a.auroc, b.auroc, 1e-12);
        near(ranking_cases[k].name, "weighted AUPR", a.aupr, b.aupr, 1e-12);
        near(ranking_cases[k].name, "weighted AUPR of good", a.aupr_good, b.aupr_good, 1e-12);
        near(ranking_cases[k].name, "weighted F1max", a.f1max, b.f1max, 1e-12);
        near(ranking_cases[k].name, "weighted balanced", a.balanced, b.balanced, 1e-12);
    }
}
END_TEST

START_TEST(curve_runs_from_end_to_end) {
    for (int k = 0; k < N_RANKING; k++) {
        drae__item items[72];
        drae__roc_point points[73];
        drae__roc roc;
        size_t n = take(&ranking_cases[k], items);
        drae__roc_measure(n, items, NULL, 0.1, &roc);
        size_t m = drae__roc_points(n, items, points);
        double area = 0.0;
        for (size_t i = 1; i < m; i++) {
            ck_assert(points[i].threshold < points[i - 1].threshold);
            area += (points[i].n_false_reject - points[i - 1].n_false_reject) *
                    (roc.n_defective - 0.5 * (points[i].n_missed + points[i - 1].n_missed));
        }
        ck_assert_uint_eq(points[0].n_false_reject, 0);
        ck_assert_double_eq(points[0].n_missed, roc.n_defective);
        ck_assert_double_eq(points[m - 1].n_false_reject, roc.n_good);
        ck_assert_uint_eq(points[m - 1].n_missed, 0);
        if (!isnan(roc.auroc)) {
            near(ranking_cases[k].name, "area under the points",
                 area / (roc.n_good * roc.n_defective), roc.auroc, 1e-12);
        }
        const drae__roc_point first = points[0];
        const drae__roc_point last = points[m - 1];
        size_t thin = drae__roc_thin(m, points, 6);
        ck_assert_uint_le(thin, 6);
        ck_assert(memcmp(&first, &points[0], sizeof first) == 0);
        ck_assert(memcmp(&last, &points[thin - 1], sizeof last) == 0);
    }
}
END_TEST

START_TEST(beta_and_normal_agree_with_scipy) {
    char name[64];
    for (size_t i = 0; i < sizeof beta_cases / sizeof beta_cases[0]; i++) {
        const double *c = beta_cases[i];
        (void)snprintf(name, sizeof name, "I_%g(%g, %g)", c[2], c[0], c[1]);
        double got = drae__beta_cdf(c[0], c[1], c[2]);
        near(name, "value", got, c[3], 1e-9 * c[3] + 1e-300);
        near(name, "its quantile", drae__beta_quantile(c[0], c[1], c[3]), c[2], 1e-8 * c[2]);
    }
    for (size_t i = 0; i < sizeof normal_cases / sizeof normal_cases[0]; i++) {
        near("normal", "quantile", drae__normal_quantile(normal_cases[i][0]), normal_cases[i][1],
             1e-7);
    }
}
END_TEST

START_TEST(rates_agree_with_scipy) {
    char name[64];
    for (size_t i = 0; i < sizeof rate_cases / sizeof rate_cases[0]; i++) {
        const double *c = rate_cases[i];
        (void)snprintf(name, sizeof name, "%.0f of %.0f at %g", c[0], c[1], c[2]);
        drae__interval exact = drae__clopper_pearson(c[0], c[1], c[2]);
        drae__interval wilson = drae__wilson(c[0], c[1], c[2]);
        near(name, "value", exact.value, c[0] / c[1], 1e-15);
        near(name, "Clopper-Pearson low", exact.low, c[3], 1e-9);
        near(name, "Clopper-Pearson high", exact.high, c[4], 1e-9);
        near(name, "Wilson low", wilson.low, c[5], 1e-12);
        near(name, "Wilson high", wilson.high, c[6], 1e-12);
    }
    drae__interval none = drae__clopper_pearson(0, 0, 0.95);
    ck_assert(isnan(none.value) && none.low == 0.0 && none.high == 1.0);
}
END_TEST

START_TEST(clusters_widen_a_rate) {
    /* 40 products of 10: alone in each the same as 400 units; all or nothing, as 40. */
    double n[40];
    double even[40];
    double whole[40];
    double none[40] = {0};
    for (int i = 0; i < 40; i++) {
        n[i] = 10;
        even[i] = 2;
        whole[i] = i % 5 == 0 ? 10 : 0;
    }
    drae__interval units = drae__clopper_pearson(80, 400, 0.95);
    drae__interval got = drae__rate_by_cluster(40, even, n, 0.95);
    near("even", "low", got.low, units.low, 1e-12);
    near("even", "high", got.high, units.high, 1e-12);
    got = drae__rate_by_cluster(40, whole, n, 0.95);
    drae__interval products = drae__clopper_pearson(8, 40, 0.95);
    ck_assert(got.value == 0.2 && fabs(got.low - products.low) < 0.005);
    ck_assert(fabs(got.high - products.high) < 0.005);
    got = drae__rate_by_cluster(40, none, n, 0.95);
    near("none", "high", got.high, drae__clopper_pearson(0, 40, 0.95).high, 1e-12);
    ck_assert(isnan(drae__rate_by_cluster(40, none, none, 0.95).value));
}
END_TEST

START_TEST(mean_of_two_rates) {
    drae__interval a = {0.9, 0.8, 0.95};
    drae__interval b = {0.7, 0.6, 0.82};
    drae__interval got = drae__mean_of_rates(a, b);
    near("mean", "value", got.value, 0.8, 1e-15);
    near("mean", "low", got.low, 0.8 - 0.5 * sqrt(0.02), 1e-15);
    near("mean", "high", got.high, 0.8 + 0.5 * 0.13, 1e-15);
    /* An empty cell: the interval is not degenerate. */
    got = drae__mean_of_rates(drae__clopper_pearson(120, 120, 0.95),
                              drae__clopper_pearson(141, 141, 0.95));
    ck_assert(got.value == 1.0 && got.low < 0.985 && got.low > 0.97 && got.high == 1.0);
}
END_TEST

START_TEST(delong_agrees_with_all_pairs) {
    for (int k = 0; k < N_RANKING; k++) {
        const ranking_case *c = &ranking_cases[k];
        drae__item items[72];
        double sums[4 * 72];
        double variance = -1.0;
        size_t n = take(c, items);
        drae__interval got = drae__delong(n, items, n, sums, 0.95, &variance);
        near(c->name, "area", got.value, c->auroc, 1e-12);
        near(c->name, "variance", variance, c->variance, 1e-12);
        ck_assert_msg(got.low >= 0.0 && got.high <= 1.0 && got.low < got.high, "%s: [%g, %g]",
                      c->name, got.low, got.high);
        ck_assert(isnan(got.value) || (got.low <= got.value && got.value <= got.high));
    }
    /* 8 defectives above 12 good: as 8 disjoint pairs, all won. */
    drae__item items[72];
    double sums[4 * 72];
    size_t n = take(&ranking_cases[6], items);
    drae__interval got = drae__delong(n, items, n, sums, 0.95, NULL);
    near("separated", "low", got.low, drae__clopper_pearson(8, 8, 0.95).low, 1e-9);
}
END_TEST

START_TEST(delong_of_copies_in_clusters_is_that_of_the_originals) {
    /* Three copies of everything tell nothing new: alone they would narrow the interval. */
    const ranking_case *c = &ranking_cases[1];
    drae__item items[72];
    drae__item copies[3 * 72];
    double sums[4 * 3 * 72];
    double once = 0.0;
    double thrice = 0.0;
    double alone = 0.0;
    size_t n = take(c, items);
    for (size_t i = 0; i < 3 * n; i++) {
        copies[i] = items[i / 3];
    }
    (void)drae__delong(n, items, n, sums, 0.95, &once);
    (void)drae__delong(3 * n, copies, n, sums, 0.95, &thrice);
    for (size_t i = 0; i < 3 * n; i++) {
        copies[i].cluster = (uint32_t)i;
    }
    (void)drae__delong(3 * n, copies, 3 * n, sums, 0.95, &alone);
    near("clusters", "variance", thrice, once, 1e-12);
    ck_assert(alone < 0.4 * once);
}
END_TEST

START_TEST(bootstrap_draws_are_fixed_and_stratified) {
    enum { N = 50 };
    uint8_t stratum[N];
    uint32_t a[N];
    uint32_t b[N];
    size_t drawn = 0;
    for (size_t i = 0; i < N; i++) {
        stratum[i] = i % 5 == 0;
    }
    for (uint64_t round = 0; round < 20; round++) {
        size_t defective = 0;
        size_t all = 0;
        drae__bootstrap_draw(N, stratum, 7, round, a);
        drae__bootstrap_draw(N, stratum, 7, round, b);
        ck_assert(memcmp(a, b, sizeof a) == 0);
        for (size_t i = 0; i < N; i++) {
            all += a[i];
            defective += stratum[i] ? a[i] : 0;
            drawn += a[i] > 0;
        }
        ck_assert_uint_eq(all, N);
        ck_assert_uint_eq(defective, N / 5);
        drae__bootstrap_draw(N, stratum, 7, round + 1, b);
        ck_assert(memcmp(a, b, sizeof a) != 0);
    }
    /* A draw leaves out 1 / e of the clusters. */
    ck_assert(fabs((double)drawn / (20.0 * N) - (1.0 - exp(-1.0))) < 0.03);
}
END_TEST

START_TEST(bootstrap_of_a_mean_is_that_of_theory) {
    /* The share of ones among 400 clusters, 30 %: the interval is about +- 1.96 sqrt(p q / n). */
    enum { N = 400, ROUNDS = 1000 };
    static double values[ROUNDS];
    static uint32_t weights[N];
    for (uint64_t r = 0; r < ROUNDS; r++) {
        drae__bootstrap_draw(N, NULL, 3, r, weights);
        double sum = 0.0;
        for (size_t i = 0; i < N; i++) {
            sum += i < 120 ? weights[i] : 0;
        }
        values[r] = sum / N;
    }
    drae__interval got = drae__bootstrap_interval(0.3, ROUNDS, values, 0.95);
    double reach = 1.96 * sqrt(0.3 * 0.7 / N);
    near("bootstrap", "low", got.low, 0.3 - reach, 0.006);
    near("bootstrap", "high", got.high, 0.3 + reach, 0.006);
    double missing[3] = {NAN, NAN, 0.5};
    got = drae__bootstrap_interval(0.5, 3, missing, 0.95);
    ck_assert(got.low == 0.0 && got.high == 1.0);
}
END_TEST

START_TEST(perfect_separation_is_not_certainty) {
    drae__separation few = drae__perfect_separation(20, 10, 0.95);
    drae__separation many = drae__perfect_separation(20000, 10000, 0.95);
    ck_assert(few.aupr > 0.2 && few.aupr < 0.9 && few.f1max > 0.4 && few.f1max < 0.9);
    ck_assert(many.aupr > 0.99 && many.f1max > 0.999 && many.aupr < 1.0 && many.f1max < 1.0);
    /* Against the figures of that population itself: 31 of 1000 defects lost, 17 of 2000 ahead. */
    enum { N = 3000 };
    static drae__item items[N];
    double lost = drae__clopper_pearson(0, 1000, 0.95).high;
    double ahead = drae__clopper_pearson(0, 2000, 0.95).high;
    size_t n_lost = (size_t)(lost * 1000 + 0.999);
    size_t n_ahead = (size_t)(ahead * 2000 + 0.999);
    for (size_t i = 0; i < N; i++) {
        bool defective = i < 1000;
        bool strange = defective ? i < n_lost : i - 1000 < n_ahead;
        float at = strange ? (defective ? 0.0f : 3.0f) : (defective ? 2.0f : 1.0f);
        items[i] = (drae__item){at + (float)i * 1e-5f, defective, (uint32_t)i};
    }
    drae__roc roc;
    drae__items_sort(N, items);
    drae__roc_measure(N, items, NULL, 0.1, &roc);
    drae__separation bound = drae__perfect_separation(2000, 1000, 0.95);
    near("least favourable", "AUPR", bound.aupr, roc.aupr, 2e-3);
    near("least favourable", "F1", bound.f1max, roc.f1max, 2e-3);
    near("least favourable", "AUPR of good", bound.aupr_good, roc.aupr_good, 2e-3);
}
END_TEST

static drae__pixels *pixels_of_cases(size_t n_clusters) {
    drae__pixels *pixels = NULL;
    static float map[PIXEL_SIZE * PIXEL_SIZE];
    static uint8_t mask[PIXEL_SIZE * PIXEL_SIZE];
    ck_assert_int_eq(drae__pixels_create(n_clusters, PIXEL_SIZE, &pixels, NULL), DRAE_OK);
    for (int k = 0; k < PIXEL_MAPS; k++) {
        for (int i = 0; i < PIXEL_SIZE * PIXEL_SIZE; i++) {
            map[i] = (float)pixel_maps[k][i] / 256.0f;
            mask[i] = pixel_masks[k][i] == '1';
        }
        drae__pixels_add(pixels, (size_t)k, map, k == 0 ? NULL : mask);
    }
    return pixels;
}

START_TEST(pixels_agree_with_scikit_learn) {
    drae__pixels *pixels = pixels_of_cases(PIXEL_MAPS);
    drae__pixel_figures f;
    ck_assert_int_eq(drae__pixels_measure(pixels, 200, 1, 0.95, &f, NULL), DRAE_OK);
    ck_assert_uint_eq(f.n_defects, PIXEL_DEFECTS);
    near("pixels", "AUROC", f.auroc.value, pixel_auroc, 1e-12);
    near("pixels", "AUPR", f.aupr.value, pixel_aupr, 1e-12);
    near("pixels", "F1max", f.f1max.value, pixel_f1max, 1e-12);
    near("pixels", "AUPRO 0.3", f.aupro_30.value, pixel_aupro_30, 1e-12);
    near("pixels", "AUPRO 0.05", f.aupro_05.value, pixel_aupro_05, 1e-12);
    ck_assert(f.aupro_30.low <= f.aupro_30.value && f.aupro_30.value <= f.aupro_30.high);
    ck_assert(f.auroc.low < f.auroc.high && f.auroc.low > 0.5);
    drae__pixel_figures again;
    ck_assert_int_eq(drae__pixels_measure(pixels, 200, 1, 0.95, &again, NULL), DRAE_OK);
    ck_assert(memcmp(&f.auroc, &again.auroc, sizeof f.auroc) == 0);
    drae__pixels_destroy(pixels);
}
END_TEST

START_TEST(pixels_without_a_defect) {
    drae__pixels *pixels = NULL;
    drae__pixel_figures f;
    const float map[16] = {0.5f, NAN, -1.0f, 1e30f, 1e-30f};
    ck_assert_int_eq(drae__pixels_create(3, 4, &pixels, NULL), DRAE_OK);
    ck_assert_int_eq(drae__pixels_measure(pixels, 10, 1, 0.95, &f, NULL), DRAE_OK);
    ck_assert(isnan(f.auroc.value) && f.auroc.low == 0.0 && f.auroc.high == 1.0);
    drae__pixels_add(pixels, 2, map, NULL);
    ck_assert_int_eq(drae__pixels_measure(pixels, 10, 1, 0.95, &f, NULL), DRAE_OK);
    ck_assert_uint_eq(f.n_good, 16);
    ck_assert(isnan(f.aupro_30.value) && isnan(f.f1max_threshold));
    drae__pixels_destroy(pixels);
    ck_assert_int_eq(drae__pixels_create(3, 0, &pixels, NULL), DRAE_ERROR_ARGUMENT);
    ck_assert_int_eq(drae__pixels_create(0, 4, &pixels, NULL), DRAE_ERROR_ARGUMENT);
}
END_TEST

START_TEST(components_touch_by_corners) {
    const char *rows = "1100"
                       "0010"
                       "0000"
                       "1011";
    uint8_t mask[16];
    int32_t labels[16];
    int32_t stack[16];
    static const int32_t want[16] = {1, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 2, 0, 3, 3};
    for (int i = 0; i < 16; i++) {
        mask[i] = rows[i] == '1';
    }
    ck_assert_int_eq(drae__components(4, mask, labels, stack), 3);
    for (int i = 0; i < 16; i++) {
        ck_assert_msg(labels[i] == want[i], "pixel %d: %d, expected %d", i, labels[i], want[i]);
    }
    memset(mask, 1, sizeof mask);
    ck_assert_int_eq(drae__components(4, mask, labels, stack), 1);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("roc");
    TCase *t = tcase_create("roc");
    tcase_add_test(t, ranking_agrees_with_scikit_learn);
    tcase_add_test(t, thresholds_reach_what_they_promise);
    tcase_add_test(t, weights_count_like_copies);
    tcase_add_test(t, curve_runs_from_end_to_end);
    tcase_add_test(t, beta_and_normal_agree_with_scipy);
    tcase_add_test(t, rates_agree_with_scipy);
    tcase_add_test(t, clusters_widen_a_rate);
    tcase_add_test(t, mean_of_two_rates);
    tcase_add_test(t, delong_agrees_with_all_pairs);
    tcase_add_test(t, delong_of_copies_in_clusters_is_that_of_the_originals);
    tcase_add_test(t, bootstrap_draws_are_fixed_and_stratified);
    tcase_add_test(t, bootstrap_of_a_mean_is_that_of_theory);
    tcase_add_test(t, perfect_separation_is_not_certainty);
    tcase_add_test(t, pixels_agree_with_scikit_learn);
    tcase_add_test(t, pixels_without_a_defect);
    tcase_add_test(t, components_touch_by_corners);
    suite_add_tcase(suite, t);
    return drae_run_suite(suite);
}
