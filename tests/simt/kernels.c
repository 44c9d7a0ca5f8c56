/* SPDX-License-Identifier: Apache-2.0 */
/* Runs the suites of the CUDA kernels, on whatever device.h stands for in this build. */
#include "tests/simt/device.h"
#include "tests/simt/suites.h"

#include <stdlib.h>

#define SKIPPED 77

int main(void) {
    if (!device_there()) {
        const char *require = getenv("DRAE_REQUIRE_GPU");
        return require != NULL && require[0] == '1' ? EXIT_FAILURE : SKIPPED;
    }
    SRunner *runner = srunner_create(suite_conv());
    srunner_add_suite(runner, suite_dense());
    srunner_add_suite(runner, suite_block());
    srunner_add_suite(runner, suite_image());
    srunner_add_suite(runner, suite_score());
    srunner_add_suite(runner, suite_matched());
    srunner_add_suite(runner, suite_head());
    srunner_add_suite(runner, suite_head_score());
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner), ran = srunner_ntests_run(runner);
    srunner_free(runner);
    return failed == 0 && ran > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
