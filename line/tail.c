/* SPDX-License-Identifier: Apache-2.0 */
#include "line/tail.h"

#include "line/intervals.h"
#include "line/statistics.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

size_t drae__tail_needed_empirical(double rate) {
    return (size_t)ceil(DRAE__TAIL_ABOVE / rate - 1e-9);
}

size_t drae__tail_needed(double rate) {
    double by_reach = ceil(1.0 / (rate * DRAE__TAIL_REACH) - 1e-9);
    double by_fit = ceil(DRAE__TAIL_EXCEEDANCES / DRAE__TAIL_SHARE - 1e-9);
    size_t pareto = (size_t)fmax(by_reach, by_fit);
    size_t empirical = drae__tail_needed_empirical(rate);
    return empirical < pareto ? empirical : pareto;
}

/* ---- generalised Pareto ---- */

double drae__pareto_quantile(double p, double scale, double shape) {
    if (fabs(shape) < 1e-9) {
        return -scale * log(p);
    }
    return scale / shape * expm1(-shape * log(p));
}

double drae__pareto_likelihood(size_t n, const double *x, double scale, double shape) {
    double sum = 0.0;
    if (!(scale > 0.0)) {
        return -INFINITY;
    }
    for (size_t i = 0; i < n; i++) {
        double y = x[i] / scale;
        if (fabs(shape) < 1e-9) {
            sum += y;
        } else if (1.0 + shape * y > 0.0) {
            sum += (1.0 + 1.0 / shape) * log1p(shape * y);
        } else {
            return -INFINITY;
        }
    }
    return -(double)n * log(scale) - sum;
}

/* What is searched: exceedances, and the share of them that may lie above the quantile. */
typedef struct search {
    size_t n;
    const double *x;
    double p;
    double shape; /* the best of the last profile() */
} search;

static double at_quantile(const search *s, double quantile, double shape) {
    double scale = quantile / drae__pareto_quantile(s->p, 1.0, shape);
    return drae__pareto_likelihood(s->n, s->x, scale, shape);
}

/* The largest likelihood of a quantile over all shapes: golden section. */
static double profile(search *s, double quantile) {
    const double golden = 0.6180339887498949;
    double low = DRAE__TAIL_SHAPE_LOW;
    double high = DRAE__TAIL_SHAPE_HIGH;
    double a = high - golden * (high - low);
    double b = low + golden * (high - low);
    double fa = at_quantile(s, quantile, a);
    double fb = at_quantile(s, quantile, b);
    for (int i = 0; i < 30; i++) {
        /* Too light a tail gives no likelihood at all; the heavier side is then the way. */
        if (fa > fb) {
            high = b;
            b = a;
            fb = fa;
            a = high - golden * (high - low);
            fa = at_quantile(s, quantile, a);
        } else {
            low = a;
            a = b;
            fa = fb;
            b = low + golden * (high - low);
            fb = at_quantile(s, quantile, b);
        }
    }
    s->shape = fa > fb ? a : b;
    return fmax(fa, fb);
}

/* log(quantile) where the profile has fallen to `level`, from `inside` towards `outside`. */
static double fall(search *s, double inside, double outside, double level) {
    if (profile(s, exp(outside)) > level) {
        return outside;
    }
    for (int i = 0; i < 40; i++) {
        double middle = 0.5 * (inside + outside);
        if (profile(s, exp(middle)) > level) {
            inside = middle;
        } else {
            outside = middle;
        }
    }
    return outside;
}

void drae__pareto_tail(size_t n, const double *x, double p, double confidence, double effect,
                       double limits[3], double *scale, double *shape) {
    const double golden = 0.6180339887498949;
    search s = {.n = n, .x = x, .p = p};
    double mean = 0.0;
    for (size_t i = 0; i < n; i++) {
        mean += x[i] / (double)n;
    }
    /* Beyond these no shape within its bounds is likely at all. */
    double centre = log(drae__pareto_quantile(p, mean, 0.0));
    double least = centre - 5.0;
    double most = centre + 8.0;
    double low = least;
    double high = most;
    double a = high - golden * (high - low);
    double b = low + golden * (high - low);
    double fa = profile(&s, exp(a));
    double fb = profile(&s, exp(b));
    for (int i = 0; i < 50; i++) {
        if (fa > fb) {
            high = b;
            b = a;
            fb = fa;
            a = high - golden * (high - low);
            fa = profile(&s, exp(a));
        } else {
            low = a;
            a = b;
            fa = fb;
            b = low + golden * (high - low);
            fb = profile(&s, exp(b));
        }
    }
    double best = fa > fb ? a : b;
    double top = profile(&s, exp(best));
    double z = drae__normal_quantile(0.5 * (1.0 + confidence));
    *shape = s.shape;
    *scale = exp(best) / drae__pareto_quantile(p, 1.0, s.shape);
    double level = top - 0.5 * z * z * effect;
    limits[0] = exp(fall(&s, best, least, level));
    limits[1] = exp(best);
    limits[2] = exp(fall(&s, best, most, level));
}

/* ---- order statistics ---- */

/* P(B <= k) for B binomial (n, p), continued to numbers that are not whole. */
static double binomial_cdf(double k, double n, double p) {
    return k >= n ? 1.0 : 1.0 - drae__beta_cdf(k + 1.0, n - k, p);
}

