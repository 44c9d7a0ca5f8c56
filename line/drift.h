/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether the input has changed since calibration: for an engineer, who then looks at the line and
 * calibrates anew. Nothing is learned on line.
 *
 * Two ways, for any number that a good patch has (a score, its mean grey level):
 *   - a stream, one value after the other: two-sided CUSUM (Page, Biometrika 41, 1954) and
 *     Page-Hinkley, on values standardised by the calibration set. They say when.
 *   - a window against the calibration set: the two-sample test of Kolmogorov and Smirnov, at a
 *     stated false-alarm rate. It says whether, and sees changes of shape too.
 *
 * Values of one product are alike, which both ways take for granted that they are not: feed one
 * value a product and region (the mean over its patches), not every patch. Plain arrays and caller
 * storage, nothing allocated; one thread at a time per state.
 */
#ifndef DRAE_LINE_DRIFT_H
#define DRAE_LINE_DRIFT_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- reference ---- */

/* What the calibration set says of one number: robust centre and scale, so that single outliers of
 * good production do not widen it. */
typedef struct drae__drift_reference {
    size_t n;
    double centre; /* median */
    double scale;  /* 1.4826 times the median absolute deviation; of values that are mostly equal,
                      their standard deviation */
} drae__drift_reference;

#define DRAE__DRIFT_NEEDED 20

/*
 * values[n] sorted ascending in place. ERROR_FILE for fewer than DRAE__DRIFT_NEEDED values or when
 * all are equal; ERROR_NOT_FINITE. scratch holds n values.
 */
drae_status drae__drift_learn(size_t n, float *values, float *scratch,
                              drae__drift_reference *reference, drae__err *err);

/* ---- streams ---- */

/*
 * Both charts sum x = (value - centre) / scale, limited to +-4 so that one outlier is no drift.
 * CUSUM:        high = max(0, high + x - slack), low = max(0, low - x - slack); alarm above limit
 * Page-Hinkley: the running mean takes the place of the centre: m += x - mean(x) - slack/2, alarm
 *               where m has risen more than the limit above its least value (and the same below)
 * slack is half of the shift that matters, in scales; limit sets how rarely good production alarms.
 */
typedef struct drae__drift {
    double slack;
    double limit;
    uint64_t n;
    double high, low;    /* CUSUM */
    double mean;         /* of x so far */
    double up, up_least; /* Page-Hinkley */
    double down, down_least;
    bool cusum; /* has alarmed; stays until drae__drift_begin */
    bool page_hinkley;
    uint64_t at; /* values seen when the first of them alarmed, 0: never */
} drae__drift;

/* The limit for which a CUSUM of standard normal values runs `length` values on average before a
 * false alarm, on both sides together (Siegmund's approximation). slack > 0, length >= 10. */
double drae__drift_limit(double slack, double length);

/* Starts a chart. slack 0.5 (a shift of one scale) and an average of 100,000 values between false
 * alarms are usual. ERROR_ARGUMENT for slack outside (0, 4] or length outside [10, 1e12]. */
drae_status drae__drift_begin(drae__drift *drift, double slack, double length, drae__err *err);

/* One more value; NaN counts as +4 scales, because a score that is no number is no good sign.
 * Returns whether any of the charts has alarmed by now. */
bool drae__drift_add(drae__drift *drift, const drae__drift_reference *reference, double value);

/* ---- two samples ---- */

typedef struct drae__ks {
    double distance; /* largest difference of the two distribution functions */
    double p;        /* how likely as much is by chance, asymptotically */
    bool changed;    /* p below the false-alarm rate */
} drae__ks;

/* a[n], b[m] ascending, n, m > 0, no NaN. For several regions and numbers at once, hand over the
 * wanted rate divided by their count. */
drae__ks drae__ks_test(size_t n, const float *a, size_t m, const float *b, double false_alarms);

/* ---- both, over a set of products ---- */

typedef struct drae__drift_found {
    drae__drift_reference reference;
    size_t n;     /* values of the stream */
    double shift; /* of their median from the reference's centre, in scales */
    drae__ks ks;
    bool cusum, page_hinkley;
    size_t at; /* the value at which a chart alarmed first, from 0; n: never */
    bool changed;
} drae__drift_found;

/*
 * calibration[n] is sorted in place; stream[m] is in the order of production, m > 0, and stays.
 * false_alarms is that of the test, length the mean run of the charts. Errors of
 * drae__drift_learn and drae__drift_begin; ERROR_MEMORY.
 */
drae_status drae__drift_compare(size_t n, float *calibration, size_t m, const float *stream,
                                double false_alarms, double length, drae__drift_found *found,
                                drae__err *err);

/*
 * The mean of the values of each cluster that has any: means[n_clusters], in the order of the
 * clusters, which of[n_clusters] names. Only values with keep[i] that are not NaN count.
 * sums holds 2 * n_clusters doubles of scratch. Returns how many.
 */
size_t drae__cluster_means(size_t n, const float *values, const uint32_t *cluster,
                           size_t n_clusters, const bool *keep, double *sums, float *means,
                           uint32_t *of);

#endif
