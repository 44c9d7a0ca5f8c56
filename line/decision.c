/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The decision rules of include/drae/line.h. One cell a patch holds its reason; a vial keeps the
 * strongest reason of its cells and a strip that of its vials as results come in, so that a query
 * costs nothing and a lost strip is known before it ends.
 */
#include "drae/line.h"

#include "base/error.h"
#include "base/size.h"

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

typedef struct cell {
    uint8_t seen;
    uint8_t reason; /* drae_reason; NONE: good */
    float score;    /* the largest of the scores that were put; 0 without */
} cell;

struct drae_strip {
    int n_frames;
    int n_vials;
    int n_regions;
    bool under_way;
    uint8_t reason;   /* strongest of all vials */
    uint8_t *vial;    /* [n_vials] strongest reason of the vial's cells */
    float *threshold; /* [n_regions], NAN where there is none */
    float *undecided; /* [n_regions], the lower end of the band, NAN where there is none */
    bool allow_undecided;
    cell *cells; /* [n_frames, n_vials, n_regions] */
    drae__err err;
};

const char *drae_reason_text(drae_reason reason) {
    switch (reason) {
#define REASON_CASE(name, value, text)                                                             \
    case DRAE_REASON_##name:                                                                       \
        return text;
        DRAE_REASON_TABLE(REASON_CASE)
#undef REASON_CASE
    }
    return "unknown reason";
}

/* Pinned values are in order of strength already, NONE apart. */
static uint8_t stronger(uint8_t a, uint8_t b) {
    if (a == DRAE_REASON_NONE || b == DRAE_REASON_NONE) {
        return a == DRAE_REASON_NONE ? b : a;
    }
    return a < b ? a : b;
}

static size_t cell_index(const drae_strip *strip, int frame, int vial, int region) {
    return ((size_t)frame * (size_t)strip->n_vials + (size_t)vial) * (size_t)strip->n_regions +
           (size_t)region;
}

static size_t cell_count(const drae_strip *strip) {
    return cell_index(strip, strip->n_frames, 0, 0);
}

static void forget(drae_strip *strip) {
    strip->reason = DRAE_REASON_NONE;
    for (int v = 0; v < strip->n_vials; v++) {
        strip->vial[v] = DRAE_REASON_NONE;
    }
    size_t n = cell_count(strip);
    for (size_t i = 0; i < n; i++) {
        strip->cells[i] = (cell){0};
    }
}

static void mark(drae_strip *strip, int vial, cell *c, uint8_t reason) {
    c->reason = stronger(c->reason, reason);
    strip->vial[vial] = stronger(strip->vial[vial], c->reason);
    strip->reason = stronger(strip->reason, c->reason);
}

static void end(drae_strip *strip) {
    for (int f = 0; f < strip->n_frames; f++) {
        for (int v = 0; v < strip->n_vials; v++) {
            for (int r = 0; r < strip->n_regions; r++) {
                cell *c = &strip->cells[cell_index(strip, f, v, r)];
                if (!c->seen) {
                    mark(strip, v, c, DRAE_REASON_MISSING);
                }
            }
        }
    }
    strip->under_way = false;
}

