/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/inspect_pictures_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

drae_status drae__pictures_path(const drae__pictures *p, char path[DRAE__PATH_BYTES],
                                const char *subfolder, const char *name, drae__err *err) {
    int n = snprintf(path, DRAE__PATH_BYTES, "%s/%s/%s", p->folder, subfolder, name);
    if (n < 0 || n >= DRAE__PATH_BYTES) {
        return drae__fail(err, DRAE_ERROR_ARGUMENT, "%.80s...: the path is too long", p->folder);
    }
    return DRAE_OK;
}

drae__mark drae__reason_mark(uint8_t reason) {
    switch (reason) {
    case DRAE_REASON_NONE:
        return DRAE__MARK_GOOD;
    case DRAE_REASON_UNCALIBRATED:
        return DRAE__MARK_OPEN;
    case DRAE_REASON_SCORE:
    case DRAE_REASON_NOT_FINITE:
    case DRAE_REASON_DUPLICATE:
    case DRAE_REASON_VOTE:
    case DRAE_REASON_UNDECIDED:
    case DRAE_REASON_BAND:
        return DRAE__MARK_REJECT;
    default:
        return DRAE__MARK_NO_RESULT;
    }
}

void drae__append_number(char *text, size_t n_bytes, const char *name, int32_t value) {
    size_t n = strlen(text);
    if (value != DRAE__UNRECORDED && n < n_bytes) {
        (void)snprintf(text + n, n_bytes - n, "%s%s %d", n > 0 ? "   " : "", name, (int)value);
    }
}

drae_status drae__pictures_create(const char *folder, const drae__inspection *inspection,
                                  drae__heatmaps heatmaps, bool sheets, int n_threads,
                                  drae__pictures **pictures, drae__err *err) {
    drae_status status = DRAE_OK;
    char path[DRAE__PATH_BYTES];
    drae__pictures *fresh = calloc(1, sizeof *fresh);
    if (fresh == NULL) {
        return drae__fail(err, DRAE_ERROR_MEMORY, "no memory for pictures");
    }
    fresh->inspection = inspection;
    fresh->heatmaps = heatmaps;
    fresh->folder = folder;
    fresh->patch_bytes = (size_t)inspection->size * (size_t)inspection->size;
    fresh->sheets = sheets && drae__sheet_fits(inspection);
    if (fresh->sheets) {
        DRAE__TRY(drae__pictures_path(fresh, path, DRAE__SHEETS_FOLDER, "", err));
        DRAE__TRY(drae__file_make_folder(path, err));
    }
    if (heatmaps != DRAE__HEATMAPS_NONE) {
        DRAE__TRY(drae__pictures_path(fresh, path, DRAE__OVERLAYS_FOLDER, "", err));
        DRAE__TRY(drae__file_make_folder(path, err));
    }
    DRAE__TRY(drae__picture_queue_create(n_threads, &fresh->queue, err));
    *pictures = fresh;
    fresh = NULL;
done:
    drae__pictures_destroy(fresh);
    return status;
}

drae_status drae__pictures_put(drae__pictures *p, size_t index, const drae__pictured *what,
                               drae__err *err) {
    drae_status status = DRAE_OK;
    if (what->patch != NULL && drae__overlay_wanted(p, index)) {
        DRAE__TRY(drae__overlay_put(p, index, what, err));
    }
    if (p->sheets) {
        DRAE__TRY(p->inspection->hierarchy.n_strips > 0
                      ? drae__sheet_put_on_strip(p, index, what, err)
                      : drae__sheet_put_on_grid(p, index, what, err));
    }
done:
    return status;
}

drae_status drae__pictures_finish(drae__pictures *p, size_t *n_sheets, size_t *n_overlays,
                                  drae__err *err) {
    drae_status status = DRAE_OK;
    if (p->n_on_grid > 0) {
        DRAE__TRY(drae__sheet_end_grid(p, err));
    }
    DRAE__TRY(drae__picture_queue_drain(p->queue, err));
    *n_sheets = p->n_sheets;
    *n_overlays = p->n_overlays;
done:
    return status;
}

void drae__pictures_destroy(drae__pictures *p) {
    if (p != NULL) {
        drae__picture_queue_destroy(p->queue);
        drae__sheet_destroy(p->sheet == NULL ? NULL : &p->sheet->job);
        free(p);
    }
}
