/* SPDX-License-Identifier: Apache-2.0 */
#include "line/evaluation.h"

#include "base/size.h"
#include "drae/line.h"
#include "line/bootstrap.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

const char *drae__level_name(drae__level_kind kind) {
    static const char *const names[] = {"patch", "vial", "strip", "product"};
    return names[kind];
}

/* ---- clusters ---- */

static int compare_products(const void *a, const void *b) {
    const drae__record *p = *(const drae__record *const *)a;
    const drae__record *q = *(const drae__record *const *)b;
    const int32_t x[4] = {p->batch, p->recipe, p->station, p->product};
    const int32_t y[4] = {q->batch, q->recipe, q->station, q->product};
    for (int i = 0; i < 4; i++) {
        if (x[i] != y[i]) {
            return x[i] < y[i] ? -1 : 1;
        }
    }
    return 0;
}

drae_status drae__clusters_of(const drae__record *records, size_t n, uint32_t *cluster,
                              size_t *n_clusters, drae__err *err) {
    const drae__record **order = calloc(n > 0 ? n : 1, sizeof *order);
    if (order == NULL) {
        return drae__fail(err, DRAE_ERROR_MEMORY, "no memory to order %zu patches", n);
    }
    size_t n_named = 0, count = 0;
    for (size_t i = 0; i < n; i++) {
        if (records[i].product != DRAE__UNRECORDED) {
            order[n_named++] = &records[i];
        }
    }
    qsort(order, n_named, sizeof *order, compare_products);
    for (size_t i = 0; i < n_named; i++) {
        count += i == 0 || compare_products(&order[i - 1], &order[i]) != 0 ? 1 : 0;
        cluster[order[i] - records] = (uint32_t)(count - 1);
    }
    for (size_t i = 0; i < n; i++) {
        if (records[i].product == DRAE__UNRECORDED) {
            cluster[i] = (uint32_t)count++;
        }
    }
    *n_clusters = count;
    free(order);
    return DRAE_OK;
}

/* ---- figures of one level ---- */

/* What is counted of each cluster. */
typedef struct counts {
    size_t n_clusters;
    double *good, *passed, *bad, *rejected; /* [n_clusters] */
    double *k, *n;                          /* [n_clusters] scratch */
    double *draws;                          /* [rounds] */
    uint32_t *weights;                      /* [n_clusters] */
    uint8_t *stratum;                       /* [n_clusters] */
} counts;

static void counts_free(counts *c) {
    free(c->good);
    free(c->draws);
    free(c->weights);
    free(c->stratum);
    *c = (counts){0};
}

static drae_status counts_create(counts *c, size_t n_clusters, size_t rounds, drae__err *err) {
    *c = (counts){.n_clusters = n_clusters};
    size_t n = 0;
    if (!drae__size_mul(n_clusters, 6, &n) || n == 0) {
        (void)drae__fail(err, DRAE_ERROR_ARGUMENT, "no products to count");
        return DRAE_ERROR_ARGUMENT;
    }
    c->good = calloc(n, sizeof *c->good);
    c->draws = calloc(rounds + 1, sizeof *c->draws);
    c->weights = calloc(n_clusters, sizeof *c->weights);
    c->stratum = calloc(n_clusters, 1);
    if (c->good == NULL || c->draws == NULL || c->weights == NULL || c->stratum == NULL) {
        counts_free(c);
        (void)drae__fail(err, DRAE_ERROR_MEMORY, "no memory to count %zu products", n_clusters);
        return DRAE_ERROR_MEMORY;
    }
    c->passed = c->good + n_clusters;
    c->bad = c->passed + n_clusters;
    c->rejected = c->bad + n_clusters;
    c->k = c->rejected + n_clusters;
    c->n = c->k + n_clusters;
    return DRAE_OK;
}

static void counts_begin(counts *c, drae__level_figures *f, drae__level_kind kind, int region) {
    memset(c->good, 0, 4 * c->n_clusters * sizeof *c->good);
    *f = (drae__level_figures){.kind = kind, .region = region};
}

