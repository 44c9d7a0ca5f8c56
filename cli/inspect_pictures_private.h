/* SPDX-License-Identifier: Apache-2.0 */
/* What the files that make overlays and contact sheets share. */
#ifndef DRAE_CLI_INSPECT_PICTURES_PRIVATE_H
#define DRAE_CLI_INSPECT_PICTURES_PRIVATE_H

#include "cli/inspect_pictures.h"
#include "cli/picture_queue.h"
#include "io/report_pictures.h"

typedef struct drae__sheet_job {
    drae__picture_job job;
    drae__sheet sheet;
    drae__sheet_head heads[DRAE__SHEET_COLUMNS_MAX];
    char row_names[DRAE__SHEET_ROWS_MAX][32];
    drae__sheet_cell *cells; /* [n_rows,n_columns] */
    uint8_t *pixels;         /* [n_rows,n_columns,3,size,size]: patch, heat_fixed, mask */
} drae__sheet_job;

struct drae__pictures {
    const drae__inspection *inspection;
    drae__heatmaps heatmaps;
    const char *folder;
    drae__picture_queue *queue;
    size_t patch_bytes;
    bool sheets;            /* false where a sheet would be too large */
    drae__sheet_job *sheet; /* of the strip or the grid under way, NULL between */
    size_t n_on_grid;
    size_t first_on_grid;
    size_t n_sheets;
    size_t n_overlays;
};

drae_status drae__pictures_path(const drae__pictures *p, char path[DRAE__PATH_BYTES],
                                const char *subfolder, const char *name, drae__err *err);

drae__mark drae__reason_mark(uint8_t reason);

/* Appends "   name value" where the value is recorded. */
void drae__append_number(char *text, size_t n_bytes, const char *name, int32_t value);

/* ---- inspect_overlays.c ---- */

bool drae__overlay_wanted(const drae__pictures *p, size_t index);
drae_status drae__overlay_put(drae__pictures *p, size_t index, const drae__pictured *what,
                              drae__err *err);

/* ---- inspect_sheets.c ---- */

/* Whether a sheet of this data is no larger than an image may be. */
bool drae__sheet_fits(const drae__inspection *in);
drae_status drae__sheet_put_on_strip(drae__pictures *p, size_t index, const drae__pictured *what,
                                     drae__err *err);
drae_status drae__sheet_put_on_grid(drae__pictures *p, size_t index, const drae__pictured *what,
                                    drae__err *err);
/* Sends the last grid, which is not full. */
drae_status drae__sheet_end_grid(drae__pictures *p, drae__err *err);
/* NULL is a no-op. */
void drae__sheet_destroy(drae__picture_job *job);

#endif
