/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/inspect_results.h"

#include "base/file.h"
#include "io/jsonl.h"
#include "line/statistics.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Verdicts of one level: without a threshold there is none. */
typedef struct tally {
    size_t n;
    size_t n_rejected;
    size_t n_open;       /* no verdict */
    drae__counts counts; /* of those with a verdict, where labels are known */
} tally;

struct drae__results {
    const drae__inspection *inspection;
    drae__jsonl *lines;
    size_t n_written;
    bool batches, recipes, stations; /* columns that are known */
    tally patches[DRAE__REGIONS_MAX];
    tally vials, strips, products;
    size_t n_no_result;
    char path[DRAE__PATH_BYTES];
    char partial[DRAE__PATH_BYTES];
    char summary[DRAE__PATH_BYTES];
};

static void count(tally *t, drae_reason reason, bool labelled, bool defective) {
    t->n++;
    if (reason == DRAE_REASON_UNCALIBRATED) {
        t->n_open++;
        return;
    }
    t->n_rejected += reason != DRAE_REASON_NONE;
    if (labelled) {
        drae__counts_add(&t->counts, defective, reason != DRAE_REASON_NONE);
    }
}

/* ---- lines ---- */

static void put_int(drae__jsonl *lines, const char *name, bool known, int32_t value) {
    if (known && value != DRAE__UNRECORDED) {
        drae__jsonl_int(lines, name, value);
    }
}

static void put_float(drae__jsonl *lines, const char *name, float value) {
    if (isfinite(value)) {
        drae__jsonl_float(lines, name, value);
    } else {
        drae__jsonl_null(lines, name);
    }
}

static void put_reject(drae__jsonl *lines, drae_reason reason) {
    if (reason == DRAE_REASON_UNCALIBRATED) {
        drae__jsonl_null(lines, "reject");
    } else {
        drae__jsonl_bool(lines, "reject", reason != DRAE_REASON_NONE);
    }
    if (reason != DRAE_REASON_NONE) {
        drae__jsonl_text(lines, "reason", drae_reason_text(reason));
    }
}

static void put_product(const drae__results *results, const drae__record *r) {
    put_int(results->lines, "batch", results->batches, r->batch);
    put_int(results->lines, "recipe", results->recipes, r->recipe);
    put_int(results->lines, "station", results->stations, r->station);
    put_int(results->lines, "product", true, r->product);
}

static void put_label(drae__jsonl *lines, bool known, bool defective) {
    if (known) {
        drae__jsonl_int(lines, "label", defective ? 1 : 0);
    }
}

static void write_patch(drae__results *results, size_t i) {
    const drae__inspection *in = results->inspection;
    const drae__record *r = &in->records[i];
    drae__jsonl *lines = results->lines;
    drae_reason reason = (drae_reason)in->reasons[i];
    drae__jsonl_begin(lines);
    drae__jsonl_uint(lines, "index", i);
    drae__jsonl_int(lines, "region", r->region);
    put_float(lines, "score", in->scores[i]);
    put_float(lines, "threshold", in->threshold[r->region]);
    put_reject(lines, reason);
    drae__jsonl_text(lines, "kind", drae_score_text(in->kind[r->region]));
    put_float(lines, "phi", in->phi[i]);
    if (isfinite(in->z[i])) {
        drae__jsonl_float(lines, "z", in->z[i]);
    }
    drae__jsonl_text(lines, "type", "patch");
    put_product(results, r);
    put_int(lines, "run", true, r->run);
    put_int(lines, "frame", true, r->frame);
    put_int(lines, "vial", true, r->vial);
    put_label(lines, in->labelled, r->label == 1);
    if (in->labelled && r->defect > 0 && drae__source_has(in->source, "defect")) {
        drae__jsonl_int(lines, "defect", r->defect);
    }
    if (drae__source_file(in->source, i) != NULL) {
        drae__jsonl_text(lines, "file", drae__source_file(in->source, i));
    }
    drae__jsonl_end(lines);
    count(&results->patches[r->region], reason, in->labelled, r->label == 1);
    results->n_no_result += isfinite(in->scores[i]) ? 0 : 1;
}

static void write_vial(drae__results *results, size_t s, int v) {
    const drae__inspection *in = results->inspection;
    const drae__hierarchy *h = &in->hierarchy;
    const drae__record *r = &in->records[h->order[h->strips[s]]];
    drae__jsonl *lines = results->lines;
    drae_verdict verdict = DRAE_VERDICT_UNDECIDED;
    drae_reason reason = DRAE_REASON_MISSING;
    (void)drae_strip_vial_verdict(in->strip, v, &verdict, &reason);
    drae__jsonl_begin(lines);
    drae__jsonl_text(lines, "type", "vial");
    put_product(results, r);
    put_int(lines, "run", true, r->run);
    put_int(lines, "vial", true, h->vials.values[v]);
    put_reject(lines, reason);
    int frame = 0;
    int region = 0;
    if (drae_strip_vial_cause(in->strip, v, &frame, &region) == DRAE_OK) {
        drae__jsonl_open_object(lines, "cause");
        drae__jsonl_int(lines, "frame", h->frames.values[frame]);
        drae__jsonl_int(lines, "region", h->regions.values[region]);
        drae__jsonl_close(lines);
    }
    bool defective = drae__inspection_defective(in, h->strips[s], h->strips[s + 1], v);
    put_label(lines, in->labelled, defective);
    drae__jsonl_end(lines);
    count(&results->vials, reason, in->labelled, defective);
}