static void count(counts *c, drae__level_figures *f, uint32_t cluster, bool defective,
                  uint8_t reason) {
    bool rejected = reason != DRAE_REASON_NONE;
    if (reason == DRAE_REASON_UNCALIBRATED) {
        f->n_open++;
    } else if (defective) {
        f->n_bad++;
        f->missed += rejected ? 0 : 1;
        c->bad[cluster] += 1.0;
        c->rejected[cluster] += rejected ? 1.0 : 0.0;
    } else {
        f->n_good++;
        f->false_rejects += rejected ? 1 : 0;
        c->good[cluster] += 1.0;
        c->passed[cluster] += rejected ? 0.0 : 1.0;
    }
}

static drae__rate rate_of(const counts *c, const double *k, const double *n, double confidence) {
    double sum_k = 0.0;
    double sum_n = 0.0;
    for (size_t i = 0; i < c->n_clusters; i++) {
        sum_k += k[i];
        sum_n += n[i];
    }
    return (drae__rate){.exact = drae__clopper_pearson(sum_k, sum_n, confidence),
                        .wilson = drae__wilson(sum_k, sum_n, confidence),
                        .by_product = drae__rate_by_cluster(c->n_clusters, k, n, confidence)};
}

static double balanced_of_draw(const counts *c) {
    double sums[4] = {0};
    for (size_t i = 0; i < c->n_clusters; i++) {
        double w = (double)c->weights[i];
        sums[0] += w * c->good[i];
        sums[1] += w * c->passed[i];
        sums[2] += w * c->bad[i];
        sums[3] += w * c->rejected[i];
    }
    return sums[0] > 0.0 && sums[2] > 0.0 ? 0.5 * (sums[1] / sums[0] + sums[3] / sums[2]) : NAN;
}

static void counts_end(counts *c, drae__level_figures *f, const drae__evaluation_input *in) {
    for (size_t i = 0; i < c->n_clusters; i++) {
        c->k[i] = c->passed[i] + c->rejected[i];
        c->n[i] = c->good[i] + c->bad[i];
        c->stratum[i] = c->bad[i] > 0.0;
        f->n_products += c->n[i] > 0.0 ? 1 : 0;
    }
    f->accuracy = rate_of(c, c->k, c->n, in->confidence);
    f->tpr = rate_of(c, c->passed, c->good, in->confidence);
    f->tnr = rate_of(c, c->rejected, c->bad, in->confidence);
    drae__interval exact = drae__mean_of_rates(f->tpr.by_product, f->tnr.by_product);
    /* A cell that is empty stays empty in every draw. */
    f->balanced_exact = f->missed == 0 || f->false_rejects == 0 || f->missed == f->n_bad ||
                        f->false_rejects == f->n_good;
    if (f->balanced_exact) {
        f->balanced = exact;
        return;
    }
    for (size_t r = 0; r < in->rounds; r++) {
        drae__bootstrap_draw(c->n_clusters, c->stratum, in->seed, r, c->weights);
        c->draws[r] = balanced_of_draw(c);
    }
    f->balanced = drae__bootstrap_interval(exact.value, in->rounds, c->draws, in->confidence);
}

/* ---- the hierarchy ---- */

static void evaluate_patches(const drae__evaluation_input *in, counts *c, int region,
                             drae__level_figures *f) {
    counts_begin(c, f, DRAE__LEVEL_PATCH, region);
    for (size_t i = 0; i < in->hierarchy->n; i++) {
        const drae__record *r = &in->records[i];
        if (region < 0 || r->region == region) {
            count(c, f, in->cluster[i], r->label == 1, in->reasons[i]);
        }
    }
    counts_end(c, f, in);
}

/* The verdicts of patches as scores around a threshold of 0.5, so that the rules of the line
 * decide, whichever score the verdicts came from. */
