/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The threshold of one region with its origin: from good items for a rate of false rejects, or from
 * good and defective items for the least cost. Items are patches, or strips with the largest score
 * of the region on them. Items of one cluster (product) are alike: the design effect, measured at
 * the tenth that scores highest, says how many weigh as much as one independent item
 * (docs/statistics.md). Plain arrays in, numbers out; any thread.
 */
#ifndef DRAE_LINE_THRESHOLD_H
#define DRAE_LINE_THRESHOLD_H

#include "base/error.h"
#include "model/origin.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Scores and the clusters that they belong to, numbers below n_clusters. Borrowed. */
typedef struct drae__sample {
    size_t n;
    const float *scores;     /* [n] */
    const uint32_t *cluster; /* [n] */
    size_t n_clusters;
} drae__sample;

/* A threshold, and how many good items lie above it. */
typedef struct drae__threshold {
    float value;
    size_t n_above;
    drae__threshold_origin from;
} drae__threshold;

#define DRAE__THRESHOLD_CONFIDENCE 0.95

/* The design effect of a share of good items above a threshold, at the tenth that scores highest or
 * at the rate where that is larger. Clusters of one: 1. *effect >= 1. ERROR_MEMORY. */
drae_status drae__sample_effect(const drae__sample *good, double rate, double *effect,
                                drae__err *err);

/* For a false-reject rate (line/tail.h). small: takes a sample below what is needed, from 1 / rate
 * items on, whose upper limit is then open. Errors as drae__tail_threshold. */
drae_status drae__threshold_by_rate(const drae__sample *good, double rate, bool small,
                                    drae__threshold *threshold, drae__err *err);

/* Fewest good and fewest defective items for the following. */
#define DRAE__THRESHOLD_BY_COST_LEAST 10

/*
 * The threshold with the least cost_miss * (share of defective items that pass) + cost_reject *
 * (share of good items that do not), half way between the two scores around it; of several the
 * lowest. With equal costs that is the best balanced accuracy, the rule of arXiv 2603.07577.
 * Limits: 2.5 and 97.5 % points of 400 bootstrap draws by product, good and defective ones drawn
 * separately. ERROR_ARGUMENT for costs that are not above 0; ERROR_NOT_FINITE; ERROR_FILE for too
 * few items, with the number that is needed; ERROR_MEMORY.
 */
drae_status drae__threshold_by_cost(const drae__sample *good, const drae__sample *defective,
                                    double cost_miss, double cost_reject,
                                    drae__threshold *threshold, drae__err *err);

#endif
