/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Statistics behind thresholds and reports: quantiles, ranks, counts. Plain arrays in, numbers out,
 * nothing allocated. A positive is a defective patch; the two errors are always named: a missed
 * defect is a positive that passes, a false reject a negative that does not.
 */
#ifndef DRAE_LINE_STATISTICS_H
#define DRAE_LINE_STATISTICS_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- quantiles ---- */

/* Sorts ascending. The values must not be NaN. */
void drae__sort(size_t n, float *values);

/*
 * The empirical quantile of type 1 in the numbering of Hyndman and Fan, "Sample quantiles in
 * statistical packages" (The American Statistician 50, 1996): the inverse of the empirical
 * distribution function, always a value of the sample. 1-based rank of the p-quantile of n > 0
 * values: the smallest k with k / n >= p, at least 1. A product n * p within 1e-9 (relative) of an
 * integer counts as that integer, so that 0.995 of 200 is 199.
 */
size_t drae__quantile_rank(size_t n, double p);

/* values[n] sorted ascending, n > 0, 0 <= p <= 1. */
float drae__quantile(size_t n, const float *values, double p);

/* Fewest good patches from which a false-reject rate can be set at all: the smallest n with
 * n >= 1 / rate, so that at least one patch may lie above the threshold. 0 < rate < 1. */
size_t drae__samples_needed(double rate);

/*
 * The good-only threshold of one region: the (1 - rate) quantile of the scores of good patches, so
 * that at most rate * n of them lie strictly above it. Sorts scores[n]. n_above (may be NULL)
 * receives how many do.
 * ERROR_ARGUMENT: rate outside (0, 1); ERROR_NOT_FINITE: a score is NaN or infinite;
 * ERROR_FILE: fewer than drae__samples_needed(rate) scores, with that number in the text.
 */
drae_status drae__threshold_from_good(size_t n, float *scores, double rate, float *threshold,
                                      size_t *n_above, drae__err *err);

/* ---- streaming quantile ---- */

/* Counts of values in [0,1] in steps of 1/16384 (6.1e-5), so that a quantile of any number of
 * values is known to within 1e-4 without keeping them. 128 KiB; zeroed memory is empty. */
#define DRAE__HISTOGRAM_BINS 16384
typedef struct drae__histogram {
    uint64_t n; /* all values, NaN included */
    uint64_t counts[DRAE__HISTOGRAM_BINS];
} drae__histogram;

/* Adds values[n]; below 0 counts as 0, above 1 and NaN as 1. Bin i holds [i, i + 1) / bins. */
void drae__histogram_add(drae__histogram *histogram, size_t n, const float *values);

/* The type 1 p-quantile, rounded up to the upper edge of its bin: never below the true value (of
 * values within [0,1]), above it by at most 1/16384. NAN of an empty histogram. */
float drae__histogram_quantile(const drae__histogram *histogram, double p);

/* ---- ranks and counts ---- */

typedef struct drae__scored {
    float score;
    bool positive;
} drae__scored;

/*
 * Area under the ROC curve: the probability that a positive scores higher than a negative, a tie
 * counting one half (Mann-Whitney U by midranks; exact up to 2^53 pairs). Sorts items[n] by score.
 * NAN when a class is empty. Scores must not be NaN.
 */
double drae__auroc(size_t n, drae__scored *items);

/* What happened to labelled items. */
typedef struct drae__counts {
    size_t n_good;
    size_t n_defective;
    size_t n_false_reject; /* good, rejected */
    size_t n_missed;       /* defective, not rejected */
} drae__counts;

void drae__counts_add(drae__counts *counts, bool defective, bool rejected);

#endif
