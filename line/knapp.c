/* SPDX-License-Identifier: Apache-2.0 */
#include "line/knapp.h"

#include "line/bootstrap.h"

#include <math.h>
#include <stdlib.h>

const char *drae__knapp_zone_name(drae__knapp_zone zone) {
    static const char *const names[] = {"accept", "grey", "reject", "none"};
    return names[zone];
}

drae__knapp_zone drae__knapp_zone_of(uint32_t k, uint32_t n, double reject) {
    if (n == 0) {
        return DRAE__ZONE_NONE;
    }
    /* 7 of 10 is 0.7, whatever the division rounds to. */
    double p = (double)k / (double)n;
    double slack = 1e-12;
    return p >= reject - slack              ? DRAE__ZONE_REJECT
           : p < DRAE__KNAPP_ACCEPT - slack ? DRAE__ZONE_ACCEPT
                                            : DRAE__ZONE_GREY;
}

typedef struct workspace {
    double *k, *n; /* [n] */
    double *draws; /* [rounds] */
    uint32_t *weights;
    size_t *members; /* [n] units of the manual reject zone */
} workspace;

static void release(workspace *w) {
    free(w->k);
    free(w->n);
    free(w->draws);
    free(w->weights);
    free(w->members);
}

/* The rate over the units that have a manual zone (or, with zone < 0, a label). */
static drae__interval rate_where(size_t n, const drae__knapp_unit *units, workspace *w, int zone,
                                 bool defective, bool manual, double reject, double confidence) {
    for (size_t i = 0; i < n; i++) {
        const drae__knapp_unit *u = &units[i];
        bool in = zone < 0 ? u->defective == defective
                           : (int)drae__knapp_zone_of(u->manual_k, u->manual_n, reject) == zone;
        w->k[i] = !in ? 0.0 : (double)(manual ? u->manual_k : u->k);
        w->n[i] = !in ? 0.0 : (double)(manual ? u->manual_n : u->n);
    }
    return drae__rate_by_cluster(n, w->k, w->n, confidence);
}

static double ratio(size_t m, const drae__knapp_unit *units, const size_t *members,
                    const uint32_t *weights) {
    double machine = 0.0;
    double manual = 0.0;
    for (size_t i = 0; i < m; i++) {
        const drae__knapp_unit *u = &units[members[i]];
        double w = weights == NULL ? 1.0 : (double)weights[i];
        machine += w * (double)u->k / (double)u->n;
        manual += w * (double)u->manual_k / (double)u->manual_n;
    }
    return manual > 0.0 ? machine / manual : NAN;
}

/* Units weigh the same, however often each was inspected. */
static void compare(size_t n, const drae__knapp_unit *units, double reject, uint64_t seed,
                    size_t rounds, double confidence, workspace *w, drae__knapp *found) {
    size_t m = 0;
    bool surely = true;
    for (size_t i = 0; i < n; i++) {
        const drae__knapp_unit *u = &units[i];
        if (u->n > 0 &&
            drae__knapp_zone_of(u->manual_k, u->manual_n, reject) == DRAE__ZONE_REJECT) {
            w->members[m++] = i;
            surely = surely && (uint64_t)u->k * u->manual_n >= (uint64_t)u->manual_k * u->n;
        }
    }
    double value = m > 0 ? ratio(m, units, w->members, NULL) : NAN;
    for (size_t r = 0; r < rounds && m > 0; r++) {
        drae__bootstrap_draw(m, NULL, seed, r, w->weights);
        w->draws[r] = ratio(m, units, w->members, w->weights);
    }
    drae__interval drawn = drae__bootstrap_interval(value, rounds, w->draws, confidence);
    if (m > 0 && !(drawn.low < drawn.high)) {
        /* Every draw says the same (all or nothing, or one unit): from the limits of both. */
        drawn.low = found->machine_in_zone.low / found->manual_in_zone.high;
        drawn.high = found->machine_in_zone.high / found->manual_in_zone.low;
    }
    found->efficiency = m > 0 ? drawn : (drae__interval){NAN, 0.0, INFINITY};
    found->passed = m > 0 && (surely || found->efficiency.low >= 1.0);
}

drae_status drae__knapp_measure(size_t n, const drae__knapp_unit *units, double reject,
                                uint64_t seed, size_t rounds, double confidence, drae__knapp *knapp,
                                drae__err *err) {
    drae__knapp found = {.n_units = n};
    if (!(reject > DRAE__KNAPP_ACCEPT && reject <= 1.0) || n == 0) {
        return drae__fail(err, DRAE_ERROR_ARGUMENT,
                          "a reject zone from %g: choose an edge above %g and at most 1", reject,
                          DRAE__KNAPP_ACCEPT);
    }
    for (size_t i = 0; i < n; i++) {
        const drae__knapp_unit *u = &units[i];
        if (u->k > u->n || u->manual_k > u->manual_n) {
            return drae__fail(err, DRAE_ERROR_ARGUMENT, "unit %zu: more rejects than inspections",
                              i);
        }
        drae__knapp_zone zone = drae__knapp_zone_of(u->k, u->n, reject);
        found.n_defective += u->defective ? 1 : 0;
        if (zone != DRAE__ZONE_NONE) {
            found.zones[u->defective ? 1 : 0][zone]++;
        }
        zone = drae__knapp_zone_of(u->manual_k, u->manual_n, reject);
        if (zone != DRAE__ZONE_NONE) {
            found.n_manual++;
            found.manual_zones[zone]++;
        }
    }
    workspace w = {.k = calloc(n, sizeof *w.k),
                   .n = calloc(n, sizeof *w.n),
                   .draws = calloc(rounds + 1, sizeof *w.draws),
                   .weights = calloc(n, sizeof *w.weights),
                   .members = calloc(n, sizeof *w.members)};
    if (w.k == NULL || w.n == NULL || w.draws == NULL || w.weights == NULL || w.members == NULL) {
        release(&w);
        return drae__fail(err, DRAE_ERROR_MEMORY, "no memory for %zu units", n);
    }
    found.detection = rate_where(n, units, &w, -1, true, false, reject, confidence);
    found.false_rejects = rate_where(n, units, &w, -1, false, false, reject, confidence);
    found.machine_in_zone =
        rate_where(n, units, &w, DRAE__ZONE_REJECT, true, false, reject, confidence);
    found.manual_in_zone =
        rate_where(n, units, &w, DRAE__ZONE_REJECT, true, true, reject, confidence);
    found.machine_in_accept =
        rate_where(n, units, &w, DRAE__ZONE_ACCEPT, true, false, reject, confidence);
    compare(n, units, reject, seed, rounds, confidence, &w, &found);
    release(&w);
    *knapp = found;
    return DRAE_OK;
}
