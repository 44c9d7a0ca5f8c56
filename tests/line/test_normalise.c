/* SPDX-License-Identifier: Apache-2.0 */
/* Maps of z, the split of products, small defects, and the choice between scores. */
#include "line/choose.h"
#include "line/normalise.h"
#include "line/statistics.h"
#include "model/record.h"
#include "tests/run.h"

#include <math.h>
#include <string.h>

enum { SIDE = 9, PIXELS = SIDE * SIDE, PATCHES = 30 };

/* Residual of patch i at pixel k: a mean and a spread of its own at every pixel. */
static float residual_of(size_t i, size_t k) {
    float spread = k == 40 ? 4.0f : 0.5f + 0.01f * (float)k;
    return 0.1f * (float)k + spread * (i % 2 == 0 ? 1.0f : -1.0f);
}

START_TEST(maps_follow_their_formulas) {
    double mean[PIXELS] = {0}, m2[PIXELS] = {0};
    float residual[PIXELS], maps[2 * PIXELS], scratch[PIXELS], spread[PIXELS];
    for (size_t i = 0; i < PATCHES; i++) {
        for (size_t k = 0; k < PIXELS; k++) {
            residual[k] = residual_of(i, k);
        }
        drae__normalise_add(PIXELS, i, residual, mean, m2);
    }
    drae__normalise_maps(SIDE, PATCHES, mean, m2, maps, scratch);
    /* Half of the patches above, half below: the sum of squares is n spread^2. */
    double all = 0.0, sums[PIXELS];
    for (size_t k = 0; k < PIXELS; k++) {
        double s = (double)residual_of(0, k) - 0.1 * (double)k;
        sums[k] = PATCHES * s * s;
        all += sums[k] / ((PATCHES - 1) * (double)PIXELS);
        ck_assert_msg(fabs((double)maps[k] - 0.1 * (double)k) < 1e-6, "mean %zu is %g", k,
                      (double)maps[k]);
    }
    for (int y = 0; y < SIDE; y++) {
        for (int x = 0; x < SIDE; x++) {
            double most = 0.0;
            for (int v = y - 2; v <= y + 2; v++) {
                for (int u = x - 2; u <= x + 2; u++) {
                    if (v >= 0 && v < SIDE && u >= 0 && u < SIDE) {
                        most = fmax(most,
                                    sqrt((sums[v * SIDE + u] + 8.0 * all) / (PATCHES - 1 + 8.0)));
                    }
                }
            }
            spread[y * SIDE + x] = (float)most;
        }
    }
    memcpy(scratch, spread, sizeof spread);
    drae__sort(PIXELS, scratch);
    float floor_ = 0.3f * drae__quantile(PIXELS, scratch, 0.5);
    for (size_t k = 0; k < PIXELS; k++) {
        float expected = spread[k] + floor_;
        ck_assert_msg(fabsf(maps[PIXELS + k] - expected) <= 1e-5f * expected,
                      "scale %zu is %g, expected %g", k, (double)maps[PIXELS + k],
                      (double)expected);
    }
}
END_TEST

START_TEST(patches_without_spread_have_a_scale) {
    double mean[PIXELS] = {0}, m2[PIXELS] = {0};
    float residual[PIXELS] = {0}, maps[2 * PIXELS], scratch[PIXELS];
    for (size_t i = 0; i < 2; i++) {
        drae__normalise_add(PIXELS, i, residual, mean, m2);
    }
    drae__normalise_maps(SIDE, 2, mean, m2, maps, scratch);
    for (size_t k = 0; k < PIXELS; k++) {
        ck_assert(maps[k] == 0.0f && maps[PIXELS + k] > 0.0f);
    }
}
END_TEST

