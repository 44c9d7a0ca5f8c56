/* SPDX-License-Identifier: Apache-2.0 */
/* The suites of inference arithmetic, and the walk over the tables that this machine runs. */
#ifndef DRAE_TESTS_KERNELS_INFER_SUITES_H
#define DRAE_TESTS_KERNELS_INFER_SUITES_H

#include "tests/kernels/testutil.h"

#include "kernels/infer.h"

#include <check.h>

Suite *suite_infer_bf16(void);
Suite *suite_infer_conv(void);
Suite *suite_infer_chain(void);
Suite *suite_infer_pairs(void);
Suite *suite_infer_layers(void);
Suite *suite_infer_dense(void);
Suite *suite_infer_image(void);
Suite *suite_infer_phi(void);
Suite *suite_infer_score(void);
Suite *suite_infer_matched(void);
Suite *suite_infer_head(void);

/* The i-th table that this processor runs, NULL behind the last; portable always is one of them. */
const drae__infer_kernels *infer_table(size_t i);

/* A planar map of c channels: interior from values [c,h,w] (NULL: NaN), zeros around, NaN in what
 * lies behind the last plane's zeros is not asked for: kernels may read it. */
typedef struct infer_map {
    drae__map_geometry g;
    int c;
    float *buffer;
    float *at;
} infer_map;

infer_map infer_map_make(int c, int h, int w, const float *values);

/* The interior into dst [c,h,w]; fails the test when a zero around it was written to. */
void infer_map_take(const infer_map *map, float *dst);

#endif
