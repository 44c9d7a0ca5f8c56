/* SPDX-License-Identifier: Apache-2.0 */
/* The decision rules: patch -> vial -> strip -> product, and everything that must fail closed. */
#include "drae/line.h"
#include "tests/run.h"

#include <check.h>
#include <float.h>
#include <math.h>
#include <string.h>

enum { FRAMES = 3, VIALS = 5, REGIONS = 4 };

/* The published thresholds. */
static const float thresholds[REGIONS] = {0.016f, 0.039f, 0.047f, 0.030f};

static drae_strip *make(void) {
    drae_strip *strip = NULL;
    ck_assert_int_eq(drae_strip_create(FRAMES, VIALS, REGIONS, &strip), DRAE_OK);
    for (int r = 0; r < REGIONS; r++) {
        ck_assert_int_eq(drae_strip_set_threshold(strip, r, thresholds[r]), DRAE_OK);
    }
    return strip;
}

/* Puts a good score for every patch, except one (skip_frame < 0: none). */
static void put_all_but(drae_strip *strip, int skip_frame, int skip_vial, int skip_region) {
    for (int f = 0; f < FRAMES; f++) {
        for (int v = 0; v < VIALS; v++) {
            for (int r = 0; r < REGIONS; r++) {
                if (f != skip_frame || v != skip_vial || r != skip_region) {
                    ck_assert_int_eq(drae_strip_put_score(strip, f, v, r, 0.5f * thresholds[r]),
                                     DRAE_OK);
                }
            }
        }
    }
}

static void expect_strip(const drae_strip *strip, drae_verdict verdict, drae_reason reason) {
    drae_verdict got = (drae_verdict)-1;
    drae_reason why = (drae_reason)-1;
    ck_assert_int_eq(drae_strip_verdict(strip, &got, &why), DRAE_OK);
    ck_assert_int_eq(got, verdict);
    ck_assert_int_eq(why, reason);
}

static void expect_vial(const drae_strip *strip, int vial, drae_verdict verdict,
                        drae_reason reason) {
    drae_verdict got = (drae_verdict)-1;
    drae_reason why = (drae_reason)-1;
    ck_assert_int_eq(drae_strip_vial_verdict(strip, vial, &got, &why), DRAE_OK);
    ck_assert_msg(got == verdict && why == reason, "vial %d: verdict %d reason %d (%s)", vial, got,
                  why, drae_reason_text(why));
}

static void expect_patch(const drae_strip *strip, int f, int v, int r, drae_verdict verdict,
                         drae_reason reason) {
    drae_verdict got = (drae_verdict)-1;
    drae_reason why = (drae_reason)-1;
    ck_assert_int_eq(drae_strip_patch_verdict(strip, f, v, r, &got, &why), DRAE_OK);
    ck_assert_msg(got == verdict && why == reason, "patch %d %d %d: verdict %d reason %d (%s)", f,
                  v, r, got, why, drae_reason_text(why));
}

START_TEST(good_strip_passes_and_only_at_its_end) {
    drae_strip *strip = make();
    expect_strip(strip, DRAE_VERDICT_REJECT, DRAE_REASON_MISSING); /* before any strip */
    ck_assert_int_eq(drae_strip_begin(strip), DRAE_OK);
    expect_strip(strip, DRAE_VERDICT_UNDECIDED, DRAE_REASON_NONE);
    put_all_but(strip, -1, 0, 0);
    expect_strip(strip, DRAE_VERDICT_UNDECIDED, DRAE_REASON_NONE);
    expect_vial(strip, 2, DRAE_VERDICT_UNDECIDED, DRAE_REASON_NONE);
    ck_assert_int_eq(drae_strip_end(strip), DRAE_OK);
    expect_strip(strip, DRAE_VERDICT_GOOD, DRAE_REASON_NONE);
    for (int v = 0; v < VIALS; v++) {
        expect_vial(strip, v, DRAE_VERDICT_GOOD, DRAE_REASON_NONE);
        ck_assert_int_eq(drae_strip_vial_cause(strip, v, NULL, NULL), DRAE_ERROR_ARGUMENT);
    }
    drae_strip_destroy(strip);
}
END_TEST

