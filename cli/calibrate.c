/* SPDX-License-Identifier: Apache-2.0 */
/*
 * drae calibrate: thresholds and heatmap anchors per region from good products alone. The scores
 * are those of the engine that inspects (compiled in memory, on the CPU), so nothing is scored
 * twice in two ways.
 */
#include "cli/batch_reader.h"
#include "cli/cli.h"

#include "drae/engine.h"
#include "engine/compile.h"
#include "io/progress.h"
#include "io/weights.h"
#include "line/statistics.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Patches of one inference: keeps two cores busy without holding much. */
#define CALIBRATE_BATCH 16

#define ALL_NETS                                                                                   \
    (1u << DRAE__NET_GENERATOR | 1u << DRAE__NET_ENCODER2 | 1u << DRAE__NET_DISCRIMINATOR)

typedef struct options {
    const char *model;
    drae__text_list data;
    const char *out;
    double rate;
    long threads;
    bool for_release;
    bool quiet;
} options;

typedef struct run {
    const options *o;
    drae__model model;
    uint8_t *engine_bytes;
    drae_engine *engine;
    drae_session *session;
    drae__source *source;
    drae__batch_reader *reader;
    const drae__record *records;
    size_t *good; /* [n] the patches that calibrate */
    size_t n;
    size_t n_defective; /* left out */
    size_t n_rank;      /* left out */
    size_t per_region[DRAE__REGIONS_MAX];
    int n_regions;
    float *scores; /* [n] */
    uint8_t regions[CALIBRATE_BATCH];
    float *residual; /* [CALIBRATE_BATCH,size,size] */
    drae__histogram *histograms[DRAE__REGIONS_MAX];
    size_t n_above[DRAE__REGIONS_MAX];
} run;

static void release(run *r) {
    drae__batch_reader_destroy(r->reader);
    drae_session_destroy(r->session);
    drae_engine_close(r->engine);
    drae__source_close(r->source);
    drae__model_free(&r->model);
    for (int i = 0; i < DRAE__REGIONS_MAX; i++) {
        free(r->histograms[i]);
    }
    free(r->engine_bytes);
    free(r->good);
    free(r->scores);
    free(r->residual);
}

/* ---- set-up ---- */

/* The engine of these weights, without the calibration that they may carry. */
static drae_status open_model(run *r, drae__err *err) {
    drae_status status = DRAE_OK;
    char text[DRAE_ERROR_TEXT_BYTES] = "";
    drae_config *config = NULL;
    size_t n_bytes = 0;
    size_t patch_bytes = 0;
    drae__compile_options compile = {
        .device = DRAE_DEVICE_CPU, .precision = "f32", .batch = CALIBRATE_BATCH};
    drae__compile_report report;
    unsigned generator = 1u << DRAE__NET_GENERATOR;
    unsigned want = r->o->for_release ? generator : ALL_NETS;
    DRAE__TRY(drae__weights_load(r->o->model, want, generator, &r->model, err));
    if (r->o->for_release) {
        DRAE__TRY(drae__err_prefix(err, drae__model_round_f16(&r->model, DRAE__NET_GENERATOR, err),
                                   "%s", r->o->model));
    }
    r->model.calibration.n_regions = 0;
    DRAE__TRY(drae__compile(&r->model, &compile, &r->engine_bytes, &n_bytes, &report, err));
    status = drae_config_create(&config);
    if (status == DRAE_OK) {
        status = drae_config_set_int(config, DRAE_OPTION_THREADS, r->o->threads);
    }
    if (status == DRAE_OK) {
        status = drae_engine_open_memory(r->engine_bytes, n_bytes, config, text, sizeof text,
                                         &r->engine);
    }
    if (status == DRAE_OK) {
        status = drae_session_create(r->engine, config, text, sizeof text, &r->session);
    }
    if (status == DRAE_OK) {
        status = drae_output_patch_bytes(r->engine, DRAE_OUTPUT_RESIDUAL, &patch_bytes);
    }
    if (status != DRAE_OK) {
        (void)drae__fail(err, status, "%s: %s", r->o->model,
                         text[0] != '\0' ? text : drae_status_text(status));
        goto done;
    }
    r->residual = calloc(CALIBRATE_BATCH, patch_bytes);
    if (r->residual == NULL) {
        status = drae__fail(err, DRAE_ERROR_MEMORY, "no memory for a batch of heatmaps");
        goto done;
    }
    status = drae_session_set_output(r->session, DRAE_OUTPUT_RESIDUAL, r->residual,
                                     CALIBRATE_BATCH * patch_bytes);
    if (status != DRAE_OK) {
        (void)drae__fail(err, status, "%s", drae_session_error(r->session));
    }
done:
    drae_config_destroy(config);
    return status;
}

