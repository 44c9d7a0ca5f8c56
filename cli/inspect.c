/* SPDX-License-Identifier: Apache-2.0 */
/*
 * drae inspect: patches, images or frames through an engine; verdicts, heatmaps and contact sheets
 * out. One batch at a time is in memory: a thread reads the next, this one infers, others draw.
 */
#include "cli/batch_reader.h"
#include "cli/cli.h"
#include "cli/inspect_folder.h"
#include "cli/inspect_pictures.h"
#include "cli/inspect_results.h"

#include "base/file.h"
#include "io/maps.h"
#include "io/progress.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct options {
    const char *engine;
    drae__text_list data;
    const char *out;
    const char *recipe;
    const char *heatmaps;
    const char *maps;
    const char *vote;
    long region;
    long threads;
    bool force;
    bool quiet;
} options;

/* What the loop over batches works with. Zeroed is empty; release() frees what is there. */
typedef struct run {
    const options *o;
    drae__inspection in;
    drae_engine *engine;
    drae_session *session;
    drae__batch_reader *reader;
    drae__results *results;
    drae__pictures *pictures;
    drae__maps *maps;
    int lock;
    size_t *order; /* the identity, where maps ask for it */
    size_t n_batch;
    uint8_t *regions;
    float *scores;
    uint8_t *heat, *heat_fixed;
    float *residual, *recon, *z;
    float *all_scores; /* [n_batch,DRAE_SCORES] */
    size_t n_done;
    size_t n_strips_done;
    size_t n_sheets, n_overlays;
    size_t n_lost; /* frames without their part */
} run;

#define LOST_LINES 10 /* frames whose reason is printed one by one */

static void release(run *r) {
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
    free(r->z);
    free(r->all_scores);
    if (r->lock >= 0) {
        drae__file_unlock(r->lock);
    }
}

/* ---- set-up ---- */

