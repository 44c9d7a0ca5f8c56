/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Intervals around rates and areas. Plain numbers in, numbers out, nothing allocated; any thread.
 * confidence is two-sided, 0.95 leaves 2.5 % on either side.
 *
 * Which interval is meant for what:
 *   clopper_pearson   a rate of independent units; never too narrow, also where a cell is empty
 *   wilson            the same, closer to its nominal confidence, at times below it
 *   by_cluster        a rate of units that come in clusters (patches of one product), by way of an
 *                     effective number of units
 *   mean_of_rates     balanced accuracy of two independent rates, also where a cell is empty
 *   delong            area under the ROC curve, of units in clusters or alone
 */
#ifndef DRAE_LINE_INTERVALS_H
#define DRAE_LINE_INTERVALS_H

#include "line/roc.h"

#include <stddef.h>

typedef struct drae__interval {
    double value; /* NAN: unknown, then low and high are 0 and 1 */
    double low;
    double high;
} drae__interval;

/* ---- special functions ---- */

/* The regularised incomplete beta function I_x(a, b), a, b > 0, 0 <= x <= 1; relative error below
 * 1e-10 for a + b up to 1e6 (continued fraction of Lentz). */
double drae__beta_cdf(double a, double b, double x);

/* x with I_x(a, b) = p, 0 <= p <= 1, by bisection to the last bits. */
double drae__beta_quantile(double a, double b, double p);

/* z with Phi(z) = p, 0 < p < 1. */
double drae__normal_quantile(double p);

/* ---- rates ---- */

/* k of n, 0 <= k <= n; whole numbers or, for effective numbers of units, any. n = 0 is unknown.
 * Clopper and Pearson, Biometrika 26 (1934): exact. Wilson, JASA 22 (1927): score interval without
 * continuity correction. */
drae__interval drae__clopper_pearson(double k, double n, double confidence);
drae__interval drae__wilson(double k, double n, double confidence);

/*
 * The rate of sum(k) of sum(n) where clusters c = 0..n_clusters-1 hold n[c] units (0 is allowed) of
 * which k[c] count. Korn and Graubard, Survey Methodology 24 (1998): Clopper-Pearson with the
 * number of units divided by the design effect, the ratio of the variance between clusters
 * (linearised, C / (C - 1)) to that of independent units; never more units than there are. Where
 * all or none of the units count the design effect cannot be measured: every cluster then counts as
 * one unit.
 */
drae__interval drae__rate_by_cluster(size_t n_clusters, const double *k, const double *n,
                                     double confidence);

/*
 * The design effect of that rate: how many of its units weigh as much as one independent unit, at
 * least 1; the mean number of units of a cluster where it cannot be measured (one cluster, or all
 * or none of the units count). n = 0: 1.
 */
double drae__design_effect(size_t n_clusters, const double *k, const double *n);

/* (a + b) / 2 for independent a and b with their own intervals (the "MOVER" of Zou and Donner,
 * Statistics in Medicine 27, 2008): the distances of the limits add in squares. */
drae__interval drae__mean_of_rates(drae__interval a, drae__interval b);

/* ---- area under the ROC curve ---- */

/*
 * AUROC of items[n] in descending order of score (drae__items_sort) with the interval of DeLong,
 * DeLong and Clarke-Pearson, Biometrics 44 (1988), in its form for units in clusters (Obuchowski,
 * Biometrics 53, 1997), which for clusters of one is the first; on the logit scale, so that it
 * stays within [0, 1]. Items of one cluster carry the same number, below n_clusters. sums holds
 * 4 * n_clusters doubles of scratch. variance (may be NULL) receives that of the area itself.
 *
 * Where the variance is 0 (all pairs won, or all tied) the interval is that of m disjoint pairs
 * with one outcome, m being the smaller number of clusters with a defective and with a good item:
 * [v q, 1 - (1 - v) q], q = ((1 - confidence) / 2)^(1/m). NAN in [0, 1] when a class is empty.
 */
drae__interval drae__delong(size_t n, const drae__item *items, size_t n_clusters, double *sums,
                            double confidence, double *variance);

#endif
