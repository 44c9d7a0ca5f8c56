/* SPDX-License-Identifier: Apache-2.0 */
/* One convolution with all its tensors, in f32 and f64, and what the oracle says of them. */
#ifndef DRAE_TESTS_KERNELS_CONV_CASE_H
#define DRAE_TESTS_KERNELS_CONV_CASE_H

#include "tests/kernels/testutil.h"

#include "kernels/conv.h"

typedef struct conv_case {
    drae__conv_shape s;
    int h_out, w_out;
    t_pair src, wei, bias, dst, ddst, dsrc, dwei, dbias;
    double *dst_bound, *dsrc_bound, *dwei_bound, *dbias_bound; /* sum |a||b| until scaled */
} conv_case;

/* "conv 2x7x9x8->16 k3 s1 p1" into the test's name, with a word of the caller. */
void conv_begin(const char *word, const drae__conv_shape *s);

/* Integers of at most `limit` where limit > 0 (exact), else uniform in [-1, 1); results poisoned.
 */
conv_case conv_make(const drae__conv_shape *s, int limit);

/* The oracle's results, into the f64 halves. */
void conv_expect(conv_case *c);

/* Per-element bounds: (length + 2) eps sum |a||b|, plus `operand_error` (relative, of each operand)
 * times the sum, with the sums by the oracle on absolute values. */
void conv_bounds(conv_case *c, double operand_error);

#endif