static drae_status open_engine(run *r, drae__err *err) {
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

static drae_status read_calibration(run *r, drae__err *err) {
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

static drae_status prepare_strips(run *r, drae__err *err) {
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
static drae_status choose_order(run *r, drae__err *err) {
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

static drae_status bind(run *r, drae_output output, void **dst, drae__err *err) {
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

static drae_status prepare_buffers(run *r, drae__err *err) {
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
    if (r->o->maps != NULL) {
        DRAE__TRY(bind(r, DRAE_OUTPUT_RESIDUAL, (void **)&r->residual, err));
        DRAE__TRY(bind(r, DRAE_OUTPUT_RECON, (void **)&r->recon, err));
        if (in->maps) {
            DRAE__TRY(bind(r, DRAE_OUTPUT_Z, (void **)&r->z, err));
        }
    }
done:
    return status;
}

static drae_status prepare(run *r, drae__err *err) {
    drae_status status = DRAE_OK;
    drae__inspection *in = &r->in;
    const options *o = r->o;
    DRAE__TRY(open_engine(r, err));
    DRAE__TRY(drae__source_open(o->data.items, o->data.n, o->recipe, in->size, (int)o->region,
                                &in->source, err));
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

/* ---- the loop ---- */

/* The patches that there are, moved together at the front; their number. */
static size_t pack(const run *r, drae__batch *batch) {
    size_t n_bytes = (size_t)r->in.size * (size_t)r->in.size;
    size_t n = 0;
    for (size_t i = 0; i < batch->n; i++) {
        if (batch->reasons[i] == DRAE_REASON_NONE) {
            r->regions[n] = (uint8_t)r->in.records[batch->indices[i]].region;
            if (n != i) {
                memcpy(batch->patches + n * n_bytes, batch->patches + i * n_bytes, n_bytes);
            }
            n++;
        }
    }
    return n;
}

static drae_status put_maps(run *r, const drae__batch *batch, drae__err *err) {
    size_t n_pixels = (size_t)r->in.size * (size_t)r->in.size;
    float *nothing = NULL;
    drae_status status = DRAE_OK;
    size_t k = 0;
    for (size_t i = 0; i < batch->n && status == DRAE_OK; i++) {
        if (batch->reasons[i] == DRAE_REASON_NONE) {
            status =
                drae__maps_append(r->maps, 1, r->recon + k * n_pixels, r->residual + k * n_pixels,
                                  r->z != NULL ? r->z + k * n_pixels : NULL, err);
            k++;
            continue;
        }
        if (nothing == NULL && (nothing = calloc(n_pixels, sizeof *nothing)) == NULL) {
            return drae__fail(err, DRAE_ERROR_MEMORY, "no memory for a map");
        }
        status = drae__maps_append(r->maps, 1, nothing, nothing, nothing, err);
    }
    free(nothing);
    return status;
}

static drae_status inspect_batch(run *r, drae__batch *batch, drae__err *err) {
    drae__inspection *in = &r->in;
    const drae__hierarchy *h = &in->hierarchy;
    size_t n_bytes = (size_t)in->size * (size_t)in->size;
    size_t n = pack(r, batch);
    drae_status status =
        drae_session_infer(r->session, n, batch->patches, r->regions, r->scores, NULL);
    if (status != DRAE_OK && status != DRAE_ERROR_NOT_FINITE) {
        return drae__fail(err, status == DRAE_ERROR_ARGUMENT ? DRAE_ERROR_INTERNAL : status, "%s",
                          drae_session_error(r->session));
    }
    size_t k = 0;
    for (size_t i = 0; i < batch->n; i++) {
        size_t index = batch->indices[i];
        bool there = batch->reasons[i] == DRAE_REASON_NONE;
        in->scores[index] = there ? r->scores[k] : NAN;
        in->phi[index] = there ? r->all_scores[DRAE_SCORES * k + DRAE_SCORE_PHI] : NAN;
        in->z[index] = there ? r->all_scores[DRAE_SCORES * k + DRAE_SCORE_Z] : NAN;
        in->reasons[index] =
            there ? (uint8_t)drae__score_reason(in, index, r->scores[k]) : batch->reasons[i];
        DRAE__TRY(drae__pictures_put(
            r->pictures, index, there ? batch->patches + k * n_bytes : NULL,
            there ? r->heat + k * n_bytes : NULL, there ? r->heat_fixed + k * n_bytes : NULL, err));
        k += there ? 1 : 0;
        r->n_done++;
        if (r->order == NULL && h->n_strips > 0 && r->n_done == h->strips[r->n_strips_done + 1]) {
            DRAE__TRY(drae__pictures_strip(r->pictures, r->n_strips_done++, err));
        }
    }
    if (r->maps != NULL) {
        DRAE__TRY(put_maps(r, batch, err));
    }
    DRAE__TRY(drae__results_advance(r->results, err));
done:
    return status;
}

/* Why frames have no patches: results.jsonl says that they have none, a person wants to know why.
 */
static void tell_lost(run *r, const drae__batch *batch, drae__progress *progress) {
    for (size_t i = 0; i < batch->n; i++) {
        size_t index = batch->indices[i];
        const char *why = drae__source_why_lost(r->in.source, index);
        if (why != NULL && r->n_lost++ < LOST_LINES) {
            drae__progress_clear(progress);
            (void)fprintf(stderr, "drae inspect: %s: %s\n", drae__source_file(r->in.source, index),
                          why);
        }
    }
}

static drae_status inspect_all(run *r, drae__err *err) {
    drae_status status = DRAE_OK;
    drae__progress progress;
    drae__progress_begin(&progress, "patches", r->in.n, r->o->quiet);
    for (;;) {
        drae__batch batch;
        DRAE__TRY(drae__batch_reader_next(r->reader, &batch, err));
        if (batch.n == 0) {
            break;
        }
        tell_lost(r, &batch, &progress);
        DRAE__TRY(inspect_batch(r, &batch, err));
        drae__progress_update(&progress, r->n_done, NULL);
        if (drae__interrupted && r->n_done < r->in.n) {
            DRAE__TRY(drae__results_stop(r->results, err));
            status = drae__fail(err, DRAE_ERROR_INTERRUPTED,
                                "interrupted after %zu of %zu patches; %s/%s has them", r->n_done,
                                r->in.n, r->o->out, DRAE__RESULTS_PARTIAL_FILE);
            goto done;
        }
    }
    DRAE__TRY(drae__pictures_finish(r->pictures, &r->n_sheets, &r->n_overlays, err));
    if (r->maps != NULL) {
        drae__maps *maps = r->maps;
        r->maps = NULL;
        DRAE__TRY(drae__maps_finish(maps, err));
    }
    DRAE__TRY(drae__results_finish(r->results, err));
done:
    if (status == DRAE_OK) {
        drae__progress_end(&progress, r->n_done);
    }
    drae__progress_clear(&progress);
    if (r->n_lost > LOST_LINES) {
        (void)fprintf(stderr, "drae inspect: part not found in %zu more frames\n",
                      r->n_lost - LOST_LINES);
    }
    return status;
}

static drae_status conclude(run *r, drae__err *err) {
    const char *sha256 = "";
    (void)drae_engine_get_text(r->engine, DRAE_ENGINE_SHA256, &sha256);
    drae_status status = drae__results_summarize(r->results, sha256, r->o->quiet, err);
    if (status == DRAE_OK && !r->o->quiet) {
        printf("\n%s: %s, %s", r->o->out, DRAE__RESULTS_FILE, DRAE__SUMMARY_FILE);
        printf(", %zu contact sheets, %zu overlays\n", r->n_sheets, r->n_overlays);
        if (r->order != NULL) {
            printf("no contact sheets: the data's strips are scattered, and --maps asks for the "
                   "order of the data\n");
        }
    }
    return status;
}

/* ---- the command ---- */

static int inspect_main(int argc, char **argv) {
    options o = {.heatmaps = "rejects"};
    drae__option list[] = {
        DRAE__TEXT("engine", 0, &o.engine, "FILE", "compiled engine (drae compile)"),
        DRAE__LIST("data", &o.data, "PATH...", "data sets, or one folder of images or frames"),
        DRAE__TEXT("out", 'o', &o.out, "DIR", "folder for the results"),
        DRAE__TEXT("recipe", 0, &o.recipe, "FILE", "cut camera frames by this recipe"),
        DRAE__INT("region", &o.region, 0, 255, "N", "region of the images of a folder"),
        DRAE__CHOICE("heatmaps", &o.heatmaps, "all|rejects|none", "patches that get an overlay"),
        DRAE__TEXT("maps", 0, &o.maps, "FILE", "write reconstructions and residuals (HDF5)"),
        DRAE__TEXT("vote", 0, &o.vote, "K/N",
                   "runs of a product that must agree [7/10 in proportion]"),
        DRAE__INT("threads", &o.threads, 0, 1024, "N", "threads that infer, 0: one a processor"),
        DRAE__FLAG("force", 0, &o.force, "write into a folder that holds other files"),
        DRAE__FLAG("quiet", 'q', &o.quiet, "no progress, no table"),
    };
    size_t n_options = sizeof list / sizeof list[0];
    const drae__command *command = &drae__command_inspect;
    drae__err err = {{0}};
    run r = {.o = &o, .lock = -1};
    int code = drae__cli_parse(command, list, n_options, argc, argv, NULL);
    if (code < 0 && o.engine == NULL) {
        code = drae__cli_usage_error(command, "--engine is missing");
    } else if (code < 0 && o.data.n == 0) {
        code = drae__cli_usage_error(command, "--data is missing");
    } else if (code < 0 && o.out == NULL) {
        code = drae__cli_usage_error(command, "--out is missing");
    }
    if (code < 0) {
        drae__cli_catch_signals();
        drae_status status = prepare(&r, &err);
        if (status == DRAE_OK) {
            status = inspect_all(&r, &err);
        }
        if (status == DRAE_OK) {
            status = conclude(&r, &err);
        }
        code = status == DRAE_OK ? DRAE__EXIT_DONE : drae__cli_error(command, status, &err);
    }
    release(&r);
    drae__cli_free_list(&o.data);
    return code;
}

const drae__command drae__command_inspect = {
    .name = "inspect",
    .summary = "score patches, images or frames: verdicts, heatmaps, contact sheets",
    .usage = "drae inspect --engine line.drae --data FILE.h5|DIR --out DIR [options]",
    .description =
        "Scores every patch (phi = 1 - SSIM of the patch and its reconstruction), rejects where "
        "the\n"
        "score lies above the threshold of its region, then decides over vials, strips and\n"
        "products: any rejected patch rejects its vial, any rejected vial its strip, and no "
        "result\n"
        "means reject. DIR receives results.jsonl, summary.json, a contact sheet a strip "
        "(sheets/)\n"
        "and overlays of rejected patches (patches/). Interrupted, it leaves\n"
        "results.partial.jsonl. docs/inspect.md names every field.",
    .examples =
        "  drae inspect --engine line.drae --data kit.h5 --out report\n"
        "      inspects a data set\n"
        "  drae inspect --engine line.drae --data frames/ --recipe recipe.yaml --out report\n"
        "      cuts camera frames and inspects them\n"
        "  drae inspect --engine line.drae --data photos/ --out report --heatmaps all\n"
        "      inspects patch images, with an overlay of each",
    .run = inspect_main,
};
