/* SPDX-License-Identifier: Apache-2.0 */
/* The passes of `drae calibrate` over its patches: maps first, then the scores that need them. */
#include "cli/calibrate.h"

#include "line/matched.h"
#include "line/normalise.h"

#include <stdlib.h>
#include <string.h>

/* What the matched filters gather, per region; all NULL where z is that of points alone. */
typedef struct filters {
    double *sums[DRAE__REGIONS_MAX];
    float *peaks[DRAE__REGIONS_MAX];
    size_t n_peaks[DRAE__REGIONS_MAX];
} filters;

static void release(filters *f) {
    for (int i = 0; i < DRAE__REGIONS_MAX; i++) {
        free(f->sums[i]);
        free(f->peaks[i]);
    }
}

static drae_status prepare(const drae__calibrate *c, filters *f, drae__err *err) {
    for (int i = 0; i < c->n_regions; i++) {
        size_t n = c->regions[i].n_fits;
        if (n > 0) {
            f->sums[i] = calloc(drae__m_scales(c->model.arch.size), sizeof *f->sums[i]);
            f->peaks[i] = calloc((DRAE__MATCHED_GROUPS + 1) * n, sizeof *f->peaks[i]);
            if (f->sums[i] == NULL || f->peaks[i] == NULL) {
                return drae__fail(err, DRAE_ERROR_MEMORY, "no memory for the filters of region %d",
                                  i);
            }
        }
    }
    return DRAE_OK;
}

static drae_status make_maps(drae__calibrate *c, const filters *f, drae__err *err) {
    const int size = c->model.arch.size;
    float *scratch = malloc(drae__matched_scratch(size) * sizeof *scratch);
    if (scratch == NULL) {
        return drae__fail(err, DRAE_ERROR_MEMORY, "no memory for maps");
    }
    for (int i = 0; i < c->n_regions; i++) {
        if (c->n_added[i] > 1) {
            drae__normalise_maps(size, c->n_added[i], c->mean[i], c->m2[i], c->model.maps[i],
                                 scratch);
            if (f->sums[i] != NULL) {
                drae__matched_scales(size, c->n_added[i], c->model.maps[i], f->sums[i],
                                     drae__model_add_filters(&c->model, i), scratch);
            }
        }
    }
    free(scratch);
    return DRAE_OK;
}

static void balance(drae__calibrate *c, const filters *f) {
    for (int i = 0; i < c->n_regions; i++) {
        size_t n = f->n_peaks[i];
        if (n > 0) {
            drae__matched_balance(c->model.arch.size, n, f->peaks[i],
                                  drae__model_add_filters(&c->model, i),
                                  f->peaks[i] + DRAE__MATCHED_GROUPS * n);
        }
    }
}

/* Patches that score() runs over. */
static size_t rest_of(const drae__calibrate *c) {
    return c->good.n - c->n_fits + c->n_spoiled + c->defective.n;
}

/* Scores of the good patches that make no maps, of the labelled defects and of the synthetic ones.
 * By the filters: before there is a head, to compare it with; else phi and what the model makes of
 * z, and all that is gathered on the way. */
static drae_status score(drae__calibrate *c, const drae__pass *first, bool by_filters,
                         drae__progress *progress, size_t *done, drae__err *err) {
    drae_status status = DRAE_OK;
    const drae__calibrate_set *good = &c->good, *defective = &c->defective;
    drae__pass pass = *first;
    pass.indices = good->patches + c->n_fits;
    pass.n = good->n - c->n_fits;
    pass.phi = by_filters ? NULL : good->phi + c->n_fits;
    pass.z = (by_filters ? good->m : good->z) + c->n_fits;
    /* Patches that training has seen are refused by the first of two passes. */
    const bool again = !by_filters && good->m != NULL;
    pass.prints = again ? NULL : good->prints + c->n_fits;
    pass.learned = by_filters ? NULL : first->learned;
    pass.histograms = by_filters ? NULL : first->histograms;
    pass.mean = NULL;
    pass.sums = NULL;
    DRAE__TRY(drae__scorer_open(c->o->model, &c->model, c->o->threads, &c->scorer, err));
    DRAE__TRY(drae__scorer_run(&c->scorer, &pass, progress, done, err));
    pass.histograms = NULL;
    pass.kept = NULL; /* defects make no maps */
    pass.source = defective->source;
    pass.name = c->o->defects.n > 0 ? c->o->defects.items[0] : "";
    pass.indices = defective->patches;
    pass.n = defective->n;
    pass.phi = by_filters ? NULL : defective->phi;
    pass.z = by_filters ? defective->m : defective->z;
    pass.prints = again ? NULL : defective->prints;
    DRAE__TRY(drae__scorer_run(&c->scorer, &pass, progress, done, err));
    pass.source = good->source;
    pass.indices = c->spoiled;
    pass.n = c->n_spoiled;
    pass.phi = by_filters ? NULL : c->phi_spoiled;
    pass.z = by_filters ? c->m_spoiled : c->z_spoiled;
    pass.prints = NULL;
    pass.learned = NULL;
    pass.spoil = true;
    DRAE__TRY(drae__scorer_run(&c->scorer, &pass, progress, done, err));
done:
    drae__scorer_close(&c->scorer);
    return status;
}

