/* SPDX-License-Identifier: Apache-2.0 */
#include "line/roc.h"

#include <math.h>
#include <stdlib.h>

static int compare_items(const void *a, const void *b) {
    float x = ((const drae__item *)a)->score;
    float y = ((const drae__item *)b)->score;
    return (x < y) - (x > y);
}

void drae__items_sort(size_t n, drae__item *items) {
    if (n > 1) {
        qsort(items, n, sizeof *items, compare_items);
    }
}

static double weight_of(const drae__item *item, const uint32_t *weights) {
    return weights == NULL ? 1.0 : (double)weights[item->cluster];
}

/* The threshold at which everything up to and including items[end - 1] is rejected: the next lower
 * score, which passes. */
static float threshold_behind(size_t n, const drae__item *items, size_t end) {
    return end < n ? items[end].score : nextafterf(items[n - 1].score, -INFINITY);
}

static double f1(double hits, double errors) {
    return hits > 0.0 ? 2.0 * hits / (2.0 * hits + errors) : 0.0;
}

typedef struct group {
    double good;
    double defective;
    size_t end;
} group;

/* The items of one score that begin at `at`, in the direction of step. */
static group take_group(size_t n, const drae__item *items, const uint32_t *weights, size_t at) {
    group g = {0.0, 0.0, at};
    float score = items[at].score;
    for (; g.end < n && items[g.end].score == score; g.end++) {
        double w = weight_of(&items[g.end], weights);
        g.good += items[g.end].defective ? 0.0 : w;
        g.defective += items[g.end].defective ? w : 0.0;
    }
    return g;
}

/* Average precision with good as the positive: from the lowest score up. */
static double average_precision_of_good(size_t n, const drae__item *items, const uint32_t *weights,
                                        double n_good) {
    double good = 0.0;
    double defective = 0.0;
    double area = 0.0;
    for (size_t at = n; at > 0;) {
        float score = items[at - 1].score;
        double more = 0.0;
        for (; at > 0 && items[at - 1].score == score; at--) {
            double w = weight_of(&items[at - 1], weights);
            more += items[at - 1].defective ? 0.0 : w;
            defective += items[at - 1].defective ? w : 0.0;
        }
        good += more;
        area += more > 0.0 ? more * (good / (good + defective)) : 0.0;
    }
    return area / n_good;
}

/* Down the scores: what has been rejected so far. */
typedef struct walk {
    double good;      /* false rejects */
    double defective; /* detected */
    double won;       /* twice the pairs won, a tie counting one */
    double precision; /* sum of (step in defectives) * precision */
    double f1, f1_good, balanced;
} walk;

static void look(size_t n, const drae__item *items, size_t end, double rate, walk *w,
                 drae__roc *roc) {
    double accepted = roc->n_good - w->good;
    double missed = roc->n_defective - w->defective;
    double value = f1(w->defective, w->good + missed);
    if (value > w->f1) {
        w->f1 = value;
        roc->f1max_threshold = end == 0 ? INFINITY : threshold_behind(n, items, end);
    }
    value = f1(accepted, w->good + missed);
    w->f1_good = value > w->f1_good ? value : w->f1_good;
    value = 0.5 * (w->defective / roc->n_defective + accepted / roc->n_good);
    if (value > w->balanced) { /* NaN never is */
        w->balanced = value;
        roc->balanced_threshold = end == 0 ? INFINITY : threshold_behind(n, items, end);
    }
    /* Both rates only grow on the way down. A bound that is met but for rounding is met. */
    double slack = 1e-12;
    if (w->good <= rate * roc->n_good * (1.0 + slack)) {
        roc->detected_at_rate = w->defective / roc->n_defective;
    }
    if (isnan(roc->accepted_at_rate) && missed <= rate * roc->n_defective * (1.0 + slack)) {
        roc->accepted_at_rate = accepted / roc->n_good;
    }
    if (isnan(roc->false_rejects_at_full) && missed == 0.0) {
        roc->false_rejects_at_full = w->good / roc->n_good;
    }
    if (w->good == 0.0) {
        roc->missed_at_full = missed / roc->n_defective;
    }
}

