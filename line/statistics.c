/* SPDX-License-Identifier: Apache-2.0 */
#include "line/statistics.h"

#include <math.h>
#include <stdlib.h>

/* ---- quantiles ---- */

static int compare_floats(const void *a, const void *b) {
    float x = *(const float *)a;
    float y = *(const float *)b;
    return (x > y) - (x < y);
}

void drae__sort(size_t n, float *values) {
    if (n > 1) {
        qsort(values, n, sizeof *values, compare_floats);
    }
}

/* x rounded up, unless it is a whole number but for the rounding of the product it came from. */
static double ceil_of_product(double x) {
    double whole = nearbyint(x);
    return fabs(x - whole) <= 1e-9 * fmax(1.0, fabs(x)) ? whole : ceil(x);
}

size_t drae__quantile_rank(size_t n, double p) {
    double k = ceil_of_product((double)n * p);
    if (!(k >= 1.0)) {
        return 1;
    }
    return k >= (double)n ? n : (size_t)k;
}

float drae__quantile(size_t n, const float *values, double p) {
    return values[drae__quantile_rank(n, p) - 1];
}

size_t drae__samples_needed(double rate) {
    return (size_t)ceil_of_product(1.0 / rate);
}

drae_status drae__threshold_from_good(size_t n, float *scores, double rate, float *threshold,
                                      size_t *n_above, drae__err *err) {
    if (!(rate > 0.0 && rate < 1.0)) {
        return drae__fail(err, DRAE_ERROR_ARGUMENT,
                          "false-reject rate %g: choose one between 0 and 1, such as 0.005", rate);
    }
    if (n < drae__samples_needed(rate)) {
        return drae__fail(err, DRAE_ERROR_FILE,
                          "%zu good patches; a false-reject rate of %g needs at least %zu", n, rate,
                          drae__samples_needed(rate));
    }
    for (size_t i = 0; i < n; i++) {
        if (!isfinite(scores[i])) {
            return drae__fail(err, DRAE_ERROR_NOT_FINITE, "score %zu is not finite", i);
        }
    }
    drae__sort(n, scores);
    float value = drae__quantile(n, scores, 1.0 - rate);
    size_t above = 0;
    while (above < n && scores[n - 1 - above] > value) {
        above++;
    }
    *threshold = value;
    if (n_above != NULL) {
        *n_above = above;
    }
    return DRAE_OK;
}

/* ---- streaming quantile ---- */

void drae__histogram_add(drae__histogram *histogram, size_t n, const float *values) {
    for (size_t i = 0; i < n; i++) {
        float at = values[i] * (float)DRAE__HISTOGRAM_BINS;
        int bin = DRAE__HISTOGRAM_BINS - 1; /* NaN ends here: it must not make an anchor small */
        if (at < (float)DRAE__HISTOGRAM_BINS) {
            bin = at > 0.0f ? (int)at : 0;
        }
        histogram->counts[bin]++;
    }
    histogram->n += n;
}

float drae__histogram_quantile(const drae__histogram *histogram, double p) {
    if (histogram->n == 0) {
        return NAN;
    }
    uint64_t rank = drae__quantile_rank((size_t)histogram->n, p);
    uint64_t seen = 0;
    int bin = 0;
    while (bin < DRAE__HISTOGRAM_BINS - 1 && (seen += histogram->counts[bin]) < rank) {
        bin++;
    }
    return (float)(bin + 1) / (float)DRAE__HISTOGRAM_BINS;
}

/* ---- ranks and counts ---- */

static int compare_scored(const void *a, const void *b) {
    float x = ((const drae__scored *)a)->score;
    float y = ((const drae__scored *)b)->score;
    return (x > y) - (x < y);
}

double drae__auroc(size_t n, drae__scored *items) {
    if (n > 1) {
        qsort(items, n, sizeof *items, compare_scored);
    }
    /* Twice the number of (positive, negative) pairs won, ties counting 1: whole numbers. */
    double won = 0.0;
    double n_positive = 0.0;
    double n_negative = 0.0;
    for (size_t i = 0; i < n;) {
        double positive = 0.0;
        double negative = 0.0;
        float score = items[i].score;
        for (; i < n && items[i].score == score; i++) {
            positive += items[i].positive ? 1.0 : 0.0;
            negative += items[i].positive ? 0.0 : 1.0;
        }
        won += positive * (2.0 * n_negative + negative);
        n_positive += positive;
        n_negative += negative;
    }
    if (n_positive == 0.0 || n_negative == 0.0) {
        return NAN;
    }
    return won / (2.0 * n_positive * n_negative);
}

void drae__counts_add(drae__counts *counts, bool defective, bool rejected) {
    if (defective) {
        counts->n_defective++;
        counts->n_missed += rejected ? 0 : 1;
    } else {
        counts->n_good++;
        counts->n_false_reject += rejected ? 1 : 0;
    }
}
