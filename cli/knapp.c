/* SPDX-License-Identifier: Apache-2.0 */
/*
 * drae knapp: the qualification by repeated inspection. Every unit of a kit was imaged in several
 * runs; how often each is rejected, beside what people found.
 */
#include "cli/eval.h"

#include "base/file.h"
#include "base/sha256.h"
#include "base/size.h"
#include "drae/line.h"
#include "io/knapp_report.h"
#include "io/manual.h"
#include "io/scored.h"
#include "line/bootstrap.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct options {
    drae__eval_options eval;
    const char *scores; /* of drae eval, in place of engine and data */
    const char *manual;
    const char *unit;
    double reject;
} options;

typedef struct run {
    const options *o;
    drae__eval eval;
    drae__scored scored;
    bool vials;
    size_t n;
    drae__knapp_unit *units;
    drae__knapp_key *keys;
    drae__manual_row *rows;
    size_t n_rows;
    drae__knapp knapp;
} run;

/* ---- units ---- */

static size_t units_of_product(const run *r) {
    return r->vials ? (size_t)r->eval.hierarchy.vials.n : 1;
}

static drae_status collect(run *r, drae__err *err) {
    const drae__hierarchy *h = &r->eval.hierarchy;
    const drae__evaluation *found = &r->eval.verdicts;
    size_t per_product = units_of_product(r);
    if (!drae__size_mul(h->n_products, per_product, &r->n)) {
        return drae__fail(err, DRAE_ERROR_MEMORY, "too many units");
    }
    r->units = calloc(r->n, sizeof *r->units);
    r->keys = calloc(r->n, sizeof *r->keys);
    if (r->units == NULL || r->keys == NULL) {
        return drae__fail(err, DRAE_ERROR_MEMORY, "no memory for %zu units", r->n);
    }
    for (size_t p = 0; p < h->n_products; p++) {
        const drae__record *record = &r->eval.records[h->order[h->strips[h->products[p]]]];
        for (size_t v = 0; v < per_product; v++) {
            size_t at = p * per_product + v;
            drae__knapp_unit *u = &r->units[at];
            r->keys[at] = (drae__knapp_key){record->batch, record->product,
                                            r->vials ? h->vials.values[v] : DRAE__UNRECORDED};
            u->defective = drae__strips_defective(r->eval.records, h, h->products[p],
                                                  h->products[p + 1], r->vials ? (int)v : -1);
            for (size_t s = h->products[p]; s < h->products[p + 1]; s++) {
                uint8_t reason =
                    r->vials ? found->vial_reasons[s * per_product + v] : found->strip_reasons[s];
                u->n++;
                u->k += reason != DRAE_REASON_NONE ? 1 : 0;
            }
        }
    }
    return DRAE_OK;
}

/* Each line finds its unit; a unit that is not in the kit is a mistake in the file. */
static drae_status add_manual(run *r, drae__err *err) {
    bool vials = false;
    drae_status status = drae__manual_read(r->o->manual, &r->rows, &r->n_rows, &vials, err);
    if (status != DRAE_OK) {
        return status;
    }
    if (vials != r->vials) {
        return drae__fail(err, DRAE_ERROR_FILE, "%s: speaks of %ss, --unit of %ss", r->o->manual,
                          vials ? "vial" : "strip", r->o->unit);
    }
    for (size_t i = 0; i < r->n_rows; i++) {
        const drae__manual_row *row = &r->rows[i];
        size_t matches = 0;
        for (size_t k = 0; k < r->n; k++) {
            drae__knapp_unit *u = &r->units[k];
            if (r->keys[k].product != row->product || r->keys[k].vial != row->vial) {
                continue;
            }
            matches++;
            if (__builtin_add_overflow(u->manual_n, row->inspections, &u->manual_n)) {
                return drae__fail(err, DRAE_ERROR_FILE, "%s: product %d has too many inspections",
                                  r->o->manual, (int)row->product);
            }
            u->manual_k += row->rejects;
        }
        if (matches != 1) {
            return drae__fail(err, DRAE_ERROR_FILE, "%s: the kit has %zu units of product %d%s",
                              r->o->manual, matches, (int)row->product,
                              vials ? " with that vial" : "");
        }
    }
    return DRAE_OK;
}