/* No product on both sides, enough on each, for any numbers that the data may have. */
START_TEST(products_are_never_on_both_sides) {
    enum { N = 300 };
    static const struct {
        size_t n, needed, least;
        int per_product; /* 0: one product; -1: not known */
        bool possible;
        size_t n_fits;
    } cases[] = {{300, 150, 20, 10, true, 150}, {300, 151, 20, 10, true, 100},
                 {300, 225, 20, 10, true, 60},  {300, 280, 20, 10, false, 0},
                 {300, 200, 120, 10, false, 0}, {300, 100, 20, 0, false, 0},
                 {300, 200, 20, -1, true, 100}, {1, 1, 1, 10, false, 0}};
    for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++) {
        int32_t products[N], scratch[N];
        bool fits[N];
        for (size_t i = 0; i < cases[c].n; i++) {
            size_t shuffled = i * 7 % cases[c].n;
            products[i] = cases[c].per_product > 0    ? 5000 - (int32_t)(shuffled / 10)
                          : cases[c].per_product == 0 ? 17
                                                      : DRAE__UNRECORDED;
        }
        bool possible = drae__split_for_maps(cases[c].n, products, cases[c].needed, cases[c].least,
                                             fits, scratch);
        size_t n_fits = 0;
        for (size_t i = 0; i < cases[c].n; i++) {
            n_fits += fits[i];
            for (size_t k = 0; k < i && products[i] != DRAE__UNRECORDED; k++) {
                ck_assert_msg(products[i] != products[k] || fits[i] == fits[k],
                              "case %zu: product %d on both sides", c, (int)products[i]);
            }
        }
        ck_assert_msg(possible == cases[c].possible && n_fits == cases[c].n_fits,
                      "case %zu: %d, %zu patches make maps", c, possible, n_fits);
    }
}
END_TEST

/* A mould of two strips, a carousel of ten places: all of them on both sides. */
START_TEST(what_repeats_is_on_both_sides) {
    enum { N = 400 };
    int32_t products[N], scratch[N];
    bool fits[N];
    for (size_t i = 0; i < N; i++) {
        products[i] = 1000 + (int32_t)i;
    }
    for (size_t needed = 200; needed <= 320; needed += 60) { /* one of 2, of 3, of 5 */
        ck_assert(drae__split_for_maps(N, products, needed, 20, fits, scratch));
        for (size_t period = 2; period <= 10; period++) {
            size_t sides[10][2] = {{0}};
            for (size_t i = 0; i < N; i++) {
                sides[i % period][fits[i]]++;
            }
            for (size_t k = 0; k < period; k++) {
                ck_assert_msg(sides[k][0] > 0 && sides[k][1] > 0,
                              "needed %d: place %d of %d is on one side alone", (int)needed, (int)k,
                              (int)period);
            }
        }
    }
}
END_TEST

/* Region 0 has all of 60 products, region 1 three of them, region 2 one good one, region 3 none. */
START_TEST(every_region_is_halved_by_its_own_products) {
    enum { PRODUCTS = 60, N = 4 * PRODUCTS };
    static drae__record records[N];
    bool take[N], half[N];
    uint32_t cluster[N], rank[PRODUCTS];
    for (uint32_t i = 0; i < N; i++) {
        const uint32_t product = i / 4, region = i % 4;
        records[i].region = (int32_t)region;
        cluster[i] = product;
        take[i] =
            region == 0 || (region == 1 && product % 25 == 3) || (region == 2 && product == 9);
    }
    memset(half, 1, sizeof half);
    for (int r = 0; r < 4; r++) {
        drae__halve_region(N, records, r, take, cluster, PRODUCTS, half, rank);
    }
    size_t sides[4][2] = {{0}};
    for (size_t i = 0; i < N; i++) {
        ck_assert(take[i] || !half[i]);
        sides[i % 4][half[i]] += take[i];
        ck_assert(i % 4 != 0 || half[i] == drae__drawn(i / 4, 2, PRODUCTS));
    }
    ck_assert(sides[0][0] == 30 && sides[0][1] == 30);
    ck_assert(sides[1][0] == 1 && sides[1][1] == 2);
    ck_assert(sides[2][0] == 0 && sides[2][1] == 1 && sides[3][1] == 0);
}
END_TEST

