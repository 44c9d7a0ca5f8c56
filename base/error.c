/* SPDX-License-Identifier: Apache-2.0 */
/* Status texts and error messages. */
#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char *drae_status_text(drae_status status) {
    switch (status) {
#define DRAE__STATUS_CASE(name, value, text)                                                       \
    case DRAE_##name:                                                                              \
        return text;
        DRAE_STATUS_TABLE(DRAE__STATUS_CASE)
#undef DRAE__STATUS_CASE
    }
    return "unknown status";
}

/* File names and tensor names come from outside: a message stays one printable line. */
static void clean(char *text) {
    for (char *c = text; *c != '\0'; c++) {
        if ((unsigned char)*c < 0x20 || *c == 0x7f) {
            *c = '?';
        }
    }
}

drae_status drae__fail(drae__err *err, drae_status status, const char *format, ...) {
    if (err != NULL) {
        va_list args;
        va_start(args, format);
        (void)vsnprintf(err->text, sizeof err->text, format, args);
        va_end(args);
        clean(err->text);
    }
    return status;
}

drae_status drae__err_prefix(drae__err *err, drae_status status, const char *format, ...) {
    if (err != NULL) {
        char prefix[DRAE__ERR_BYTES];
        va_list args;
        va_start(args, format);
        (void)vsnprintf(prefix, sizeof prefix, format, args);
        va_end(args);
        clean(prefix);
        char rest[DRAE__ERR_BYTES];
        memcpy(rest, err->text, sizeof rest);
        size_t n = strlen(prefix);
        memcpy(err->text, prefix, n);
        if (n + 3 < sizeof err->text) {
            (void)snprintf(err->text + n, sizeof err->text - n, ": %.*s",
                           (int)(sizeof err->text - n - 3), rest);
        } else {
            err->text[n] = '\0';
        }
    }
    return status;
}
