/* SPDX-License-Identifier: Apache-2.0 */
/*
 * drae drift: whether good production still looks as it did at calibration, per region, by the
 * score that decides and by brightness and contrast of the images. Nothing is learned.
 */
#include "cli/eval.h"

#include "io/drift_report.h"

#include <stdio.h>
#include <stdlib.h>

enum { N_WHAT = 3 };

typedef struct options {
    drae__eval_options calibration;
    drae__eval_options production;
    double false_alarms;
    double length;
} options;

typedef struct run {
    const options *o;
    drae__eval sets[2]; /* calibration, production */
    drae__drift_row *rows;
    size_t n_rows;
} run;

static const float *numbers(const drae__eval *e, int region, int what) {
    return what == 0 ? e->values[e->report.decides[region]] : what == 1 ? e->grey : e->spread;
}

/* One value a product, of its good patches of a region; products in ascending order. */
static drae_status gather(const drae__eval *e, int region, int what, float **means, uint32_t **of,
                          size_t *n, drae__err *err) {
    bool *keep = calloc(e->n, sizeof *keep);
    double *sums = calloc(2 * e->n_clusters, sizeof *sums);
    *means = calloc(e->n_clusters, sizeof **means);
    *of = calloc(e->n_clusters, sizeof **of);
    drae_status status = DRAE_OK;
    if (keep == NULL || sums == NULL || *means == NULL || *of == NULL) {
        status = drae__fail(err, DRAE_ERROR_MEMORY, "no memory for %zu products", e->n_clusters);
        goto done;
    }
    for (size_t i = 0; i < e->n; i++) {
        const drae__record *r = &e->records[i];
        keep[i] =
            r->region == region && r->label != 1 && (r->frame >= 0 || r->frame == DRAE__UNRECORDED);
    }
    *n = drae__cluster_means(e->n, numbers(e, region, what), e->cluster, e->n_clusters, keep, sums,
                             *means, *of);
done:
    free(keep);
    free(sums);
    return status;
}

static int32_t product_of(const drae__eval *e, uint32_t cluster) {
    for (size_t i = 0; i < e->n; i++) {
        if (e->cluster[i] == cluster) {
            return e->records[i].product;
        }
    }
    return DRAE__UNRECORDED;
}

static drae_status compare(run *r, int region, int what, drae__drift_row *row, drae__err *err) {
    static const char *const names[N_WHAT] = {NULL, "grey_mean", "grey_spread"};
    const drae__eval *calibration = &r->sets[0];
    const drae__eval *production = &r->sets[1];
    double comparisons = (double)(production->report.n_regions * N_WHAT);
    float *before = NULL;
    float *now = NULL;
    uint32_t *of[2] = {NULL, NULL};
    size_t n = 0;
    size_t m = 0;
    drae_status status = DRAE_OK;
    DRAE__TRY(gather(calibration, region, what, &before, &of[0], &n, err));
    DRAE__TRY(gather(production, region, what, &now, &of[1], &m, err));
    if (m == 0) {
        status = drae__fail(err, DRAE_ERROR_FILE, "%s: region %d has no good patch",
                            production->o->data.items[0], region);
        goto done;
    }
    row->region = region;
    row->what =
        what == 0 ? production->scores[production->report.decides[region]].name : names[what];
    drae__report_region(&production->report, region, row->name);
    DRAE__TRY(
        drae__err_prefix(err,
                         drae__drift_compare(n, before, m, now, r->o->false_alarms / comparisons,
                                             r->o->length * comparisons, &row->found, err),
                         "%s, %s", row->name, row->what));
    row->product =
        row->found.at < m ? product_of(production, of[1][row->found.at]) : DRAE__UNRECORDED;
done:
    free(before);
    free(now);
    free(of[0]);
    free(of[1]);
    return status;
}

static void print_table(const run *r, bool changed) {
    printf("\n%-16s %-12s %9s %9s %12s %18s\n", "", "", "shift", "KS", "chance", "chart");
    for (size_t i = 0; i < r->n_rows; i++) {
        const drae__drift_row *row = &r->rows[i];
        char alarm[48] = "quiet";
        if (row->product != DRAE__UNRECORDED) {
            (void)snprintf(alarm, sizeof alarm, "product %d", (int)row->product);
        }
        printf("%-16s %-12s %9.2f %9.3f %12.3g %18s%s\n", row->name, row->what, row->found.shift,
               row->found.ks.distance, row->found.ks.p, alarm, row->found.changed ? "  *" : "");
    }
    printf("\n%s\n",
           changed ? "the input has changed: look at the line, recalibrate" : "no change found");
}

