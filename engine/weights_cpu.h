/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Weights of a plan as the CPU kernels want them: convolutions in tiles, dense layers in blocks,
 * every bn as a scale and a shift (computed in double, rounded once). Packed at load, immutable.
 */
#ifndef DRAE_ENGINE_WEIGHTS_CPU_H
#define DRAE_ENGINE_WEIGHTS_CPU_H

#include "base/arena.h"
#include "engine/plan.h"

typedef struct drae__cpu_op_weights {
    float *wei;
    float *proj;
    float *scale, *shift; /* [c_out]; of UP [elems] */
    float *bias;          /* of DOWN [latent_padded], UP [elems], OUT [1] */
} drae__cpu_op_weights;

typedef struct drae__cpu_weights {
    drae__arena arena;
    size_t latent_padded;
    drae__cpu_op_weights ops[DRAE__PLAN_OPS];
} drae__cpu_weights;

/* model: the generator's floats in the order of the params that the plan was made with. dense_only:
 * nothing of the convolutions is packed. */
drae_status drae__cpu_weights_create(const drae__plan *plan, const drae__infer_kernels *kernels,
                                     const float *model, bool dense_only,
                                     drae__cpu_weights *weights, drae__err *err);
void drae__cpu_weights_destroy(drae__cpu_weights *weights);

#endif
