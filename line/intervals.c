/* SPDX-License-Identifier: Apache-2.0 */
#include "line/intervals.h"

#include <float.h>
#include <math.h>

static double clamp01(double x) {
    return x < 0.0 ? 0.0 : x > 1.0 ? 1.0 : x;
}

/* ---- special functions ---- */

/* The continued fraction of I_x(a, b) (Abramowitz and Stegun 26.5.8) by the modified method of
 * Lentz; converges fast for x < (a + 1) / (a + b + 2), in about sqrt(max(a, b)) steps. */
static double beta_fraction(double a, double b, double x) {
    const double tiny = 1e-300;
    const int steps_max = 100000;
    double c = 1.0;
    double d = 1.0 - (a + b) * x / (a + 1.0);
    d = 1.0 / (fabs(d) < tiny ? tiny : d);
    double value = d;
    for (int m = 1; m <= steps_max; m++) {
        double even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        d = 1.0 + even * d;
        c = 1.0 + even / c;
        d = 1.0 / (fabs(d) < tiny ? tiny : d);
        c = fabs(c) < tiny ? tiny : c;
        value *= d * c;
        double odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        d = 1.0 + odd * d;
        c = 1.0 + odd / c;
        d = 1.0 / (fabs(d) < tiny ? tiny : d);
        c = fabs(c) < tiny ? tiny : c;
        value *= d * c;
        if (fabs(d * c - 1.0) < DBL_EPSILON) {
            break;
        }
    }
    return value;
}

double drae__beta_cdf(double a, double b, double x) {
    if (x <= 0.0 || x >= 1.0) {
        return x <= 0.0 ? 0.0 : 1.0;
    }
    double front = exp(lgamma(a + b) - lgamma(a) - lgamma(b) + a * log(x) + b * log1p(-x));
    if (x < (a + 1.0) / (a + b + 2.0)) {
        return clamp01(front * beta_fraction(a, b, x) / a);
    }
    return clamp01(1.0 - front * beta_fraction(b, a, 1.0 - x) / b);
}

