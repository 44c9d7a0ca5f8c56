/* SPDX-License-Identifier: Apache-2.0 */
/* What the files that read and write model.h5 share: root attributes by name, and the parts. */
#ifndef DRAE_IO_WEIGHTS_PRIVATE_H
#define DRAE_IO_WEIGHTS_PRIVATE_H

#include "io/weights.h"

#include <stdbool.h>

/* ---- reading root attributes (weights_attribute.c) ---- */

typedef struct drae__head {
    const drae__blob_file *file;
    drae__err *err;
} drae__head;

/* ERROR_FILE: "FILE: attribute 'name' must be EXPECTED". */
drae_status drae__attribute_refuse(const drae__head *h, const char *name, const char *expected);

/* The attribute of the root, NULL when absent. */
const drae__blob *drae__attribute(const drae__head *h, const char *name);

/* Element i of integers of any width; false for another type or a value above INT64_MAX. */
bool drae__blob_integer(const drae__blob *blob, size_t i, int64_t *value);

/* One value each; *value stays where the attribute is absent, else it must fit. */
drae_status drae__attribute_integer(const drae__head *h, const char *name, int64_t lo, int64_t hi,
                                    int64_t *value);
drae_status drae__attribute_int(const drae__head *h, const char *name, int *value);
drae_status drae__attribute_number(const drae__head *h, const char *name, double *value);
drae_status drae__attribute_text(const drae__head *h, const char *name, const char **value);
/* A text that is kept in a field of n bytes. */
drae_status drae__attribute_short_text(const drae__head *h, const char *name, char *dst, size_t n);

/* ---- writing root attributes ("/@name") ---- */

drae_status drae__put_integer(drae__blob_writer *writer, const char *path, int64_t value,
                              drae__err *err);
drae_status drae__put_number(drae__blob_writer *writer, const char *path, double value,
                             drae__err *err);
drae_status drae__put_text(drae__blob_writer *writer, const char *path, const char *value,
                           drae__err *err);

/* ---- thresholds and where they come from (weights_calibration.c) ---- */

drae_status drae__take_calibration(const drae__head *h, drae__calibration *c);
drae_status drae__put_calibration(drae__blob_writer *writer, const drae__calibration *c,
                                  drae__err *err);

/* ---- maps of z, and which patches were seen (weights_maps.c) ---- */

drae_status drae__take_maps(const drae__blob_file *file, drae__model *model, drae__err *err);
drae_status drae__put_maps(drae__blob_writer *writer, const drae__model *model, int deflate,
                           drae__err *err);
drae_status drae__take_seen(const drae__blob_file *file, drae__model *model, drae__err *err);
drae_status drae__put_seen(drae__blob_writer *writer, const drae__model *model, int deflate,
                           drae__err *err);

#endif
