/* SPDX-License-Identifier: Apache-2.0 */
/* For clang-tidy alone, which sees one file at a time (scripts/lint.sh): these return the status
 * that they are given, so that what follows a failed call is not analysed as if it had succeeded.
 */
#ifndef DRAE_SCRIPTS_TIDY_H
#define DRAE_SCRIPTS_TIDY_H

#include "base/error.h"

#define drae__fail(err, status, ...) ((void)(drae__fail)((err), (status), __VA_ARGS__), (status))
#define drae__err_prefix(err, status, ...)                                                         \
    ((void)(drae__err_prefix)((err), (status), __VA_ARGS__), (status))

#endif
