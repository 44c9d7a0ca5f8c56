/* SPDX-License-Identifier: Apache-2.0 */
/* YAML text into a struct by a libcyaml schema, with errors in one line. Private to io/. */
#ifndef DRAE_IO_YAML_H
#define DRAE_IO_YAML_H

#include "base/error.h"

#include <cyaml/cyaml.h>
#include <stdbool.h>
#include <stddef.h>

#define DRAE__YAML_BYTES_MAX ((size_t)1 << 20)

/*
 * Refuses a key that stands twice in one mapping (libcyaml takes the last without a word), with its
 * line: "NAME:7: the key "x" stands twice, first on line 3". Text that is no YAML passes: the
 * loader has the better words for it. drae__yaml_load calls it first.
 */
drae_status drae__yaml_unique_keys(const char *name, const char *text, size_t n_bytes,
                                   drae__err *err);

/* What libcyaml says of bad text: what is wrong, and "in ... (line: L, column: C)". */
typedef struct drae__yaml_complaint {
    char what[200];
    char where[200];
} drae__yaml_complaint;

/* libcyaml's loader with our options (no aliases), for callers with words of their own. */
cyaml_err_t drae__yaml_read(const char *text, size_t n_bytes, const cyaml_schema_value_t *schema,
                            void **data, drae__yaml_complaint *complaint);

/*
 * Loads text (whole file, n_bytes) by schema, whose top value is a pointer; *data is freed by
 * drae__yaml_free. Unknown and repeated keys, wrong types and aliases are refused with ERROR_FILE:
 * "NAME: what; where (line, column)". An empty file is refused too.
 */
drae_status drae__yaml_load(const char *name, const char *text, size_t n_bytes,
                            const cyaml_schema_value_t *schema, void **data, drae__err *err);
void drae__yaml_free(const cyaml_schema_value_t *schema, void *data);

/*
 * Scalars. libcyaml's own numbers stop at the first character that fits no number, so that "320.5"
 * and "320x" read as 320; where that matters a schema takes them as text and these read all of it.
 * False, and the output untouched, for anything but a decimal number in range; NaN and infinities
 * are none.
 */
bool drae__yaml_integer(const char *text, int *value);
bool drae__yaml_number(const char *text, double *value);

#endif
