/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What verdicts were worth on labelled data: at every level of the hierarchy the two errors, and
 * the rates of the published table in its own convention (positive = good), each with intervals.
 *
 *   patch    one image, by region and of all regions together
 *   vial     a vial of a product in one run: rejected where any of its patches is
 *   strip    a product in one run: rejected where any vial is ("product (strip)" of the paper)
 *   product  the vote of its runs ("run, 7 of 10" of the paper)
 *
 * A unit is defective where any patch below it is labelled so.
 */
#ifndef DRAE_LINE_EVALUATION_H
#define DRAE_LINE_EVALUATION_H

#include "base/error.h"
#include "line/hierarchy.h"
#include "line/intervals.h"

#include <stdbool.h>

/* ---- clusters ---- */

/*
 * Which patches are of one product: cluster[n] receives numbers from 0, *n_clusters their count. By
 * batch, recipe, station and product; a patch whose product is not recorded is one by itself, and
 * comes after those that have one.
 * ERROR_MEMORY.
 */
drae_status drae__clusters_of(const drae__record *records, size_t n, uint32_t *cluster,
                              size_t *n_clusters, drae__err *err);

/* ---- levels ---- */

typedef enum drae__level_kind {
    DRAE__LEVEL_PATCH,
    DRAE__LEVEL_VIAL,
    DRAE__LEVEL_STRIP,
    DRAE__LEVEL_PRODUCT
} drae__level_kind;

/* "patch", ... */
const char *drae__level_name(drae__level_kind kind);

/* One rate with its intervals: of the units as if they were independent (exact: Clopper-Pearson;
 * wilson), and by product (drae__rate_by_cluster), which is the honest one where a product shows
 * several units. */
typedef struct drae__rate {
    drae__interval exact;
    drae__interval wilson;
    drae__interval by_product;
} drae__rate;

typedef struct drae__level_figures {
    drae__level_kind kind;
    int region; /* -1: all */
    size_t n_good;
    size_t n_bad; /* defective */
    size_t missed;
    size_t false_rejects;
    size_t n_open; /* without a verdict (no threshold); in none of the numbers above */
    size_t n_products;
    drae__rate accuracy;
    drae__rate tpr;          /* good that pass: positive = good */
    drae__rate tnr;          /* defective that are rejected */
    drae__interval balanced; /* (tpr + tnr) / 2 */
    bool balanced_exact;     /* an error count is 0: from Clopper-Pearson, not from the bootstrap */
} drae__level_figures;

/* How many runs must be good for a product to pass, and what follows: the operating curve of the
 * vote. A run without a result is not good. */
typedef struct drae__vote_figures {
    int needed;
    drae__level_figures figures;
} drae__vote_figures;

typedef struct drae__evaluation {
    size_t n_levels;
    drae__level_figures *levels; /* patch by region ascending, patch of all, vial, strip, product */
    size_t n_votes;              /* 0 where no product has several runs */
    drae__vote_figures *votes;
    uint8_t *strip_reasons; /* [hierarchy.n_strips] drae_reason of each strip */
    uint8_t *vial_reasons;  /* [hierarchy.n_strips, hierarchy.vials.n] */
} drae__evaluation;

typedef struct drae__evaluation_input {
    const drae__record *records; /* [hierarchy->n] with labels */
    const drae__hierarchy *hierarchy;
    const uint8_t *reasons; /* [n] drae_reason of each patch */
    const uint32_t *cluster;
    size_t n_clusters;
    int vote_needed;
    int vote_runs; /* at least hierarchy->n_runs */
    uint64_t seed; /* of the bootstrap */
    size_t rounds;
    double confidence;
} drae__evaluation_input;

/* ERROR_MEMORY. Free with drae__evaluation_free, which is safe on a zeroed struct. */
drae_status drae__evaluate(const drae__evaluation_input *input, drae__evaluation *evaluation,
                           drae__err *err);
void drae__evaluation_free(drae__evaluation *evaluation);

/* Whether a patch of strips [first, last) is labelled defective; vial < 0: of any vial, else of the
 * vial with that dense number. */
bool drae__strips_defective(const drae__record *records, const drae__hierarchy *hierarchy,
                            size_t first, size_t last, int vial);

#endif
