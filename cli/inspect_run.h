/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One run of `drae inspect`: its options and all that it works with. inspect_prepare.c opens and
 * checks, inspect.c runs.
 */
#ifndef DRAE_CLI_INSPECT_RUN_H
#define DRAE_CLI_INSPECT_RUN_H

#include "cli/batch_reader.h"
#include "cli/cli.h"
#include "cli/inspect_pictures.h"
#include "cli/inspect_results.h"
#include "io/maps.h"

typedef struct drae__inspect_options {
    const char *engine;
    drae__text_list data;
    const char *out;
    const char *recipe;
    const char *heatmaps;
    const char *maps;
    const char *vote;
    long region;
    long threads;
    bool skip_bad;
    bool force;
    bool quiet;
} drae__inspect_options;

/* What the loop over batches works with. Empty is zeroed but for lock, which is then -1. */
typedef struct drae__inspect_run {
    const drae__inspect_options *o;
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
    float *residual, *z; /* where the score of some region, or maps, ask for it */
    float *recon;        /* where maps ask for it */
    uint8_t *mask;       /* [size,size], NULL: the data has no masks */
    float *all_scores;   /* [n_batch,DRAE_SCORES] */
    size_t n_done;
    size_t n_strips_done;
    size_t n_sheets, n_overlays;
    size_t n_lost; /* frames without their part */
    size_t n_bad;  /* files that were skipped */
} drae__inspect_run;

/* Opens engine and data, checks both, then takes the folder: what is refused leaves no trace. */
drae_status drae__inspect_prepare(drae__inspect_run *run, drae__err *err);

/* Frees what is there. */
void drae__inspect_release(drae__inspect_run *run);

#endif
