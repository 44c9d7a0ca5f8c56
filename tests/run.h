/* SPDX-License-Identifier: Apache-2.0 */
/* The end of a suite's main. */
#ifndef DRAE_TESTS_RUN_H
#define DRAE_TESTS_RUN_H

#include <check.h>
#include <stdlib.h>

/* Runs what the runner holds and frees it: main's result. A suite of which nothing ran has failed:
 * Check takes a CK_RUN_SUITE that names none for "100%: Checks: 0". */
static inline int drae_run(SRunner *runner) {
    srunner_run_all(runner, CK_NORMAL);
    int ran = srunner_ntests_run(runner);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return ran > 0 && failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* The same of one suite. */
static inline int drae_run_suite(Suite *suite) {
    return drae_run(srunner_create(suite));
}

#endif
