/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The planned convolutions of the network for one batch size. The encoders of all three networks
 * have the same shapes and share one set: weights are handed in at every run.
 */
#ifndef DRAE_TRAIN_CONVS_H
#define DRAE_TRAIN_CONVS_H

#include "kernels/conv.h"
#include "model/arch.h"

typedef struct drae__block_convs {
    drae__conv_op *conv1;
    drae__conv_op *conv2; /* convt in the decoder's C */
    drae__conv_op *proj;  /* NULL in B */
} drae__block_convs;

typedef struct drae__convs {
    int n; /* images in a batch, 0: not planned */
    drae__conv_op *stem;
    drae__block_convs blocks[2][DRAE__BLOCKS]; /* by drae__half, in the order of the data */
    drae__conv_op *out;
    size_t scratch_bytes; /* that the hungriest of them needs */
} drae__convs;

/*
 * The three convolutions of a block for n images: conv1, conv2 or convt, proj (k = 0 in B).
 */
void drae__convs_shapes(const drae__block *block, int n, drae__conv_shape shapes[3]);

/* Plans forward and both backward passes of everything. */
drae_status drae__convs_create(const drae__arch *arch, int n, drae__compute compute,
                               drae__convs *convs, drae__err *err);

/* Safe on a zeroed struct. */
void drae__convs_destroy(drae__convs *convs);

#endif