/* What the filters tell, and then the head. */
static drae_status learn(drae__calibrate *c, const drae__pass *first, drae__progress *progress,
                         size_t *done, drae__err *err) {
    drae_status status = DRAE_OK;
    c->good.m = calloc(c->good.n + 1, sizeof *c->good.m);
    c->defective.m = calloc(c->defective.n + 1, sizeof *c->defective.m);
    c->m_spoiled = calloc(c->n_spoiled + 1, sizeof *c->m_spoiled);
    if (c->good.m == NULL || c->defective.m == NULL || c->m_spoiled == NULL) {
        return drae__fail(err, DRAE_ERROR_MEMORY, "no memory for %zu scores", c->good.n);
    }
    DRAE__TRY(score(c, first, true, progress, done, err));
    drae__progress_end(progress, *done);
    status = drae__scorer_learn(c->o->model, &c->model, c->o->threads, first, c->o->head_steps,
                                c->o->quiet, err);
    *done = 0;
    drae__progress_begin(progress, "patches", rest_of(c), c->o->quiet);
done:
    return status;
}

/* Maps from the patches that make them, scores of all, scores of synthetic and labelled defects. */
drae_status drae__calibrate_measure(drae__calibrate *c, drae__err *err) {
    drae_status status = DRAE_OK;
    size_t done = 0;
    drae__calibrate_set *good = &c->good;
    drae__histogram *histograms[DRAE__REGIONS_MAX] = {NULL};
    drae__progress progress;
    const bool matched = c->n_fits > 0 && strcmp(c->o->score, "z") != 0;
    const bool head = c->n_fits > 0 && strcmp(c->o->score, "h") == 0;
    filters f = {{NULL}, {NULL}, {0}};
    drae__progress_begin(&progress, "patches", (matched ? 2 : 1) * c->n_fits + rest_of(c),
                         c->o->quiet);
    for (int i = 0; i < c->n_regions; i++) {
        histograms[i] = c->regions[i].histogram;
    }
    drae__pass pass = {.source = good->source,
                       .size = c->model.arch.size,
                       .indices = good->patches,
                       .n = c->n_fits,
                       .phi = good->phi,
                       .prints = good->prints,
                       .seen = &c->model.seen[DRAE__SEEN_TRAINING],
                       .kept = c->o->keep ? &c->model.seen[DRAE__SEEN_CALIBRATION] : NULL,
                       .overlap = c->o->overlap,
                       .n_seen = &c->n_seen,
                       .learned = &c->learned,
                       .name = c->o->data.items[0],
                       .histograms = histograms,
                       .mean = c->mean,
                       .m2 = c->m2,
                       .n_added = c->n_added};
    if (matched) {
        DRAE__TRY(prepare(c, &f, err));
        pass.sums = f.sums;
    }
    if (c->n_fits > 0) {
        DRAE__TRY(drae__scorer_open(c->o->model, &c->model, c->o->threads, &c->scorer, err));
        DRAE__TRY(drae__scorer_run(&c->scorer, &pass, &progress, &done, err));
        DRAE__TRY(make_maps(c, &f, err));
        if (matched) {
            /* The scorer keeps the maps that measure. */
            const drae__pass second = {.source = good->source,
                                       .size = c->model.arch.size,
                                       .indices = good->patches,
                                       .n = c->n_fits,
                                       .peaks = f.peaks,
                                       .n_peaks = f.n_peaks,
                                       .maps = &c->model.calibration};
            DRAE__TRY(drae__scorer_run(&c->scorer, &second, &progress, &done, err));
            balance(c, &f);
        }
        drae__scorer_close(&c->scorer);
        if (head) {
            DRAE__TRY(learn(c, &pass, &progress, &done, err));
        }
    }
    status = score(c, &pass, false, &progress, &done, err);
done:
    release(&f);
    drae__progress_end(&progress, done);
    return status;
}
