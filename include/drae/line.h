/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Decisions of the line: from the scores of patches to the verdict of a vial, of a strip, of a
 * product. Any rejected patch rejects its vial, any rejected vial its strip; a product's verdict
 * stands when enough of its runs agree (7 of 10 in the published method).
 *
 * Everything fails closed: no result means reject. A patch that was never reported, reported twice,
 * reported with a score that is not finite or for a region without a threshold is rejected, and the
 * reason is kept. Verdicts are drae_verdict of drae/engine.h; whatever is not GOOD must not pass.
 * Here UNDECIDED means: not rejected so far, results are still to come.
 *
 * Calling order, for each strip that passes:
 *     drae_strip_begin, drae_strip_put_* for every patch in any order, drae_strip_end, queries.
 * Queries are allowed at any moment: a strip that is already lost says so before it ends.
 *
 * Memory is allocated by drae_strip_create alone. Threads: one thread at a time on one drae_strip;
 * different strips are independent. Errors: a function returns a status, the text is kept by the
 * handle (drae_strip_error_text). Since 0.1.
 */
#ifndef DRAE_LINE_H
#define DRAE_LINE_H

#include "drae/engine.h"
#include "drae/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Largest numbers that drae_strip_create accepts. */
#define DRAE_STRIP_FRAMES_MAX  4096
#define DRAE_STRIP_VIALS_MAX   256
#define DRAE_STRIP_REGIONS_MAX 256

/*
 * Why something is rejected. name, value, text. Values are pinned. Where several reasons apply the
 * vial or strip carries the strongest: SCORE first (a measured defect), then in the order of their
 * values, BAND last: what is undecided is so only where nothing is to be rejected.
 */
#define DRAE_REASON_TABLE(X)                                                                       \
    X(NONE, 0, "none")                                                                             \
    X(SCORE, 1, "score above threshold")                                                           \
    X(NOT_FINITE, 2, "score is not a finite number")                                               \
    X(DUPLICATE, 3, "two results for one patch")                                                   \
    X(DEVICE, 4, "inference failed")                                                               \
    X(IMAGE, 5, "image missing or not readable")                                                   \
    X(NOT_FOUND, 6, "part not found in the frame")                                                 \
    X(LATE, 7, "result came too late")                                                             \
    X(MISSING, 8, "no result")                                                                     \
    X(UNCALIBRATED, 9, "no threshold for the region")                                              \
    X(VOTE, 10, "enough runs rejected")                                                            \
    X(UNDECIDED, 11, "too few runs agree")                                                         \
    X(BAND, 12, "score between the two thresholds")

typedef enum drae_reason {
#define DRAE_REASON_ENUM(name, value, text) DRAE_REASON_##name = value,
    DRAE_REASON_TABLE(DRAE_REASON_ENUM)
#undef DRAE_REASON_ENUM
} drae_reason;

/* The text of a reason, a static string in English, never NULL ("unknown reason" for a value that
 * is not in the table). Any thread. */
DRAE_API const char *drae_reason_text(drae_reason reason);

/* ---- strip ---- */

/* One strip in one run: n_frames images of n_vials vials with n_regions regions each. */
typedef struct drae_strip drae_strip;

/*
 * Allocates the state for strips of that shape (1..DRAE_STRIP_*_MAX each). No region has a
 * threshold yet. The strip counts as ended and empty: its verdict is REJECT, reason MISSING.
 * On failure *strip is NULL: ERROR_ARGUMENT for a shape out of bounds or a NULL pointer,
 * ERROR_MEMORY.
 */
DRAE_API drae_status drae_strip_create(int n_frames, int n_vials, int n_regions,
                                       drae_strip **strip);

/* Releases; NULL is a no-op. */
DRAE_API void drae_strip_destroy(drae_strip *strip);

/*
 * From the next begin on, patches of that region are rejected where score > threshold (phi, 0..2;
 * equal passes). ERROR_ARGUMENT, and nothing changes, when the region is out of range, the
 * threshold negative or not finite, or a strip is under way (between begin and end).
 */
DRAE_API drae_status drae_strip_set_threshold(drae_strip *strip, int region, float threshold);

/*
 * The undecided band of a region (drae_engine_get_undecided): from the next begin on, scores above
 * `undecided` and up to the threshold are neither good nor plainly bad. NaN: no band.
 * ERROR_ARGUMENT as above, and when the number is not above 0. Since 0.1.
 */
DRAE_API drae_status drae_strip_set_undecided(drae_strip *strip, int region, float undecided);

/*
 * What becomes of a score in the band. 0, at the start: the patch is rejected, reason BAND, as is
 * everything that is not certainly good. 1: the integrator sends such parts elsewhere (to people,
 * to a second look): the patch, and a vial or strip with nothing worse, is UNDECIDED, reason BAND,
 * which a machine must not pass as good. ERROR_ARGUMENT for another value, or when a strip is under
 * way. Since 0.1.
 */
