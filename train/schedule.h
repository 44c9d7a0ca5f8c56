/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cosine decay with warm restarts (Loshchilov, Hutter 2017; paper.md "Optimisation"), counted in
 * samples: within period k, which is T0 T_mult^k long and tops at lr amplitude^k,
 *     rate = floor + (top - floor) (1 + cos(pi t / T)) / 2,   t = samples since its start
 * times min(1, (samples + 1) / warmup) at the very start, where a warm-up is asked for: at a high
 * rate the first steps throw the logits of some pixels so far out that the sigmoid's gradient dies
 * there, and those pixels stay white. A pure function of the samples seen, so that a resumed run
 * needs no state for it.
 */
#ifndef DRAE_TRAIN_SCHEDULE_H
#define DRAE_TRAIN_SCHEDULE_H

#include "io/train_config.h"

typedef struct drae__schedule {
    double lr;               /* top of the first period */
    double period;           /* samples, > 0 */
    double period_factor;    /* T_mult >= 1 */
    double amplitude_factor; /* of the top at each restart */
    double floor;            /* never below, but for the warm-up; never above the top */
    double warmup;           /* samples, 0: none */
} drae__schedule;

/* Of the configuration; n_train patches are an epoch, of which the default
 * period is config.schedule.period_epochs, by default one. */
drae__schedule drae__schedule_create(const drae__train_config *config, size_t n_train);

/* The rate for the batch that begins after samples samples. restarts (may be NULL): how many lie
 * behind. */
double drae__schedule_rate(const drae__schedule *schedule, int64_t samples, int *restarts);

#endif