static drae_reason write_strip(drae__results *results, size_t s) {
    const drae__inspection *in = results->inspection;
    const drae__hierarchy *h = &in->hierarchy;
    const drae__record *r = &in->records[h->order[h->strips[s]]];
    drae__jsonl *lines = results->lines;
    drae_verdict verdict = DRAE_VERDICT_UNDECIDED;
    drae_reason reason = DRAE_REASON_MISSING;
    (void)drae_strip_verdict(in->strip, &verdict, &reason);
    drae__jsonl_begin(lines);
    drae__jsonl_text(lines, "type", "strip");
    put_product(results, r);
    put_int(lines, "run", true, r->run);
    put_reject(lines, reason);
    drae__jsonl_open_array(lines, "rejected_vials");
    for (int v = 0; v < h->vials.n; v++) {
        drae_reason of_vial = DRAE_REASON_MISSING;
        (void)drae_strip_vial_verdict(in->strip, v, &verdict, &of_vial);
        if (of_vial != DRAE_REASON_NONE && of_vial != DRAE_REASON_UNCALIBRATED) {
            drae__jsonl_int(lines, NULL, h->vials.values[v]);
        }
    }
    drae__jsonl_close(lines);
    bool defective = drae__inspection_defective(in, h->strips[s], h->strips[s + 1], -1);
    put_label(lines, in->labelled, defective);
    drae__jsonl_end(lines);
    count(&results->strips, reason, in->labelled, defective);
    return reason;
}

static drae_status write_product(drae__results *results, size_t p, const uint8_t *strip_reasons,
                                 drae__err *err) {
    const drae__inspection *in = results->inspection;
    const drae__hierarchy *h = &in->hierarchy;
    size_t first = h->strips[h->products[p]];
    size_t last = h->strips[h->products[p + 1]];
    drae__jsonl *lines = results->lines;
    int good = 0;
    int rejected = 0;
    bool open = false;
    for (size_t s = h->products[p]; s < h->products[p + 1]; s++) {
        good += strip_reasons[s] == DRAE_REASON_NONE;
        open = open || strip_reasons[s] == DRAE_REASON_UNCALIBRATED;
        rejected +=
            strip_reasons[s] != DRAE_REASON_NONE && strip_reasons[s] != DRAE_REASON_UNCALIBRATED;
    }
    drae_verdict verdict = DRAE_VERDICT_UNDECIDED;
    drae_reason reason = DRAE_REASON_MISSING;
    if (drae_product_vote(in->vote_needed, in->vote_runs, good, rejected, &verdict, &reason) !=
        DRAE_OK) {
        return drae__fail(err, DRAE_ERROR_FILE,
                          "product %d has %d runs; the vote is over %d of %d runs (--vote)",
                          (int)in->records[h->order[first]].product, good + rejected,
                          in->vote_needed, in->vote_runs);
    }
    if (open && reason != DRAE_REASON_NONE && reason != DRAE_REASON_VOTE) {
        reason = DRAE_REASON_UNCALIBRATED;
    }
    drae__jsonl_begin(lines);
    drae__jsonl_text(lines, "type", "product");
    put_product(results, &in->records[h->order[first]]);
    put_reject(lines, reason);
    drae__jsonl_int(lines, "runs_good", good);
    drae__jsonl_int(lines, "runs_rejected", rejected);
    drae__jsonl_int(lines, "runs_needed", in->vote_needed);
    drae__jsonl_int(lines, "runs", in->vote_runs);
    bool defective = drae__inspection_defective(in, first, last, -1);
    put_label(lines, in->labelled, defective);
    drae__jsonl_end(lines);
    count(&results->products, reason, in->labelled, defective);
    return DRAE_OK;
}

/* ---- the file ---- */

static drae_status join(char path[DRAE__PATH_BYTES], const char *folder, const char *name,
                        drae__err *err) {
    int n = snprintf(path, DRAE__PATH_BYTES, "%s/%s", folder, name);
    if (n < 0 || n >= DRAE__PATH_BYTES) {
        return drae__fail(err, DRAE_ERROR_ARGUMENT, "%.80s...: the path is too long", folder);
    }
    return DRAE_OK;
}

