/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/engine/support.h"

#include "base/arena.h"
#include "base/sha256.h"
#include "kernels/infer_bf16.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* u(path, i) of tests/golden/README.md: what it makes of the path, and of that and i. */
static uint64_t golden_key(const char *path) {
    uint64_t h = 14695981039346656037u;
    for (const char *c = path; *c != '\0'; c++) {
        h = (h ^ (uint8_t)*c) * 1099511628211u;
    }
    return h;
}

static double golden_u(uint64_t key, uint64_t i) {
    uint64_t z = key + (i + 1) * 0x9E3779B97F4A7C15u;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    z = z ^ z >> 31;
    return (double)(z >> 40) * 0x1p-24;
}

static double golden_value(const drae__param *p, double u) {
    switch (p->kind) {
    case DRAE__PARAM_CONV:
    case DRAE__PARAM_CONVT:
    case DRAE__PARAM_LINEAR:
        return (2.0 * u - 1.0) * sqrt(3.0 / (double)p->fan_in);
    case DRAE__PARAM_BIAS:
    case DRAE__PARAM_BETA:
    case DRAE__PARAM_MEAN:
        return (2.0 * u - 1.0) * 0.1;
    case DRAE__PARAM_GAMMA:
        return 0.75 + 0.5 * u;
    case DRAE__PARAM_VAR:
        break;
    }
    return 0.5 + u;
}

void e_model(int width, int latent, int size, float slope, drae__model *model) {
    drae__arch arch = drae__arch_default();
    drae__err err;
    arch.width = width;
    arch.latent = latent;
    arch.size = size;
    arch.slope = slope;
    ck_assert_int_eq(drae__model_create(&arch, 1u << DRAE__NET_GENERATOR, model, &err), DRAE_OK);
    const drae__params *params = &model->params[DRAE__NET_GENERATOR];
    for (size_t t = 0; t < params->n; t++) {
        const drae__param *p = &params->items[t];
        char path[96];
        (void)snprintf(path, sizeof path, "generator/%s", p->path);
        const uint64_t key = golden_key(path);
        for (size_t i = 0; i < p->count; i++) {
            model->data[DRAE__NET_GENERATOR][p->offset + i] =
                (float)golden_value(p, golden_u(key, i));
        }
    }
}

uint8_t *e_images(int n, int size) {
    size_t pixels = (size_t)size * (size_t)size;
    uint8_t *images = malloc((size_t)n * pixels);
    const uint64_t key = golden_key("input/x");
    ck_assert_ptr_nonnull(images);
    for (size_t i = 0; i < (size_t)n * pixels; i++) {
        double s = (double)(i / pixels), r = (double)(i % pixels / (size_t)size);
        double c = (double)(i % (size_t)size);
        double v =
            255.0 * (0.5 + 0.35 * sin(0.37 * r + 0.21 * c + s) + 0.15 * (golden_u(key, i) - 0.5));
        images[i] = (uint8_t)lrint(v);
    }
    return images;
}

void e_maps(drae__model *model, int region) {
    size_t pixels = (size_t)model->arch.size * (size_t)model->arch.size;
    drae__err err;
    float *maps = NULL;
    const uint64_t mean = golden_key("mean"), scale = golden_key("scale");
    ck_assert_int_eq(drae__model_add_maps(model, region, &maps, &err), DRAE_OK);
    for (size_t i = 0; i < pixels; i++) {
        maps[i] = (float)(0.02 * (golden_u(mean, i + (size_t)region) - 0.5));
        maps[pixels + i] = (float)(0.02 + 0.1 * golden_u(scale, i + (size_t)region));
    }
}

/* What an engine is compiled from. */
typedef struct recipe {
    const char *precision; /* one of two string literals */
    int width, size, n_regions;
} recipe;

static e_engine compile(const recipe *of) {
    drae__model model;
    drae__err err = {{0}};
    drae__compile_report report;
    e_engine engine;
    e_model(of->width, 64, of->size, 0.2f, &model);
    model.calibration.n_regions = of->n_regions;
    for (int r = 0; r < of->n_regions; r++) {
        model.calibration.threshold[r] = 0.5f + 0.1f * (float)r;
        model.calibration.anchor[r] = 0.1f + 0.1f * (float)r;
        if (r == 1 || r == 2) {
            e_maps(&model, r);
        }
        if (r == 1) {
            model.calibration.kind[r] = DRAE__SCORE_Z;
            model.calibration.anchor[r] = 20.0f;
        }
    }
    const drae__compile_options options = {
        .device = DRAE_DEVICE_CPU, .precision = of->precision, .batch = 60};
    drae_status status =
        drae__compile(&model, &options, &engine.bytes, &engine.n_bytes, &report, &err);
    ck_assert_msg(status == DRAE_OK, "compile: %s", err.text);
    drae__model_free(&model);
    return engine;
}

