/* SPDX-License-Identifier: Apache-2.0 */
/* Levels, votes, figures of a score, template, masks and the Knapp test, worked out by hand. */
#include "drae/line.h"
#include "line/evaluation.h"
#include "line/figures.h"
#include "line/knapp.h"
#include "line/mask.h"
#include "line/template.h"
#include "tests/run.h"

#include <check.h>
#include <math.h>
#include <string.h>

/* 6 products of 3 runs, 2 vials, 2 regions: 72 patches. Products 0 and 1 have a defect on vial 1,
 * region 0; their patch is rejected in runs 0 and 1 (product 0) and in run 0 (product 1). Product 2
 * is good and falsely rejected once, on vial 0, region 1, run 2. */
enum { PRODUCTS = 6, RUNS = 3, N = PRODUCTS * RUNS * 4 };

static drae__record records[N];
static uint8_t reasons[N];
static uint32_t cluster[N];

static size_t place(int product, int run, int vial, int region) {
    return (size_t)(((product * RUNS + run) * 2 + vial) * 2 + region);
}

static void make_kit(void) {
    for (int p = 0; p < PRODUCTS; p++) {
        for (int r = 0; r < RUNS; r++) {
            for (int v = 0; v < 2; v++) {
                for (int g = 0; g < 2; g++) {
                    bool defective = p < 2 && v == 1 && g == 0;
                    records[place(p, r, v, g)] = (drae__record){.region = g,
                                                                .label = defective,
                                                                .defect = defective ? 3 : 0,
                                                                .product = 100 + p,
                                                                .run = r,
                                                                .frame = 0,
                                                                .vial = v};
                    reasons[place(p, r, v, g)] = DRAE_REASON_NONE;
                }
            }
        }
    }
    reasons[place(0, 0, 1, 0)] = DRAE_REASON_SCORE;
    reasons[place(0, 1, 1, 0)] = DRAE_REASON_SCORE;
    reasons[place(1, 0, 1, 0)] = DRAE_REASON_SCORE;
    reasons[place(2, 2, 0, 1)] = DRAE_REASON_SCORE;
}

static drae__evaluation evaluate(drae__hierarchy *h) {
    drae__evaluation e;
    size_t n_clusters = 0;
    ck_assert_int_eq(drae__hierarchy_create(records, N, h, NULL), DRAE_OK);
    ck_assert_int_eq(drae__clusters_of(records, N, cluster, &n_clusters, NULL), DRAE_OK);
    ck_assert_uint_eq(n_clusters, PRODUCTS);
    const drae__evaluation_input input = {.records = records,
                                          .hierarchy = h,
                                          .reasons = reasons,
                                          .cluster = cluster,
                                          .n_clusters = n_clusters,
                                          .vote_needed = 2,
                                          .vote_runs = RUNS,
                                          .seed = 1,
                                          .rounds = 300,
                                          .confidence = 0.95};
    ck_assert_int_eq(drae__evaluate(&input, &e, NULL), DRAE_OK);
    return e;
}

static void expect(const drae__level_figures *f, drae__level_kind kind, int region, size_t n_good,
                   size_t n_bad, size_t missed, size_t false_rejects) {
    ck_assert_int_eq(f->kind, kind);
    ck_assert_int_eq(f->region, region);
    ck_assert_uint_eq(f->n_good, n_good);
    ck_assert_uint_eq(f->n_bad, n_bad);
    ck_assert_uint_eq(f->missed, missed);
    ck_assert_uint_eq(f->false_rejects, false_rejects);
}

START_TEST(levels_by_hand) {
    make_kit();
    drae__hierarchy h = {0};
    drae__evaluation e = evaluate(&h);
    ck_assert_uint_eq(e.n_levels, 6);
    expect(&e.levels[0], DRAE__LEVEL_PATCH, 0, 30, 6, 3, 0);
    expect(&e.levels[1], DRAE__LEVEL_PATCH, 1, 36, 0, 0, 1);
    expect(&e.levels[2], DRAE__LEVEL_PATCH, -1, 66, 6, 3, 1);
    expect(&e.levels[3], DRAE__LEVEL_VIAL, -1, 30, 6, 3, 1);
    expect(&e.levels[4], DRAE__LEVEL_STRIP, -1, 12, 6, 3, 1);
    /* Two of three good runs pass a product: product 0 is rejected, product 1 passes. */
    expect(&e.levels[5], DRAE__LEVEL_PRODUCT, -1, 4, 2, 1, 0);
    const drae__level_figures *strip = &e.levels[4];
    ck_assert_double_eq(strip->tpr.exact.value, 11.0 / 12.0);
    ck_assert_double_eq(strip->tnr.exact.value, 3.0 / 6.0);
    ck_assert_double_eq(strip->accuracy.exact.value, 14.0 / 18.0);
    ck_assert(fabs(strip->balanced.value - (11.0 / 12.0 + 0.5) / 2.0) < 1e-12);
    ck_assert(!strip->balanced_exact && strip->balanced.low < strip->balanced.high);
    ck_assert(e.levels[5].balanced_exact && e.levels[5].balanced.low < 0.75);
    ck_assert_double_eq(strip->tnr.exact.low, drae__clopper_pearson(3, 6, 0.95).low);
    ck_assert(isnan(e.levels[1].balanced.value));
    /* Two products, not six strips: the limits by product are wider. */
    ck_assert(strip->tnr.by_product.low <= strip->tnr.exact.low);
    ck_assert_uint_eq(strip->n_products, PRODUCTS);
    ck_assert_uint_eq(e.vial_reasons[0 * 2 + 1], DRAE_REASON_SCORE);
    ck_assert_uint_eq(e.vial_reasons[0 * 2 + 0], DRAE_REASON_NONE);
    drae__evaluation_free(&e);
    drae__hierarchy_free(&h);
}
END_TEST