START_TEST(every_region_gives_its_share) {
    enum { N = 4000, MIXED = 2000 };
    static drae__record records[2 * N];
    static size_t indices[N];
    /* Regions in turn, as they lie in data; then one alone. Every second record is left out. */
    for (size_t i = 0; i < 2 * N; i++) {
        records[i].region = i / 2 < MIXED ? (int32_t)(i / 2 % 4) : 7;
        records[i].vial = (int32_t)(i / 8 % 4);
    }
    for (size_t i = 0; i < N; i++) {
        indices[i] = 2 * i;
    }
    ck_assert_uint_eq(drae__choose_share(N, N, records, indices), N);
    ck_assert_uint_eq(indices[N - 1], 2 * (N - 1));
    ck_assert_uint_eq(drae__choose_share(1000, N, records, indices), 1000);
    size_t of_region[8] = {0}, of_vial[4] = {0};
    for (size_t i = 0; i < 1000; i++) {
        ck_assert(indices[i] % 2 == 0 && indices[i] < 2 * N);
        ck_assert(i == 0 || indices[i - 1] < indices[i]);
        of_region[records[indices[i]].region]++;
        of_vial[records[indices[i]].vial]++;
    }
    for (size_t k = 0; k < 4; k++) {
        ck_assert_uint_eq(of_region[k], 125);
        ck_assert_msg(of_vial[k] > 200, "vial %d: %d of 1000", (int)k, (int)of_vial[k]);
    }
    ck_assert_uint_eq(of_region[7], 500);
}
END_TEST

START_TEST(blemishes_are_small_and_the_same_again) {
    enum { SIZE = 64, N = SIZE * SIZE };
    static uint8_t src[N], dst[N], again[N];
    static float scratch[5 * N + 4096];
    ck_assert_uint_le(drae__blemish_scratch_floats(SIZE), sizeof scratch / sizeof scratch[0]);
    size_t none = 0, most = 0;
    for (size_t i = 0; i < N; i++) {
        src[i] = (uint8_t)(90 + i % 40);
    }
    for (uint64_t index = 0; index < 50; index++) {
        size_t changed = drae__blemish(SIZE, index, src, dst, scratch);
        size_t counted = 0;
        for (size_t i = 0; i < N; i++) {
            counted += dst[i] != src[i];
        }
        ck_assert_uint_eq(changed, counted);
        none += changed == 0;
        most = changed > most ? changed : most;
        ck_assert_uint_eq(drae__blemish(SIZE, index, src, again, scratch), changed);
        ck_assert_mem_eq(dst, again, N);
        (void)drae__blemish(SIZE, index + 1, src, again, scratch);
        ck_assert_msg(changed == 0 || memcmp(dst, again, N) != 0, "defect %d is the next one",
                      (int)index);
    }
    /* A disc of size / 8 has 201 pixels. */
    ck_assert_uint_eq(none, 0);
    ck_assert_uint_le(most, 201);
    ck_assert_uint_gt(most, 20);
}
END_TEST

START_TEST(the_score_that_finds_more_decides) {
    drae__err err;
    float good[200], again[200];
    const float defects[4] = {0.5f, 0.996f, 1.5f, NAN};
    for (size_t i = 0; i < 200; i++) {
        good[i] = again[i] = (float)(i * 77 % 200) / 200.0f;
    }
    drae__candidate phi, z;
    ck_assert_int_eq(drae__candidate_measure(200, good, 4, defects, 0.005, &phi, &err), DRAE_OK);
    ck_assert(phi.threshold == 198.0f / 200.0f);
    ck_assert_uint_eq(phi.n_above, 1);
    ck_assert_uint_eq(phi.n_found, 3);
    z = phi;
    ck_assert(!drae__choose_z(&phi, &z)); /* phi where nothing speaks for z */
    z.n_found = 4;
    ck_assert(drae__choose_z(&phi, &z));
    z.n_found = 2;
    ck_assert(!drae__choose_z(&phi, &z));
    ck_assert_int_eq(drae__candidate_measure(199, again, 4, defects, 0.005, &phi, &err),
                     DRAE_ERROR_FILE);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("normalise");
    TCase *tc = tcase_create("normalise");
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, maps_follow_their_formulas);
    tcase_add_test(tc, patches_without_spread_have_a_scale);
    tcase_add_test(tc, products_are_never_on_both_sides);
    tcase_add_test(tc, what_repeats_is_on_both_sides);
    tcase_add_test(tc, every_region_is_halved_by_its_own_products);
    tcase_add_test(tc, every_region_gives_its_share);
    tcase_add_test(tc, blemishes_are_small_and_the_same_again);
    tcase_add_test(tc, the_score_that_finds_more_decides);
    suite_add_tcase(suite, tc);
    return drae_run_suite(suite);
}
