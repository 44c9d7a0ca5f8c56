/* SPDX-License-Identifier: Apache-2.0 */
/*
 * drae eval: what an engine is worth on labelled data. Scores every patch, decides as the line
 * would, counts the two errors at every level with intervals, and writes scores.csv, report.json
 * and report.html.
 */
#include "cli/eval.h"

#include "base/file.h"
#include "io/report.h"
#include "line/bootstrap.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *defect_name(const void *context, int defect) {
    const char *name = drae__dataset_defect_name(context, defect);
    return name[0] != '\0' ? name : "unnamed";
}

static drae_status choose_vote(drae__eval *e, drae__err *err) {
    drae__report *r = &e->report;
    r->vote_runs = e->hierarchy.n_runs > 0 ? (int)e->hierarchy.n_runs : 1;
    r->vote_needed = drae__vote_needed(r->vote_runs);
    return e->o->vote == NULL ? DRAE_OK
                              : drae__cli_vote(e->o->vote, e->hierarchy.n_runs, &r->vote_needed,
                                               &r->vote_runs, err);
}

static void print_table(const drae__eval *e) {
    const drae__report *r = &e->report;
    if (r->verdicts == NULL) {
        printf("\nno labels: scores, but no errors to count\n");
        return;
    }
    printf("\n%-26s %18s %18s %25s\n", "", "missed defects", "false rejects",
           "balanced accuracy, 95 %");
    for (size_t i = 0; i < r->verdicts->n_levels; i++) {
        const drae__level_figures *f = &r->verdicts->levels[i];
        char name[32];
        char title[64];
        char missed[48];
        char falsely[48];
        drae__report_region(r, f->region, name);
        (void)snprintf(title, sizeof title, "%s%s%s", drae__level_name(f->kind),
                       f->kind == DRAE__LEVEL_PATCH ? ", " : "",
                       f->kind == DRAE__LEVEL_PATCH ? name : "");
        (void)snprintf(missed, sizeof missed, "%zu of %zu", f->missed, f->n_bad);
        (void)snprintf(falsely, sizeof falsely, "%zu of %zu", f->false_rejects, f->n_good);
        printf("%-26s %18s %18s", title, missed, falsely);
        if (isnan(f->balanced.value)) {
            printf(" %25s", "-");
        } else {
            printf("  %6.2f  [%6.2f, %6.2f]", 100.0 * f->balanced.value, 100.0 * f->balanced.low,
                   100.0 * f->balanced.high);
        }
        printf("%s\n", f->n_open == 0 ? "" : "   no threshold: no verdict");
    }
}

static drae_status write_files(drae__eval *e, drae__err *err) {
    static const struct {
        const char *name;
        drae_status (*write)(const drae__report *, const char *, drae__err *);
    } files[] = {{"scores.csv", drae__report_write_csv},
                 {"report.json", drae__report_write_json},
                 {"report.html", drae__report_write_html}};
    drae_status status = DRAE_OK;
    for (size_t i = 0; i < sizeof files / sizeof files[0] && status == DRAE_OK; i++) {
        char path[DRAE__PATH_BYTES];
        status = drae__cli_join(e->o->out, files[i].name, path, err);
        status = status == DRAE_OK ? files[i].write(&e->report, path, err) : status;
    }
    return status;
}

static drae_status evaluate(drae__eval *e, drae__err *err) {
    drae_status status = DRAE_OK;
    int lock = -1;
    drae__report *r = &e->report;
    r->rate = e->o->rate;
    r->confidence = 0.95;
    r->rounds = (size_t)e->o->rounds;
    r->seed = e->o->seed;
    DRAE__TRY(drae__eval_open(e, err));
    DRAE__TRY(drae__eval_check_seen(e, err));
    DRAE__TRY(choose_vote(e, err));
    /* Everything that can be refused was; now the folder may be touched. */
    DRAE__TRY(drae__eval_folder(e->o->out, &lock, err));
    DRAE__TRY(drae__eval_score(e, err));
    r->context = e->data;
    r->defect_name = defect_name;
    drae__eval_fact(e, "software", "drae", "%s", DRAE_VERSION);
    DRAE__TRY(drae__eval_measure(e, err));
    DRAE__TRY(write_files(e, err));
    if (!e->o->quiet) {
        print_table(e);
        drae__eval_warn(e);
        printf("\n%s: report.html, report.json, scores.csv\n", e->o->out);
    }
done:
    if (lock >= 0) {
        drae__file_leave(e->o->out, lock);
    }
    return status;
}