drae_status drae_strip_create(int n_frames, int n_vials, int n_regions, drae_strip **strip) {
    if (strip == NULL) {
        return DRAE_ERROR_ARGUMENT;
    }
    *strip = NULL;
    if (n_frames < 1 || n_frames > DRAE_STRIP_FRAMES_MAX || n_vials < 1 ||
        n_vials > DRAE_STRIP_VIALS_MAX || n_regions < 1 || n_regions > DRAE_STRIP_REGIONS_MAX) {
        return DRAE_ERROR_ARGUMENT;
    }
    drae_strip *fresh = calloc(1, sizeof *fresh);
    if (fresh == NULL) {
        return DRAE_ERROR_MEMORY;
    }
    fresh->n_frames = n_frames;
    fresh->n_vials = n_vials;
    fresh->n_regions = n_regions;
    fresh->vial = calloc((size_t)n_vials, sizeof *fresh->vial);
    fresh->threshold = calloc((size_t)n_regions, sizeof *fresh->threshold);
    fresh->undecided = calloc((size_t)n_regions, sizeof *fresh->undecided);
    fresh->cells = calloc(cell_count(fresh), sizeof *fresh->cells);
    if (fresh->vial == NULL || fresh->threshold == NULL || fresh->undecided == NULL ||
        fresh->cells == NULL) {
        drae_strip_destroy(fresh);
        return DRAE_ERROR_MEMORY;
    }
    for (int r = 0; r < n_regions; r++) {
        fresh->threshold[r] = NAN;
        fresh->undecided[r] = NAN;
    }
    end(fresh);
    *strip = fresh;
    return DRAE_OK;
}

void drae_strip_destroy(drae_strip *strip) {
    if (strip == NULL) {
        return;
    }
    free(strip->cells);
    free(strip->threshold);
    free(strip->undecided);
    free(strip->vial);
    free(strip);
}

/* Thresholds change between strips alone. */
static drae_status check_change(drae_strip *strip, int region) {
    if (strip->under_way) {
        return drae__fail(&strip->err, DRAE_ERROR_ARGUMENT,
                          "a threshold cannot change while a strip is under way; end it first");
    }
    if (region < 0 || region >= strip->n_regions) {
        return drae__fail(&strip->err, DRAE_ERROR_ARGUMENT, "region %d: a vial has regions 0..%d",
                          region, strip->n_regions - 1);
    }
    return DRAE_OK;
}

drae_status drae_strip_set_undecided(drae_strip *strip, int region, float undecided) {
    drae_status status = strip == NULL ? DRAE_ERROR_ARGUMENT : check_change(strip, region);
    if (status != DRAE_OK) {
        return status;
    }
    if (isinf(undecided) || undecided <= 0.0f) {
        return drae__fail(&strip->err, DRAE_ERROR_ARGUMENT,
                          "undecided above %g in region %d: not a finite number above 0",
                          (double)undecided, region);
    }
    strip->undecided[region] = undecided;
    return DRAE_OK;
}

drae_status drae_strip_allow_undecided(drae_strip *strip, int allow) {
    if (strip == NULL || allow < 0 || allow > 1) {
        return DRAE_ERROR_ARGUMENT;
    }
    drae_status status = check_change(strip, 0);
    strip->allow_undecided = status == DRAE_OK ? allow == 1 : strip->allow_undecided;
    return status;
}

drae_status drae_strip_set_threshold(drae_strip *strip, int region, float threshold) {
    drae_status status = strip == NULL ? DRAE_ERROR_ARGUMENT : check_change(strip, region);
    if (status != DRAE_OK) {
        return status;
    }
    if (!isfinite(threshold) || threshold < 0.0f) {
        return drae__fail(&strip->err, DRAE_ERROR_ARGUMENT,
                          "threshold %g of region %d: not a finite number from 0",
                          (double)threshold, region);
    }
    strip->threshold[region] = threshold;
    return DRAE_OK;
}

drae_status drae_strip_begin(drae_strip *strip) {
    if (strip == NULL) {
        return DRAE_ERROR_ARGUMENT;
    }
    bool unfinished = strip->under_way;
    forget(strip);
    strip->under_way = true;
    if (unfinished) {
        return drae__fail(&strip->err, DRAE_ERROR_ARGUMENT,
                          "the strip before was not ended; its results are forgotten");
    }
    return DRAE_OK;
}

