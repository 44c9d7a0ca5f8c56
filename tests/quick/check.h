/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Check without its diary. Check writes the place of every assertion that holds to a file, for the
 * report on a child that crashed later; suites here run without children (CK_FORK=no) and assert
 * of every element of an array: 2 us each, 10 us under AddressSanitizer, most of the time of some
 * suites. An assertion that fails is told as before.
 */
#ifndef DRAE_TESTS_QUICK_CHECK_H
#define DRAE_TESTS_QUICK_CHECK_H

#include_next <check.h>

#undef ck_assert_msg
#undef ck_assert
#define ck_assert_msg(expr, ...) ((expr) ? (void)0 : ck_abort_msg(__VA_ARGS__))
#define ck_assert(expr)          ck_assert_msg(expr, "Assertion '%s' failed", #expr)

#endif
