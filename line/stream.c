/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The stream of include/drae/line.h: slots of strips, one a run, found by the product's number. A
 * line has a handful of products under way, so slots are searched, not hashed.
 */
#include "drae/line.h"

#include "base/error.h"
#include "base/size.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>

typedef struct run {
    drae_strip *strip;
    bool heard; /* a result came, or its end */
    bool ended;
} run;

typedef struct slot {
    bool taken;
    int64_t product;
    run *runs; /* [n_runs] */
} slot;

struct drae_stream {
    int n_products;
    int n_runs;
    int n_needed;
    int n_taken;
    bool allow_undecided;
    slot *slots;       /* [n_products] */
    run *runs;         /* [n_products, n_runs] */
    int64_t *finished; /* [DRAE_STREAM_MEMORY] ring */
    size_t n_finished;
    uint64_t n_late;
    drae__err err;
};

/* ---- creation ---- */

drae_status drae_stream_create(int n_products, int n_runs, int n_needed, int n_frames, int n_vials,
                               int n_regions, drae_stream **stream) {
    drae_status status = DRAE_OK;
    size_t n_strips = 0;
    if (stream == NULL) {
        return DRAE_ERROR_ARGUMENT;
    }
    *stream = NULL;
    if (n_products < 1 || n_products > DRAE_STREAM_PRODUCTS_MAX || n_runs < 1 ||
        n_runs > DRAE_STREAM_RUNS_MAX || n_needed > n_runs || n_needed <= n_runs / 2 ||
        !drae__size_mul((size_t)n_products, (size_t)n_runs, &n_strips)) {
        return DRAE_ERROR_ARGUMENT;
    }
    drae_stream *fresh = calloc(1, sizeof *fresh);
    if (fresh == NULL) {
        return DRAE_ERROR_MEMORY;
    }
    fresh->n_products = n_products;
    fresh->n_runs = n_runs;
    fresh->n_needed = n_needed;
    fresh->slots = calloc((size_t)n_products, sizeof *fresh->slots);
    fresh->runs = calloc(n_strips, sizeof *fresh->runs);
    fresh->finished = calloc(DRAE_STREAM_MEMORY, sizeof *fresh->finished);
    if (fresh->slots == NULL || fresh->runs == NULL || fresh->finished == NULL) {
        status = DRAE_ERROR_MEMORY;
        goto done;
    }
    for (int p = 0; p < n_products; p++) {
        fresh->slots[p].runs = fresh->runs + (size_t)p * (size_t)n_runs;
    }
    for (size_t i = 0; i < n_strips; i++) {
        DRAE__TRY(drae_strip_create(n_frames, n_vials, n_regions, &fresh->runs[i].strip));
    }
    *stream = fresh;
    fresh = NULL;
done:
    drae_stream_destroy(fresh);
    return status;
}

void drae_stream_destroy(drae_stream *stream) {
    if (stream == NULL) {
        return;
    }
    for (size_t i = 0;
         stream->runs != NULL && i < (size_t)stream->n_products * (size_t)stream->n_runs; i++) {
        drae_strip_destroy(stream->runs[i].strip);
    }
    free(stream->slots);
    free(stream->runs);
    free(stream->finished);
    free(stream);
}

/* One call for every strip, between products. */
static drae_status set_all(drae_stream *stream, drae_status (*set)(drae_strip *, int, float),
                           int region, float value) {
    if (stream == NULL) {
        return DRAE_ERROR_ARGUMENT;
    }
    if (stream->n_taken > 0) {
        return drae__fail(&stream->err, DRAE_ERROR_ARGUMENT,
                          "a threshold cannot change while %d products are under way; finish them "
                          "first",
                          stream->n_taken);
    }
    for (size_t i = 0; i < (size_t)stream->n_products * (size_t)stream->n_runs; i++) {
        drae_status status = set(stream->runs[i].strip, region, value);
        if (status != DRAE_OK) {
            return drae__fail(&stream->err, status, "%s",
                              drae_strip_error_text(stream->runs[i].strip));
        }
    }
    return DRAE_OK;
}

drae_status drae_stream_set_threshold(drae_stream *stream, int region, float threshold) {
    return set_all(stream, drae_strip_set_threshold, region, threshold);
}

drae_status drae_stream_set_undecided(drae_stream *stream, int region, float undecided) {
    return set_all(stream, drae_strip_set_undecided, region, undecided);
}

static drae_status allow(drae_strip *strip, int region, float value) {
    (void)region;
    return drae_strip_allow_undecided(strip, value > 0.0f);
}

drae_status drae_stream_allow_undecided(drae_stream *stream, int value) {
    if (value < 0 || value > 1) {
        return DRAE_ERROR_ARGUMENT;
    }
    drae_status status = set_all(stream, allow, 0, (float)value);
    if (status == DRAE_OK) {
        stream->allow_undecided = value == 1;
    }
    return status;
}

/* ---- finding ---- */

