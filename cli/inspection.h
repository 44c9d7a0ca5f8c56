/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the parts of `drae inspect` share: the data, the engine's numbers, and what was found of
 * every patch so far. Filled by inspect.c; read by the files that write results and pictures.
 */
#ifndef DRAE_CLI_INSPECTION_H
#define DRAE_CLI_INSPECTION_H

#include "cli/inspect_source.h"
#include "drae/engine.h"
#include "drae/line.h"
#include "line/hierarchy.h"

/* The reason of a patch that was not inspected yet; none of drae_reason. */
#define DRAE__REASON_PENDING 255

typedef struct drae__inspection {
    drae__source *source;
    const drae__record *records; /* [n] */
    size_t n;
    int size;
    bool labelled;
    drae__hierarchy hierarchy;
    float threshold[DRAE__REGIONS_MAX]; /* NAN: not calibrated */
    float undecided[DRAE__REGIONS_MAX]; /* above it, up to the threshold; NAN: no such band */
    float anchor[DRAE__REGIONS_MAX];
    drae_score kind[DRAE__REGIONS_MAX]; /* the score that decides */
    bool maps;                          /* z is known in some region */
    float *scores;                      /* [n] that decide, NAN without a result */
    float *phi, *z;    /* [n], NAN without a result; z also where the region has no maps */
    uint8_t *reasons;  /* [n] drae_reason, or DRAE__REASON_PENDING */
    drae_strip *strip; /* for drae__inspection_decide; NULL where there are no strips */
    int vote_needed;   /* runs of a product that must agree */
    int vote_runs;     /* runs that a product has */
} drae__inspection;

/* "R0 flag" for the regions of a vial, "region 0" for data without vials. */
void drae__region_name(const drae__inspection *inspection, int region, char name[32]);

/* The reason of a patch that has a score. */
drae_reason drae__score_reason(const drae__inspection *inspection, size_t index, float score);

/* Puts what is known of strip s through inspection->strip, whose verdicts are then those of s. */
drae_status drae__inspection_decide(const drae__inspection *inspection, size_t s, drae__err *err);

/* Whether any patch of [order[first], order[last]) is labelled defective; vial < 0: of any vial. */
bool drae__inspection_defective(const drae__inspection *inspection, size_t first, size_t last,
                                int vial);

#endif
