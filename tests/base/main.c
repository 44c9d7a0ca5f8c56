/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/base/suites.h"

#include <stdlib.h>

int main(void) {
    SRunner *runner = srunner_create(suite_philox());
    srunner_add_suite(runner, suite_sha256());
    srunner_add_suite(runner, suite_memory());
    srunner_add_suite(runner, suite_error());
    srunner_add_suite(runner, suite_file());
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
