/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Data sets of patches in HDF5: /patches uint8 [N,size,size] and the columns of model/record.h, one
 * file or a list of files read as one. Nothing assumes that the patches fit in memory; the columns
 * (a few bytes a patch) are held. Only io/ sees HDF5.
 */
#ifndef DRAE_IO_DATASET_H
#define DRAE_IO_DATASET_H

#include "base/error.h"
#include "model/record.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- reading ---- */

typedef struct drae__dataset drae__dataset;

/*
 * Opens n_paths files as one data set, in that order. All must have patches of one size. A hostile,
 * truncated or foreign file is refused with ERROR_FILE and a line that names file and object; it
 * never takes the process down. expect_size 0 accepts any size, else a file of another size is
 * refused by name. An empty data set (N = 0) is refused.
 */
drae_status drae__dataset_open(const char *const *paths, size_t n_paths, int expect_size,
                               drae__dataset **dataset, drae__err *err);
void drae__dataset_close(drae__dataset *dataset);

size_t drae__dataset_count(const drae__dataset *dataset); /* patches in all files */
int drae__dataset_size(const drae__dataset *dataset);     /* pixels a side */

/* The record of every patch, count entries, owned by the data set. Missing columns read as
 * DRAE__UNRECORDED, except region and label and defect, which read as 0. */
const drae__record *drae__dataset_records(const drae__dataset *dataset);

/* Whether a column ("label", "product", ...) or "mask" is present in every file. */
bool drae__dataset_has(const drae__dataset *dataset, const char *column);

/* The name of a defect class, "" where the file names none. */
const char *drae__dataset_defect_name(const drae__dataset *dataset, int defect);

/* Reads n patches by index (any order, repeats allowed) into dst [n,size,size]. Thread-safe; reads
 * of one thread wait for another's (libhdf5 is serial). */
drae_status drae__dataset_read(drae__dataset *dataset, const size_t *indices, size_t n,
                               uint8_t *dst, drae__err *err);

/* The same for /mask (0 or 1 a pixel; zeros where a file has none). */
drae_status drae__dataset_read_masks(drae__dataset *dataset, const size_t *indices, size_t n,
                                     uint8_t *dst, drae__err *err);

/* How the patches are stored: bytes in all files together, and in words for the first file,
 * "chunks of 1 x 256 x 256, deflate". */
void drae__dataset_storage(const drae__dataset *dataset, uint64_t *stored_bytes, char text[96]);

/* SHA-256 over sizes, pixels and columns of all files in order, independent of compression and
 * chunking: the data hash of a model's provenance. Reads everything once. */
drae_status drae__dataset_hash(drae__dataset *dataset, uint8_t digest[32], drae__err *err);

/* The same, and the fingerprint of every patch (model/seen.h) into prints[count]. */
drae_status drae__dataset_hash_patches(drae__dataset *dataset, uint8_t digest[32], uint64_t *prints,
                                       drae__err *err);

/* ---- writing ---- */

typedef struct drae__dataset_writer drae__dataset_writer;

typedef struct drae__dataset_format {
    int size;                        /* pixels a side, 16..4096 */
    bool masks;                      /* write /mask */
    uint32_t columns;                /* bit i set: write the i-th column of DRAE__RECORD_COLUMNS */
    int deflate;                     /* 0 none, 1..9; default 1 */
    const char *title;               /* free text attribute, may be NULL */
    uint64_t seed;                   /* recorded for synthetic sets */
    const char *const *defect_names; /* index = class code; NULL-terminated; may be NULL */
    size_t max_patches; /* how many will be appended, 0 unknown; only for error texts */
} drae__dataset_format;

/* Starts a file under a temporary name. */
drae_status drae__dataset_create(const char *path, const drae__dataset_format *format,
                                 drae__dataset_writer **writer, drae__err *err);

/* Appends n patches [n,size,size] with their records; masks [n,size,size] of 0/1 when format.masks,
 * else NULL. Same calls, same bytes in the file. */
drae_status drae__dataset_append(drae__dataset_writer *writer, size_t n, const uint8_t *patches,
                                 const uint8_t *masks, const drae__record *records, drae__err *err);

/* Finishes: sync, rename over path. Frees the writer in every case; on failure nothing remains. */
drae_status drae__dataset_finish(drae__dataset_writer *writer, drae__err *err);

/* Throws the unfinished file away and frees the writer. NULL is a no-op. */
void drae__dataset_abandon(drae__dataset_writer *writer);

#endif
