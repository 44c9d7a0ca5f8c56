/* SPDX-License-Identifier: Apache-2.0 */
/*
 * drae calibrate: the deciding score, its threshold, the maps of the normalised residual and the
 * heatmap anchor of each region from good products alone. The scores are those of the engine that
 * inspects (compiled in memory, on the CPU), so nothing is scored twice in two ways. Patches that
 * make maps and patches that set thresholds come from different products (line/choose.h).
 */
#include "cli/calibrate_scores.h"
#include "cli/cli.h"

#include "io/progress.h"
#include "io/weights.h"
#include "line/choose.h"
#include "line/normalise.h"
#include "line/statistics.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Synthetic defects that tell the scores apart, at most so many a region. */
#define DEFECTS_MAX 400

#define ALL_NETS                                                                                   \
    (1u << DRAE__NET_GENERATOR | 1u << DRAE__NET_ENCODER2 | 1u << DRAE__NET_DISCRIMINATOR)

typedef struct options {
    const char *model;
    drae__text_list data;
    const char *out;
    const char *score;
    double rate;
    long threads;
    bool for_release;
    bool quiet;
} options;

/* What is known of a region; n is 0 where the data has none of it. */
typedef struct region {
    size_t n;      /* good patches */
    size_t n_fits; /* of them that make the maps; 0: z is not tried */
    size_t n_defects;
    drae__histogram *histogram;
    drae__candidate phi, z; /* on the patches that make no maps */
    size_t n_above;         /* good patches above the threshold that was set */
} region;

typedef struct run {
    const options *o;
    drae__model model;
    drae__scorer scorer;
    drae__source *source;
    const drae__record *records;
    size_t *good; /* [n] the patches that calibrate: those that make maps first */
    size_t n;
    size_t n_fits;
    size_t n_defective; /* left out */
    size_t n_rank;      /* left out */
    region regions[DRAE__REGIONS_MAX];
    int n_regions;
    double *mean[DRAE__REGIONS_MAX], *m2[DRAE__REGIONS_MAX];
    size_t n_added[DRAE__REGIONS_MAX];
    float *phi, *z;  /* [n] in the order of good; z NAN where it is not known */
    size_t *spoiled; /* [n_defects] the patches that get a defect */
    size_t n_defects;
    float *phi_spoiled, *z_spoiled; /* [n_defects] */
} run;

static void release(run *r) {
    drae__scorer_close(&r->scorer);
    drae__source_close(r->source);
    drae__model_free(&r->model);
    for (int i = 0; i < DRAE__REGIONS_MAX; i++) {
        free(r->regions[i].histogram);
        free(r->mean[i]);
        free(r->m2[i]);
    }
    free(r->good);
    free(r->phi);
    free(r->z);
    free(r->spoiled);
    free(r->phi_spoiled);
    free(r->z_spoiled);
}

/* ---- set-up ---- */

/* The weights, without the calibration that they may carry. */
static drae_status load_model(run *r, drae__err *err) {
    unsigned generator = 1u << DRAE__NET_GENERATOR;
    unsigned want = r->o->for_release ? generator : ALL_NETS;
    drae_status status = drae__weights_load(r->o->model, want, generator, &r->model, err);
    if (status == DRAE_OK && r->o->for_release) {
        status = drae__err_prefix(err, drae__model_round_f16(&r->model, DRAE__NET_GENERATOR, err),
                                  "%s", r->o->model);
    }
    if (status == DRAE_OK) {
        drae__model_clear_calibration(&r->model);
    }
    return status;
}

