/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/calibrate_scores.h"

#include "engine/compile.h"
#include "line/matched.h"
#include "line/normalise.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define OFFSET 1.0f /* of the maps that measure */

static drae_status bind(drae__scorer *s, drae_output output, float **dst, drae__err *err) {
    size_t n_bytes = 0;
    drae_status status = drae_output_patch_bytes(s->engine, output, &n_bytes);
    if (status == DRAE_OK) {
        *dst = calloc(DRAE__SCORER_BATCH, n_bytes);
        if (*dst == NULL) {
            return drae__fail(err, DRAE_ERROR_MEMORY, "no memory for a batch of heatmaps");
        }
        status = drae_session_set_output(s->session, output, *dst, DRAE__SCORER_BATCH * n_bytes);
    }
    return status == DRAE_OK ? DRAE_OK
                             : drae__fail(err, status, "%s", drae_session_error(s->session));
}

drae_status drae__scorer_open(const char *path, const drae__model *model, long threads,
                              drae__scorer *scorer, drae__err *err) {
    drae_status status = DRAE_OK;
    char text[DRAE_ERROR_TEXT_BYTES] = "";
    drae_config *config = NULL;
    size_t n_bytes = 0;
    size_t pixels = (size_t)model->arch.size * (size_t)model->arch.size;
    drae__compile_options compile = {
        .device = DRAE_DEVICE_CPU, .precision = "f32", .batch = DRAE__SCORER_BATCH};
    drae__compile_report report;
    drae__scorer s = {0};
    DRAE__TRY(drae__compile(model, &compile, &s.bytes, &n_bytes, &report, err));
    status = drae_config_create(&config);
    if (status == DRAE_OK) {
        status = drae_config_set_int(config, DRAE_OPTION_THREADS, threads);
    }
    if (status == DRAE_OK) {
        status = drae_engine_open_memory(s.bytes, n_bytes, config, text, sizeof text, &s.engine);
    }
    if (status == DRAE_OK) {
        status = drae_session_create(s.engine, config, text, sizeof text, &s.session);
    }
    if (status != DRAE_OK) {
        (void)drae__fail(err, status, "%s: %s", path,
                         text[0] != '\0' ? text : drae_status_text(status));
        goto done;
    }
    s.spoiled = malloc(DRAE__SCORER_BATCH * pixels);
    if (s.spoiled == NULL) {
        status = drae__fail(err, DRAE_ERROR_MEMORY, "no memory for a batch of patches");
        goto done;
    }
    DRAE__TRY(bind(&s, DRAE_OUTPUT_RESIDUAL, &s.residual, err));
    DRAE__TRY(bind(&s, DRAE_OUTPUT_Z, &s.z, err));
    DRAE__TRY(bind(&s, DRAE_OUTPUT_SCORES, &s.scores, err));
    DRAE__TRY(bind(&s, DRAE_OUTPUT_RECON, &s.recon, err));
    *scorer = s;
    s = (drae__scorer){0};
done:
    drae__scorer_close(&s);
    drae_config_destroy(config);
    return status;
}

void drae__scorer_close(drae__scorer *scorer) {
    drae_session_destroy(scorer->session);
    drae_engine_close(scorer->engine);
    free(scorer->bytes);
    free(scorer->residual);
    free(scorer->z);
    free(scorer->scores);
    free(scorer->recon);
    free(scorer->spoiled);
    memset(scorer, 0, sizeof *scorer);
}

/* Patches of a batch with a defect each; first is the number of the first in the pass. */
static void spoil(drae__scorer *s, const drae__pass *pass, const drae__batch *batch, size_t first,
                  float *scratch) {
    size_t pixels = (size_t)pass->size * (size_t)pass->size;
    for (size_t i = 0; i < batch->n; i++) {
        (void)drae__blemish(pass->size, first + i, batch->patches + i * pixels,
                            s->spoiled + i * pixels, scratch);
    }
}

/* A patch of calibration must be new to the model. */
static drae_status identify(const drae__pass *pass, size_t index, const uint8_t *patch,
                            uint64_t *print, drae__err *err) {
    *print = drae__patch_print(patch, (size_t)pass->size * (size_t)pass->size);
    if (pass->kept != NULL && drae__seen_has(pass->kept, *print)) {
        return drae__fail(err, DRAE_ERROR_FILE,
                          "%s: patch %zu belongs to the calibration that is kept, whose maps know "
                          "it: new thresholds need other products",
                          pass->name, index);
    }
    if (pass->seen == NULL || !drae__seen_has(pass->seen, *print)) {
        return DRAE_OK;
    }
    ++*pass->n_seen;
    return pass->overlap
               ? DRAE_OK
               : drae__fail(err, DRAE_ERROR_FILE,
                            "%s: patch %zu was in the training data: calibrate on other products "
                            "(--allow-overlap takes it all the same, and records it)",
                            pass->name, index);
}

/* The blurred residual of a patch into what its region gathers. */
static void gather(const drae__pass *pass, int region, float *residual, float *scratch) {
    size_t pixels = (size_t)pass->size * (size_t)pass->size;
    for (size_t k = 0; k < pixels; k++) {
        residual[k] -= OFFSET;
    }
    if (pass->mean != NULL) {
        drae__normalise_add(pixels, pass->n_added[region]++, residual, pass->mean[region],
                            pass->m2[region]);
    }
    if (pass->sums != NULL) {
        drae__matched_add(pass->size, residual, pass->sums[region], scratch);
    }
    if (pass->peaks != NULL) {
        drae__matched_peaks(
            pass->size, residual, pass->maps->maps[region], pass->maps->filters[region],
            pass->peaks[region] + DRAE__MATCHED_GROUPS * pass->n_peaks[region]++, scratch);
    }
}

