/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The threshold that a target share of good items exceeds, with its interval: by order statistics
 * where the sample carries the rate, by a generalised Pareto tail where it does not quite (peaks
 * over threshold; Pickands, Annals of Statistics 3, 1975), and a refusal with the needed sample
 * size where even that would be a guess. Plain arrays in, numbers out; any thread.
 */
#ifndef DRAE_LINE_TAIL_H
#define DRAE_LINE_TAIL_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>

/* The sample carries a rate by itself when about this many of its values lie above the threshold:
 * with fewer, the upper limit at 95 % lies beyond the sample. */
#define DRAE__TAIL_ABOVE 4.0

/* How far a tail may reach beyond the sample: a rate of one in this many times the sample size. */
#define DRAE__TAIL_REACH 10.0

/* Fewest values that a tail is fitted to, and the share of the sample that it is fitted to. */
#define DRAE__TAIL_EXCEEDANCES 20
#define DRAE__TAIL_SHARE       0.1

/* What is asked of a sample. */
typedef struct drae__tail_ask {
    double rate;       /* share of good items above the threshold, 0 < rate < 1 */
    double confidence; /* of the limits, 0.5 <= confidence < 1 */
    /* How many items weigh as much as one independent item (drae__design_effect), at least 1: the
     * sample counts as n / effect in what it may tell and in its limits. */
    double effect;
    /* Below what is needed, but from 1 / rate items on: the quantile all the same, whose upper
     * limit is then mostly INFINITY. */
    bool small;
} drae__tail_ask;

typedef enum drae__tail_method {
    DRAE__TAIL_EMPIRICAL = 0, /* a value of the sample, interval by order statistics (exact) */
    DRAE__TAIL_PARETO = 1     /* beyond the sample, interval by profile likelihood */
} drae__tail_method;

typedef struct drae__tail {
    drae__tail_method method;
    double threshold; /* the (1 - rate) quantile */
    double low, high; /* at the asked confidence; high is INFINITY where order statistics end */
    size_t n;
    size_t n_above; /* values of the sample above the threshold */
    /* of the Pareto tail, NAN without: P(X > u + x) = share * (1 + shape x / scale)^(-1/shape) */
    double u, share, scale, shape;
} drae__tail;

/* Fewest independent good items for a rate: by order statistics, and with the Pareto tail.
 * 0 < rate < 1. */
size_t drae__tail_needed_empirical(double rate);
size_t drae__tail_needed(double rate);

/*
 * scores[n], sorted in place. Limits of a sample that is worth less than n: ranks are those of the
 * effective number, and the likelihood is divided by the effect (Chandler and Bate, Biometrika 94,
 * 2007), as the design effect divides the number of units of a rate.
 *   ERROR_ARGUMENT    rate, confidence or effect out of range
 *   ERROR_NOT_FINITE  a score is NaN or infinite
 *   ERROR_FILE        the sample is too small; the text names the number that is needed
 *   ERROR_MEMORY
 */
drae_status drae__tail_threshold(size_t n, float *scores, const drae__tail_ask *ask,
                                 drae__tail *tail, drae__err *err);

/* The logarithm of the likelihood of a generalised Pareto distribution for x[n] >= 0, -INFINITY
 * where it does not allow one of them. */
double drae__pareto_likelihood(size_t n, const double *x, double scale, double shape);

/* x with P(X > x) = p of that distribution, 0 < p <= 1. */
double drae__pareto_quantile(double p, double scale, double shape);

/*
 * limits[3]: lower limit, maximum-likelihood estimate, upper limit of that quantile from x[n] >= 0,
 * not all 0, by the profile likelihood (a quantile is within the limits where no shape between the
 * two bounds makes it too unlikely; Coles, "An Introduction to Statistical Modeling of Extreme
 * Values", 2001, 4.3.3), after division by effect >= 1. Scale and shape are those of the estimate.
 */
#define DRAE__TAIL_SHAPE_LOW  (-0.5)
#define DRAE__TAIL_SHAPE_HIGH 1.0
void drae__pareto_tail(size_t n, const double *x, double p, double confidence, double effect,
                       double limits[3], double *scale, double *shape);

#endif
