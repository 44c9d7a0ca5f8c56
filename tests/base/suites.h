/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DRAE_TESTS_BASE_SUITES_H
#define DRAE_TESTS_BASE_SUITES_H

#include <check.h>

Suite *suite_philox(void);
Suite *suite_sha256(void);
Suite *suite_memory(void);
Suite *suite_error(void);
Suite *suite_file(void);

#endif
