/* SPDX-License-Identifier: Apache-2.0 */
/* Philox4x32-10 against the known answers that its authors distribute, and the distributions. */
#include "tests/base/suites.h"

#include "base/philox.h"

#include <math.h>
#include <stdlib.h>

typedef struct known {
    uint32_t counter[4], key[2], out[4];
} known;

static const known answers[] = {
    {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
    {{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
     {0xffffffff, 0xffffffff},
     {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
    {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
     {0xa4093822, 0x299f31d0},
     {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}}};

START_TEST(known_answers) {
    uint32_t out[4];
    drae__philox_block(answers[_i].counter, answers[_i].key, out);
    for (int k = 0; k < 4; k++) {
        ck_assert_uint_eq(out[k], answers[_i].out[k]);
    }
}
END_TEST

/* The stream is the blocks of counter {run, purpose, index low, index high} in order. */
START_TEST(stream_is_the_blocks) {
    const uint64_t seed = UINT64_C(0x0123456789abcdef), index = UINT64_C(0xfedcba9876543210);
    drae__rng rng;
    drae__rng_init(&rng, seed, DRAE__PURPOSE_AUGMENT, index);
    const uint32_t key[2] = {0x89abcdef, 0x01234567};
    for (uint32_t block = 0; block < 5; block++) {
        const uint32_t counter[4] = {block, (uint32_t)DRAE__PURPOSE_AUGMENT, 0x76543210,
                                     0xfedcba98};
        uint32_t out[4];
        drae__philox_block(counter, key, out);
        for (int k = 0; k < 4; k++) {
            ck_assert_uint_eq(drae__rng_u32(&rng), out[k]);
        }
    }
}
END_TEST

START_TEST(streams_differ) {
    drae__rng rngs[4];
    drae__rng_init(&rngs[0], 1, DRAE__PURPOSE_INIT, 0);
    drae__rng_init(&rngs[1], 2, DRAE__PURPOSE_INIT, 0);
    drae__rng_init(&rngs[2], 1, DRAE__PURPOSE_SHUFFLE, 0);
    drae__rng_init(&rngs[3], 1, DRAE__PURPOSE_INIT, 1);
    uint32_t first[4];
    for (int i = 0; i < 4; i++) {
        first[i] = drae__rng_u32(&rngs[i]);
        for (int k = 0; k < i; k++) {
            ck_assert_uint_ne(first[i], first[k]);
        }
    }
}
END_TEST

START_TEST(uniform_is_uniform) {
    drae__rng rng;
    drae__rng_init(&rng, 7, DRAE__PURPOSE_TEST, 0);
    const int n = 100000;
    double sum = 0.0, squares = 0.0;
    int tenths[10] = {0};
    for (int i = 0; i < n; i++) {
        float u = drae__rng_uniform(&rng);
        ck_assert(u >= 0.0f && u < 1.0f);
        ck_assert_float_eq(u * 16777216.0f, floorf(u * 16777216.0f));
        sum += (double)u;
        squares += (double)u * (double)u;
        tenths[(int)(u * 10.0f)]++;
    }
    /* Five standard deviations of each statistic. */
    ck_assert_double_eq_tol(sum / n, 0.5, 5.0 * sqrt(1.0 / 12.0 / n));
    ck_assert_double_eq_tol(squares / n, 1.0 / 3.0, 5.0 * sqrt(4.0 / 45.0 / n));
    for (int k = 0; k < 10; k++) {
        ck_assert_int_lt(abs(tenths[k] - n / 10), (int)(5.0 * sqrt(0.09 * n)));
    }
}
END_TEST

START_TEST(range_and_normal) {
    drae__rng rng;
    drae__rng_init(&rng, 8, DRAE__PURPOSE_TEST, 0);
    const int n = 100000;
    double sum = 0.0, squares = 0.0, fourth = 0.0;
    for (int i = 0; i < n; i++) {
        float r = drae__rng_range(&rng, -3.0f, 5.0f);
        ck_assert(r >= -3.0f && r < 5.0f);
        double z = (double)drae__rng_normal(&rng);
        ck_assert(isfinite(z));
        sum += z;
        squares += z * z;
        fourth += z * z * z * z;
    }
    ck_assert_double_eq_tol(sum / n, 0.0, 5.0 / sqrt(n));
    ck_assert_double_eq_tol(squares / n, 1.0, 5.0 * sqrt(2.0 / n));
    ck_assert_double_eq_tol(fourth / n, 3.0, 5.0 * sqrt(96.0 / n));
}
END_TEST

START_TEST(below_is_unbiased) {
    drae__rng rng;
    drae__rng_init(&rng, 9, DRAE__PURPOSE_TEST, 0);
    const int n = 60000;
    int count[6] = {0};
    for (int i = 0; i < n; i++) {
        uint32_t v = drae__rng_below(&rng, 6);
        ck_assert_uint_lt(v, 6);
        count[v]++;
        ck_assert_uint_eq(drae__rng_below(&rng, 1), 0);
    }
    for (int k = 0; k < 6; k++) {
        ck_assert_int_lt(abs(count[k] - n / 6), (int)(5.0 * sqrt(5.0 / 36.0 * n)));
    }
    /* A bound that 2^32 is far from a multiple of: the upper half must be as frequent. */
    const uint32_t bound = 3u << 30;
    int upper = 0;
    for (int i = 0; i < n; i++) {
        uint32_t v = drae__rng_below(&rng, bound);
        ck_assert_uint_lt(v, bound);
        upper += v >= bound / 2 ? 1 : 0;
    }
    ck_assert_int_lt(abs(upper - n / 2), (int)(5.0 * sqrt(0.25 * n)));
}
END_TEST

Suite *suite_philox(void) {
    Suite *suite = suite_create("philox");
    TCase *tcase = tcase_create("philox");
    tcase_add_loop_test(tcase, known_answers, 0, 3);
    tcase_add_test(tcase, stream_is_the_blocks);
    tcase_add_test(tcase, streams_differ);
    tcase_add_test(tcase, uniform_is_uniform);
    tcase_add_test(tcase, range_and_normal);
    tcase_add_test(tcase, below_is_unbiased);
    suite_add_tcase(suite, tcase);
    return suite;
}
