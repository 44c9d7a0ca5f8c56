/* SPDX-License-Identifier: Apache-2.0 */
/*
 * drae calibrate: the deciding score, its threshold, the maps of the normalised residual and the
 * heatmap anchor of each region, from good products alone or with labelled defects, and where they
 * come from. The scores are those of the engine that inspects (compiled in memory, on the CPU), so
 * nothing is scored twice in two ways. Patches that make maps and patches that set thresholds come
 * from different products (line/choose.h).
 */
#include "cli/calibrate.h"

#include "io/weights.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static bool calibrated(const drae__calibration *k, int region) {
    return region < k->n_regions && !isnan(k->threshold[region]);
}

static drae_status check_calibrated(const drae__calibrate *c, drae__err *err) {
    bool any = false;
    for (int i = 0; i < DRAE__REGIONS_MAX; i++) {
        any = any || calibrated(&c->model.calibration, i);
    }
    return any ? DRAE_OK
               : drae__fail(err, DRAE_ERROR_FILE,
                            "%s: has no calibration to keep: leave out --keep", c->o->model);
}

/* The weights and what training has seen, without the calibration that the file may carry, but
 * where it is to be kept. */
static drae_status load_model(drae__calibrate *c, drae__err *err) {
    unsigned generator = DRAE__NET_BIT(DRAE__NET_GENERATOR);
    unsigned want = (c->o->for_release ? generator : DRAE__NETS_ALL) | DRAE__WEIGHTS_SEEN;
    drae_status status = drae__weights_load(c->o->model, want, generator, &c->model, err);
    if (status == DRAE_OK && c->o->for_release) {
        status = drae__err_prefix(err, drae__model_round_f16(&c->model, DRAE__NET_GENERATOR, err),
                                  "%s", c->o->model);
    }
    if (status == DRAE_OK && c->o->keep) {
        status = check_calibrated(c, err);
    } else if (status == DRAE_OK) {
        drae__model_clear_calibration(&c->model);
    }
    return status;
}

/* A region with an old threshold among new ones would have another rate and another origin than
 * the file says. */
static drae_status check_kept_regions(const drae__calibrate *c, drae__err *err) {
    for (int i = 0; i < DRAE__REGIONS_MAX; i++) {
        bool there = c->regions[i].n > 0, known = calibrated(&c->model.calibration, i);
        if (there != known) {
            return drae__fail(err, DRAE_ERROR_FILE,
                              "%s: %s patch of region %d, and %s: --keep needs good patches of "
                              "the regions that the model is calibrated for",
                              c->o->data.items[0], there ? "has a" : "has no", i,
                              known ? "the model is calibrated for it"
                                    : "the model is not calibrated for it");
        }
    }
    return DRAE_OK;
}

static drae_status calibrate(drae__calibrate *c, drae__err *err) {
    drae_status status = DRAE_OK;
    const drae__calibrate_options *o = c->o;
    DRAE__TRY(load_model(c, err));
    if (strcmp(o->score, "h") == 0 && !drae__head_learns(c->model.arch.size)) {
        status = drae__fail(err, DRAE_ERROR_UNSUPPORTED,
                            "%s: a head learns from patches of %d pixels and more, a multiple of "
                            "32, these have %d: use --score m",
                            o->model, DRAE__HEAD_SIDE, c->model.arch.size);
        goto done;
    }
    DRAE__TRY(drae__calibrate_open(c, err));
    if (o->keep) {
        DRAE__TRY(check_kept_regions(c, err));
    }
    c->model.calibration.n_regions = c->n_regions;
    for (int i = 0; i < c->n_regions; i++) {
        c->model.calibration.threshold[i] = NAN;
        c->model.calibration.anchor[i] = NAN;
    }
    if (strcmp(o->score, "phi") != 0 && !o->keep) {
        DRAE__TRY(drae__calibrate_split(c, err));
    }
    DRAE__TRY(drae__calibrate_measure(c, err));
    DRAE__TRY(drae__calibrate_set_regions(c, err));
    DRAE__TRY(drae__weights_save(o->out, &c->model, o->for_release ? 9 : 1, err));
    if (!o->quiet) {
        drae__calibrate_print(c);
    }
done:
    return status;
}

