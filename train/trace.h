/* SPDX-License-Identifier: Apache-2.0 */
/*
 * --trace-step: one training step in HDF5 for whoever wants to check it (design.md, "One training
 * step, exactly"): /x /x_star /mask /noise /beta /recon, /loss/<name>, /param/<net>/<path> before
 * the step, /grad/<net>/<path> before clipping, and /disc_param_after/discriminator/<path>, the
 * discriminator that the generator's losses saw.
 */
#ifndef DRAE_TRAIN_TRACE_H
#define DRAE_TRAIN_TRACE_H

#include "train/step.h"

typedef struct drae__trace {
    float *before[DRAE__NETS]; /* parameters before the step; NULL: not begun, or no such network */
} drae__trace;

/* Keeps the parameters as they are before the step. */
drae_status drae__trace_begin(drae__trace *trace, const drae__trainer *trainer, drae__err *err);

/* Right after the step, before anything else uses the trainer's memory. */
drae_status drae__trace_write(const drae__trace *trace, const char *path,
                              const drae__trainer *trainer, const drae__batch *batch,
                              const drae__losses *losses, int64_t step, double lr, drae__err *err);
void drae__trace_free(drae__trace *trace);

#endif
