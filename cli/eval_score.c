/* SPDX-License-Identifier: Apache-2.0 */
/* drae eval: engine, data and golden template, and the scores of every patch. */
#include "cli/eval.h"

#include "base/sha256.h"
#include "drae/line.h"
#include "engine/compile.h"
#include "io/progress.h"
#include "io/weights.h"
#include "line/mask.h"
#include "line/statistics.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
        return drae__fail(err, status, "%s", text[0] != '\0' ? text : drae_status_text(status));
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
    e->map = calloc(n_pixels, sizeof *e->map);
    e->pixels = calloc(n_counts, sizeof *e->pixels);
    if (!there || e->cluster == NULL || e->reasons == NULL || e->extent == NULL ||
        e->grey == NULL || e->spread == NULL || e->contrast == NULL || e->patches == NULL ||
        e->masks_read == NULL || e->regions == NULL || e->batch_scores == NULL ||
        e->residual == NULL || e->z == NULL || e->map == NULL || e->pixels == NULL) {
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
    if (e->masks) {
        DRAE__TRY(bind(e, DRAE_OUTPUT_RESIDUAL, e->residual, err));
    }
    if (e->masks && e->golden_score > DRAE_SCORE_Z) {
        DRAE__TRY(bind(e, DRAE_OUTPUT_Z, e->z, err));
    }
done:
    return status;
}

/* ---- the golden template ---- */

static bool is_good(const drae__record *r) {
    return r->label != 1 && (r->frame >= 0 || r->frame == DRAE__UNRECORDED);
}

static drae_status interrupted(size_t n_done, size_t n, const char *what, drae__err *err) {
    return drae__fail(err, DRAE_ERROR_INTERRUPTED,
                      "interrupted after %zu of %zu %s; nothing was written", n_done, n, what);
}

/* Threshold of a region from the products that the template has not seen. */
static drae_status set_template_threshold(drae__eval *e, int region, size_t n, float *scores,
                                          drae__err *err) {
    if (n == 0) {
        return DRAE_OK;
    }
    /* A sample that cannot carry the rate: its largest score, which is stricter. */
    double rate = e->o->template_rate;
    rate = n < drae__samples_needed(rate) ? 1.0 / (double)n : rate;
    return drae__threshold_from_good(n, scores, rate < 1.0 ? rate : 0.5,
                                     &e->scores[e->golden_score].threshold[region], NULL, err);
}

/* Every second product makes the template, the others its thresholds. */
static drae_status build_template(drae__eval *e, drae__err *err) {
    drae_status status = DRAE_OK;
    size_t n = drae__dataset_count(e->good);
    const drae__record *records = drae__dataset_records(e->good);
    size_t n_clusters = 0;
    drae__progress progress;
    uint32_t *cluster = calloc(n, sizeof *cluster);
    float *scores = calloc(n, sizeof *scores);
    float *of_region = calloc(n, sizeof *of_region);
    drae__progress_begin(&progress, "good patches", n, e->o->quiet);
    if (cluster == NULL || scores == NULL || of_region == NULL) {
        status = drae__fail(err, DRAE_ERROR_MEMORY, "no memory for %zu patches", n);
        goto done;
    }
    DRAE__TRY(drae__template_create(e->size, &e->golden, err));
    DRAE__TRY(drae__clusters_of(records, n, cluster, &n_clusters, err));
    for (int pass = 0; pass < 2; pass++) {
        for (size_t i = 0; i < n; i++) {
            if (cluster[i] % 2 != (uint32_t)pass || !is_good(&records[i])) {
                continue;
            }
            if (drae__interrupted) {
                status = interrupted(i, n, "good patches", err);
                goto done;
            }
            DRAE__TRY(drae__dataset_read(e->good, &i, 1, e->patches, err));
            if (pass == 0) {
                DRAE__TRY(drae__template_add(e->golden, records[i].region, e->patches, err));
            } else {
                scores[i] = drae__template_score(e->golden, records[i].region, e->patches, e->map);
            }
            drae__progress_update(&progress, (size_t)pass * n / 2 + i / 2, NULL);
        }
    }
    for (int r = 0; r < e->report.n_regions; r++) {
        int region = e->report.regions[r];
        size_t count = 0;
        for (size_t i = 0; i < n; i++) {
            if (records[i].region == region && cluster[i] % 2 == 1 && is_good(&records[i]) &&
                isfinite(scores[i])) {
                of_region[count++] = scores[i];
            }
        }
        if (drae__template_count(e->golden, region) < 2) {
            status =
                drae__fail(err, DRAE_ERROR_FILE,
                           "%s: region %d has %zu good patches for the template; at least 2 "
                           "products are needed",
                           e->o->good.items[0], region, drae__template_count(e->golden, region));
            goto done;
        }
        DRAE__TRY(set_template_threshold(e, region, count, of_region, err));
    }
    drae__eval_fact(e, "template", "rate", "%g", e->o->template_rate);
    drae__eval_fact(e, "template", "split",
                    "every second product makes the template, the others its thresholds");
done:
    drae__progress_end(&progress, n);
    free(cluster);
    free(scores);
    free(of_region);
    return status;
}

/* ---- scores ---- */