/* A finite number above 0 that ends at `end`; *rest: what is behind that. */
static bool parse_share(const char *text, char end, double *value, const char **rest) {
    char *stop;
    *value = strtod(text, &stop);
    *rest = stop + 1;
    return stop != text && *stop == end && *value > 0.0 && isfinite(*value);
}

/* MISS:REJECT */
static bool parse_cost(drae__calibrate_options *o) {
    const char *rest;
    return parse_share(o->cost, ':', &o->cost_miss, &rest) &&
           parse_share(rest, '\0', &o->cost_reject, &rest);
}

static int check_usage(const drae__command *command, drae__calibrate_options *o,
                       const drae__option *list, size_t n) {
    if (o->model == NULL) {
        return drae__cli_usage_error(command, "--model is missing");
    }
    if (o->data.n == 0) {
        return drae__cli_usage_error(command, "--data is missing");
    }
    if (o->out == NULL) {
        return drae__cli_usage_error(command, "-o is missing");
    }
    if (o->strip_rate > 0.0 && drae__cli_given(list, n, "false-reject")) {
        return drae__cli_usage_error(command, "give either --false-reject or --false-reject-strip");
    }
    if (o->undecided > 0.0 &&
        o->undecided <= (o->strip_rate > 0.0 ? o->strip_rate : o->patch_rate)) {
        return drae__cli_usage_error(command,
                                     "--undecided %g must be above the false-reject rate: it is "
                                     "the share of good ones that are not plainly good",
                                     o->undecided);
    }
    if (drae__cli_given(list, n, "head-steps") && strcmp(o->score, "h") != 0) {
        return drae__cli_usage_error(command, "--head-steps is for --score h");
    }
    if (o->keep && drae__cli_given(list, n, "score")) {
        return drae__cli_usage_error(command, "--keep takes the score that the model has: leave "
                                              "out --score");
    }
    if (o->cost != NULL && o->defects.n == 0) {
        return drae__cli_usage_error(command, "--cost needs labelled defects: --defects FILE...");
    }
    if (o->defects.n > 0 && o->strip_rate > 0.0) {
        return drae__cli_usage_error(command, "--defects sets thresholds by patch: leave out "
                                              "--false-reject-strip");
    }
    if (o->cost != NULL && !parse_cost(o)) {
        return drae__cli_usage_error(
            command, "--cost %s: two numbers above 0 with a colon, such as 100:1", o->cost);
    }
    return -1;
}

