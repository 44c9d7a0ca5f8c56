/* SPDX-License-Identifier: Apache-2.0 */
/* Score, threshold, band and anchor of every region from what was measured. */
#include "cli/calibrate.h"

#include "base/sha256.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Room for the items of one region. */
typedef struct room {
    float *scores;
    uint32_t *cluster;
    uint32_t *place; /* [n_strips] of a strip among the items, from 1 */
} room;

/* The items of a region among patches[first..last) of a set: patches, or the largest score of each
 * strip. */
static drae__sample gather(const drae__calibrate *c, const drae__calibrate_set *set, int region,
                           size_t first, size_t last, const float *values, room *m) {
    bool by_strip = c->strip != NULL && set == &c->good;
    size_t n = 0;
    if (by_strip) {
        memset(m->place, 0, c->n_strips * sizeof *m->place);
    }
    for (size_t k = first; k < last; k++) {
        size_t patch = set->patches[k];
        if (set->records[patch].region != region) {
            continue;
        }
        uint32_t at = by_strip ? m->place[c->strip[patch]] : 0;
        if (at == 0) {
            m->scores[n] = values[k];
            m->cluster[n] = set->cluster[patch];
            at = (uint32_t)++n;
            if (by_strip) {
                m->place[c->strip[patch]] = at;
            }
        } else if (!(values[k] <= m->scores[at - 1])) {
            m->scores[at - 1] = values[k];
        }
    }
    return (drae__sample){
        .n = n, .scores = m->scores, .cluster = m->cluster, .n_clusters = set->n_clusters};
}

/* One score, of the good patches and of the spoiled ones, on the items that make no maps. */
static drae_status compare(drae__calibrate *c, int i, const float *values, const float *spoiled,
                           room *good, float *bad, drae__candidate *candidate, drae__err *err) {
    drae__sample sample = gather(c, &c->good, i, c->n_fits, c->good.n, values, good);
    size_t n_bad = 0;
    for (size_t k = 0; k < c->n_spoiled; k++) {
        if (c->good.records[c->spoiled[k]].region == i) {
            bad[n_bad++] = spoiled[k];
        }
    }
    /* The scores are compared at a rate that this sample can show at all. */
    double rate = fmin(fmax(c->rate, 1.0 / (double)sample.n), 0.5);
    return drae__candidate_measure(sample.n, good->scores, n_bad, bad, rate, candidate, err);
}

static void copy_of_region(const drae__calibrate_set *set, int region) {
    for (size_t k = 0; k < set->n; k++) {
        if (set->records[set->patches[k]].region == region) {
            set->z[k] = set->m[k];
        }
    }
}

/* z of a region that has a head: of the filters alone, where these find as much. */
static drae_status compare_head(drae__calibrate *c, int i, room *good, float *bad, drae__err *err) {
    drae__calibrate_region *g = &c->regions[i];
    drae_status status = compare(c, i, c->good.m, c->m_spoiled, good, bad, &g->m, err);
    g->by_filters = status == DRAE_OK && g->m.n_found >= g->z.n_found;
    if (g->by_filters) {
        c->model.calibration.head[i] = NULL;
        copy_of_region(&c->good, i);
        if (c->defective.source != NULL) {
            copy_of_region(&c->defective, i);
        }
    }
    return status;
}

/* The threshold of a region by one score, and the lower one. */
static drae_status find(drae__calibrate *c, int i, bool z, room *good, room *bad, float *undecided,
                        drae__err *err) {
    drae_status status = DRAE_OK;
    drae__calibrate_region *g = &c->regions[i];
    const drae__calibrate_options *o = c->o;
    drae__sample sample =
        gather(c, &c->good, i, z ? c->n_fits : 0, c->good.n, z ? c->good.z : c->good.phi, good);
    *undecided = 0.0f;
    g->too_few = o->defects.n > 0 && g->n_labelled < DRAE__THRESHOLD_BY_COST_LEAST;
    if (g->n_labelled >= DRAE__THRESHOLD_BY_COST_LEAST) {
        drae__sample labelled = gather(c, &c->defective, i, 0, c->defective.n,
                                       z ? c->defective.z : c->defective.phi, bad);
        DRAE__TRY(drae__threshold_by_cost(&sample, &labelled, o->cost_miss, o->cost_reject,
                                          &g->threshold, err));
        if (o->cost == NULL) {
            g->threshold.from.method = DRAE__METHOD_BALANCED;
        } else {
            g->threshold.from.method = DRAE__METHOD_COST;
        }
    } else {
        DRAE__TRY(drae__threshold_by_rate(&sample, c->rate, o->small, &g->threshold, err));
    }
    if (o->undecided > 0.0) {
        drae__threshold low;
        double rate = o->undecided * (c->rate / (c->strip != NULL ? o->strip_rate : o->patch_rate));
        DRAE__TRY(drae__threshold_by_rate(&sample, rate, o->small, &low, err));
        g->no_band = !(low.value > 0.0f && low.value < g->threshold.value);
        *undecided = g->no_band ? 0.0f : low.value;
    }
done:
    return status;
}

/* Whether phi decides where z, by whatever it is made, finds no more. */
static bool may_choose(const drae__calibrate *c) {
    return !c->o->keep && (strcmp(c->o->score, "auto") == 0 || strcmp(c->o->score, "h") == 0);
}