drae_status drae__results_create(const char *folder, const drae__inspection *inspection,
                                 drae__results **results, drae__err *err) {
    drae_status status = DRAE_OK;
    drae__results *fresh = calloc(1, sizeof *fresh);
    if (fresh == NULL) {
        return drae__fail(err, DRAE_ERROR_MEMORY, "no memory for results");
    }
    fresh->inspection = inspection;
    fresh->batches = drae__source_has(inspection->source, "batch");
    fresh->recipes = drae__source_has(inspection->source, "recipe");
    fresh->stations = drae__source_has(inspection->source, "station");
    DRAE__TRY(join(fresh->path, folder, DRAE__RESULTS_FILE, err));
    DRAE__TRY(join(fresh->partial, folder, DRAE__RESULTS_PARTIAL_FILE, err));
    DRAE__TRY(join(fresh->summary, folder, DRAE__SUMMARY_FILE, err));
    if (unlink(fresh->partial) != 0 && errno != ENOENT) {
        status = drae__fail(err, DRAE_ERROR_IO, "%s: cannot remove: %s", fresh->partial,
                            strerror(errno));
        goto done;
    }
    DRAE__TRY(drae__jsonl_append(fresh->partial, &fresh->lines, err));
    *results = fresh;
    fresh = NULL;
done:
    drae__results_close(fresh);
    return status;
}

drae_status drae__results_advance(drae__results *results, drae__err *err) {
    const drae__inspection *in = results->inspection;
    while (results->n_written < in->n && in->reasons[results->n_written] != DRAE__REASON_PENDING) {
        write_patch(results, results->n_written++);
    }
    return drae__jsonl_flush(results->lines, false, err);
}

drae_status drae__results_stop(drae__results *results, drae__err *err) {
    const drae__inspection *in = results->inspection;
    for (; results->n_written < in->n; results->n_written++) {
        if (in->reasons[results->n_written] != DRAE__REASON_PENDING) {
            write_patch(results, results->n_written);
        }
    }
    return drae__jsonl_flush(results->lines, true, err);
}

drae_status drae__results_finish(drae__results *results, drae__err *err) {
    const drae__inspection *in = results->inspection;
    const drae__hierarchy *h = &in->hierarchy;
    drae_status status = DRAE_OK;
    uint8_t *strip_reasons = calloc(h->n_strips + 1, 1);
    if (strip_reasons == NULL) {
        return drae__fail(err, DRAE_ERROR_MEMORY, "no memory for %zu strips", h->n_strips);
    }
    DRAE__TRY(drae__results_advance(results, err));
    for (size_t s = 0; s < h->n_strips; s++) {
        DRAE__TRY(drae__inspection_decide(in, s, err));
        for (int v = 0; v < h->vials.n; v++) {
            write_vial(results, s, v);
        }
    }
    for (size_t s = 0; s < h->n_strips; s++) {
        DRAE__TRY(drae__inspection_decide(in, s, err));
        strip_reasons[s] = (uint8_t)write_strip(results, s);
    }
    for (size_t p = 0; h->n_runs > 1 && p < h->n_products; p++) {
        DRAE__TRY(write_product(results, p, strip_reasons, err));
    }
    status = drae__jsonl_finish(results->lines, err);
    results->lines = NULL;
    if (status == DRAE_OK) {
        status = drae__file_commit(results->partial, results->path, err);
    }
done:
    free(strip_reasons);
    return status;
}

void drae__results_close(drae__results *results) {
    if (results != NULL) {
        drae__jsonl_abandon(results->lines);
        free(results);
    }
}

/* ---- summary ---- */

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

static void put_tally(drae__jsonl *lines, const tally *t, bool labelled) {
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

static void put_level(drae__jsonl *lines, const char *name, const tally *t, bool labelled) {
    if (t->n > 0) {
        drae__jsonl_open_object(lines, name);
        put_tally(lines, t, labelled);
        drae__jsonl_close(lines);
    }
}

static void print_level(const char *name, const tally *t, double auroc, bool labelled) {
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

static tally sum_of_regions(const drae__results *results) {
    tally all = {0};
    for (int r = 0; r < DRAE__REGIONS_MAX; r++) {
        const tally *t = &results->patches[r];
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

static drae_status write_summary(const drae__results *results, const tally *all,
                                 const double *auroc, double auroc_all, const char *engine_sha256,
                                 drae__err *err) {
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
            put_float(lines, "threshold", in->threshold[r]);
            put_float(lines, "anchor", in->anchor[r]);
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

static void print_summary(const drae__results *results, const tally *all, const double *auroc,
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
                                    bool quiet, drae__err *err) {
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
    tally all = sum_of_regions(results);
    drae_status status = write_summary(results, &all, auroc, auroc_all, engine_sha256, err);
    if (status == DRAE_OK && !quiet) {
        print_summary(results, &all, auroc, auroc_all);
    }
    return status;
}
