/* SPDX-License-Identifier: Apache-2.0 */
#include "line/choose.h"

#include "base/philox.h"
#include "line/statistics.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define EVERY_FIRST 2
#define EVERY_LAST  8

static int by_value(const void *a, const void *b) {
    int32_t x = *(const int32_t *)a;
    int32_t y = *(const int32_t *)b;
    return (x > y) - (x < y);
}

/* Distinct products in ascending order into scratch; how many. */
static size_t distinct(size_t n, const int32_t *products, int32_t *scratch) {
    if (n == 0) {
        return 0;
    }
    memcpy(scratch, products, n * sizeof *scratch);
    qsort(scratch, n, sizeof *scratch, by_value);
    size_t kept = 1;
    for (size_t i = 1; i < n; i++) {
        if (scratch[i] != scratch[kept - 1]) {
            scratch[kept++] = scratch[i];
        }
    }
    return kept;
}

bool drae__drawn(size_t rank, size_t every, size_t n) {
    if (rank >= n) {
        return false;
    }
    const size_t block = rank / every, first = block * every;
    const size_t size = n - first < every ? n - first : every;
    drae__rng rng;
    drae__rng_init(&rng, 0, DRAE__PURPOSE_CHOICE, (uint64_t)every << 48 | block);
    return rank - first == drae__rng_below(&rng, (uint32_t)size);
}

bool drae__split_for_maps(size_t n, const int32_t *products, size_t needed, size_t least,
                          bool *fits, int32_t *scratch) {
    size_t n_products = distinct(n, products, scratch);
    for (size_t every = EVERY_FIRST; every <= EVERY_LAST; every++) {
        size_t n_fits = 0;
        for (size_t i = 0; i < n; i++) {
            size_t rank = i;
            const bool recorded = products[i] != DRAE__UNRECORDED;
            if (recorded) {
                const int32_t *at =
                    bsearch(&products[i], scratch, n_products, sizeof *scratch, by_value);
                rank = (size_t)(at - scratch);
            }
            fits[i] = drae__drawn(rank, every, recorded ? n_products : n);
            n_fits += fits[i];
        }
        if (n_fits >= least && n - n_fits >= needed) {
            return true;
        }
    }
    memset(fits, 0, n * sizeof *fits);
    return false;
}

size_t drae__choose_share(size_t most, size_t n, const drae__record *records, size_t *indices) {
    size_t left[DRAE__REGIONS_MAX] = {0}, wanted[DRAE__REGIONS_MAX], kept = 0;
    drae__rng rng;
    if (n <= most) {
        return n;
    }
    drae__rng_init(&rng, 0, DRAE__PURPOSE_CHOICE, UINT64_MAX);
    for (size_t i = 0; i < n; i++) {
        left[records[indices[i]].region]++;
    }
    for (int r = 0; r < DRAE__REGIONS_MAX; r++) {
        wanted[r] = left[r] * most / n;
    }
    for (size_t i = 0; i < n; i++) {
        const int r = records[indices[i]].region;
        if (drae__rng_below(&rng, (uint32_t)left[r]) < wanted[r]) {
            indices[kept++] = indices[i];
            wanted[r]--;
        }
        left[r]--;
    }
    return kept;
}

void drae__halve_region(size_t n, const drae__record *records, int region, const bool *take,
                        const uint32_t *cluster, size_t n_clusters, bool *half, uint32_t *rank) {
    uint32_t n_products = 0;
    memset(rank, 0, n_clusters * sizeof *rank);
    for (size_t i = 0; i < n; i++) {
        if (take[i] && records[i].region == region) {
            rank[cluster[i]] = 1;
        }
    }
    for (size_t k = 0; k < n_clusters; k++) { /* from "is there" to how many are before */
        n_products += rank[k];
        rank[k] = n_products - rank[k];
    }
    for (size_t i = 0; i < n; i++) {
        if (records[i].region == region) {
            half[i] = take[i] && drae__drawn(rank[cluster[i]], 2, n_products);
        }
    }
}

drae_status drae__candidate_measure(size_t n_good, float *good, size_t n_defects,
                                    const float *defects, double rate, drae__candidate *candidate,
                                    drae__err *err) {
    drae_status status = drae__threshold_from_good(n_good, good, rate, &candidate->threshold,
                                                   &candidate->n_above, err);
    candidate->n_found = 0;
    for (size_t i = 0; i < n_defects && status == DRAE_OK; i++) {
        candidate->n_found += !(defects[i] <= candidate->threshold);
    }
    return status;
}

bool drae__choose_z(const drae__candidate *phi, const drae__candidate *z) {
    return z->n_found > phi->n_found;
}
