/* SPDX-License-Identifier: Apache-2.0 */
/* Runs the suites of the engine. */
#include "tests/engine/support.h"

#include <stdlib.h>

int main(void) {
    SRunner *runner = srunner_create(suite_golden());
    srunner_add_suite(runner, suite_api());
    srunner_add_suite(runner, suite_results());
    srunner_add_suite(runner, suite_file());
    srunner_add_suite(runner, suite_plan());
    srunner_add_suite(runner, suite_bf16());
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    int run = srunner_ntests_run(runner);
    srunner_free(runner);
    return failed == 0 && run > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