START_TEST(operating_curve_of_the_vote) {
    make_kit();
    drae__hierarchy h = {0};
    drae__evaluation e = evaluate(&h);
    /* Good runs: product 0 has 1, product 1 has 2, product 2 has 2, the others 3. */
    static const size_t missed[] = {2, 1, 0};
    static const size_t false_rejects[] = {0, 0, 1};
    ck_assert_uint_eq(e.n_votes, RUNS);
    for (size_t k = 0; k < RUNS; k++) {
        ck_assert_int_eq(e.votes[k].needed, (int)k + 1);
        ck_assert_uint_eq(e.votes[k].figures.missed, missed[k]);
        ck_assert_uint_eq(e.votes[k].figures.false_rejects, false_rejects[k]);
    }
    drae__evaluation_free(&e);
    drae__hierarchy_free(&h);
}
END_TEST

START_TEST(no_threshold_is_no_verdict_and_no_result_rejects) {
    make_kit();
    for (size_t i = 0; i < N; i++) {
        reasons[i] = records[i].region == 1 ? DRAE_REASON_UNCALIBRATED : reasons[i];
    }
    reasons[place(3, 0, 0, 0)] = DRAE_REASON_NOT_FINITE;
    drae__hierarchy h = {0};
    drae__evaluation e = evaluate(&h);
    expect(&e.levels[0], DRAE__LEVEL_PATCH, 0, 30, 6, 3, 1);
    expect(&e.levels[1], DRAE__LEVEL_PATCH, 1, 0, 0, 0, 0);
    ck_assert_uint_eq(e.levels[1].n_open, 36);
    /* Strips with a rejected patch have a verdict, the others none. */
    expect(&e.levels[4], DRAE__LEVEL_STRIP, -1, 1, 3, 0, 1);
    ck_assert_uint_eq(e.levels[4].n_open, PRODUCTS * RUNS - 4);
    drae__evaluation_free(&e);
    drae__hierarchy_free(&h);
}
END_TEST

START_TEST(patches_without_a_product_stand_alone) {
    size_t n_clusters = 0;
    make_kit();
    records[5].product = DRAE__UNRECORDED;
    ck_assert_int_eq(drae__clusters_of(records, N, cluster, &n_clusters, NULL), DRAE_OK);
    ck_assert_uint_eq(n_clusters, PRODUCTS + 1); /* the others keep theirs */
    ck_assert_uint_eq(cluster[5], PRODUCTS);
    ck_assert(cluster[4] == cluster[6] && cluster[4] != cluster[N - 1]);
    for (size_t i = 0; i < N; i++) {
        records[i].product = DRAE__UNRECORDED;
    }
    ck_assert_int_eq(drae__clusters_of(records, N, cluster, &n_clusters, NULL), DRAE_OK);
    ck_assert_uint_eq(n_clusters, N);
    ck_assert_uint_eq(cluster[17], 17);
}
END_TEST

