/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/inspect_results_private.h"

#include "base/file.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void count(drae__tally *t, drae_reason reason, bool labelled, bool defective) {
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

void drae__results_put_float(drae__jsonl *lines, const char *name, float value) {
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
    drae__results_put_float(lines, "score", in->scores[i]);
    drae__results_put_float(lines, "threshold", in->threshold[r->region]);
    put_reject(lines, reason);
    drae__jsonl_text(lines, "kind", drae_score_text(in->kind[r->region]));
    drae__results_put_float(lines, "phi", in->phi[i]);
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