DRAE_API drae_status drae_strip_allow_undecided(drae_strip *strip, int allow);

/* Forgets the results and waits for those of the next strip. ERROR_ARGUMENT when the one before
 * was not ended; it is forgotten nevertheless, so that the line goes on. */
DRAE_API drae_status drae_strip_begin(drae_strip *strip);

/*
 * Reports the score of one patch; indices count from 0. A score that is not finite is accepted as a
 * result and rejects the patch. ERROR_ARGUMENT when
 *   - an index is out of range or no strip is under way: nothing changes, so that the patch for
 *     which it was meant stays without a result and is rejected at the end;
 *   - the patch has a result already: it is rejected as DUPLICATE (SCORE, where either score is
 *     above the threshold), because images and results can no longer be told apart.
 */
DRAE_API drae_status drae_strip_put_score(drae_strip *strip, int frame, int vial, int region,
                                          float score);

/* Reports that a patch has no score, and why: one of NOT_FINITE, DEVICE, IMAGE, NOT_FOUND, LATE,
 * MISSING; the patch is rejected. Errors as above, and ERROR_ARGUMENT for another reason. */
DRAE_API drae_status drae_strip_put_failure(drae_strip *strip, int frame, int vial, int region,
                                            drae_reason reason);

/* No more results: patches without one are rejected as MISSING. ERROR_ARGUMENT when no strip is
 * under way. */
DRAE_API drae_status drae_strip_end(drae_strip *strip);

/*
 * Verdicts with their reason. Before the end: REJECT as soon as it is certain, else UNDECIDED,
 * reason NONE. After it UNDECIDED has the reason BAND, and comes only where it was allowed. GOOD
 * has the reason NONE. reason may be NULL. ERROR_ARGUMENT for an index out of range, which leaves
 * the out-parameters untouched.
 */
DRAE_API drae_status drae_strip_verdict(const drae_strip *strip, drae_verdict *verdict,
                                        drae_reason *reason);
DRAE_API drae_status drae_strip_vial_verdict(const drae_strip *strip, int vial,
                                             drae_verdict *verdict, drae_reason *reason);
DRAE_API drae_status drae_strip_patch_verdict(const drae_strip *strip, int frame, int vial,
                                              int region, drae_verdict *verdict,
                                              drae_reason *reason);

/*
 * The patch that decides over a rejected vial: of the patches with the vial's reason, the one whose
 * score exceeds its threshold by the largest factor (SCORE), else the first by frame, then region.
 * frame and region may be NULL. ERROR_ARGUMENT when the vial is not rejected.
 */
DRAE_API drae_status drae_strip_vial_cause(const drae_strip *strip, int vial, int *frame,
                                           int *region);

/* What the last call that failed on this handle had to say, "" when there was none; valid until
 * the next call. NULL gives "". */
DRAE_API const char *drae_strip_error_text(const drae_strip *strip);

/* ---- product ---- */

/*
 * The vote over the runs of one product: n_runs are foreseen, of which n_good were accepted and
 * n_rejected rejected; the rest gave no result. *verdict is
 *   GOOD                    when n_good >= n_needed
 *   REJECT, reason VOTE     when n_rejected >= n_needed
 *   REJECT, reason MISSING  when neither holds and runs without a result could have changed that
 *   REJECT, reason UNDECIDED otherwise: the runs disagree, no verdict stands, so nothing is passed
 * reason may be NULL. ERROR_ARGUMENT, out-parameters untouched, unless 0 <= n_good, n_rejected,
 * n_good + n_rejected <= n_runs, and n_runs / 2 < n_needed <= n_runs (a majority, so that only one
 * of the first two can hold). Any thread.
 */
DRAE_API drae_status drae_product_vote(int n_needed, int n_runs, int n_good, int n_rejected,
                                       drae_verdict *verdict, drae_reason *reason);

/* ---- stream of products ---- */

/*
 * Products on the line: results come in as they are ready, of several products and runs at once, in
 * any order. A slot holds each product that is under way; nothing is allocated after
 * drae_stream_create.
 *
 *     drae_stream_put_score for every patch; drae_stream_end_run when a run has no more to come;
 *     drae_stream_finish when the product must be decided: what is missing then is rejected.
 *
 * A product is named by a number of the caller's, never used twice while the stream remembers it
 * (the last DRAE_STREAM_MEMORY finished ones). What comes for a finished product, or for a run that
 * was ended, is late: it is refused, changes nothing, and is counted.
 */
typedef struct drae_stream drae_stream;

