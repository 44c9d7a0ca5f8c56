/* SPDX-License-Identifier: Apache-2.0 */
/*
 * drae inspect: patches, images or frames through an engine; verdicts, heatmaps and contact sheets
 * out. One batch at a time is in memory: a thread reads the next, this one infers, others draw.
 */
#include "cli/inspect_run.h"

#include "io/progress.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOST_LINES 10 /* frames whose reason is printed one by one */

/* ---- the loop ---- */

/* The patches that there are, moved together at the front; their number. */
static size_t pack(const drae__inspect_run *r, drae__batch *batch) {
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

static drae_status put_maps(drae__inspect_run *r, const drae__batch *batch, drae__err *err) {
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

/* What is drawn of patch `index`, the k-th of what was inferred. */
static drae_status look_at(drae__inspect_run *r, size_t index, size_t k, const uint8_t *patch,
                           drae__pictured *what, drae__err *err) {
    const drae__inspection *in = &r->in;
    const drae__record *record = &in->records[index];
    size_t n_pixels = (size_t)in->size * (size_t)in->size;
    const float *map = in->kind[record->region] == DRAE_SCORE_Z ? r->z : r->residual;
    *what = (drae__pictured){.patch = patch,
                             .heat = r->heat + k * n_pixels,
                             .heat_fixed = r->heat_fixed + k * n_pixels,
                             .peak = drae__map_peak(map + k * n_pixels, in->size)};
    if (r->mask != NULL && record->label == 1) {
        what->mask = r->mask;
        return drae__source_read_mask(in->source, index, r->mask, err);
    }
    return DRAE_OK;
}

static drae_status inspect_batch(drae__inspect_run *r, drae__batch *batch, drae__err *err) {
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
        drae__pictured what = {0};
        if (there) {
            DRAE__TRY(look_at(r, index, k, batch->patches + k * n_bytes, &what, err));
        }
        DRAE__TRY(drae__pictures_put(r->pictures, index, &what, err));
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

/* Why files gave no patches: results.jsonl says that there are none, a person wants to know why. Of
 * frames without their part the first few, of bad files all. */
static void tell_lost(drae__inspect_run *r, const drae__batch *batch, drae__progress *progress) {
    for (size_t i = 0; i < batch->n; i++) {
        size_t index = batch->indices[i];
        const char *why = drae__source_why_lost(r->in.source, index);
        if (why == NULL) {
            continue;
        }
        bool bad = batch->reasons[i] == DRAE_REASON_IMAGE;
        r->n_bad += bad ? 1 : 0;
        if (bad || r->n_lost++ < LOST_LINES) {
            drae__progress_clear(progress);
            (void)fprintf(stderr, "drae inspect: %s: %s\n",
                          bad ? "passed over, rejected" : drae__source_file(r->in.source, index),
                          why);
        }
    }
}

static drae_status inspect_all(drae__inspect_run *r, drae__err *err) {
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

static drae_status conclude(drae__inspect_run *r, drae__err *err) {
    const char *sha256 = "";
    (void)drae_engine_get_text(r->engine, DRAE_ENGINE_SHA256, &sha256);
    drae_status status = drae__results_summarize(r->results, sha256, r->n_bad, r->o->quiet, err);
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

static int check(const drae__command *command, void *options) {
    const drae__inspect_options *o = options;
    const char *missing = o->engine == NULL ? "--engine"
                          : o->data.n == 0  ? "--data"
                          : o->out == NULL  ? "--out"
                                            : NULL;
    return missing == NULL ? -1 : drae__cli_usage_error(command, "%s is missing", missing);
}

static drae_status inspect(void *options, drae__err *err) {
    drae_status status = DRAE_OK;
    drae__inspect_run r = {.o = options, .lock = -1};
    DRAE__TRY(drae__inspect_prepare(&r, err));
    DRAE__TRY(inspect_all(&r, err));
    DRAE__TRY(conclude(&r, err));
done:
    drae__inspect_release(&r);
    return status;
}

static int inspect_main(int argc, char **argv) {
    drae__inspect_options o = {.heatmaps = "rejects"};
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
        DRAE__FLAG("skip-bad", 0, &o.skip_bad,
                   "of a folder: reject what cannot be read, and go on"),
        DRAE__FLAG("force", 0, &o.force, "write into a folder that holds other files"),
        DRAE__FLAG("quiet", 'q', &o.quiet, "no progress, no table"),
    };
    return drae__cli_run(&drae__command_inspect, list, sizeof list / sizeof list[0], argc, argv,
                         check, inspect, &o);
}

const drae__command drae__command_inspect = {
    .name = "inspect",
    .summary = "score patches, images or frames: verdicts, heatmaps, contact sheets",
    .usage = "drae inspect --engine line.drae --data FILE.h5|DIR --out DIR [options]",
    .description =
        "Scores every patch by phi or z, whichever calibration chose for its region, rejects "
        "where\n"
        "the score lies above the threshold, then decides over vials, strips and products: any\n"
        "rejected patch rejects its vial, any rejected vial its strip, and no result means "
        "reject.\n"
        "DIR receives results.jsonl, summary.json, a contact sheet a strip (sheets/) and overlays\n"
        "of rejected patches (patches/). A bad file of a folder ends the run, unless --skip-bad.\n"
        "Interrupted, it leaves results.partial.jsonl. docs/inspect.md names every field.",
    .examples =
        "  drae inspect --engine line.drae --data kit.h5 --out report\n"
        "      inspects a data set\n"
        "  drae inspect --engine line.drae --data frames/ --recipe recipe.yaml --out report\n"
        "      cuts camera frames and inspects them\n"
        "  drae inspect --engine line.drae --data photos/ --out report --heatmaps all\n"
        "      inspects patch images, with an overlay of each",
    .run = inspect_main,
};