static drae_status decide(const drae__evaluation_input *in, drae_strip *strip, size_t s,
                          drae__err *err) {
    const drae__hierarchy *h = in->hierarchy;
    drae_status status = drae_strip_begin(strip);
    for (size_t k = h->strips[s]; k < h->strips[s + 1] && status == DRAE_OK; k++) {
        size_t i = h->order[k];
        int vial = drae__level(&h->vials, in->records[i].vial);
        int region = drae__level(&h->regions, in->records[i].region);
        uint8_t reason = in->reasons[i];
        /* What is undecided is not passed. */
        bool above = reason == DRAE_REASON_SCORE || reason == DRAE_REASON_BAND;
        bool scored = reason == DRAE_REASON_NONE || above || reason == DRAE_REASON_UNCALIBRATED;
        /* A second result for a patch is refused and rejects it: what the line would do. */
        if (scored) {
            (void)drae_strip_put_score(strip, h->frame_of[i], vial, region, above ? 1.0f : 0.0f);
        } else {
            (void)drae_strip_put_failure(strip, h->frame_of[i], vial, region, (drae_reason)reason);
        }
    }
    if (status == DRAE_OK) {
        status = drae_strip_end(strip);
    }
    return status == DRAE_OK ? DRAE_OK
                             : drae__fail(err, DRAE_ERROR_INTERNAL, "strip %zu: %s", s,
                                          drae_strip_error_text(strip));
}

bool drae__strips_defective(const drae__record *records, const drae__hierarchy *hierarchy,
                            size_t first, size_t last, int vial) {
    const drae__hierarchy *h = hierarchy;
    for (size_t k = h->strips[first]; k < h->strips[last]; k++) {
        const drae__record *r = &records[h->order[k]];
        if (r->label == 1 && (vial < 0 || drae__level(&h->vials, r->vial) == vial)) {
            return true;
        }
    }
    return false;
}

static drae_status make_strip(const drae__evaluation_input *in, drae_strip **strip,
                              drae__err *err) {
    const drae__hierarchy *h = in->hierarchy;
    drae_status status = drae_strip_create(h->frames.n, h->vials.n, h->regions.n, strip);
    if (status != DRAE_OK) {
        return drae__fail(err, status, "cannot decide over strips of %d x %d x %d", h->frames.n,
                          h->vials.n, h->regions.n);
    }
    for (int r = 0; r < h->regions.n && status == DRAE_OK; r++) {
        bool open = false;
        for (size_t i = 0; i < h->n && !open; i++) {
            open = in->reasons[i] == DRAE_REASON_UNCALIBRATED &&
                   in->records[i].region == h->regions.values[r];
        }
        status = open ? DRAE_OK : drae_strip_set_threshold(*strip, r, 0.5f);
    }
    return status;
}

static drae_status evaluate_strips(const drae__evaluation_input *in, counts *vials, counts *strips,
                                   drae__level_figures *of_vials, drae__level_figures *of_strips,
                                   drae__evaluation *found, drae__err *err) {
    const drae__hierarchy *h = in->hierarchy;
    drae_strip *strip = NULL;
    drae_status status = DRAE_OK;
    counts_begin(vials, of_vials, DRAE__LEVEL_VIAL, -1);
    counts_begin(strips, of_strips, DRAE__LEVEL_STRIP, -1);
    DRAE__TRY(make_strip(in, &strip, err));
    for (size_t s = 0; s < h->n_strips; s++) {
        drae_verdict verdict;
        drae_reason reason = DRAE_REASON_NONE;
        uint32_t cluster = in->cluster[h->order[h->strips[s]]];
        DRAE__TRY(decide(in, strip, s, err));
        for (int v = 0; v < h->vials.n; v++) {
            DRAE__TRY(drae_strip_vial_verdict(strip, v, &verdict, &reason));
            count(vials, of_vials, cluster, drae__strips_defective(in->records, h, s, s + 1, v),
                  (uint8_t)reason);
            found->vial_reasons[s * (size_t)h->vials.n + (size_t)v] = (uint8_t)reason;
        }
        DRAE__TRY(drae_strip_verdict(strip, &verdict, &reason));
        count(strips, of_strips, cluster, drae__strips_defective(in->records, h, s, s + 1, -1),
              (uint8_t)reason);
        found->strip_reasons[s] = (uint8_t)reason;
    }
    counts_end(vials, of_vials, in);
    counts_end(strips, of_strips, in);
done:
    drae_strip_destroy(strip);
    return status;
}

