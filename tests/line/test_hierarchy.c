/* SPDX-License-Identifier: Apache-2.0 */
/* Which patches make a strip and a product, also out of order, incomplete, or without columns. */
#include "line/hierarchy.h"

#include "drae/line.h"
#include "tests/run.h"

#include <check.h>
#include <string.h>

static drae__record unrecorded(void) {
    return (drae__record){.region = 0,
                          .batch = DRAE__UNRECORDED,
                          .recipe = DRAE__UNRECORDED,
                          .station = DRAE__UNRECORDED,
                          .product = DRAE__UNRECORDED,
                          .run = DRAE__UNRECORDED,
                          .frame = DRAE__UNRECORDED,
                          .vial = DRAE__UNRECORDED};
}

enum { PRODUCTS = 3, RUNS = 2, FRAMES = 2, VIALS = 5, REGIONS = 4 };
enum { STRIP = FRAMES * VIALS * REGIONS, N = PRODUCTS * RUNS * STRIP };

static void fill(drae__record *records) {
    for (int i = 0; i < N; i++) {
        records[i] = unrecorded();
        records[i].region = i % REGIONS;
        records[i].vial = i / REGIONS % VIALS + 1;             /* vials count from 1 here */
        records[i].frame = i / (REGIONS * VIALS) % FRAMES * 7; /* 0 and 7 */
        records[i].run = i / STRIP % RUNS;
        records[i].product = 10 * (i / (STRIP * RUNS));
    }
}

START_TEST(whole_set_in_order) {
    static drae__record records[N];
    fill(records);
    drae__hierarchy h;
    ck_assert_int_eq(drae__hierarchy_create(records, N, &h, NULL), DRAE_OK);
    ck_assert_uint_eq(h.n, N);
    ck_assert_uint_eq(h.n_strips, PRODUCTS * RUNS);
    ck_assert_uint_eq(h.n_products, PRODUCTS);
    ck_assert_uint_eq(h.n_runs, RUNS);
    ck_assert_int_eq(h.frames.n, FRAMES);
    ck_assert_int_eq(h.vials.n, VIALS);
    ck_assert_int_eq(h.regions.n, REGIONS);
    ck_assert_int_eq(h.vials.values[4], 5);
    ck_assert_int_eq(drae__level(&h.frames, 7), 1);
    ck_assert_int_eq(drae__level(&h.frames, 3), -1);
    for (size_t i = 0; i < N; i++) {
        ck_assert_uint_eq(h.order[i], i);
        ck_assert_int_eq(h.frame_of[i], (int)(i / 20 % 2));
    }
    for (size_t s = 0; s <= h.n_strips; s++) {
        ck_assert_uint_eq(h.strips[s], s * STRIP);
    }
    for (size_t p = 0; p <= h.n_products; p++) {
        ck_assert_uint_eq(h.products[p], p * RUNS);
    }
    drae__hierarchy_free(&h);
    drae__hierarchy_free(&h);
}
END_TEST

START_TEST(scattered_patches_come_together) {
    /* i * 7 modulo 240 visits every patch once. */
    static drae__record records[N];
    static drae__record scattered[N];
    fill(records);
    for (size_t i = 0; i < N; i++) {
        scattered[i] = records[i * 7 % N];
    }
    drae__hierarchy h;
    ck_assert_int_eq(drae__hierarchy_create(scattered, N, &h, NULL), DRAE_OK);
    ck_assert_uint_eq(h.n_strips, PRODUCTS * RUNS);
    static int seen[N];
    memset(seen, 0, sizeof seen);
    for (size_t s = 0; s < h.n_strips; s++) {
        ck_assert_uint_eq(h.strips[s + 1] - h.strips[s], STRIP);
        for (size_t i = h.strips[s]; i < h.strips[s + 1]; i++) {
            const drae__record *r = &scattered[h.order[i]];
            seen[h.order[i]]++;
            ck_assert_int_eq(r->product, 10 * (int)(s / RUNS));
            ck_assert_int_eq(r->run, (int)(s % RUNS));
            ck_assert(i == h.strips[s] || h.order[i - 1] < h.order[i]);
        }
    }
    for (size_t i = 0; i < N; i++) {
        ck_assert_int_eq(seen[i], 1);
    }
    drae__hierarchy_free(&h);
}
END_TEST

START_TEST(a_run_that_lacks_shows_in_the_bounds) {
    /* The last product lost a run, and the strip that is last then, one patch. */
    static drae__record records[N];
    fill(records);
    drae__hierarchy h;
    ck_assert_int_eq(drae__hierarchy_create(records, N - STRIP - 1, &h, NULL), DRAE_OK);
    ck_assert_uint_eq(h.n_strips, 5);
    ck_assert_uint_eq(h.n_products, 3);
    ck_assert_uint_eq(h.n_runs, 2);
    ck_assert_uint_eq(h.products[3] - h.products[2], 1);
    ck_assert_uint_eq(h.strips[5] - h.strips[4], STRIP - 1);
    drae__hierarchy_free(&h);
}
END_TEST