double drae__beta_quantile(double a, double b, double p) {
    if (p <= 0.0 || p >= 1.0) {
        return p <= 0.0 ? 0.0 : 1.0;
    }
    double low = 0.0;
    double high = 1.0;
    for (int i = 0; i < 200; i++) {
        double middle = 0.5 * (low + high);
        if (middle <= low || middle >= high) {
            break;
        }
        if (drae__beta_cdf(a, b, middle) < p) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return 0.5 * (low + high);
}

double drae__normal_quantile(double p) {
    /* Bisection in the half where erfc keeps its digits. */
    double tail = p < 0.5 ? p : 1.0 - p;
    double low = 0.0;
    double high = 40.0;
    for (int i = 0; i < 200; i++) {
        double middle = 0.5 * (low + high);
        if (middle <= low || middle >= high) {
            break;
        }
        if (0.5 * erfc(middle / sqrt(2.0)) > tail) {
            low = middle;
        } else {
            high = middle;
        }
    }
    double z = 0.5 * (low + high);
    return p < 0.5 ? -z : z;
}

/* ---- rates ---- */

static const drae__interval unknown = {NAN, 0.0, 1.0};

drae__interval drae__clopper_pearson(double k, double n, double confidence) {
    if (!(n > 0.0)) {
        return unknown;
    }
    double half = 0.5 * (1.0 - confidence);
    drae__interval interval = {k / n, 0.0, 1.0};
    if (k > 0.0) {
        interval.low = drae__beta_quantile(k, n - k + 1.0, half);
    }
    if (k < n) {
        interval.high = drae__beta_quantile(k + 1.0, n - k, 1.0 - half);
    }
    return interval;
}

drae__interval drae__wilson(double k, double n, double confidence) {
    if (!(n > 0.0)) {
        return unknown;
    }
    double z = drae__normal_quantile(0.5 * (1.0 + confidence));
    double p = k / n;
    double scale = 1.0 / (1.0 + z * z / n);
    double centre = (p + z * z / (2.0 * n)) * scale;
    double reach = z * sqrt(p * (1.0 - p) / n + z * z / (4.0 * n * n)) * scale;
    /* At the ends one limit is p itself; rounding must not lift it off. */
    return (drae__interval){p, k > 0.0 ? clamp01(centre - reach) : 0.0,
                            k < n ? clamp01(centre + reach) : 1.0};
}

double drae__design_effect(size_t n_clusters, const double *k, const double *n) {
    double units = 0.0;
    double counted = 0.0;
    double clusters = 0.0;
    for (size_t c = 0; c < n_clusters; c++) {
        units += n[c];
        counted += k[c];
        clusters += n[c] > 0.0 ? 1.0 : 0.0;
    }
    if (!(units > 0.0)) {
        return 1.0;
    }
    double p = counted / units;
    if (!(clusters > 1.0 && counted > 0.0 && counted < units)) {
        return units / clusters;
    }
    double sum = 0.0;
    for (size_t c = 0; c < n_clusters; c++) {
        double residual = k[c] - p * n[c];
        sum += residual * residual;
    }
    double variance = clusters / (clusters - 1.0) * sum / (units * units);
    double effect = variance / (p * (1.0 - p) / units);
    return effect > 1.0 ? effect : 1.0;
}

drae__interval drae__rate_by_cluster(size_t n_clusters, const double *k, const double *n,
                                     double confidence) {
    double units = 0.0;
    double counted = 0.0;
    for (size_t c = 0; c < n_clusters; c++) {
        units += n[c];
        counted += k[c];
    }
    if (!(units > 0.0)) {
        return unknown;
    }
    double p = counted / units;
    double effective = units / drae__design_effect(n_clusters, k, n);
    drae__interval interval = drae__clopper_pearson(p * effective, effective, confidence);
    interval.value = p;
    return interval;
}

drae__interval drae__mean_of_rates(drae__interval a, drae__interval b) {
    if (isnan(a.value) || isnan(b.value)) {
        return unknown;
    }
    double value = 0.5 * (a.value + b.value);
    double below = 0.5 * hypot(a.value - a.low, b.value - b.low);
    double above = 0.5 * hypot(a.high - a.value, b.high - b.value);
    return (drae__interval){value, clamp01(value - below), clamp01(value + above)};
}

/* ---- area under the ROC curve ---- */

static drae__interval of_disjoint_pairs(double value, double pairs, double confidence) {
    double q = pow(0.5 * (1.0 - confidence), 1.0 / pairs);
    return (drae__interval){value, value * q, 1.0 - (1.0 - value) * q};
}

drae__interval drae__delong(size_t n, const drae__item *items, size_t n_clusters, double *sums,
                            double confidence, double *variance) {
    /* Of each cluster: defectives, their summed shares of good items below; good items, their
     * summed shares of defectives above. */
    double *m = sums;
    double *x = sums + n_clusters;
    double *g = sums + 2 * n_clusters;
    double *y = sums + 3 * n_clusters;
    double n_defective = 0.0;
    double n_good = 0.0;
    if (variance != NULL) {
        *variance = NAN;
    }
    for (size_t i = 0; i < 4 * n_clusters; i++) {
        sums[i] = 0.0;
    }
    for (size_t i = 0; i < n; i++) {
        n_defective += items[i].defective ? 1.0 : 0.0;
        n_good += items[i].defective ? 0.0 : 1.0;
    }
    if (n_defective == 0.0 || n_good == 0.0) {
        return unknown;
    }
    double defective_above = 0.0;
    double good_above = 0.0;
    double won = 0.0;
    for (size_t at = 0; at < n;) {
        size_t end = at;
        double defective = 0.0;
        double good = 0.0;
        for (; end < n && items[end].score == items[at].score; end++) {
            defective += items[end].defective ? 1.0 : 0.0;
            good += items[end].defective ? 0.0 : 1.0;
        }
        double good_below = n_good - good_above - good;
        for (; at < end; at++) {
            uint32_t c = items[at].cluster;
            if (items[at].defective) {
                m[c] += 1.0;
                x[c] += (good_below + 0.5 * good) / n_good;
            } else {
                g[c] += 1.0;
                y[c] += (defective_above + 0.5 * defective) / n_defective;
            }
        }
        won += defective * (good_below + 0.5 * good);
        defective_above += defective;
        good_above += good;
    }
    double area = won / (n_defective * n_good);
    double c10 = 0.0;
    double c01 = 0.0;
    double c11 = 0.0;
    double s10 = 0.0;
    double s01 = 0.0;
    double s11 = 0.0;
    for (size_t c = 0; c < n_clusters; c++) {
        double dx = x[c] - m[c] * area;
        double dy = y[c] - g[c] * area;
        c10 += m[c] > 0.0 ? 1.0 : 0.0;
        c01 += g[c] > 0.0 ? 1.0 : 0.0;
        c11 += m[c] > 0.0 || g[c] > 0.0 ? 1.0 : 0.0;
        s10 += dx * dx;
        s01 += dy * dy;
        s11 += dx * dy;
    }
    double v = 0.0;
    v += c10 > 1.0 ? c10 / (c10 - 1.0) * s10 / (n_defective * n_defective) : 0.0;
    v += c01 > 1.0 ? c01 / (c01 - 1.0) * s01 / (n_good * n_good) : 0.0;
    v += c11 > 1.0 ? 2.0 * c11 / (c11 - 1.0) * s11 / (n_defective * n_good) : 0.0;
    v = v > 0.0 ? v : 0.0;
    if (variance != NULL) {
        *variance = v;
    }
    /* Sums of rounded shares leave some 1e-16 where every pair went one way. */
    if (v < 1e-20 || area <= 0.0 || area >= 1.0 || c10 < 2.0 || c01 < 2.0) {
        return of_disjoint_pairs(area, c10 < c01 ? c10 : c01, confidence);
    }
    double z = drae__normal_quantile(0.5 * (1.0 + confidence));
    double logit = log(area / (1.0 - area));
    double reach = z * sqrt(v) / (area * (1.0 - area));
    return (drae__interval){area, 1.0 / (1.0 + exp(reach - logit)),
                            1.0 / (1.0 + exp(-reach - logit))};
}
