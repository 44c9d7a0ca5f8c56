/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CSV with a line of names (RFC 4180), read whole: fields in quotes may hold commas, doubled quotes
 * and ends of lines; blanks around a field and lines without a field are passed over. Lines end in
 * LF, CR LF or CR.
 */
#ifndef DRAE_IO_CSV_H
#define DRAE_IO_CSV_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DRAE__CSV_FIELDS 64

typedef struct drae__csv {
    const char *path;
    uint8_t digest[32]; /* SHA-256 of the file */
    char *text;         /* fields are cut off in place */
    char *at;           /* NULL behind the last record */
    size_t n_lines;
    size_t line; /* where the record begins that was read last, from 1 */
    size_t n;    /* its fields, 0: there are no more records */
    char *fields[DRAE__CSV_FIELDS];
    size_t n_names;
    char *names[DRAE__CSV_FIELDS];
} drae__csv;

/* Reads the file and its line of names; path must outlive csv. ERROR_FILE: not there, no text,
 * nothing in it, or more than DRAE__CSV_FIELDS fields. drae__csv_close is safe on a zeroed struct
 * and after a failure. */
drae_status drae__csv_open(const char *path, drae__csv *csv, drae__err *err);
void drae__csv_close(drae__csv *csv);

/* The place of a column, -1 where there is none of that name. */
int drae__csv_column(const drae__csv *csv, const char *name);

/* The next record into fields and n. ERROR_FILE where a quote stays open, or the fields are more.
 */
drae_status drae__csv_next(drae__csv *csv, drae__err *err);

/* A field of the record, "" where it ends before, or column is -1. */
const char *drae__csv_text(const drae__csv *csv, int column);

/* The field as a whole number of lo..hi; false where it is something else. */
bool drae__csv_integer(const drae__csv *csv, int column, int64_t lo, int64_t hi, int64_t *value);

#endif
