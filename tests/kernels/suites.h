/* SPDX-License-Identifier: Apache-2.0 */
/* The suites of the training operations: one per contract, run together by ops.c (vector clones of
 * one instruction set) and conv_op.c (oneDNN). */
#ifndef DRAE_TESTS_KERNELS_SUITES_H
#define DRAE_TESTS_KERNELS_SUITES_H

#include <check.h>

Suite *suite_pointwise(void);
Suite *suite_bn_act(void);
Suite *suite_linear(void);
Suite *suite_conv_ref(void);
Suite *suite_conv_thin(void);
Suite *suite_conv_direct(void);
Suite *suite_ssim(void);
Suite *suite_ssim_golden(void);
Suite *suite_loss(void);
Suite *suite_optim(void);
Suite *suite_augment(void);

#endif