START_TEST(any_patch_rejects_its_vial_and_the_strip) {
    drae_strip *strip = make();
    for (int f = 0; f < FRAMES; f++) {
        for (int v = 0; v < VIALS; v++) {
            for (int r = 0; r < REGIONS; r++) {
                ck_assert_int_eq(drae_strip_begin(strip), DRAE_OK);
                ck_assert_int_eq(
                    drae_strip_put_score(strip, f, v, r, nextafterf(thresholds[r], 1.0f)), DRAE_OK);
                /* Certain before the others have come. */
                expect_strip(strip, DRAE_VERDICT_REJECT, DRAE_REASON_SCORE);
                put_all_but(strip, f, v, r);
                ck_assert_int_eq(drae_strip_end(strip), DRAE_OK);
                expect_strip(strip, DRAE_VERDICT_REJECT, DRAE_REASON_SCORE);
                for (int other = 0; other < VIALS; other++) {
                    expect_vial(strip, other, other == v ? DRAE_VERDICT_REJECT : DRAE_VERDICT_GOOD,
                                other == v ? DRAE_REASON_SCORE : DRAE_REASON_NONE);
                }
                int frame = -1;
                int region = -1;
                ck_assert_int_eq(drae_strip_vial_cause(strip, v, &frame, &region), DRAE_OK);
                ck_assert_int_eq(frame, f);
                ck_assert_int_eq(region, r);
            }
        }
    }
    drae_strip_destroy(strip);
}
END_TEST

START_TEST(score_at_the_threshold_passes) {
    drae_strip *strip = make();
    ck_assert_int_eq(drae_strip_begin(strip), DRAE_OK);
    put_all_but(strip, 1, 2, 3);
    ck_assert_int_eq(drae_strip_put_score(strip, 1, 2, 3, thresholds[3]), DRAE_OK);
    ck_assert_int_eq(drae_strip_end(strip), DRAE_OK);
    expect_strip(strip, DRAE_VERDICT_GOOD, DRAE_REASON_NONE);
    drae_strip_destroy(strip);
}
END_TEST

START_TEST(missing_patch_rejects) {
    drae_strip *strip = make();
    ck_assert_int_eq(drae_strip_begin(strip), DRAE_OK);
    put_all_but(strip, 2, 4, 3);
    expect_strip(strip, DRAE_VERDICT_UNDECIDED, DRAE_REASON_NONE);
    ck_assert_int_eq(drae_strip_end(strip), DRAE_OK);
    expect_strip(strip, DRAE_VERDICT_REJECT, DRAE_REASON_MISSING);
    expect_vial(strip, 4, DRAE_VERDICT_REJECT, DRAE_REASON_MISSING);
    expect_vial(strip, 3, DRAE_VERDICT_GOOD, DRAE_REASON_NONE);
    expect_patch(strip, 2, 4, 3, DRAE_VERDICT_REJECT, DRAE_REASON_MISSING);
    expect_patch(strip, 2, 4, 2, DRAE_VERDICT_GOOD, DRAE_REASON_NONE);
    /* A result that comes after the end changes nothing. */
    ck_assert_int_eq(drae_strip_put_score(strip, 2, 4, 3, 0.0f), DRAE_ERROR_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(drae_strip_error_text(strip), "no strip is under way"));
    expect_strip(strip, DRAE_VERDICT_REJECT, DRAE_REASON_MISSING);
    drae_strip_destroy(strip);
}
END_TEST

START_TEST(strip_without_any_result_rejects) {
    drae_strip *strip = make();
    ck_assert_int_eq(drae_strip_begin(strip), DRAE_OK);
    ck_assert_int_eq(drae_strip_end(strip), DRAE_OK);
    for (int v = 0; v < VIALS; v++) {
        expect_vial(strip, v, DRAE_VERDICT_REJECT, DRAE_REASON_MISSING);
    }
    drae_strip_destroy(strip);
}
END_TEST

