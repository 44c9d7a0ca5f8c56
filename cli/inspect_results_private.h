/* SPDX-License-Identifier: Apache-2.0 */
/* What the files that write results.jsonl and summary.json share. */
#ifndef DRAE_CLI_INSPECT_RESULTS_PRIVATE_H
#define DRAE_CLI_INSPECT_RESULTS_PRIVATE_H

#include "base/file.h"
#include "cli/inspect_results.h"
#include "io/jsonl.h"
#include "line/statistics.h"

/* Verdicts of one level: without a threshold there is none. */
typedef struct drae__tally {
    size_t n;
    size_t n_rejected;
    size_t n_open;       /* no verdict */
    drae__counts counts; /* of those with a verdict, where labels are known */
} drae__tally;

struct drae__results {
    const drae__inspection *inspection;
    drae__jsonl *lines;
    size_t n_written;
    bool batches, recipes, stations; /* columns that are known */
    drae__tally patches[DRAE__REGIONS_MAX];
    drae__tally vials, strips, products;
    size_t n_no_result;
    char path[DRAE__PATH_BYTES];
    char partial[DRAE__PATH_BYTES];
    char summary[DRAE__PATH_BYTES];
};

/* A number, null where it is not finite. */
void drae__results_put_float(drae__jsonl *lines, const char *name, float value);

#endif
