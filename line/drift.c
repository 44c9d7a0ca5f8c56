/* SPDX-License-Identifier: Apache-2.0 */
#include "line/drift.h"

#include "line/statistics.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define OUTLIER 4.0

/* ---- reference ---- */

static double median(size_t n, const float *sorted) {
    return 0.5 * ((double)sorted[(n - 1) / 2] + (double)sorted[n / 2]);
}

drae_status drae__drift_learn(size_t n, float *values, float *scratch,
                              drae__drift_reference *reference, drae__err *err) {
    double mean = 0.0;
    double squares = 0.0;
    if (n < DRAE__DRIFT_NEEDED) {
        return drae__fail(err, DRAE_ERROR_FILE,
                          "%zu values to compare with; at least %d products are needed", n,
                          DRAE__DRIFT_NEEDED);
    }
    for (size_t i = 0; i < n; i++) {
        if (!isfinite(values[i])) {
            return drae__fail(err, DRAE_ERROR_NOT_FINITE, "value %zu is not finite", i);
        }
        mean += (double)values[i] / (double)n;
    }
    for (size_t i = 0; i < n; i++) {
        double away = (double)values[i] - mean;
        squares += away * away;
    }
    drae__sort(n, values);
    double centre = median(n, values);
    for (size_t i = 0; i < n; i++) {
        scratch[i] = (float)fabs((double)values[i] - centre);
    }
    drae__sort(n, scratch);
    double scale = 1.4826 * median(n, scratch);
    scale = scale > 0.0 ? scale : sqrt(squares / (double)(n - 1));
    if (!(values[0] < values[n - 1])) {
        return drae__fail(err, DRAE_ERROR_FILE, "all %zu values are %g: nothing to compare with", n,
                          centre);
    }
    *reference = (drae__drift_reference){n, centre, scale};
    return DRAE_OK;
}

/* ---- streams ---- */

/* Average run length of a one-sided CUSUM at no shift (Siegmund, "Sequential Analysis", 1985):
 * (exp(2 k b) - 2 k b - 1) / (2 k^2), b = h + 1.166. */
static double run_length(double slack, double limit) {
    double t = 2.0 * slack * (limit + 1.166);
    return (expm1(t) - t) / (2.0 * slack * slack);
}

