/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The qualification of Knapp and Kushner ("Generalized methodology for evaluation of parenteral
 * inspection procedures", Journal of the Parenteral Drug Association 34, 1980): every unit of a kit
 * is inspected again and again, by people and by the machine. A unit that people reject with a
 * probability of at least 0.7 lies in the reject zone, one below 0.3 in the accept zone, the rest
 * is grey. Within the reject zone the machine must reject at least as surely as people do.
 *
 * Plain arrays in, numbers out; any thread.
 */
#ifndef DRAE_LINE_KNAPP_H
#define DRAE_LINE_KNAPP_H

#include "base/error.h"
#include "line/intervals.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DRAE__KNAPP_REJECT 0.7
#define DRAE__KNAPP_ACCEPT 0.3

typedef struct drae__knapp_unit {
    bool defective;              /* by its label */
    uint32_t n, k;               /* inspections by the machine, and rejects among them */
    uint32_t manual_n, manual_k; /* by people; 0: not inspected */
} drae__knapp_unit;

typedef enum drae__knapp_zone {
    DRAE__ZONE_ACCEPT = 0,
    DRAE__ZONE_GREY = 1,
    DRAE__ZONE_REJECT = 2,
    DRAE__ZONE_NONE = 3 /* never inspected */
} drae__knapp_zone;

/* "accept", "grey", "reject", "none" */
const char *drae__knapp_zone_name(drae__knapp_zone zone);

/* The zone of a probability k / n; reject: lower edge of the reject zone (0.7). */
drae__knapp_zone drae__knapp_zone_of(uint32_t k, uint32_t n, double reject);

typedef struct drae__knapp {
    size_t n_units;
    size_t n_defective;
    size_t zones[2][3]; /* [defective][zone] of the machine's own probabilities */
    /* Over inspections, with limits that take a unit as a whole (drae__rate_by_cluster). */
    drae__interval detection;     /* of units labelled defective */
    drae__interval false_rejects; /* of units labelled good */
    /* Beside people, where they have inspected; else n_manual is 0 and the values NAN. */
    size_t n_manual;
    size_t manual_zones[3];
    drae__interval machine_in_zone; /* mean probability over the manual reject zone */
    drae__interval manual_in_zone;
    drae__interval efficiency;        /* their ratio, machine / manual; bootstrap by unit */
    drae__interval machine_in_accept; /* over the manual accept zone: needless rejects */
    bool passed; /* n_manual > 0, the zone is not empty, and the lower limit of the efficiency is
                    at least 1, or every unit of the zone is rejected as surely as by people */
} drae__knapp;

/* units[n], 0 < n < 2^32. ERROR_MEMORY; ERROR_ARGUMENT for reject outside (DRAE__KNAPP_ACCEPT, 1]
 * or a unit with k > n. */
drae_status drae__knapp_measure(size_t n, const drae__knapp_unit *units, double reject,
                                uint64_t seed, size_t rounds, double confidence, drae__knapp *knapp,
                                drae__err *err);

#endif
