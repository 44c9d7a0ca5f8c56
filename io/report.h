/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The report of an evaluation: everything that was found, and the three files that tell it.
 *   scores.csv   a line a patch, so that anyone can recompute every figure
 *   report.json  the figures for programs
 *   report.html  the figures for people: one file, no network, no script
 * The same report gives the same bytes: nothing of clock or machine is in it. docs/eval.md names
 * every field.
 */
#ifndef DRAE_IO_REPORT_H
#define DRAE_IO_REPORT_H

#include "base/error.h"
#include "io/jsonl.h"
#include "line/evaluation.h"
#include "line/figures.h"
#include "line/pixel.h"

#include "io/marks.h"

#include <stdbool.h>

/* A line of provenance: "model", "SHA-256 of the engine", "ab12...". */
typedef struct drae__report_fact {
    const char *group;
    char name[48];
    char text[512];
} drae__report_fact;

/* The array "provenance" of group, name and text, into an open object of knapp.json or drift.json.
 */
void drae__report_put_facts(drae__jsonl *j, const drae__report_fact *facts, size_t n);

/* One score of every patch. */
typedef struct drae__report_score {
    const char *name;                   /* "phi": column and key */
    const char *title;                  /* "phi = 1 - SSIM" */
    const char *map;                    /* "|X - X^|", of the pixel figures */
    bool baseline;                      /* the golden template */
    const float *values;                /* [n] NAN: none */
    float threshold[DRAE__REGIONS_MAX]; /* NAN: none */
    drae__score_figures *figures; /* [n_regions + 1] by place in regions, then all; NULL without
                                     labels */
    drae__pixel_figures *pixels;  /* [n_regions + 1]; NULL without masks */
} drae__report_score;

/* Defects of one kind in one region, or of one size: how many were missed. */
typedef struct drae__report_tally {
    int key;    /* class code, or lower edge of the bin; the bin ends at the next one's */
    int region; /* -1: all */
    size_t n;
    size_t missed;
} drae__report_tally;

typedef struct drae__report_picture {
    bool false_reject; /* else a missed defect */
    size_t index;
    uint8_t *png; /* three panels: image, heat on the fixed scale, image with the mask's outline */
    size_t n_bytes;
} drae__report_picture;

typedef struct drae__report {
    size_t n;
    const drae__record *records; /* [n] */
    const drae__hierarchy *hierarchy;
    const char *(*defect_name)(const void *context, int defect);
    const void *context;
    bool labelled;
    bool vials; /* regions are those of a vial */
    int n_regions;
    int regions[DRAE__REGIONS_MAX]; /* that occur, ascending */
    const uint8_t *reasons;         /* [n] drae_reason: the engine's verdicts */
    size_t n_scores;
    drae__report_score *scores;       /* the baseline, if any, last */
    int decides[DRAE__REGIONS_MAX];   /* which score the verdict of a region comes from */
    const drae__evaluation *verdicts; /* NULL without labels */
    const drae__evaluation *baseline; /* NULL: none */
    const char *caution;              /* why to doubt the model, NULL: no reason known */
    double rate;                      /* of the figures at a fixed rate */
    double confidence;
    size_t rounds;
    uint64_t seed;
    int vote_needed;
    int vote_runs;
    size_t n_facts;
    const drae__report_fact *facts;
    size_t n_classes;
    const drae__report_tally *classes; /* region -1 for all first, then by region, by class */
    size_t n_extents;
    const drae__report_tally *extents;
    size_t n_contrasts;
    const drae__report_tally *contrasts;
    size_t n_pictures;
    const drae__report_picture *pictures; /* missed ones first, worst first */
} drae__report;

/* Patches that name no product: each counts as one of its own, which makes limits by product too
 * narrow where several show the same one. */
size_t drae__report_without_product(const drae__report *report);

/* "R0 flag" for the regions of a vial, else "region 0"; -1: "all regions". */
void drae__report_region(const drae__report *report, int region, char name[32]);

/* The published figure for a row of its table: balanced accuracy in percent, NAN where there is
 * none. row receives its name there, "" where there is none. */
double drae__report_published(const drae__level_figures *level, const char **row);

drae_status drae__report_write_csv(const drae__report *report, const char *path, drae__err *err);
drae_status drae__report_write_json(const drae__report *report, const char *path, drae__err *err);
drae_status drae__report_write_html(const drae__report *report, const char *path, drae__err *err);

/*
 * The picture of a patch for the report, as PNG in memory (free() it): image, heat [size,size] on
 * the fixed scale over the image with a ring round its largest value (peak), and the image with the
 * outline of its mask, left out where mask is NULL or empty.
 */
drae_status drae__report_draw(int size, const uint8_t *patch, const uint8_t *heat,
                              const uint8_t *mask, drae__spot peak, uint8_t **png, size_t *n_bytes,
                              drae__err *err);

#endif
