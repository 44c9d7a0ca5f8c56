/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of a report share, scores.csv, and the pictures. */
#include "io/report.h"

#include "base/size.h"
#include "drae/line.h"
#include "io/canvas.h"
#include "io/image.h"
#include "io/text_file.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void drae__report_region(const drae__report *report, int region, char name[32]) {
    static const char *const of_vials[DRAE__REGIONS] = {"R0 flag", "R1 top body", "R2 liquid body",
                                                        "R3 bottom"};
    if (region < 0) {
        (void)snprintf(name, 32, "all regions");
    } else if (region < DRAE__REGIONS && report->vials) {
        (void)snprintf(name, 32, "%s", of_vials[region]);
    } else {
        (void)snprintf(name, 32, "region %d", region);
    }
}

double drae__report_published(const drae__level_figures *level, const char **row) {
    /* arXiv 2603.07577, balanced accuracy in percent. */
    static const double regions[DRAE__REGIONS] = {95.30, 95.15, 98.83, 99.84};
    static const char *const names[DRAE__REGIONS] = {"R0 flag", "R1 top body", "R2 liquid body",
                                                     "R3 bottom"};
    *row = "";
    switch (level->kind) {
    case DRAE__LEVEL_PATCH:
        if (level->region >= 0 && level->region < DRAE__REGIONS) {
            *row = names[level->region];
            return regions[level->region];
        }
        break;
    case DRAE__LEVEL_STRIP:
        *row = "product (strip)";
        return 95.81;
    case DRAE__LEVEL_PRODUCT:
        *row = "run, 7 of 10";
        return 96.38;
    case DRAE__LEVEL_VIAL:
        break;
    }
    return NAN;
}

size_t drae__report_without_product(const drae__report *report) {
    size_t n = 0;
    for (size_t i = 0; i < report->n; i++) {
        n += report->records[i].product == DRAE__UNRECORDED ? 1 : 0;
    }
    return n;
}

/* ---- scores.csv ---- */

static void put_column(drae__text_file *file, int32_t value) {
    if (value == DRAE__UNRECORDED) {
        drae__text_put(file, ",");
    } else {
        drae__text_print(file, ",%d", (int)value);
    }
}

static void put_number(drae__text_file *file, float value) {
    if (isfinite(value)) {
        drae__text_print(file, ",%.9g", (double)value);
    } else {
        drae__text_put(file, ",");
    }
}

drae_status drae__report_write_csv(const drae__report *report, const char *path, drae__err *err) {
    drae__text_file *file = NULL;
    drae_status status = drae__text_create(path, &file, err);
    if (status != DRAE_OK) {
        return status;
    }
    drae__text_put(file, "index,region,batch,recipe,station,product,run,frame,vial,label,defect,"
                         "defect_name");
    for (size_t s = 0; s < report->n_scores; s++) {
        drae__text_print(file, ",%s", report->scores[s].name);
    }
    drae__text_put(file, ",decides,threshold,reject,reason");
    if (report->baseline != NULL) {
        drae__text_put(file, ",template_threshold,template_reject");
    }
    drae__text_put(file, "\r\n");
    for (size_t i = 0; i < report->n; i++) {
        const drae__record *r = &report->records[i];
        drae_reason reason = (drae_reason)report->reasons[i];
        const drae__report_score *decides = &report->scores[report->decides[r->region]];
        drae__text_print(file, "%zu,%d", i, (int)r->region);
        const int32_t columns[] = {r->batch, r->recipe, r->station, r->product,
                                   r->run,   r->frame,  r->vial};
        for (size_t c = 0; c < sizeof columns / sizeof columns[0]; c++) {
            put_column(file, columns[c]);
        }
        put_column(file, report->labelled ? r->label : DRAE__UNRECORDED);
        put_column(file, report->labelled ? r->defect : DRAE__UNRECORDED);
        drae__text_put(file, ",");
        if (report->labelled && r->defect > 0) {
            drae__text_csv(file, report->defect_name(report->context, r->defect));
        }
        for (size_t s = 0; s < report->n_scores; s++) {
            put_number(file, report->scores[s].values[i]);
        }
        drae__text_print(file, ",%s", decides->name);
        put_number(file, decides->threshold[r->region]);
        if (reason == DRAE_REASON_UNCALIBRATED) {
            drae__text_put(file, ",,");
        } else {
            drae__text_print(file, ",%d,", reason != DRAE_REASON_NONE ? 1 : 0);
        }
        drae__text_csv(file, reason == DRAE_REASON_NONE ? "" : drae_reason_text(reason));
        if (report->baseline != NULL) {
            const drae__report_score *b = &report->scores[report->n_scores - 1];
            put_number(file, b->threshold[r->region]);
            if (isnan(b->threshold[r->region])) {
                drae__text_put(file, ",");
            } else {
                drae__text_print(file, ",%d", b->values[i] <= b->threshold[r->region] ? 0 : 1);
            }
        }
        drae__text_put(file, "\r\n");
    }
    return drae__text_finish(file, err);
}

/* ---- pictures ---- */

enum { GAP = 6 };

drae_status drae__report_draw(int size, const uint8_t *patch, const uint8_t *heat,
                              const uint8_t *mask, drae__spot peak, uint8_t **png, size_t *n_bytes,
                              drae__err *err) {
    static const drae__color paper = {255, 255, 255};
    /* About 256 pixels a side, by a whole factor. */
    int side = size >= 256 ? (size + (size + 255) / 256 - 1) / ((size + 255) / 256)
                           : size * ((256 + size / 2) / size);
    bool marked = false;
    for (int i = 0; mask != NULL && i < size * size && !marked; i++) {
        marked = mask[i] != 0;
    }
    int panels = marked ? 3 : 2;
    drae__canvas canvas = {.width = panels * side + (panels - 1) * GAP, .height = side};
    size_t n = 0;
    if (!drae__size_mul((size_t)canvas.width, (size_t)canvas.height * 3, &n) ||
        (canvas.rgb = malloc(n)) == NULL) {
        return drae__fail(err, DRAE_ERROR_MEMORY, "no memory for a picture");
    }
    drae__canvas_fill(&canvas, 0, 0, canvas.width, canvas.height, paper);
    drae__canvas_gray(&canvas, 0, 0, side, patch, size);
    drae__canvas_blend(&canvas, side + GAP, 0, side, patch, heat, size);
    drae__canvas_ring(&canvas, side + GAP, 0, side, peak, size);
    if (marked) {
        drae__canvas_gray(&canvas, 2 * (side + GAP), 0, side, patch, size);
        drae__canvas_outline(&canvas, 2 * (side + GAP), 0, side, mask, size);
    }
    drae_status status = drae__png_encode_rgb(canvas.rgb, canvas.width, canvas.height,
                                              canvas.width * 3, png, n_bytes, err);
    free(canvas.rgb);
    return status;
}
