/* SPDX-License-Identifier: Apache-2.0 */
/* What the suites of the head share: regions, weights on the device, a layer and h in double. */
#ifndef DRAE_TESTS_SIMT_HEAD_CASE_H
#define DRAE_TESTS_SIMT_HEAD_CASE_H

#include "tests/simt/cuda_case.h"

/* Regions: either of two heads, matched filters alone, no maps; two sets of maps, filters and
 * heads. */
#define HEAD_REGIONS   4
#define HEAD_SETS      2
#define HEAD_THRESHOLD 1.5f
extern const drae__cuda_region head_table[HEAD_REGIONS];

/* weights [HEAD_SETS,DRAE__H_WEIGHTS], packed. */
const drae__cuda_head *head_upload(const float *weights);

/* Of n patches: patch p takes region (first + p) % 4. */
int32_t *head_regions(int n, int first);

/* t [16,side,side] of a layer from src, and what sums in f32 may be off. */
void head_layer_of(int side, int layer, const double *src, const double *weights, double *t,
                   double *bound);

/* h [2 side,2 side] from t of the last layer, which may be off by error. */
void head_last_of(int side, const double *weights, const double *t, const double *error, double *h,
                  double *bound);

double head_h(double o);

#endif
