/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which patches train and which validate: good ones only, and never the same product on both sides,
 * because its frames resemble each other. Products are put in an order that depends on the seed and
 * on their number alone (Philox, purpose SPLIT), the first of them validate. A patch whose product
 * is not recorded counts as a product of its own. Where fewer patches validate than are held out,
 * one of every so many neighbours is drawn (purpose THIN).
 */
#ifndef DRAE_TRAIN_SPLIT_H
#define DRAE_TRAIN_SPLIT_H

#include "base/error.h"
#include "model/record.h"

#include <stddef.h>
#include <stdint.h>

typedef struct drae__split {
    size_t *train; /* indices of patches, ascending */
    size_t n_train;
    size_t *validation; /* the same; at most max_patches of those held out, from all over them */
    size_t n_validation;
    size_t n_held_out;  /* before thinning */
    size_t n_defective; /* left out because they are labelled defective */
    size_t n_products;
} drae__split;

/* fraction of the products (rounded, at least one where there are two and fraction > 0) validate.
 * ERROR_FILE when no good patch is left to train on. drae__split_free is safe on a zeroed struct.
 */
drae_status drae__split_create(const drae__record *records, size_t n, double fraction,
                               size_t max_patches, uint64_t seed, drae__split *split,
                               drae__err *err);
void drae__split_free(drae__split *split);

#endif
