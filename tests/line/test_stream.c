/* SPDX-License-Identifier: Apache-2.0 */
/* The stream of products: any order, late and missing results, slots, the vote, presets. */
#include "drae/line.h"
#include "tests/run.h"

#include <check.h>
#include <math.h>
#include <string.h>

enum { PRODUCTS = 2, RUNS = 3, NEEDED = 2, FRAMES = 1, VIALS = 2, REGIONS = 2 };

static drae_stream *make(void) {
    drae_stream *stream = NULL;
    ck_assert_int_eq(drae_stream_create(PRODUCTS, RUNS, NEEDED, FRAMES, VIALS, REGIONS, &stream),
                     DRAE_OK);
    for (int r = 0; r < REGIONS; r++) {
        ck_assert_int_eq(drae_stream_set_threshold(stream, r, 0.5f), DRAE_OK);
    }
    return stream;
}

/* All patches of a run but the last `without`, the first with that score. */
static void put_run(drae_stream *stream, int64_t product, int run, float first, int without) {
    for (int i = 0; i < VIALS * REGIONS - without; i++) {
        ck_assert_int_eq(drae_stream_put_score(stream, product, run, 0, i / REGIONS, i % REGIONS,
                                               i == 0 ? first : 0.1f),
                         DRAE_OK);
    }
}

static void expect(drae_stream *stream, int64_t product, drae_verdict verdict, drae_reason reason,
                   int n_good, int n_rejected) {
    drae_verdict got = DRAE_VERDICT_UNDECIDED;
    drae_reason why = DRAE_REASON_NONE;
    int good = -1;
    int rejected = -1;
    ck_assert_int_eq(drae_stream_finish(stream, product, &got, &why, &good, &rejected), DRAE_OK);
    ck_assert_int_eq(got, verdict);
    ck_assert_int_eq(why, reason);
    ck_assert_int_eq(good, n_good);
    ck_assert_int_eq(rejected, n_rejected);
}

START_TEST(two_products_at_once_in_any_order) {
    drae_stream *stream = make();
    put_run(stream, 7, 2, 0.1f, 0);
    put_run(stream, -8, 0, 0.9f, 0);
    put_run(stream, 7, 0, 0.1f, 0);
    put_run(stream, -8, 2, 0.1f, 0);
    put_run(stream, -8, 1, 0.9f, 0);
    put_run(stream, 7, 1, 0.9f, 0);
    expect(stream, 7, DRAE_VERDICT_GOOD, DRAE_REASON_NONE, 2, 1);
    expect(stream, -8, DRAE_VERDICT_REJECT, DRAE_REASON_VOTE, 1, 2);
    ck_assert_uint_eq(drae_stream_late(stream), 0);
    drae_stream_destroy(stream);
}
END_TEST

START_TEST(no_result_means_reject) {
    drae_stream *stream = make();
    put_run(stream, 1, 0, 0.1f, 0);
    put_run(stream, 1, 1, 0.1f, 1); /* one patch never comes */
    expect(stream, 1, DRAE_VERDICT_REJECT, DRAE_REASON_MISSING, 1, 1);
    expect(stream, 2, DRAE_VERDICT_REJECT, DRAE_REASON_MISSING, 0, 0); /* never heard of */
    put_run(stream, 3, 0, 0.1f, 0);
    ck_assert_int_eq(drae_stream_put_failure(stream, 3, 1, 0, 0, 0, DRAE_REASON_IMAGE), DRAE_OK);
    put_run(stream, 3, 2, NAN, 0);
    expect(stream, 3, DRAE_VERDICT_REJECT, DRAE_REASON_VOTE, 1, 2);
    drae_stream_destroy(stream);
}
END_TEST

START_TEST(late_results_change_nothing) {
    drae_stream *stream = make();
    drae_verdict verdict = DRAE_VERDICT_UNDECIDED;
    drae_reason reason = DRAE_REASON_NONE;
    put_run(stream, 1, 0, 0.1f, 1);
    ck_assert_int_eq(drae_stream_end_run(stream, 1, 0), DRAE_OK);
    ck_assert_int_eq(drae_stream_run_verdict(stream, 1, 0, &verdict, &reason), DRAE_OK);
    ck_assert(verdict == DRAE_VERDICT_REJECT && reason == DRAE_REASON_MISSING);
    ck_assert_int_eq(drae_stream_put_score(stream, 1, 0, 0, 1, 1, 0.1f), DRAE_ERROR_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(drae_stream_error_text(stream), "too late"));
    ck_assert_int_eq(drae_stream_end_run(stream, 1, 0), DRAE_ERROR_ARGUMENT);
    put_run(stream, 1, 1, 0.1f, 0);
    put_run(stream, 1, 2, 0.1f, 0);
    expect(stream, 1, DRAE_VERDICT_GOOD, DRAE_REASON_NONE, 2, 1);
    ck_assert_int_eq(drae_stream_put_score(stream, 1, 2, 0, 0, 0, 0.9f), DRAE_ERROR_ARGUMENT);
    ck_assert_int_eq(drae_stream_finish(stream, 1, &verdict, NULL, NULL, NULL),
                     DRAE_ERROR_ARGUMENT);
    ck_assert_uint_eq(drae_stream_late(stream), 3);
    drae_stream_destroy(stream);
}
END_TEST

