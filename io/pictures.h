/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lists of image files with what is known of each, for import: plain folders, and the layout of
 * MVTec AD:
 *     <category>/train/good/NAME.png                 good
 *     <category>/test/good/NAME.png                  good
 *     <category>/test/<class>/NAME.png               defective, class after its folder
 *     <category>/ground_truth/<class>/NAME_mask.png  where the defect is; the folder may be absent
 * Pictures are files whose names end in .png .tif .tiff .jpg or .jpeg, in either case. Order is
 * that of the bytes of the names, so that the same folder gives the same list everywhere.
 */
#ifndef DRAE_IO_PICTURES_H
#define DRAE_IO_PICTURES_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>

#define DRAE__CLASSES_MAX 255

typedef struct drae__picture {
    char *path;
    char *mask_path; /* NULL: no mask is known */
    int label;       /* 0 good, 1 defective */
    int defect;      /* class, an index into classes; 0 none */
} drae__picture;

typedef struct drae__pictures {
    drae__picture *items;
    size_t n;
    size_t capacity;
    char *classes[DRAE__CLASSES_MAX + 2]; /* [0] "none"; NULL behind the last */
    int n_classes;                        /* with "none" */
    bool masks;                           /* any mask is known */
} drae__pictures;

typedef enum drae__split {
    DRAE__SPLIT_TRAIN = 1,
    DRAE__SPLIT_TEST = 2,
    DRAE__SPLIT_ALL = 3
} drae__split;

/* A zeroed list is empty. */
void drae__pictures_free(drae__pictures *list);

/* Adds the images of one MVTec category. ERROR_FILE when the folders are not there, when no image
 * is found, or when a defective image has no mask although the category has masks. */
drae_status drae__pictures_add_mvtec(drae__pictures *list, const char *category, drae__split split,
                                     drae__err *err);

/* Adds a file, or the pictures of a folder (with those of its folders when recursive). ERROR_FILE
 * when there is none. Defective ones get the class "defective". */
drae_status drae__pictures_add_folder(drae__pictures *list, const char *path, bool recursive,
                                      bool defective, drae__err *err);

#endif
