/* SPDX-License-Identifier: Apache-2.0 */
/* drae inspect: the table on standard output, and the same counts as summary.json. */
#include "cli/inspect_results_private.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* AUROC of the deciding score over the patches of a region; < 0: all, by score over threshold where
 * regions decide by different scores. NAN where it cannot be told. */
static double auroc_of(const drae__inspection *in, int region, drae__scored *items) {
    size_t n = 0;
    for (size_t i = 0; i < in->n && in->labelled; i++) {
        if (isfinite(in->scores[i]) && (region < 0 || in->records[i].region == region)) {
            float score = in->scores[i];
            if (region < 0 && in->maps) {
                score /= in->threshold[in->records[i].region];
            }
            if (!isnan(score)) {
                items[n++] = (drae__scored){score, in->records[i].label == 1};
            }
        }
    }
    return drae__auroc(n, items);
}

static void put_tally(drae__jsonl *lines, const drae__tally *t, bool labelled) {
    drae__jsonl_uint(lines, "n", t->n);
    drae__jsonl_uint(lines, "rejected", t->n_rejected);
    drae__jsonl_uint(lines, "no_verdict", t->n_open);
    if (labelled) {
        drae__jsonl_uint(lines, "good", t->counts.n_good);
        drae__jsonl_uint(lines, "false_rejects", t->counts.n_false_reject);
        drae__jsonl_uint(lines, "defective", t->counts.n_defective);
        drae__jsonl_uint(lines, "missed_defects", t->counts.n_missed);
    }
}

static void put_level(drae__jsonl *lines, const char *name, const drae__tally *t, bool labelled) {
    if (t->n > 0) {
        drae__jsonl_open_object(lines, name);
        put_tally(lines, t, labelled);
        drae__jsonl_close(lines);
    }
}

static void print_level(const char *name, const drae__tally *t, double auroc, bool labelled) {
    printf("%-16s %9zu %9zu", name, t->n, t->n_rejected);
    if (labelled) {
        char missed[48];
        char falsely[48];
        (void)snprintf(missed, sizeof missed, "%zu of %zu", t->counts.n_missed,
                       t->counts.n_defective);
        (void)snprintf(falsely, sizeof falsely, "%zu of %zu", t->counts.n_false_reject,
                       t->counts.n_good);
        printf(" %16s %16s", missed, falsely);
        if (isnan(auroc)) {
            printf(" %7s", "-");
        } else {
            printf(" %7.4f", auroc);
        }
    }
    printf("%s\n", t->n_open == 0 ? "" : "   no threshold: no verdict");
}

static drae__tally sum_of_regions(const drae__results *results) {
    drae__tally all = {0};
    for (int r = 0; r < DRAE__REGIONS_MAX; r++) {
        const drae__tally *t = &results->patches[r];
        all.n += t->n;
        all.n_rejected += t->n_rejected;
        all.n_open += t->n_open;
        all.counts.n_good += t->counts.n_good;
        all.counts.n_defective += t->counts.n_defective;
        all.counts.n_missed += t->counts.n_missed;
        all.counts.n_false_reject += t->counts.n_false_reject;
    }
    return all;
}

static drae_status write_summary(const drae__results *results, const drae__tally *all,
                                 const double *auroc, double auroc_all, const char *engine_sha256,
                                 size_t n_bad, drae__err *err) {
    const drae__inspection *in = results->inspection;
    drae__jsonl *lines = NULL;
    drae_status status = drae__jsonl_create(results->summary, &lines, err);
    if (status != DRAE_OK) {
        return status;
    }
    drae__jsonl_begin(lines);
    drae__jsonl_text(lines, "engine_sha256", engine_sha256);
    put_level(lines, "patches", all, in->labelled);
    drae__jsonl_uint(lines, "patches_without_result", results->n_no_result);
    drae__jsonl_uint(lines, "files_skipped", n_bad);
    if (in->labelled) {
        drae__jsonl_double(lines, "auroc", auroc_all);
    }
    put_level(lines, "vials", &results->vials, in->labelled);
    put_level(lines, "strips", &results->strips, in->labelled);
    put_level(lines, "products", &results->products, in->labelled);
    drae__jsonl_open_array(lines, "regions");
    for (int r = 0; r < DRAE__REGIONS_MAX; r++) {
        if (results->patches[r].n > 0) {
            char name[32];
            drae__region_name(in, r, name);
            drae__jsonl_open_object(lines, NULL);
            drae__jsonl_int(lines, "region", r);
            drae__jsonl_text(lines, "name", name);
            drae__jsonl_text(lines, "kind", drae_score_text(in->kind[r]));
            drae__results_put_float(lines, "threshold", in->threshold[r]);
            drae__results_put_float(lines, "anchor", in->anchor[r]);
            put_tally(lines, &results->patches[r], in->labelled);
            if (in->labelled) {
                drae__jsonl_double(lines, "auroc", auroc[r]);
            }
            drae__jsonl_close(lines);
        }
    }
    drae__jsonl_close(lines);
    drae__jsonl_end(lines);
    return drae__jsonl_finish(lines, err);
}

static void print_summary(const drae__results *results, const drae__tally *all, const double *auroc,
                          double auroc_all) {
    const drae__inspection *in = results->inspection;
    char name[32];
    printf("\n%-16s %9s %9s%s\n", "", "inspected", "rejected",
           in->labelled ? "   missed defects    false rejects   AUROC" : "");
    for (int r = 0; r < DRAE__REGIONS_MAX; r++) {
        if (results->patches[r].n > 0) {
            drae__region_name(in, r, name);
            print_level(name, &results->patches[r], auroc[r], in->labelled);
        }
    }
    print_level("patches", all, auroc_all, in->labelled);
    if (results->strips.n > 0) {
        print_level("vials", &results->vials, NAN, in->labelled);
        print_level("strips", &results->strips, NAN, in->labelled);
    }
    if (results->products.n > 0) {
        (void)snprintf(name, sizeof name, "products (%d/%d)", in->vote_needed, in->vote_runs);
        print_level(name, &results->products, NAN, in->labelled);
    }
    if (results->n_no_result > 0) {
        printf("%zu patches have no result: rejected\n", results->n_no_result);
    }
}

drae_status drae__results_summarize(const drae__results *results, const char *engine_sha256,
                                    size_t n_bad, bool quiet, drae__err *err) {
    const drae__inspection *in = results->inspection;
    double auroc[DRAE__REGIONS_MAX];
    drae__scored *items = calloc(in->n, sizeof *items);
    if (items == NULL) {
        return drae__fail(err, DRAE_ERROR_MEMORY, "no memory to rank %zu patches", in->n);
    }
    for (int r = 0; r < DRAE__REGIONS_MAX; r++) {
        auroc[r] = results->patches[r].n > 0 ? auroc_of(in, r, items) : NAN;
    }
    double auroc_all = auroc_of(in, -1, items);
    free(items);
    drae__tally all = sum_of_regions(results);
    drae_status status = write_summary(results, &all, auroc, auroc_all, engine_sha256, n_bad, err);
    if (status == DRAE_OK && !quiet) {
        print_summary(results, &all, auroc, auroc_all);
        if (n_bad > 0) {
            printf("%zu files could not be read: passed over, their patches rejected\n", n_bad);
        }
    }
    return status;
}
