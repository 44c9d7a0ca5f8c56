/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where thresholds come from: what an auditor asks of a number that rejects. Kept beside the
 * thresholds in model.h5 and in the engine file. Zeroed is "unknown". No date is kept: the same
 * data and options give the same bytes.
 */
#ifndef DRAE_MODEL_ORIGIN_H
#define DRAE_MODEL_ORIGIN_H

#include <stddef.h>
#include <stdint.h>

/* Numbers are frozen in engine files. */
typedef enum drae__threshold_method {
    DRAE__METHOD_UNKNOWN = 0,
    DRAE__METHOD_EMPIRICAL = 1, /* quantile of good items, limits by order statistics */
    DRAE__METHOD_PARETO = 2,    /* tail of good items, limits by profile likelihood */
    DRAE__METHOD_COST = 3,      /* least cost on labelled defects, limits by bootstrap */
    DRAE__METHOD_BALANCED = 4,  /* best balanced accuracy on labelled defects (arXiv 2603.07577) */
    DRAE__METHODS
} drae__threshold_method;

/* What a rate of false rejects is a share of. */
typedef enum drae__rate_unit {
    DRAE__RATE_PATCH = 0, /* of the good patches of each region */
    DRAE__RATE_STRIP = 1, /* of good strips: any reject on it counts */
    DRAE__RATE_UNITS
} drae__rate_unit;

/* Whether calibration and training share patches. */
typedef enum drae__disjoint {
    DRAE__DISJOINT_UNKNOWN = 0, /* not checked: the model lists no patches of its training */
    DRAE__DISJOINT_YES = 1,     /* compared, none in common */
    DRAE__DISJOINT_NO = 2,      /* some in common, allowed by the user */
    DRAE__DISJOINTS
} drae__disjoint;

/* "unknown", "empirical", "pareto", "cost", "balanced"; "patch", "strip"; "not checked",
 * "disjoint", "overlap". */
const char *drae__method_name(drae__threshold_method method);
const char *drae__rate_unit_name(drae__rate_unit unit);
const char *drae__disjoint_name(drae__disjoint disjoint);

/* Of one threshold. */
typedef struct drae__threshold_origin {
    drae__threshold_method method;
    double low, high; /* 95 % limits; high is INFINITY where the sample does not reach them */
    double rate;      /* false rejects asked of the region's items; 0: none asked */
    double effect;    /* how many items weigh as much as one independent item; 0 unknown */
    uint64_t n_good;  /* good items: patches of the region, or strips */
    uint64_t n_products;
    uint64_t n_defective; /* labelled defective patches; 0 where good ones alone were used */
} drae__threshold_origin;

/* Of all thresholds of a model. */
typedef struct drae__calibration_origin {
    drae__rate_unit unit;
    drae__disjoint disjoint;
    double rate;                   /* as asked; 0: none */
    double undecided_rate;         /* of the lower thresholds; 0: none */
    double cost_miss, cost_reject; /* of a missed defect and of a false reject; 0: none stated */
    char data_hash[65];            /* SHA-256 of the calibration data, "" unknown */
    char defects_hash[65];         /* of the labelled defects, "" none */
    char version[32];              /* of drae */
} drae__calibration_origin;

/* NULL, or what is wrong with numbers that come from a file. */
const char *drae__threshold_origin_wrong(const drae__threshold_origin *origin);
const char *drae__calibration_origin_wrong(const drae__calibration_origin *origin);

/* "empirical at 0.005 a patch, 95 % limits 0.0121 to 0.0143, 800 good of 20 products (design effect
 * 1.4)"; "origin unknown". At most n bytes. */
void drae__threshold_origin_text(const drae__threshold_origin *origin, drae__rate_unit unit,
                                 char *text, size_t n);

#endif
