/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the data source share: inspect_source.c is the one view, inspect_images.c and
 * inspect_frames.c read folders. */
#ifndef DRAE_CLI_INSPECT_SOURCE_PRIVATE_H
#define DRAE_CLI_INSPECT_SOURCE_PRIVATE_H

#include "cli/inspect_source.h"

#include "base/file.h"
#include "drae/line.h"
#include "io/dataset.h"
#include "io/frames.h"
#include "io/recipe.h"

struct drae__source {
    size_t n;
    int size;
    const drae__record *records;
    drae__record *own_records; /* of folders */
    drae__dataset *dataset;
    const char *folder; /* of images or frames */
    char **names;       /* [n_files] images in the folder */
    size_t n_files;     /* that are images, or frames */

    drae__recipe *recipe; /* frames */
    drae__frame_list frames;
    drae__frame_labels *labels;
    size_t per_frame;
    uint8_t *frame;   /* [height,width] */
    uint8_t *patches; /* [per_frame,size,size] of the frame that was cut last */
    void *workspace;
    size_t cut;         /* that frame, SIZE_MAX before the first */
    drae_reason reason; /* why it gave no patches, NONE where it did */
    bool skip_bad;
    /* [n_files] of a folder: why it gave no patches, NULL where it did or was not looked at. A line
     * stays what it is: whoever got a batch may be reading it. */
    char **why_lost;
};

/* n records of which nothing is known but that they are good. */
drae_status drae__source_make_records(drae__source *source, drae__err *err);
/* folder/name. */
drae_status drae__source_path(const char *folder, const char *name, char path[DRAE__PATH_BYTES],
                              drae__err *err);

/* Fill a fresh source whose folder is set. */
drae_status drae__source_open_images(drae__source *source, int region, drae__err *err);
drae_status drae__source_open_frames(drae__source *source, const char *recipe, drae__err *err);

/* What a failure to read file f means: with skip_bad a bad file is no failure but a reason, and its
 * line is kept. */
drae_status drae__source_judge(drae__source *source, size_t f, drae_status status,
                               drae_reason *reason, const drae__err *err);

/* Image i as 8 bits into dst [size,size]. */
drae_status drae__source_read_image(const drae__source *source, size_t i, uint8_t *dst,
                                    drae__err *err);
/* Reads frame f and cuts it into source->patches. */
drae_status drae__source_cut_frame(drae__source *source, size_t f, drae__err *err);

#endif
