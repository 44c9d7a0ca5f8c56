/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Folders of camera frames: the names say what a frame shows, "b000_p000012_r00_f03.png" is batch
 * 0, product 12, run 0, frame 3 (any number of digits, .png .tif .tiff .jpg .jpeg in either case).
 * An optional labels.csv beside them says what is known of each vial and region.
 */
#ifndef DRAE_IO_FRAMES_H
#define DRAE_IO_FRAMES_H

#include "base/error.h"
#include "io/image.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What a frame's name says. */
typedef struct drae__frame_id {
    int32_t batch, product, run, frame;
} drae__frame_id;

/* Parses a file name (without its folder). False, and *id untouched, when it is no frame's name. */
bool drae__frame_name_parse(const char *name, drae__frame_id *id);

typedef struct drae__frame_list {
    size_t n;
    char **names;        /* without the folder, in ascending order of bytes */
    drae__frame_id *ids; /* of each */
    size_t n_other;      /* other picture files in the folder (marks, or frames with wrong names) */
} drae__frame_list;

/* Lists the frames of a folder. ERROR_FILE when the folder cannot be read, holds no frame, or holds
 * two files of one identity. The caller frees the list. */
drae_status drae__frames_list(const char *folder, drae__frame_list *list, drae__err *err);
void drae__frames_free(drae__frame_list *list);

/* Gray as 8 bits into dst [height, width]: 16-bit values become round(v * 255 / 65535). */
void drae__gray_to_8bit(const drae__gray *image, uint8_t *dst);

/* Reads a frame image into dst [height, width] as 8 bits. ERROR_FILE when the image has another
 * size than the recipe says, naming both. */
drae_status drae__frame_read(const char *path, int width, int height, uint8_t *dst, drae__err *err);

/* ---- labels.csv: file,vial,region,label,defect ---- */

typedef struct drae__frame_labels drae__frame_labels;

/* ERROR_FILE with the line's number for a wrong header, field or a second line for one patch. */
drae_status drae__frame_labels_load(const char *path, drae__frame_labels **labels, drae__err *err);
void drae__frame_labels_free(drae__frame_labels *labels);

/* What the file says of a patch; false, and the outputs untouched, where it says nothing. label is
 * 0 good or 1 defective, defect the class code (0 none). */
bool drae__frame_labels_find(const drae__frame_labels *labels, const char *file, int vial,
                             int region, int *label, int *defect);

#endif
