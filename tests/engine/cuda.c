/* SPDX-License-Identifier: Apache-2.0 */
/* Runs the suites of engines for cuda that need neither nvcc nor a device. */
#include "tests/engine/support.h"

#include <stdlib.h>

int main(void) {
    SRunner *runner = srunner_create(suite_cuda_compile());
    srunner_add_suite(runner, suite_cuda_plan());
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner), ran = srunner_ntests_run(runner);
    srunner_free(runner);
    return failed == 0 && ran > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
