/* SPDX-License-Identifier: Apache-2.0 */
/* drae eval, knapp and drift: engine and data, and the memory of an evaluation. */
#include "cli/eval.h"
#include "cli/inspect_results.h"

#include "base/sha256.h"
#include "drae/line.h"
#include "engine/compile.h"
#include "io/weights.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int drae__eval_check(const drae__command *command, const drae__eval_options *o) {
    if ((o->engine == NULL) == (o->model == NULL)) {
        return drae__cli_usage_error(command, "give either --engine or --model");
    }
    if (o->data.n == 0) {
        return drae__cli_usage_error(command, "--data is missing");
    }
    return o->out == NULL ? drae__cli_usage_error(command, "--out is missing") : -1;
}

void drae__eval_release(drae__eval *e) {
    size_t n_pixels = e->report.n_scores * (size_t)(e->report.n_regions + 1);
    for (size_t i = 0; e->pixels != NULL && i < n_pixels; i++) {
        drae__pixels_destroy(e->pixels[i]);
    }
    free(e->pixels);
    for (size_t s = 0; s < DRAE__EVAL_SCORES; s++) {
        free(e->values[s]);
        free(e->scores[s].figures);
        free(e->scores[s].pixels);
    }
    for (size_t i = 0; i < e->report.n_pictures; i++) {
        free(e->pictures[i].png);
    }
    free((void *)e->report.classes);
    free((void *)e->report.extents);
    free((void *)e->report.contrasts);
    drae__evaluation_free(&e->verdicts);
    drae__evaluation_free(&e->baseline);
    drae__template_destroy(e->golden);
    drae_session_destroy(e->session);
    drae_engine_close(e->engine);
    drae__dataset_close(e->data);
    drae__dataset_close(e->good);
    drae__hierarchy_free(&e->hierarchy);
    free(e->engine_bytes);
    free(e->cluster);
    free(e->reasons);
    free(e->extent);
    free(e->contrast);
    free(e->grey);
    free(e->spread);
    free(e->patches);
    free(e->masks_read);
    free(e->regions);
    free(e->batch_scores);
    free(e->residual);
    free(e->z);
    free(e->recon);
    free(e->map);
}

void drae__eval_fact(drae__eval *e, const char *group, const char *name, const char *format, ...) {
    if (e->report.n_facts < DRAE__EVAL_FACTS) {
        drae__report_fact *fact = &e->facts[e->report.n_facts++];
        fact->group = group;
        (void)snprintf(fact->name, sizeof fact->name, "%s", name);
        va_list args;
        va_start(args, format);
        (void)vsnprintf(fact->text, sizeof fact->text, format, args);
        va_end(args);
    }
}

/* ---- engine ---- */

/* The engine of a model, in memory: what `drae compile` makes for the CPU. */
static drae_status compile_model(drae__eval *e, size_t *n_bytes, drae__err *err) {
    drae__model model = {0};
    drae__compile_options compile = {
        .device = DRAE_DEVICE_CPU, .precision = "f32", .batch = DRAE__EVAL_BATCH};
    drae__compile_report report;
    unsigned generator = DRAE__NET_BIT(DRAE__NET_GENERATOR);
    drae_status status = drae__weights_load(e->o->model, generator, generator, &model, err);
    if (status == DRAE_OK) {
        e->val_con = model.provenance.val_con;
        status = drae__compile(&model, &compile, &e->engine_bytes, n_bytes, &report, err);
    }
    drae__model_free(&model);
    return status;
}

static const char *base_name(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash != NULL && slash[1] != '\0' ? slash + 1 : path;
}

