/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A whole training run: from data files and a configuration to RUN/model.h5 (best by validation
 * L_con), checkpoint.h5 (the last state), log.jsonl, preview-*.png, curves.svg, config.yaml.
 */
#ifndef DRAE_TRAIN_RUN_H
#define DRAE_TRAIN_RUN_H

#include "io/train_config.h"
#include "train/comm.h"

#include <stddef.h>

typedef struct drae__run_options {
    const char *const *data; /* files that are read as one data set */
    size_t n_data;
    const char *out;    /* the folder RUN, made when missing and locked meanwhile */
    bool resume;        /* go on from RUN/checkpoint.h5 */
    const char *init;   /* model.h5 to start from, NULL: fresh weights */
    bool model_given;   /* config.model must agree with init instead of following it */
    int64_t trace_step; /* -1, or the step (from 0) that is written to `trace` and ends the run */
    const char *trace;
    drae__comm *comm;         /* the job; NULL: this process alone */
    const char *revision;     /* of the trainer, for the model's provenance; "" unknown */
    bool quiet;               /* no progress on standard output */
    const volatile int *stop; /* set by a signal: save and return ERROR_INTERRUPTED; may be NULL */
    void (*say)(const char *line); /* one line of news for the user; may be NULL */
} drae__run_options;

typedef struct drae__run_result {
    const char *why; /* the run ended: "all epochs done", "max_steps", ... */
    int64_t step, epoch, samples;
    double best_con; /* NAN without validation */
    int64_t best_step;
    double seconds;  /* of this process's part */
    double waited_s; /* the trainer waited for the readers */
    double rate;     /* samples a second while training */
    size_t n_bytes;  /* planned memory of a step */
} drae__run_result;

/*
 * In a job of many processes all make the same call. Rank 0 writes RUN, validates and decides when
 * the job is over; where one fails, its caller ends the job by drae__comm_abort, and RUN keeps its
 * last checkpoint.
 *
 * Runs to the end that the configuration names. config is what the user asked for; threads 0 is
 * replaced by the number of cores, the model's numbers by those of init. Errors: ERROR_FILE (data,
 * init, checkpoint), ERROR_ARGUMENT (what does not fit together), ERROR_DEVICE, ERROR_UNSUPPORTED,
 * ERROR_BUSY (another process trains into RUN), ERROR_IO, ERROR_NOT_FINITE, ERROR_INTERRUPTED
 * (state saved).
 */
drae_status drae__run(const drae__train_config *config, const drae__run_options *options,
                      drae__run_result *result, drae__err *err);

#endif
