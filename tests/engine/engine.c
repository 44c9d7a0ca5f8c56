/* SPDX-License-Identifier: Apache-2.0 */
/* Runs the suites of the engine. */
#include "tests/engine/support.h"
#include "tests/run.h"

int main(void) {
    SRunner *runner = srunner_create(suite_golden());
    srunner_add_suite(runner, suite_api());
    srunner_add_suite(runner, suite_results());
    srunner_add_suite(runner, suite_z());
    srunner_add_suite(runner, suite_file());
    srunner_add_suite(runner, suite_plan());
    srunner_add_suite(runner, suite_bf16());
    return drae_run(runner);
}
