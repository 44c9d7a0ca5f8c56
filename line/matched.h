/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The scales of the matched filters (kernels/matched.h) from good patches of one region. Of the
 * blurred residual d_i = B (X_i - X^_i) of n patches, their mean (line/normalise.h), and a block of
 * 4x4 pixels P:
 *     v_f     = sum over i and P of r_f(d_i)^2 less n r_f(mean)^2, over 16 (n - 1)
 *     spread  = greatest sqrt(v_f) of the block and the eight around it
 *     scale_f = max(spread, FLOOR * median of spread) * g
 * Filters are linear, so r_f(d_i - mean) = r_f(d_i) - r_f(mean): one walk over the patches makes
 * both mean and scales. A second walk makes g, one number for each of r_0 .. r_3 and one for all
 * lines: their tails differ, and unbalanced the heaviest would set the threshold of all. With the
 * greatest |r_f| / scale_f of a patch over the filters of a group,
 *     g = its QUANTILE over the patches, over that of r_0
 * so that every group exceeds a high level about as often as r_0. Chosen by measurement
 * (docs/decisions.md). Nothing is allocated. The portable filters are used: the same scales on
 * every machine.
 */
#ifndef DRAE_LINE_MATCHED_H
#define DRAE_LINE_MATCHED_H

#include "kernels/matched.h"

#include <stddef.h>

#define DRAE__MATCHED_FLOOR    0.5
#define DRAE__MATCHED_QUANTILE 0.99
#define DRAE__MATCHED_GROUPS   (DRAE__M_PLANES + 1)

/* Floats of scratch for the functions below. */
size_t drae__matched_scratch(int size);

/* Takes in the blurred residual [size,size] of a patch: sums [drae__m_scales(size)] of r_f squared
 * by block, zero before the first. size is a multiple of 16. */
void drae__matched_add(int size, const float *residual, double *sums, float *scratch);

/* The scales after n >= 2 patches, g = 1: scales [drae__m_scales(size)] (> 0); mean [size,size] is
 * that of the maps of z. */
void drae__matched_scales(int size, size_t n, const float *mean, const double *sums, float *scales,
                          float *scratch);

/* The greatest |r_f(residual - mean)| / scale_f of each group of filters. */
void drae__matched_peaks(int size, const float *residual, const float *mean, const float *scales,
                         float peaks[DRAE__MATCHED_GROUPS], float *scratch);

/* Multiplies the scales by g of n >= 1 patches; peaks [n,GROUPS]; sorted [n] is scratch. */
void drae__matched_balance(int size, size_t n, const float *peaks, float *scales, float *sorted);

#endif