static slot *find(const drae_stream *stream, int64_t product) {
    for (int p = 0; p < stream->n_products; p++) {
        if (stream->slots[p].taken && stream->slots[p].product == product) {
            return &stream->slots[p];
        }
    }
    return NULL;
}

static bool is_finished(const drae_stream *stream, int64_t product) {
    size_t n = stream->n_finished < DRAE_STREAM_MEMORY ? stream->n_finished : DRAE_STREAM_MEMORY;
    for (size_t i = 0; i < n; i++) {
        if (stream->finished[i] == product) {
            return true;
        }
    }
    return false;
}

static drae_status take(drae_stream *stream, int64_t product, slot **found) {
    for (int p = 0; p < stream->n_products; p++) {
        slot *s = &stream->slots[p];
        if (!s->taken) {
            *s = (slot){.taken = true, .product = product, .runs = s->runs};
            for (int r = 0; r < stream->n_runs; r++) {
                s->runs[r].heard = false;
                s->runs[r].ended = false;
                (void)drae_strip_begin(s->runs[r].strip);
            }
            stream->n_taken++;
            *found = s;
            return DRAE_OK;
        }
    }
    return drae__fail(&stream->err, DRAE_ERROR_BUSY,
                      "product %" PRId64 ": all %d slots are taken; finish a product first",
                      product, stream->n_products);
}

/* The run for which something comes in. */
static drae_status open_run(drae_stream *stream, int64_t product, int number, run **found) {
    if (number < 0 || number >= stream->n_runs) {
        return drae__fail(&stream->err, DRAE_ERROR_ARGUMENT,
                          "product %" PRId64 " run %d: a product has runs 0..%d", product, number,
                          stream->n_runs - 1);
    }
    slot *s = find(stream, product);
    bool late = s != NULL ? s->runs[number].ended : is_finished(stream, product);
    if (late) {
        stream->n_late++;
        return drae__fail(&stream->err, DRAE_ERROR_ARGUMENT,
                          "product %" PRId64 " run %d: was ended; this came too late", product,
                          number);
    }
    if (s == NULL) {
        drae_status status = take(stream, product, &s);
        if (s == NULL) {
            return status;
        }
    }
    *found = &s->runs[number];
    return DRAE_OK;
}

/* ---- results ---- */

static drae_status tell(drae_stream *stream, int64_t product, int number, run *r,
                        drae_status status) {
    r->heard = true;
    return status == DRAE_OK ? DRAE_OK
                             : drae__fail(&stream->err, status, "product %" PRId64 " run %d: %s",
                                          product, number, drae_strip_error_text(r->strip));
}

/* A patch of which the strip knows nothing must not take a slot. */
static drae_status check_place(drae_stream *stream, int frame, int vial, int region) {
    drae_verdict verdict;
    drae_status status =
        drae_strip_patch_verdict(stream->runs[0].strip, frame, vial, region, &verdict, NULL);
    return status == DRAE_OK
               ? DRAE_OK
               : drae__fail(&stream->err, status, "frame %d vial %d region %d lies outside a strip",
                            frame, vial, region);
}

drae_status drae_stream_put_score(drae_stream *stream, int64_t product, int run_number, int frame,
                                  int vial, int region, float score) {
    run *r = NULL;
    drae_status status =
        stream == NULL ? DRAE_ERROR_ARGUMENT : check_place(stream, frame, vial, region);
    if (status == DRAE_OK) {
        status = open_run(stream, product, run_number, &r);
    }
    return r == NULL ? status
                     : tell(stream, product, run_number, r,
                            drae_strip_put_score(r->strip, frame, vial, region, score));
}

drae_status drae_stream_put_failure(drae_stream *stream, int64_t product, int run_number, int frame,
                                    int vial, int region, drae_reason reason) {
    run *r = NULL;
    drae_status status =
        stream == NULL ? DRAE_ERROR_ARGUMENT : check_place(stream, frame, vial, region);
    if (status == DRAE_OK) {
        status = open_run(stream, product, run_number, &r);
    }
    return r == NULL ? status
                     : tell(stream, product, run_number, r,
                            drae_strip_put_failure(r->strip, frame, vial, region, reason));
}

drae_status drae_stream_end_run(drae_stream *stream, int64_t product, int run_number) {
    run *r = NULL;
    drae_status status =
        stream == NULL ? DRAE_ERROR_ARGUMENT : open_run(stream, product, run_number, &r);
    if (r != NULL) {
        status = tell(stream, product, run_number, r, drae_strip_end(r->strip));
        r->ended = true;
    }
    return status;
}

/* ---- verdicts ---- */

drae_status drae_stream_run_verdict(const drae_stream *stream, int64_t product, int run_number,
                                    drae_verdict *verdict, drae_reason *reason) {
    const slot *s = stream == NULL ? NULL : find(stream, product);
    if (s == NULL || run_number < 0 || run_number >= stream->n_runs) {
        return DRAE_ERROR_ARGUMENT;
    }
    return drae_strip_verdict(s->runs[run_number].strip, verdict, reason);
}

