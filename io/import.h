/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Images -> data set: what `drae import` does once its options are read. One image is in memory at
 * a time; the file is written whole or not at all.
 */
#ifndef DRAE_IO_IMPORT_H
#define DRAE_IO_IMPORT_H

#include "io/pictures.h"
#include "io/progress.h"
#include "io/resize.h"

typedef struct drae__import_options {
    int size;          /* of the patches */
    bool tile;         /* cut into tiles at full resolution instead of resizing */
    int region;        /* of every patch; frames: the recipe says */
    bool levels_given; /* else 0..255 or 0..65535 by the image's bits */
    drae__levels levels;
    bool any_size; /* images may differ in size */
    bool skip_bad; /* a bad image is listed and passed over, not an error */
    int deflate;
    const volatile int *stop; /* not 0: ERROR_INTERRUPTED, nothing is written; may be NULL */
    drae__progress *progress; /* may be NULL */
    /* Called for each image that is passed over; may be NULL. */
    void (*bad)(void *user, const char *line);
    void *user;
} drae__import_options;

typedef struct drae__import_counts {
    size_t images;
    size_t bad;
    size_t patches;
    size_t defective; /* patches */
} drae__import_counts;

/*
 * Imports the listed images into path. product is the running number of the image; with tiles,
 * frame is the running number of the tile (row by row) and a patch is defective where its mask is
 * not empty, or, without a mask, where its image is. Tiles cover the whole image: as many as needed
 * a side, evenly spread, overlapping where the side is no multiple of size.
 * ERROR_FILE for the first bad image unless skip_bad, and when none is left.
 */
drae_status drae__import_pictures(const char *path, const drae__pictures *list,
                                  const drae__import_options *options, drae__import_counts *counts,
                                  drae__err *err);

/*
 * Imports folders of camera frames (io/frames.h) cut by a recipe (io/recipe.h). A labels.csv in a
 * folder labels its patches; without one all are good. A frame in which the part is not found is
 * bad.
 */
drae_status drae__import_frames(const char *path, const char *const *folders, size_t n_folders,
                                const char *recipe_path, const drae__import_options *options,
                                drae__import_counts *counts, drae__err *err);

#endif