/* Good camera frames: what is labelled defective and the rank images of training are left out. */
static drae_status choose_patches(run *r, drae__err *err) {
    size_t total = drae__source_count(r->source);
    r->records = drae__source_records(r->source);
    r->good = calloc(total, sizeof *r->good);
    r->phi = calloc(total, sizeof *r->phi);
    r->z = calloc(total, sizeof *r->z);
    if (r->good == NULL || r->phi == NULL || r->z == NULL) {
        return drae__fail(err, DRAE_ERROR_MEMORY, "no memory for %zu patches", total);
    }
    for (size_t i = 0; i < total; i++) {
        const drae__record *record = &r->records[i];
        if (record->label == 1) {
            r->n_defective++;
        } else if (record->frame < 0 && record->frame != DRAE__UNRECORDED) {
            r->n_rank++;
        } else {
            r->good[r->n++] = i;
            r->regions[record->region].n++;
            r->n_regions = record->region >= r->n_regions ? record->region + 1 : r->n_regions;
        }
    }
    if (r->n == 0) {
        return drae__fail(err, DRAE_ERROR_FILE, "%s: no good patch among %zu", r->o->data.items[0],
                          total);
    }
    /* Known before hours of inference, so said before them. */
    size_t needed = drae__samples_needed(r->o->rate);
    for (int i = 0; i < r->n_regions; i++) {
        region *g = &r->regions[i];
        if (g->n == 0) {
            continue;
        }
        if (g->n < needed) {
            return drae__fail(err, DRAE_ERROR_FILE,
                              "%s: region %d has %zu good patches; a false-reject rate of %g needs "
                              "at least %zu",
                              r->o->data.items[0], i, g->n, r->o->rate, needed);
        }
        g->histogram = calloc(1, sizeof *g->histogram);
        if (g->histogram == NULL) {
            return drae__fail(err, DRAE_ERROR_MEMORY, "no memory for a histogram");
        }
    }
    return DRAE_OK;
}

/* Tells which patches of a region make maps. */
static drae_status split_region(run *r, int i, bool *fits, drae__err *err) {
    region *g = &r->regions[i];
    size_t needed = drae__samples_needed(r->o->rate);
    size_t pixels = (size_t)r->model.arch.size * (size_t)r->model.arch.size;
    drae_status status = DRAE_OK;
    int32_t *products = calloc(2 * g->n, sizeof *products);
    bool *of_region = calloc(g->n, sizeof *of_region);
    size_t n = 0;
    if (products == NULL || of_region == NULL) {
        status = drae__fail(err, DRAE_ERROR_MEMORY, "no memory for %zu patches", g->n);
        goto done;
    }
    for (size_t k = 0; k < r->n; k++) {
        if (r->records[r->good[k]].region == i) {
            products[n++] = r->records[r->good[k]].product;
        }
    }
    if (!drae__split_for_maps(n, products, needed, DRAE__NORMALISE_LEAST, of_region,
                              products + n)) {
        if (strcmp(r->o->score, "z") == 0) {
            status =
                drae__fail(err, DRAE_ERROR_FILE,
                           "%s: region %d has %zu good patches; z at a false-reject rate of "
                           "%g needs %zu and %d more of other products for its maps",
                           r->o->data.items[0], i, n, r->o->rate, needed, DRAE__NORMALISE_LEAST);
        }
        goto done;
    }
    n = 0;
    for (size_t k = 0; k < r->n; k++) {
        if (r->records[r->good[k]].region == i) {
            fits[k] = of_region[n++];
            g->n_fits += fits[k];
        }
    }
    r->n_fits += g->n_fits;
    r->mean[i] = calloc(pixels, sizeof *r->mean[i]);
    r->m2[i] = calloc(pixels, sizeof *r->m2[i]);
    if (r->mean[i] == NULL || r->m2[i] == NULL) {
        status = drae__fail(err, DRAE_ERROR_MEMORY, "no memory for the maps of region %d", i);
        goto done;
    }
    status = drae__scorer_measure(&r->model, i, err);
done:
    free(products);
    free(of_region);
    return status;
}

/* Puts the patches that make maps before the others, each in the order of the data. */
static drae_status split(run *r, drae__err *err) {
    drae_status status = DRAE_OK;
    bool *fits = calloc(r->n, sizeof *fits);
    size_t *sorted = calloc(r->n, sizeof *sorted);
    if (fits == NULL || sorted == NULL) {
        status = drae__fail(err, DRAE_ERROR_MEMORY, "no memory for %zu patches", r->n);
        goto done;
    }
    for (int i = 0; i < r->n_regions; i++) {
        if (r->regions[i].n > 0) {
            DRAE__TRY(split_region(r, i, fits, err));
        }
    }
    size_t at[2] = {r->n_fits, 0};
    for (size_t k = 0; k < r->n; k++) {
        sorted[at[fits[k]]++] = r->good[k];
    }
    memcpy(r->good, sorted, r->n * sizeof *sorted);
    /* A defect for every patch that makes no maps, or for an even choice of them. */
    r->spoiled = calloc(r->n, sizeof *r->spoiled);
    r->phi_spoiled = calloc(r->n, sizeof *r->phi_spoiled);
    r->z_spoiled = calloc(r->n, sizeof *r->z_spoiled);
    if (r->spoiled == NULL || r->phi_spoiled == NULL || r->z_spoiled == NULL) {
        status = drae__fail(err, DRAE_ERROR_MEMORY, "no memory for %zu patches", r->n);
        goto done;
    }
    size_t seen[DRAE__REGIONS_MAX] = {0};
    for (size_t k = r->n_fits; k < r->n; k++) {
        int i = r->records[r->good[k]].region;
        region *g = &r->regions[i];
        size_t left = g->n - g->n_fits;
        size_t every = left > DEFECTS_MAX ? (left + DEFECTS_MAX - 1) / DEFECTS_MAX : 1;
        if (g->n_fits > 0 && seen[i]++ % every == 0) {
            r->spoiled[r->n_defects++] = r->good[k];
            g->n_defects++;
        }
    }
done:
    free(fits);
    free(sorted);
    return status;
}

