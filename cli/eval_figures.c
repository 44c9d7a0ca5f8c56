/* SPDX-License-Identifier: Apache-2.0 */
/* drae eval: from scores to figures, tallies and pictures. */
#include "cli/eval.h"

#include "drae/line.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- scores ---- */

static drae_status measure_score(drae__eval *e, size_t s, drae__item *items, drae__err *err) {
    const drae__report *r = &e->report;
    drae_status status = DRAE_OK;
    drae__report_score *score = &e->scores[s];
    size_t n_places = (size_t)r->n_regions + 1;
    score->figures = calloc(n_places, sizeof *score->figures);
    score->pixels = e->masks ? calloc(n_places, sizeof *score->pixels) : NULL;
    if (score->figures == NULL || (e->masks && score->pixels == NULL)) {
        return drae__fail(err, DRAE_ERROR_MEMORY, "no memory for figures");
    }
    for (size_t p = 0; p < n_places && status == DRAE_OK; p++) {
        size_t n = 0;
        for (size_t i = 0; i < e->n; i++) {
            int region = e->records[i].region;
            float value = score->values[i];
            /* No score of the one that decides is a reject; of another, nothing to rank. */
            bool ranked = !isnan(value) || r->decides[region] == (int)s;
            if (ranked && (p == (size_t)r->n_regions || region == r->regions[p])) {
                items[n++] = (drae__item){isnan(value) ? INFINITY : value, e->records[i].label == 1,
                                          e->cluster[i]};
            }
        }
        status = drae__score_measure(n, items, e->n_clusters, r->rate, r->seed, r->rounds,
                                     r->confidence, &score->figures[p], err);
        if (status == DRAE_OK && e->masks) {
            status = drae__pixels_measure(e->pixels[s * n_places + p], r->rounds, r->seed,
                                          r->confidence, &score->pixels[p], err);
        }
    }
    return status;
}

/* ---- verdicts ---- */

static drae_status evaluate(drae__eval *e, const uint8_t *reasons, drae__evaluation *evaluation,
                            drae__err *err) {
    const drae__evaluation_input input = {.records = e->records,
                                          .hierarchy = &e->hierarchy,
                                          .reasons = reasons,
                                          .cluster = e->cluster,
                                          .n_clusters = e->n_clusters,
                                          .vote_needed = e->report.vote_needed,
                                          .vote_runs = e->report.vote_runs,
                                          .seed = e->report.seed,
                                          .rounds = e->report.rounds,
                                          .confidence = e->report.confidence};
    return drae__evaluate(&input, evaluation, err);
}

drae_status drae__eval_verdicts(drae__eval *e, drae__err *err) {
    return evaluate(e, e->reasons, &e->verdicts, err);
}

static drae_status evaluate_template(drae__eval *e, drae__err *err) {
    const drae__report_score *score = &e->scores[e->report.n_scores - 1];
    uint8_t *reasons = calloc(e->n, 1);
    if (reasons == NULL) {
        return drae__fail(err, DRAE_ERROR_MEMORY, "no memory for %zu patches", e->n);
    }
    for (size_t i = 0; i < e->n; i++) {
        float threshold = score->threshold[e->records[i].region];
        reasons[i] = isnan(threshold)                ? DRAE_REASON_UNCALIBRATED
                     : score->values[i] <= threshold ? DRAE_REASON_NONE
                                                     : DRAE_REASON_SCORE;
    }
    drae_status status = evaluate(e, reasons, &e->baseline, err);
    free(reasons);
    return status;
}

/* ---- defects ---- */

static bool counts(const drae__eval *e, size_t i) {
    return e->records[i].label == 1 && e->reasons[i] != DRAE_REASON_UNCALIBRATED;
}

static void tally(drae__report_tally *t, const drae__eval *e, size_t i) {
    t->n++;
    t->missed += e->reasons[i] == DRAE_REASON_NONE ? 1 : 0;
}

