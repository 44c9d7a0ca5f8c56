/* SPDX-License-Identifier: Apache-2.0 */
/* drae inspect: sheets/, a contact sheet of each strip, or of every 60 patches without strips. */
#include "cli/inspect_pictures_private.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A sheet without strips. */
enum { GRID_COLUMNS = 10, GRID_ROWS = 6 };

static void draw_sheet(const drae__picture_job *job, uint8_t *rgb) {
    drae__sheet_draw(&((const drae__sheet_job *)(const void *)job)->sheet, rgb);
}

void drae__sheet_destroy(drae__picture_job *job) {
    drae__sheet_job *s = (drae__sheet_job *)(void *)job;
    if (s != NULL) {
        free(s->cells);
        free(s->pixels);
        free(s);
    }
}

static drae_status new_sheet(drae__pictures *p, int n_columns, int n_rows, drae__err *err) {
    size_t n_cells = (size_t)n_columns * (size_t)n_rows;
    drae__sheet_job *s = calloc(1, sizeof *s);
    if (s == NULL) {
        return drae__fail(err, DRAE_ERROR_MEMORY, "no memory for a contact sheet");
    }
    s->cells = calloc(n_cells, sizeof *s->cells);
    s->pixels = malloc(n_cells * 3 * p->patch_bytes);
    if (s->cells == NULL || s->pixels == NULL) {
        drae__sheet_destroy(&s->job);
        return drae__fail(err, DRAE_ERROR_MEMORY, "no memory for a contact sheet");
    }
    s->job.draw = draw_sheet;
    s->job.destroy = drae__sheet_destroy;
    s->sheet.size = p->inspection->size;
    s->sheet.n_columns = n_columns;
    s->sheet.n_rows = n_rows;
    s->sheet.cells = s->cells;
    p->sheet = s;
    return DRAE_OK;
}

static drae_status send_sheet(drae__pictures *p, const char *name, drae__err *err) {
    drae__sheet_job *s = p->sheet;
    p->sheet = NULL;
    drae_status status = drae__pictures_path(p, s->job.path, DRAE__SHEETS_FOLDER, name, err);
    if (status == DRAE_OK && !drae__sheet_extent(&s->sheet, &s->job.width, &s->job.height)) {
        status = drae__fail(err, DRAE_ERROR_INTERNAL, "%s: sheet too large", s->job.path);
    }
    if (status != DRAE_OK) {
        drae__sheet_destroy(&s->job);
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

static void put_cell(drae__pictures *p, size_t at, size_t index, const drae__pictured *what) {
    const drae__inspection *in = p->inspection;
    const drae__record *r = &in->records[index];
    drae__sheet_cell *cell = &p->sheet->cells[at];
    drae__mark mark = drae__reason_mark(in->reasons[index]);
    float score = in->scores[index];
    int label = in->labelled ? r->label : -1;
    bool first = cell->mark == DRAE__MARK_NONE;
    int known = first || label > cell->label ? label : cell->label;
    bool worse = severity(mark) > severity(cell->mark) ||
                 (severity(mark) == severity(cell->mark) && score > cell->score);
    if (first || worse) {
        uint8_t *pixels = p->sheet->pixels + at * 3 * p->patch_bytes;
        *cell =
            (drae__sheet_cell){.mark = mark, .score = score, .threshold = in->threshold[r->region]};
        if (what->patch != NULL) {
            memcpy(pixels, what->patch, p->patch_bytes);
            memcpy(pixels + p->patch_bytes, what->heat_fixed, p->patch_bytes);
            cell->patch = pixels;
            cell->heat = pixels + p->patch_bytes;
            cell->peak = what->peak;
            if (what->mask != NULL) {
                cell->mask = memcpy(pixels + 2 * p->patch_bytes, what->mask, p->patch_bytes);
            }
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

drae_status drae__sheet_put_on_strip(drae__pictures *p, size_t index, const drae__pictured *what,
                                     drae__err *err) {
    const drae__hierarchy *h = &p->inspection->hierarchy;
    const drae__record *r = &p->inspection->records[index];
    if (p->sheet == NULL) {
        drae_status status = new_sheet(p, h->vials.n, h->regions.n, err);
        if (status != DRAE_OK) {
            return status;
        }
    }
    int at = drae__level(&h->regions, r->region) * h->vials.n + drae__level(&h->vials, r->vial);
    put_cell(p, (size_t)at, index, what);
    return DRAE_OK;
}

drae_status drae__sheet_end_grid(drae__pictures *p, drae__err *err) {
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

drae_status drae__sheet_put_on_grid(drae__pictures *p, size_t index, const drae__pictured *what,
                                    drae__err *err) {
    if (p->sheet == NULL) {
        drae_status status = new_sheet(p, GRID_COLUMNS, GRID_ROWS, err);
        if (status != DRAE_OK) {
            return status;
        }
        p->first_on_grid = index;
    }
    put_cell(p, p->n_on_grid++, index, what);
    return p->n_on_grid == (size_t)GRID_COLUMNS * GRID_ROWS ? drae__sheet_end_grid(p, err)
                                                            : DRAE_OK;
}

/* What the strip lacks, which no patch could tell. */
static void mark_missing(drae__sheet_job *s, const drae__inspection *in, int v, int r) {
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

static void fill_head(drae__sheet_head *head, const drae__inspection *in, const drae__sheet_job *s,
                      int v) {
    const drae__hierarchy *h = &in->hierarchy;
    drae_verdict verdict = DRAE_VERDICT_UNDECIDED;
    drae_reason reason = DRAE_REASON_MISSING;
    int region = 0;
    (void)drae_strip_vial_verdict(in->strip, v, &verdict, &reason);
    head->mark = drae__reason_mark((uint8_t)reason);
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
    drae__sheet_job *job = p->sheet;
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
    sheet->mark = drae__reason_mark((uint8_t)reason) == DRAE__MARK_NO_RESULT
                      ? DRAE__MARK_REJECT
                      : drae__reason_mark((uint8_t)reason);
    const drae__record *first = &in->records[h->order[h->strips[s]]];
    drae__append_number(sheet->title, sizeof sheet->title, "batch", first->batch);
    drae__append_number(sheet->title, sizeof sheet->title, "product", first->product);
    drae__append_number(sheet->title, sizeof sheet->title, "run", first->run);
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

bool drae__sheet_fits(const drae__inspection *in) {
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
