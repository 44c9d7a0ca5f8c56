/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The training graph once more, in double and over the textbook operations of kernels/ref: an
 * oracle for train/, sharing nothing with it but the table of offsets. All memory comes from one
 * pool that r_release gives back.
 */
#ifndef DRAE_TESTS_TRAIN_REF_NET_H
#define DRAE_TESTS_TRAIN_REF_NET_H

#include "train/offsets.h"
#include "train/step.h"

typedef struct r_nets {
    drae__arch arch;
    const drae__offsets *at;    /* [DRAE__NETS] */
    double sigmoid_slope;       /* loss.sigmoid_slope */
    double *params[DRAE__NETS]; /* flat, as in the trainer */
    double *grads[DRAE__NETS];  /* what r_generator_loss and r_discriminator_loss write */
    size_t total[DRAE__NETS];
} r_nets;

typedef struct r_batch {
    size_t n;
    double *x, *x_star, *mask, *noise, *beta;
} r_batch;

/* Copies of what the trainer and the batch hold now. */
r_nets r_nets_of(const drae__trainer *trainer);
r_batch r_batch_of(const drae__batch *batch, int size);
void r_release(void);

/* X^ of x_star by batch statistics. */
double *r_reconstruct(const r_nets *nets, const r_batch *batch);

/* L_gen with the default weights against the discriminator as it is; with gradients where wanted
 * (generator and second encoder; those of the discriminator are left alone). */
double r_generator_loss(const r_nets *nets, const r_batch *batch, bool gradients);

/* Mean of the two BCEs on x and on a given X^, with the discriminator's gradients where wanted. */
double r_discriminator_loss(const r_nets *nets, const r_batch *batch, const double *recon,
                            bool gradients);

#endif
