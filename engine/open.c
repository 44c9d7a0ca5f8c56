/* SPDX-License-Identifier: Apache-2.0 */
/* Loading an engine: check, plan, pack, self-test. */
#include "engine/engine.h"

#include "base/arena.h"
#include "base/sha256.h"

#include <math.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int drae__engine_processors(void) {
    cpu_set_t set;
    int n = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
    return n > 0 ? n : 1;
}

drae_status drae__engine_score(const drae__backend *backend, const void *state, int threads,
                               const drae__engine_data *data, float *scores, drae__err *err) {
    void *session = NULL;
    size_t n = (size_t)data->n_tests;
    uint8_t regions[DRAE__ENGINE_TESTS_MAX];
    float *z = scores + n;
    for (int i = 0; i < data->n_tests; i++) {
        regions[i] = (uint8_t)drae__engine_test_region(&data->calibration, i);
    }
    drae_status status = backend->session_create(state, threads, n, &session, err);
    if (status == DRAE_OK) {
        const drae__infer_request request = {
            .n = n, .patches = data->test_patches, .regions = regions, .phi = scores, .z = z};
        status = backend->infer(session, &request, err);
        for (size_t i = 0; status == DRAE_OK && i < n; i++) {
            z[i] = data->calibration.maps[regions[i]] != NULL ? z[i] : 0.0f;
        }
    }
    backend->session_destroy(session);
    return status;
}

/* A device that computes otherwise than the engine was verified is refused. */
static drae_status self_test(const drae_engine *engine, const drae__engine_data *data, int threads,
                             drae__err *err) {
    float scores[2 * DRAE__ENGINE_TESTS_MAX];
    size_t n = (size_t)data->n_tests;
    threads = threads < data->n_tests ? threads : data->n_tests;
    drae_status status =
        drae__engine_score(engine->backend, engine->state, threads, data, scores, err);
    for (size_t i = 0; status == DRAE_OK && i < 2 * n; i++) {
        float recorded = data->test_scores[i];
        float bound = i < n ? data->test_bound : data->test_bound_z * (1.0f + recorded);
        if (!(fabsf(scores[i] - recorded) <= bound)) {
            status = drae__fail(err, DRAE_ERROR_PARITY,
                                "self-test patch %zu: %s is %.9g with %s kernels, %.9g +- %.3g is "
                                "recorded: this device must not be used with this engine",
                                i % n, i < n ? "phi" : "z", (double)scores[i],
                                engine->backend->kernels(engine->state), (double)recorded,
                                (double)bound);
        }
    }
    return status;
}

static drae_status make_plan_text(drae_engine *engine, drae__err *err) {
    size_t n_bytes = engine->backend->print(engine->state, NULL, 0);
    engine->plan_text = malloc(n_bytes);
    if (engine->plan_text == NULL) {
        return drae__fail(err, DRAE_ERROR_MEMORY, "no memory for the plan");
    }
    (void)engine->backend->print(engine->state, engine->plan_text, n_bytes);
    return DRAE_OK;
}

static void fill_calibration(drae_engine *engine) {
    const drae__calibration *c = &engine->data.calibration;
    for (int r = 0; r < DRAE__REGIONS_MAX; r++) {
        bool known = r < c->n_regions;
        engine->threshold[r] = known ? c->threshold[r] : NAN;
        engine->anchor[r] = known && !isnan(c->anchor[r]) ? c->anchor[r] : DRAE__ANCHOR_DEFAULT;
        engine->n_maps += known && c->maps[r] != NULL;
    }
}

static drae_status choose_backend(drae_engine *engine, const drae_config *config, drae__err *err) {
    drae_device device = (drae_device)config->device;
    if (device == DRAE_DEVICE_FILE) {
        device = engine->data.device;
    }
    engine->backend = drae__backend_find(device);
    if (engine->backend == NULL) {
        return drae__fail(err, DRAE_ERROR_DEVICE,
                          "device %s is not built into this library: use one that is, or compile "
                          "the model for the cpu",
                          device == DRAE_DEVICE_CUDA ? "cuda" : "unknown");
    }
    if (engine->data.precision == DRAE__PRECISION_BF16 && device != DRAE_DEVICE_CPU) {
        return drae__fail(err, DRAE_ERROR_DEVICE,
                          "compiled for the cpu in bf16, which device %s does not compute: compile "
                          "the model for it",
                          engine->backend->name);
    }
    return DRAE_OK;
}