/* ---- measuring ---- */

static drae_status make_maps(run *r, drae__err *err) {
    size_t pixels = (size_t)r->model.arch.size * (size_t)r->model.arch.size;
    float *scratch = malloc(pixels * sizeof *scratch);
    if (scratch == NULL) {
        return drae__fail(err, DRAE_ERROR_MEMORY, "no memory for maps");
    }
    for (int i = 0; i < r->n_regions; i++) {
        if (r->n_added[i] > 1) {
            drae__normalise_maps(r->model.arch.size, r->n_added[i], r->mean[i], r->m2[i],
                                 r->model.maps[i], scratch);
        }
    }
    free(scratch);
    return DRAE_OK;
}

/* Maps from the patches that make them, scores of all, scores of defects. */
static drae_status measure(run *r, drae__err *err) {
    drae_status status = DRAE_OK;
    size_t done = 0;
    drae__histogram *histograms[DRAE__REGIONS_MAX] = {NULL};
    drae__progress progress;
    drae__progress_begin(&progress, "patches", r->n + r->n_defects, r->o->quiet);
    for (int i = 0; i < r->n_regions; i++) {
        histograms[i] = r->regions[i].histogram;
    }
    drae__pass pass = {.source = r->source,
                       .size = r->model.arch.size,
                       .indices = r->good,
                       .n = r->n_fits,
                       .phi = r->phi,
                       .histograms = histograms,
                       .mean = r->mean,
                       .m2 = r->m2,
                       .n_added = r->n_added};
    if (r->n_fits > 0) {
        DRAE__TRY(drae__scorer_open(r->o->model, &r->model, r->o->threads, &r->scorer, err));
        DRAE__TRY(drae__scorer_run(&r->scorer, &pass, &progress, &done, err));
        drae__scorer_close(&r->scorer);
        DRAE__TRY(make_maps(r, err));
    }
    DRAE__TRY(drae__scorer_open(r->o->model, &r->model, r->o->threads, &r->scorer, err));
    pass.indices = r->good + r->n_fits;
    pass.n = r->n - r->n_fits;
    pass.phi = r->phi + r->n_fits;
    pass.z = r->z + r->n_fits;
    pass.mean = NULL;
    DRAE__TRY(drae__scorer_run(&r->scorer, &pass, &progress, &done, err));
    pass.indices = r->spoiled;
    pass.n = r->n_defects;
    pass.phi = r->phi_spoiled;
    pass.z = r->z_spoiled;
    pass.histograms = NULL;
    pass.spoil = true;
    DRAE__TRY(drae__scorer_run(&r->scorer, &pass, &progress, &done, err));
done:
    drae__progress_end(&progress, done);
    return status;
}

/* The scores of a region among values[n], which belong to patches[n]; how many. */
static size_t gather(const run *r, int i, const size_t *patches, const float *values, size_t n,
                     float *dst) {
    size_t count = 0;
    for (size_t k = 0; k < n; k++) {
        if (r->records[patches[k]].region == i) {
            dst[count++] = values[k];
        }
    }
    return count;
}