/* Good camera frames: what is labelled defective and the rank images of training are left out. */
static drae_status choose_patches(run *r, drae__err *err) {
    size_t total = drae__source_count(r->source);
    r->records = drae__source_records(r->source);
    r->good = calloc(total, sizeof *r->good);
    r->scores = calloc(total, sizeof *r->scores);
    if (r->good == NULL || r->scores == NULL) {
        return drae__fail(err, DRAE_ERROR_MEMORY, "no memory for %zu patches", total);
    }
    for (size_t i = 0; i < total; i++) {
        const drae__record *record = &r->records[i];
        if (record->label == 1) {
            r->n_defective++;
        } else if (record->frame < 0 && record->frame != DRAE__UNRECORDED) {
            r->n_rank++;
        } else {
            r->good[r->n++] = i;
            r->per_region[record->region]++;
            r->n_regions = record->region >= r->n_regions ? record->region + 1 : r->n_regions;
        }
    }
    if (r->n == 0) {
        return drae__fail(err, DRAE_ERROR_FILE, "%s: no good patch among %zu", r->o->data.items[0],
                          total);
    }
    /* Known before hours of inference, so said before them. */
    size_t needed = drae__samples_needed(r->o->rate);
    for (int i = 0; i < r->n_regions; i++) {
        if (r->per_region[i] > 0 && r->per_region[i] < needed) {
            return drae__fail(err, DRAE_ERROR_FILE,
                              "%s: region %d has %zu good patches; a false-reject rate of %g needs "
                              "at least %zu",
                              r->o->data.items[0], i, r->per_region[i], r->o->rate, needed);
        }
    }
    for (int i = 0; i < r->n_regions; i++) {
        if (r->per_region[i] > 0) {
            r->histograms[i] = calloc(1, sizeof *r->histograms[i]);
            if (r->histograms[i] == NULL) {
                return drae__fail(err, DRAE_ERROR_MEMORY, "no memory for a histogram");
            }
        }
    }
    return DRAE_OK;
}

/* ---- scores ---- */

static drae_status score_all(run *r, drae__err *err) {
    drae_status status = DRAE_OK;
    int size = r->model.arch.size;
    size_t n_pixels = (size_t)size * (size_t)size;
    size_t n_done = 0;
    drae__progress progress;
    drae__progress_begin(&progress, "patches", r->n, r->o->quiet);
    DRAE__TRY(drae__batch_reader_create(r->source, r->good, r->n, CALIBRATE_BATCH, size, &r->reader,
                                        err));
    for (;;) {
        drae__batch batch;
        DRAE__TRY(drae__batch_reader_next(r->reader, &batch, err));
        if (batch.n == 0) {
            break;
        }
        for (size_t i = 0; i < batch.n; i++) {
            r->regions[i] = (uint8_t)r->records[batch.indices[i]].region;
        }
        status = drae_session_infer(r->session, batch.n, batch.patches, r->regions,
                                    r->scores + n_done, NULL);
        if (status != DRAE_OK) {
            (void)drae__fail(err, status, "patches %zu to %zu: %s", batch.indices[0],
                             batch.indices[batch.n - 1], drae_session_error(r->session));
            goto done;
        }
        for (size_t i = 0; i < batch.n; i++) {
            drae__histogram_add(r->histograms[r->regions[i]], n_pixels, r->residual + i * n_pixels);
        }
        n_done += batch.n;
        drae__progress_update(&progress, n_done, NULL);
        if (drae__interrupted && n_done < r->n) {
            status = drae__fail(err, DRAE_ERROR_INTERRUPTED,
                                "interrupted after %zu of %zu patches; nothing was written", n_done,
                                r->n);
            goto done;
        }
    }
done:
    drae__progress_end(&progress, n_done);
    return status;
}

static drae_status set_calibration(run *r, drae__err *err) {
    drae__calibration *calibration = &r->model.calibration;
    float *scores = calloc(r->n, sizeof *scores);
    if (scores == NULL) {
        return drae__fail(err, DRAE_ERROR_MEMORY, "no memory for %zu scores", r->n);
    }
    drae_status status = DRAE_OK;
    calibration->n_regions = r->n_regions;
    for (int region = 0; region < r->n_regions && status == DRAE_OK; region++) {
        calibration->threshold[region] = NAN;
        calibration->anchor[region] = NAN;
        if (r->per_region[region] == 0) {
            continue;
        }
        size_t n = 0;
        for (size_t i = 0; i < r->n; i++) {
            if (r->records[r->good[i]].region == region) {
                scores[n++] = r->scores[i];
            }
        }
        status = drae__threshold_from_good(n, scores, r->o->rate, &calibration->threshold[region],
                                           &r->n_above[region], err);
        status = drae__err_prefix(err, status, "region %d", region);
        calibration->anchor[region] = drae__histogram_quantile(r->histograms[region], 0.999);
    }
    free(scores);
    return status;
}

