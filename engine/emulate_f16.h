/* SPDX-License-Identifier: Apache-2.0 */
/*
 * f16 as the CUDA program computes it, emulated by the f32 kernels of the CPU: the same operations
 * and fusions, weights and everything that a CUDA kernel stores rounded to f16, sums in f32. What
 * differs from a device is the order of the sums alone, so a stored value may be the neighbouring
 * f16. With the portable kernels the scores are the same bits on every machine.
 */
#ifndef DRAE_ENGINE_EMULATE_F16_H
#define DRAE_ENGINE_EMULATE_F16_H

#include "engine/plan.h"
#include "kernels/head.h"

#include <stdbool.h>
#include <stddef.h>

/* dst = the generator's floats (n of them, in the order of the plan's params) with the weights of
 * convolutions and dense layers rounded. The last layer keeps f32, as does a stem that has a kernel
 * of its own: stem_in_block says that it is part of the first block. bn stays f32. */
void drae__f16_round_model(const drae__plan *plan, bool stem_in_block, const float *model, size_t n,
                           float *dst);

/* Rounds the maps that operation op has just written into a workspace of the plan. */
void drae__f16_round_op(const drae__plan *plan, int op, float *workspace);

/* Rounds the weights of a head's layers, in place; what is added and the last layer keep f32. */
void drae__f16_round_head(float *weights);

/* As kernels->map, with rounded weights and every map that kernels/cuda/head.cu stores rounded;
 * rows of y, m and the maps are dense, scratch is map's. */
typedef struct drae__f16_head {
    int size;
    const float *x;
    ptrdiff_t x_stride;
    const float *y, *mean, *scale, *m, *weights;
} drae__f16_head;
void drae__f16_head_map(const drae__head_kernels *kernels, const drae__f16_head *op, float *dst,
                        float *scratch);

#endif