/* The cell of a result that comes in, NULL with the error set where it has no place. */
static cell *place(drae_strip *strip, int frame, int vial, int region) {
    if (!strip->under_way) {
        (void)drae__fail(&strip->err, DRAE_ERROR_ARGUMENT,
                         "result for frame %d vial %d region %d, but no strip is under way", frame,
                         vial, region);
        return NULL;
    }
    if (frame < 0 || frame >= strip->n_frames || vial < 0 || vial >= strip->n_vials || region < 0 ||
        region >= strip->n_regions) {
        (void)drae__fail(&strip->err, DRAE_ERROR_ARGUMENT,
                         "frame %d vial %d region %d lies outside a strip of %d x %d x %d", frame,
                         vial, region, strip->n_frames, strip->n_vials, strip->n_regions);
        return NULL;
    }
    return &strip->cells[cell_index(strip, frame, vial, region)];
}

static drae_status put(drae_strip *strip, int frame, int vial, int region, uint8_t reason,
                       float score) {
    cell *c = place(strip, frame, vial, region);
    if (c == NULL) {
        return DRAE_ERROR_ARGUMENT;
    }
    if (!c->seen || score > c->score) {
        c->score = score;
    }
    mark(strip, vial, c, reason);
    if (c->seen) {
        mark(strip, vial, c, DRAE_REASON_DUPLICATE);
        return drae__fail(&strip->err, DRAE_ERROR_ARGUMENT,
                          "a second result for frame %d vial %d region %d: rejected", frame, vial,
                          region);
    }
    c->seen = 1;
    return DRAE_OK;
}

drae_status drae_strip_put_score(drae_strip *strip, int frame, int vial, int region, float score) {
    if (strip == NULL) {
        return DRAE_ERROR_ARGUMENT;
    }
    float threshold = region >= 0 && region < strip->n_regions ? strip->threshold[region] : NAN;
    uint8_t reason = DRAE_REASON_NONE;
    if (!isfinite(score)) {
        reason = DRAE_REASON_NOT_FINITE;
        score = 0.0f;
    } else if (isnan(threshold)) {
        reason = DRAE_REASON_UNCALIBRATED;
    } else if (score > threshold) {
        reason = DRAE_REASON_SCORE;
    } else if (score > strip->undecided[region]) {
        reason = DRAE_REASON_BAND;
    }
    return put(strip, frame, vial, region, reason, score);
}

drae_status drae_strip_put_failure(drae_strip *strip, int frame, int vial, int region,
                                   drae_reason reason) {
    if (strip == NULL) {
        return DRAE_ERROR_ARGUMENT;
    }
    switch (reason) {
    case DRAE_REASON_NOT_FINITE:
    case DRAE_REASON_DEVICE:
    case DRAE_REASON_IMAGE:
    case DRAE_REASON_NOT_FOUND:
    case DRAE_REASON_LATE:
    case DRAE_REASON_MISSING:
        return put(strip, frame, vial, region, (uint8_t)reason, 0.0f);
    case DRAE_REASON_NONE:
    case DRAE_REASON_SCORE:
    case DRAE_REASON_DUPLICATE:
    case DRAE_REASON_UNCALIBRATED:
    case DRAE_REASON_VOTE:
    case DRAE_REASON_UNDECIDED:
    case DRAE_REASON_BAND:
        break;
    }
    return drae__fail(&strip->err, DRAE_ERROR_ARGUMENT, "reason %d (%s) is not that of a failure",
                      (int)reason, drae_reason_text(reason));
}

drae_status drae_strip_end(drae_strip *strip) {
    if (strip == NULL) {
        return DRAE_ERROR_ARGUMENT;
    }
    if (!strip->under_way) {
        return drae__fail(&strip->err, DRAE_ERROR_ARGUMENT, "no strip is under way");
    }
    end(strip);
    return DRAE_OK;
}

/* Nothing is good before the end: a second result for a good patch still rejects it. */
static void tell(const drae_strip *strip, uint8_t reason, drae_verdict *verdict, drae_reason *why) {
    if (reason == DRAE_REASON_BAND && strip->allow_undecided) {
        *verdict = DRAE_VERDICT_UNDECIDED;
        reason = strip->under_way ? DRAE_REASON_NONE : DRAE_REASON_BAND;
    } else if (reason != DRAE_REASON_NONE) {
        *verdict = DRAE_VERDICT_REJECT;
    } else {
        *verdict = strip->under_way ? DRAE_VERDICT_UNDECIDED : DRAE_VERDICT_GOOD;
    }
    if (why != NULL) {
        *why = (drae_reason)reason;
    }
}

