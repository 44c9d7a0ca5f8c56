/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a stored patch to X, X*, M, N, beta (paper.md, "Perturbation"). All randomness of sample i
 * in epoch e comes from one Philox stream (seed, AUGMENT, e << 40 | i), drawn in this order:
 *   rotation       uniform in [-r, r) degrees
 *   flip           one uniform
 *   perturb or not one uniform
 *   if perturbed, up to `tries` times until the mask has min_pixels:
 *                  ky, kx in 0..octave_max, then (2^ky + 1)(2^kx + 1) angles, row by row
 *     and then     beta, uniform in [beta_min, beta_max)
 *   if sigma > 0   sigma, uniform in [0, sigma), then one normal a pixel
 * So a sample looks the same whatever the threads, the batch size or the samples before it.
 */
#ifndef DRAE_TRAIN_AUGMENT_H
#define DRAE_TRAIN_AUGMENT_H

#include "io/train_config.h"

/* Bits of the sample's number below the epoch's in the stream's index. */
#define DRAE__SAMPLE_BITS 40

/* Where one augmented sample goes: [size,size] each, and one number. */
typedef struct drae__sample {
    float *x;
    float *x_star;
    float *mask;
    float *noise;
    float *beta;
} drae__sample;

/* Floats of scratch for one caller. */
size_t drae__augment_scratch_floats(const drae__train_config *config, int size);

/* patch [size,size] as stored. epoch < 2^24, sample < 2^40. Any thread with its own scratch. */
void drae__augment(const drae__train_config *config, int size, uint64_t epoch, uint64_t sample,
                   const uint8_t *patch, const drae__sample *out, float *scratch);

#endif
