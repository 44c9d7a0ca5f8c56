/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Named arrays and attributes in an HDF5 file: what checkpoint.h5 and trace.h5 are made of, and
 * what model.h5 is written with. A blob is an array at a path ("/optimizer/generator/m") or an
 * attribute ("/@seed", "/rng@counter"). Files are whole or not there; same calls, same bytes.
 */
#ifndef DRAE_IO_BLOB_H
#define DRAE_IO_BLOB_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

#define DRAE__BLOB_RANK 8

typedef enum drae__blob_type {
    DRAE__BLOB_U8 = 1,
    DRAE__BLOB_I64 = 2,
    DRAE__BLOB_U64 = 3,
    DRAE__BLOB_F32 = 4,
    DRAE__BLOB_F64 = 5,
    DRAE__BLOB_TEXT = 6 /* attributes only: terminated strings, one after the other */
} drae__blob_type;

typedef struct drae__blob {
    const char *path;
    drae__blob_type type;
    int rank; /* 0: a scalar */
    size_t dims[DRAE__BLOB_RANK];
    const void *data; /* C order, 8-byte aligned when read. NULL when read: values that are absent,
                         or of a type that is none of the above (type is 0 then) */
} drae__blob;

/* Product of dims, 1 for a scalar. */
size_t drae__blob_count(const drae__blob *blob);

/* ---- writing ---- */

typedef struct drae__blob_writer drae__blob_writer;

/* Starts a file under a temporary name. kind becomes the root attribute "kind" ("weights",
 * "checkpoint", "trace"). */
drae_status drae__blob_create(const char *path, const char *kind, drae__blob_writer **writer,
                              drae__err *err);

/* Writes one blob, creating groups as needed. deflate 0..9: arrays are shuffled and compressed when
 * > 0 (attributes never). An attribute's object must be there already; the root is. Any thread may
 * write; the file's bytes follow the order of the calls. ERROR_IO as soon as the disk refuses. */
drae_status drae__blob_put(drae__blob_writer *writer, const drae__blob *blob, int deflate,
                           drae__err *err);

/* Sync and rename. Frees the writer in every case; on failure nothing remains of the new file. */
drae_status drae__blob_finish(drae__blob_writer *writer, drae__err *err);
void drae__blob_abandon(drae__blob_writer *writer); /* NULL is accepted */

/* ---- reading ---- */

typedef struct drae__blob_file drae__blob_file;

/*
 * Reads a file into memory: the root's attributes and everything below the n_paths paths (0: the
 * whole file). The values of an array of more than max_bytes bytes stay behind; SIZE_MAX takes all.
 * Integers of any width arrive as I64 (unsigned bytes as U8, unsigned 8-byte ones as U64), floats
 * up to 4 bytes as F32, longer ones as F64, all of them as F64 in attributes. Hostile files are
 * refused with ERROR_FILE; links are not followed and appear as blobs of type 0 without data.
 */
drae_status drae__blob_open(const char *path, const char *const *paths, size_t n_paths,
                            size_t max_bytes, drae__blob_file **file, drae__err *err);
void drae__blob_close(drae__blob_file *file); /* NULL is accepted */

/* Blobs in the order of the walk: by name, attributes behind their object; groups are left out. The
 * file owns paths and data. */
size_t drae__blob_number(const drae__blob_file *file);
const drae__blob *drae__blob_at(const drae__blob_file *file, size_t i);
const drae__blob *drae__blob_find(const drae__blob_file *file, const char *path);

/* The file's name as it was opened, and "float32 [16,1,3,3]" for error lines. */
const char *drae__blob_file_path(const drae__blob_file *file);
void drae__blob_describe(const drae__blob *blob, char text[160]);

/* The blob of that path, of that type and number of elements (0: any), or ERROR_FILE by name. */
drae_status drae__blob_need(const drae__blob_file *file, const char *path, drae__blob_type type,
                            size_t count, const drae__blob **blob, drae__err *err);

#endif
