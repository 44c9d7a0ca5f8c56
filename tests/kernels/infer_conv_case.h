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

/* limit > 0: integers of at most limit, everything exact and compared bit for bit; 0: uniform in
 * [-1, 1), bounds from the sums of absolute values. Runs every table. */
void infer_conv_check(const infer_conv_shape *shape, int limit);

#endif