drae_status drae_strip_verdict(const drae_strip *strip, drae_verdict *verdict,
                               drae_reason *reason) {
    if (strip == NULL || verdict == NULL) {
        return DRAE_ERROR_ARGUMENT;
    }
    tell(strip, strip->reason, verdict, reason);
    return DRAE_OK;
}

drae_status drae_strip_vial_verdict(const drae_strip *strip, int vial, drae_verdict *verdict,
                                    drae_reason *reason) {
    if (strip == NULL || verdict == NULL || vial < 0 || vial >= strip->n_vials) {
        return DRAE_ERROR_ARGUMENT;
    }
    tell(strip, strip->vial[vial], verdict, reason);
    return DRAE_OK;
}

drae_status drae_strip_patch_verdict(const drae_strip *strip, int frame, int vial, int region,
                                     drae_verdict *verdict, drae_reason *reason) {
    if (strip == NULL || verdict == NULL || frame < 0 || frame >= strip->n_frames || vial < 0 ||
        vial >= strip->n_vials || region < 0 || region >= strip->n_regions) {
        return DRAE_ERROR_ARGUMENT;
    }
    const cell *c = &strip->cells[cell_index(strip, frame, vial, region)];
    tell(strip, c->reason, verdict, reason);
    return DRAE_OK;
}

drae_status drae_strip_vial_cause(const drae_strip *strip, int vial, int *frame, int *region) {
    if (strip == NULL || vial < 0 || vial >= strip->n_vials ||
        strip->vial[vial] == DRAE_REASON_NONE) {
        return DRAE_ERROR_ARGUMENT;
    }
    int best_frame = -1;
    int best_region = -1;
    double best = -1.0;
    for (int f = 0; f < strip->n_frames; f++) {
        for (int r = 0; r < strip->n_regions; r++) {
            const cell *c = &strip->cells[cell_index(strip, f, vial, r)];
            if (c->reason != strip->vial[vial]) {
                continue;
            }
            /* A threshold of zero makes any excess infinite, which still compares. */
            double factor =
                c->reason == DRAE_REASON_SCORE ? (double)c->score / (double)strip->threshold[r] : 0;
            if (factor > best) {
                best = factor;
                best_frame = f;
                best_region = r;
            }
        }
    }
    if (frame != NULL) {
        *frame = best_frame;
    }
    if (region != NULL) {
        *region = best_region;
    }
    return DRAE_OK;
}

const char *drae_strip_error_text(const drae_strip *strip) {
    return strip == NULL ? "" : strip->err.text;
}

drae_status drae_product_vote(int n_needed, int n_runs, int n_good, int n_rejected,
                              drae_verdict *verdict, drae_reason *reason) {
    if (verdict == NULL || n_good < 0 || n_rejected < 0 || n_runs < 1 || n_good > n_runs ||
        n_rejected > n_runs - n_good || n_needed > n_runs || n_needed <= n_runs / 2) {
        return DRAE_ERROR_ARGUMENT;
    }
    int n_missing = n_runs - n_good - n_rejected;
    drae_verdict result = DRAE_VERDICT_REJECT;
    drae_reason why = DRAE_REASON_UNDECIDED;
    if (n_good >= n_needed) {
        result = DRAE_VERDICT_GOOD;
        why = DRAE_REASON_NONE;
    } else if (n_rejected >= n_needed) {
        why = DRAE_REASON_VOTE;
    } else if (n_good + n_missing >= n_needed || n_rejected + n_missing >= n_needed) {
        why = DRAE_REASON_MISSING;
    }
    *verdict = result;
    if (reason != NULL) {
        *reason = why;
    }
    return DRAE_OK;
}
