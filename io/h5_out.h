/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An HDF5 file under construction; private to io/. It grows under a temporary name and is renamed
 * when whole (base/file.h). Same calls, same bytes: object times are off and the file format is
 * pinned. The caller holds the lock of io/h5.h around every function here.
 */
#ifndef DRAE_IO_H5_OUT_H
#define DRAE_IO_H5_OUT_H

#include "base/file.h"
#include "io/h5.h"

typedef struct drae__h5_out {
    hid_t file;             /* -1 when closed */
    drae__h5_device device; /* on the temporary file */
    char path[DRAE__PATH_BYTES];
    char temporary[DRAE__PATH_BYTES];
} drae__h5_out;

/* Creates the temporary file. ERROR_IO when the folder cannot be written. On failure nothing is
 * left and the struct needs no release; else end with commit or discard. The struct must not move.
 */
drae_status drae__h5_out_create(drae__h5_out *out, const char *path, drae__err *err);

/* Closes, syncs, renames. On failure nothing remains of the new file. */
drae_status drae__h5_out_commit(drae__h5_out *out, drae__err *err);
void drae__h5_out_discard(drae__h5_out *out);

/* ERROR_IO with the reason when the disk has refused a write, else ERROR_INTERNAL naming object:
 * what to return when an H5 call on this file failed. */
drae_status drae__h5_out_failed(const drae__h5_out *out, const char *object, drae__err *err);

/* ERROR_IO as soon as the disk has refused a write: long writers ask after each piece. */
drae_status drae__h5_out_check(const drae__h5_out *out, drae__err *err);

/* Attributes of the object at `object` ("/" for the root). n = 1 gives a scalar. Text is UTF-8 of
 * variable length, which h5py reads as str. A negative return is an H5 failure. */
int drae__h5_out_attribute(drae__h5_out *out, const char *object, const char *name, hid_t file_type,
                           hid_t memory_type, size_t n, const void *values);
int drae__h5_out_text(drae__h5_out *out, const char *object, const char *name, size_t n,
                      const char *const *texts);

/* A creation list for data sets: times off; deflate level 0..9, with shuffle before it when asked;
 * chunk NULL for contiguous. -1 on failure. */
hid_t drae__h5_out_layout(int rank, const hsize_t *chunk, int deflate, bool shuffle);

/* Creates data set `path` with the groups above it and writes it whole. rank 0 is a scalar. */
int drae__h5_out_array(drae__h5_out *out, const char *path, hid_t file_type, hid_t memory_type,
                       int rank, const hsize_t *dims, const void *values, int deflate);

#endif