START_TEST(duplicate_rejects) {
    drae_strip *strip = make();
    ck_assert_int_eq(drae_strip_begin(strip), DRAE_OK);
    put_all_but(strip, -1, 0, 0);
    ck_assert_int_eq(drae_strip_put_score(strip, 0, 1, 2, 0.0f), DRAE_ERROR_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(drae_strip_error_text(strip), "frame 0 vial 1 region 2"));
    expect_patch(strip, 0, 1, 2, DRAE_VERDICT_REJECT, DRAE_REASON_DUPLICATE);
    ck_assert_int_eq(drae_strip_end(strip), DRAE_OK);
    expect_vial(strip, 1, DRAE_VERDICT_REJECT, DRAE_REASON_DUPLICATE);
    expect_vial(strip, 0, DRAE_VERDICT_GOOD, DRAE_REASON_NONE);
    /* The worse score counts, whichever comes first. */
    for (int order = 0; order < 2; order++) {
        ck_assert_int_eq(drae_strip_begin(strip), DRAE_OK);
        ck_assert_int_eq(drae_strip_put_score(strip, 0, 0, 0, order == 0 ? 0.5f : 0.0f), DRAE_OK);
        ck_assert_int_eq(drae_strip_put_score(strip, 0, 0, 0, order == 0 ? 0.0f : 0.5f),
                         DRAE_ERROR_ARGUMENT);
        expect_patch(strip, 0, 0, 0, DRAE_VERDICT_REJECT, DRAE_REASON_SCORE);
        ck_assert_int_eq(drae_strip_end(strip), DRAE_OK);
    }
    drae_strip_destroy(strip);
}
END_TEST

START_TEST(order_of_results_does_not_matter) {
    /* Backwards, with one reject in the middle, against forwards. */
    drae_strip *forward = make();
    drae_strip *backward = make();
    ck_assert_int_eq(drae_strip_begin(forward), DRAE_OK);
    ck_assert_int_eq(drae_strip_begin(backward), DRAE_OK);
    int n = FRAMES * VIALS * REGIONS;
    for (int i = 0; i < n; i++) {
        int j = n - 1 - i;
        ck_assert_int_eq(drae_strip_put_score(forward, i / 20, i / 4 % 5, i % 4,
                                              i == 33 || i == 55 ? 0.9f : 0.001f),
                         DRAE_OK);
        ck_assert_int_eq(drae_strip_put_score(backward, j / 20, j / 4 % 5, j % 4,
                                              j == 33 || j == 55 ? 0.9f : 0.001f),
                         DRAE_OK);
    }
    ck_assert_int_eq(drae_strip_end(forward), DRAE_OK);
    ck_assert_int_eq(drae_strip_end(backward), DRAE_OK);
    for (int v = 0; v < VIALS; v++) {
        drae_verdict a = DRAE_VERDICT_UNDECIDED;
        drae_verdict b = DRAE_VERDICT_UNDECIDED;
        drae_reason why_a = DRAE_REASON_NONE;
        drae_reason why_b = DRAE_REASON_NONE;
        ck_assert_int_eq(drae_strip_vial_verdict(forward, v, &a, &why_a), DRAE_OK);
        ck_assert_int_eq(drae_strip_vial_verdict(backward, v, &b, &why_b), DRAE_OK);
        ck_assert_int_eq(a, b);
        ck_assert_int_eq(why_a, why_b);
        ck_assert_int_eq(a, v == 33 / 4 % 5 ? DRAE_VERDICT_REJECT : DRAE_VERDICT_GOOD);
        if (a == DRAE_VERDICT_REJECT) {
            int fa = -1, fb = -1, ra = -1, rb = -1;
            ck_assert_int_eq(drae_strip_vial_cause(forward, v, &fa, &ra), DRAE_OK);
            ck_assert_int_eq(drae_strip_vial_cause(backward, v, &fb, &rb), DRAE_OK);
            ck_assert_int_eq(fa, fb);
            ck_assert_int_eq(ra, rb);
        }
    }
    drae_strip_destroy(forward);
    drae_strip_destroy(backward);
}
END_TEST