static drae_status set_region(drae__calibrate *c, int i, room *good, room *bad, drae__err *err) {
    drae__calibrate_region *g = &c->regions[i];
    drae__calibration *k = &c->model.calibration;
    drae_status status = DRAE_OK;
    bool z = c->o->keep && k->kind[i] == DRAE__SCORE_Z;
    if (g->n_fits > 0) {
        DRAE__TRY(compare(c, i, c->good.phi, c->phi_spoiled, good, bad->scores, &g->phi, err));
        DRAE__TRY(compare(c, i, c->good.z, c->z_spoiled, good, bad->scores, &g->z, err));
        if (c->good.m != NULL) {
            DRAE__TRY(compare_head(c, i, good, bad->scores, err));
        }
        const drae__candidate *best = g->by_filters ? &g->m : &g->z;
        z = strcmp(c->o->score, "z") == 0 || strcmp(c->o->score, "m") == 0 ||
            (may_choose(c) && drae__choose_z(&g->phi, best));
    }
    status = find(c, i, z, good, bad, &k->undecided[i], err);
    if (status == DRAE_ERROR_FILE && z && may_choose(c)) {
        /* phi knows no maps: every good patch may set its threshold. */
        g->z_refused = true;
        z = false;
        status = find(c, i, z, good, bad, &k->undecided[i], err);
    }
    if (status == DRAE_ERROR_FILE && !c->o->small) {
        char why[DRAE__ERR_BYTES];
        (void)snprintf(why, sizeof why, "%s", err->text);
        (void)drae__fail(err, status, "%s; --small-sample takes fewer, with an open upper limit",
                         why);
    }
    if (status != DRAE_OK) {
        goto done;
    }
    if (!z) {
        k->head[i] = NULL; /* it would cost time and decide nothing */
    }
    k->kind[i] = z ? DRAE__SCORE_Z : DRAE__SCORE_PHI;
    k->threshold[i] = g->threshold.value;
    k->from[i] = g->threshold.from;
    k->anchor[i] =
        z ? DRAE__Z_ANCHOR * g->threshold.value : drae__histogram_quantile(g->histogram, 0.999);
done:
    return drae__err_prefix(err, status, "region %d", i);
}

/* Where the thresholds come from, and which patches they were made with. */
static drae_status set_origin(drae__calibrate *c, drae__err *err) {
    drae_status status = DRAE_OK;
    drae__calibration_origin *o = &c->model.calibration.origin;
    drae__seen *seen = &c->model.seen[DRAE__SEEN_CALIBRATION];
    o->unit = c->strip != NULL ? DRAE__RATE_STRIP : DRAE__RATE_PATCH;
    o->rate = c->strip != NULL ? c->o->strip_rate : c->o->patch_rate;
    o->undecided_rate = c->o->undecided;
    o->cost_miss = c->o->cost != NULL ? c->o->cost_miss : 0.0;
    o->cost_reject = c->o->cost != NULL ? c->o->cost_reject : 0.0;
    o->disjoint = c->model.seen[DRAE__SEEN_TRAINING].n == 0 ? DRAE__DISJOINT_UNKNOWN
                  : c->n_seen > 0                           ? DRAE__DISJOINT_NO
                                                            : DRAE__DISJOINT_YES;
    (void)snprintf(o->version, sizeof o->version, "%s", DRAE_VERSION);
    DRAE__TRY(drae__source_hash(c->good.source, o->data_hash, err));
    if (c->defective.source != NULL) {
        DRAE__TRY(drae__source_hash(c->defective.source, o->defects_hash, err));
    }
    const struct {
        const uint64_t *prints;
        size_t n;
    } parts[] = {{seen->prints, seen->n}, /* of a calibration that is kept */
                 {c->good.prints, c->good.n},
                 {c->defective.prints, c->defective.n}};
    size_t n = 0;
    uint64_t *all = calloc(seen->n + c->good.n + c->defective.n, sizeof *all);
    if (all == NULL) {
        status = drae__fail(err, DRAE_ERROR_MEMORY, "no memory for the fingerprints of %zu patches",
                            c->good.n);
        goto done;
    }
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        if (parts[i].n > 0) {
            memcpy(all + n, parts[i].prints, parts[i].n * sizeof *all);
            n += parts[i].n;
        }
    }
    free(seen->prints);
    seen->prints = all;
    seen->n = drae__seen_sort(n, all);
done:
    return status;
}

static void free_room(room *m) {
    free(m->scores);
    free(m->cluster);
    free(m->place);
}

static bool make_room(room *m, size_t n, size_t n_strips) {
    *m = (room){.scores = calloc(n + 1, sizeof *m->scores),
                .cluster = calloc(n + 1, sizeof *m->cluster),
                .place = calloc(n_strips + 1, sizeof *m->place)};
    return m->scores != NULL && m->cluster != NULL && m->place != NULL;
}

drae_status drae__calibrate_set_regions(drae__calibrate *c, drae__err *err) {
    drae_status status = DRAE_OK;
    room good = {0};
    room bad = {0};
    size_t n_bad = c->n_spoiled > c->defective.n ? c->n_spoiled : c->defective.n;
    if (!make_room(&good, c->good.n, c->n_strips) || !make_room(&bad, n_bad, 0)) {
        status = drae__fail(err, DRAE_ERROR_MEMORY, "no memory for %zu scores", c->good.n);
        goto done;
    }
    for (int i = 0; i < c->n_regions; i++) {
        c->model.calibration.threshold[i] = NAN;
        c->model.calibration.anchor[i] = NAN;
        if (c->regions[i].n > 0) {
            DRAE__TRY(set_region(c, i, &good, &bad, err));
        }
    }
    status = set_origin(c, err);
done:
    free_room(&good);
    free_room(&bad);
    return status;
}
