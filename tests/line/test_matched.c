/* SPDX-License-Identifier: Apache-2.0 */
/* The scales of the matched filters against their formulas, and the balance of their groups. */
#include "kernels/infer.h"
#include "line/matched.h"
#include "line/statistics.h"
#include "tests/run.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    SIDE = 32,
    PIXELS = SIDE * SIDE,
    BLOCKS = SIDE / DRAE__M_BLOCK,
    SCALES = DRAE__M_FILTERS * BLOCKS * BLOCKS,
    PATCHES = 9
};

/* Patch i at a pixel: a mean, and a spread that is large in one quarter of the image. */
static float residual_of(size_t i, size_t k) {
    double noise = sin((double)(i * 7919 + k * 104729 % 1009) * 1.7);
    double spread = k % SIDE < SIDE / 2 && k / SIDE < SIDE / 2 ? 0.3 : 0.02;
    return (float)(0.1 * sin((double)k * 0.01) + spread * noise);
}

static void take_in(double *sums, float *mean, float *scratch) {
    float residual[PIXELS];
    double all[PIXELS] = {0};
    memset(sums, 0, SCALES * sizeof *sums);
    for (size_t i = 0; i < PATCHES; i++) {
        for (size_t k = 0; k < PIXELS; k++) {
            residual[k] = residual_of(i, k);
            all[k] += (double)residual[k] / PATCHES;
        }
        drae__matched_add(SIDE, residual, sums, scratch);
    }
    for (size_t k = 0; k < PIXELS; k++) {
        mean[k] = (float)all[k];
    }
}

/* The spread of every block by the oracle: filters of what a patch has beside the mean. */
static void expect_spread(double *spread) {
    static double e[PIXELS], filters[DRAE__M_FILTERS * PIXELS], v[SCALES];
    memset(v, 0, sizeof v);
    for (size_t i = 0; i < PATCHES; i++) {
        for (size_t k = 0; k < PIXELS; k++) {
            e[k] = (double)residual_of(i, k);
            for (size_t j = 0; j < PATCHES; j++) {
                e[k] -= (double)residual_of(j, k) / PATCHES;
            }
        }
        drae__ref_infer_m_filters(SIDE, e, filters);
        for (size_t k = 0; k < DRAE__M_FILTERS * PIXELS; k++) {
            size_t row = k % PIXELS / SIDE / DRAE__M_BLOCK, column = k % SIDE / DRAE__M_BLOCK;
            v[k / PIXELS * BLOCKS * BLOCKS + row * BLOCKS + column] +=
                filters[k] * filters[k] / (16.0 * (PATCHES - 1));
        }
    }
    for (int f = 0; f < DRAE__M_FILTERS; f++) {
        for (int row = 0; row < BLOCKS; row++) {
            for (int column = 0; column < BLOCKS; column++) {
                double most = 0.0;
                for (int y = 0; y < BLOCKS; y++) {
                    for (int x = 0; x < BLOCKS; x++) {
                        bool near = abs(y - row) <= 1 && abs(x - column) <= 1;
                        most = near ? fmax(most, v[(f * BLOCKS + y) * BLOCKS + x]) : most;
                    }
                }
                spread[(f * BLOCKS + row) * BLOCKS + column] = sqrt(most);
            }
        }
    }
}

START_TEST(scales_follow_their_formulas) {
    static double sums[SCALES], spread[SCALES];
    static float mean[PIXELS], scales[SCALES], sorted[BLOCKS * BLOCKS];
    float *scratch = malloc(drae__matched_scratch(SIDE) * sizeof *scratch);
    ck_assert_ptr_nonnull(scratch);
    take_in(sums, mean, scratch);
    drae__matched_scales(SIDE, PATCHES, mean, sums, scales, scratch);
    expect_spread(spread);
    size_t raised = 0;
    for (size_t f = 0; f < DRAE__M_FILTERS; f++) {
        for (size_t b = 0; b < BLOCKS * BLOCKS; b++) {
            sorted[b] = (float)spread[f * BLOCKS * BLOCKS + b];
        }
        drae__sort(BLOCKS * BLOCKS, sorted);
        double least = 0.5 * (double)drae__quantile(BLOCKS * BLOCKS, sorted, 0.5);
        for (size_t b = 0; b < BLOCKS * BLOCKS; b++) {
            double expected = fmax(spread[f * BLOCKS * BLOCKS + b], least);
            double got = (double)scales[f * BLOCKS * BLOCKS + b];
            raised += spread[f * BLOCKS * BLOCKS + b] < least;
            ck_assert_msg(fabs(got - expected) <= 1e-4 * expected,
                          "filter %zu block %zu: %g, expected %g", f, b, got, expected);
        }
    }
    ck_assert_uint_lt(raised, SCALES / 2);
    free(scratch);
}
END_TEST

