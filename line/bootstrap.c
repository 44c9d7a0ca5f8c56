/* SPDX-License-Identifier: Apache-2.0 */
#include "line/bootstrap.h"

#include "base/philox.h"
#include "line/statistics.h"

#include <math.h>
#include <stdlib.h>

static size_t stratum_of(const uint8_t *stratum, size_t c) {
    return stratum == NULL || stratum[c] == 0 ? 0 : 1;
}

void drae__bootstrap_draw(size_t n_clusters, const uint8_t *stratum, uint64_t seed, uint64_t round,
                          uint32_t *weights) {
    size_t in_stratum[2] = {0, 0};
    drae__rng rng;
    drae__rng_init(&rng, seed, DRAE__PURPOSE_BOOTSTRAP, round);
    for (size_t c = 0; c < n_clusters; c++) {
        in_stratum[stratum_of(stratum, c)]++;
        weights[c] = 0;
    }
    for (size_t s = 0; s < 2; s++) {
        /* The k-th cluster of the stratum: by rejection when it is one of two, which takes two
         * tries where both are of a size; a table would need memory. */
        for (size_t i = 0; i < in_stratum[s]; i++) {
            size_t c;
            do {
                c = drae__rng_below(&rng, (uint32_t)n_clusters);
            } while (stratum_of(stratum, c) != s);
            weights[c]++;
        }
    }
}

static int compare_doubles(const void *a, const void *b) {
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

drae__interval drae__bootstrap_interval(double value, size_t n, double *values, double confidence) {
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        if (!isnan(values[i])) {
            values[kept++] = values[i];
        }
    }
    if (isnan(value) || kept == 0 || 2 * kept < n) {
        return (drae__interval){value, 0.0, 1.0};
    }
    qsort(values, kept, sizeof *values, compare_doubles);
    double half = 0.5 * (1.0 - confidence);
    double low = values[drae__quantile_rank(kept, half) - 1];
    double high = values[drae__quantile_rank(kept, 1.0 - half) - 1];
    /* A percentile interval of a biased statistic (the best F1 of a draw) may leave the value out;
     * a reader would take that for a mistake. */
    return (drae__interval){value, fmin(low, value), fmax(high, value)};
}

/* Average precision and F1 of positives against negatives when a share `lost` of the positives
 * ranks last and a share `ahead` of the negatives first. */
static double precision_of(double positives, double negatives, double lost, double ahead) {
    double kept = 1.0 - lost;
    double ratio = ahead * negatives / positives;
    /* The integral of x / (x + ratio) over recall x from 0 to kept; then the lost ones, each at
     * least at the precision of the first of them. */
    double area = kept - ratio * log1p(kept / ratio);
    return area + lost * (kept * positives) / (kept * positives + negatives);
}

static double f1_of(double positives, double negatives, double lost, double ahead) {
    double hits = (1.0 - lost) * positives;
    return 2.0 * hits / (2.0 * hits + lost * positives + ahead * negatives);
}

drae__separation drae__perfect_separation(double n_good, double n_defective, double confidence) {
    double missed = drae__clopper_pearson(0.0, n_defective, confidence).high;
    double rejected = drae__clopper_pearson(0.0, n_good, confidence).high;
    return (drae__separation){.aupr = precision_of(n_defective, n_good, missed, rejected),
                              .aupr_good = precision_of(n_good, n_defective, rejected, missed),
                              .f1max = f1_of(n_defective, n_good, missed, rejected),
                              .f1max_good = f1_of(n_good, n_defective, rejected, missed)};
}