static drae_status tally_classes(drae__eval *e, drae__err *err) {
    drae__report *r = &e->report;
    if (!drae__dataset_has(e->data, "defect")) {
        return DRAE_OK;
    }
    size_t n_places = (size_t)r->n_regions + 1;
    drae__report_tally *all = calloc(n_places * DRAE__REGIONS_MAX, sizeof *all);
    if (all == NULL) {
        return drae__fail(err, DRAE_ERROR_MEMORY, "no memory to count defects");
    }
    for (size_t i = 0; i < e->n; i++) {
        size_t key = (size_t)e->records[i].defect;
        if (counts(e, i) && key < DRAE__REGIONS_MAX) {
            size_t place = (size_t)e->place[e->records[i].region] + 1;
            tally(&all[key], e, i);
            tally(&all[place * DRAE__REGIONS_MAX + key], e, i);
        }
    }
    for (size_t p = 0; p < n_places; p++) {
        for (size_t key = 0; key < DRAE__REGIONS_MAX; key++) {
            drae__report_tally t = all[p * DRAE__REGIONS_MAX + key];
            if (t.n > 0) {
                t.key = (int)key;
                t.region = p == 0 ? -1 : r->regions[p - 1];
                all[r->n_classes++] = t;
            }
        }
    }
    r->classes = all;
    return DRAE_OK;
}

static drae_status tally_sizes(const drae__eval *e, const float *sizes, const int *edges,
                               size_t n_edges, const drae__report_tally **tallies, size_t *n,
                               drae__err *err) {
    drae__report_tally *bins = calloc(n_edges, sizeof *bins);
    size_t n_defects = 0;
    if (bins == NULL) {
        return drae__fail(err, DRAE_ERROR_MEMORY, "no memory to count defects");
    }
    for (size_t k = 0; k < n_edges; k++) {
        bins[k].key = edges[k];
        bins[k].region = -1;
    }
    for (size_t i = 0; i < e->n; i++) {
        if (counts(e, i) && !isnan(sizes[i])) {
            size_t k = n_edges - 1;
            while (k > 0 && sizes[i] < (float)edges[k]) {
                k--;
            }
            tally(&bins[k], e, i);
            n_defects++;
        }
    }
    *tallies = bins;
    *n = n_defects > 0 ? n_edges : 0;
    return DRAE_OK;
}

/* ---- pictures ---- */

/* How far a patch lies on the wrong side of its threshold; larger is worse. */
static double wrongness(const drae__eval *e, size_t i, bool false_reject) {
    int region = e->records[i].region;
    const drae__report_score *score = &e->scores[e->report.decides[region]];
    double factor = (double)score->values[i] / (double)score->threshold[region];
    return false_reject ? factor : -factor;
}

/* The worst of a kind, worst first, one a product: a defect looks alike in all runs. worst_of
 * [n_clusters] is scratch, index + 1 of the worst patch of each product. */
static size_t find_worst(const drae__eval *e, bool false_reject, size_t *worst_of,
                         size_t worst[DRAE__EVAL_PICTURES]) {
    size_t n = 0;
    memset(worst_of, 0, e->n_clusters * sizeof *worst_of);
    for (size_t i = 0; i < e->n; i++) {
        bool wrong = false_reject ? e->records[i].label != 1 && e->reasons[i] == DRAE_REASON_SCORE
                                  : e->records[i].label == 1 && e->reasons[i] == DRAE_REASON_NONE;
        size_t *of = &worst_of[e->cluster[i]];
        if (wrong &&
            (*of == 0 || wrongness(e, *of - 1, false_reject) < wrongness(e, i, false_reject))) {
            *of = i + 1;
        }
    }
    for (size_t c = 0; c < e->n_clusters; c++) {
        if (worst_of[c] == 0) {
            continue;
        }
        size_t i = worst_of[c] - 1;
        double how = wrongness(e, i, false_reject);
        size_t at = n < DRAE__EVAL_PICTURES ? n++ : DRAE__EVAL_PICTURES;
        for (; at > 0 && wrongness(e, worst[at - 1], false_reject) < how; at--) {
            if (at < DRAE__EVAL_PICTURES) {
                worst[at] = worst[at - 1];
            }
        }
        if (at < DRAE__EVAL_PICTURES) {
            worst[at] = i;
        }
    }
    return n;
}

