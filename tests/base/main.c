/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/base/suites.h"
#include "tests/run.h"

int main(void) {
    SRunner *runner = srunner_create(suite_philox());
    srunner_add_suite(runner, suite_sha256());
    srunner_add_suite(runner, suite_memory());
    srunner_add_suite(runner, suite_error());
    srunner_add_suite(runner, suite_file());
    return drae_run(runner);
}
