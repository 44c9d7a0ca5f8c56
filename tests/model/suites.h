/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DRAE_TESTS_MODEL_SUITES_H
#define DRAE_TESTS_MODEL_SUITES_H

#include <check.h>

Suite *suite_arch(void);
Suite *suite_params(void);
Suite *suite_model(void);

#endif
