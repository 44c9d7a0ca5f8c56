/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How errors travel: a function returns a drae_status and, where it is given a drae__err, leaves
 * one line there that says what was wrong, where, and what to do. The caller owns the drae__err;
 * it is plain storage (no allocation), and a NULL drae__err is accepted everywhere.
 */
#ifndef DRAE_BASE_ERROR_H
#define DRAE_BASE_ERROR_H

#include "drae/status.h"

#define DRAE__ERR_BYTES 512

typedef struct drae__err {
    char text[DRAE__ERR_BYTES]; /* always terminated; empty after success */
} drae__err;

/* Writes the message (truncated if need be, control characters replaced by '?') and returns status:
 *     return drae__fail(err, DRAE_ERROR_FILE, "%s: /patches has rank %d, expected 3", path, rank);
 */
drae_status drae__fail(drae__err *err, drae_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Puts "<prefix>: " before a message that is already there; returns status unchanged. */
drae_status drae__err_prefix(drae__err *err, drae_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* One cleanup label per function: jumps to `done` with `status` set when the call fails. */
#define DRAE__TRY(call)                                                                            \
    do {                                                                                           \
        status = (call);                                                                           \
        if (status != DRAE_OK) {                                                                   \
            goto done;                                                                             \
        }                                                                                          \
    } while (0)

#endif