#define DRAE_STREAM_RUNS_MAX     4096
#define DRAE_STREAM_PRODUCTS_MAX 1024
#define DRAE_STREAM_MEMORY       1024

/*
 * Allocates for at most n_products under way at once, each seen in n_runs runs of strips of the
 * shape of drae_strip_create, of which n_needed (a majority) must agree. No region has a threshold
 * yet. On failure *stream is NULL: ERROR_ARGUMENT, ERROR_MEMORY. Since 0.1.
 */
DRAE_API drae_status drae_stream_create(int n_products, int n_runs, int n_needed, int n_frames,
                                        int n_vials, int n_regions, drae_stream **stream);

/* Releases; NULL is a no-op. Since 0.1. */
DRAE_API void drae_stream_destroy(drae_stream *stream);

/* As drae_strip_set_threshold, for products that are first heard of from now on: ERROR_ARGUMENT
 * while any product is under way. Since 0.1. */
DRAE_API drae_status drae_stream_set_threshold(drae_stream *stream, int region, float threshold);

/* As drae_strip_set_undecided and drae_strip_allow_undecided, for all runs. Where it is allowed, an
 * undecided run is neither good nor rejected in the vote; a product that would pass if its
 * undecided runs were good is UNDECIDED, reason BAND, and without a majority on either side.
 * ERROR_ARGUMENT while any product is under way. Since 0.1. */
DRAE_API drae_status drae_stream_set_undecided(drae_stream *stream, int region, float undecided);
DRAE_API drae_status drae_stream_allow_undecided(drae_stream *stream, int allow);

/*
 * The result of one patch. The first one of a product takes a slot; ERROR_BUSY, and nothing
 * changes, when none is free: finish a product first, the result's own stays without it and is
 * rejected. ERROR_ARGUMENT for an index out of range (nothing changes), a late result, a second
 * result for one patch (rejects it, see drae_strip_put_score). Since 0.1.
 */
DRAE_API drae_status drae_stream_put_score(drae_stream *stream, int64_t product, int run, int frame,
                                           int vial, int region, float score);
DRAE_API drae_status drae_stream_put_failure(drae_stream *stream, int64_t product, int run,
                                             int frame, int vial, int region, drae_reason reason);

/* No more results of a run: patches without one are rejected as MISSING. A run of a product that
 * was never heard of takes a slot and is rejected whole. ERROR_ARGUMENT when it was ended before or
 * is out of range; ERROR_BUSY. Since 0.1. */
DRAE_API drae_status drae_stream_end_run(drae_stream *stream, int64_t product, int run);

/*
 * The verdict of a run (as drae_strip_verdict) and of a product so far; reason may be NULL. The
 * product is UNDECIDED, reason NONE (or BAND, where undecided runs are what is open), until the
 * vote of its ended runs (and of those that are
 * rejected already) cannot change any more. ERROR_ARGUMENT for a product that is not under way.
 * Since 0.1.
 */
DRAE_API drae_status drae_stream_run_verdict(const drae_stream *stream, int64_t product, int run,
                                             drae_verdict *verdict, drae_reason *reason);
DRAE_API drae_status drae_stream_verdict(const drae_stream *stream, int64_t product,
                                         drae_verdict *verdict, drae_reason *reason);

/*
 * Decides over a product and frees its slot. Runs that were not ended are ended; runs of which
 * nothing was ever heard count as missing in the vote (drae_product_vote). n_good and n_rejected
 * may be NULL. A product that was never heard of has no result: REJECT, MISSING, and DRAE_OK.
 * ERROR_ARGUMENT for one that was finished before. Since 0.1.
 */
DRAE_API drae_status drae_stream_finish(drae_stream *stream, int64_t product, drae_verdict *verdict,
                                        drae_reason *reason, int *n_good, int *n_rejected);

/* Results that came too late so far. 0 for NULL. Since 0.1. */
DRAE_API uint64_t drae_stream_late(const drae_stream *stream);

/* As drae_strip_error_text. Since 0.1. */
DRAE_API const char *drae_stream_error_text(const drae_stream *stream);

/* ---- presets ---- */

/* Thresholds that were published. They belong to the network and the images that they were tuned
 * on: on any other they are a place to start, no calibration. */
typedef enum drae_preset {
    /* phi of the four regions of a vial, arXiv 2603.07577: 0.016, 0.039, 0.047, 0.030. */
    DRAE_PRESET_FERRARI_2026 = 1
} drae_preset;

/* ERROR_ARGUMENT for an unknown preset, a region that it does not have, or NULL. Any thread.
 * Since 0.1. */
DRAE_API drae_status drae_preset_threshold(drae_preset preset, int region, float *threshold);

#ifdef __cplusplus
}
#endif
#endif
