/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which score decides over a region, told from good patches and small synthetic defects alone, and
 * which good patches may be used for what: those that the maps of z were made of have smaller z
 * than any others, so a threshold from them would reject far more than was asked for. In a region
 * products are never on both sides: frames of one part are alike. Another region of a product may
 * be on the other side where regions hold different products, or one gives less to its maps than
 * another.
 */
#ifndef DRAE_LINE_CHOOSE_H
#define DRAE_LINE_CHOOSE_H

#include "base/error.h"
#include "model/record.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Draws one of every `every` neighbours among n in a row: true where number rank is the one.
 * Neighbours, so that either side sees all of a production that drifts; drawn, because production
 * repeats itself: a mould of two strips gives products with an even number other cavities than
 * those with an odd one, and a fixed step would keep half of the cavities from each side. False
 * where rank is not below n; every > 0.
 */
bool drae__drawn(size_t rank, size_t every, size_t n);

/*
 * Splits the n good patches of a region by product: fits[i] is true where patch i makes maps, false
 * where it sets thresholds. Of the products in ascending order one of two, drawn, makes maps, or
 * one of three, four, .. eight, the first of these that leaves at least `needed` patches for
 * thresholds and gives at least `least` to the maps. A patch
 * whose product is not known (DRAE__UNRECORDED) counts as a product of its own, by its place.
 * scratch [n]. False, fits all false: the sample is too small.
 */
bool drae__split_for_maps(size_t n, const int32_t *products, size_t needed, size_t least,
                          bool *fits, int32_t *scratch);

/* Keeps at most `most` of indices[0..n), of every region its share, drawn; their order stays. Data
 * lies region by region and vial by vial, so a fixed step would leave out whole regions. Returns
 * how many are kept. */
size_t drae__choose_share(size_t most, size_t n, const drae__record *records, size_t *indices);

/*
 * Halves the patches of a region by product, for what compares them: half[i] is true where the
 * product is the one drawn of two neighbours among those that have patches in the region. Patches
 * that take[i] leaves out are in no half and count for nothing. cluster[n] of n_clusters as of
 * drae__clusters_of; with at least two products neither side is empty. rank [n_clusters] scratch.
 */
void drae__halve_region(size_t n, const drae__record *records, int region, const bool *take,
                        const uint32_t *cluster, size_t n_clusters, bool *half, uint32_t *rank);

/* One score of a region: what it makes of good patches and of defects. */
typedef struct drae__candidate {
    float threshold;
    size_t n_above; /* good patches above it */
    size_t n_found; /* defects above it */
} drae__candidate;

/* The threshold of a score at a false-reject rate (line/statistics.h), and the defects above it.
 * Sorts good. A score of a defect that is not finite counts as found. */
drae_status drae__candidate_measure(size_t n_good, float *good, size_t n_defects,
                                    const float *defects, double rate, drae__candidate *candidate,
                                    drae__err *err);

/* Whether z decides: it finds more of the defects than phi does, at the same false-reject rate. */
bool drae__choose_z(const drae__candidate *phi, const drae__candidate *z);

#endif