void drae__roc_measure(size_t n, const drae__item *items, const uint32_t *weights, double rate,
                       drae__roc *roc) {
    *roc = (drae__roc){.detected_at_rate = NAN,
                       .false_rejects_at_full = NAN,
                       .accepted_at_rate = NAN,
                       .missed_at_full = NAN,
                       .f1max_threshold = NAN,
                       .balanced_threshold = NAN};
    for (size_t i = 0; i < n; i++) {
        double w = weight_of(&items[i], weights);
        roc->n_good += items[i].defective ? 0.0 : w;
        roc->n_defective += items[i].defective ? w : 0.0;
    }
    walk w = {.f1 = -1.0, .f1_good = -1.0, .balanced = -1.0};
    look(n, items, 0, rate, &w, roc);
    for (size_t at = 0; at < n;) {
        group g = take_group(n, items, weights, at);
        double below = roc->n_good - w.good - g.good;
        w.won += g.defective * (2.0 * below + g.good);
        w.good += g.good;
        w.defective += g.defective;
        if (g.defective > 0.0) {
            w.precision += g.defective * (w.defective / (w.defective + w.good));
        }
        at = g.end;
        if (g.good > 0.0 || g.defective > 0.0) {
            look(n, items, at, rate, &w, roc);
        }
    }
    bool both = roc->n_good > 0.0 && roc->n_defective > 0.0;
    roc->auroc = both ? w.won / (2.0 * roc->n_good * roc->n_defective) : NAN;
    roc->balanced = both ? w.balanced : NAN;
    roc->aupr = roc->n_defective > 0.0 ? w.precision / roc->n_defective : NAN;
    roc->f1max = roc->n_defective > 0.0 ? w.f1 : NAN;
    roc->f1max_good = roc->n_good > 0.0 ? w.f1_good : NAN;
    roc->aupr_good =
        roc->n_good > 0.0 ? average_precision_of_good(n, items, weights, roc->n_good) : NAN;
    if (!both) {
        roc->balanced_threshold = NAN;
        roc->detected_at_rate = roc->n_defective > 0.0 ? 1.0 : NAN;
        roc->accepted_at_rate = roc->n_good > 0.0 ? 1.0 : NAN;
        roc->false_rejects_at_full = NAN;
        roc->missed_at_full = NAN;
    }
    if (roc->n_defective == 0.0) {
        roc->f1max_threshold = NAN;
    }
}

size_t drae__roc_points(size_t n, const drae__item *items, drae__roc_point *points) {
    uint32_t n_missed = 0;
    uint32_t n_false_reject = 0;
    for (size_t i = 0; i < n; i++) {
        n_missed += items[i].defective ? 1 : 0;
    }
    size_t n_points = 0;
    points[n_points++] = (drae__roc_point){INFINITY, n_missed, 0};
    for (size_t at = 0; at < n;) {
        group g = take_group(n, items, NULL, at);
        n_missed -= (uint32_t)g.defective;
        n_false_reject += (uint32_t)g.good;
        at = g.end;
        points[n_points++] =
            (drae__roc_point){threshold_behind(n, items, at), n_missed, n_false_reject};
    }
    return n_points;
}

/* Twice the area of the triangle: what the curve loses without its middle point. */
static double loss(const drae__roc_point *a, const drae__roc_point *b, const drae__roc_point *c) {
    double x1 = (double)b->n_false_reject - (double)a->n_false_reject;
    double x2 = (double)c->n_false_reject - (double)a->n_false_reject;
    double y1 = (double)b->n_missed - (double)a->n_missed;
    double y2 = (double)c->n_missed - (double)a->n_missed;
    return fabs(x1 * y2 - x2 * y1);
}

/* Passes over the curve, each dropping the points that cost no more than a bound, which grows until
 * few enough are left. */
size_t drae__roc_thin(size_t n, drae__roc_point *points, size_t most) {
    double bound = 0.0;
    while (n > most && n > 2) {
        size_t kept = 1;
        double least = INFINITY;
        for (size_t i = 1; i + 1 < n; i++) {
            double cost = loss(&points[kept - 1], &points[i], &points[i + 1]);
            bool drop = cost <= bound && n - (i - kept) > most;
            if (!drop) {
                points[kept++] = points[i];
                least = cost < least ? cost : least;
            }
        }
        points[kept++] = points[n - 1];
        if (kept == n) {
            /* Nothing was cheap enough: allow twice what the cheapest costs. */
            bound = 2.0 * least + 1.0;
        }
        n = kept;
    }
    return n;
}