START_TEST(cause_is_the_largest_excess) {
    drae_strip *strip = make();
    ck_assert_int_eq(drae_strip_begin(strip), DRAE_OK);
    /* 2 x, 3 x and 2.5 x the threshold; a missing patch is weaker than any of them. */
    ck_assert_int_eq(drae_strip_put_score(strip, 0, 1, 2, 2.0f * thresholds[2]), DRAE_OK);
    ck_assert_int_eq(drae_strip_put_score(strip, 1, 1, 0, 3.0f * thresholds[0]), DRAE_OK);
    ck_assert_int_eq(drae_strip_put_score(strip, 2, 1, 3, 2.5f * thresholds[3]), DRAE_OK);
    ck_assert_int_eq(drae_strip_end(strip), DRAE_OK);
    int frame = -1;
    int region = -1;
    ck_assert_int_eq(drae_strip_vial_cause(strip, 1, &frame, &region), DRAE_OK);
    ck_assert_int_eq(frame, 1);
    ck_assert_int_eq(region, 0);
    ck_assert_int_eq(drae_strip_vial_cause(strip, 0, &frame, &region), DRAE_OK);
    ck_assert_int_eq(frame, 0); /* all missing: the first */
    ck_assert_int_eq(region, 0);
    drae_strip_destroy(strip);
}
END_TEST

START_TEST(cause_with_threshold_zero) {
    drae_strip *strip = NULL;
    ck_assert_int_eq(drae_strip_create(1, 1, 2, &strip), DRAE_OK);
    ck_assert_int_eq(drae_strip_set_threshold(strip, 0, 0.5f), DRAE_OK);
    ck_assert_int_eq(drae_strip_set_threshold(strip, 1, 0.0f), DRAE_OK);
    ck_assert_int_eq(drae_strip_begin(strip), DRAE_OK);
    ck_assert_int_eq(drae_strip_put_score(strip, 0, 0, 0, 0.9f), DRAE_OK);
    ck_assert_int_eq(drae_strip_put_score(strip, 0, 0, 1, FLT_MIN), DRAE_OK);
    ck_assert_int_eq(drae_strip_end(strip), DRAE_OK);
    int region = -1;
    ck_assert_int_eq(drae_strip_vial_cause(strip, 0, NULL, &region), DRAE_OK);
    ck_assert_int_eq(region, 1);
    drae_strip_destroy(strip);
}
END_TEST

START_TEST(not_finite_and_uncalibrated_reject) {
    const float bad[] = {NAN, INFINITY, -INFINITY};
    drae_strip *strip = make();
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(drae_strip_begin(strip), DRAE_OK);
        put_all_but(strip, 0, 0, 0);
        ck_assert_int_eq(drae_strip_put_score(strip, 0, 0, 0, bad[i]), DRAE_OK);
        ck_assert_int_eq(drae_strip_end(strip), DRAE_OK);
        expect_strip(strip, DRAE_VERDICT_REJECT, DRAE_REASON_NOT_FINITE);
        expect_vial(strip, 1, DRAE_VERDICT_GOOD, DRAE_REASON_NONE);
    }
    drae_strip_destroy(strip);

    ck_assert_int_eq(drae_strip_create(1, 1, 2, &strip), DRAE_OK);
    ck_assert_int_eq(drae_strip_set_threshold(strip, 0, 0.5f), DRAE_OK);
    ck_assert_int_eq(drae_strip_begin(strip), DRAE_OK);
    ck_assert_int_eq(drae_strip_put_score(strip, 0, 0, 0, 0.1f), DRAE_OK);
    ck_assert_int_eq(drae_strip_put_score(strip, 0, 0, 1, 0.0f), DRAE_OK);
    ck_assert_int_eq(drae_strip_end(strip), DRAE_OK);
    expect_strip(strip, DRAE_VERDICT_REJECT, DRAE_REASON_UNCALIBRATED);
    drae_strip_destroy(strip);
}
END_TEST

