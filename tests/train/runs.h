/* SPDX-License-Identifier: Apache-2.0 */
/* Whole runs on a small data set, for the suites that train, stop and go on. */
#ifndef DRAE_TESTS_TRAIN_RUNS_H
#define DRAE_TESTS_TRAIN_RUNS_H

#include "small.h"

#include "train/run.h"

#define SIZE 32
#define N    26 /* 13 products, one held out: 24 train, so 6 steps an epoch */

/* The data set of set_up, in the scratch folder. */
extern char set_path[160];
extern const char *const set_paths[1];

/* What the runs of options_for have said since set_up. */
extern char news[2000];

/* Before each test: a fresh folder with N good patches of SIZE x SIZE, two a product, and no news.
 * s_remove_folder takes it away. */
void set_up(void);

/* Quiet, revision "test", no trace. */
drae__run_options options_for(const char *out);

/* Runs; the line of a refusal is in err. */
drae_status run(const drae__train_config *config, const drae__run_options *options, drae__err *err);

/* The same; fails the test by that line. */
void must_run(const drae__train_config *config, const drae__run_options *options);

#endif
