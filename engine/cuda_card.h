/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The cards that the product knows, for plans made without one: what the data sheet says, and the
 * shares of it that the model of docs/performance.md assumes. The shares are assumptions until a
 * device has been measured.
 */
#ifndef DRAE_ENGINE_CUDA_CARD_H
#define DRAE_ENGINE_CUDA_CARD_H

#include "engine/cuda_choice.h"

typedef struct drae__cuda_card {
    const char *name;
    drae__cuda_device device;
    double memory_rate; /* bytes a second */
    double f16_rate;    /* f16 operations a second with f32 sums, by mma.sync */
    double mma_share;   /* of the tensor cores' rate that mma.sync can issue */
    double f32_rate;    /* outside the tensor cores */
    double copy_rate;   /* bytes a second between host and device */
    /* shares that kernels are taken to reach */
    double memory_share, f32_share;
    double block_share;  /* resblock */
    double narrow_share; /* conv_igemm with tiles of up to 64 output channels */
    double wide_share;   /* with 128 */
    double gap_s;        /* between two kernels of a graph */
} drae__cuda_card;

/* The card of a known architecture. */
const drae__cuda_card *drae__cuda_card_of(int arch);

/* The card as found: shape and rates of the device, shares of its architecture's card. */
drae__cuda_card drae__cuda_card_found(const drae__cuda_device *device);

#endif
