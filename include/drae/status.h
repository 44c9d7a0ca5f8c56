/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Status codes that every function of drae returns: 0 is success, negative values are pinned for
 * ever. A function that fails leaves its out-parameters untouched unless it says otherwise; the
 * text of what went wrong is kept by the handle that the function was called on.
 */
#ifndef DRAE_STATUS_H
#define DRAE_STATUS_H

#ifdef __cplusplus
extern "C" {
#endif

#if defined(DRAE_BUILD) || !defined(_WIN32)
#define DRAE_API __attribute__((visibility("default")))
#else
#define DRAE_API
#endif

/* name, value, text */
#define DRAE_STATUS_TABLE(X)                                                                       \
    X(OK, 0, "success")                                                                            \
    X(ERROR_INTERNAL, -1, "internal error")                                                        \
    X(ERROR_ARGUMENT, -2, "invalid argument")                                                      \
    X(ERROR_FILE, -3, "bad input file")                                                            \
    X(ERROR_DEVICE, -4, "device not available")                                                    \
    X(ERROR_INTERRUPTED, -5, "interrupted, state saved")                                           \
    X(ERROR_MEMORY, -6, "out of memory")                                                           \
    X(ERROR_IO, -7, "read or write failed")                                                        \
    X(ERROR_PARITY, -8, "device does not reproduce the reference scores")                          \
    X(ERROR_NOT_FINITE, -9, "a value is not finite")                                               \
    X(ERROR_UNSUPPORTED, -10, "not supported")                                                     \
    X(ERROR_BUSY, -11, "in use by another process")                                                \
    X(ERROR_NO_PART, -12, "part not found in the frame")

typedef enum drae_status {
#define DRAE_STATUS_ENUM(name, value, text) DRAE_##name = value,
    DRAE_STATUS_TABLE(DRAE_STATUS_ENUM)
#undef DRAE_STATUS_ENUM
} drae_status;

/*
 * The text of a status, a static string in English, never NULL ("unknown status" for a value that
 * is not in the table). Any thread.
 */
DRAE_API const char *drae_status_text(drae_status status);

#ifdef __cplusplus
}
#endif
#endif