double drae__drift_limit(double slack, double length) {
    double low = 0.0;
    double high = 1000.0 / slack;
    for (int i = 0; i < 200; i++) {
        double middle = 0.5 * (low + high);
        /* Two sides alarm twice as often as one. */
        if (0.5 * run_length(slack, middle) < length) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return high;
}

drae_status drae__drift_begin(drae__drift *drift, double slack, double length, drae__err *err) {
    if (!(slack > 0.0 && slack <= OUTLIER) || !(length >= 10.0 && length <= 1e12)) {
        return drae__fail(err, DRAE_ERROR_ARGUMENT,
                          "a chart of slack %g and run length %g: choose a slack in (0, 4] and a "
                          "length from 10 to 1e12",
                          slack, length);
    }
    *drift = (drae__drift){.slack = slack, .limit = drae__drift_limit(slack, length)};
    return DRAE_OK;
}

bool drae__drift_add(drae__drift *d, const drae__drift_reference *reference, double value) {
    double x = (value - reference->centre) / reference->scale;
    x = isnan(x) || x > OUTLIER ? OUTLIER : x < -OUTLIER ? -OUTLIER : x;
    d->n++;
    d->high = fmax(0.0, d->high + x - d->slack);
    d->low = fmax(0.0, d->low - x - d->slack);
    d->cusum = d->cusum || d->high > d->limit || d->low > d->limit;
    d->mean += (x - d->mean) / (double)d->n;
    d->up += x - d->mean - 0.5 * d->slack;
    d->down += d->mean - x - 0.5 * d->slack;
    d->up_least = fmin(d->up_least, d->up);
    d->down_least = fmin(d->down_least, d->down);
    /* Half of the slack wants twice the limit for the same rarity of false alarms. */
    d->page_hinkley = d->page_hinkley || d->up - d->up_least > 2.0 * d->limit ||
                      d->down - d->down_least > 2.0 * d->limit;
    if (d->at == 0 && (d->cusum || d->page_hinkley)) {
        d->at = d->n;
    }
    return d->cusum || d->page_hinkley;
}

/* ---- two samples ---- */

/* The survival function of Kolmogorov's distribution. */
static double kolmogorov(double t) {
    if (t < 0.2) {
        return 1.0; /* 1 - 3e-13 and more */
    }
    double sum = 0.0;
    for (int k = 1; k <= 100; k++) {
        double term = exp(-2.0 * k * k * t * t);
        sum += k % 2 == 1 ? term : -term;
        if (term < 1e-17) {
            break;
        }
    }
    double p = 2.0 * sum;
    return p < 0.0 ? 0.0 : p > 1.0 ? 1.0 : p;
}

drae__ks drae__ks_test(size_t n, const float *a, size_t m, const float *b, double false_alarms) {
    size_t i = 0;
    size_t j = 0;
    double distance = 0.0;
    while (i < n && j < m) {
        float value = a[i] < b[j] ? a[i] : b[j];
        while (i < n && a[i] <= value) {
            i++;
        }
        while (j < m && b[j] <= value) {
            j++;
        }
        distance = fmax(distance, fabs((double)i / (double)n - (double)j / (double)m));
    }
    double size = (double)n * (double)m / ((double)n + (double)m);
    double p = kolmogorov(distance * sqrt(size));
    return (drae__ks){distance, p, p < false_alarms};
}

/* ---- both ---- */

drae_status drae__drift_compare(size_t n, float *calibration, size_t m, const float *stream,
                                double false_alarms, double length, drae__drift_found *found,
                                drae__err *err) {
    drae_status status = DRAE_OK;
    drae__drift drift = {0};
    drae__drift_found f = {.n = m};
    float *scratch = calloc(n > m ? n : m, sizeof *scratch);
    if (scratch == NULL) {
        return drae__fail(err, DRAE_ERROR_MEMORY, "no memory to compare %zu values", n + m);
    }
    DRAE__TRY(drae__drift_learn(n, calibration, scratch, &f.reference, err));
    DRAE__TRY(drae__drift_begin(&drift, 0.5, length, err));
    for (size_t i = 0; i < m; i++) {
        (void)drae__drift_add(&drift, &f.reference, (double)stream[i]);
    }
    memcpy(scratch, stream, m * sizeof *scratch);
    drae__sort(m, scratch);
    f.ks = drae__ks_test(n, calibration, m, scratch, false_alarms);
    f.shift = (median(m, scratch) - f.reference.centre) / f.reference.scale;
    f.cusum = drift.cusum;
    f.page_hinkley = drift.page_hinkley;
    f.at = drift.at > 0 ? (size_t)drift.at - 1 : m;
    f.changed = f.ks.changed || f.cusum || f.page_hinkley;
    *found = f;
done:
    free(scratch);
    return status;
}

size_t drae__cluster_means(size_t n, const float *values, const uint32_t *cluster,
                           size_t n_clusters, const bool *keep, double *sums, float *means,
                           uint32_t *of) {
    double *counts = sums + n_clusters;
    size_t found = 0;
    for (size_t c = 0; c < 2 * n_clusters; c++) {
        sums[c] = 0.0;
    }
    for (size_t i = 0; i < n; i++) {
        if (keep[i] && !isnan(values[i])) {
            sums[cluster[i]] += (double)values[i];
            counts[cluster[i]] += 1.0;
        }
    }
    for (size_t c = 0; c < n_clusters; c++) {
        if (counts[c] > 0.0) {
            of[found] = (uint32_t)c;
            means[found++] = (float)(sums[c] / counts[c]);
        }
    }
    return found;
}