START_TEST(a_second_result_rejects_the_run) {
    drae_stream *stream = make();
    drae_verdict verdict = DRAE_VERDICT_GOOD;
    drae_reason reason = DRAE_REASON_NONE;
    put_run(stream, 1, 0, 0.1f, 0);
    ck_assert_int_eq(drae_stream_put_score(stream, 1, 0, 0, 0, 0, 0.1f), DRAE_ERROR_ARGUMENT);
    ck_assert_int_eq(drae_stream_run_verdict(stream, 1, 0, &verdict, &reason), DRAE_OK);
    ck_assert(verdict == DRAE_VERDICT_REJECT && reason == DRAE_REASON_DUPLICATE);
    drae_stream_destroy(stream);
}
END_TEST

START_TEST(verdict_as_soon_as_it_is_certain) {
    drae_stream *stream = make();
    drae_verdict verdict = DRAE_VERDICT_GOOD;
    put_run(stream, 1, 0, 0.1f, 0);
    ck_assert_int_eq(drae_stream_verdict(stream, 1, &verdict, NULL), DRAE_OK);
    ck_assert_int_eq(verdict, DRAE_VERDICT_UNDECIDED);
    ck_assert_int_eq(drae_stream_end_run(stream, 1, 0), DRAE_OK);
    put_run(stream, 1, 1, 0.1f, 0);
    ck_assert_int_eq(drae_stream_verdict(stream, 1, &verdict, NULL), DRAE_OK);
    ck_assert_int_eq(verdict, DRAE_VERDICT_UNDECIDED); /* run 1 may still get a second result */
    ck_assert_int_eq(drae_stream_end_run(stream, 1, 1), DRAE_OK);
    ck_assert_int_eq(drae_stream_verdict(stream, 1, &verdict, NULL), DRAE_OK);
    ck_assert_int_eq(verdict, DRAE_VERDICT_GOOD);
    put_run(stream, 2, 0, 0.9f, 3);
    put_run(stream, 2, 1, 0.9f, 3);
    drae_reason reason = DRAE_REASON_NONE;
    ck_assert_int_eq(drae_stream_verdict(stream, 2, &verdict, &reason), DRAE_OK);
    ck_assert(verdict == DRAE_VERDICT_REJECT && reason == DRAE_REASON_VOTE);
    ck_assert_int_eq(drae_stream_verdict(stream, 3, &verdict, NULL), DRAE_ERROR_ARGUMENT);
    drae_stream_destroy(stream);
}
END_TEST

START_TEST(slots_are_bounded_and_free_again) {
    drae_stream *stream = make();
    put_run(stream, 1, 0, 0.1f, 0);
    put_run(stream, 2, 0, 0.1f, 0);
    ck_assert_int_eq(drae_stream_put_score(stream, 3, 0, 0, 0, 0, 0.1f), DRAE_ERROR_BUSY);
    ck_assert_int_eq(drae_stream_set_threshold(stream, 0, 0.4f), DRAE_ERROR_ARGUMENT);
    expect(stream, 1, DRAE_VERDICT_REJECT, DRAE_REASON_MISSING, 1, 0);
    /* What stands in a slot does not come along to the next product. */
    put_run(stream, 3, 1, 0.1f, 0);
    put_run(stream, 3, 2, 0.1f, 0);
    expect(stream, 3, DRAE_VERDICT_GOOD, DRAE_REASON_NONE, 2, 0);
    expect(stream, 2, DRAE_VERDICT_REJECT, DRAE_REASON_MISSING, 1, 0);
    ck_assert_int_eq(drae_stream_set_threshold(stream, 0, 0.4f), DRAE_OK);
    /* An index out of range takes no slot. */
    ck_assert_int_eq(drae_stream_put_score(stream, 9, 0, 0, VIALS, 0, 0.1f), DRAE_ERROR_ARGUMENT);
    ck_assert_int_eq(drae_stream_put_score(stream, 9, RUNS, 0, 0, 0, 0.1f), DRAE_ERROR_ARGUMENT);
    ck_assert_int_eq(drae_stream_set_threshold(stream, 0, 0.4f), DRAE_OK);
    for (int64_t p = 100; p < 100 + 3 * DRAE_STREAM_MEMORY; p++) {
        put_run(stream, p, 0, 0.1f, 0);
        expect(stream, p, DRAE_VERDICT_REJECT, DRAE_REASON_MISSING, 1, 0);
    }
    drae_stream_destroy(stream);
}
END_TEST