drae_status drae__engine_open_bytes(const uint8_t *bytes, size_t n_bytes, const drae_config *config,
                                    drae_engine **engine, drae__err *err) {
    drae_status status = DRAE_OK;
    uint8_t digest[32];
    drae_engine *e = calloc(1, sizeof *e);
    if (e == NULL) {
        return drae__fail(err, DRAE_ERROR_MEMORY, "no memory for the engine");
    }
    config = config == NULL ? &drae__config_default : config;
    DRAE__TRY(drae__engine_file_decode(bytes, n_bytes, &e->data, digest, err));
    drae__sha256_hex(digest, e->sha256);
    e->file_bytes = n_bytes;
    DRAE__TRY(choose_backend(e, config, err));
    DRAE__TRY(drae__params_create(&e->data.arch, DRAE__NET_GENERATOR, &e->params, err));
    DRAE__TRY(drae__plan_create(&e->data.arch, &e->params, &e->plan, err));
    DRAE__TRY(e->backend->create(&e->data, &e->plan, config->kernels, &e->state, err));
    DRAE__TRY(make_plan_text(e, err));
    fill_calibration(e);
    int threads = config->threads == 0 ? drae__engine_processors() : (int)config->threads;
    DRAE__TRY(self_test(e, &e->data, threads, err));
    e->data.weights = NULL;
    e->data.test_patches = NULL;
    e->data.test_scores = NULL;
    memset(e->data.calibration.maps, 0, sizeof e->data.calibration.maps);
    memset(e->data.calibration.filters, 0, sizeof e->data.calibration.filters);
    memset(e->data.calibration.head, 0, sizeof e->data.calibration.head);
    *engine = e;
    e = NULL;
done:
    drae_engine_close(e);
    return status;
}

static void copy_error(const drae__err *err, drae_status status, char *error, size_t error_bytes) {
    if (error != NULL && error_bytes > 0) {
        (void)snprintf(error, error_bytes, "%s", status == DRAE_OK ? "" : err->text);
    }
}

drae_status drae_engine_open(const char *path, const drae_config *config, char *error,
                             size_t error_bytes, drae_engine **engine) {
    drae__err err = {{0}};
    drae__engine_bytes file = {0};
    drae_status status;
    if (path == NULL || engine == NULL) {
        status = drae__fail(&err, DRAE_ERROR_ARGUMENT, "drae_engine_open: path or engine is NULL");
    } else {
        status = drae__engine_bytes_open(path, &file, &err);
        if (status == DRAE_OK) {
            status = drae__engine_open_bytes(file.bytes, file.n_bytes, config, engine, &err);
            if (status != DRAE_OK) {
                (void)drae__err_prefix(&err, status, "%s", path);
            }
        }
    }
    drae__engine_bytes_release(&file);
    copy_error(&err, status, error, error_bytes);
    return status;
}

drae_status drae_engine_open_memory(const void *data, size_t n_bytes, const drae_config *config,
                                    char *error, size_t error_bytes, drae_engine **engine) {
    drae__err err = {{0}};
    drae_status status;
    uint8_t *copy = NULL;
    if (data == NULL || engine == NULL) {
        status = drae__fail(&err, DRAE_ERROR_ARGUMENT,
                            "drae_engine_open_memory: data or engine is NULL");
    } else {
        copy = drae__aligned_alloc(n_bytes);
        if (copy == NULL) {
            status = drae__fail(&err, DRAE_ERROR_MEMORY, "no memory for %zu bytes", n_bytes);
        } else {
            memcpy(copy, data, n_bytes);
            status = drae__engine_open_bytes(copy, n_bytes, config, engine, &err);
        }
    }
    free(copy);
    copy_error(&err, status, error, error_bytes);
    return status;
}

void drae_engine_close(drae_engine *engine) {
    if (engine == NULL) {
        return;
    }
    if (engine->state != NULL) {
        engine->backend->destroy(engine->state);
    }
    drae__params_free(&engine->params);
    free(engine->plan_text);
    free(engine);
}