static int calibrate_main(int argc, char **argv) {
    drae__calibrate_options o = {.patch_rate = 0.005,
                                 .score = "auto",
                                 .cost_miss = 1.0,
                                 .cost_reject = 1.0,
                                 .head_steps = DRAE__HEAD_STEPS};
    drae__option list[] = {
        DRAE__TEXT("model", 0, &o.model, "FILE", "trained model (model.h5)"),
        DRAE__LIST("data", &o.data, "PATH...",
                   "data sets of good products, none of the training's"),
        DRAE__TEXT("out", 'o', &o.out, "FILE", "the model with thresholds"),
        DRAE__NUMBER("false-reject", &o.patch_rate, 1e-6, 0.5, "RATE",
                     "share of good patches of a region that may be rejected"),
        DRAE__NUMBER("false-reject-strip", &o.strip_rate, 0, 0.9, "RATE",
                     "or share of good strips with any reject on them"),
        DRAE__NUMBER("undecided", &o.undecided, 0, 0.9, "RATE",
                     "share of good ones that may be undecided or rejected"),
        DRAE__LIST("defects", &o.defects, "PATH...",
                   "labelled defects: best balanced accuracy instead of a rate"),
        DRAE__TEXT("cost", 0, &o.cost, "MISS:REJECT",
                   "or least cost: of all defects missed, of all good rejected"),
        DRAE__CHOICE("score", &o.score, "auto|phi|z|m|h",
                     "which decides: auto takes in each region the one that finds more"),
        DRAE__INT("head-steps", &o.head_steps, 1, 1000000, "N",
                  "with --score h: steps that the head learns, default 3000"),
        DRAE__FLAG("keep", 0, &o.keep,
                   "new thresholds alone: the model keeps its scores, maps and head"),
        DRAE__FLAG("small-sample", 0, &o.small,
                   "take 1 / RATE good ones, though the limit stays open"),
        DRAE__FLAG("allow-overlap", 0, &o.overlap,
                   "take patches that training has seen, and record it"),
        DRAE__INT("threads", &o.threads, 0, 1024, "N", "threads that infer, 0: one a processor"),
        DRAE__FLAG("release", 0, &o.for_release,
                   "keep the generator alone, its values rounded to half precision first"),
        DRAE__FLAG("quiet", 'q', &o.quiet, "no progress, no table"),
    };
    const size_t n_options = sizeof list / sizeof list[0];
    const drae__command *command = &drae__command_calibrate;
    drae__err err = {{0}};
    drae__calibrate *c = calloc(1, sizeof *c);
    int code = drae__cli_parse(command, list, n_options, argc, argv, NULL);
    if (code < 0) {
        code = check_usage(command, &o, list, n_options);
    }
    if (code < 0 && c == NULL) {
        code = drae__cli_error(command, DRAE_ERROR_MEMORY, NULL);
    } else if (code < 0) {
        drae__cli_catch_signals();
        c->o = &o;
        drae_status status = calibrate(c, &err);
        code = status == DRAE_OK ? DRAE__EXIT_DONE : drae__cli_error(command, status, &err);
    }
    if (c != NULL) {
        drae__calibrate_release(c);
    }
    free(c);
    drae__cli_free_list(&o.data);
    drae__cli_free_list(&o.defects);
    return code;
}

const drae__command drae__command_calibrate = {
    .name = "calibrate",
    .summary = "set thresholds and heatmap scales from good products",
    .usage = "drae calibrate --model model.h5 --data calib.h5 -o model-cal.h5 [options]",
    .description =
        "Scores good patches that training has not seen, and sets for each region the score that\n"
        "decides, the threshold above which the asked share of them lies, with its 95 % limits,\n"
        "and the anchor of its fixed-scale heatmap. phi is a mean over the patch; z, the\n"
        "normalised residual, sees small defects; it needs maps of what is usual at each pixel,\n"
        "and products that make them set no threshold. By matched filters z sees spots and thin\n"
        "lines too: m asks for that, z for points alone, and auto takes phi or m, which finds "
        "more\n"
        "of the small synthetic defects put into good patches. h trains a head besides, a small\n"
        "network that tells defects from what good patches show (some minutes), and takes what\n"
        "finds most in each region: phi, or z by filters or head.\n"
        "--keep leaves all that as the model has it and sets new thresholds alone, from good\n"
        "products that it was not calibrated with: another rate, or more products.\n"
        "A sample that cannot carry the rate is refused with the number that is needed; so is a\n"
        "patch that training has seen. Where the thresholds come from is written beside them\n"
        "(drae info tells it).\n"
        "docs/statistics.md says how each number is made.",
    .examples =
        "  drae calibrate --model run/model.h5 --data calib.h5 -o run/model-cal.h5\n"
        "      one good patch in 200 may be rejected\n"
        "  drae calibrate --model run/model.h5 --data a.h5 b.h5 -o cal.h5 "
        "--false-reject-strip 0.05\n"
        "      one good strip in 20, from two data sets\n"
        "  drae calibrate --model run/model.h5 --data good.h5 --defects kit.h5 "
        "--cost 20:1 -o cal.h5\n"
        "      missing every defect costs 20 times as much as rejecting all that is good\n"
        "  drae calibrate --model cal.h5 --data more.h5 -o line.h5 --keep --false-reject 0.002\n"
        "      the same scores, maps and head, at another rate\n"
        "  drae calibrate --model run/model.h5 --data calib.h5 -o line.h5 --release\n"
        "      a model to hand out: the generator alone, a small file",
    .run = calibrate_main,
};