START_TEST(shapes_and_nulls_are_refused) {
    drae_stream *stream = (drae_stream *)&stream;
    drae_verdict verdict;
    ck_assert_int_eq(drae_stream_create(1, 10, 5, 1, 5, 4, &stream), DRAE_ERROR_ARGUMENT);
    ck_assert_ptr_null(stream);
    ck_assert_int_eq(drae_stream_create(0, 10, 7, 1, 5, 4, &stream), DRAE_ERROR_ARGUMENT);
    ck_assert_int_eq(drae_stream_create(1, 10, 11, 1, 5, 4, &stream), DRAE_ERROR_ARGUMENT);
    ck_assert_int_eq(drae_stream_create(1, 10, 7, 0, 5, 4, &stream), DRAE_ERROR_ARGUMENT);
    ck_assert_int_eq(drae_stream_create(1, 10, 7, 1, 5, 4, NULL), DRAE_ERROR_ARGUMENT);
    ck_assert_int_eq(drae_stream_put_score(NULL, 1, 0, 0, 0, 0, 0.1f), DRAE_ERROR_ARGUMENT);
    ck_assert_int_eq(drae_stream_finish(NULL, 1, &verdict, NULL, NULL, NULL), DRAE_ERROR_ARGUMENT);
    ck_assert_str_eq(drae_stream_error_text(NULL), "");
    ck_assert_uint_eq(drae_stream_late(NULL), 0);
    drae_stream_destroy(NULL);
}
END_TEST

START_TEST(published_thresholds) {
    static const float want[] = {0.016f, 0.039f, 0.047f, 0.030f};
    float got = -1.0f;
    for (int r = 0; r < 4; r++) {
        ck_assert_int_eq(drae_preset_threshold(DRAE_PRESET_FERRARI_2026, r, &got), DRAE_OK);
        ck_assert_float_eq(got, want[r]);
    }
    ck_assert_int_eq(drae_preset_threshold(DRAE_PRESET_FERRARI_2026, 4, &got), DRAE_ERROR_ARGUMENT);
    ck_assert_int_eq(drae_preset_threshold((drae_preset)0, 0, &got), DRAE_ERROR_ARGUMENT);
    ck_assert_float_eq(got, want[3]);
}
END_TEST

START_TEST(undecided_runs_leave_a_product_open_where_allowed) {
    drae_stream *stream = make();
    ck_assert_int_eq(drae_stream_set_undecided(stream, 0, 0.3f), DRAE_OK);
    for (int allow = 0; allow < 2; allow++) {
        ck_assert_int_eq(drae_stream_allow_undecided(stream, allow), DRAE_OK);
        put_run(stream, allow, 0, 0.1f, 0);
        put_run(stream, allow, 1, 0.4f, 0);
        ck_assert_int_eq(drae_stream_set_undecided(stream, 0, 0.2f), DRAE_ERROR_ARGUMENT);
        put_run(stream, allow, 2, 0.9f, 0);
        if (allow == 0) {
            expect(stream, allow, DRAE_VERDICT_REJECT, DRAE_REASON_VOTE, 1, 2);
        } else {
            expect(stream, allow, DRAE_VERDICT_UNDECIDED, DRAE_REASON_BAND, 1, 1);
        }
    }
    /* Two rejected of three: no decision over the third could pass it. */
    put_run(stream, 9, 0, 0.9f, 0);
    put_run(stream, 9, 1, 0.4f, 0);
    put_run(stream, 9, 2, 0.9f, 0);
    expect(stream, 9, DRAE_VERDICT_REJECT, DRAE_REASON_VOTE, 0, 2);
    ck_assert_int_eq(drae_stream_allow_undecided(stream, -1), DRAE_ERROR_ARGUMENT);
    drae_stream_destroy(stream);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("stream");
    TCase *t = tcase_create("stream");
    tcase_add_test(t, two_products_at_once_in_any_order);
    tcase_add_test(t, no_result_means_reject);
    tcase_add_test(t, late_results_change_nothing);
    tcase_add_test(t, a_second_result_rejects_the_run);
    tcase_add_test(t, verdict_as_soon_as_it_is_certain);
    tcase_add_test(t, slots_are_bounded_and_free_again);
    tcase_add_test(t, shapes_and_nulls_are_refused);
    tcase_add_test(t, published_thresholds);
    tcase_add_test(t, undecided_runs_leave_a_product_open_where_allowed);
    suite_add_tcase(suite, t);
    return drae_run_suite(suite);
}
