/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Choosing kernels by measurement. Every candidate of every operation is timed in a few whole runs,
 * since steps do not depend on each other: one run a tile of conv_igemm, one a number of rows of
 * resblock with the stem in the first block, and one with the stem alone. What the table says stays
 * unless something else is faster by DRAE__CUDA_TUNE_MARGIN, so noise changes nothing.
 */
#ifndef DRAE_ENGINE_CUDA_TUNE_H
#define DRAE_ENGINE_CUDA_TUNE_H

#include "engine/program_cuda.h"

#define DRAE__CUDA_TUNE_MARGIN 0.03

/* Seconds of every step of a program with these choices, at the operation that it ends with, 0
 * elsewhere: op_seconds [plan->n_ops]. */
typedef drae_status (*drae__cuda_timer)(void *context, const drae__cuda_choices *choices,
                                        double *op_seconds, drae__err *err);

typedef struct drae__cuda_tuned {
    drae__cuda_choices choices;
    double table_s, tuned_s; /* all convolutions, by the table and as chosen */
    int changed;             /* operations whose kernel is not that of the table */
} drae__cuda_tuned;

/* device: shared memory and architecture decide what is tried. Fails as the timer does. */
drae_status drae__cuda_tune(const drae__plan *plan, const drae__cuda_device *device,
                            drae__cuda_timer timer, void *context, drae__cuda_tuned *tuned,
                            drae__err *err);

#endif
