/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What people found in a kit, as CSV with a line of names:
 *     product,vial,inspections,rejects
 *     300012,3,50,41
 * in any order of columns, others ignored; vial may be absent, then a line speaks of a whole strip.
 * Several lines of one unit (one an inspector) add up.
 */
#ifndef DRAE_IO_MANUAL_H
#define DRAE_IO_MANUAL_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct drae__manual_row {
    int32_t product;
    int32_t vial; /* DRAE__UNRECORDED without the column */
    uint32_t inspections;
    uint32_t rejects;
} drae__manual_row;

/* The rows of a file, the caller's to free. ERROR_FILE naming the line that cannot be read. */
drae_status drae__manual_read(const char *path, drae__manual_row **rows, size_t *n, bool *vials,
                              drae__err *err);

#endif
