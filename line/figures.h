/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The figures of one score over labelled items, with intervals: AUROC by DeLong in its form for
 * products, everything else by the bootstrap by product; where draws cannot tell (perfect
 * separation), the least favourable population that the sample does not exclude.
 */
#ifndef DRAE_LINE_FIGURES_H
#define DRAE_LINE_FIGURES_H

#include "base/error.h"
#include "line/intervals.h"
#include "line/roc.h"

/* Points that a curve keeps. */
#define DRAE__CURVE_POINTS 200

typedef struct drae__score_figures {
    size_t n_good;
    size_t n_defective;
    drae__interval auroc;
    drae__interval aupr;
    drae__interval f1max;
    drae__interval balanced; /* at the best threshold, which was chosen on these very items */
    drae__interval detected_at_rate;
    drae__interval false_rejects_at_full;
    drae__interval aupr_good;
    drae__interval f1max_good;
    drae__interval accepted_at_rate;
    drae__interval missed_at_full;
    float f1max_threshold;
    float balanced_threshold;
    size_t n_points;
    drae__roc_point points[DRAE__CURVE_POINTS];
} drae__score_figures;

/*
 * items[n], sorted in place; rate: that of detected_at_rate and accepted_at_rate. ERROR_MEMORY.
 */
drae_status drae__score_measure(size_t n, drae__item *items, size_t n_clusters, double rate,
                                uint64_t seed, size_t rounds, double confidence,
                                drae__score_figures *figures, drae__err *err);

#endif