/* The file of a recipe, compiled once: most tests want one of a few, and compiling one, sanitized,
 * takes longer than many a test. They are the program's until it ends. */
static const e_engine *compiled(const recipe *of) {
    static struct {
        recipe of;
        e_engine engine;
    } known[16];
    static size_t n_known;
    for (size_t i = 0; i < n_known; i++) {
        const recipe *k = &known[i].of;
        if (strcmp(k->precision, of->precision) == 0 && k->width == of->width &&
            k->size == of->size && k->n_regions == of->n_regions) {
            return &known[i].engine;
        }
    }
    ck_assert_uint_lt(n_known, sizeof known / sizeof known[0]);
    known[n_known].of = *of;
    known[n_known].engine = compile(of);
    return &known[n_known++].engine;
}

static e_engine copy_of(const e_engine *engine) {
    e_engine copy = {.bytes = drae__aligned_alloc(engine->n_bytes), .n_bytes = engine->n_bytes};
    ck_assert_ptr_nonnull(copy.bytes);
    memcpy(copy.bytes, engine->bytes, engine->n_bytes);
    return copy;
}

e_engine e_compile(int width, int size, int n_regions) {
    return copy_of(compiled(&(recipe){"f32", width, size, n_regions}));
}

e_engine e_compile_bf16(int width, int size, int n_regions) {
    return copy_of(compiled(&(recipe){"bf16", width, size, n_regions}));
}

e_engine e_compile_again(int width, int size, int n_regions) {
    return compile(&(recipe){"f32", width, size, n_regions});
}

void e_engine_free(e_engine *engine) {
    free(engine->bytes);
    engine->bytes = NULL;
}

void e_seal(uint8_t *bytes, size_t n_bytes) {
    drae__sha256 hash;
    drae__sha256_init(&hash);
    drae__sha256_update(&hash, bytes, n_bytes - 32);
    drae__sha256_final(&hash, bytes + n_bytes - 32);
}

drae_engine *e_open(const e_engine *engine, const char *kernels) {
    drae_config *config;
    drae_engine *opened = NULL;
    char error[DRAE_ERROR_TEXT_BYTES];
    ck_assert_int_eq(drae_config_create(&config), DRAE_OK);
    ck_assert_int_eq(drae_config_set_text(config, DRAE_OPTION_KERNELS, kernels), DRAE_OK);
    ck_assert_int_eq(drae_config_set_int(config, DRAE_OPTION_THREADS, 2), DRAE_OK);
    drae_status status = drae_engine_open_memory(engine->bytes, engine->n_bytes, config, error,
                                                 sizeof error, &opened);
    ck_assert_msg(status == DRAE_OK, "open with %s: %s", kernels, error);
    ck_assert_str_eq(error, "");
    drae_config_destroy(config);
    return opened;
}

drae_session *e_session(const drae_engine *engine, int threads, int batch) {
    drae_config *config;
    drae_session *session = NULL;
    char error[DRAE_ERROR_TEXT_BYTES];
    ck_assert_int_eq(drae_config_create(&config), DRAE_OK);
    ck_assert_int_eq(drae_config_set_int(config, DRAE_OPTION_THREADS, threads), DRAE_OK);
    ck_assert_int_eq(drae_config_set_int(config, DRAE_OPTION_BATCH, batch), DRAE_OK);
    drae_status status = drae_session_create(engine, config, error, sizeof error, &session);
    ck_assert_msg(status == DRAE_OK, "session: %s", error);
    drae_config_destroy(config);
    return session;
}

const char *e_kernels(size_t i) {
    size_t n, seen = 0;
    const drae__infer_kernels *const *list = drae__infer_kernels_list(&n);
    /* f32 in parts of bf16. */
    if (drae__bf16_kernels_supported(drae__bf16_kernels_find("amx")) && seen++ == i) {
        return "amx";
    }
    for (size_t k = 0; k < n; k++) {
        if (drae__infer_kernels_supported(list[k]) && seen++ == i) {
            return list[k]->name;
        }
    }
    return NULL;
}
