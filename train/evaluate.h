/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looking at a generator in training by its running statistics, as at inspection: L_con over the
 * held-out patches (clean, not augmented), and a preview picture with the perturbation on.
 */
#ifndef DRAE_TRAIN_EVALUATE_H
#define DRAE_TRAIN_EVALUATE_H

#include "io/dataset.h"
#include "train/step.h"

/* Room for one batch, allocated once. */
typedef struct drae__eval_room {
    uint8_t *patches;
    float *images; /* x, x_star, mask, noise: [4][batch,size,size] */
    float *beta;
    float *scratch; /* of augmentation */
} drae__eval_room;

drae_status drae__eval_room_create(const drae__train_config *config, int size,
                                   drae__eval_room *room, drae__err *err);
void drae__eval_room_free(drae__eval_room *room); /* safe on a zeroed struct */

typedef struct drae__validation {
    double con, huber, ssim; /* means over the patches; ssim = 1 - SSIM */
} drae__validation;

/* n > 0 patches by index. ERROR_INTERRUPTED when *stop (may be NULL) is set on the way,
 * ERROR_NOT_FINITE when the loss is not. */
drae_status drae__validate(drae__trainer *trainer, drae__dataset *dataset, const size_t *indices,
                           size_t n, drae__eval_room *room, const volatile int *stop,
                           drae__validation *result, drae__err *err);

/* A PNG of min(n, batch) patches in columns; rows X, X*, M, X^, H = |X - X^| scaled to [0,1] per
 * patch; phi = 1 - SSIM below. The perturbation of a patch is the same in every preview. */
drae_status drae__preview_write(drae__trainer *trainer, drae__dataset *dataset,
                                const size_t *indices, size_t n, drae__eval_room *room,
                                const char *path, drae__err *err);

#endif