static void tell_engine(drae__eval *e) {
    static const struct {
        drae_engine_text id;
        const char *name;
    } texts[] = {{DRAE_ENGINE_SHA256, "engine_sha256"},
                 {DRAE_ENGINE_PRECISION, "precision"},
                 {DRAE_ENGINE_SSIM, "ssim_window"},
                 {DRAE_ENGINE_COMPILER, "compiled_by"},
                 {DRAE_ENGINE_DATA_HASH, "training_data_sha256"},
                 {DRAE_ENGINE_REVISION, "trainer_revision"}};
    static const struct {
        drae_engine_int id;
        const char *name;
    } numbers[] = {{DRAE_ENGINE_WIDTH, "width"},
                   {DRAE_ENGINE_LATENT, "latent"},
                   {DRAE_ENGINE_SIZE, "size"},
                   {DRAE_ENGINE_STEPS, "training_steps"}};
    drae__eval_fact(e, "model", "file", "%s",
                    base_name(e->o->engine != NULL ? e->o->engine : e->o->model));
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        const char *text = NULL;
        if (drae_engine_get_text(e->engine, texts[i].id, &text) == DRAE_OK) {
            drae__eval_fact(e, "model", texts[i].name, "%s", text[0] != '\0' ? text : "unknown");
        }
    }
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        int64_t value = 0;
        if (drae_engine_get_int(e->engine, numbers[i].id, &value) == DRAE_OK) {
            drae__eval_fact(e, "model", numbers[i].name, "%lld", (long long)value);
        }
    }
}

static drae_status open_engine(drae__eval *e, drae__err *err) {
    char text[DRAE_ERROR_TEXT_BYTES] = "";
    drae_config *config = NULL;
    int64_t size = 0;
    size_t n_bytes = 0;
    e->val_con = NAN;
    const char *path = e->o->engine != NULL ? e->o->engine : e->o->model;
    drae_status status = e->o->engine == NULL ? compile_model(e, &n_bytes, err) : DRAE_OK;
    if (status != DRAE_OK) {
        return status;
    }
    status = drae_config_create(&config);
    if (status == DRAE_OK) {
        status = drae_config_set_int(config, DRAE_OPTION_THREADS, e->o->threads);
    }
    if (status == DRAE_OK) {
        status = e->o->engine != NULL
                     ? drae_engine_open(path, config, text, sizeof text, &e->engine)
                     : drae_engine_open_memory(e->engine_bytes, n_bytes, config, text, sizeof text,
                                               &e->engine);
    }
    if (status == DRAE_OK) {
        status = drae_session_create(e->engine, config, text, sizeof text, &e->session);
    }
    if (status == DRAE_OK) {
        status = drae_engine_get_int(e->engine, DRAE_ENGINE_SIZE, &size);
    }
    drae_config_destroy(config);
    if (status != DRAE_OK) {
        return drae__cli_engine_error(status, path, text, err);
    }
    e->size = (int)size;
    e->n_batch = drae_session_batch(e->session);
    e->n_batch = e->n_batch < DRAE__EVAL_BATCH ? e->n_batch : DRAE__EVAL_BATCH;
    tell_engine(e);
    return DRAE_OK;
}

/* ---- data ---- */

static drae_status tell_data(drae__eval *e, const char *group, drae__dataset *data,
                             const drae__text_list *paths, char hex[65], drae__err *err) {
    uint8_t digest[32];
    char names[512] = "";
    size_t used = 0;
    drae_status status = drae__dataset_hash(data, digest, err);
    if (status != DRAE_OK) {
        return status;
    }
    drae__sha256_hex(digest, hex);
    for (size_t i = 0; i < paths->n && used < sizeof names; i++) {
        int n = snprintf(names + used, sizeof names - used, "%s%s", i > 0 ? " " : "",
                         base_name(paths->items[i]));
        used += n > 0 ? (size_t)n : 0;
    }
    drae__eval_fact(e, group, "files", "%s", names);
    drae__eval_fact(e, group, "sha256", "%s", hex);
    drae__eval_fact(e, group, "patches", "%zu", drae__dataset_count(data));
    return DRAE_OK;
}