/* Both scores on the patches that make no maps, and on the defects. */
static drae_status compare(run *r, int i, float *good, float *bad, drae__err *err) {
    region *g = &r->regions[i];
    const size_t *patches = r->good + r->n_fits;
    size_t left = r->n - r->n_fits;
    size_t n = gather(r, i, patches, r->phi + r->n_fits, left, good);
    size_t n_bad = gather(r, i, r->spoiled, r->phi_spoiled, r->n_defects, bad);
    drae_status status = drae__candidate_measure(n, good, n_bad, bad, r->o->rate, &g->phi, err);
    if (status == DRAE_OK) {
        n = gather(r, i, patches, r->z + r->n_fits, left, good);
        n_bad = gather(r, i, r->spoiled, r->z_spoiled, r->n_defects, bad);
        status = drae__candidate_measure(n, good, n_bad, bad, r->o->rate, &g->z, err);
    }
    return status;
}

static drae_status set_region(run *r, int i, float *good, float *bad, drae__err *err) {
    region *g = &r->regions[i];
    drae__calibration *c = &r->model.calibration;
    drae_status status = DRAE_OK;
    if (g->n_fits > 0) {
        DRAE__TRY(compare(r, i, good, bad, err));
        bool z = strcmp(r->o->score, "z") == 0 ||
                 (strcmp(r->o->score, "auto") == 0 && drae__choose_z(&g->phi, &g->z));
        if (z) {
            c->kind[i] = DRAE__SCORE_Z;
            c->threshold[i] = g->z.threshold;
            c->anchor[i] = DRAE__Z_ANCHOR * g->z.threshold;
            g->n_above = g->z.n_above;
            goto done;
        }
    }
    /* phi knows no maps: every good patch may set its threshold. */
    size_t n = gather(r, i, r->good, r->phi, r->n, good);
    status = drae__threshold_from_good(n, good, r->o->rate, &c->threshold[i], &g->n_above, err);
    c->anchor[i] = drae__histogram_quantile(g->histogram, 0.999);
done:
    return drae__err_prefix(err, status, "region %d", i);
}

static drae_status set_calibration(run *r, drae__err *err) {
    drae__calibration *c = &r->model.calibration;
    float *good = calloc(2 * r->n, sizeof *good);
    if (good == NULL) {
        return drae__fail(err, DRAE_ERROR_MEMORY, "no memory for %zu scores", r->n);
    }
    drae_status status = DRAE_OK;
    for (int i = 0; i < r->n_regions && status == DRAE_OK; i++) {
        c->threshold[i] = NAN;
        c->anchor[i] = NAN;
        if (r->regions[i].n > 0) {
            status = set_region(r, i, good, good + r->n, err);
        }
    }
    free(good);
    return status;
}

static void print_table(const run *r) {
    const drae__calibration *c = &r->model.calibration;
    printf("\n%-8s %6s %13s %12s %12s %12s %22s\n", "region", "score", "good patches", "threshold",
           "above it", "anchor", "defects phi / z finds");
    for (int i = 0; i < r->n_regions; i++) {
        const region *g = &r->regions[i];
        char found[48] = "not tried";
        if (g->n == 0) {
            continue;
        }
        if (g->n_fits > 0) {
            (void)snprintf(found, sizeof found, "%zu / %zu of %zu", g->phi.n_found, g->z.n_found,
                           g->n_defects);
        }
        printf("%-8d %6s %13zu %12.6g %12zu %12.6g %22s\n", i, drae__score_name(c->kind[i]),
               c->kind[i] == DRAE__SCORE_Z ? g->n - g->n_fits : g->n, (double)c->threshold[i],
               g->n_above, (double)c->anchor[i], found);
    }
    size_t needed = drae__samples_needed(r->o->rate) + DRAE__NORMALISE_LEAST;
    for (int i = 0; i < r->n_regions && strcmp(r->o->score, "phi") != 0; i++) {
        const region *g = &r->regions[i];
        if (g->n > 0 && g->n_fits == 0) {
            printf("region %d: too few good patches for z, phi decides; %zu of several products "
                   "would do\n",
                   i, needed);
        } else if (g->n_fits > 0) {
            printf("region %d: maps of z from %zu patches of other products\n", i, g->n_fits);
        }
    }
    if (r->n_defective > 0) {
        printf("left out: %zu patches labelled defective\n", r->n_defective);
    }
    if (r->n_rank > 0) {
        printf("left out: %zu rank images\n", r->n_rank);
    }
    printf("\n%s: thresholds at a false-reject rate of %g a patch, on the calibration data\n",
           r->o->out, r->o->rate);
}

/* ---- the command ---- */

