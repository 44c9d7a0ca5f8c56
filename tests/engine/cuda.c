/* SPDX-License-Identifier: Apache-2.0 */
/* Runs the suites of engines for cuda that need neither nvcc nor a device. */
#include "tests/engine/support.h"
#include "tests/run.h"

int main(void) {
    SRunner *runner = srunner_create(suite_cuda_compile());
    srunner_add_suite(runner, suite_cuda_plan());
    return drae_run(runner);
}
