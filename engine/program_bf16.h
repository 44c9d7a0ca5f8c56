/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A plan in bf16: the convolutions of a half of the network on kernels/infer_bf16.h, with weights
 * packed and buffers laid out. What lies outside the convolutions stays f32: the dense layers,
 * which are bound by their weights, the score and the maps.
 */
#ifndef DRAE_ENGINE_PROGRAM_BF16_H
#define DRAE_ENGINE_PROGRAM_BF16_H

#include "base/arena.h"
#include "engine/plan.h"
#include "kernels/infer_bf16.h"

/* Immutable after create. */
typedef struct drae__bf16_program {
    const drae__plan *plan;
    const drae__bf16_kernels *kernels;
    int parts;         /* of activations and weights: 1 bf16, more f32 as a sum of so many */
    drae__arena arena; /* weights */
    drae__bf16_conv ops[DRAE__PLAN_OPS];     /* without pointers to pixels */
    drae__bf16_map maps[DRAE__PLAN_TENSORS]; /* of each tensor */
    size_t at[DRAE__PLAN_TENSORS];           /* elements from the workspace to pixel (0,0) */
    size_t workspace_elems;                  /* of one patch in flight; zero before first use */
    float bias;                              /* of the last layer */
} drae__bf16_program;

/* model: the generator's floats; plan is borrowed. ERROR_MEMORY. destroy is safe on zeros. */
drae_status drae__bf16_program_create(const drae__plan *plan, const drae__bf16_kernels *kernels,
                                      int parts, const float *model, drae__bf16_program *program,
                                      drae__err *err);
void drae__bf16_program_destroy(drae__bf16_program *program);

/* Called after each piece of work with the index of its operation; n_ops stands for moving the
 * image and the features. */
typedef struct drae__bf16_lap {
    void (*done)(void *context, int op);
    void *context;
} drae__bf16_lap;

/* patch [size,size] -> features [elems] in C,H,W order. lap may be NULL. */
void drae__bf16_encode(const drae__bf16_program *program, drae__bf16 *workspace,
                       const uint8_t *patch, float *features, const drae__bf16_lap *lap);

/* features [elems] -> recon [size,size] */
void drae__bf16_decode(const drae__bf16_program *program, drae__bf16 *workspace,
                       const float *features, float *recon, const drae__bf16_lap *lap);

#endif
