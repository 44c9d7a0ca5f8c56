/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/model/suites.h"
#include "tests/run.h"

int main(void) {
    SRunner *runner = srunner_create(suite_arch());
    srunner_add_suite(runner, suite_params());
    srunner_add_suite(runner, suite_model());
    return drae_run(runner);
}
