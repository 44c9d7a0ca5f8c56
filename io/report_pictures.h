/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pictures that an inspection leaves: one overlay a patch, one contact sheet a strip. Both are
 * drawn into RGB memory of the caller and become PNG by io/image.h. They are made for an operator:
 * red is rejected, green is good, amber is what nobody knows; the score stands beside its
 * threshold, as numbers and as a bar.
 *
 * Heat is the fixed-scale map of the engine (0 at no difference, 255 at the region's anchor), so a
 * good patch stays an image; the paper's per-patch map is shown beside it in the overlay only,
 * because it paints the largest difference of every patch full, also of a good one. A ring is drawn
 * round the largest value of the map that the scale shows, an outline round the labelled defect.
 */
#ifndef DRAE_IO_REPORT_PICTURES_H
#define DRAE_IO_REPORT_PICTURES_H

#include "io/marks.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum drae__mark {
    DRAE__MARK_NONE = 0, /* nothing was expected here: an empty place */
    DRAE__MARK_GOOD = 1,
    DRAE__MARK_REJECT = 2,
    DRAE__MARK_NO_RESULT = 3, /* rejected because there is no result */
    DRAE__MARK_OPEN = 4       /* no threshold: a score, but no verdict */
} drae__mark;

/* "GOOD", "REJECT", "NO RESULT", "NO VERDICT", "". */
const char *drae__mark_text(drae__mark mark);

/* ---- overlay ---- */

typedef struct drae__overlay {
    int size;                  /* pixels a side */
    const uint8_t *patch;      /* [size,size] */
    const uint8_t *heat;       /* [size,size], min-max scaled per patch (the paper's) */
    const uint8_t *heat_fixed; /* [size,size], fixed scale */
    const uint8_t *mask;       /* [size,size] of the labelled defect, NULL: none is known */
    drae__spot peak;           /* of the map that heat_fixed shows */
    float anchor;              /* |X - X^|, or z, at the top of the fixed scale */
    const char *kind;          /* name of the score, NULL: not told */
    bool on_z;                 /* the fixed scale is that of z */
    float score;
    float threshold; /* NAN: none */
    drae__mark mark;
    const char *region; /* "R0 flag" */
    const char *detail; /* "patch 12  product 3  vial 2" */
    const char *truth;  /* "label: defective (scratch)", "" when unknown */
    int label;          /* 0 good, 1 defective, -1 unknown: the head says where it contradicts */
} drae__overlay;

/* Pixels of the picture for patches of that size. */
void drae__overlay_extent(int size, int *width, int *height);

/* Draws into rgb [height,width,3] of exactly that extent. */
void drae__overlay_draw(const drae__overlay *overlay, uint8_t *rgb);

/* ---- contact sheet ---- */

typedef struct drae__sheet_cell {
    drae__mark mark;
    const uint8_t *patch; /* [size,size], NULL: no image */
    const uint8_t *heat;  /* [size,size] fixed scale, NULL: none */
    const uint8_t *mask;  /* [size,size] of the labelled defect, NULL: none is known */
    drae__spot peak;      /* of the map; drawn unless the patch is good by verdict and label */
    float score;          /* NAN: none */
    float threshold;      /* NAN: none */
    int label;            /* 0 good, 1 defective, -1 unknown: shown where it contradicts */
    char note[24];        /* upper left corner: "frame 2", "#117" */
    char why[48];         /* shown in place of an image when there is none */
} drae__sheet_cell;

typedef struct drae__sheet_head {
    drae__mark mark;
    char name[24]; /* "vial 3" */
    char why[48];  /* "R0 flag 0.081", "" when good */
} drae__sheet_head;

#define DRAE__SHEET_COLUMNS_MAX 64
#define DRAE__SHEET_ROWS_MAX    64
#define DRAE__SHEET_PIXELS_MAX  40000000

typedef struct drae__sheet {
    int size; /* pixels a side of a patch */
    int n_columns;
    int n_rows;
    drae__mark mark;               /* of the whole; NONE: a plain title bar */
    char title[96];                /* "product 12  run 3" */
    char summary[96];              /* "2 of 5 vials rejected" */
    const drae__sheet_head *heads; /* [n_columns], NULL: no heads */
    const char (*row_names)[32];   /* [n_rows] "R0 flag", NULL: no names */
    const drae__sheet_cell *cells; /* [n_rows,n_columns] */
} drae__sheet;

/* Pixels of the picture: depends on size, n_columns, n_rows, and on heads and row_names being
 * there. false when it is no sheet (counts out of bounds, too large for an image). */
bool drae__sheet_extent(const drae__sheet *sheet, int *width, int *height);

/* Draws into rgb [height,width,3] of exactly that extent. */
void drae__sheet_draw(const drae__sheet *sheet, uint8_t *rgb);

#endif