START_TEST(failures_reject_with_their_reason) {
    const drae_reason failures[] = {DRAE_REASON_NOT_FINITE, DRAE_REASON_DEVICE,
                                    DRAE_REASON_IMAGE,      DRAE_REASON_NOT_FOUND,
                                    DRAE_REASON_LATE,       DRAE_REASON_MISSING};
    const drae_reason others[] = {
        DRAE_REASON_NONE, DRAE_REASON_SCORE,     DRAE_REASON_DUPLICATE, DRAE_REASON_UNCALIBRATED,
        DRAE_REASON_VOTE, DRAE_REASON_UNDECIDED, (drae_reason)99,       (drae_reason)-1};
    drae_strip *strip = make();
    for (size_t i = 0; i < sizeof failures / sizeof failures[0]; i++) {
        ck_assert_int_eq(drae_strip_begin(strip), DRAE_OK);
        put_all_but(strip, 1, 3, 2);
        ck_assert_int_eq(drae_strip_put_failure(strip, 1, 3, 2, failures[i]), DRAE_OK);
        expect_strip(strip, DRAE_VERDICT_REJECT, failures[i]);
        ck_assert_int_eq(drae_strip_end(strip), DRAE_OK);
        expect_vial(strip, 3, DRAE_VERDICT_REJECT, failures[i]);
        expect_patch(strip, 1, 3, 2, DRAE_VERDICT_REJECT, failures[i]);
    }
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        ck_assert_int_eq(drae_strip_begin(strip), DRAE_OK);
        ck_assert_int_eq(drae_strip_put_failure(strip, 1, 3, 2, others[i]), DRAE_ERROR_ARGUMENT);
        expect_strip(strip, DRAE_VERDICT_UNDECIDED, DRAE_REASON_NONE);
        ck_assert_int_eq(drae_strip_end(strip), DRAE_OK);
    }
    drae_strip_destroy(strip);
}
END_TEST

START_TEST(strongest_reason_wins) {
    drae_strip *strip = make();
    ck_assert_int_eq(drae_strip_begin(strip), DRAE_OK);
    put_all_but(strip, 0, 0, 0);
    ck_assert_int_eq(drae_strip_put_failure(strip, 0, 0, 0, DRAE_REASON_LATE), DRAE_OK);
    expect_strip(strip, DRAE_VERDICT_REJECT, DRAE_REASON_LATE);
    ck_assert_int_eq(drae_strip_put_score(strip, 1, 0, 0, 0.0f), DRAE_ERROR_ARGUMENT);
    expect_strip(strip, DRAE_VERDICT_REJECT, DRAE_REASON_DUPLICATE);
    ck_assert_int_eq(drae_strip_put_score(strip, 1, 1, 0, 0.7f), DRAE_ERROR_ARGUMENT);
    expect_strip(strip, DRAE_VERDICT_REJECT, DRAE_REASON_SCORE);
    expect_vial(strip, 0, DRAE_VERDICT_REJECT, DRAE_REASON_DUPLICATE);
    ck_assert_int_eq(drae_strip_end(strip), DRAE_OK);
    drae_strip_destroy(strip);
}
END_TEST

START_TEST(strips_follow_each_other_without_traces) {
    drae_strip *strip = make();
    ck_assert_int_eq(drae_strip_begin(strip), DRAE_OK);
    ck_assert_int_eq(drae_strip_put_score(strip, 0, 0, 0, 1.0f), DRAE_OK);
    ck_assert_int_eq(drae_strip_set_threshold(strip, 0, 2.0f), DRAE_ERROR_ARGUMENT);
    /* Begun anew without an end: told, and clean nevertheless. */
    ck_assert_int_eq(drae_strip_begin(strip), DRAE_ERROR_ARGUMENT);
    put_all_but(strip, -1, 0, 0);
    ck_assert_int_eq(drae_strip_end(strip), DRAE_OK);
    expect_strip(strip, DRAE_VERDICT_GOOD, DRAE_REASON_NONE);
    ck_assert_int_eq(drae_strip_end(strip), DRAE_ERROR_ARGUMENT);
    ck_assert_int_eq(drae_strip_set_threshold(strip, 0, 0.0f), DRAE_OK);
    ck_assert_int_eq(drae_strip_begin(strip), DRAE_OK);
    put_all_but(strip, -1, 0, 0);
    expect_strip(strip, DRAE_VERDICT_REJECT, DRAE_REASON_SCORE);
    ck_assert_int_eq(drae_strip_end(strip), DRAE_OK);
    drae_strip_destroy(strip);
}
END_TEST