static void print_table(const run *r) {
    printf("\n%-8s %13s %12s %12s %12s\n", "region", "good patches", "threshold", "above it",
           "anchor");
    for (int i = 0; i < r->n_regions; i++) {
        if (r->per_region[i] > 0) {
            printf("%-8d %13zu %12.6f %12zu %12.6f\n", i, r->per_region[i],
                   (double)r->model.calibration.threshold[i], r->n_above[i],
                   (double)r->model.calibration.anchor[i]);
        }
    }
    if (r->n_defective > 0) {
        printf("left out: %zu patches labelled defective\n", r->n_defective);
    }
    if (r->n_rank > 0) {
        printf("left out: %zu rank images\n", r->n_rank);
    }
    printf("\n%s: thresholds at a false-reject rate of %g a patch, on the calibration data\n",
           r->o->out, r->o->rate);
}

/* ---- the command ---- */

static drae_status calibrate(run *r, drae__err *err) {
    drae_status status = DRAE_OK;
    const options *o = r->o;
    DRAE__TRY(open_model(r, err));
    DRAE__TRY(
        drae__source_open(o->data.items, o->data.n, NULL, r->model.arch.size, 0, &r->source, err));
    DRAE__TRY(choose_patches(r, err));
    DRAE__TRY(score_all(r, err));
    DRAE__TRY(set_calibration(r, err));
    DRAE__TRY(drae__weights_save(o->out, &r->model, o->for_release ? 9 : 1, err));
    if (!o->quiet) {
        print_table(r);
    }
done:
    return status;
}

static int calibrate_main(int argc, char **argv) {
    options o = {.rate = 0.005};
    drae__option list[] = {
        {.name = "model",
         .kind = DRAE__OPTION_TEXT,
         .value = &o.model,
         .argument = "FILE",
         .help = "trained model (model.h5)"},
        {.name = "data",
         .kind = DRAE__OPTION_LIST,
         .value = &o.data,
         .argument = "PATH...",
         .help = "data sets of good products, none of the training's"},
        {.name = "out",
         .letter = 'o',
         .kind = DRAE__OPTION_TEXT,
         .value = &o.out,
         .argument = "FILE",
         .help = "the model with thresholds"},
        {.name = "false-reject",
         .kind = DRAE__OPTION_NUMBER,
         .value = &o.rate,
         .lo = 1e-6,
         .hi = 0.5,
         .argument = "RATE",
         .help = "share of good patches of a region that may be rejected"},
        {.name = "threads",
         .kind = DRAE__OPTION_INT,
         .value = &o.threads,
         .lo = 0,
         .hi = 1024,
         .argument = "N",
         .help = "threads that infer, 0: one a processor"},
        {.name = "release",
         .kind = DRAE__OPTION_FLAG,
         .value = &o.for_release,
         .help = "keep the generator alone, its values rounded to half precision first"},
        {.name = "quiet",
         .letter = 'q',
         .kind = DRAE__OPTION_FLAG,
         .value = &o.quiet,
         .help = "no progress, no table"},
    };
    const drae__command *command = &drae__command_calibrate;
    drae__err err = {{0}};
    run *r = calloc(1, sizeof *r);
    int code = drae__cli_parse(command, list, sizeof list / sizeof list[0], argc, argv, NULL);
    if (code < 0 && o.model == NULL) {
        code = drae__cli_usage_error(command, "--model is missing");
    } else if (code < 0 && o.data.n == 0) {
        code = drae__cli_usage_error(command, "--data is missing");
    } else if (code < 0 && o.out == NULL) {
        code = drae__cli_usage_error(command, "-o is missing");
    } else if (code < 0 && r == NULL) {
        code = drae__cli_error(command, DRAE_ERROR_MEMORY, NULL);
    }
    if (code < 0) {
        drae__cli_catch_signals();
        r->o = &o;
        drae_status status = calibrate(r, &err);
        code = status == DRAE_OK ? DRAE__EXIT_DONE : drae__cli_error(command, status, &err);
    }
    if (r != NULL) {
        release(r);
    }
    free(r);
    drae__cli_free_list(&o.data);
    return code;
}

const drae__command drae__command_calibrate = {
    .name = "calibrate",
    .summary = "set thresholds and heatmap scales from good products",
    .usage = "drae calibrate --model model.h5 --data calib.h5 -o model-cal.h5 [options]",
    .description =
        "Scores good patches that training has not seen, and sets for each region the threshold\n"
        "above which at most the asked share of them lies, and the anchor of its fixed-scale\n"
        "heatmap: the 99.9th percentile of |X - X^|. Patches labelled defective are left out. A\n"
        "region with fewer than 1 / RATE good patches is refused: its threshold would be a guess.",
    .examples = "  drae calibrate --model run/model.h5 --data calib.h5 -o run/model-cal.h5\n"
                "      one good patch in 200 may be rejected\n"
                "  drae calibrate --model run/model.h5 --data a.h5 b.h5 -o cal.h5 "
                "--false-reject 0.001\n"
                "      one in 1000, from two data sets\n"
                "  drae calibrate --model run/model.h5 --data calib.h5 -o line.h5 --release\n"
                "      a model to hand out: the generator alone, a small file",
    .run = calibrate_main,
};
