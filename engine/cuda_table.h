/* SPDX-License-Identifier: Apache-2.0 */
/* The committed table: which kernel computes an operation, by architecture and shape. */
#ifndef DRAE_ENGINE_CUDA_TABLE_H
#define DRAE_ENGINE_CUDA_TABLE_H

#include "engine/program_cuda.h"

/* Fills choices for a device of compute capability 8.0 or later: of every operation the first row
 * of its architecture whose shape is the operation's and whose kernel fits the device. */
void drae__cuda_table_choose(const drae__plan *plan, const drae__cuda_device *device,
                             drae__cuda_choices *choices);

/* What an engine runs on a device: recorded choices where they were made for its architecture, else
 * those of the table. */
void drae__cuda_choices_for(const drae__plan *plan, const drae__cuda_device *device,
                            const drae__cuda_choices *recorded, drae__cuda_choices *choices);

#endif
