/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Trains the head (kernels/head.h) of a model from good patches that it has not seen and the
 * reconstructions of these. Half of the crops get a synthetic defect (train/head_defects.h); the
 * reconstruction stays that of the good patch, which the 64 numbers of the bottleneck hardly change
 * for a small defect. A quarter of all are cut about places that good patches make unusual: where
 * a false reject would come from.
 *
 * The loss of a crop, o the head's output and m the mask at half resolution, p = sigmoid(o):
 *     sum of |m - p|^2 bce(o, m) / (sum of m + 16)  +  bce(mean of the 4 largest o, any m) / 2
 * (focal loss, arXiv 1708.02002), the mean over BATCH crops, Adam, cosine from LR to LR / 300,
 * BATCH and the number of steps fixed. Same patches, same head, bit for bit, on one instruction
 * set, for any number of threads.
 */
#ifndef DRAE_TRAIN_HEAD_H
#define DRAE_TRAIN_HEAD_H

#include "base/error.h"
#include "kernels/head.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DRAE__HEAD_SIDE  96 /* of a crop: the least size of a patch */
#define DRAE__HEAD_BATCH 64
#define DRAE__HEAD_STEPS 3000 /* enough */
#define DRAE__HEAD_LR    3e-3
#define DRAE__HEAD_PEAKS 12 /* unusual places of a patch */

/* Sizes of patches that a head can learn from. */
static inline bool drae__head_learns(int size) {
    return size >= DRAE__HEAD_SIDE && drae__h_takes(size);
}

/* A good patch. Borrowed. */
typedef struct drae__head_patch {
    const uint8_t *image;  /* [size,size] */
    const uint16_t *recon; /* [size,size] X^, 65535 is 1 */
    const float *maps;     /* of its region: mean, scale [size,size], scales of the filters */
    uint16_t row[DRAE__HEAD_PEAKS], column[DRAE__HEAD_PEAKS]; /* unusual places */
} drae__head_patch;

/* The places with the largest values of a map m [size,size], no two in one square of 8x8. */
void drae__head_peaks(int size, const float *m, drae__head_patch *patch);

/* Called after every step with its loss; false stops with ERROR_INTERRUPTED. */
typedef bool drae__head_step(void *context, int step, double loss);

/* weights [DRAE__H_WEIGHTS]. n patches; drae__head_learns(size).
 * ERROR_ARGUMENT (n is 0, size), ERROR_MEMORY, ERROR_NOT_FINITE. */
drae_status drae__head_fit(int size, size_t n, const drae__head_patch *patches, int threads,
                           int n_steps, drae__head_step *after, void *context, float *weights,
                           drae__err *err);

#endif
