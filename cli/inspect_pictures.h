/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pictures of `drae inspect`: an overlay of each patch that is wanted (patches/), a contact
 * sheet of each strip, or of every 60 patches where there are no strips (sheets/). Drawn and
 * written by threads of their own while inference goes on; a queue of bounded length holds copies
 * of what they need, so memory does not grow with the data.
 */
#ifndef DRAE_CLI_INSPECT_PICTURES_H
#define DRAE_CLI_INSPECT_PICTURES_H

#include "cli/inspection.h"
#include "io/marks.h"

#define DRAE__SHEETS_FOLDER   "sheets"
#define DRAE__OVERLAYS_FOLDER "patches"

/* Which patches get an overlay. */
typedef enum drae__heatmaps {
    DRAE__HEATMAPS_NONE = 0,
    DRAE__HEATMAPS_REJECTS = 1, /* rejected, or labelled defective and missed */
    DRAE__HEATMAPS_ALL = 2
} drae__heatmaps;

typedef struct drae__pictures drae__pictures;

/* Makes the folders and starts n_threads. sheets: whether contact sheets are wanted; patches must
 * then come in the order of the hierarchy. */
drae_status drae__pictures_create(const char *folder, const drae__inspection *inspection,
                                  drae__heatmaps heatmaps, bool sheets, int n_threads,
                                  drae__pictures **pictures, drae__err *err);

/* What is drawn of a patch. Zeroed is a patch without a result. */
typedef struct drae__pictured {
    const uint8_t *patch;      /* [size,size], as are all */
    const uint8_t *heat;       /* scaled per patch */
    const uint8_t *heat_fixed; /* on the region's scale */
    const uint8_t *mask;       /* of the labelled defect, NULL: none is known */
    drae__spot peak;           /* the largest value of the map that heat_fixed shows */
} drae__pictured;

/* A patch was inspected: its score and reason are in the inspection; what is drawn is copied. Waits
 * where the queue is full. Returns the first failure of any thread. */
drae_status drae__pictures_put(drae__pictures *pictures, size_t index, const drae__pictured *what,
                               drae__err *err);

/* Strip s is complete: its contact sheet goes out. */
drae_status drae__pictures_strip(drae__pictures *pictures, size_t s, drae__err *err);

/* Writes what is left (the last sheet without strips too) and ends the threads. */
drae_status drae__pictures_finish(drae__pictures *pictures, size_t *n_sheets, size_t *n_overlays,
                                  drae__err *err);

/* Ends the threads after the pictures that are under way, and frees. NULL is a no-op. */
void drae__pictures_destroy(drae__pictures *pictures);

#endif