static drae_status evaluate_all(void *options, drae__err *err) {
    drae__eval *e = calloc(1, sizeof *e);
    if (e == NULL) {
        return drae__fail(err, DRAE_ERROR_MEMORY, "no memory for the evaluation");
    }
    e->o = options;
    drae_status status = evaluate(e, err);
    drae__eval_release(e);
    free(e);
    return status;
}

/* ---- the command ---- */

static int check(const drae__command *command, void *options) {
    return drae__eval_check(command, options);
}

static int eval_main(int argc, char **argv) {
    drae__eval_options o = {
        .rate = 0.005, .template_rate = 0.005, .seed = 1, .rounds = DRAE__BOOTSTRAP_ROUNDS};
    drae__option list[] = {
        DRAE__TEXT("engine", 0, &o.engine, "FILE", "compiled engine (drae compile)"),
        DRAE__TEXT("model", 0, &o.model, "FILE", "or a calibrated model, compiled in memory"),
        DRAE__LIST("data", &o.data, "FILE...",
                   "labelled data sets that training and calibration have not seen"),
        DRAE__LIST("good", &o.good, "FILE...",
                   "good products: adds the golden template to every table"),
        DRAE__TEXT("out", 'o', &o.out, "DIR", "folder for the report"),
        DRAE__NUMBER("rate", &o.rate, 0, 1, "RATE", "false-reject rate at which detection is told"),
        DRAE__NUMBER("template-rate", &o.template_rate, 1e-6, 0.5, "RATE",
                     "false-reject rate of the template's thresholds"),
        DRAE__TEXT("vote", 0, &o.vote, "K/N",
                   "runs of a product that must agree [7/10 in proportion]"),
        DRAE__INT("rounds", &o.rounds, 100, 100000, "N", "draws of the bootstrap"),
        DRAE__U64("seed", &o.seed, "N", "of the bootstrap"),
        DRAE__INT("threads", &o.threads, 0, 1024, "N", "threads that infer, 0: one a processor"),
        DRAE__FLAG("allow-overlap", 0, &o.overlap,
                   "take patches that training has seen, and record it"),
        DRAE__FLAG("quiet", 'q', &o.quiet, "no progress, no table"),
    };
    return drae__cli_run(&drae__command_eval, list, sizeof list / sizeof list[0], argc, argv, check,
                         evaluate_all, &o);
}

const drae__command drae__command_eval = {
    .name = "eval",
    .summary = "what an engine is worth on labelled data: a report with intervals",
    .usage = "drae eval --engine line.drae --data test.h5 --out DIR [options]",
    .description =
        "Scores every patch, decides as the line would, and counts missed defects and false "
        "rejects\n"
        "of patches by region, vials, strips and products, with 95 % intervals. DIR receives\n"
        "report.html (one file, for people), report.json (for programs) and scores.csv (every\n"
        "patch, so that anyone can recompute). With --good the golden template, which uses no\n"
        "network, stands beside the engine in every table: what does not beat it shows nothing.\n"
        "docs/eval.md names every field.",
    .examples = "  drae eval --engine line.drae --data test.h5 --out report\n"
                "      evaluates a compiled engine\n"
                "  drae eval --model model-cal.h5 --data test.h5 --good good.h5 --out report\n"
                "      a calibrated model, beside the golden template",
    .run = eval_main,
};
