/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One planned pass of a convolution in oneDNN: primitive, memory objects, weight reorder.
 * Transposed convolutions are planned as the other pass of the convolution that they transpose, so
 * this file knows plain convolutions only.
 */
#ifndef DRAE_KERNELS_ONEDNN_CONV_PLAN_H
#define DRAE_KERNELS_ONEDNN_CONV_PLAN_H

#include "kernels/conv.h"

#include <dnnl.h>

/* "big" is the side that a convolution reads (h_in), "small" the side that it writes. */
typedef struct drae__conv_core {
    int n;
    int h_big, w_big, c_big;
    int h_small, w_small, c_small;
    int k, stride, pad;
    drae__compute compute;
} drae__conv_core;

typedef enum drae__conv_pass {
    DRAE__PASS_FWD = 0,        /* big, wei -> small */
    DRAE__PASS_BWD_DATA = 1,   /* small, wei -> big */
    DRAE__PASS_BWD_WEIGHTS = 2 /* big, small -> wei */
} drae__conv_pass;

/* Offsets are into the caller's scratch, multiples of 256. */
typedef struct drae__conv_plan {
    drae__conv_pass pass;
    dnnl_primitive_t primitive;
    dnnl_primitive_t
        reorder; /* weights: model layout <-> what the primitive wants; NULL: the same */
    dnnl_memory_t big, small, wei, wei_model, pad;
    bool round_big, round_small; /* operand is rounded to bf16 first */
    size_t big_elems, small_elems;
    size_t big_at, small_at, wei_at, pad_at;
    size_t scratch_bytes;
} drae__conv_plan;

/* Plans a pass; on failure *plan is destroyed and zeroed. */
drae_status drae__conv_plan_create(const drae__conv_core *core, drae__conv_pass pass,
                                   dnnl_engine_t engine, drae__conv_plan *plan, drae__err *err);
void drae__conv_plan_destroy(drae__conv_plan *plan);

/* Runs it. The one tensor that the pass computes is overwritten, the other two are read; weights
 * are [c_small,c_big,k,k]. */
drae_status drae__conv_plan_run(const drae__conv_plan *plan, dnnl_stream_t stream, float *big,
                                float *small, float *wei, void *scratch);

#endif