START_TEST(wrong_arguments_change_nothing) {
    drae_strip *strip = (drae_strip *)&strip;
    const int bad_shapes[][3] = {{0, 5, 4},    {3, 0, 4},   {3, 5, 0},  {-1, 5, 4},
                                 {4097, 5, 4}, {3, 257, 4}, {3, 5, 257}};
    for (size_t i = 0; i < sizeof bad_shapes / sizeof bad_shapes[0]; i++) {
        ck_assert_int_eq(
            drae_strip_create(bad_shapes[i][0], bad_shapes[i][1], bad_shapes[i][2], &strip),
            DRAE_ERROR_ARGUMENT);
        ck_assert_ptr_null(strip);
    }
    ck_assert_int_eq(drae_strip_create(1, 1, 1, NULL), DRAE_ERROR_ARGUMENT);
    drae_strip_destroy(NULL);
    ck_assert_str_eq(drae_strip_error_text(NULL), "");

    strip = make();
    const float bad_thresholds[] = {-0.001f, NAN, INFINITY};
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(drae_strip_set_threshold(strip, 0, bad_thresholds[i]),
                         DRAE_ERROR_ARGUMENT);
    }
    ck_assert_int_eq(drae_strip_set_threshold(strip, REGIONS, 0.1f), DRAE_ERROR_ARGUMENT);
    ck_assert_int_eq(drae_strip_set_threshold(strip, -1, 0.1f), DRAE_ERROR_ARGUMENT);
    ck_assert_int_eq(drae_strip_begin(strip), DRAE_OK);
    const int outside[][3] = {{-1, 0, 0},    {FRAMES, 0, 0}, {0, -1, 0},
                              {0, VIALS, 0}, {0, 0, -1},     {0, 0, REGIONS}};
    for (size_t i = 0; i < sizeof outside / sizeof outside[0]; i++) {
        const int *at = outside[i];
        ck_assert_int_eq(drae_strip_put_score(strip, at[0], at[1], at[2], 9.0f),
                         DRAE_ERROR_ARGUMENT);
        ck_assert_int_eq(drae_strip_put_failure(strip, at[0], at[1], at[2], DRAE_REASON_LATE),
                         DRAE_ERROR_ARGUMENT);
        drae_verdict verdict = DRAE_VERDICT_GOOD;
        ck_assert_int_eq(drae_strip_patch_verdict(strip, at[0], at[1], at[2], &verdict, NULL),
                         DRAE_ERROR_ARGUMENT);
        ck_assert_int_eq(verdict, DRAE_VERDICT_GOOD);
    }
    expect_strip(strip, DRAE_VERDICT_UNDECIDED, DRAE_REASON_NONE);
    ck_assert_int_eq(drae_strip_verdict(strip, NULL, NULL), DRAE_ERROR_ARGUMENT);
    ck_assert_int_eq(drae_strip_vial_cause(strip, VIALS, NULL, NULL), DRAE_ERROR_ARGUMENT);
    drae_strip_destroy(strip);

    ck_assert_int_eq(drae_strip_begin(NULL), DRAE_ERROR_ARGUMENT);
    ck_assert_int_eq(drae_strip_end(NULL), DRAE_ERROR_ARGUMENT);
    ck_assert_int_eq(drae_strip_put_score(NULL, 0, 0, 0, 0.0f), DRAE_ERROR_ARGUMENT);
    ck_assert_int_eq(drae_strip_put_failure(NULL, 0, 0, 0, DRAE_REASON_LATE), DRAE_ERROR_ARGUMENT);
    ck_assert_int_eq(drae_strip_set_threshold(NULL, 0, 0.0f), DRAE_ERROR_ARGUMENT);
}
END_TEST

