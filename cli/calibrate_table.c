/* SPDX-License-Identifier: Apache-2.0 */
/* What `drae calibrate` tells: thresholds with their limits, and what was left out. */
#include "cli/calibrate.h"

#include "line/normalise.h"
#include "line/tail.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static void print_regions(const drae__calibrate *c) {
    const drae__calibration *k = &c->model.calibration;
    printf("\n%-8s %6s %12s %25s %10s %6s %12s %22s\n", "region", "score", "threshold",
           "95 % limits", "good", "above", "anchor", "defects phi / z finds");
    for (int i = 0; i < c->n_regions; i++) {
        const drae__calibrate_region *g = &c->regions[i];
        char found[48] = "not tried";
        char limits[48];
        if (g->n == 0) {
            continue;
        }
        if (g->n_fits > 0) {
            (void)snprintf(found, sizeof found, "%zu / %zu of %zu", g->phi.n_found,
                           g->by_filters ? g->m.n_found : g->z.n_found, g->n_spoiled);
        }
        (void)snprintf(limits, sizeof limits, "%.5g .. %.5g", k->from[i].low, k->from[i].high);
        if (isinf(k->from[i].high)) {
            (void)snprintf(limits, sizeof limits, "%.5g .. open", k->from[i].low);
        }
        printf("%-8d %6s %12.6g %25s %10llu %6zu %12.6g %22s\n", i, drae__score_name(k->kind[i]),
               (double)k->threshold[i], limits, (unsigned long long)k->from[i].n_good,
               g->threshold.n_above, (double)k->anchor[i], found);
    }
    putchar('\n');
    for (int i = 0; i < c->n_regions; i++) {
        char text[256];
        if (c->regions[i].n == 0) {
            continue;
        }
        drae__threshold_origin_text(&k->from[i], k->origin.unit, text, sizeof text);
        printf("region %d: %s\n", i, text);
        if (k->undecided[i] > 0.0f) {
            printf("region %d: undecided above %.6g\n", i, (double)k->undecided[i]);
        }
    }
}

static void print_remarks(const drae__calibrate *c, int i) {
    const drae__calibrate_region *g = &c->regions[i];
    if (g->n_fits > 0) {
        printf("region %d: maps of z from %zu patches of other products\n", i, g->n_fits);
    } else if (!c->o->keep && strcmp(c->o->score, "phi") != 0) {
        printf("region %d: too few good patches for z, phi decides; %zu of several products would "
               "do\n",
               i,
               (c->o->small ? drae__samples_needed(c->rate) : drae__tail_needed(c->rate)) +
                   DRAE__NORMALISE_LEAST);
    }
    if (c->good.m != NULL && g->n_fits > 0) {
        printf(
            "region %d: of %zu synthetic defects the filters find %zu, the head %zu: z is by the "
            "%s\n",
            i, g->n_spoiled, g->m.n_found, g->z.n_found,
            c->model.calibration.head[i] == NULL ? "filters" : "head");
    }
    if (g->z_refused) {
        printf("region %d: z finds more, but what its maps leave is too few for this rate: phi "
               "decides\n",
               i);
    }
    if (g->too_few) {
        printf("region %d: %zu labelled defects, %d are needed: threshold from good patches "
               "alone\n",
               i, g->n_labelled, DRAE__THRESHOLD_BY_COST_LEAST);
    }
    if (g->no_band) {
        printf("region %d: the lower threshold is not below the upper one: nothing is undecided\n",
               i);
    }
}

void drae__calibrate_print(const drae__calibrate *c) {
    const drae__calibration_origin *o = &c->model.calibration.origin;
    print_regions(c);
    for (int i = 0; i < c->n_regions; i++) {
        if (c->regions[i].n > 0) {
            print_remarks(c, i);
        }
    }
    if (c->n_defective > 0) {
        printf("left out: %zu patches labelled defective\n", c->n_defective);
    }
    if (c->n_rank > 0) {
        printf("left out: %zu rank images\n", c->n_rank);
    }
    if (c->o->keep) {
        puts("scores, maps and heads are those that the model had");
    }
    const char *doubt = drae__learned_doubt(&c->learned, c->model.provenance.val_con);
    if (doubt != NULL) {
        printf("warning: %s: %s\n", c->o->model, doubt);
    }
    if (o->disjoint == DRAE__DISJOINT_UNKNOWN) {
        printf("warning: %s lists no patches of its training (an older version made it): that this "
               "data is new to it was not checked\n",
               c->o->model);
    }
    printf("training data: %s", drae__disjoint_name(o->disjoint));
    if (c->n_seen > 0) {
        printf(", %zu patches in common", c->n_seen);
    }
    if (c->defective.n == 0) {
        printf("\n\n%s: thresholds at a false-reject rate of %g a %s, from the calibration data\n",
               c->o->out, o->rate, drae__rate_unit_name(o->unit));
    } else {
        printf("\n\n%s: thresholds of %s on the labelled defects\n", c->o->out,
               c->o->cost != NULL ? "least cost" : "best balanced accuracy");
    }
}
