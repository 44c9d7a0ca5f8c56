/* SPDX-License-Identifier: Apache-2.0 */
/* The loop of a run, over what train/run has set up. Private to train/. */
#ifndef DRAE_TRAIN_LOOP_H
#define DRAE_TRAIN_LOOP_H

#include "io/jsonl.h"
#include "io/progress.h"
#include "train/checkpoint.h"
#include "train/evaluate.h"
#include "train/loader.h"
#include "train/run.h"
#include "train/schedule.h"
#include "train/split.h"
#include "train/trace.h"

typedef struct drae__loop {
    const drae__run_options *options;
    char data_hash[65];
    drae__seen seen;  /* every patch of the data, and those that init had seen */
    drae__comm *comm; /* the job: of one where there are no others */
    bool stopping;    /* in a job of many: what all agreed on */
    drae__dataset *dataset;
    drae__split split;
    drae__trainer trainer; /* holds the effective configuration */
    drae__schedule schedule;
    drae__train_state state;
    drae__loader *loader;
    drae__eval_room room;
    drae__jsonl *log;
    drae__trace trace;
    float *best[DRAE__NETS]; /* weights of the best validation so far */
    bool best_dirty;         /* they are not in model.h5 yet */
    int64_t n_batches;       /* of an epoch */
    double start_s, saved_s, previewed_s;
    int64_t samples_before; /* this process began */
    drae__progress progress;
} drae__loop;

/* Trains until the configuration's end, a signal or an error; saves in the first two cases. */
drae_status drae__loop_run(drae__loop *loop, drae__run_result *result, drae__err *err);

/* model.h5 where there is news, then checkpoint.h5 and curves.svg. */
drae_status drae__loop_save(drae__loop *loop, drae__err *err);

#endif
