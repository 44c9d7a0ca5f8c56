/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the tensors of a network lie in its flat array, looked up by path once, so that a step does
 * no string work. Offsets serve parameters, gradients and moments alike.
 */
#ifndef DRAE_TRAIN_OFFSETS_H
#define DRAE_TRAIN_OFFSETS_H

#include "model/params.h"

typedef struct drae__bn_at {
    size_t gamma, beta, mean, var;
} drae__bn_at;

typedef struct drae__block_at {
    drae__bn_at bn1, bn2;
    size_t conv1, conv2, proj; /* conv2: convt in the decoder's C; proj: unused in B */
} drae__block_at;

typedef struct drae__dense_at {
    size_t weight, bias;
} drae__dense_at;

typedef struct drae__offsets {
    size_t stem;
    drae__block_at blocks[2][DRAE__BLOCKS]; /* [DRAE__HALF_DECODER] in the generator only */
    drae__bn_at head;
    drae__dense_at down; /* bottleneck/down, or the discriminator's logit */
    drae__dense_at up;   /* generator only, as is the rest */
    drae__bn_at out_bn;
    drae__dense_at out;
} drae__offsets;

/* ERROR_INTERNAL naming the path when the layout lacks a tensor. */
drae_status drae__offsets_create(const drae__arch *arch, const drae__params *params,
                                 drae__offsets *offsets, drae__err *err);

#endif