static drae_status open_data(drae__eval *e, drae__err *err) {
    const drae__eval_options *o = e->o;
    drae_status status = DRAE_OK;
    char hex[65];
    char good_hex[65] = "";
    const char *training = "";
    DRAE__TRY(drae__dataset_open(o->data.items, o->data.n, e->size, &e->data, err));
    e->n = drae__dataset_count(e->data);
    e->records = drae__dataset_records(e->data);
    e->masks =
        !o->no_pixels && drae__dataset_has(e->data, "mask") && drae__dataset_has(e->data, "label");
    DRAE__TRY(tell_data(e, "data", e->data, &o->data, hex, err));
    (void)drae_engine_get_text(e->engine, DRAE_ENGINE_DATA_HASH, &training);
    if (strcmp(training, hex) == 0) {
        status = drae__fail(err, DRAE_ERROR_FILE,
                            "%s: the model was trained on this data; evaluate on other products",
                            o->data.items[0]);
        goto done;
    }
    if (o->good.n > 0) {
        DRAE__TRY(drae__dataset_open(o->good.items, o->good.n, e->size, &e->good, err));
        DRAE__TRY(tell_data(e, "template", e->good, &o->good, good_hex, err));
        if (strcmp(good_hex, hex) == 0) {
            status = drae__fail(err, DRAE_ERROR_FILE,
                                "%s: --good is the data that is evaluated; give other products",
                                o->good.items[0]);
        }
    }
done:
    return status;
}

/* Regions that occur, their thresholds, and the scores of the report. */
static drae_status prepare_report(drae__eval *e, drae__err *err) {
    drae__report *r = &e->report;
    int64_t known = 0;
    int64_t n_maps = 0;
    bool seen[DRAE__REGIONS_MAX] = {false};
    drae_status status = drae_engine_get_int(e->engine, DRAE_ENGINE_REGIONS, &known);
    if (status != DRAE_OK) {
        return drae__fail(err, status, "the engine tells no number of regions");
    }
    int limit = known > 0 ? (int)known : DRAE__REGIONS_MAX;
    for (size_t i = 0; i < e->n; i++) {
        int region = e->records[i].region;
        if (region < 0 || region >= limit) {
            return drae__fail(err, DRAE_ERROR_FILE,
                              "%s: patch %zu has region %d; the engine was calibrated for regions "
                              "0..%d",
                              e->o->data.items[0], i, region, limit - 1);
        }
        seen[region] = true;
    }
    for (int i = 0; i < DRAE__REGIONS_MAX; i++) {
        e->place[i] = r->n_regions;
        if (seen[i]) {
            r->regions[r->n_regions++] = i;
        }
    }
    e->scores[DRAE_SCORE_PHI] =
        (drae__report_score){.name = drae_score_text(DRAE_SCORE_PHI),
                             .title = "phi = 1 - SSIM of image and reconstruction",
                             .map = "|X - X^|"};
    r->n_scores = 1;
    (void)drae_engine_get_int(e->engine, DRAE_ENGINE_MAPS, &n_maps);
    if (n_maps > 0) {
        e->scores[DRAE_SCORE_Z] = (drae__report_score){
            .name = drae_score_text(DRAE_SCORE_Z),
            .title =
                "normalised residual: mean of the largest |B(X - X^) - mean| / scale, mean and "
                "scale being what is usual at that pixel on good patches of the region",
            .map = "z"};
        r->n_scores = DRAE_SCORES;
    }
    e->golden_score = r->n_scores;
    if (e->good != NULL) {
        e->scores[r->n_scores++] = (drae__report_score){
            .name = "template",
            .title = "golden template, no network: mean of the largest z of the image against mean "
                     "and spread of every pixel over good images of the region",
            .map = "z of the image",
            .baseline = true};
    }
    for (int i = 0; i < DRAE__REGIONS_MAX; i++) {
        for (size_t s = 0; s < r->n_scores; s++) {
            e->scores[s].threshold[i] = NAN;
        }
        if (i < limit) {
            drae_score score = DRAE_SCORE_PHI;
            (void)drae_engine_get_score(e->engine, i, &score);
            r->decides[i] = (int)score;
            (void)drae_engine_get_threshold(e->engine, i, &e->scores[score].threshold[i]);
        }
    }
    r->scores = e->scores;
    return DRAE_OK;
}

