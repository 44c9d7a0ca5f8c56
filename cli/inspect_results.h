/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What `drae inspect` finds, as text: results.jsonl (patches in index order, then vials, strips and
 * products), summary.json, and the table on standard output. docs/inspect.md names every field.
 *
 * While an inspection runs its lines are in results.partial.jsonl; the name results.jsonl stands
 * for a whole one.
 */
#ifndef DRAE_CLI_INSPECT_RESULTS_H
#define DRAE_CLI_INSPECT_RESULTS_H

#include "cli/inspection.h"

#define DRAE__RESULTS_FILE         "results.jsonl"
#define DRAE__RESULTS_PARTIAL_FILE "results.partial.jsonl"
#define DRAE__SUMMARY_FILE         "summary.json"

typedef struct drae__results drae__results;

/* Starts results.partial.jsonl in a folder. */
drae_status drae__results_create(const char *folder, const drae__inspection *inspection,
                                 drae__results **results, drae__err *err);

/* Writes the lines of the patches that are known by now, up to the first that is not. */
drae_status drae__results_advance(drae__results *results, drae__err *err);

/* No more will be known: writes the lines of those that are, in index order with gaps, and leaves
 * the partial file on the disk. */
drae_status drae__results_stop(drae__results *results, drae__err *err);

/* All patches are known: decides over vials, strips and products, and gives the file its name. */
drae_status drae__results_finish(drae__results *results, drae__err *err);

/* Closes; the partial file stays, with the lines that were written. NULL is a no-op. */
void drae__results_close(drae__results *results);

/* After finish: summary.json, and unless quiet the table on standard output. engine_sha256 names
 * the engine. */
drae_status drae__results_summarize(const drae__results *results, const char *engine_sha256,
                                    size_t n_bad, bool quiet, drae__err *err);

#endif
