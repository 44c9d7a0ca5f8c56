/* SPDX-License-Identifier: Apache-2.0 */
/* The end of a suite's main. */
#ifndef DRAE_TESTS_RUN_H
#define DRAE_TESTS_RUN_H

#include <check.h>
#include <stdlib.h>

/* Runs and frees the suite. A suite of which nothing ran has failed. */
static inline int drae_run_suite(Suite *suite) {
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int ran = srunner_ntests_run(runner);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return ran > 0 && failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

#endif