START_TEST(figures_of_perfect_separation_have_limits) {
    drae__item items[60];
    drae__score_figures f;
    for (uint32_t i = 0; i < 60; i++) {
        items[i] = (drae__item){i < 20 ? 2.0f + (float)i : (float)i / 100.0f, i < 20, i};
    }
    ck_assert_int_eq(drae__score_measure(60, items, 60, 0.05, 1, 200, 0.95, &f, NULL), DRAE_OK);
    const drae__interval *all[] = {
        &f.auroc,     &f.aupr,      &f.f1max, &f.balanced, &f.detected_at_rate, &f.accepted_at_rate,
        &f.aupr_good, &f.f1max_good};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        ck_assert_msg(all[i]->value == 1.0 && all[i]->high == 1.0 && all[i]->low < 0.95 &&
                          all[i]->low > 0.3,
                      "figure %zu: %g [%g, %g]", i, all[i]->value, all[i]->low, all[i]->high);
    }
    ck_assert(f.false_rejects_at_full.value == 0.0 && f.false_rejects_at_full.high > 0.05);
    ck_assert_uint_ge(f.n_points, 2);
    /* One class: nothing is known. */
    ck_assert_int_eq(drae__score_measure(20, items, 60, 0.05, 1, 200, 0.95, &f, NULL), DRAE_OK);
    ck_assert(isnan(f.auroc.value) && isnan(f.aupr.value) && f.aupr.high == 1.0);
}
END_TEST

START_TEST(figures_are_the_same_every_time) {
    drae__item items[80];
    drae__score_figures a;
    drae__score_figures b;
    for (int pass = 0; pass < 2; pass++) {
        for (uint32_t i = 0; i < 80; i++) {
            uint32_t k = pass == 0 ? i : 79 - i;
            items[i] = (drae__item){(float)(k * 37 % 80), k % 3 == 0, k / 4};
        }
        ck_assert_int_eq(
            drae__score_measure(80, items, 20, 0.05, 4, 200, 0.95, pass == 0 ? &a : &b, NULL),
            DRAE_OK);
    }
    ck_assert(memcmp(&a.aupr, &b.aupr, sizeof a.aupr) == 0);
    ck_assert(memcmp(&a.balanced, &b.balanced, sizeof a.balanced) == 0);
    ck_assert(a.aupr.low < a.aupr.value && a.aupr.value < a.aupr.high);
    ck_assert(fabs(a.auroc.low - b.auroc.low) < 1e-12);
}
END_TEST

START_TEST(masks_are_measured) {
    uint8_t patch[256];
    uint8_t mask[256] = {0};
    memset(patch, 100, sizeof patch);
    ck_assert_int_eq(drae__mask_measure(16, patch, mask).area, 0);
    for (int y = 6; y < 8; y++) {
        for (int x = 5; x < 10; x++) {
            mask[y * 16 + x] = 1;
            patch[y * 16 + x] = 70;
        }
    }
    drae__mask_size size = drae__mask_measure(16, patch, mask);
    ck_assert_int_eq(size.area, 10);
    ck_assert_int_eq(size.extent, 5);
    ck_assert_float_eq(size.contrast, 30.0f);
    memset(mask, 1, sizeof mask);
    ck_assert(isnan(drae__mask_measure(16, patch, mask).contrast));
}
END_TEST

START_TEST(mean_of_largest_against_sorting) {
    float values[100];
    for (size_t k = 1; k <= 100; k += 9) {
        for (size_t i = 0; i < 100; i++) {
            values[i] = (float)(i * 37 % 100 / 3);
        }
        double want = 0.0;
        for (size_t i = 100 - k; i < 100; i++) {
            want += (double)(i / 3);
        }
        float got = drae__mean_of_largest(100, values, k);
        ck_assert_msg(fabs((double)got - want / (double)k) < 1e-5, "k %zu: %g, expected %g", k,
                      (double)got, want / (double)k);
    }
}
END_TEST

START_TEST(template_sees_what_is_unusual) {
    enum { S = 32 };
    static uint8_t patch[S * S];
    static float map[S * S];
    drae__template *t = NULL;
    ck_assert_int_eq(drae__template_create(S, &t, NULL), DRAE_OK);
    memset(patch, 100, sizeof patch);
    ck_assert(isnan(drae__template_score(t, 2, patch, map)));
    for (int k = 0; k < 4; k++) { /* 98 and 102: mean 100, spread sqrt(16 / 3) */
        memset(patch, k % 2 == 0 ? 98 : 102, sizeof patch);
        ck_assert_int_eq(drae__template_add(t, 2, patch, NULL), DRAE_OK);
    }
    ck_assert_uint_eq(drae__template_count(t, 2), 4);
    memset(patch, 110, sizeof patch);
    float score = drae__template_score(t, 2, patch, map);
    double want = 10.0 / (sqrt(16.0 / 3.0) + 2.0);
    ck_assert_msg(fabs((double)score - want) < 1e-4, "%g, expected %g", (double)score, want);
    ck_assert(fabs((double)map[0] - want) < 1e-4 && fabs((double)map[S * S - 1] - want) < 1e-4);
    ck_assert(isnan(drae__template_score(t, 3, patch, map)));
    drae__template_destroy(t);
    ck_assert_int_eq(drae__template_create(3, &t, NULL), DRAE_ERROR_ARGUMENT);
}
END_TEST

