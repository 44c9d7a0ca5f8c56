/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Batches ahead of time: reader threads take tickets (one a batch, in order), read the patches,
 * augment them and put the batch into a ring; the trainer takes batches in the order of their
 * tickets. What is in batch t depends on seed, epoch and position alone, never on the number of
 * readers. An epoch is a Philox shuffle (purpose SHUFFLE, index = epoch) of the training patches,
 * cut into batches; the last one may be smaller.
 */
#ifndef DRAE_TRAIN_LOADER_H
#define DRAE_TRAIN_LOADER_H

#include "io/dataset.h"
#include "train/step.h"

typedef struct drae__loader drae__loader;

/* Starts config.run.readers threads at batch number `cursor` of `epoch`. dataset, config and train
 * [n_train] must outlive the loader; only the loader reads the data set meanwhile, or callers that
 * accept to wait for it. */
drae_status drae__loader_create(const drae__train_config *config, drae__dataset *dataset,
                                const size_t *train, size_t n_train, int64_t epoch, int64_t cursor,
                                drae__loader **loader, drae__err *err);

/*
 * The same for one of `ranks` processes that train together: a batch of the job is ranks *
 * config.run.batch patches of the epoch's order, of which each takes its part in the order of the
 * ranks, all of the same size. What an epoch leaves over at its end, less than one patch a process,
 * is left out; the next epoch's order leaves out others.
 */
drae_status drae__loader_create_share(const drae__train_config *config, drae__dataset *dataset,
                                      const size_t *train, size_t n_train, size_t rank,
                                      size_t ranks, int64_t epoch, int64_t cursor,
                                      drae__loader **loader, drae__err *err);

/* Batches of an epoch; *n_last: the size of each process's last one. */
int64_t drae__loader_batches(const drae__train_config *config, size_t n_train, size_t ranks,
                             size_t *n_last);

/* The next batch, valid until the next call. ERROR_FILE when patches could not be read. */
drae_status drae__loader_next(drae__loader *loader, drae__batch *batch, drae__err *err);

/* Seconds that the trainer has waited for batches so far. */
double drae__loader_waited_s(const drae__loader *loader);

/* Stops the threads and frees. NULL is a no-op. */
void drae__loader_destroy(drae__loader *loader);

/* Fills order [n_train] with the indices of train in the order of an epoch. */
void drae__loader_shuffle(uint64_t seed, int64_t epoch, const size_t *train, size_t n_train,
                          size_t *order);

#endif
