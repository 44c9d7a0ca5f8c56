/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON lines (results.jsonl, log.jsonl): one flat or nested object a line, written field by field,
 * in two ways: whole or not at all (a new file, renamed when finished), or appended to with a sync
 * whenever the writer wants what is there to survive. And cutting a log back to a step when
 * training resumes. Numbers are written so that they read back as they were: float with 9
 * significant digits, double with 17; NaN and infinities, which JSON lacks, as null.
 */
#ifndef DRAE_IO_JSONL_H
#define DRAE_IO_JSONL_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct drae__jsonl drae__jsonl;

/* A new file beside path, renamed over it by finish. */
drae_status drae__jsonl_create(const char *path, drae__jsonl **lines, drae__err *err);

/* The end of path, which is created when absent. A last line without its end (a crash cut it) is
 * taken away first. */
drae_status drae__jsonl_append(const char *path, drae__jsonl **lines, drae__err *err);

/* One line: begin, fields, end. Names are literals of plain letters; text is escaped, and bytes
 * that are not UTF-8 become U+FFFD. Failures are kept and reported by flush and finish. */
void drae__jsonl_begin(drae__jsonl *lines);
void drae__jsonl_int(drae__jsonl *lines, const char *name, int64_t value);
void drae__jsonl_uint(drae__jsonl *lines, const char *name, uint64_t value);
void drae__jsonl_float(drae__jsonl *lines, const char *name, float value);
void drae__jsonl_double(drae__jsonl *lines, const char *name, double value);
void drae__jsonl_bool(drae__jsonl *lines, const char *name, bool value);
void drae__jsonl_text(drae__jsonl *lines, const char *name, const char *value);
void drae__jsonl_null(drae__jsonl *lines, const char *name);
/* An object or an array as a value; inside an array names are NULL. */
void drae__jsonl_open_object(drae__jsonl *lines, const char *name);
void drae__jsonl_open_array(drae__jsonl *lines, const char *name);
void drae__jsonl_close(drae__jsonl *lines); /* the innermost of the two */
void drae__jsonl_end(drae__jsonl *lines);

/* Hands what is buffered to the file; with sync also to the disk. ERROR_IO. */
drae_status drae__jsonl_flush(drae__jsonl *lines, bool sync, drae__err *err);

/* Flushes, syncs, renames (after create), frees in every case. On failure a created file is not
 * there. lines may be NULL. */
drae_status drae__jsonl_finish(drae__jsonl *lines, drae__err *err);

/* Frees; a created file is not there, an appended one keeps what was flushed. NULL is accepted. */
void drae__jsonl_abandon(drae__jsonl *lines);

/*
 * Keeps the lines of path up to the first whose integer field `name` is greater than max, or that
 * is no JSON object or cut short; the rest goes, by way of a new file. Lines without the field are
 * kept. A file that is absent is no error. *kept (may be NULL) is the number of lines left.
 */
drae_status drae__jsonl_truncate(const char *path, const char *name, int64_t max, size_t *kept,
                                 drae__err *err);

#endif
