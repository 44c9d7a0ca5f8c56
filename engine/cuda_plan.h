/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a CUDA program moves and computes, and how long a card should take for it by the model of
 * docs/performance.md: a step takes the longer of its bytes at a share of the memory's rate and its
 * operations at a share of the unit's rate, and a gap between two kernels. The floor is the same
 * with whole rates and without gaps.
 */
#ifndef DRAE_ENGINE_CUDA_PLAN_H
#define DRAE_ENGINE_CUDA_PLAN_H

#include "engine/cuda_card.h"
#include "engine/program_cuda.h"

typedef struct drae__cuda_cost {
    double bytes;        /* of maps, of one patch */
    double weight_bytes; /* of one launch */
    double flops;        /* of one patch */
    size_t shared_bytes; /* dynamic, of a block; 0: none, or fixed by the kernel */
    double floor_s, predicted_s;
} drae__cuda_cost;

/* Of a step, of a cycle of the program's batch. */
drae__cuda_cost drae__cuda_step_cost(const drae__cuda_program *program, const drae__cuda_card *card,
                                     int step);

typedef struct drae__cuda_totals {
    drae__cuda_cost cost; /* sums over the steps and the score; without copies */
    double copy_s;        /* images in */
    double maps_s;        /* both heatmaps made and copied out, where they are asked for */
    int n_kernels;
} drae__cuda_totals;

drae__cuda_totals drae__cuda_total_cost(const drae__cuda_program *program,
                                        const drae__cuda_card *card);

/* The program as text, a line a step, then totals and the cycle; as drae__plan_print. */
size_t drae__cuda_plan_print(const drae__cuda_program *program, const drae__cuda_card *card,
                             char *text, size_t n_bytes);

/* The text for an architecture without a model: choices NULL are those of the table; calibration
 * NULL: without kernels of matched filters and of a head. *text is the caller's (free() it).
 * ERROR_UNSUPPORTED, ERROR_MEMORY. */
drae_status drae__cuda_plan_text(const drae__arch *arch, const drae__cuda_card *card,
                                 const drae__cuda_choices *choices, size_t batch,
                                 const drae__calibration *calibration, char **text, drae__err *err);

#endif
