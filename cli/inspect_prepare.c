/* SPDX-License-Identifier: Apache-2.0 */
/* drae inspect: engine and data, what is refused, and the memory of a run. */
#include "cli/inspect_run.h"

#include "base/file.h"
#include "cli/inspect_folder.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static drae_status open_engine(drae__inspect_run *r, drae__err *err) {
    char text[DRAE_ERROR_TEXT_BYTES] = "";
    drae_config *config = NULL;
    int64_t size = 0;
    drae_status status = drae_config_create(&config);
    if (status == DRAE_OK) {
        status = drae_config_set_int(config, DRAE_OPTION_THREADS, r->o->threads);
    }
    if (status == DRAE_OK) {
        status = drae_engine_open(r->o->engine, config, text, sizeof text, &r->engine);
    }
    if (status == DRAE_OK) {
        status = drae_session_create(r->engine, config, text, sizeof text, &r->session);
    }
    if (status == DRAE_OK) {
        status = drae_engine_get_int(r->engine, DRAE_ENGINE_SIZE, &size);
    }
    drae_config_destroy(config);
    if (status != DRAE_OK) {
        return drae__cli_engine_error(status, r->o->engine, text, err);
    }
    r->in.size = (int)size;
    r->n_batch = drae_session_batch(r->session);
    return DRAE_OK;
}

static drae_status read_calibration(drae__inspect_run *r, drae__err *err) {
    int64_t n_regions = 0;
    drae_status status = drae_engine_get_int(r->engine, DRAE_ENGINE_REGIONS, &n_regions);
    if (status != DRAE_OK) {
        return drae__fail(err, status, "%s: no number of regions", r->o->engine);
    }
    int64_t n_maps = 0;
    r->in.maps = drae_engine_get_int(r->engine, DRAE_ENGINE_MAPS, &n_maps) == DRAE_OK && n_maps > 0;
    int known = n_regions > 0 ? (int)n_regions : DRAE__REGIONS_MAX;
    for (int i = 0; i < DRAE__REGIONS_MAX; i++) {
        r->in.threshold[i] = NAN;
        r->in.undecided[i] = NAN;
        r->in.anchor[i] = NAN;
        if (i < known) {
            (void)drae_engine_get_threshold(r->engine, i, &r->in.threshold[i]);
            (void)drae_engine_get_undecided(r->engine, i, &r->in.undecided[i]);
            (void)drae_engine_get_anchor(r->engine, i, &r->in.anchor[i]);
            (void)drae_engine_get_score(r->engine, i, &r->in.kind[i]);
        }
    }
    for (size_t i = 0; i < r->in.n; i++) {
        int region = r->in.records[i].region;
        if (region < 0 || region >= known) {
            return drae__fail(err, DRAE_ERROR_FILE,
                              "%s: patch %zu has region %d; the engine was calibrated for regions "
                              "0..%d",
                              r->o->data.items[0], i, region, known - 1);
        }
    }
    return DRAE_OK;
}

static drae_status prepare_strips(drae__inspect_run *r, drae__err *err) {
    drae__inspection *in = &r->in;
    const drae__hierarchy *h = &in->hierarchy;
    drae_status status = drae__hierarchy_create(in->records, in->n, &in->hierarchy, err);
    if (status != DRAE_OK || h->n_strips == 0) {
        return status;
    }
    status = drae_strip_create(h->frames.n, h->vials.n, h->regions.n, &in->strip);
    for (int i = 0; i < h->regions.n && status == DRAE_OK; i++) {
        if (!isnan(in->threshold[h->regions.values[i]])) {
            status = drae_strip_set_threshold(in->strip, i, in->threshold[h->regions.values[i]]);
        }
        if (status == DRAE_OK && !isnan(in->undecided[h->regions.values[i]])) {
            status = drae_strip_set_undecided(in->strip, i, in->undecided[h->regions.values[i]]);
        }
    }
    if (status != DRAE_OK) {
        return drae__fail(err, status,
                          "cannot decide over strips of %d frames, %d vials, %d "
                          "regions: %s",
                          h->frames.n, h->vials.n, h->regions.n, drae_strip_error_text(in->strip));
    }
    in->vote_runs = (int)h->n_runs;
    in->vote_needed = drae__vote_needed(in->vote_runs);
    return r->o->vote == NULL
               ? DRAE_OK
               : drae__cli_vote(r->o->vote, h->n_runs, &in->vote_needed, &in->vote_runs, err);
}

/* Maps lie in index order in their file. Where strips are scattered in the data that is not the
 * order in which sheets can be made without keeping everything. */
static drae_status choose_order(drae__inspect_run *r, drae__err *err) {
    const drae__hierarchy *h = &r->in.hierarchy;
    bool identity = true;
    for (size_t i = 0; i < h->n && identity; i++) {
        identity = h->order[i] == i;
    }
    if (identity || r->o->maps == NULL) {
        return DRAE_OK;
    }
    r->order = calloc(h->n, sizeof *r->order);
    if (r->order == NULL) {
        return drae__fail(err, DRAE_ERROR_MEMORY, "no memory for %zu patches", h->n);
    }
    for (size_t i = 0; i < h->n; i++) {
        r->order[i] = i;
    }
    return DRAE_OK;
}

static drae_status bind(drae__inspect_run *r, drae_output output, void **dst, drae__err *err) {
    size_t n_bytes = 0;
    drae_status status = drae_output_patch_bytes(r->engine, output, &n_bytes);
    if (status == DRAE_OK) {
        *dst = calloc(r->n_batch, n_bytes);
        if (*dst == NULL) {
            return drae__fail(err, DRAE_ERROR_MEMORY, "no memory for a batch of heatmaps");
        }
        status = drae_session_set_output(r->session, output, *dst, r->n_batch * n_bytes);
    }
    return status == DRAE_OK ? DRAE_OK
                             : drae__fail(err, status, "%s", drae_session_error(r->session));
}