static drae_status calibrate(run *r, drae__err *err) {
    drae_status status = DRAE_OK;
    const options *o = r->o;
    DRAE__TRY(load_model(r, err));
    DRAE__TRY(
        drae__source_open(o->data.items, o->data.n, NULL, r->model.arch.size, 0, &r->source, err));
    DRAE__TRY(choose_patches(r, err));
    r->model.calibration.n_regions = r->n_regions;
    for (int i = 0; i < r->n_regions; i++) {
        r->model.calibration.threshold[i] = NAN;
        r->model.calibration.anchor[i] = NAN;
    }
    if (strcmp(o->score, "phi") != 0) {
        DRAE__TRY(split(r, err));
    }
    DRAE__TRY(measure(r, err));
    DRAE__TRY(set_calibration(r, err));
    DRAE__TRY(drae__weights_save(o->out, &r->model, o->for_release ? 9 : 1, err));
    if (!o->quiet) {
        print_table(r);
    }
done:
    return status;
}

static int calibrate_main(int argc, char **argv) {
    options o = {.rate = 0.005, .score = "auto"};
    drae__option list[] = {
        DRAE__TEXT("model", 0, &o.model, "FILE", "trained model (model.h5)"),
        DRAE__LIST("data", &o.data, "PATH...",
                   "data sets of good products, none of the training's"),
        DRAE__TEXT("out", 'o', &o.out, "FILE", "the model with thresholds"),
        DRAE__NUMBER("false-reject", &o.rate, 1e-6, 0.5, "RATE",
                     "share of good patches of a region that may be rejected"),
        DRAE__CHOICE("score", &o.score, "auto|phi|z",
                     "which decides: auto takes in each region the one that finds more"),
        DRAE__INT("threads", &o.threads, 0, 1024, "N", "threads that infer, 0: one a processor"),
        DRAE__FLAG("release", 0, &o.for_release,
                   "keep the generator alone, its values rounded to half precision first"),
        DRAE__FLAG("quiet", 'q', &o.quiet, "no progress, no table"),
    };
    const drae__command *command = &drae__command_calibrate;
    drae__err err = {{0}};
    run *r = calloc(1, sizeof *r);
    int code = drae__cli_parse(command, list, sizeof list / sizeof list[0], argc, argv, NULL);
    if (code < 0 && o.model == NULL) {
        code = drae__cli_usage_error(command, "--model is missing");
    } else if (code < 0 && o.data.n == 0) {
        code = drae__cli_usage_error(command, "--data is missing");
    } else if (code < 0 && o.out == NULL) {
        code = drae__cli_usage_error(command, "-o is missing");
    } else if (code < 0 && r == NULL) {
        code = drae__cli_error(command, DRAE_ERROR_MEMORY, NULL);
    }
    if (code < 0) {
        drae__cli_catch_signals();
        r->o = &o;
        drae_status status = calibrate(r, &err);
        code = status == DRAE_OK ? DRAE__EXIT_DONE : drae__cli_error(command, status, &err);
    }
    if (r != NULL) {
        release(r);
    }
    free(r);
    drae__cli_free_list(&o.data);
    return code;
}

const drae__command drae__command_calibrate = {
    .name = "calibrate",
    .summary = "set thresholds and heatmap scales from good products",
    .usage = "drae calibrate --model model.h5 --data calib.h5 -o model-cal.h5 [options]",
    .description =
        "Scores good patches that training has not seen, and sets for each region the score that\n"
        "decides, the threshold above which at most the asked share of them lies, and the anchor\n"
        "of its fixed-scale heatmap. phi is a mean over the patch; z, the normalised residual,\n"
        "sees small defects. z needs maps of what is usual at each pixel: products that make them\n"
        "set no threshold. auto puts small synthetic defects into good patches and takes the "
        "score\n"
        "that finds more of them. Patches labelled defective are left out. A region with fewer\n"
        "than 1 / RATE good patches is refused: its threshold would be a guess.",
    .examples = "  drae calibrate --model run/model.h5 --data calib.h5 -o run/model-cal.h5\n"
                "      one good patch in 200 may be rejected\n"
                "  drae calibrate --model run/model.h5 --data a.h5 b.h5 -o cal.h5 "
                "--false-reject 0.001\n"
                "      one in 1000, from two data sets\n"
                "  drae calibrate --model run/model.h5 --data calib.h5 -o line.h5 --release\n"
                "      a model to hand out: the generator alone, a small file",
    .run = calibrate_main,
};
