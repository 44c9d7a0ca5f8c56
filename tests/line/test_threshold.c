/* SPDX-License-Identifier: Apache-2.0 */
/* Thresholds with their origin: rates of alike items, least cost, doubt about a model. */
#include "line/learned.h"
#include "line/threshold.h"
#include "tests/run.h"

#include <check.h>
#include <math.h>
#include <string.h>

enum { N = 1000 };

static float scores[N];
static uint32_t alone[N], pairs[N];

static void fill(void) {
    for (uint32_t i = 0; i < N; i++) {
        scores[i] = (float)(i / 2 * 7 % 500) / 512.0f; /* every value twice */
        alone[i] = i;
        pairs[i] = i / 2;
    }
}

START_TEST(alike_items_count_for_less) {
    fill();
    drae__threshold one, two;
    const drae__sample independent = {N, scores, alone, N};
    const drae__sample alike = {N, scores, pairs, N / 2};
    ck_assert_int_eq(drae__threshold_by_rate(&independent, 0.02, false, &one, NULL), DRAE_OK);
    ck_assert_int_eq(drae__threshold_by_rate(&alike, 0.02, false, &two, NULL), DRAE_OK);
    ck_assert_double_eq(one.from.effect, 1.0);
    ck_assert_msg(fabs(two.from.effect - 2.0) < 0.02, "effect %g", two.from.effect);
    ck_assert(one.value == two.value && one.value == 489.0f / 512.0f);
    ck_assert_uint_eq(two.n_above, 20);
    ck_assert_uint_eq(two.from.n_products, N / 2);
    ck_assert(two.from.low < one.from.low && two.from.high >= one.from.high);
    ck_assert_int_eq((int)two.from.method, DRAE__METHOD_EMPIRICAL);
    ck_assert_ptr_null(drae__threshold_origin_wrong(&two.from));
}
END_TEST

START_TEST(least_cost_weighs_both_errors) {
    static const float good[10] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 14};
    static const float bad[10] = {8.5f, 10, 11, 12, 13, 15, 16, 17, 18, 19};
    static const uint32_t number[10] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9};
    const drae__sample g = {10, good, number, 10};
    const drae__sample b = {10, bad, number, 10};
    drae__threshold t;
    drae__err err;
    /* between 9 and 10: one missed, one rejected; between 8 and 8.5: none missed, two rejected */
    ck_assert_int_eq(drae__threshold_by_cost(&g, &b, 1.0, 1.5, &t, &err), DRAE_OK);
    ck_assert(t.value == 9.5f);
    ck_assert_uint_eq(t.n_above, 1);
    ck_assert_int_eq((int)t.from.method, DRAE__METHOD_COST);
    ck_assert_int_eq(drae__threshold_by_cost(&g, &b, 2.0, 1.0, &t, &err), DRAE_OK);
    ck_assert(t.value == 8.25f);
    ck_assert_uint_eq(t.n_above, 2);
    ck_assert(t.from.low <= 8.25 && t.from.high >= 8.25);
    ck_assert_int_eq(drae__threshold_by_cost(&g, &b, 1.0, 1.0, &t, &err), DRAE_OK);
    ck_assert_int_eq((int)t.from.method, DRAE__METHOD_BALANCED);
    ck_assert_int_eq(drae__threshold_by_cost(&g, &b, 0.0, 1.0, &t, &err), DRAE_ERROR_ARGUMENT);
    const drae__sample few = {9, bad, number, 9};
    ck_assert_int_eq(drae__threshold_by_cost(&g, &few, 1.0, 1.0, &t, &err), DRAE_ERROR_FILE);
    ck_assert_ptr_nonnull(strstr(err.text, "at least 10"));
}
END_TEST

START_TEST(a_model_that_learned_nothing_is_doubted) {
    static const uint8_t image[4] = {0, 50, 100, 200};
    static const float flat[4] = {0.5f, 0.5f, 0.51f, 0.5f};
    static const float alike[4] = {0.0f, 0.2f, 0.4f, 0.8f};
    drae__learned learned = {0};
    drae__learned_add(&learned, 4, image, flat);
    ck_assert_ptr_nonnull(drae__learned_doubt(&learned, (double)NAN));
    drae__learned_add(&learned, 4, image, alike);
    ck_assert_ptr_null(drae__learned_doubt(&learned, 0.04));
    ck_assert_ptr_nonnull(drae__learned_doubt(&learned, 0.9));
}
END_TEST

int main(void) {
    Suite *suite = suite_create("threshold");
    TCase *t = tcase_create("threshold");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, alike_items_count_for_less);
    tcase_add_test(t, least_cost_weighs_both_errors);
    tcase_add_test(t, a_model_that_learned_nothing_is_doubted);
    suite_add_tcase(suite, t);
    return drae_run_suite(suite);
}
