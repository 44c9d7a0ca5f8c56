/* SPDX-License-Identifier: Apache-2.0 */
#include "train/split.h"

#include "base/philox.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

typedef struct member {
    uint64_t product; /* batch << 32 | product, or the patch's own number */
    uint64_t draw;    /* what orders the products */
    bool recorded;
    bool validates;
    size_t patch;
} member;

static int by_product(const void *pa, const void *pb) {
    const member *a = pa, *b = pb;
    if (a->recorded != b->recorded) {
        return a->recorded ? -1 : 1;
    }
    if (a->product != b->product) {
        return a->product < b->product ? -1 : 1;
    }
    return a->patch < b->patch ? -1 : a->patch > b->patch;
}

static int by_draw(const void *pa, const void *pb) {
    const member *a = pa, *b = pb;
    return a->draw != b->draw ? (a->draw < b->draw ? -1 : 1) : by_product(pa, pb);
}

static int by_patch(const void *pa, const void *pb) {
    const member *a = pa, *b = pb;
    return a->patch < b->patch ? -1 : a->patch > b->patch;
}

static bool same_product(const member *a, const member *b) {
    return a->recorded == b->recorded && a->product == b->product;
}

static size_t list_good(const drae__record *records, size_t n, uint64_t seed, member *members) {
    size_t n_good = 0;
    for (size_t i = 0; i < n; i++) {
        if (records[i].label > 0) { /* 0 good, unrecorded is taken for good */
            continue;
        }
        member *m = &members[n_good++];
        m->recorded = records[i].product != DRAE__UNRECORDED;
        uint32_t batch = records[i].batch == DRAE__UNRECORDED ? 0 : (uint32_t)records[i].batch;
        m->product = m->recorded ? (uint64_t)batch << 32 | (uint32_t)records[i].product : i;
        m->patch = i;
        m->validates = false;
        drae__rng rng;
        drae__rng_init(&rng, seed, DRAE__PURPOSE_SPLIT, m->product);
        m->draw = (uint64_t)drae__rng_u32(&rng) << 32;
        m->draw |= drae__rng_u32(&rng);
    }
    return n_good;
}

/* Which of n_held patches number k of n stands for: one of its neighbours, drawn. At a fixed step
 * it would fall in with the order of the data, and validate by one region of four. */
static size_t drawn_of(uint64_t seed, size_t k, size_t n, size_t n_held) {
    const size_t first = k * n_held / n, end = (k + 1) * n_held / n;
    drae__rng rng;
    drae__rng_init(&rng, seed, DRAE__PURPOSE_THIN, k);
    return first + drae__rng_below(&rng, (uint32_t)(end - first));
}

drae_status drae__split_create(const drae__record *records, size_t n, double fraction,
                               size_t max_patches, uint64_t seed, drae__split *split,
                               drae__err *err) {
    memset(split, 0, sizeof *split);
    member *members = malloc((n > 0 ? n : 1) * sizeof *members);
    size_t *indices = malloc((n > 0 ? n : 1) * sizeof *indices);
    if (members == NULL || indices == NULL) {
        free(members);
        free(indices);
        return drae__fail(err, DRAE_ERROR_MEMORY, "no memory to split %zu patches", n);
    }
    size_t n_good = list_good(records, n, seed, members);
    qsort(members, n_good, sizeof *members, by_draw);
    size_t n_products = 0;
    for (size_t i = 0; i < n_good; i++) {
        n_products += i == 0 || !same_product(&members[i - 1], &members[i]);
    }
    size_t n_held = (size_t)llround(fraction * (double)n_products);
    if (fraction > 0.0 && n_held == 0 && n_products >= 2) {
        n_held = 1;
    }
    if (n_held >= n_products) {
        n_held = n_products > 0 ? n_products - 1 : 0;
    }
    size_t product = 0;
    for (size_t i = 0; i < n_good; i++) {
        product += i == 0 || !same_product(&members[i - 1], &members[i]);
        members[i].validates = product <= n_held;
        split->n_held_out += members[i].validates ? 1 : 0;
    }
    qsort(members, n_good, sizeof *members, by_patch);
    split->n_defective = n - n_good;
    split->n_products = n_products;
    split->n_validation = split->n_held_out < max_patches ? split->n_held_out : max_patches;
    split->train = indices; /* training first, then the validating ones behind them */
    split->validation = indices + (n_good - split->n_held_out);
    size_t held = 0;
    for (size_t i = 0; i < n_good; i++) {
        if (members[i].validates) {
            split->validation[held++] = members[i].patch;
        } else {
            split->train[split->n_train++] = members[i].patch;
        }
    }
    for (size_t k = 0; k < split->n_validation; k++) { /* never from before k */
        split->validation[k] =
            split->validation[drawn_of(seed, k, split->n_validation, split->n_held_out)];
    }
    free(members);
    if (split->n_train == 0) {
        drae__split_free(split);
        return drae__fail(err, DRAE_ERROR_FILE, "no good patch to train on among %zu", n);
    }
    return DRAE_OK;
}

void drae__split_free(drae__split *split) {
    free(split->train);
    memset(split, 0, sizeof *split);
}