/* What patch number i of a batch tells, number `at` of the pass. */
static void take(drae__scorer *s, const drae__pass *pass, size_t i, size_t at, int region,
                 float *scratch) {
    size_t pixels = (size_t)pass->size * (size_t)pass->size;
    if (pass->phi != NULL) {
        pass->phi[at] = s->scores[DRAE_SCORES * i + DRAE_SCORE_PHI];
    }
    if (pass->z != NULL) {
        pass->z[at] = s->scores[DRAE_SCORES * i + DRAE_SCORE_Z];
    }
    if (pass->histograms != NULL && pass->histograms[region] != NULL) {
        drae__histogram_add(pass->histograms[region], pixels, s->residual + i * pixels);
    }
    if ((pass->mean != NULL && pass->mean[region] != NULL) || pass->peaks != NULL) {
        gather(pass, region, s->z + i * pixels, scratch);
    }
}

/* A patch, its reconstruction, and where m is largest. */
static void learn(const drae__scorer *s, const drae__pass *pass, const uint8_t *image, size_t i,
                  int region) {
    drae__learner *l = pass->learner;
    const size_t pixels = (size_t)pass->size * (size_t)pass->size, at = l->n++;
    const float *recon = s->recon + i * pixels;
    drae__head_patch *patch = &l->patches[at];
    memcpy(l->images + at * pixels, image, pixels);
    for (size_t k = 0; k < pixels; k++) {
        float value = fminf(fmaxf(recon[k], 0.0f), 1.0f); /* 0 where it is not a number */
        l->recons[at * pixels + k] = (uint16_t)(value * 65535.0f + 0.5f);
    }
    patch->image = l->images + at * pixels;
    patch->recon = l->recons + at * pixels;
    patch->maps = l->maps[region];
    drae__head_peaks(pass->size, s->z + i * pixels, patch);
}

drae_status drae__scorer_run(drae__scorer *scorer, const drae__pass *pass, drae__progress *progress,
                             size_t *done, drae__err *err) {
    drae_status status = DRAE_OK;
    drae__batch_reader *reader = NULL;
    float *scratch = NULL;
    size_t at = 0;
    size_t pixels = (size_t)pass->size * (size_t)pass->size;
    if (pass->n == 0) {
        return DRAE_OK;
    }
    const drae__record *records = drae__source_records(pass->source);
    const bool matched = pass->sums != NULL || pass->peaks != NULL;
    if (pass->spoil || matched) {
        scratch = malloc((matched ? drae__matched_scratch(pass->size)
                                  : drae__blemish_scratch_floats(pass->size)) *
                         sizeof *scratch);
        if (scratch == NULL) {
            return drae__fail(err, DRAE_ERROR_MEMORY, "no memory for synthetic defects or filters");
        }
    }
    DRAE__TRY(drae__batch_reader_create(pass->source, pass->indices, pass->n, DRAE__SCORER_BATCH,
                                        pass->size, &reader, err));
    while (at < pass->n) {
        drae__batch batch;
        uint8_t regions[DRAE__SCORER_BATCH];
        DRAE__TRY(drae__batch_reader_next(reader, &batch, err));
        for (size_t i = 0; i < batch.n && i < DRAE__SCORER_BATCH; i++) {
            regions[i] = (uint8_t)records[batch.indices[i]].region;
            if (pass->prints != NULL) {
                DRAE__TRY(identify(pass, batch.indices[i], batch.patches + i * pixels,
                                   &pass->prints[at + i], err));
            }
        }
        if (pass->spoil) {
            spoil(scorer, pass, &batch, at, scratch);
        }
        status =
            drae_session_infer(scorer->session, batch.n,
                               pass->spoil ? scorer->spoiled : batch.patches, regions, NULL, NULL);
        if (status != DRAE_OK) {
            (void)drae__fail(err, status, "patches %zu to %zu: %s", batch.indices[0],
                             batch.indices[batch.n - 1], drae_session_error(scorer->session));
            goto done;
        }
        for (size_t i = 0; i < batch.n; i++) {
            take(scorer, pass, i, at + i, regions[i], scratch);
            if (pass->learner != NULL && pass->learner->n < pass->learner->room) {
                learn(scorer, pass, batch.patches + i * pixels, i, regions[i]);
            }
            if (pass->learned != NULL) {
                drae__learned_add(pass->learned, pixels, batch.patches + i * pixels,
                                  scorer->recon + i * pixels);
            }
        }
        at += batch.n;
        *done += batch.n;
        drae__progress_update(progress, *done, NULL);
        if (drae__interrupted && at < pass->n) {
            status = drae__fail(err, DRAE_ERROR_INTERRUPTED,
                                "interrupted after %zu patches; nothing was written", *done);
            goto done;
        }
    }
done:
    drae__batch_reader_destroy(reader);
    free(scratch);
    return status;
}

drae_status drae__scorer_measure(drae__model *model, int region, drae__err *err) {
    size_t pixels = (size_t)model->arch.size * (size_t)model->arch.size;
    float *maps = NULL;
    drae_status status = drae__model_add_maps(model, region, &maps, err);
    for (size_t i = 0; i < pixels && status == DRAE_OK; i++) {
        maps[i] = -OFFSET;
        maps[pixels + i] = 1.0f;
    }
    return status;
}
