/* SPDX-License-Identifier: Apache-2.0 */
#include "line/threshold.h"

#include "line/bootstrap.h"
#include "line/intervals.h"
#include "line/statistics.h"
#include "line/tail.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SEED   1
#define ROUNDS 400

/* The largest scores that the design effect is measured at, as a share of the sample. */
#define EFFECT_SHARE 0.1

static uint64_t count_clusters(const drae__sample *s) {
    bool *seen = calloc(s->n_clusters > 0 ? s->n_clusters : 1, sizeof *seen);
    uint64_t n = 0;
    for (size_t i = 0; seen != NULL && i < s->n; i++) {
        n += !seen[s->cluster[i]];
        seen[s->cluster[i]] = true;
    }
    free(seen);
    return n;
}

drae_status drae__sample_effect(const drae__sample *good, double rate, double *effect,
                                drae__err *err) {
    drae_status status = DRAE_OK;
    size_t n = good->n;
    float *sorted = malloc((n > 0 ? n : 1) * sizeof *sorted);
    double *above = calloc(good->n_clusters > 0 ? 2 * good->n_clusters : 1, sizeof *above);
    double *units = above != NULL ? above + good->n_clusters : NULL;
    if (sorted == NULL || above == NULL) {
        status = drae__fail(err, DRAE_ERROR_MEMORY, "no memory for %zu scores", n);
        goto done;
    }
    for (size_t i = 0; i < n; i++) {
        if (!isfinite(good->scores[i])) {
            status = drae__fail(err, DRAE_ERROR_NOT_FINITE, "score %zu is not finite", i);
            goto done;
        }
    }
    *effect = 1.0;
    if (n == 0 || count_clusters(good) == n) {
        goto done;
    }
    memcpy(sorted, good->scores, n * sizeof *sorted);
    drae__sort(n, sorted);
    float level = drae__quantile(n, sorted, 1.0 - fmax(rate, EFFECT_SHARE));
    for (size_t i = 0; i < n; i++) {
        units[good->cluster[i]] += 1.0;
        above[good->cluster[i]] += good->scores[i] > level ? 1.0 : 0.0;
    }
    *effect = drae__design_effect(good->n_clusters, above, units);
done:
    free(sorted);
    free(above);
    return status;
}

drae_status drae__threshold_by_rate(const drae__sample *good, double rate, bool small,
                                    drae__threshold *threshold, drae__err *err) {
    drae_status status = DRAE_OK;
    drae__tail tail;
    drae__tail_ask ask = {
        .rate = rate, .confidence = DRAE__THRESHOLD_CONFIDENCE, .effect = 1.0, .small = small};
    float *copy = malloc((good->n > 0 ? good->n : 1) * sizeof *copy);
    if (copy == NULL) {
        return drae__fail(err, DRAE_ERROR_MEMORY, "no memory for %zu scores", good->n);
    }
    if (good->n > 0) {
        memcpy(copy, good->scores, good->n * sizeof *copy);
    }
    DRAE__TRY(drae__sample_effect(good, rate, &ask.effect, err));
    DRAE__TRY(drae__tail_threshold(good->n, copy, &ask, &tail, err));
    *threshold = (drae__threshold){.value = (float)tail.threshold,
                                   .n_above = tail.n_above,
                                   .from = {.method = tail.method == DRAE__TAIL_PARETO
                                                          ? DRAE__METHOD_PARETO
                                                          : DRAE__METHOD_EMPIRICAL,
                                            .low = fmax(tail.low, 0.0),
                                            .high = tail.high,
                                            .rate = rate,
                                            .effect = ask.effect,
                                            .n_good = good->n,
                                            .n_products = count_clusters(good)}};
done:
    free(copy);
    return status;
}

/* ---- least cost ---- */

typedef struct item {
    float score;
    bool defective;
    uint32_t cluster; /* those of defective items behind those of good ones */
} item;

static int by_score(const void *a, const void *b) {
    float x = ((const item *)a)->score;
    float y = ((const item *)b)->score;
    return (x > y) - (x < y);
}

