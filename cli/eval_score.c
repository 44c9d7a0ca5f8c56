/* SPDX-License-Identifier: Apache-2.0 */
/* drae eval, knapp and drift: the scores of every patch. */
#include "cli/eval.h"

#include "drae/line.h"
#include "io/progress.h"
#include "line/mask.h"
#include "line/statistics.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

drae_status drae__eval_interrupted(size_t n_done, size_t n, const char *what, drae__err *err) {
    return drae__fail(err, DRAE_ERROR_INTERRUPTED,
                      "interrupted after %zu of %zu %s; nothing was written", n_done, n, what);
}

static drae__pixels **pixels_of(drae__eval *e, size_t score, int place) {
    return &e->pixels[score * (size_t)(e->report.n_regions + 1) + (size_t)place];
}

static void count_pixels(drae__eval *e, size_t score, size_t i, const float *map,
                         const uint8_t *mask) {
    int places[2] = {e->place[e->records[i].region], e->report.n_regions};
    for (int k = 0; k < 2; k++) {
        drae__pixels_add(*pixels_of(e, score, places[k]), e->cluster[i], map, mask);
    }
}

static void look_at_mask(drae__eval *e, size_t i, const uint8_t *patch, const uint8_t *mask) {
    e->extent[i] = NAN;
    e->contrast[i] = NAN;
    if (e->masks && e->records[i].label == 1) {
        drae__mask_size size = drae__mask_measure(e->size, patch, mask);
        e->extent[i] = size.area > 0 ? (float)size.extent : NAN;
        e->contrast[i] = size.contrast;
    }
}

static drae_status score_batch(drae__eval *e, size_t first, size_t n, drae__err *err) {
    size_t n_pixels = (size_t)e->size * (size_t)e->size;
    size_t indices[DRAE__EVAL_BATCH];
    drae_status status = DRAE_OK;
    for (size_t i = 0; i < n; i++) {
        indices[i] = first + i;
        e->regions[i] = (uint8_t)e->records[first + i].region;
    }
    DRAE__TRY(drae__dataset_read(e->data, indices, n, e->patches, err));
    if (e->masks) {
        DRAE__TRY(drae__dataset_read_masks(e->data, indices, n, e->masks_read, err));
    }
    status = drae_session_infer(e->session, n, e->patches, e->regions, NULL, NULL);
    if (status != DRAE_OK && status != DRAE_ERROR_NOT_FINITE) {
        (void)drae__fail(err, status, "patches %zu to %zu: %s", first, first + n - 1,
                         drae_session_error(e->session));
        goto done;
    }
    status = DRAE_OK;
    for (size_t i = 0; i < n; i++) {
        size_t at = first + i;
        const uint8_t *patch = e->patches + i * n_pixels;
        const uint8_t *mask = e->masks_read + i * n_pixels;
        int region = e->records[at].region;
        int decides = e->report.decides[region];
        float score = e->batch_scores[i * DRAE_SCORES + (size_t)decides];
        float threshold = e->scores[decides].threshold[region];
        float undecided = NAN;
        (void)drae_engine_get_undecided(e->engine, region, &undecided);
        e->reasons[at] = !isfinite(score)    ? DRAE_REASON_NOT_FINITE
                         : isnan(threshold)  ? DRAE_REASON_UNCALIBRATED
                         : score > threshold ? DRAE_REASON_SCORE
                         : score > undecided ? DRAE_REASON_BAND
                                             : DRAE_REASON_NONE;
        drae__learned_add(&e->learned, n_pixels, patch, e->recon + i * n_pixels);
        drae__grey_moments(n_pixels, patch, &e->grey[at], &e->spread[at]);
        look_at_mask(e, at, patch, mask);
        for (size_t s = 0; s < e->golden_score; s++) {
            e->values[s][at] = e->batch_scores[i * DRAE_SCORES + s];
            /* A region without maps has no z: nothing to count. */
            if (e->masks && !isnan(e->values[s][at])) {
                const float *map = s == DRAE_SCORE_Z ? e->z : e->residual;
                count_pixels(e, s, at, map + i * n_pixels, mask);
            }
        }
        if (e->golden != NULL) {
            e->values[e->golden_score][at] = drae__template_score(e->golden, region, patch, e->map);
            if (e->masks) {
                count_pixels(e, e->golden_score, at, e->map, mask);
            }
        }
    }
done:
    return status;
}

drae_status drae__eval_score(drae__eval *e, drae__err *err) {
    drae_status status = DRAE_OK;
    size_t n_done = 0;
    drae__progress progress;
    if (e->good != NULL) {
        status = drae__eval_template(e, err);
        if (status != DRAE_OK) {
            return status;
        }
    }
    drae__progress_begin(&progress, "patches", e->n, e->o->quiet);
    while (n_done < e->n && status == DRAE_OK) {
        size_t n = e->n - n_done < e->n_batch ? e->n - n_done : e->n_batch;
        if (drae__interrupted) {
            status = drae__eval_interrupted(n_done, e->n, "patches", err);
            break;
        }
        status = score_batch(e, n_done, n, err);
        n_done += n;
        drae__progress_update(&progress, n_done, NULL);
    }
    drae__progress_end(&progress, n_done);
    (void)drae_session_set_output(e->session, DRAE_OUTPUT_RECON, NULL, 0);
    e->report.caution = drae__learned_doubt(&e->learned, e->val_con);
    if (e->report.caution != NULL) {
        drae__eval_fact(e, "caution", "model", "%s", e->report.caution);
    }
    return status;
}

void drae__eval_warn(const drae__eval *e) {
    if (e->report.caution != NULL) {
        printf("warning: %s: %s\n", e->o->engine != NULL ? e->o->engine : e->o->model,
               e->report.caution);
    }
}

drae_status drae__eval_heat(drae__eval *e, size_t index, uint8_t *patch, uint8_t *heat,
                            drae__spot *peak, drae__err *err) {
    uint8_t region = (uint8_t)e->records[index].region;
    size_t n_bytes = (size_t)e->size * (size_t)e->size;
    bool by_z = e->report.decides[region] == DRAE_SCORE_Z;
    drae_output output = by_z ? DRAE_OUTPUT_Z : DRAE_OUTPUT_RESIDUAL;
    float *map = by_z ? e->z : e->residual; /* of a batch, which is done with */
    drae_status status = drae__dataset_read(e->data, &index, 1, patch, err);
    if (status != DRAE_OK) {
        return status;
    }
    status = drae_session_set_output(e->session, DRAE_OUTPUT_HEAT_FIXED, heat, n_bytes);
    if (status == DRAE_OK) {
        status =
            drae_session_set_output(e->session, output, map, e->n_batch * n_bytes * sizeof *map);
    }
    if (status == DRAE_OK) {
        status = drae_session_infer(e->session, 1, patch, &region, NULL, NULL);
    }
    (void)drae_session_set_output(e->session, DRAE_OUTPUT_HEAT_FIXED, NULL, 0);
    if (status != DRAE_OK && status != DRAE_ERROR_NOT_FINITE) {
        return drae__fail(err, status, "patch %zu: %s", index, drae_session_error(e->session));
    }
    *peak = drae__map_peak(map, e->size);
    return DRAE_OK;
}
