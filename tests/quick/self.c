/* SPDX-License-Identifier: Apache-2.0 */
/* What the suites rely on, of Check and of its stand-in alike: what ran and what failed is counted,
 * and a suite of which nothing ran has failed. */
#include "tests/run.h"

#include <stdio.h>

static int set_up, torn_down, begun;

static void count_set_up(void) {
    set_up++;
}

static void count_torn_down(void) {
    torn_down++;
}

static void count_begun(void) {
    begun++;
}

START_TEST(holds) {
    ck_assert_int_gt(set_up, torn_down);
}
END_TEST

START_TEST(fails_once) {
    ck_assert_int_ne(_i, 1);
}
END_TEST

static Suite *suite_of(const TTest *test, int n) {
    Suite *suite = suite_create("self");
    TCase *tcase = tcase_create("self");
    tcase_add_checked_fixture(tcase, count_set_up, count_torn_down);
    tcase_add_unchecked_fixture(tcase, count_begun, NULL);
    tcase_add_loop_test(tcase, test, 0, n);
    suite_add_tcase(suite, tcase);
    return suite;
}

static int expect(int got, int wanted, const char *what) {
    if (got != wanted) {
        printf("%s: %d, expected %d\n", what, got, wanted);
    }
    return got != wanted;
}

int main(void) {
    int wrong = 0;
    SRunner *runner = srunner_create(suite_of(fails_once, 3));
    srunner_add_suite(runner, suite_of(holds, 2));
    srunner_run_all(runner, CK_SILENT);
    wrong += expect(srunner_ntests_run(runner), 5, "tests that ran");
    wrong += expect(srunner_ntests_failed(runner), 1, "tests that failed");
    srunner_free(runner);
    wrong += expect(set_up, 5, "fixtures set up");
    wrong += expect(begun, 2, "cases begun");
    wrong += expect(drae_run_suite(suite_of(holds, 2)), EXIT_SUCCESS, "a suite that holds");
    wrong += expect(drae_run_suite(suite_of(fails_once, 2)), EXIT_FAILURE, "a suite that fails");
    wrong += expect(drae_run_suite(suite_of(holds, 0)), EXIT_FAILURE, "a suite without tests");
    (void)setenv("CK_RUN_SUITE", "slef", 1);
    wrong += expect(drae_run_suite(suite_of(holds, 2)), EXIT_FAILURE, "a suite that was misspelt");
    return wrong == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
