/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the data source share: inspect_source.c is the one view, inspect_images.c and
 * inspect_frames.c read folders. */
#ifndef DRAE_CLI_INSPECT_SOURCE_PRIVATE_H
#define DRAE_CLI_INSPECT_SOURCE_PRIVATE_H

#include "cli/inspect_source.h"

#include "base/file.h"
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
    size_t n_files;

    drae__recipe *recipe; /* frames */
    drae__frame_list frames;
    drae__frame_labels *labels;
    size_t per_frame;
    uint8_t *frame;   /* [height,width] */
    uint8_t *patches; /* [per_frame,size,size] of the frame that was cut last */
    void *workspace;
    size_t cut; /* that frame, SIZE_MAX before the first */
    bool found; /* whether its part was */
    char **
        why_lost; /* [frames] why the part was not found, NULL where it was or was not looked for */
};

/* n records of which nothing is known but that they are good. */
drae_status drae__source_make_records(drae__source *source, drae__err *err);
/* folder/name. */
drae_status drae__source_path(const char *folder, const char *name, char path[DRAE__PATH_BYTES],
                              drae__err *err);

/* Fill a fresh source whose folder is set. */
drae_status drae__source_open_images(drae__source *source, int region, drae__err *err);
drae_status drae__source_open_frames(drae__source *source, const char *recipe, drae__err *err);

/* Image i as 8 bits into dst [size,size]. */
drae_status drae__source_read_image(const drae__source *source, size_t i, uint8_t *dst,
                                    drae__err *err);
/* Reads frame f and cuts it into source->patches. */
drae_status drae__source_cut_frame(drae__source *source, size_t f, drae__err *err);

#endif
