/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DRAE_TESTS_SIMT_SUITES_H
#define DRAE_TESTS_SIMT_SUITES_H

#include <check.h>

Suite *suite_conv(void);
Suite *suite_block(void);
Suite *suite_dense(void);
Suite *suite_image(void);
Suite *suite_score(void);
Suite *suite_matched(void);
Suite *suite_head(void);
Suite *suite_head_score(void);

#endif
