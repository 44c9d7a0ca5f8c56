/* SPDX-License-Identifier: Apache-2.0 */
#include "line/figures.h"

#include "line/bootstrap.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* What is drawn, and where it comes from and goes to. */
#define DRAWN(X)                                                                                   \
    X(aupr)                                                                                        \
    X(f1max)                                                                                       \
    X(balanced)                                                                                    \
    X(detected_at_rate)                                                                            \
    X(false_rejects_at_full)                                                                       \
    X(aupr_good)                                                                                   \
    X(f1max_good)                                                                                  \
    X(accepted_at_rate)                                                                            \
    X(missed_at_full)

enum {
#define DRAWN_ENUM(name) DRAWN_##name,
    DRAWN(DRAWN_ENUM)
#undef DRAWN_ENUM
        N_DRAWN
};

typedef struct workspace {
    double *draws;     /* [N_DRAWN, rounds] */
    double *sums;      /* [4 * n_clusters] */
    uint32_t *weights; /* [n_clusters] */
    uint8_t *stratum;  /* [n_clusters] */
    drae__roc_point *points;
} workspace;

static void workspace_free(workspace *w) {
    free(w->draws);
    free(w->sums);
    free(w->weights);
    free(w->stratum);
    free(w->points);
}

static bool workspace_create(workspace *w, size_t n, size_t n_clusters, size_t rounds) {
    w->draws = calloc(N_DRAWN * rounds + 1, sizeof *w->draws);
    w->sums = calloc(4 * n_clusters + 1, sizeof *w->sums);
    w->weights = calloc(n_clusters + 1, sizeof *w->weights);
    w->stratum = calloc(n_clusters + 1, 1);
    w->points = calloc(n + 1, sizeof *w->points);
    return w->draws != NULL && w->sums != NULL && w->weights != NULL && w->stratum != NULL &&
           w->points != NULL;
}

/* Clusters that hold a good item, or a defective one. */
static double clusters_with(size_t n, const drae__item *items, size_t n_clusters, uint8_t *mark,
                            bool defective) {
    double count = 0.0;
    memset(mark, 0, n_clusters);
    for (size_t i = 0; i < n; i++) {
        if (items[i].defective == defective && mark[items[i].cluster] == 0) {
            mark[items[i].cluster] = 1;
            count += 1.0;
        }
    }
    return count;
}

/* Limits where every draw says the same: for rates as Clopper-Pearson has it;
 * perfect separation by the least favourable population; else nothing is known. */
static void mend(drae__score_figures *f, double good, double defective, double confidence) {
    drae__interval passed = drae__clopper_pearson(good, good, confidence);
    drae__interval detected = drae__clopper_pearson(defective, defective, confidence);
    if (f->detected_at_rate.low >= f->detected_at_rate.high) {
        double k = f->detected_at_rate.value * defective;
        f->detected_at_rate = drae__clopper_pearson(k, defective, confidence);
    }
    if (f->accepted_at_rate.low >= f->accepted_at_rate.high) {
        f->accepted_at_rate =
            drae__clopper_pearson(f->accepted_at_rate.value * good, good, confidence);
    }
    if (f->auroc.value == 1.0) {
        drae__separation s = drae__perfect_separation(good, defective, confidence);
        f->aupr.low = s.aupr;
        f->aupr_good.low = s.aupr_good;
        f->f1max.low = s.f1max;
        f->f1max_good.low = s.f1max_good;
        f->balanced = drae__mean_of_rates(passed, detected);
        f->false_rejects_at_full.high = 1.0 - passed.low;
        f->missed_at_full.high = 1.0 - detected.low;
    }
    drae__interval *all[] = {
#define DRAWN_PLACE(name) &f->name,
        DRAWN(DRAWN_PLACE)
#undef DRAWN_PLACE
    };
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        if (!(all[i]->low < all[i]->high)) {
            all[i]->low = 0.0;
            all[i]->high = 1.0;
        }
    }
}

drae_status drae__score_measure(size_t n, drae__item *items, size_t n_clusters, double rate,
                                uint64_t seed, size_t rounds, double confidence,
                                drae__score_figures *figures, drae__err *err) {
    drae_status status = DRAE_OK;
    workspace w = {0};
    drae__score_figures f = {0};
    if (!workspace_create(&w, n, n_clusters, rounds)) {
        status = drae__fail(err, DRAE_ERROR_MEMORY, "no memory to rank %zu patches", n);
        goto done;
    }
    drae__roc roc;
    drae__items_sort(n, items);
    drae__roc_measure(n, items, NULL, rate, &roc);
    f.n_good = (size_t)roc.n_good;
    f.n_defective = (size_t)roc.n_defective;
    f.f1max_threshold = roc.f1max_threshold;
    f.balanced_threshold = roc.balanced_threshold;
    f.auroc = drae__delong(n, items, n_clusters, w.sums, confidence, NULL);
    double good = clusters_with(n, items, n_clusters, w.stratum, false);
    double defective = clusters_with(n, items, n_clusters, w.stratum, true);
    bool both = f.n_good > 0 && f.n_defective > 0;
    for (size_t r = 0; r < rounds && both; r++) {
        drae__roc draw;
        drae__bootstrap_draw(n_clusters, w.stratum, seed, r, w.weights);
        drae__roc_measure(n, items, w.weights, rate, &draw);
#define DRAWN_KEEP(name) w.draws[DRAWN_##name * rounds + r] = draw.name;
        DRAWN(DRAWN_KEEP)
#undef DRAWN_KEEP
    }
#define DRAWN_INTERVAL(name)                                                                       \
    f.name = both ? drae__bootstrap_interval(roc.name, rounds, w.draws + DRAWN_##name * rounds,    \
                                             confidence)                                           \
                  : (drae__interval){NAN, 0.0, 1.0};
    DRAWN(DRAWN_INTERVAL)
#undef DRAWN_INTERVAL
    mend(&f, good, defective, confidence);
    size_t n_points = drae__roc_points(n, items, w.points);
    f.n_points = drae__roc_thin(n_points, w.points, DRAE__CURVE_POINTS);
    memcpy(f.points, w.points, f.n_points * sizeof *f.points);
    *figures = f;
done:
    workspace_free(&w);
    return status;
}
