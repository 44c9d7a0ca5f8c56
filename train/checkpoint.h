/* SPDX-License-Identifier: Apache-2.0 */
/*
 * checkpoint.h5: all that decides what comes next. Weights of all networks, Adam's moments and
 * steps, position in the data, best validation, configuration, data hash. Random numbers need no
 * state: they are functions of seed, epoch and sample. Written whole or not at all.
 */
#ifndef DRAE_TRAIN_CHECKPOINT_H
#define DRAE_TRAIN_CHECKPOINT_H

#include "train/step.h"

typedef struct drae__train_state {
    int64_t step;    /* optimizer steps done */
    int64_t epoch;   /* that is running, from 0 */
    int64_t cursor;  /* batches of it that are done; all of them: its validation is due */
    int64_t samples; /* trained on so far */
    int64_t stale;   /* validations since the best */
    int64_t best_step, best_samples;
    double best_con; /* NAN: none yet */
} drae__train_state;

drae_status drae__checkpoint_write(const char *path, const drae__trainer *trainer,
                                   const drae__train_state *state, const char *data_hash,
                                   drae__err *err);

/* The configuration that a checkpoint was made with, and its position. ERROR_FILE for what is not
 * a checkpoint; ERROR_ARGUMENT when data_hash is another one. */
drae_status drae__checkpoint_peek(const char *path, const char *data_hash,
                                  drae__train_config *config, drae__train_state *state,
                                  drae__err *err);

/* Weights, moments and step counts into a trainer that was created with that configuration.
 * ERROR_FILE naming the tensor that is missing, has another shape or is not finite. */
drae_status drae__checkpoint_read(const char *path, drae__trainer *trainer, drae__err *err);

#endif
