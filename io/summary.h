/* SPDX-License-Identifier: Apache-2.0 */
/* What the columns of a data set say in numbers, for people and reports. */
#ifndef DRAE_IO_SUMMARY_H
#define DRAE_IO_SUMMARY_H

#include "io/dataset.h"

typedef struct drae__summary {
    size_t patches;
    size_t good;
    size_t defective;
    size_t region_good[DRAE__REGIONS_MAX];
    size_t region_defective[DRAE__REGIONS_MAX];
    size_t defect[DRAE__REGIONS_MAX]; /* patches of each class of defects, [0] without */
    size_t products;                  /* distinct pairs of batch and product */
    size_t frames;                    /* distinct batch, product, run and frame */
} drae__summary;

/* ERROR_MEMORY. */
drae_status drae__dataset_summarize(const drae__dataset *dataset, drae__summary *summary,
                                    drae__err *err);

#endif
