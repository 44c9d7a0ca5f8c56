/* SPDX-License-Identifier: Apache-2.0 */
#include "model/origin.h"

#include <math.h>
#include <stdio.h>

const char *drae__method_name(drae__threshold_method method) {
    static const char *const names[DRAE__METHODS] = {"unknown", "empirical", "pareto", "cost",
                                                     "balanced"};
    return names[method];
}

const char *drae__rate_unit_name(drae__rate_unit unit) {
    static const char *const names[DRAE__RATE_UNITS] = {"patch", "strip"};
    return names[unit];
}

const char *drae__disjoint_name(drae__disjoint disjoint) {
    static const char *const names[DRAE__DISJOINTS] = {"not checked", "disjoint", "overlap"};
    return names[disjoint];
}

const char *drae__threshold_origin_wrong(const drae__threshold_origin *origin) {
    if (!(origin->low >= 0.0 && origin->high >= origin->low) || isinf(origin->low)) {
        return "limits of a threshold must be from 0, the lower one first";
    }
    if (!(origin->rate >= 0.0 && origin->rate < 1.0)) {
        return "a false-reject rate must be from 0 to below 1";
    }
    if (!(origin->effect >= 0.0) || isinf(origin->effect)) {
        return "a design effect must be a number from 0";
    }
    return NULL;
}

const char *drae__calibration_origin_wrong(const drae__calibration_origin *origin) {
    if (!(origin->rate >= 0.0 && origin->rate < 1.0) ||
        !(origin->undecided_rate >= 0.0 && origin->undecided_rate < 1.0)) {
        return "a false-reject rate must be from 0 to below 1";
    }
    if (!(origin->cost_miss >= 0.0 && origin->cost_reject >= 0.0) || isinf(origin->cost_miss) ||
        isinf(origin->cost_reject)) {
        return "a cost must be a number from 0";
    }
    return NULL;
}

void drae__threshold_origin_text(const drae__threshold_origin *origin, drae__rate_unit unit,
                                 char *text, size_t n) {
    char rule[64];
    char limits[64];
    char defective[48] = "";
    if (origin->method == DRAE__METHOD_UNKNOWN) {
        (void)snprintf(text, n, "origin unknown");
        return;
    }
    (void)snprintf(rule, sizeof rule, "%s", drae__method_name(origin->method));
    if (origin->rate > 0.0) {
        (void)snprintf(rule, sizeof rule, "%s at %.4g a %s", drae__method_name(origin->method),
                       origin->rate, drae__rate_unit_name(unit));
    }
    (void)snprintf(limits, sizeof limits, "%.4g to %.4g", origin->low, origin->high);
    if (isinf(origin->high)) {
        (void)snprintf(limits, sizeof limits, "%.4g to beyond the sample", origin->low);
    }
    if (origin->n_defective > 0) {
        (void)snprintf(defective, sizeof defective, " and %llu defective",
                       (unsigned long long)origin->n_defective);
    }
    (void)snprintf(text, n,
                   "%s, 95 %% limits %s, %llu good%s of %llu products (design effect %.3g)", rule,
                   limits, (unsigned long long)origin->n_good, defective,
                   (unsigned long long)origin->n_products, origin->effect);
}
