/* SPDX-License-Identifier: Apache-2.0 */
/* Engines compiled in bf16: refused where the error is too large, run by every table alike. */
#include "tests/engine/support.h"

#include "kernels/infer_bf16.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SIZE   32
#define PIXELS (SIZE * SIZE)
#define N      3

typedef struct results {
    float scores[N], all[N * DRAE_SCORES], recon[N * PIXELS];
} results;

static const uint8_t region_of[N] = {0, 1, 2};

static void run(const e_engine *file, const char *kernels, int threads, const uint8_t *images,
                results *r) {
    drae_engine *engine = e_open(file, kernels);
    drae_session *session = e_session(engine, threads, N);
    memset(r, 0, sizeof *r);
    ck_assert_int_eq(drae_session_set_output(session, DRAE_OUTPUT_RECON, r->recon, sizeof r->recon),
                     DRAE_OK);
    ck_assert_int_eq(drae_session_set_output(session, DRAE_OUTPUT_SCORES, r->all, sizeof r->all),
                     DRAE_OK);
    ck_assert_int_eq(drae_session_infer(session, N, images, region_of, r->scores, NULL), DRAE_OK);
    drae_session_destroy(session);
    drae_engine_close(engine);
}

/* Names of what runs bf16 here, the best first: tiles on their unit, pairs, tiles without one. */
static const char *supported(size_t i) {
    size_t n, seen = 0;
    const drae__bf16_kernels *const *list = drae__bf16_kernels_list(&n);
    const drae__infer_kernels *pairs = drae__infer_kernels_in_pairs();
    for (size_t k = 0; k < n; k++) {
        if (drae__bf16_kernels_supported(list[k]) && seen++ == i) {
            return list[k]->name;
        }
        if (k == 0 && pairs != NULL && drae__infer_kernels_supported(pairs) && seen++ == i) {
            return pairs->name;
        }
    }
    return NULL;
}

static bool in_pairs(const char *name) {
    const drae__infer_kernels *pairs = drae__infer_kernels_in_pairs();
    return pairs != NULL && strcmp(name, pairs->name) == 0;
}

static const int widths[] = {8, 16};

/* Scores near those of f32, the same bits for any thread count. Tables differ in what is f32: the
 * dense layers, whose last bits may move an activation to the next bf16, which moves others. */
START_TEST(every_table) {
    e_engine file = e_compile_bf16(widths[_i], SIZE, 3), exact = e_compile(widths[_i], SIZE, 3);
    uint8_t *images = e_images(N, SIZE);
    results *f32 = malloc(sizeof *f32), *one = malloc(sizeof *one), *other = malloc(sizeof *other);
    run(&exact, "portable", 1, images, f32);
    const bool thin = E_BEST_TABLE_ALONE && widths[_i] > 8;
    for (size_t k = 0; supported(k) != NULL && !(thin && k > 0); k++) {
        const char *name = supported(k);
        run(&file, name, 1, images, one);
        run(&file, name, 2, images, other);
        ck_assert_msg(memcmp(one, other, sizeof *one) == 0, "%s: 2 threads differ from 1", name);
        bool differs = false;
        for (size_t i = 0; i < (size_t)N * PIXELS; i++) {
            float d = fabsf(one->recon[i] - f32->recon[i]);
            ck_assert_msg(d <= 0.1f, "%s: pixel %zu is %g, in f32 %g", name, i,
                          (double)one->recon[i], (double)f32->recon[i]);
            differs = differs || d > 0.0f;
        }
        ck_assert_msg(differs, "%s computes in f32", name);
        for (size_t p = 0; p < N; p++) {
            float phi = one->all[DRAE_SCORES * p + DRAE_SCORE_PHI];
            float phi_f32 = f32->all[DRAE_SCORES * p + DRAE_SCORE_PHI];
            ck_assert_msg(fabsf(phi - phi_f32) <= DRAE__SCORE_BOUND_BF16,
                          "%s: phi %zu is %g, in f32 %g", name, p, (double)phi, (double)phi_f32);
        }
    }
    free(f32);
    free(one);
    free(other);
    free(images);
    e_engine_free(&file);
    e_engine_free(&exact);
}
END_TEST

