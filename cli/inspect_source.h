/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where `drae inspect` takes its patches from: HDF5 data sets, a folder of patch images, or a
 * folder of camera frames with a recipe. One view of all three: numbered patches with their
 * records.
 */
#ifndef DRAE_CLI_INSPECT_SOURCE_H
#define DRAE_CLI_INSPECT_SOURCE_H

#include "base/error.h"
#include "model/record.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct drae__source drae__source;

/*
 * paths: files of one data set, or one folder. recipe: NULL, or the recipe by which the folder's
 * frames are cut. size: pixels a side that the engine takes; anything else is refused by name.
 * region: that of patch images in a folder, which carry none.
 */
drae_status drae__source_open(const char *const *paths, size_t n_paths, const char *recipe,
                              int size, int region, drae__source **source, drae__err *err);
void drae__source_close(drae__source *source);

size_t drae__source_count(const drae__source *source);
const drae__record *drae__source_records(const drae__source *source);
/* Whether a column of model/record.h, or "mask", is known for every patch. */
bool drae__source_has(const drae__source *source, const char *column);
/* "" where it is not known. */
const char *drae__source_defect_name(const drae__source *source, int defect);
/* The image file that a patch comes from, NULL for data sets. */
const char *drae__source_file(const drae__source *source, size_t index);

/* From now on a file that cannot be read, or has another size, is no failure: its patches have
 * DRAE_REASON_IMAGE. False, and nothing done, where the data is no folder. */
bool drae__source_skip_bad(drae__source *source);

/* The first patch of a file that gave none (its part was not found, or it is bad and skipped): the
 * line why. NULL for all others. The thread that gets a batch may ask for its patches while another
 * reads on. */
const char *drae__source_why_lost(const drae__source *source, size_t index);

/* What says which patches these are: the data hash of data sets (docs/formats.md); of images the
 * SHA-256 of "drae patches 1\n" and the fingerprints (model/seen.h) of all that can be read, big
 * endian. 64 hexadecimal digits. Reads everything once. */
drae_status drae__source_hash(drae__source *source, char hex[65], drae__err *err);

/*
 * Reads n patches into dst [n,size,size]. reasons[i] is DRAE_REASON_NONE, or why there is no patch
 * (a frame in which the part was not found, a bad file that is skipped); dst of those is undefined.
 * A bad file that is not skipped is ERROR_FILE. One thread at a time.
 */
drae_status drae__source_read(drae__source *source, const size_t *indices, size_t n, uint8_t *dst,
                              uint8_t *reasons, drae__err *err);

/* The mask [size,size] of a patch (0: no defect), of data that has masks. Any thread. */
drae_status drae__source_read_mask(drae__source *source, size_t index, uint8_t *dst,
                                   drae__err *err);

#endif
