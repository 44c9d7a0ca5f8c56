/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the parts of `drae eval`, `knapp` and `drift` share. eval.c, knapp.c and drift.c hold the
 * commands, eval_open.c opens engine and data, eval_template.c makes the golden template,
 * eval_score.c runs both over the data, eval_figures.c fills the report from what they found.
 */
#ifndef DRAE_CLI_EVAL_H
#define DRAE_CLI_EVAL_H

#include "cli/cli.h"

#include "drae/engine.h"
#include "io/dataset.h"
#include "io/report.h"
#include "line/learned.h"
#include "line/template.h"
#include "model/model.h"

/* Patches of one inference: keeps two cores busy without holding much. */
#define DRAE__EVAL_BATCH    16
#define DRAE__EVAL_SCORES   (DRAE_SCORES + 1)
#define DRAE__EVAL_FACTS    56
#define DRAE__EVAL_PICTURES 8 /* of each kind */

typedef struct drae__eval_options {
    const char *model;
    const char *engine;
    drae__text_list data;
    drae__text_list good;
    const char *out;
    const char *vote;
    double rate;
    double template_rate;
    uint64_t seed;
    long rounds;
    long threads;
    bool overlap;   /* take patches that training or calibration has seen */
    bool no_pixels; /* count no pixels, measure no masks */
    bool quiet;
} drae__eval_options;

typedef struct drae__eval {
    const drae__eval_options *o;
    drae_engine *engine;
    uint8_t *engine_bytes;
    drae_session *session;
    size_t n_batch;
    int size;
    drae__dataset *data;
    drae__dataset *good;
    const drae__record *records; /* [n] */
    size_t n;
    bool masks;
    drae__hierarchy hierarchy;
    uint32_t *cluster; /* [n] */
    size_t n_clusters;
    drae__template *golden;
    float *values[DRAE__EVAL_SCORES]; /* [n] each, in the order of the report's scores */
    uint8_t *reasons;                 /* [n] */
    float *extent;                    /* [n] of the mask, NAN without */
    float *contrast;                  /* [n] */
    float *grey;                      /* [n] mean grey level of the image */
    float *spread;                    /* [n] its standard deviation */
    drae__pixels **pixels;            /* [n_scores, n_regions + 1] */
    /* of one batch */
    uint8_t *patches, *masks_read, *regions;
    float *batch_scores; /* [n_batch, DRAE_SCORES] */
    float *residual, *z, *recon, *map;
    drae__learned learned; /* by the engine, as its reconstructions show */
    double val_con;        /* of the model, NAN unknown: an engine does not tell it */
    size_t golden_score;   /* the place of the template among the scores */
    drae__report report;
    drae__report_score scores[DRAE__EVAL_SCORES];
    drae__evaluation verdicts, baseline;
    drae__report_fact facts[DRAE__EVAL_FACTS];
    drae__report_picture pictures[2 * DRAE__EVAL_PICTURES];
    int place[DRAE__REGIONS_MAX]; /* of a region in report.regions */
} drae__eval;

/* -1, or the exit status of a usage error: no engine or two, no data, nothing to write to. */
int drae__eval_check(const drae__command *command, const drae__eval_options *o);

drae_status drae__eval_open(drae__eval *e, drae__err *err);

/* Makes the folder of a report and locks it; one with the results of drae inspect is refused.
 * drae__file_leave gives it back. */
drae_status drae__eval_folder(const char *folder, int *lock, drae__err *err);

/* Builds the template where good products are given. */
drae_status drae__eval_template(drae__eval *e, drae__err *err);

/* Builds the template, scores every patch. */
drae_status drae__eval_score(drae__eval *e, drae__err *err);

/* eval_seen.c: compares the data with what the model has seen; ERROR_FILE names a patch. */
drae_status drae__eval_check_seen(drae__eval *e, drae__err *err);

/* eval_figures.c: figures, tallies and pictures into e->report. */
drae_status drae__eval_measure(drae__eval *e, drae__err *err);
/* The verdicts alone, into e->verdicts; part of the above. */
drae_status drae__eval_verdicts(drae__eval *e, drae__err *err);

/* The fixed-scale heat [size,size] of one patch and the place of its largest value, by inference.
 */
drae_status drae__eval_heat(drae__eval *e, size_t index, uint8_t *patch, uint8_t *heat,
                            drae__spot *peak, drae__err *err);

void drae__eval_fact(drae__eval *e, const char *group, const char *name, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* The caution of the report, if any, as a warning on standard output. */
void drae__eval_warn(const drae__eval *e);

drae_status drae__eval_interrupted(size_t n_done, size_t n, const char *what, drae__err *err);

void drae__eval_release(drae__eval *e);

#endif
