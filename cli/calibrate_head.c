/* SPDX-License-Identifier: Apache-2.0 */
/* The head of a model, trained while it is calibrated: train/head.h on patches that make maps. */
#include "cli/calibrate_scores.h"

#include "base/size.h"
#include "line/choose.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static drae_status make_room(drae__learner *l, size_t n, int size, drae__err *err) {
    size_t pixels = (size_t)size * (size_t)size, n_images, n_recons;
    if (drae__size_mul(n, pixels, &n_images) && drae__size_mul(n_images, 2, &n_recons)) {
        l->images = malloc(n_images);
        l->recons = malloc(n_recons);
        l->patches = calloc(n, sizeof *l->patches);
    }
    l->room = n;
    return l->images != NULL && l->recons != NULL && l->patches != NULL
               ? DRAE_OK
               : drae__fail(err, DRAE_ERROR_MEMORY, "no memory for %zu patches of the head", n);
}

typedef struct shown {
    drae__progress progress;
    double loss; /* a running mean */
} shown;

static bool show(void *context, int step, double loss) {
    shown *s = context;
    char text[32];
    s->loss = step == 0 ? loss : s->loss + 0.02 * (loss - s->loss);
    (void)snprintf(text, sizeof text, "loss %.3f", s->loss);
    drae__progress_update(&s->progress, (size_t)step + 1, text);
    return drae__interrupted == 0;
}

/* The patches that are learned from, through an engine that knows the filters. */
static drae_status gather(const char *path, const drae__model *model, long threads,
                          const drae__pass *patches, drae__learner *l, bool quiet, drae__err *err) {
    drae_status status = DRAE_OK;
    drae__scorer scorer = {0};
    drae__progress progress;
    size_t done = 0;
    const size_t of_patch = 3 * (size_t)patches->size * (size_t)patches->size;
    size_t n = patches->n < DRAE__LEARNER_MOST ? patches->n : DRAE__LEARNER_MOST;
    n = n * of_patch > DRAE__LEARNER_BYTES ? DRAE__LEARNER_BYTES / of_patch : n;
    size_t *indices = calloc(patches->n, sizeof *indices);
    if (indices == NULL) {
        return drae__fail(err, DRAE_ERROR_MEMORY, "no memory for %zu patches", patches->n);
    }
    memcpy(indices, patches->indices, patches->n * sizeof *indices);
    n = drae__choose_share(n, patches->n, drae__source_records(patches->source), indices);
    drae__progress_begin(&progress, "patches for the head", n, quiet);
    DRAE__TRY(make_room(l, n, patches->size, err));
    DRAE__TRY(drae__scorer_open(path, model, threads, &scorer, err));
    const drae__pass pass = {
        .source = patches->source, .size = patches->size, .indices = indices, .n = n, .learner = l};
    status = drae__scorer_run(&scorer, &pass, &progress, &done, err);
done:
    drae__progress_end(&progress, done);
    drae__scorer_close(&scorer);
    free(indices);
    return status;
}

drae_status drae__scorer_learn(const char *path, drae__model *model, long threads,
                               const drae__pass *patches, long n_steps, bool quiet,
                               drae__err *err) {
    drae_status status = DRAE_OK;
    drae__learner learner = {.maps = model->maps};
    shown s = {.loss = 0.0};
    float *weights = malloc(DRAE__H_WEIGHTS * sizeof *weights);
    if (weights == NULL) {
        status = drae__fail(err, DRAE_ERROR_MEMORY, "no memory for the head");
        goto done;
    }
    DRAE__TRY(gather(path, model, threads, patches, &learner, quiet, err));
    drae__progress_begin(&s.progress, "steps of the head", (size_t)n_steps, quiet);
    status = drae__head_fit(patches->size, learner.n, learner.patches, (int)threads, (int)n_steps,
                            show, &s, weights, err);
    drae__progress_end(&s.progress, status == DRAE_OK ? (size_t)n_steps : 0);
    for (int r = 0; status == DRAE_OK && r < DRAE__REGIONS_MAX; r++) {
        if (model->calibration.filters[r] != NULL) {
            memcpy(drae__model_add_head(model, r), weights, DRAE__H_WEIGHTS * sizeof *weights);
        }
    }
done:
    free(weights);
    free(learner.images);
    free(learner.recons);
    free(learner.patches);
    return status;
}