static drae_status prepare_buffers(drae__inspect_run *r, drae__err *err) {
    drae_status status = DRAE_OK;
    drae__inspection *in = &r->in;
    in->scores = calloc(in->n, sizeof *in->scores);
    in->phi = calloc(in->n, sizeof *in->phi);
    in->z = calloc(in->n, sizeof *in->z);
    in->reasons = malloc(in->n);
    r->regions = calloc(r->n_batch, 1);
    r->scores = calloc(r->n_batch, sizeof *r->scores);
    if (in->scores == NULL || in->phi == NULL || in->z == NULL || in->reasons == NULL ||
        r->regions == NULL || r->scores == NULL) {
        status = drae__fail(err, DRAE_ERROR_MEMORY, "no memory for %zu patches", in->n);
        goto done;
    }
    memset(in->reasons, DRAE__REASON_PENDING, in->n);
    DRAE__TRY(bind(r, DRAE_OUTPUT_SCORES, (void **)&r->all_scores, err));
    DRAE__TRY(bind(r, DRAE_OUTPUT_HEAT, (void **)&r->heat, err));
    DRAE__TRY(bind(r, DRAE_OUTPUT_HEAT_FIXED, (void **)&r->heat_fixed, err));
    bool by_z = false;
    bool by_phi = false;
    for (size_t i = 0; i < in->n; i++) {
        bool z = in->kind[in->records[i].region] == DRAE_SCORE_Z;
        by_z = by_z || z;
        by_phi = by_phi || !z;
    }
    if (by_phi || r->o->maps != NULL) {
        DRAE__TRY(bind(r, DRAE_OUTPUT_RESIDUAL, (void **)&r->residual, err));
    }
    if (by_z || (r->o->maps != NULL && in->maps)) {
        DRAE__TRY(bind(r, DRAE_OUTPUT_Z, (void **)&r->z, err));
    }
    if (r->o->maps != NULL) {
        DRAE__TRY(bind(r, DRAE_OUTPUT_RECON, (void **)&r->recon, err));
    }
    if (drae__source_has(in->source, "mask")) {
        r->mask = malloc((size_t)in->size * (size_t)in->size);
        if (r->mask == NULL) {
            status = drae__fail(err, DRAE_ERROR_MEMORY, "no memory for a mask");
        }
    }
done:
    return status;
}

drae_status drae__inspect_prepare(drae__inspect_run *r, drae__err *err) {
    drae_status status = DRAE_OK;
    drae__inspection *in = &r->in;
    const drae__inspect_options *o = r->o;
    DRAE__TRY(open_engine(r, err));
    DRAE__TRY(drae__source_open(o->data.items, o->data.n, o->recipe, in->size, (int)o->region,
                                &in->source, err));
    if (o->skip_bad && !drae__source_skip_bad(in->source)) {
        status =
            drae__fail(err, DRAE_ERROR_ARGUMENT,
                       "--skip-bad skips files of a folder: %s is a data set", o->data.items[0]);
        goto done;
    }
    in->n = drae__source_count(in->source);
    in->records = drae__source_records(in->source);
    in->labelled = drae__source_has(in->source, "label");
    DRAE__TRY(read_calibration(r, err));
    DRAE__TRY(prepare_strips(r, err));
    DRAE__TRY(choose_order(r, err));
    DRAE__TRY(prepare_buffers(r, err));
    /* Everything that can be refused was; now the folder may be touched. */
    DRAE__TRY(drae__inspect_folder_take(o->out, o->force, &r->lock, err));
    DRAE__TRY(drae__results_create(o->out, in, &r->results, err));
    drae__heatmaps heatmaps = strcmp(o->heatmaps, "all") == 0    ? DRAE__HEATMAPS_ALL
                              : strcmp(o->heatmaps, "none") == 0 ? DRAE__HEATMAPS_NONE
                                                                 : DRAE__HEATMAPS_REJECTS;
    /* At least two: while one waits for the disk to sync, the other draws. */
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    int n_threads = processors > 4 ? (int)(processors / 2) : 2;
    DRAE__TRY(drae__pictures_create(o->out, in, heatmaps, r->order == NULL, n_threads, &r->pictures,
                                    err));
    if (o->maps != NULL) {
        DRAE__TRY(drae__maps_create(o->maps, in->n, in->size, in->maps, &r->maps, err));
    }
    DRAE__TRY(drae__batch_reader_create(in->source,
                                        r->order != NULL ? r->order : in->hierarchy.order, in->n,
                                        r->n_batch, in->size, &r->reader, err));
done:
    return status;
}

void drae__inspect_release(drae__inspect_run *r) {
    drae__batch_reader_destroy(r->reader);
    drae__pictures_destroy(r->pictures);
    drae__results_close(r->results);
    drae__maps_abandon(r->maps);
    drae_session_destroy(r->session);
    drae_engine_close(r->engine);
    drae_strip_destroy(r->in.strip);
    drae__hierarchy_free(&r->in.hierarchy);
    drae__source_close(r->in.source);
    free(r->in.scores);
    free(r->in.phi);
    free(r->in.z);
    free(r->in.reasons);
    free(r->order);
    free(r->regions);
    free(r->scores);
    free(r->heat);
    free(r->heat_fixed);
    free(r->residual);
    free(r->recon);
    free(r->mask);
    free(r->z);
    free(r->all_scores);
    if (r->lock >= 0) {
        drae__file_unlock(r->lock);
    }
}
