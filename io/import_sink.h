/* SPDX-License-Identifier: Apache-2.0 */
/* Where imported patches go, and what happens to bad images; private to io/import*.c. */
#ifndef DRAE_IO_IMPORT_SINK_H
#define DRAE_IO_IMPORT_SINK_H

#include "io/dataset.h"
#include "io/import.h"

/* Bits of drae__dataset_format.columns. */
enum {
#define DRAE__IMPORT_COLUMN(name, type) DRAE__IMPORT_##name,
    DRAE__RECORD_COLUMNS(DRAE__IMPORT_COLUMN)
#undef DRAE__IMPORT_COLUMN
};
#define DRAE__IMPORT_BIT(name) (1u << DRAE__IMPORT_##name)

typedef struct drae__import_sink {
    const drae__import_options *options;
    drae__import_counts *counts;
    drae__dataset_writer *writer;
} drae__import_sink;

/* Appends one patch; mask NULL when the file has none. */
drae_status drae__import_put(drae__import_sink *sink, const uint8_t *patch, const uint8_t *mask,
                             const drae__record *record, drae__err *err);

/* What follows after an image gave `status`: DRAE_OK to go on (bad ones are passed over where the
 * options say so), else what to return. Counts and shows progress. */
drae_status drae__import_next(drae__import_sink *sink, drae_status status, drae__err *err);

/* Finishes the file, or gives it up when status is bad or nothing is in it. */
drae_status drae__import_end(drae__import_sink *sink, drae_status status, drae__err *err);

#endif