START_TEST(product_numbers_may_repeat_in_another_batch) {
    drae__record records[4];
    for (int i = 0; i < 4; i++) {
        records[i] = unrecorded();
        records[i].product = 1;
        records[i].vial = 0;
        records[i].batch = i % 2;
        records[i].station = i / 2;
    }
    drae__hierarchy h;
    ck_assert_int_eq(drae__hierarchy_create(records, 4, &h, NULL), DRAE_OK);
    ck_assert_uint_eq(h.n_strips, 4);
    ck_assert_uint_eq(h.n_products, 4);
    ck_assert_int_eq(h.vials.n, 1);
    ck_assert_int_eq(h.frames.n, 1);
    drae__hierarchy_free(&h);
}
END_TEST

START_TEST(frames_are_counted_where_they_are_not_recorded) {
    /* Strip 0 has three pictures of its one place, strip 1 two. */
    drae__record records[5];
    for (int i = 0; i < 5; i++) {
        records[i] = unrecorded();
        records[i].product = i < 3 ? 0 : 1;
        records[i].vial = 0;
    }
    drae__hierarchy h;
    ck_assert_int_eq(drae__hierarchy_create(records, 5, &h, NULL), DRAE_OK);
    ck_assert_int_eq(h.frames.n, 3);
    const int32_t expected[5] = {0, 1, 2, 0, 1};
    for (int i = 0; i < 5; i++) {
        ck_assert_int_eq(h.frame_of[i], expected[i]);
    }
    drae__hierarchy_free(&h);
}
END_TEST

START_TEST(no_strips_without_product_and_vial) {
    drae__record records[3];
    for (int i = 0; i < 3; i++) {
        records[i] = unrecorded();
        records[i].region = i;
    }
    drae__hierarchy h;
    ck_assert_int_eq(drae__hierarchy_create(records, 3, &h, NULL), DRAE_OK);
    ck_assert_uint_eq(h.n_strips, 0);
    ck_assert_uint_eq(h.n_products, 0);
    ck_assert_uint_eq(h.strips[0], 0);
    ck_assert_int_eq(h.regions.n, 3);
    ck_assert_uint_eq(h.order[2], 2);
    drae__hierarchy_free(&h);
    for (int i = 0; i < 3; i++) {
        records[i].product = i;
        records[i].vial = i < 2 ? 0 : DRAE__UNRECORDED; /* two of three are not enough */
    }
    ck_assert_int_eq(drae__hierarchy_create(records, 3, &h, NULL), DRAE_OK);
    ck_assert_uint_eq(h.n_strips, 0);
    drae__hierarchy_free(&h);
}
END_TEST

START_TEST(more_levels_than_a_strip_can_have) {
    enum { MANY = DRAE_STRIP_VIALS_MAX + 1 };
    static drae__record records[MANY];
    for (int i = 0; i < MANY; i++) {
        records[i] = unrecorded();
        records[i].product = 0;
        records[i].vial = 3 * i;
    }
    drae__hierarchy h = {0};
    drae__err err = {{0}};
    ck_assert_int_eq(drae__hierarchy_create(records, MANY - 1, &h, &err), DRAE_OK);
    ck_assert_int_eq(h.vials.n, DRAE_STRIP_VIALS_MAX);
    drae__hierarchy_free(&h);
    ck_assert_int_eq(drae__hierarchy_create(records, MANY, &h, &err), DRAE_ERROR_FILE);
    ck_assert_ptr_nonnull(strstr(err.text, "column vial: more than 256"));
}
END_TEST

START_TEST(vote_is_seven_of_ten_in_proportion) {
    static const int needed[][2] = {{1, 1}, {2, 2}, {3, 3},  {4, 3},   {5, 4},
                                    {6, 5}, {9, 7}, {10, 7}, {16, 12}, {100, 70}};
    for (size_t i = 0; i < sizeof needed / sizeof needed[0]; i++) {
        ck_assert_int_eq(drae__vote_needed(needed[i][0]), needed[i][1]);
    }
    for (int n = 1; n < 1000; n++) {
        int k = drae__vote_needed(n);
        ck_assert_msg(k <= n && 2 * k > n, "%d of %d is no majority", k, n);
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("hierarchy");
    TCase *tcase = tcase_create("hierarchy");
    tcase_add_test(tcase, whole_set_in_order);
    tcase_add_test(tcase, scattered_patches_come_together);
    tcase_add_test(tcase, a_run_that_lacks_shows_in_the_bounds);
    tcase_add_test(tcase, product_numbers_may_repeat_in_another_batch);
    tcase_add_test(tcase, frames_are_counted_where_they_are_not_recorded);
    tcase_add_test(tcase, no_strips_without_product_and_vial);
    tcase_add_test(tcase, more_levels_than_a_strip_can_have);
    tcase_add_test(tcase, vote_is_seven_of_ten_in_proportion);
    suite_add_tcase(suite, tcase);
    return drae_run_suite(suite);
}