START_TEST(says_what_it_is) {
    e_engine file = e_compile_bf16(8, SIZE, 0);
    for (size_t k = 0; supported(k) != NULL; k++) {
        drae_engine *engine = e_open(&file, supported(k));
        const char *precision = "", *kernels = "", *plan = "";
        char layer[32];
        ck_assert_int_eq(drae_engine_get_text(engine, DRAE_ENGINE_PRECISION, &precision), DRAE_OK);
        ck_assert_int_eq(drae_engine_get_text(engine, DRAE_ENGINE_KERNELS, &kernels), DRAE_OK);
        ck_assert_int_eq(drae_engine_get_text(engine, DRAE_ENGINE_PLAN, &plan), DRAE_OK);
        ck_assert_str_eq(precision, "bf16");
        ck_assert_str_eq(kernels, supported(k));
        (void)snprintf(layer, sizeof layer, in_pairs(supported(k)) ? " %s-" : " bf16-%s-",
                       supported(k));
        ck_assert_ptr_nonnull(strstr(plan, layer));
        drae_engine_close(engine);
    }
    e_engine_free(&file);
}
END_TEST

static drae_status open_as(const e_engine *file, const char *kernels, int device) {
    drae_config *config;
    drae_engine *engine = NULL;
    ck_assert_int_eq(drae_config_create(&config), DRAE_OK);
    ck_assert_int_eq(drae_config_set_text(config, DRAE_OPTION_KERNELS, kernels), DRAE_OK);
    ck_assert_int_eq(drae_config_set_int(config, DRAE_OPTION_DEVICE, device), DRAE_OK);
    drae_status status =
        drae_engine_open_memory(file->bytes, file->n_bytes, config, NULL, 0, &engine);
    drae_config_destroy(config);
    drae_engine_close(engine);
    return status;
}

START_TEST(no_silent_fallback) {
    e_engine file = e_compile_bf16(8, SIZE, 0), exact = e_compile(8, SIZE, 0);
    ck_assert_int_eq(open_as(&file, "auto", DRAE_DEVICE_CPU), DRAE_OK);
    ck_assert_int_eq(open_as(&file, "auto", DRAE_DEVICE_CUDA), DRAE_ERROR_DEVICE);
    bool amx = drae__bf16_kernels_supported(drae__bf16_kernels_find("amx"));
    ck_assert_int_eq(open_as(&exact, "amx", DRAE_DEVICE_CPU), amx ? DRAE_OK : DRAE_ERROR_DEVICE);
    ck_assert_int_eq(open_as(&exact, "avx512bf16", DRAE_DEVICE_CPU), DRAE_ERROR_DEVICE);
    e_engine_free(&file);
    e_engine_free(&exact);
}
END_TEST

static drae_status compile(const drae__model *model, const char *precision,
                           drae__compile_report *report) {
    const drae__compile_options options = {
        .device = DRAE_DEVICE_CPU, .precision = precision, .batch = 1};
    drae__err err = {{0}};
    uint8_t *bytes = NULL;
    size_t n_bytes;
    drae_status status = drae__compile(model, &options, &bytes, &n_bytes, report, &err);
    ck_assert((bytes != NULL) == (status == DRAE_OK));
    if (status == DRAE_ERROR_PARITY) {
        ck_assert_ptr_nonnull(strstr(err.text, "bound"));
    }
    free(bytes);
    return status;
}

/* A last layer that magnifies what reaches it a thousandfold is right in f32 and not in bf16. */
START_TEST(refused_past_the_bound) {
    drae__model model;
    drae__compile_report report;
    e_model(8, 64, 48, 0.2f, &model);
    ck_assert_int_eq(compile(&model, "bf16", &report), DRAE_OK);
    ck_assert(report.error_max > 0.0 && report.error_max <= report.bound);
    ck_assert(report.bound == (double)DRAE__SCORE_BOUND_BF16);
    const drae__params *params = &model.params[DRAE__NET_GENERATOR];
    const drae__param *out = drae__params_find2(params, "decoder/out", "weight");
    ck_assert_ptr_nonnull(out);
    for (size_t i = 0; i < out->count; i++) {
        model.data[DRAE__NET_GENERATOR][out->offset + i] *= 1000.0f;
    }
    ck_assert_int_eq(compile(&model, "f32", &report), DRAE_OK);
    ck_assert_int_eq(compile(&model, "bf16", &report), DRAE_ERROR_PARITY);
    drae__model_free(&model);
}
END_TEST

Suite *suite_bf16(void) {
    Suite *suite = suite_create("bf16");
    TCase *tc = tcase_create("bf16");
    tcase_set_timeout(tc, 120);
    tcase_add_loop_test(tc, every_table, 0, (int)(sizeof widths / sizeof widths[0]));
    tcase_add_test(tc, says_what_it_is);
    tcase_add_test(tc, no_silent_fallback);
    tcase_add_test(tc, refused_past_the_bound);
    suite_add_tcase(suite, tc);
    return suite;
}