START_TEST(vote_seven_of_ten) {
    /* needed, runs, good, rejected -> verdict, reason */
    static const struct {
        int needed, runs, good, rejected;
        drae_verdict verdict;
        drae_reason reason;
    } cases[] = {
        {7, 10, 10, 0, DRAE_VERDICT_GOOD, DRAE_REASON_NONE},
        {7, 10, 7, 3, DRAE_VERDICT_GOOD, DRAE_REASON_NONE},
        {7, 10, 7, 0, DRAE_VERDICT_GOOD, DRAE_REASON_NONE}, /* three missing change nothing */
        {7, 10, 6, 4, DRAE_VERDICT_REJECT, DRAE_REASON_UNDECIDED},
        {7, 10, 6, 3, DRAE_VERDICT_REJECT, DRAE_REASON_MISSING}, /* the tenth might have */
        {7, 10, 4, 6, DRAE_VERDICT_REJECT, DRAE_REASON_UNDECIDED},
        {7, 10, 4, 5, DRAE_VERDICT_REJECT, DRAE_REASON_UNDECIDED},
        {7, 10, 3, 6, DRAE_VERDICT_REJECT, DRAE_REASON_MISSING},
        {7, 10, 3, 7, DRAE_VERDICT_REJECT, DRAE_REASON_VOTE},
        {7, 10, 0, 10, DRAE_VERDICT_REJECT, DRAE_REASON_VOTE},
        {7, 10, 0, 0, DRAE_VERDICT_REJECT, DRAE_REASON_MISSING},
        {1, 1, 1, 0, DRAE_VERDICT_GOOD, DRAE_REASON_NONE},
        {1, 1, 0, 1, DRAE_VERDICT_REJECT, DRAE_REASON_VOTE},
        {2, 3, 2, 1, DRAE_VERDICT_GOOD, DRAE_REASON_NONE},
        {2, 3, 1, 2, DRAE_VERDICT_REJECT, DRAE_REASON_VOTE},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        drae_verdict verdict = DRAE_VERDICT_UNDECIDED;
        drae_reason reason = (drae_reason)-1;
        ck_assert_int_eq(drae_product_vote(cases[i].needed, cases[i].runs, cases[i].good,
                                           cases[i].rejected, &verdict, &reason),
                         DRAE_OK);
        ck_assert_msg(verdict == cases[i].verdict && reason == cases[i].reason,
                      "case %zu: verdict %d reason %d (%s)", i, verdict, reason,
                      drae_reason_text(reason));
    }
    static const int wrong[][4] = {{5, 10, 5, 5},  {11, 10, 10, 0}, {7, 10, -1, 0},
                                   {7, 10, 0, -1}, {7, 10, 8, 3},   {0, 0, 0, 0},
                                   {1, -1, 0, 0},  {7, 10, 11, 0},  {1, 2, 1, 1}};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        drae_verdict verdict = DRAE_VERDICT_UNDECIDED;
        ck_assert_msg(drae_product_vote(wrong[i][0], wrong[i][1], wrong[i][2], wrong[i][3],
                                        &verdict, NULL) == DRAE_ERROR_ARGUMENT,
                      "case %zu was accepted", i);
        ck_assert_int_eq(verdict, DRAE_VERDICT_UNDECIDED);
    }
    ck_assert_int_eq(drae_product_vote(7, 10, 7, 3, NULL, NULL), DRAE_ERROR_ARGUMENT);
}
END_TEST