/* Products that pass where at least `needed` of their runs are good; what cannot be decided, and
 * what has no result, does not pass. */
static void evaluate_products(const drae__evaluation_input *in, counts *c,
                              const uint8_t *strip_reasons, int needed, drae__level_figures *f) {
    const drae__hierarchy *h = in->hierarchy;
    counts_begin(c, f, DRAE__LEVEL_PRODUCT, -1);
    for (size_t p = 0; p < h->n_products; p++) {
        int n_good = 0;
        bool open = false;
        for (size_t s = h->products[p]; s < h->products[p + 1]; s++) {
            n_good += strip_reasons[s] == DRAE_REASON_NONE ? 1 : 0;
            open = open || strip_reasons[s] == DRAE_REASON_UNCALIBRATED;
        }
        size_t first = h->products[p];
        uint8_t reason = n_good >= needed ? DRAE_REASON_NONE : DRAE_REASON_VOTE;
        count(c, f, in->cluster[h->order[h->strips[first]]],
              drae__strips_defective(in->records, h, first, h->products[p + 1], -1),
              open ? DRAE_REASON_UNCALIBRATED : reason);
    }
    counts_end(c, f, in);
}

drae_status drae__evaluate(const drae__evaluation_input *in, drae__evaluation *evaluation,
                           drae__err *err) {
    const drae__hierarchy *h = in->hierarchy;
    drae_status status = DRAE_OK;
    drae__evaluation fresh = {0};
    counts c = {0};
    counts vials = {0};
    size_t votes = h->n_runs > 1 ? (size_t)in->vote_runs : 0;
    bool seen[DRAE__REGIONS_MAX] = {false};
    DRAE__TRY(counts_create(&c, in->n_clusters, in->rounds, err));
    DRAE__TRY(counts_create(&vials, in->n_clusters, in->rounds, err));
    fresh.levels = calloc(DRAE__REGIONS_MAX + 4, sizeof *fresh.levels);
    fresh.votes = calloc(votes + 1, sizeof *fresh.votes);
    fresh.strip_reasons = calloc(h->n_strips + 1, 1);
    fresh.vial_reasons = calloc(h->n_strips + 1, (size_t)h->vials.n + 1);
    if (fresh.levels == NULL || fresh.votes == NULL || fresh.strip_reasons == NULL ||
        fresh.vial_reasons == NULL) {
        status = drae__fail(err, DRAE_ERROR_MEMORY, "no memory for the figures of %zu strips",
                            h->n_strips);
        goto done;
    }
    for (size_t i = 0; i < h->n; i++) {
        seen[in->records[i].region] = true;
    }
    for (int r = 0; r < DRAE__REGIONS_MAX; r++) {
        if (seen[r]) {
            evaluate_patches(in, &c, r, &fresh.levels[fresh.n_levels++]);
        }
    }
    evaluate_patches(in, &c, -1, &fresh.levels[fresh.n_levels++]);
    if (h->n_strips > 0) {
        drae__level_figures *at = &fresh.levels[fresh.n_levels];
        fresh.n_levels += 2;
        DRAE__TRY(evaluate_strips(in, &vials, &c, at, at + 1, &fresh, err));
    }
    if (votes > 0) {
        evaluate_products(in, &c, fresh.strip_reasons, in->vote_needed,
                          &fresh.levels[fresh.n_levels++]);
    }
    for (size_t k = 0; k < votes; k++) {
        fresh.votes[k].needed = (int)k + 1;
        evaluate_products(in, &c, fresh.strip_reasons, (int)k + 1, &fresh.votes[k].figures);
    }
    fresh.n_votes = votes;
    *evaluation = fresh;
    fresh = (drae__evaluation){0};
done:
    counts_free(&c);
    counts_free(&vials);
    drae__evaluation_free(&fresh);
    return status;
}

void drae__evaluation_free(drae__evaluation *evaluation) {
    free(evaluation->levels);
    free(evaluation->votes);
    free(evaluation->strip_reasons);
    free(evaluation->vial_reasons);
    *evaluation = (drae__evaluation){0};
}
