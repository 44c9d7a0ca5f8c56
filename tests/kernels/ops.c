/* SPDX-License-Identifier: Apache-2.0 */
/* Runs the suites of every operation that needs no library. */
#include "tests/kernels/suites.h"

#include <stdlib.h>

int main(void) {
    SRunner *runner = srunner_create(suite_pointwise());
    srunner_add_suite(runner, suite_bn_act());
    srunner_add_suite(runner, suite_linear());
    srunner_add_suite(runner, suite_conv_ref());
    srunner_add_suite(runner, suite_conv_thin());
    srunner_add_suite(runner, suite_conv_direct());
    srunner_add_suite(runner, suite_ssim());
    srunner_add_suite(runner, suite_ssim_golden());
    srunner_add_suite(runner, suite_loss());
    srunner_add_suite(runner, suite_optim());
    srunner_add_suite(runner, suite_augment());
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    int run = srunner_ntests_run(runner);
    srunner_free(runner);
    return failed == 0 && run > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