/* ---- results ---- */

static void print_interval(const char *name, const drae__interval *i) {
    if (isnan(i->value)) {
        printf("%-44s %8s\n", name, "-");
    } else if (isfinite(i->high)) {
        printf("%-44s %8.4f  [%.4f, %.4f]\n", name, i->value, i->low, i->high);
    } else {
        printf("%-44s %8.4f\n", name, i->value);
    }
}

static void print_table(const run *r) {
    const drae__knapp *k = &r->knapp;
    printf("\n%zu %ss, %zu of them defective, %zu inspections each at most\n\n", k->n_units,
           r->o->unit, k->n_defective, r->eval.hierarchy.n_runs);
    print_interval("rejected, of inspections of defective units", &k->detection);
    print_interval("rejected, of inspections of good units", &k->false_rejects);
    printf("%-44s %8zu of %zu\n", "defective units in the reject zone", k->zones[1][2],
           k->n_defective);
    printf("%-44s %8zu of %zu\n", "good units in the accept zone", k->zones[0][0],
           k->n_units - k->n_defective);
    if (k->n_manual > 0) {
        printf("\nbeside manual inspection (%zu units, %zu in its reject zone)\n", k->n_manual,
               k->manual_zones[2]);
        print_interval("manual, in its reject zone", &k->manual_in_zone);
        print_interval("machine, in the same zone", &k->machine_in_zone);
        print_interval("efficiency, machine / manual", &k->efficiency);
        print_interval("machine, in the manual accept zone", &k->machine_in_accept);
        printf("%s\n", k->passed ? "the machine is at least as sure as people"
                                 : "not shown: that the machine is at least as sure as people");
    }
}

static drae_status write_files(const run *r, drae__err *err) {
    const drae__knapp_report report = {.unit = r->o->unit,
                                       .reject = r->o->reject,
                                       .confidence = 0.95,
                                       .knapp = &r->knapp,
                                       .n = r->n,
                                       .units = r->units,
                                       .keys = r->keys,
                                       .n_facts = r->eval.report.n_facts,
                                       .facts = r->eval.facts};
    static const struct {
        const char *name;
        drae_status (*write)(const drae__knapp_report *, const char *, drae__err *);
    } files[] = {{"units.csv", drae__knapp_write_csv},
                 {"knapp.json", drae__knapp_write_json},
                 {"knapp.html", drae__knapp_write_html}};
    drae_status status = DRAE_OK;
    for (size_t i = 0; i < sizeof files / sizeof files[0] && status == DRAE_OK; i++) {
        char path[DRAE__PATH_BYTES];
        status = drae__cli_join(r->o->eval.out, files[i].name, path, err);
        status = status == DRAE_OK ? files[i].write(&report, path, err) : status;
    }
    return status;
}

/* ---- kit ---- */

static const char *kit_name(const run *r) {
    return r->o->scores != NULL ? r->o->scores : r->o->eval.data.items[0];
}

static drae_status check(const run *r, drae__err *err) {
    const drae__eval *e = &r->eval;
    if (e->hierarchy.n_strips == 0 || (e->data != NULL && !drae__dataset_has(e->data, "label"))) {
        return drae__fail(err, DRAE_ERROR_FILE,
                          "%s: a kit needs the columns product, vial and label", kit_name(r));
    }
    if (e->hierarchy.n_runs < 2) {
        return drae__fail(err, DRAE_ERROR_FILE,
                          "%s: every product has one run; the test needs repeated ones (10 are "
                          "usual), such as of drae synth --runs 10",
                          kit_name(r));
    }
    return DRAE_OK;
}