/*
 * Ranks from the top that enclose the quantile: the number of values above it is binomial (n,
 * rate), so the value with `above` values over it lies below the quantile where more values than
 * that are above, and so on; no assumption about the distribution. `effect` values count as one.
 */
static void order_interval(drae__tail *tail, const float *sorted, const drae__tail_ask *ask) {
    double half = 0.5 * (1.0 - ask->confidence);
    double worth = (double)tail->n / ask->effect;
    size_t n = tail->n;
    /* high: the smallest number of values above with P(B < above + 1) still at most half. */
    size_t above = 0;
    tail->high = INFINITY;
    while (above < n && binomial_cdf((double)above / ask->effect, worth, ask->rate) <= half) {
        tail->high = (double)sorted[n - 1 - above];
        above++;
    }
    while (above < n && 1.0 - binomial_cdf((double)above / ask->effect, worth, ask->rate) > half) {
        above++;
    }
    tail->low = (double)sorted[above < n ? n - 1 - above : 0];
}

/* ---- threshold ---- */

static drae_status pareto_threshold(drae__tail *tail, const float *sorted,
                                    const drae__tail_ask *ask, drae__err *err) {
    size_t n = tail->n;
    size_t k = (size_t)((double)n * DRAE__TAIL_SHARE);
    k = k < DRAE__TAIL_EXCEEDANCES ? DRAE__TAIL_EXCEEDANCES : k;
    double u = (double)sorted[n - 1 - k];
    double *x = calloc(k, sizeof *x);
    if (x == NULL) {
        return drae__fail(err, DRAE_ERROR_MEMORY, "no memory for a tail of %zu values", k);
    }
    for (size_t i = 0; i < k; i++) {
        x[i] = (double)sorted[n - k + i] - u;
    }
    if (!(x[k - 1] > 0.0)) {
        free(x);
        return drae__fail(err, DRAE_ERROR_FILE,
                          "the %zu largest of %zu scores are all %g: there is no tail to measure; "
                          "a rate of %g needs %zu",
                          k + 1, n, u, ask->rate, drae__tail_needed_empirical(ask->rate));
    }
    double limits[3];
    tail->method = DRAE__TAIL_PARETO;
    tail->u = u;
    tail->share = (double)k / (double)n;
    drae__pareto_tail(k, x, ask->rate / tail->share, ask->confidence, ask->effect, limits,
                      &tail->scale, &tail->shape);
    tail->low = u + limits[0];
    tail->threshold = u + limits[1];
    tail->high = u + limits[2];
    free(x);
    return DRAE_OK;
}

static drae_status check(size_t n, const float *scores, const drae__tail_ask *ask, drae__err *err) {
    if (!(ask->rate > 0.0 && ask->rate < 1.0) ||
        !(ask->confidence >= 0.5 && ask->confidence < 1.0) || !(ask->effect >= 1.0)) {
        return drae__fail(err, DRAE_ERROR_ARGUMENT,
                          "false-reject rate %g at confidence %g: choose a rate between 0 and 1, "
                          "such as 0.005, and a confidence from 0.5, such as 0.95",
                          ask->rate, ask->confidence);
    }
    for (size_t i = 0; i < n; i++) {
        if (!isfinite(scores[i])) {
            return drae__fail(err, DRAE_ERROR_NOT_FINITE, "score %zu is not finite", i);
        }
    }
    return DRAE_OK;
}

static drae_status refuse(size_t n, const drae__tail_ask *ask, drae__err *err) {
    char worth[96] = "";
    if (ask->effect > 1.0) {
        (void)snprintf(worth, sizeof worth,
                       ", worth %.0f independent ones, as those of one product are alike",
                       floor((double)n / ask->effect));
    }
    return drae__fail(err, DRAE_ERROR_FILE,
                      "%zu good%s; a false-reject rate of %g needs at least %zu independent ones, "
                      "and %zu to be measured without a model of the tail",
                      n, worth, ask->rate, drae__tail_needed(ask->rate),
                      drae__tail_needed_empirical(ask->rate));
}

drae_status drae__tail_threshold(size_t n, float *scores, const drae__tail_ask *ask,
                                 drae__tail *tail, drae__err *err) {
    drae_status status = check(n, scores, ask, err);
    if (status != DRAE_OK) {
        return status;
    }
    double worth = (double)n / ask->effect * (1.0 + 1e-9);
    bool by_rank = worth >= (double)drae__tail_needed_empirical(ask->rate);
    bool by_tail = worth >= (double)drae__tail_needed(ask->rate);
    if (!by_tail && (!ask->small || n < drae__samples_needed(ask->rate))) {
        return refuse(n, ask, err);
    }
    drae__sort(n, scores);
    drae__tail found = {.n = n, .u = NAN, .share = NAN, .scale = NAN, .shape = NAN};
    if (by_rank || !by_tail) {
        found.threshold = (double)drae__quantile(n, scores, 1.0 - ask->rate);
        order_interval(&found, scores, ask);
    } else {
        status = pareto_threshold(&found, scores, ask, err);
    }
    if (status != DRAE_OK) {
        return status;
    }
    while (found.n_above < n && (double)scores[n - 1 - found.n_above] > found.threshold) {
        found.n_above++;
    }
    *tail = found;
    return DRAE_OK;
}