static void count_runs(const drae_stream *stream, const slot *s, int *n_good, int *n_rejected,
                       int *n_undecided) {
    *n_good = 0;
    *n_rejected = 0;
    *n_undecided = 0;
    for (int r = 0; r < stream->n_runs; r++) {
        drae_verdict verdict = DRAE_VERDICT_UNDECIDED;
        drae_reason reason = DRAE_REASON_NONE;
        (void)drae_strip_verdict(s->runs[r].strip, &verdict, &reason);
        *n_undecided += reason == DRAE_REASON_BAND && verdict == DRAE_VERDICT_UNDECIDED ? 1 : 0;
        *n_good += verdict == DRAE_VERDICT_GOOD ? 1 : 0;
        *n_rejected += verdict == DRAE_VERDICT_REJECT ? 1 : 0;
    }
}

/* What undecided runs could still turn, if somebody decided them, is not rejected for good. */
static void leave_open(const drae_stream *stream, int n_good, int n_rejected, int n_undecided,
                       drae_verdict *verdict, drae_reason *reason) {
    if (stream->allow_undecided && n_undecided > 0 && *verdict == DRAE_VERDICT_REJECT &&
        n_rejected < stream->n_needed && n_good + n_undecided >= stream->n_needed) {
        *verdict = DRAE_VERDICT_UNDECIDED;
        *reason = DRAE_REASON_BAND;
    }
}

drae_status drae_stream_verdict(const drae_stream *stream, int64_t product, drae_verdict *verdict,
                                drae_reason *reason) {
    int n_good = 0;
    int n_rejected = 0;
    int n_undecided = 0;
    const slot *s = stream == NULL ? NULL : find(stream, product);
    if (s == NULL || verdict == NULL) {
        return DRAE_ERROR_ARGUMENT;
    }
    count_runs(stream, s, &n_good, &n_rejected, &n_undecided);
    drae_reason why = DRAE_REASON_NONE;
    drae_status status =
        drae_product_vote(stream->n_needed, stream->n_runs, n_good, n_rejected, verdict, &why);
    leave_open(stream, n_good, n_rejected, n_undecided, verdict, &why);
    /* What runs to come could still change. */
    if (status == DRAE_OK && why == DRAE_REASON_MISSING) {
        *verdict = DRAE_VERDICT_UNDECIDED;
        why = DRAE_REASON_NONE;
    }
    if (status == DRAE_OK && reason != NULL) {
        *reason = why;
    }
    return status;
}

drae_status drae_stream_finish(drae_stream *stream, int64_t product, drae_verdict *verdict,
                               drae_reason *reason, int *n_good, int *n_rejected) {
    int good = 0;
    int rejected = 0;
    int undecided = 0;
    drae_reason why = DRAE_REASON_NONE;
    if (stream == NULL || verdict == NULL) {
        return DRAE_ERROR_ARGUMENT;
    }
    slot *s = find(stream, product);
    if (s == NULL && is_finished(stream, product)) {
        return drae__fail(&stream->err, DRAE_ERROR_ARGUMENT,
                          "product %" PRId64 " was finished before", product);
    }
    if (s != NULL) {
        int unheard = 0;
        for (int r = 0; r < stream->n_runs; r++) {
            unheard += s->runs[r].heard ? 0 : 1;
            if (!s->runs[r].ended) {
                (void)drae_strip_end(s->runs[r].strip);
            }
        }
        /* A run that never was is rejected as a strip, but in the vote it is missing. */
        count_runs(stream, s, &good, &rejected, &undecided);
        rejected -= unheard;
        s->taken = false;
        stream->n_taken--;
    }
    stream->finished[stream->n_finished % DRAE_STREAM_MEMORY] = product;
    stream->n_finished++;
    if (n_good != NULL) {
        *n_good = good;
    }
    if (n_rejected != NULL) {
        *n_rejected = rejected;
    }
    drae_status status =
        drae_product_vote(stream->n_needed, stream->n_runs, good, rejected, verdict, &why);
    leave_open(stream, good, rejected, undecided, verdict, &why);
    if (reason != NULL) {
        *reason = why;
    }
    return status;
}

uint64_t drae_stream_late(const drae_stream *stream) {
    return stream == NULL ? 0 : stream->n_late;
}

const char *drae_stream_error_text(const drae_stream *stream) {
    return stream == NULL ? "" : stream->err.text;
}

/* ---- presets ---- */

drae_status drae_preset_threshold(drae_preset preset, int region, float *threshold) {
    static const float ferrari[] = {0.016f, 0.039f, 0.047f, 0.030f};
    if (preset != DRAE_PRESET_FERRARI_2026 || region < 0 ||
        region >= (int)(sizeof ferrari / sizeof ferrari[0]) || threshold == NULL) {
        return DRAE_ERROR_ARGUMENT;
    }
    *threshold = ferrari[region];
    return DRAE_OK;
}
