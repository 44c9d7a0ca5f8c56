/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How well a map of scores finds defects pixel by pixel: pixel AUROC, AUPR, F1max, and AUPRO, the
 * area under the per-region overlap of Bergmann et al. (MVTec AD, IJCV 129, 2021): the mean over
 * all connected defects of the share of their pixels above a threshold, against the share of good
 * pixels above it, integrated from 0 to a limit (0.3 is usual, 0.05 is strict) and divided by it.
 *
 * Maps stream through: pixels are counted in histograms over fixed bins, 2048 to a factor of two,
 * so that memory does not grow and a score is known to one part in 2048; within a bin scores count
 * as tied. Beside them each cluster (product) keeps coarse counts, 16 bins to a factor of two, from
 * which the bootstrap by product takes the width of its intervals.
 */
#ifndef DRAE_LINE_PIXEL_H
#define DRAE_LINE_PIXEL_H

#include "base/error.h"
#include "line/intervals.h"

#include <stddef.h>
#include <stdint.h>

/* ---- connected defects ---- */

/*
 * Numbers the 8-connected components of mask[size,size] (0 or not) from 1 in the order of their
 * first pixels: labels[size,size] receives the number, 0 outside. stack holds size * size entries
 * of scratch. Returns how many there are.
 */
int drae__components(int size, const uint8_t *mask, int32_t *labels, int32_t *stack);

/* ---- streaming ---- */

typedef struct drae__pixels drae__pixels;

/* More clusters than DRAE__PIXEL_CLUSTERS share coarse counts, cluster modulo that number: their
 * groups are then drawn. size 1..4096. ERROR_MEMORY. */
#define DRAE__PIXEL_CLUSTERS 1024
drae_status drae__pixels_create(size_t n_clusters, int size, drae__pixels **pixels, drae__err *err);
void drae__pixels_destroy(drae__pixels *pixels); /* NULL is a no-op */

/*
 * Adds one map [size,size] of scores from 0 up (below 0 counts as 0, NaN as the largest) with its
 * mask [size,size] (0 good, else defective; NULL: good everywhere).
 */
void drae__pixels_add(drae__pixels *pixels, size_t cluster, const float *map, const uint8_t *mask);

typedef struct drae__pixel_figures {
    uint64_t n_good;
    uint64_t n_defective;
    uint64_t n_defects; /* connected ones */
    drae__interval auroc;
    drae__interval aupr;
    drae__interval f1max;
    drae__interval aupro_30; /* limit 0.3 */
    drae__interval aupro_05; /* limit 0.05 */
    double f1max_threshold;
} drae__pixel_figures;

/*
 * The figures so far; intervals from `rounds` draws of clusters (drae__bootstrap_draw). NAN in
 * [0, 1] where there are no defective or no good pixels. ERROR_MEMORY.
 */
drae_status drae__pixels_measure(const drae__pixels *pixels, size_t rounds, uint64_t seed,
                                 double confidence, drae__pixel_figures *figures, drae__err *err);

#endif
