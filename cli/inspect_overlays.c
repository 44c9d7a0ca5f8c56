/* SPDX-License-Identifier: Apache-2.0 */
/* drae inspect: patches/, an overlay of each patch that is wanted. */
#include "cli/inspect_pictures_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct overlay_job {
    drae__picture_job job; /* first: the queue knows this part */
    drae__overlay overlay;
    char region[32];
    char detail[160];
    char truth[96];
    uint8_t *pixels; /* [4,size,size]: patch, heat, heat_fixed, mask */
} overlay_job;

static void draw_overlay(const drae__picture_job *job, uint8_t *rgb) {
    drae__overlay_draw(&((const overlay_job *)(const void *)job)->overlay, rgb);
}

static void destroy_overlay(drae__picture_job *job) {
    free(((overlay_job *)(void *)job)->pixels);
    free(job);
}

bool drae__overlay_wanted(const drae__pictures *p, size_t index) {
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

drae_status drae__overlay_put(drae__pictures *p, size_t index, const drae__pictured *what,
                              drae__err *err) {
    const drae__inspection *in = p->inspection;
    const drae__record *r = &in->records[index];
    drae_status status = DRAE_OK;
    overlay_job *o = calloc(1, sizeof *o);
    uint8_t *pixels = malloc(4 * p->patch_bytes);
    if (o == NULL || pixels == NULL) {
        free(pixels);
        free(o);
        return drae__fail(err, DRAE_ERROR_MEMORY, "no memory for an overlay");
    }
    memcpy(pixels, what->patch, p->patch_bytes);
    memcpy(pixels + p->patch_bytes, what->heat, p->patch_bytes);
    memcpy(pixels + 2 * p->patch_bytes, what->heat_fixed, p->patch_bytes);
    if (what->mask != NULL) {
        memcpy(pixels + 3 * p->patch_bytes, what->mask, p->patch_bytes);
    }
    o->pixels = pixels;
    o->job.draw = draw_overlay;
    o->job.destroy = destroy_overlay;
    drae__overlay_extent(in->size, &o->job.width, &o->job.height);
    drae__region_name(in, r->region, o->region);
    (void)snprintf(o->detail, sizeof o->detail, "patch %zu", index);
    drae__append_number(o->detail, sizeof o->detail, "batch", r->batch);
    drae__append_number(o->detail, sizeof o->detail, "product", r->product);
    drae__append_number(o->detail, sizeof o->detail, "run", r->run);
    drae__append_number(o->detail, sizeof o->detail, "frame", r->frame);
    drae__append_number(o->detail, sizeof o->detail, "vial", r->vial);
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
                                 .mask = what->mask != NULL ? pixels + 3 * p->patch_bytes : NULL,
                                 .peak = what->peak,
                                 .anchor = in->anchor[r->region],
                                 .kind = drae_score_text(in->kind[r->region]),
                                 .on_z = in->kind[r->region] == DRAE_SCORE_Z,
                                 .score = in->scores[index],
                                 .threshold = in->threshold[r->region],
                                 .mark = drae__reason_mark(in->reasons[index]),
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
    status = drae__pictures_path(p, o->job.path, DRAE__OVERLAYS_FOLDER, name, err);
    if (status != DRAE_OK) {
        destroy_overlay(&o->job);
        return status;
    }
    p->n_overlays++;
    return drae__picture_queue_put(p->queue, &o->job, err);
}