/* items[n] ascending; weights of clusters, NULL: one each. NAN where a class is empty. */
static double least_cost(size_t n, const item *items, const uint32_t *weights, double cost_miss,
                         double cost_reject) {
    double total[2] = {0.0, 0.0};
    double passed[2] = {0.0, 0.0};
    double best = INFINITY;
    double threshold = NAN;
    for (size_t i = 0; i < n; i++) {
        total[items[i].defective] += weights != NULL ? weights[items[i].cluster] : 1.0;
    }
    if (!(total[0] > 0.0) || !(total[1] > 0.0)) {
        return NAN;
    }
    for (size_t i = 0; i < n; i++) {
        passed[items[i].defective] += weights != NULL ? weights[items[i].cluster] : 1.0;
        if (i + 1 < n && !(items[i + 1].score > items[i].score)) {
            continue;
        }
        double cost =
            cost_miss * passed[1] / total[1] + cost_reject * (total[0] - passed[0]) / total[0];
        if (cost < best) {
            double next = i + 1 < n ? (double)items[i + 1].score : (double)items[i].score;
            best = cost;
            threshold = 0.5 * ((double)items[i].score + next);
        }
    }
    return threshold;
}

static drae_status bootstrap(size_t n, const item *items, size_t n_clusters, size_t first_defective,
                             double cost_miss, double cost_reject, drae__threshold *threshold,
                             drae__err *err) {
    uint32_t *weights = calloc(n_clusters, sizeof *weights);
    uint8_t *stratum = calloc(n_clusters, 1);
    double *values = calloc(ROUNDS, sizeof *values);
    drae_status status = DRAE_OK;
    if (weights == NULL || stratum == NULL || values == NULL) {
        status = drae__fail(err, DRAE_ERROR_MEMORY, "no memory for %zu products", n_clusters);
        goto done;
    }
    memset(stratum + first_defective, 1, n_clusters - first_defective);
    for (uint64_t round = 0; round < ROUNDS; round++) {
        drae__bootstrap_draw(n_clusters, stratum, SEED, round, weights);
        values[round] = least_cost(n, items, weights, cost_miss, cost_reject);
    }
    drae__interval limits = drae__bootstrap_interval((double)threshold->value, ROUNDS, values,
                                                     DRAE__THRESHOLD_CONFIDENCE);
    threshold->from.low = fmax(fmin(limits.low, (double)threshold->value), 0.0);
    threshold->from.high = fmax(limits.high, (double)threshold->value);
done:
    free(weights);
    free(stratum);
    free(values);
    return status;
}

drae_status drae__threshold_by_cost(const drae__sample *good, const drae__sample *defective,
                                    double cost_miss, double cost_reject,
                                    drae__threshold *threshold, drae__err *err) {
    drae_status status = DRAE_OK;
    size_t n = good->n + defective->n;
    double effect = 1.0;
    if (!(cost_miss > 0.0 && cost_reject > 0.0) || isinf(cost_miss) || isinf(cost_reject)) {
        return drae__fail(err, DRAE_ERROR_ARGUMENT, "costs %g and %g: both must be above 0",
                          cost_miss, cost_reject);
    }
    if (good->n < DRAE__THRESHOLD_BY_COST_LEAST || defective->n < DRAE__THRESHOLD_BY_COST_LEAST) {
        return drae__fail(err, DRAE_ERROR_FILE,
                          "%zu good and %zu defective patches; at least %d of each are needed",
                          good->n, defective->n, DRAE__THRESHOLD_BY_COST_LEAST);
    }
    DRAE__TRY(drae__sample_effect(good, 0.0, &effect, err));
    item *items = calloc(n, sizeof *items);
    if (items == NULL) {
        return drae__fail(err, DRAE_ERROR_MEMORY, "no memory for %zu scores", n);
    }
    for (size_t i = 0; i < n; i++) {
        bool bad = i >= good->n;
        const drae__sample *of = bad ? defective : good;
        size_t k = bad ? i - good->n : i;
        items[i] = (item){.score = of->scores[k],
                          .defective = bad,
                          .cluster = of->cluster[k] + (bad ? (uint32_t)good->n_clusters : 0)};
        if (!isfinite(items[i].score)) {
            free(items);
            return drae__fail(err, DRAE_ERROR_NOT_FINITE, "a score is not finite");
        }
    }
    qsort(items, n, sizeof *items, by_score);
    drae__threshold found = {
        .value = (float)least_cost(n, items, NULL, cost_miss, cost_reject),
        .from = {.method = cost_miss == cost_reject ? DRAE__METHOD_BALANCED : DRAE__METHOD_COST,
                 .effect = effect,
                 .n_good = good->n,
                 .n_products = count_clusters(good),
                 .n_defective = defective->n}};
    for (size_t i = 0; i < good->n; i++) {
        found.n_above += good->scores[i] > found.value;
    }
    status = bootstrap(n, items, good->n_clusters + defective->n_clusters, good->n_clusters,
                       cost_miss, cost_reject, &found, err);
    free(items);
    if (status == DRAE_OK) {
        *threshold = found;
    }
done:
    return status;
}