static drae_status allocate(drae__eval *e, drae__err *err) {
    size_t n_pixels = (size_t)e->size * (size_t)e->size;
    drae__report *r = &e->report;
    size_t n_counts = r->n_scores * (size_t)(r->n_regions + 1);
    bool there = true;
    for (size_t s = 0; s < r->n_scores; s++) {
        e->values[s] = calloc(e->n, sizeof *e->values[s]);
        e->scores[s].values = e->values[s];
        there = there && e->values[s] != NULL;
    }
    e->cluster = calloc(e->n, sizeof *e->cluster);
    e->reasons = calloc(e->n, 1);
    e->extent = calloc(e->n, sizeof *e->extent);
    e->contrast = calloc(e->n, sizeof *e->contrast);
    e->grey = calloc(e->n, sizeof *e->grey);
    e->spread = calloc(e->n, sizeof *e->spread);
    e->patches = calloc(e->n_batch, n_pixels);
    e->masks_read = calloc(e->n_batch, n_pixels);
    e->regions = calloc(e->n_batch, 1);
    e->batch_scores = calloc(e->n_batch * DRAE_SCORES, sizeof *e->batch_scores);
    e->residual = calloc(e->n_batch * n_pixels, sizeof *e->residual);
    e->z = calloc(e->n_batch * n_pixels, sizeof *e->z);
    e->recon = calloc(e->n_batch * n_pixels, sizeof *e->recon);
    e->map = calloc(n_pixels, sizeof *e->map);
    e->pixels = calloc(n_counts, sizeof *e->pixels);
    if (!there || e->cluster == NULL || e->reasons == NULL || e->extent == NULL ||
        e->grey == NULL || e->spread == NULL || e->contrast == NULL || e->patches == NULL ||
        e->masks_read == NULL || e->regions == NULL || e->batch_scores == NULL ||
        e->residual == NULL || e->z == NULL || e->recon == NULL || e->map == NULL ||
        e->pixels == NULL) {
        return drae__fail(err, DRAE_ERROR_MEMORY, "no memory for %zu patches", e->n);
    }
    return DRAE_OK;
}

static drae_status bind(drae__eval *e, drae_output output, void *dst, drae__err *err) {
    size_t n_bytes = 0;
    drae_status status = drae_output_patch_bytes(e->engine, output, &n_bytes);
    if (status == DRAE_OK) {
        status = drae_session_set_output(e->session, output, dst, e->n_batch * n_bytes);
    }
    return status == DRAE_OK ? DRAE_OK
                             : drae__fail(err, status, "%s", drae_session_error(e->session));
}

drae_status drae__eval_folder(const char *folder, int *lock, drae__err *err) {
    char path[DRAE__PATH_BYTES];
    drae_status status = DRAE_OK;
    DRAE__TRY(drae__cli_join(folder, DRAE__RESULTS_FILE, path, err));
    if (access(path, F_OK) == 0) {
        status = drae__fail(err, DRAE_ERROR_ARGUMENT,
                            "%s: holds the results of drae inspect, which would replace a report "
                            "there; choose another folder",
                            folder);
        goto done;
    }
    DRAE__TRY(drae__file_make_folder(folder, err));
    DRAE__TRY(drae__file_lock(folder, lock, err));
done:
    return status;
}

drae_status drae__eval_open(drae__eval *e, drae__err *err) {
    drae_status status = DRAE_OK;
    DRAE__TRY(open_engine(e, err));
    DRAE__TRY(open_data(e, err));
    DRAE__TRY(prepare_report(e, err));
    DRAE__TRY(allocate(e, err));
    DRAE__TRY(drae__hierarchy_create(e->records, e->n, &e->hierarchy, err));
    DRAE__TRY(drae__clusters_of(e->records, e->n, e->cluster, &e->n_clusters, err));
    for (size_t i = 0; e->masks && i < e->report.n_scores * (size_t)(e->report.n_regions + 1);
         i++) {
        DRAE__TRY(drae__pixels_create(e->n_clusters, e->size, &e->pixels[i], err));
    }
    DRAE__TRY(bind(e, DRAE_OUTPUT_SCORES, e->batch_scores, err));
    DRAE__TRY(bind(e, DRAE_OUTPUT_RECON, e->recon, err));
    if (e->masks) {
        DRAE__TRY(bind(e, DRAE_OUTPUT_RESIDUAL, e->residual, err));
    }
    if (e->masks && e->golden_score > DRAE_SCORE_Z) {
        DRAE__TRY(bind(e, DRAE_OUTPUT_Z, e->z, err));
    }
done:
    return status;
}