/* A patch without a verdict says nothing of its unit. */
static drae_status check_verdicts(const run *r, drae__err *err) {
    const drae__eval *e = &r->eval;
    for (size_t i = 0; i < e->n; i++) {
        if (e->reasons[i] == DRAE_REASON_UNCALIBRATED) {
            return drae__fail(err, DRAE_ERROR_FILE,
                              "region %d has no threshold: calibrate first (drae calibrate)",
                              (int)e->records[i].region);
        }
    }
    return DRAE_OK;
}

/* What drae eval has inspected already. */
static drae_status open_scored(run *r, drae__err *err) {
    drae_status status = DRAE_OK;
    drae__eval *e = &r->eval;
    char hex[65];
    DRAE__TRY(drae__scored_read(r->o->scores, &r->scored, err));
    e->n = r->scored.n;
    e->records = r->scored.records;
    e->reasons = r->scored.reasons;
    r->scored.reasons = NULL;
    e->cluster = calloc(e->n, sizeof *e->cluster);
    if (e->cluster == NULL) {
        status = drae__fail(err, DRAE_ERROR_MEMORY, "no memory for %zu patches", e->n);
        goto done;
    }
    DRAE__TRY(drae__hierarchy_create(e->records, e->n, &e->hierarchy, err));
    DRAE__TRY(drae__clusters_of(e->records, e->n, e->cluster, &e->n_clusters, err));
    drae__sha256_hex(r->scored.digest, hex);
    drae__eval_fact(e, "scores", "sha256", "%s", hex);
    drae__eval_fact(e, "scores", "patches", "%zu", e->n);
    status = check_verdicts(r, err);
done:
    return status;
}

/* Thresholds are there before an hour of inspection begins. */
static drae_status check_thresholds(const run *r, drae__err *err) {
    const drae__eval *e = &r->eval;
    for (int i = 0; i < e->report.n_regions; i++) {
        int region = e->report.regions[i];
        if (isnan(e->scores[e->report.decides[region]].threshold[region])) {
            return drae__fail(err, DRAE_ERROR_FILE,
                              "region %d has no threshold: calibrate first (drae calibrate)",
                              region);
        }
    }
    return DRAE_OK;
}

static drae_status qualify(run *r, drae__err *err) {
    drae_status status = DRAE_OK;
    int lock = -1;
    drae__eval *e = &r->eval;
    e->o = &r->o->eval;
    DRAE__TRY(r->o->scores != NULL ? open_scored(r, err) : drae__eval_open(e, err));
    DRAE__TRY(check(r, err));
    DRAE__TRY(check_thresholds(r, err));
    r->vials = strcmp(r->o->unit, "vial") == 0;
    DRAE__TRY(drae__eval_folder(r->o->eval.out, &lock, err));
    if (r->o->scores == NULL) {
        DRAE__TRY(drae__eval_score(e, err));
    }
    e->report.confidence = 0.95;
    e->report.rounds = 0;
    e->report.vote_runs = (int)e->hierarchy.n_runs;
    e->report.vote_needed = drae__vote_needed(e->report.vote_runs);
    DRAE__TRY(drae__eval_verdicts(e, err));
    DRAE__TRY(collect(r, err));
    if (r->o->manual != NULL) {
        DRAE__TRY(add_manual(r, err));
    }
    DRAE__TRY(drae__knapp_measure(r->n, r->units, r->o->reject, r->o->eval.seed,
                                  DRAE__BOOTSTRAP_ROUNDS, 0.95, &r->knapp, err));
    drae__eval_fact(e, "software", "drae", "%s", DRAE_VERSION);
    DRAE__TRY(write_files(r, err));
    if (!r->o->eval.quiet) {
        print_table(r);
        drae__eval_warn(&r->eval);
        printf("\n%s: knapp.html, knapp.json, units.csv\n", r->o->eval.out);
    }
done:
    if (lock >= 0) {
        drae__file_leave(r->o->eval.out, lock);
    }
    return status;
}