static drae_status draw_pictures(drae__eval *e, drae__err *err) {
    size_t n_pixels = (size_t)e->size * (size_t)e->size;
    drae_status status = DRAE_OK;
    uint8_t *patch = calloc(3, n_pixels);
    size_t *worst_of = calloc(e->n_clusters, sizeof *worst_of);
    if (patch == NULL || worst_of == NULL) {
        free(patch);
        free(worst_of);
        return drae__fail(err, DRAE_ERROR_MEMORY, "no memory for pictures");
    }
    uint8_t *heat = patch + n_pixels;
    uint8_t *mask = heat + n_pixels;
    for (int kind = 0; kind < 2; kind++) {
        size_t worst[DRAE__EVAL_PICTURES];
        size_t n = find_worst(e, kind == 1, worst_of, worst);
        for (size_t k = 0; k < n; k++) {
            drae__report_picture *p = &e->pictures[e->report.n_pictures];
            drae__spot peak = DRAE__NO_SPOT;
            DRAE__TRY(drae__eval_heat(e, worst[k], patch, heat, &peak, err));
            if (e->masks) {
                DRAE__TRY(drae__dataset_read_masks(e->data, &worst[k], 1, mask, err));
            }
            *p = (drae__report_picture){.false_reject = kind == 1, .index = worst[k]};
            DRAE__TRY(drae__report_draw(e->size, patch, heat, e->masks ? mask : NULL, peak, &p->png,
                                        &p->n_bytes, err));
            e->report.n_pictures++;
        }
    }
    e->report.pictures = e->pictures;
done:
    free(patch);
    free(worst_of);
    return status;
}

/* ---- all of it ---- */

drae_status drae__eval_measure(drae__eval *e, drae__err *err) {
    static const int extents[] = {0, 4, 8, 16, 32, 64};
    static const int contrasts[] = {0, 2, 4, 8, 16, 32, 64};
    drae_status status = DRAE_OK;
    drae__report *r = &e->report;
    drae__item *items = calloc(e->n, sizeof *items);
    r->n = e->n;
    r->records = e->records;
    r->hierarchy = &e->hierarchy;
    r->labelled = drae__dataset_has(e->data, "label");
    r->vials = drae__dataset_has(e->data, "vial");
    r->reasons = e->reasons;
    r->facts = e->facts;
    if (items == NULL) {
        status = drae__fail(err, DRAE_ERROR_MEMORY, "no memory to rank %zu patches", e->n);
        goto done;
    }
    if (!r->labelled) {
        goto done;
    }
    for (size_t s = 0; s < r->n_scores; s++) {
        DRAE__TRY(measure_score(e, s, items, err));
    }
    DRAE__TRY(drae__eval_verdicts(e, err));
    r->verdicts = &e->verdicts;
    if (e->golden != NULL) {
        DRAE__TRY(evaluate_template(e, err));
        r->baseline = &e->baseline;
    }
    DRAE__TRY(tally_classes(e, err));
    if (e->masks) {
        DRAE__TRY(tally_sizes(e, e->extent, extents, sizeof extents / sizeof extents[0],
                              &r->extents, &r->n_extents, err));
        DRAE__TRY(tally_sizes(e, e->contrast, contrasts, sizeof contrasts / sizeof contrasts[0],
                              &r->contrasts, &r->n_contrasts, err));
    }
    DRAE__TRY(draw_pictures(e, err));
done:
    free(items);
    return status;
}
