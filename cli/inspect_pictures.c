/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/inspect_pictures.h"

#include "base/size.h"
#include "cli/picture_queue.h"
#include "io/report_pictures.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A sheet without strips. */
enum { GRID_COLUMNS = 10, GRID_ROWS = 6 };

typedef struct overlay_job {
    drae__picture_job job; /* first: the queue knows this part */
    drae__overlay overlay;
    char region[32];
    char detail[160];
    char truth[96];
    uint8_t *pixels; /* [3,size,size]: patch, heat, heat_fixed */
} overlay_job;

typedef struct sheet_job {
    drae__picture_job job;
    drae__sheet sheet;
    drae__sheet_head heads[DRAE__SHEET_COLUMNS_MAX];
    char row_names[DRAE__SHEET_ROWS_MAX][32];
    drae__sheet_cell *cells; /* [n_rows,n_columns] */
    uint8_t *pixels;         /* [n_rows,n_columns,2,size,size]: patch, heat_fixed */
} sheet_job;

struct drae__pictures {
    const drae__inspection *inspection;
    drae__heatmaps heatmaps;
    const char *folder;
    drae__picture_queue *queue;
    size_t patch_bytes;
    bool sheets;      /* false where a sheet would be too large */
    sheet_job *sheet; /* of the strip or the grid under way, NULL between */
    size_t n_on_grid;
    size_t first_on_grid;
    size_t n_sheets;
    size_t n_overlays;
};

static drae_status path_of(const drae__pictures *p, char path[DRAE__PATH_BYTES],
                           const char *subfolder, const char *name, drae__err *err) {
    int n = snprintf(path, DRAE__PATH_BYTES, "%s/%s/%s", p->folder, subfolder, name);
    if (n < 0 || n >= DRAE__PATH_BYTES) {
        return drae__fail(err, DRAE_ERROR_ARGUMENT, "%.80s...: the path is too long", p->folder);
    }
    return DRAE_OK;
}

