/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One training step, exactly (design.md): the generator forward, the discriminator's step on X and
 * on X^, the generator's step against the updated discriminator. A loss whose weight is 0 costs
 * nothing: without L_adv there is no discriminator, without L_enc no second encoder.
 *
 * The gradients before clipping, the reconstruction and the updated discriminator stay readable in
 * the trainer after a step: that is what --trace-step writes.
 */
#ifndef DRAE_TRAIN_STEP_H
#define DRAE_TRAIN_STEP_H

#include "io/train_config.h"
#include "kernels/bn_act.h"
#include "model/model.h"
#include "train/comm.h"
#include "train/net.h"

/* The input of a step; images [n,size,size] f32 in [0,1], beta [n]. */
typedef struct drae__batch {
    size_t n;
    const float *x;      /* the clean augmented patches */
    const float *x_star; /* what the encoder sees */
    const float *mask;   /* 0 or 1; all 0 where a patch was not perturbed */
    const float *noise;  /* [0,1]; 0 where a patch was not perturbed */
    const float *beta;   /* 0 where a patch was not perturbed */
} drae__batch;

/* X(name): unweighted batch means; NAN where the part is switched off. ssim = 1 - SSIM, con as
 * weighted inside L_con, gen the weighted sum. */
#define DRAE__LOSSES(X) X(adv) X(huber) X(ssim) X(con) X(enc) X(nse) X(gen) X(disc)

typedef struct drae__losses {
#define DRAE__LOSS_FIELD(name) double name;
    DRAE__LOSSES(DRAE__LOSS_FIELD)
#undef DRAE__LOSS_FIELD
    double grad_norm; /* of generator and second encoder together, before clipping */
} drae__losses;

/* Adam of one parameter group: moments by network, and steps taken. */
typedef struct drae__adam {
    float *m[DRAE__NETS];
    float *v[DRAE__NETS];
    int64_t t_gen;  /* generator and second encoder */
    int64_t t_disc; /* discriminator */
} drae__adam;

typedef struct drae__trainer {
    drae__train_config config;
    drae__model model; /* generator, and the others where their loss has weight */
    drae__offsets at[DRAE__NETS];
    float *grads[DRAE__NETS];
    float *grads_fake; /* of the discriminator's second pass */
    drae__adam adam;
    drae__convs convs[2]; /* the whole batch, and the last one of an epoch */
    drae__step_memory memory;
    drae__ssim_window window;
    drae__comm *comm;    /* the job that this process is part of; NULL: alone */
    drae__across across; /* its batch statistics, where run.sync_bn wants them joined */
} drae__trainer;

/* Whether the configuration needs a network: bit of drae__net. */
unsigned drae__trainer_nets(const drae__train_config *config);

/* Plans and allocates for batches of config.run.batch and of n_last (0 or equal: none other) images
 * of size x size; weights are zero. OpenMP's thread count is set to config.run.threads. */
drae_status drae__trainer_create(const drae__train_config *config, int size, size_t n_last,
                                 drae__trainer *trainer, drae__err *err);
void drae__trainer_destroy(drae__trainer *trainer); /* safe on a zeroed struct */

/*
 * Makes the trainer one of comm->size that step together, each on batches of its own of the same
 * size: gradients and losses become means over all. Batch statistics are each process's own, or
 * with run.sync_bn those of all batches together, and the step is then that of one process with all
 * the patches, but for rounding. comm must outlive the trainer. A job of one changes nothing.
 */
drae_status drae__trainer_join(drae__trainer *trainer, drae__comm *comm, drae__err *err);

/* The plans for n images: ERROR_INTERNAL for a batch that was not announced. */
drae_status drae__trainer_convs(const drae__trainer *trainer, size_t n, const drae__convs **convs,
                                drae__err *err);

/*
 * One step with learning rate lr. step only serves messages. ERROR_NOT_FINITE names the layer that
 * produced the first value that is not finite; no parameter of the network concerned has taken the
 * bad gradient then.
 */
drae_status drae__trainer_step(drae__trainer *trainer, const drae__batch *batch, double lr,
                               int64_t step, drae__losses *losses, drae__err *err);

/* X^ of n images [n,size,size] by running statistics, in trainer->memory.decoder.image. */
drae_status drae__trainer_reconstruct(drae__trainer *trainer, size_t n, const float *images,
                                      drae__err *err);

#endif
