/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a score can tell apart: the ROC curve and the figures that are read from it. An item is
 * rejected where its score lies above a threshold (equal passes). The two errors are named: a
 * missed defect is defective and passes, a false reject is good and does not.
 *
 * Two conventions are in use. In that of anomaly detection a defective item is the positive; in
 * that of the published table (arXiv 2603.07577) a good one is, so that its TPR is the share of
 * good items that pass and its FPR that of missed defects. Figures that depend on it come in both,
 * the second named "good". AUROC and balanced accuracy do not depend on it.
 *
 * Ties: items of one score pass or fail together. Scores must not be NaN; what has no score is
 * rejected at any threshold and goes in as INFINITY. Plain arrays in, numbers out, nothing
 * allocated; any thread.
 */
#ifndef DRAE_LINE_ROC_H
#define DRAE_LINE_ROC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct drae__item {
    float score;
    bool defective;
    uint32_t cluster; /* items of one product belong together */
} drae__item;

/* Descending by score. */
void drae__items_sort(size_t n, drae__item *items);

typedef struct drae__roc {
    double n_good;
    double n_defective;
    double auroc;
    double aupr;      /* average precision as of scikit-learn: sum of (R_k - R_(k-1)) P_k */
    double aupr_good; /* the same with good as the positive */
    double f1max;     /* largest F1 over all thresholds */
    double f1max_good;
    double balanced; /* largest balanced accuracy over all thresholds */
    double
        detected_at_rate; /* most detected with false rejects at most `rate` (TPR at fixed FPR) */
    double false_rejects_at_full; /* fewest with every defect detected (FPR at full TPR) */
    double accepted_at_rate;      /* "good": most good accepted with missed at most `rate` */
    double missed_at_full;        /* "good": fewest missed with every good one accepted */
    float f1max_threshold;        /* the highest threshold at which each is reached; a score of */
    float balanced_threshold;     /* the sample, or just below the lowest */
} drae__roc;

/*
 * items[n] sorted; weights: how often each cluster counts (a bootstrap sample), NULL: once. With a
 * class empty, auroc, balanced and the rates of that class are NAN; aupr and f1max are NAN without
 * a positive and 1 without a negative. 0 <= rate <= 1.
 */
void drae__roc_measure(size_t n, const drae__item *items, const uint32_t *weights, double rate,
                       drae__roc *roc);

/* A point of the curve: what is missed and falsely rejected at a threshold. */
typedef struct drae__roc_point {
    float threshold; /* INFINITY at the first point */
    uint32_t n_missed;
    uint32_t n_false_reject;
} drae__roc_point;

/*
 * The whole curve of items[n] sorted, from nothing rejected to everything rejected: one point more
 * than there are different scores, into points[n + 1]. Returns their number. n < 2^32.
 */
size_t drae__roc_points(size_t n, const drae__item *items, drae__roc_point *points);

/* Leaves at most `most` >= 2 points of a curve: the ends, and those that keep its shape best (the
 * straight line between neighbours left out comes closest). In place; returns their number. */
size_t drae__roc_thin(size_t n, drae__roc_point *points, size_t most);

#endif
