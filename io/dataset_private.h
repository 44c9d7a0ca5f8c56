/* SPDX-License-Identifier: Apache-2.0 */
/* What opening and reading of data sets share; private to io/dataset_*.c. */
#ifndef DRAE_IO_DATASET_PRIVATE_H
#define DRAE_IO_DATASET_PRIVATE_H

#include "io/dataset.h"
#include "io/scan.h"

#define DRAE__DATASET_FORMAT  1
#define DRAE__DATASET_SIZE_LO 16
#define DRAE__DATASET_SIZE_HI 4096
#define DRAE__DATASET_DEFECTS 256

enum {
#define DRAE__COLUMN_NUMBER(name, type) DRAE__COLUMN_##name,
    DRAE__RECORD_COLUMNS(DRAE__COLUMN_NUMBER)
#undef DRAE__COLUMN_NUMBER
        DRAE__COLUMNS
};

/* The record's fields are the columns in order, all int32_t: an array of records is read as
 * int32_t [n][DRAE__COLUMNS]. */
_Static_assert(sizeof(drae__record) == DRAE__COLUMNS * sizeof(int32_t), "record.h has padding");

typedef struct drae__column {
    const char *path; /* "/region" */
    bool is_byte;     /* uint8 in files, else int32 */
} drae__column;

extern const drae__column drae__columns[DRAE__COLUMNS];

/* An [n,size,size] array of bytes in a file, checked: every extent lies inside the file. */
typedef struct drae__stack {
    const drae__node *node; /* NULL: absent */
    const drae__extent *table;
    size_t per_slab; /* patches along the first dimension of a chunk; 1 when contiguous */
    size_t ch, cw;   /* chunk sides */
    size_t grid_h, grid_w;
    size_t raw_max; /* longest stored chunk */
} drae__stack;

typedef struct drae__part { /* one file */
    char *path;
    int fd;
    uint64_t file_bytes;
    drae__scan scan; /* owns the tables */
    size_t first;    /* index of its first patch in the data set */
    size_t count;
    drae__stack patches;
    drae__stack masks;
} drae__part;

struct drae__dataset {
    drae__part *parts;
    size_t n_parts;
    size_t count;
    int size;
    drae__record *records;
    bool has[DRAE__COLUMNS];
    bool has_masks;
    /* In the scan of the first file that names them. */
    const char *defect_names[DRAE__DATASET_DEFECTS];
};

#endif