static drae_status qualify_all(void *context, drae__err *err) {
    run *r = calloc(1, sizeof *r);
    if (r == NULL) {
        return drae__fail(err, DRAE_ERROR_MEMORY, "no memory for the qualification");
    }
    r->o = context;
    drae_status status = qualify(r, err);
    drae__eval_release(&r->eval);
    free(r->units);
    free(r->keys);
    free(r->rows);
    drae__scored_free(&r->scored);
    free(r);
    return status;
}

static int check_usage(const drae__command *command, void *context) {
    const options *o = context;
    if (o->scores == NULL) {
        return drae__eval_check(command, &o->eval);
    }
    if (o->eval.engine != NULL || o->eval.model != NULL || o->eval.data.n > 0) {
        return drae__cli_usage_error(command, "--scores holds what an engine said of a kit: leave "
                                              "out --engine, --model and --data");
    }
    return o->eval.out == NULL ? drae__cli_usage_error(command, "--out is missing") : -1;
}

static int knapp_main(int argc, char **argv) {
    options o = {
        .eval = {.seed = 1, .no_pixels = true}, .unit = "vial", .reject = DRAE__KNAPP_REJECT};
    drae__option list[] = {
        DRAE__TEXT("engine", 0, &o.eval.engine, "FILE", "compiled engine (drae compile)"),
        DRAE__TEXT("model", 0, &o.eval.model, "FILE", "or a calibrated model, compiled in memory"),
        DRAE__LIST("data", &o.eval.data, "FILE...", "the kit: every product in several runs"),
        DRAE__TEXT("scores", 0, &o.scores, "CSV",
                   "in place of both: the scores.csv of a drae eval"),
        DRAE__TEXT("out", 'o', &o.eval.out, "DIR", "folder for the report"),
        DRAE__TEXT("manual", 0, &o.manual, "CSV",
                   "what people found: product,vial,inspections,rejects"),
        DRAE__CHOICE("unit", &o.unit, "vial|strip", "what is accepted or rejected as a whole"),
        DRAE__NUMBER("zone", &o.reject, 0.31, 1, "P", "lower edge of the reject zone"),
        DRAE__U64("seed", &o.eval.seed, "N", "of the bootstrap"),
        DRAE__INT("threads", &o.eval.threads, 0, 1024, "N",
                  "threads that infer, 0: one a processor"),
        DRAE__FLAG("quiet", 'q', &o.eval.quiet, "no progress, no table"),
    };
    return drae__cli_run(&drae__command_knapp, list, sizeof list / sizeof list[0], argc, argv,
                         check_usage, qualify_all, &o);
}

const drae__command drae__command_knapp = {
    .name = "knapp",
    .summary = "qualify by repeated inspection of a kit, beside manual inspection",
    .usage = "drae knapp --engine line.drae --data kit.h5 --out DIR [options]",
    .description =
        "Every unit of the kit is inspected once a run; how often it is rejected is its rejection\n"
        "probability. A unit that people reject with a probability of at least 0.7 (--manual) "
        "lies\n"
        "in the reject zone, where the machine must be at least as sure: efficiency is the ratio\n"
        "of both. Intervals take a unit as a whole. DIR receives knapp.html (for\n"
        "people), knapp.json and units.csv (docs/eval.md).",
    .examples = "  drae synth -o kit.h5 --strips 60 --runs 10 --frames 1 --defect-rate 0.5\n"
                "  drae knapp --engine line.drae --data kit.h5 --out knapp\n"
                "      detection and false rejects of each vial over ten runs\n"
                "  drae knapp --engine line.drae --data kit.h5 --manual people.csv --out knapp\n"
                "      beside what people found\n"
                "  drae knapp --scores report/scores.csv --out knapp\n"
                "      of a kit that drae eval has inspected: nothing is inspected again",
    .run = knapp_main,
};