START_TEST(patches_without_spread_have_scales) {
    static double sums[SCALES];
    static float mean[PIXELS], scales[SCALES], peaks[DRAE__MATCHED_GROUPS], sorted[1];
    float *scratch = malloc(drae__matched_scratch(SIDE) * sizeof *scratch);
    ck_assert_ptr_nonnull(scratch);
    for (size_t i = 0; i < 2; i++) {
        drae__matched_add(SIDE, mean, sums, scratch);
    }
    drae__matched_scales(SIDE, 2, mean, sums, scales, scratch);
    drae__matched_peaks(SIDE, mean, mean, scales, peaks, scratch);
    drae__matched_balance(SIDE, 1, peaks, scales, sorted);
    for (size_t i = 0; i < SCALES; i++) {
        ck_assert_msg(isfinite(scales[i]) && scales[i] > 0.0f, "scale %zu is %g", i,
                      (double)scales[i]);
    }
    free(scratch);
}
END_TEST

/* After the balance every group's high peaks reach as far as those of r_0. */
START_TEST(groups_are_balanced) {
    enum { N = 200 };
    static float peaks[N * DRAE__MATCHED_GROUPS], scales[SCALES], sorted[N];
    for (size_t i = 0; i < N; i++) {
        for (size_t g = 0; g < DRAE__MATCHED_GROUPS; g++) {
            size_t rank = (i * 37 + g * 11) % N;
            peaks[i * DRAE__MATCHED_GROUPS + g] = (1.0f + 2.0f * (float)g) * (float)(rank + 1);
        }
    }
    for (size_t i = 0; i < SCALES; i++) {
        scales[i] = 0.25f;
    }
    drae__matched_balance(SIDE, N, peaks, scales, sorted);
    for (size_t i = 0; i < SCALES; i++) {
        size_t f = i / (BLOCKS * BLOCKS), g = f < DRAE__M_PLANES ? f : DRAE__M_PLANES;
        float expected = 0.25f * (1.0f + 2.0f * (float)g);
        ck_assert_msg(fabsf(scales[i] - expected) <= 1e-5f * expected, "scale %zu: %g, not %g", i,
                      (double)scales[i], (double)expected);
    }
}
END_TEST

/* The peak of a patch is where the matched filters see most, by group. */
START_TEST(peaks_are_by_group) {
    static float residual[PIXELS], mean[PIXELS], scales[SCALES];
    static double e[PIXELS], filters[DRAE__M_FILTERS * PIXELS];
    float peaks[DRAE__MATCHED_GROUPS];
    float *scratch = malloc(drae__matched_scratch(SIDE) * sizeof *scratch);
    ck_assert_ptr_nonnull(scratch);
    for (size_t k = 0; k < PIXELS; k++) {
        residual[k] = residual_of(3, k);
        mean[k] = 0.05f;
        e[k] = (double)(residual[k] - mean[k]);
    }
    for (size_t i = 0; i < SCALES; i++) {
        scales[i] = 0.5f + 0.01f * (float)(i % 17);
    }
    drae__matched_peaks(SIDE, residual, mean, scales, peaks, scratch);
    drae__ref_infer_m_filters(SIDE, e, filters);
    double expected[DRAE__MATCHED_GROUPS] = {0};
    for (size_t k = 0; k < DRAE__M_FILTERS * PIXELS; k++) {
        size_t f = k / PIXELS, g = f < DRAE__M_PLANES ? f : DRAE__M_PLANES;
        size_t row = k % PIXELS / SIDE / DRAE__M_BLOCK, column = k % SIDE / DRAE__M_BLOCK;
        double scale = (double)scales[f * BLOCKS * BLOCKS + row * BLOCKS + column];
        expected[g] = fmax(expected[g], fabs(filters[k]) / scale);
    }
    for (size_t g = 0; g < DRAE__MATCHED_GROUPS; g++) {
        ck_assert_msg(fabs((double)peaks[g] - expected[g]) <= 1e-4 * expected[g],
                      "group %zu: %g, not %g", g, (double)peaks[g], expected[g]);
    }
    free(scratch);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("matched");
    TCase *tc = tcase_create("matched");
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, scales_follow_their_formulas);
    tcase_add_test(tc, patches_without_spread_have_scales);
    tcase_add_test(tc, groups_are_balanced);
    tcase_add_test(tc, peaks_are_by_group);
    suite_add_tcase(suite, tc);
    return drae_run_suite(suite);
}