START_TEST(knapp_zones) {
    ck_assert_int_eq(drae__knapp_zone_of(7, 10, 0.7), DRAE__ZONE_REJECT);
    ck_assert_int_eq(drae__knapp_zone_of(21, 30, 0.7), DRAE__ZONE_REJECT);
    ck_assert_int_eq(drae__knapp_zone_of(6, 10, 0.7), DRAE__ZONE_GREY);
    ck_assert_int_eq(drae__knapp_zone_of(3, 10, 0.7), DRAE__ZONE_GREY);
    ck_assert_int_eq(drae__knapp_zone_of(2, 10, 0.7), DRAE__ZONE_ACCEPT);
    ck_assert_int_eq(drae__knapp_zone_of(0, 0, 0.7), DRAE__ZONE_NONE);
}
END_TEST

START_TEST(knapp_by_hand) {
    drae__knapp_unit units[] = {{true, 10, 10, 50, 45}, /* manual 0.9: reject zone */
                                {true, 10, 8, 50, 40},  /* 0.8: reject zone */
                                {true, 10, 4, 50, 20},  /* 0.4: grey */
                                {true, 10, 0, 0, 0},    /* not inspected by people */
                                {false, 10, 1, 50, 2},  /* 0.04: accept zone */
                                {false, 10, 0, 50, 0}};
    drae__knapp k;
    drae__err err = {{0}};
    ck_assert_int_eq(drae__knapp_measure(6, units, 0.7, 1, 500, 0.95, &k, &err), DRAE_OK);
    ck_assert_uint_eq(k.n_defective, 4);
    ck_assert_double_eq(k.detection.value, 22.0 / 40.0);
    ck_assert_double_eq(k.false_rejects.value, 1.0 / 20.0);
    ck_assert_uint_eq(k.zones[1][DRAE__ZONE_REJECT], 2);
    ck_assert_uint_eq(k.zones[0][DRAE__ZONE_ACCEPT], 2);
    ck_assert_uint_eq(k.n_manual, 5);
    ck_assert_uint_eq(k.manual_zones[DRAE__ZONE_REJECT], 2);
    ck_assert_double_eq(k.manual_in_zone.value, 0.85);
    ck_assert_double_eq(k.machine_in_zone.value, 0.9);
    ck_assert(fabs(k.efficiency.value - 1.8 / 1.7) < 1e-12);
    ck_assert(k.passed && k.efficiency.low < k.efficiency.high);
    ck_assert_double_eq(k.machine_in_accept.value, 1.0 / 20.0);
    units[0].k = 3;
    ck_assert_int_eq(drae__knapp_measure(6, units, 0.7, 1, 500, 0.95, &k, &err), DRAE_OK);
    ck_assert(!k.passed && k.efficiency.value < 0.7);
    units[0].k = 11;
    ck_assert_int_eq(drae__knapp_measure(6, units, 0.7, 1, 500, 0.95, &k, &err),
                     DRAE_ERROR_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(err.text, "unit 0"));
    ck_assert_int_eq(drae__knapp_measure(6, units, 0.2, 1, 500, 0.95, &k, &err),
                     DRAE_ERROR_ARGUMENT);
}
END_TEST

START_TEST(knapp_without_people) {
    const drae__knapp_unit units[] = {{true, 10, 10, 0, 0}, {false, 10, 0, 0, 0}};
    drae__knapp k;
    ck_assert_int_eq(drae__knapp_measure(2, units, 0.7, 1, 100, 0.95, &k, NULL), DRAE_OK);
    ck_assert(k.n_manual == 0 && !k.passed && isnan(k.efficiency.value));
    ck_assert(k.detection.value == 1.0 && k.detection.low < 0.1); /* one unit */
}
END_TEST

int main(void) {
    Suite *suite = suite_create("evaluation");
    TCase *t = tcase_create("evaluation");
    tcase_add_test(t, levels_by_hand);
    tcase_add_test(t, operating_curve_of_the_vote);
    tcase_add_test(t, no_threshold_is_no_verdict_and_no_result_rejects);
    tcase_add_test(t, patches_without_a_product_stand_alone);
    tcase_add_test(t, figures_of_perfect_separation_have_limits);
    tcase_add_test(t, figures_are_the_same_every_time);
    tcase_add_test(t, masks_are_measured);
    tcase_add_test(t, mean_of_largest_against_sorting);
    tcase_add_test(t, template_sees_what_is_unusual);
    tcase_add_test(t, knapp_zones);
    tcase_add_test(t, knapp_by_hand);
    tcase_add_test(t, knapp_without_people);
    suite_add_tcase(suite, t);
    return drae_run_suite(suite);
}
