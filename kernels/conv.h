/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Convolution and transposed convolution, forward and backward. Activations are NHWC, weights have
 * the model's layout: [c_out,c_in,k,k] for convolutions, [c_in,c_out,k,k] for transposed ones.
 *
 * Twins: ref (double, textbook loops, the oracle), onednn (f32 or bf16 arithmetic, for training).
 * The engine's own convolutions have packed weights and fused epilogues: kernels/infer.h.
 */
#ifndef DRAE_KERNELS_CONV_H
#define DRAE_KERNELS_CONV_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>

typedef struct drae__conv_shape {
    int n;
    int h_in, w_in, c_in;
    int c_out;
    int k; /* taps a side: 1, 2, 3, 4 */
    int stride;
    int pad;
    bool transposed;
} drae__conv_shape;

/* Convolution: (h_in + 2 pad - k) / stride + 1. Transposed: (h_in - 1) stride - 2 pad + k. */
static inline int drae__conv_out(const drae__conv_shape *s, int in) {
    return s->transposed ? (in - 1) * s->stride - 2 * s->pad + s->k
                         : (in + 2 * s->pad - s->k) / s->stride + 1;
}

/* ---- ref: double, serial ----
 * src [n,h_in,w_in,c_in], dst [n,h_out,w_out,c_out]; bias [c_out] or NULL. All results are
 * overwritten, none accumulated. */
void drae__ref_conv_fwd(const drae__conv_shape *shape, const double *src, const double *wei,
                        const double *bias, double *dst);
void drae__ref_conv_bwd_data(const drae__conv_shape *shape, const double *ddst, const double *wei,
                             double *dsrc);
void drae__ref_conv_bwd_weights(const drae__conv_shape *shape, const double *src,
                                const double *ddst, double *dwei, double *dbias);

/* ---- onednn: planned once, run often; built with DRAE_TRAIN only ---- */

typedef enum drae__compute { DRAE__COMPUTE_F32 = 0, DRAE__COMPUTE_BF16 = 1 } drae__compute;

enum { DRAE__CONV_FWD = 1, DRAE__CONV_BWD_DATA = 2, DRAE__CONV_BWD_WEIGHTS = 4 };

typedef struct drae__conv_op drae__conv_op;

/* Whether this CPU multiplies in bf16 (AVX512-BF16 or AMX). */
bool drae__conv_bf16_available(void);

/* Plans the passes in the mask. All tensors that cross this interface are f32; with COMPUTE_BF16
 * operands are rounded to bf16, accumulation stays f32. ERROR_UNSUPPORTED where bf16 is not
 * available. A plan may be run by one thread at a time; it uses the OpenMP threads of the caller.
 */
drae_status drae__conv_op_create(const drae__conv_shape *shape, drae__compute compute,
                                 unsigned passes, drae__conv_op **op, drae__err *err);
void drae__conv_op_destroy(drae__conv_op *op);

/* Bytes of workspace that any planned pass needs; the caller hands it in, 256-byte aligned, and may
 * share it between plans that do not run at once. */
size_t drae__conv_op_scratch_bytes(const drae__conv_op *op);

drae_status drae__conv_op_fwd(drae__conv_op *op, const float *src, const float *wei,
                              const float *bias, float *dst, void *scratch);
drae_status drae__conv_op_bwd_data(drae__conv_op *op, const float *ddst, const float *wei,
                                   float *dsrc, void *scratch);
/* dbias NULL where there is none. Overwrites dwei and dbias. */
drae_status drae__conv_op_bwd_weights(drae__conv_op *op, const float *src, const float *ddst,
                                      float *dwei, float *dbias, void *scratch);

#endif
