/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bootstrap by product: whole clusters of items are drawn with replacement, because the frames and
 * vials of one product are not independent. The draw of a round depends on seed and round alone, so
 * that an interval is the same on every machine and for any number of threads.
 */
#ifndef DRAE_LINE_BOOTSTRAP_H
#define DRAE_LINE_BOOTSTRAP_H

#include "line/intervals.h"

#include <stddef.h>
#include <stdint.h>

#define DRAE__BOOTSTRAP_ROUNDS 1000

/*
 * How often each cluster is drawn in a round: weights[n_clusters]. Strata are drawn from
 * separately, so that the number of clusters of each stays what it was: stratum[c] is 0 for a
 * cluster of good items alone and 1 for one with a defective item; NULL: one stratum.
 */
void drae__bootstrap_draw(size_t n_clusters, const uint8_t *stratum, uint64_t seed, uint64_t round,
                          uint32_t *weights);

/*
 * The percentile interval around value from values[n] of the rounds, which are sorted; NAN (a draw
 * without one of the classes) are left out. Unknown, [0, 1], when fewer than half of the rounds
 * have a value. A statistic that no draw changes gives low = high = value: the caller must know
 * better (drae__perfect_separation).
 */
drae__interval drae__bootstrap_interval(double value, size_t n, double *values, double confidence);

/*
 * For perfect separation, where every draw says 1: lower limits from the least favourable
 * population that Clopper-Pearson does not exclude, of n_good and n_defective independent items
 * (clusters, where items come in clusters): as many defects as may be missed score lowest of all,
 * as many good items as may be rejected score highest of all.
 */
typedef struct drae__separation {
    double aupr;
    double aupr_good;
    double f1max;
    double f1max_good;
} drae__separation;

drae__separation drae__perfect_separation(double n_good, double n_defective, double confidence);

#endif