static drae__pixels **pixels_of(drae__eval *e, size_t score, int place) {
    return &e->pixels[score * (size_t)(e->report.n_regions + 1) + (size_t)place];
}

static void count_pixels(drae__eval *e, size_t score, size_t i, const float *map,
                         const uint8_t *mask) {
    int places[2] = {e->place[e->records[i].region], e->report.n_regions};
    for (int k = 0; k < 2; k++) {
        drae__pixels_add(*pixels_of(e, score, places[k]), e->cluster[i], map, mask);
    }
}

static void look_at_mask(drae__eval *e, size_t i, const uint8_t *patch, const uint8_t *mask) {
    e->extent[i] = NAN;
    e->contrast[i] = NAN;
    if (e->masks && e->records[i].label == 1) {
        drae__mask_size size = drae__mask_measure(e->size, patch, mask);
        e->extent[i] = size.area > 0 ? (float)size.extent : NAN;
        e->contrast[i] = size.contrast;
    }
}

static drae_status score_batch(drae__eval *e, size_t first, size_t n, drae__err *err) {
    size_t n_pixels = (size_t)e->size * (size_t)e->size;
    size_t indices[DRAE__EVAL_BATCH];
    drae_status status = DRAE_OK;
    for (size_t i = 0; i < n; i++) {
        indices[i] = first + i;
        e->regions[i] = (uint8_t)e->records[first + i].region;
    }
    DRAE__TRY(drae__dataset_read(e->data, indices, n, e->patches, err));
    if (e->masks) {
        DRAE__TRY(drae__dataset_read_masks(e->data, indices, n, e->masks_read, err));
    }
    status = drae_session_infer(e->session, n, e->patches, e->regions, NULL, NULL);
    if (status != DRAE_OK && status != DRAE_ERROR_NOT_FINITE) {
        (void)drae__fail(err, status, "patches %zu to %zu: %s", first, first + n - 1,
                         drae_session_error(e->session));
        goto done;
    }
    status = DRAE_OK;
    for (size_t i = 0; i < n; i++) {
        size_t at = first + i;
        const uint8_t *patch = e->patches + i * n_pixels;
        const uint8_t *mask = e->masks_read + i * n_pixels;
        int region = e->records[at].region;
        int decides = e->report.decides[region];
        float score = e->batch_scores[i * DRAE_SCORES + (size_t)decides];
        float threshold = e->scores[decides].threshold[region];
        e->reasons[at] = !isfinite(score)    ? DRAE_REASON_NOT_FINITE
                         : isnan(threshold)  ? DRAE_REASON_UNCALIBRATED
                         : score > threshold ? DRAE_REASON_SCORE
                                             : DRAE_REASON_NONE;
        drae__grey_moments(n_pixels, patch, &e->grey[at], &e->spread[at]);
        look_at_mask(e, at, patch, mask);
        for (size_t s = 0; s < e->golden_score; s++) {
            e->values[s][at] = e->batch_scores[i * DRAE_SCORES + s];
            /* A region without maps has no z: nothing to count. */
            if (e->masks && !isnan(e->values[s][at])) {
                const float *map = s == DRAE_SCORE_Z ? e->z : e->residual;
                count_pixels(e, s, at, map + i * n_pixels, mask);
            }
        }
        if (e->golden != NULL) {
            e->values[e->golden_score][at] = drae__template_score(e->golden, region, patch, e->map);
            if (e->masks) {
                count_pixels(e, e->golden_score, at, e->map, mask);
            }
        }
    }
done:
    return status;
}

drae_status drae__eval_score(drae__eval *e, drae__err *err) {
    drae_status status = DRAE_OK;
    size_t n_done = 0;
    drae__progress progress;
    if (e->good != NULL) {
        status = build_template(e, err);
        if (status != DRAE_OK) {
            return status;
        }
    }
    drae__progress_begin(&progress, "patches", e->n, e->o->quiet);
    while (n_done < e->n && status == DRAE_OK) {
        size_t n = e->n - n_done < e->n_batch ? e->n - n_done : e->n_batch;
        if (drae__interrupted) {
            status = interrupted(n_done, e->n, "patches", err);
            break;
        }
        status = score_batch(e, n_done, n, err);
        n_done += n;
        drae__progress_update(&progress, n_done, NULL);
    }
    drae__progress_end(&progress, n_done);
    return status;
}

drae_status drae__eval_heat(drae__eval *e, size_t index, uint8_t *patch, uint8_t *heat,
                            drae__err *err) {
    uint8_t region = (uint8_t)e->records[index].region;
    size_t n_bytes = (size_t)e->size * (size_t)e->size;
    drae_status status = drae__dataset_read(e->data, &index, 1, patch, err);
    if (status != DRAE_OK) {
        return status;
    }
    status = drae_session_set_output(e->session, DRAE_OUTPUT_HEAT_FIXED, heat, n_bytes);
    if (status == DRAE_OK) {
        status = drae_session_infer(e->session, 1, patch, &region, NULL, NULL);
    }
    (void)drae_session_set_output(e->session, DRAE_OUTPUT_HEAT_FIXED, NULL, 0);
    if (status != DRAE_OK && status != DRAE_ERROR_NOT_FINITE) {
        return drae__fail(err, status, "patch %zu: %s", index, drae_session_error(e->session));
    }
    return DRAE_OK;
}