static drae_status look(run *r, drae__err *err) {
    drae_status status = DRAE_OK;
    const options *o = r->o;
    for (int k = 0; k < 2; k++) {
        r->sets[k].o = k == 0 ? &o->calibration : &o->production;
        DRAE__TRY(drae__eval_open(&r->sets[k], err));
        r->sets[k].report.vials = drae__dataset_has(r->sets[k].data, "vial");
    }
    for (int k = 0; k < 2; k++) {
        DRAE__TRY(drae__eval_score(&r->sets[k], err));
    }
    drae__eval *production = &r->sets[1];
    r->rows = calloc((size_t)production->report.n_regions * N_WHAT, sizeof *r->rows);
    if (r->rows == NULL) {
        status = drae__fail(err, DRAE_ERROR_MEMORY, "no memory for the comparison");
        goto done;
    }
    bool changed = false;
    for (int k = 0; k < production->report.n_regions; k++) {
        for (int what = 0; what < N_WHAT; what++) {
            drae__drift_row *row = &r->rows[r->n_rows];
            DRAE__TRY(compare(r, production->report.regions[k], what, row, err));
            changed = changed || row->found.changed;
            r->n_rows++;
        }
    }
    drae__eval_fact(production, "software", "drae", "%s", DRAE_VERSION);
    const drae__drift_report report = {.changed = changed,
                                       .false_alarms = o->false_alarms,
                                       .length = o->length,
                                       .n = r->n_rows,
                                       .rows = r->rows,
                                       .n_facts = production->report.n_facts,
                                       .facts = production->facts};
    DRAE__TRY(drae__drift_write(&report, o->production.out, err));
    if (!o->production.quiet) {
        print_table(r, changed);
        drae__eval_warn(&r->sets[1]);
    }
done:
    return status;
}

static drae_status look_all(void *context, drae__err *err) {
    options *o = context;
    o->calibration.engine = o->production.engine;
    o->calibration.model = o->production.model;
    o->calibration.threads = o->production.threads;
    o->calibration.quiet = o->production.quiet;
    run *r = calloc(1, sizeof *r);
    if (r == NULL) {
        return drae__fail(err, DRAE_ERROR_MEMORY, "no memory for the comparison");
    }
    r->o = o;
    drae_status status = look(r, err);
    drae__eval_release(&r->sets[0]);
    drae__eval_release(&r->sets[1]);
    free(r->rows);
    free(r);
    return status;
}

static int check_usage(const drae__command *command, void *context) {
    const options *o = context;
    if (o->production.data.n == 0 || o->calibration.data.n == 0) {
        return drae__cli_usage_error(command, "--calibration and --data are both needed");
    }
    return drae__eval_check(command, &o->production);
}

static int drift_main(int argc, char **argv) {
    options o = {.calibration = {.no_pixels = true},
                 .production = {.no_pixels = true},
                 .false_alarms = 0.01,
                 .length = 100000.0};
    drae__option list[] = {
        DRAE__TEXT("engine", 0, &o.production.engine, "FILE", "compiled engine (drae compile)"),
        DRAE__TEXT("model", 0, &o.production.model, "FILE", "or a model, compiled in memory"),
        DRAE__LIST("calibration", &o.calibration.data, "FILE...",
                   "the good products that the line was calibrated with"),
        DRAE__LIST("data", &o.production.data, "FILE...",
                   "good production since, at least 20 products in either"),
        DRAE__TEXT("out", 'o', &o.production.out, "FILE", "drift.json"),
        DRAE__NUMBER("false-alarms", &o.false_alarms, 1e-9, 0.5, "RATE",
                     "of all tests together, without a change"),
        DRAE__NUMBER("run-length", &o.length, 10, 1e9, "N",
                     "products between false alarms of all charts together"),
        DRAE__INT("threads", &o.production.threads, 0, 1024, "N",
                  "threads that infer, 0: one a processor"),
        DRAE__FLAG("quiet", 'q', &o.production.quiet, "no progress, no table"),
    };
    return drae__cli_run(&drae__command_drift, list, sizeof list / sizeof list[0], argc, argv,
                         check_usage, look_all, &o);
}

const drae__command drae__command_drift = {
    .name = "drift",
    .summary = "tell whether good production still looks as it did at calibration",
    .usage = "drae drift --engine line.drae --calibration calib.h5 --data now.h5 -o drift.json",
    .description =
        "Compares, per region and one value a product, the deciding score, brightness and "
        "contrast\n"
        "of good production with the calibration set: by the two-sample test of Kolmogorov and\n"
        "Smirnov at a stated false-alarm rate, and by CUSUM and Page-Hinkley charts in the order\n"
        "of the products, which say when. Nothing is learned: an engineer looks, and "
        "recalibrates.\n"
        "The exit status is 0 either way; drift.json says \"changed\" (docs/eval.md).",
    .examples =
        "  drae drift --engine line.drae --calibration calib.h5 --data week12.h5 -o drift.json\n"
        "      one false alarm in 100 comparisons without a change",
    .run = drift_main,
};
