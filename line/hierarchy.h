/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which patches of a data set make a vial, a strip and a product (paper.md: batch > recipe >
 * station > product > run > frame > vial > region). Columns are found in the records; this file
 * turns them into the dense numbers that include/drae/line.h decides over.
 *
 * A strip is one product in one run; every strip of a data set is expected to show the same vials,
 * regions and frames: those that occur anywhere in it. What a strip lacks of them is missing, and
 * rejects it.
 */
#ifndef DRAE_LINE_HIERARCHY_H
#define DRAE_LINE_HIERARCHY_H

#include "base/error.h"
#include "model/record.h"

#include <stddef.h>
#include <stdint.h>

/* The distinct values of a column in ascending order; the place in the list is the dense number. */
typedef struct drae__levels {
    int n;
    int32_t *values;
} drae__levels;

typedef struct drae__hierarchy {
    size_t n;          /* patches */
    size_t *order;     /* [n] patches strip by strip, in a strip by index; the identity without */
    size_t n_strips;   /* 0: the records name no product or no vial, so there are no strips */
    size_t *strips;    /* [n_strips + 1] where each begins in order; the last is n */
    size_t n_products; /* product under one batch, recipe and station */
    size_t *products;  /* [n_products + 1] the first strip of each; the last is n_strips */
    size_t n_runs;     /* strips of the product that has most */
    drae__levels frames;
    drae__levels vials;
    drae__levels regions;
    int32_t *frame_of; /* [n] dense frame number by patch */
} drae__hierarchy;

/*
 * records[n], n > 0. Without a product and a vial in every record there are no strips (imported
 * photographs have a product each, but no vials). Without a frame in every record, the k-th patch
 * of one vial and region in a strip counts as frame k, and frames lists 0..n_frames - 1.
 * ERROR_FILE when a strip would have more frames, vials or regions than drae_strip_create accepts
 * (the text names the column); ERROR_MEMORY. drae__hierarchy_free is safe on a zeroed struct.
 */
drae_status drae__hierarchy_create(const drae__record *records, size_t n,
                                   drae__hierarchy *hierarchy, drae__err *err);
void drae__hierarchy_free(drae__hierarchy *hierarchy);

/* The dense number of a value that occurs. */
int drae__level(const drae__levels *levels, int32_t value);

/* Runs that must agree for a product of n_runs runs: 7 of 10, in proportion, rounded up, which is
 * always a majority. */
int drae__vote_needed(int n_runs);

#endif
