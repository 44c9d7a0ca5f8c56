/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the parts of `drae calibrate` share. calibrate.c holds the command, calibrate_data.c chooses
 * patches, calibrate_measure.c scores them, calibrate_set.c finds the thresholds, calibrate_table.c
 * tells them. The arithmetic is line/threshold.h and line/choose.h.
 */
#ifndef DRAE_CLI_CALIBRATE_H
#define DRAE_CLI_CALIBRATE_H

#include "cli/calibrate_scores.h"
#include "line/choose.h"
#include "line/threshold.h"

typedef struct drae__calibrate_options {
    const char *model;
    drae__text_list data;
    drae__text_list defects;
    const char *out;
    const char *score;
    const char *cost;
    double patch_rate; /* a patch */
    double strip_rate; /* a strip; 0: not asked */
    double undecided;  /* 0: no band */
    double cost_miss, cost_reject;
    long threads;
    long head_steps;
    bool keep; /* score, maps and head of the model stay */
    bool small;
    bool overlap;
    bool for_release;
    bool quiet;
} drae__calibrate_options;

/* What is known of a region; n is 0 where the data has none of it. */
typedef struct drae__calibrate_region {
    size_t n;          /* good patches */
    size_t n_strips;   /* they lie on, where a rate a strip was asked */
    size_t n_fits;     /* of the patches those that make the maps; 0: z is not tried */
    size_t n_spoiled;  /* synthetic defects that the scores were told apart by */
    size_t n_labelled; /* labelled defective patches */
    bool too_few;      /* of them for a threshold of least cost */
    bool z_refused;    /* z would have been taken, but its good items are too few */
    bool no_band;      /* the lower threshold is not below the upper one */
    drae__histogram *histogram;
    drae__candidate phi, z;
    drae__candidate m; /* where a head was trained: what the filters alone find */
    bool by_filters;   /* they find as much as the head: z is theirs */
    drae__threshold threshold;
} drae__calibrate_region;

/* Patches that are scored in a row, and what they got. */
typedef struct drae__calibrate_set {
    drae__source *source;
    const drae__record *records; /* of the source */
    size_t n;
    size_t *patches;   /* [n] indices into the source */
    uint32_t *cluster; /* by index into the source: products */
    size_t n_clusters;
    float *phi, *z;   /* [n], z NAN where it is not known */
    float *m;         /* [n], z by the filters where a head is trained; else NULL */
    uint64_t *prints; /* [n] */
} drae__calibrate_set;

typedef struct drae__calibrate {
    const drae__calibrate_options *o;
    double rate; /* of a region's items: patches, or strips */
    drae__model model;
    drae__scorer scorer;
    drae__calibrate_set good;      /* those that make maps first */
    drae__calibrate_set defective; /* empty without --defects */
    size_t n_fits;
    size_t n_defective; /* left out of the good ones */
    size_t n_rank;      /* left out */
    uint32_t *strip;    /* by index into good.source; NULL where no rate a strip is asked */
    size_t n_strips;
    drae__calibrate_region regions[DRAE__REGIONS_MAX];
    int n_regions;
    double *mean[DRAE__REGIONS_MAX], *m2[DRAE__REGIONS_MAX];
    size_t n_added[DRAE__REGIONS_MAX];
    size_t *spoiled; /* [n_spoiled] the patches that get a defect */
    size_t n_spoiled;
    float *phi_spoiled, *z_spoiled; /* [n_spoiled] */
    float *m_spoiled;               /* the same, or NULL */
    size_t n_seen;                  /* patches that training has seen too, allowed */
    drae__learned learned;
} drae__calibrate;

/* calibrate_data.c: data, patches, and which of them make maps. */
drae_status drae__calibrate_open(drae__calibrate *c, drae__err *err);
drae_status drae__calibrate_split(drae__calibrate *c, drae__err *err);
void drae__calibrate_release(drae__calibrate *c);

/* calibrate_measure.c: maps into the model, scores into the sets. */
drae_status drae__calibrate_measure(drae__calibrate *c, drae__err *err);

/* calibrate_set.c: score, threshold, band and anchor of every region, and where they come from. */
drae_status drae__calibrate_set_regions(drae__calibrate *c, drae__err *err);

/* calibrate_table.c */
void drae__calibrate_print(const drae__calibrate *c);

#endif