/* A vial with one score in the band, another with one above it, a third without. */
START_TEST(the_band_rejects_unless_it_is_allowed) {
    drae_strip *strip = NULL;
    drae_verdict verdict;
    drae_reason reason;
    ck_assert_int_eq(drae_strip_create(1, 3, 1, &strip), DRAE_OK);
    ck_assert_int_eq(drae_strip_set_threshold(strip, 0, 0.5f), DRAE_OK);
    ck_assert_int_eq(drae_strip_set_undecided(strip, 0, 0.3f), DRAE_OK);
    ck_assert_int_eq(drae_strip_set_undecided(strip, 0, 0.0f), DRAE_ERROR_ARGUMENT);
    ck_assert_int_eq(drae_strip_set_undecided(strip, 1, 0.3f), DRAE_ERROR_ARGUMENT);
    ck_assert_int_eq(drae_strip_allow_undecided(strip, 2), DRAE_ERROR_ARGUMENT);
    static const float scores[2][3] = {{0.3f, 0.31f, 0.51f}, {0.3f, 0.5f, 0.1f}};
    for (int allow = 0; allow < 2; allow++) {
        drae_verdict in_band = allow == 1 ? DRAE_VERDICT_UNDECIDED : DRAE_VERDICT_REJECT;
        ck_assert_int_eq(drae_strip_allow_undecided(strip, allow), DRAE_OK);
        for (int k = 0; k < 2; k++) {
            ck_assert_int_eq(drae_strip_begin(strip), DRAE_OK);
            ck_assert_int_eq(drae_strip_allow_undecided(strip, 1), DRAE_ERROR_ARGUMENT);
            for (int v = 0; v < 3; v++) {
                ck_assert_int_eq(drae_strip_put_score(strip, 0, v, 0, scores[k][v]), DRAE_OK);
            }
            ck_assert_int_eq(drae_strip_end(strip), DRAE_OK);
            ck_assert_int_eq(drae_strip_vial_verdict(strip, 0, &verdict, &reason), DRAE_OK);
            ck_assert_int_eq(verdict, DRAE_VERDICT_GOOD);
            ck_assert_int_eq(drae_strip_vial_verdict(strip, 1, &verdict, &reason), DRAE_OK);
            ck_assert_int_eq(verdict, in_band);
            ck_assert_int_eq(reason, DRAE_REASON_BAND);
            /* What is above the threshold rejects the strip, whatever else is undecided. */
            ck_assert_int_eq(drae_strip_verdict(strip, &verdict, &reason), DRAE_OK);
            ck_assert_int_eq(verdict, k == 0 ? DRAE_VERDICT_REJECT : in_band);
            ck_assert_int_eq(reason, k == 0 ? DRAE_REASON_SCORE : DRAE_REASON_BAND);
        }
    }
    drae_strip_destroy(strip);
}
END_TEST

START_TEST(reasons_have_texts_and_frozen_numbers) {
    ck_assert_int_eq(DRAE_REASON_NONE, 0);
    ck_assert_int_eq(DRAE_REASON_SCORE, 1);
    ck_assert_int_eq(DRAE_REASON_MISSING, 8);
    ck_assert_int_eq(DRAE_REASON_UNDECIDED, 11);
    ck_assert_int_eq(DRAE_REASON_BAND, 12);
    for (int i = 0; i <= 12; i++) {
        ck_assert_str_ne(drae_reason_text((drae_reason)i), "unknown reason");
    }
    ck_assert_str_eq(drae_reason_text((drae_reason)13), "unknown reason");
    ck_assert_str_eq(drae_reason_text((drae_reason)-1), "unknown reason");
}
END_TEST

int main(void) {
    Suite *suite = suite_create("decision");
    TCase *strip = tcase_create("strip");
    tcase_add_test(strip, good_strip_passes_and_only_at_its_end);
    tcase_add_test(strip, any_patch_rejects_its_vial_and_the_strip);
    tcase_add_test(strip, score_at_the_threshold_passes);
    tcase_add_test(strip, missing_patch_rejects);
    tcase_add_test(strip, strip_without_any_result_rejects);
    tcase_add_test(strip, duplicate_rejects);
    tcase_add_test(strip, order_of_results_does_not_matter);
    tcase_add_test(strip, cause_is_the_largest_excess);
    tcase_add_test(strip, cause_with_threshold_zero);
    tcase_add_test(strip, not_finite_and_uncalibrated_reject);
    tcase_add_test(strip, failures_reject_with_their_reason);
    tcase_add_test(strip, strongest_reason_wins);
    tcase_add_test(strip, strips_follow_each_other_without_traces);
    tcase_add_test(strip, wrong_arguments_change_nothing);
    tcase_add_test(strip, the_band_rejects_unless_it_is_allowed);
    tcase_add_test(strip, reasons_have_texts_and_frozen_numbers);
    suite_add_tcase(suite, strip);
    TCase *product = tcase_create("product");
    tcase_add_test(product, vote_seven_of_ten);
    suite_add_tcase(suite, product);
    return drae_run_suite(suite);
}
