/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/model/suites.h"

#include <stdlib.h>

int main(void) {
    SRunner *runner = srunner_create(suite_arch());
    srunner_add_suite(runner, suite_params());
    srunner_add_suite(runner, suite_model());
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