static drae__mark mark_of(uint8_t reason) {
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

/* Appends "  name value" where the value is recorded. */
static void append(char *text, size_t n_bytes, const char *name, int32_t value) {
    size_t n = strlen(text);
    if (value != DRAE__UNRECORDED && n < n_bytes) {
        (void)snprintf(text + n, n_bytes - n, "%s%s %d", n > 0 ? "   " : "", name, (int)value);
    }
}

/* ---- overlays ---- */

static void draw_overlay(const drae__picture_job *job, uint8_t *rgb) {
    drae__overlay_draw(&((const overlay_job *)(const void *)job)->overlay, rgb);
}

static void destroy_overlay(drae__picture_job *job) {
    free(((overlay_job *)(void *)job)->pixels);
    free(job);
}

static bool wants_overlay(const drae__pictures *p, size_t index) {
    const drae__inspection *in = p->inspection;
    uint8_t reason = in->reasons[index];
    switch (p->heatmaps) {
    case DRAE__HEATMAPS_ALL:
        return true;
    case DRAE__HEATMAPS_REJECTS:
        return (reason != DRAE_REASON_NONE && reason != DRAE_REASON_UNCALIBRATED) ||
               (in->labelled && in->records[index].label == 1);
    case DRAE__HEATMAPS_NONE:
        break;
    }
    return false;
}

static drae_status put_overlay(drae__pictures *p, size_t index, const uint8_t *patch,
                               const uint8_t *heat, const uint8_t *heat_fixed, drae__err *err) {
    const drae__inspection *in = p->inspection;
    const drae__record *r = &in->records[index];
    drae_status status = DRAE_OK;
    overlay_job *o = calloc(1, sizeof *o);
    uint8_t *pixels = malloc(3 * p->patch_bytes);
    if (o == NULL || pixels == NULL) {
        free(pixels);
        free(o);
        return drae__fail(err, DRAE_ERROR_MEMORY, "no memory for an overlay");
    }
    memcpy(pixels, patch, p->patch_bytes);
    memcpy(pixels + p->patch_bytes, heat, p->patch_bytes);
    memcpy(pixels + 2 * p->patch_bytes, heat_fixed, p->patch_bytes);
    o->pixels = pixels;
    o->job.draw = draw_overlay;
    o->job.destroy = destroy_overlay;
    drae__overlay_extent(in->size, &o->job.width, &o->job.height);
    drae__region_name(in, r->region, o->region);
    (void)snprintf(o->detail, sizeof o->detail, "patch %zu", index);
    append(o->detail, sizeof o->detail, "batch", r->batch);
    append(o->detail, sizeof o->detail, "product", r->product);
    append(o->detail, sizeof o->detail, "run", r->run);
    append(o->detail, sizeof o->detail, "frame", r->frame);
    append(o->detail, sizeof o->detail, "vial", r->vial);
    const char *file = drae__source_file(in->source, index);
    if (file != NULL) {
        size_t n = strlen(o->detail);
        (void)snprintf(o->detail + n, sizeof o->detail - n, "   %s", file);
    }
    if (in->labelled) {
        const char *defect = drae__source_defect_name(in->source, r->defect);
        bool named = r->label == 1 && r->defect > 0 && defect[0] != '\0';
        (void)snprintf(o->truth, sizeof o->truth, "label: %s%s%.60s%s",
                       r->label == 1 ? "defective" : "good", named ? " (" : "", named ? defect : "",
                       named ? ")" : "");
    }
    o->overlay = (drae__overlay){.size = in->size,
                                 .patch = pixels,
                                 .heat = pixels + p->patch_bytes,
                                 .heat_fixed = pixels + 2 * p->patch_bytes,
                                 .anchor = in->anchor[r->region],
                                 .kind = drae_score_text(in->kind[r->region]),
                                 .on_z = in->kind[r->region] == DRAE_SCORE_Z,
                                 .score = in->scores[index],
                                 .threshold = in->threshold[r->region],
                                 .mark = mark_of(in->reasons[index]),
                                 .region = o->region,
                                 .detail = o->detail,
                                 .truth = o->truth,
                                 .label = in->labelled ? (int)r->label : -1};
    char name[64];
    bool rejected = o->overlay.mark != DRAE__MARK_GOOD && o->overlay.mark != DRAE__MARK_OPEN;
    (void)snprintf(name, sizeof name, "patch-%08zu-r%d%s.png", index, (int)r->region,
                   rejected                        ? "-reject"
                   : in->labelled && r->label == 1 ? "-missed"
                                                   : "");
    status = path_of(p, o->job.path, DRAE__OVERLAYS_FOLDER, name, err);
    if (status != DRAE_OK) {
        destroy_overlay(&o->job);
        return status;
    }
    p->n_overlays++;
    return drae__picture_queue_put(p->queue, &o->job, err);
}

/* ---- sheets ---- */

static void draw_sheet(const drae__picture_job *job, uint8_t *rgb) {
    drae__sheet_draw(&((const sheet_job *)(const void *)job)->sheet, rgb);
}

static void destroy_sheet(drae__picture_job *job) {
    sheet_job *s = (sheet_job *)(void *)job;
    if (s != NULL) {
        free(s->cells);
        free(s->pixels);
        free(s);
    }
}

static drae_status new_sheet(drae__pictures *p, int n_columns, int n_rows, drae__err *err) {
    size_t n_cells = (size_t)n_columns * (size_t)n_rows;
    sheet_job *s = calloc(1, sizeof *s);
    if (s == NULL) {
        return drae__fail(err, DRAE_ERROR_MEMORY, "no memory for a contact sheet");
    }
    s->cells = calloc(n_cells, sizeof *s->cells);
    s->pixels = malloc(n_cells * 2 * p->patch_bytes);
    if (s->cells == NULL || s->pixels == NULL) {
        destroy_sheet(&s->job);
        return drae__fail(err, DRAE_ERROR_MEMORY, "no memory for a contact sheet");
    }
    s->job.draw = draw_sheet;
    s->job.destroy = destroy_sheet;
    s->sheet.size = p->inspection->size;
    s->sheet.n_columns = n_columns;
    s->sheet.n_rows = n_rows;
    s->sheet.cells = s->cells;
    p->sheet = s;
    return DRAE_OK;
}

static drae_status send_sheet(drae__pictures *p, const char *name, drae__err *err) {
    sheet_job *s = p->sheet;
    p->sheet = NULL;
    drae_status status = path_of(p, s->job.path, DRAE__SHEETS_FOLDER, name, err);
    if (status == DRAE_OK && !drae__sheet_extent(&s->sheet, &s->job.width, &s->job.height)) {
        status = drae__fail(err, DRAE_ERROR_INTERNAL, "%s: sheet too large", s->job.path);
    }
    if (status != DRAE_OK) {
        destroy_sheet(&s->job);
        return status;
    }
    p->n_sheets++;
    return drae__picture_queue_put(p->queue, &s->job, err);
}

/* Which of two patches of one place is shown: a defect before a missing result before a good one,
 * then the higher score. */
static int severity(drae__mark mark) {
    switch (mark) {
    case DRAE__MARK_REJECT:
        return 4;
    case DRAE__MARK_NO_RESULT:
        return 3;
    case DRAE__MARK_OPEN:
        return 2;
    case DRAE__MARK_GOOD:
        return 1;
    case DRAE__MARK_NONE:
        break;
    }
    return 0;
}

static void put_cell(drae__pictures *p, size_t at, size_t index, const uint8_t *patch,
                     const uint8_t *heat_fixed) {
    const drae__inspection *in = p->inspection;
    const drae__record *r = &in->records[index];
    drae__sheet_cell *cell = &p->sheet->cells[at];
    drae__mark mark = mark_of(in->reasons[index]);
    float score = in->scores[index];
    int label = in->labelled ? r->label : -1;
    bool first = cell->mark == DRAE__MARK_NONE;
    int known = first || label > cell->label ? label : cell->label;
    bool worse = severity(mark) > severity(cell->mark) ||
                 (severity(mark) == severity(cell->mark) && score > cell->score);
    if (first || worse) {
        uint8_t *pixels = p->sheet->pixels + at * 2 * p->patch_bytes;
        *cell =
            (drae__sheet_cell){.mark = mark, .score = score, .threshold = in->threshold[r->region]};
        if (patch != NULL) {
            memcpy(pixels, patch, p->patch_bytes);
            memcpy(pixels + p->patch_bytes, heat_fixed, p->patch_bytes);
            cell->patch = pixels;
            cell->heat = pixels + p->patch_bytes;
        } else {
            (void)snprintf(cell->why, sizeof cell->why, "%s",
                           drae_reason_text((drae_reason)in->reasons[index]));
        }
        if (in->hierarchy.n_strips == 0) {
            (void)snprintf(cell->note, sizeof cell->note, "#%zu", index);
        } else if (in->hierarchy.frames.n > 1) {
            (void)snprintf(cell->note, sizeof cell->note, "frame %d",
                           (int)in->hierarchy.frames.values[in->hierarchy.frame_of[index]]);
        }
    }
    cell->label = known;
}

static drae_status put_on_strip(drae__pictures *p, size_t index, const uint8_t *patch,
                                const uint8_t *heat_fixed, drae__err *err) {
    const drae__hierarchy *h = &p->inspection->hierarchy;
    const drae__record *r = &p->inspection->records[index];
    if (p->sheet == NULL) {
        drae_status status = new_sheet(p, h->vials.n, h->regions.n, err);
        if (status != DRAE_OK) {
            return status;
        }
    }
    int at = drae__level(&h->regions, r->region) * h->vials.n + drae__level(&h->vials, r->vial);
    put_cell(p, (size_t)at, index, patch, heat_fixed);
    return DRAE_OK;
}

static drae_status end_grid(drae__pictures *p, drae__err *err) {
    drae__sheet *sheet = &p->sheet->sheet;
    int n = (int)p->n_on_grid;
    int rejected = 0;
    for (int i = 0; i < n; i++) {
        drae__mark mark = p->sheet->cells[i].mark;
        rejected += mark == DRAE__MARK_REJECT || mark == DRAE__MARK_NO_RESULT;
    }
    size_t last = p->first_on_grid + p->n_on_grid - 1;
    (void)snprintf(sheet->title, sizeof sheet->title, "patches %zu to %zu", p->first_on_grid, last);
    (void)snprintf(sheet->summary, sizeof sheet->summary, "%d of %d rejected", rejected, n);
    sheet->n_rows = (n + GRID_COLUMNS - 1) / GRID_COLUMNS;
    sheet->n_columns = n < GRID_COLUMNS ? n : GRID_COLUMNS;
    char name[64];
    (void)snprintf(name, sizeof name, "sheet-%08zu-%08zu.png", p->first_on_grid, last);
    p->n_on_grid = 0;
    return send_sheet(p, name, err);
}

static drae_status put_on_grid(drae__pictures *p, size_t index, const uint8_t *patch,
                               const uint8_t *heat_fixed, drae__err *err) {
    if (p->sheet == NULL) {
        drae_status status = new_sheet(p, GRID_COLUMNS, GRID_ROWS, err);
        if (status != DRAE_OK) {
            return status;
        }
        p->first_on_grid = index;
    }
    put_cell(p, p->n_on_grid++, index, patch, heat_fixed);
    return p->n_on_grid == (size_t)GRID_COLUMNS * GRID_ROWS ? end_grid(p, err) : DRAE_OK;
}

/* What the strip lacks, which no patch could tell. */
static void mark_missing(sheet_job *s, const drae__inspection *in, int v, int r) {
    const drae__hierarchy *h = &in->hierarchy;
    drae__sheet_cell *cell = &s->cells[r * h->vials.n + v];
    for (int f = 0; f < h->frames.n && cell->mark != DRAE__MARK_REJECT; f++) {
        drae_verdict verdict = DRAE_VERDICT_UNDECIDED;
        drae_reason reason = DRAE_REASON_NONE;
        (void)drae_strip_patch_verdict(in->strip, f, v, r, &verdict, &reason);
        if (reason != DRAE_REASON_MISSING && reason != DRAE_REASON_DUPLICATE) {
            continue;
        }
        *cell = (drae__sheet_cell){.mark = DRAE__MARK_NO_RESULT,
                                   .score = NAN,
                                   .threshold = in->threshold[h->regions.values[r]],
                                   .label = cell->mark == DRAE__MARK_NONE ? -1 : cell->label};
        (void)snprintf(cell->why, sizeof cell->why, "%s", drae_reason_text(reason));
        if (h->frames.n > 1) {
            (void)snprintf(cell->note, sizeof cell->note, "frame %d", (int)h->frames.values[f]);
        }
        return;
    }
}

static void fill_head(drae__sheet_head *head, const drae__inspection *in, const sheet_job *s,
                      int v) {
    const drae__hierarchy *h = &in->hierarchy;
    drae_verdict verdict = DRAE_VERDICT_UNDECIDED;
    drae_reason reason = DRAE_REASON_MISSING;
    int region = 0;
    (void)drae_strip_vial_verdict(in->strip, v, &verdict, &reason);
    head->mark = mark_of((uint8_t)reason);
    (void)snprintf(head->name, sizeof head->name, "vial %d", (int)h->vials.values[v]);
    if (reason == DRAE_REASON_SCORE &&
        drae_strip_vial_cause(in->strip, v, NULL, &region) == DRAE_OK) {
        char name[32];
        drae__region_name(in, h->regions.values[region], name);
        (void)snprintf(head->why, sizeof head->why, "%s %#.4g", name,
                       (double)s->cells[region * h->vials.n + v].score);
    } else if (reason != DRAE_REASON_NONE) {
        (void)snprintf(head->why, sizeof head->why, "%s", drae_reason_text(reason));
    }
}

drae_status drae__pictures_strip(drae__pictures *p, size_t s, drae__err *err) {
    const drae__inspection *in = p->inspection;
    const drae__hierarchy *h = &in->hierarchy;
    drae_status status = DRAE_OK;
    if (!p->sheets) {
        return DRAE_OK;
    }
    DRAE__TRY(drae__inspection_decide(in, s, err));
    sheet_job *job = p->sheet;
    drae__sheet *sheet = &job->sheet;
    int rejected = 0;
    for (int v = 0; v < h->vials.n; v++) {
        for (int r = 0; r < h->regions.n; r++) {
            mark_missing(job, in, v, r);
        }
        fill_head(&job->heads[v], in, job, v);
        rejected +=
            job->heads[v].mark == DRAE__MARK_REJECT || job->heads[v].mark == DRAE__MARK_NO_RESULT;
    }
    for (int r = 0; r < h->regions.n; r++) {
        drae__region_name(in, h->regions.values[r], job->row_names[r]);
    }
    sheet->heads = job->heads;
    sheet->row_names = (const char(*)[32])job->row_names;
    drae_verdict verdict = DRAE_VERDICT_UNDECIDED;
    drae_reason reason = DRAE_REASON_MISSING;
    (void)drae_strip_verdict(in->strip, &verdict, &reason);
    /* A strip that lacks results is as much a reject as any. */
    sheet->mark = mark_of((uint8_t)reason) == DRAE__MARK_NO_RESULT ? DRAE__MARK_REJECT
                                                                   : mark_of((uint8_t)reason);
    const drae__record *first = &in->records[h->order[h->strips[s]]];
    append(sheet->title, sizeof sheet->title, "batch", first->batch);
    append(sheet->title, sizeof sheet->title, "product", first->product);
    append(sheet->title, sizeof sheet->title, "run", first->run);
    (void)snprintf(sheet->summary, sizeof sheet->summary, "%d of %d vials rejected", rejected,
                   h->vials.n);
    char name[96];
    (void)snprintf(name, sizeof name, "strip-%06zu-product-%d-run-%d%s.png", s, (int)first->product,
                   first->run == DRAE__UNRECORDED ? 0 : (int)first->run,
                   rejected > 0 ? "-reject" : "");
    status = send_sheet(p, name, err);
done:
    return status;
}

/* ---- all ---- */

static bool sheet_fits(const drae__inspection *in) {
    const drae__hierarchy *h = &in->hierarchy;
    drae__sheet_head head = {0};
    char name[1][32] = {{0}};
    drae__sheet sheet = {.size = in->size, .n_columns = GRID_COLUMNS, .n_rows = GRID_ROWS};
    if (h->n_strips > 0) {
        sheet.n_columns = h->vials.n;
        sheet.n_rows = h->regions.n;
        sheet.heads = &head;
        sheet.row_names = (const char(*)[32])name;
    }
    int width = 0;
    int height = 0;
    return drae__sheet_extent(&sheet, &width, &height);
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
    fresh->sheets = sheets && sheet_fits(inspection);
    if (fresh->sheets) {
        DRAE__TRY(path_of(fresh, path, DRAE__SHEETS_FOLDER, "", err));
        DRAE__TRY(drae__file_make_folder(path, err));
    }
    if (heatmaps != DRAE__HEATMAPS_NONE) {
        DRAE__TRY(path_of(fresh, path, DRAE__OVERLAYS_FOLDER, "", err));
        DRAE__TRY(drae__file_make_folder(path, err));
    }
    DRAE__TRY(drae__picture_queue_create(n_threads, &fresh->queue, err));
    *pictures = fresh;
    fresh = NULL;
done:
    drae__pictures_destroy(fresh);
    return status;
}

drae_status drae__pictures_put(drae__pictures *p, size_t index, const uint8_t *patch,
                               const uint8_t *heat, const uint8_t *heat_fixed, drae__err *err) {
    drae_status status = DRAE_OK;
    if (patch != NULL && wants_overlay(p, index)) {
        DRAE__TRY(put_overlay(p, index, patch, heat, heat_fixed, err));
    }
    if (p->sheets) {
        DRAE__TRY(p->inspection->hierarchy.n_strips > 0
                      ? put_on_strip(p, index, patch, heat_fixed, err)
                      : put_on_grid(p, index, patch, heat_fixed, err));
    }
done:
    return status;
}

drae_status drae__pictures_finish(drae__pictures *p, size_t *n_sheets, size_t *n_overlays,
                                  drae__err *err) {
    drae_status status = DRAE_OK;
    if (p->n_on_grid > 0) {
        DRAE__TRY(end_grid(p, err));
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
        destroy_sheet(p->sheet == NULL ? NULL : &p->sheet->job);
        free(p);
    }
}
