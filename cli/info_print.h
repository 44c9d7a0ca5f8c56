/* SPDX-License-Identifier: Apache-2.0 */
/* Facts about a file, for people ("name: value", nested facts indented) or as one JSON object. */
#ifndef DRAE_CLI_INFO_PRINT_H
#define DRAE_CLI_INFO_PRINT_H

#include <stdbool.h>
#include <stdint.h>

typedef struct drae__info_print {
    bool json;
    int depth;
    bool first; /* of the innermost object */
} drae__info_print;

void drae__info_begin(drae__info_print *print, bool json);
void drae__info_end(drae__info_print *print);

/* An object of facts below a name. */
void drae__info_open(drae__info_print *print, const char *name);
void drae__info_close(drae__info_print *print);

void drae__info_text(drae__info_print *print, const char *name, const char *value);
void drae__info_int(drae__info_print *print, const char *name, int64_t value);
void drae__info_uint(drae__info_print *print, const char *name, uint64_t value);
void drae__info_bool(drae__info_print *print, const char *name, bool value);

/* digits significant digits, at most 6 for people; a value that is not finite prints as "none",
 * null in JSON. */
void drae__info_number(drae__info_print *print, const char *name, double value, int digits);

#endif
