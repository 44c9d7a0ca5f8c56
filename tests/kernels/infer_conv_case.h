/* SPDX-License-Identifier: Apache-2.0 */
/* One fused convolution: its data, what the oracle says, and the check of one table against it. */
#ifndef DRAE_TESTS_KERNELS_INFER_CONV_CASE_H
#define DRAE_TESTS_KERNELS_INFER_CONV_CASE_H

#include "tests/kernels/infer_suites.h"

typedef struct infer_conv_shape {
    drae__infer_conv_kind kind;
    int c_in, c_out;
    int h, w;        /* of the source */
    int proj_c_in;   /* 0: no projection */
    int proj_stride; /* 1 or 2 with CONV3 */
    bool residual, raw, act;
} infer_conv_shape;

/* A deep sum, where order and fusing of multiply and add show most. */
extern const infer_conv_shape infer_conv_deep;

/* Of the activations; a power of two, so that integer data stays exact. */
#define INFER_CONV_SLOPE 0.25

/* Of integer weights: exact through the thirds and halves of convolutions by strips. */
#define INFER_CONV_WHOLE 6.0f

/* f: what the kernels work on; d: what the oracle does, in raw and act what it gave. */
typedef struct infer_conv_operands {
    t_pair src, wei, proj, proj_wei, residual, scale, shift, raw, act;
} infer_conv_operands;

/* The oracle. */
void infer_conv_expect(const infer_conv_shape *shape, const infer_conv_operands *o);

/* Sums of |a||b| [raw.n] by the oracle on absolute values, which stay in src to residual; raw and
 * act are as before. */
void infer_conv_sums(const infer_conv_shape *shape, infer_conv_operands *o, double *sums);

/* A case's data: sides of result and projection follow from the shape. */
typedef struct infer_conv_data {
    infer_conv_shape s;
    int h_out, w_out, h_proj, w_proj;
    infer_conv_operands o;
} infer_conv_data;

infer_conv_data infer_conv_make(const infer_conv_shape *shape, int limit);

/* The rounding in f32 of a chain of the case's length, for raw and act; the operands' doubles are
 * their absolute values afterwards, raw and act as before. */
void infer_conv_bounds(infer_conv_data *data, double *raw_bound, double *act_bound);

/* limit > 0: integers of at most limit, everything exact and compared bit for bit; 0: uniform in
 * [-1, 1), bounds from the sums of absolute values. Runs every table. */
void infer_conv_check(const infer_conv_shape *shape, int limit);

#endif
