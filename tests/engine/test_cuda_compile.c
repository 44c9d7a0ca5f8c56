/* SPDX-License-Identifier: Apache-2.0 */
/* Engines for cuda, compiled where there is no device: bytes, gate, refusals, what a file may say.
 */
#include "tests/engine/support.h"

#include "base/arena.h"
#include "engine/cuda_card.h"
#include "engine/cuda_table.h"
#include "kernels/f16.h"
#include "kernels/matched.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SIZE    32
#define ARCH_AT (256 + 262) /* docs/engine-file.md */

static drae_status compile(const drae__model *model, const drae__compile_options *options,
                           e_engine *engine, drae__compile_report *report, drae__err *err) {
    uint8_t *bytes = NULL;
    drae_status status = drae__compile(model, options, &bytes, &engine->n_bytes, report, err);
    engine->bytes = NULL;
    if (status == DRAE_OK) {
        engine->bytes = drae__aligned_alloc(engine->n_bytes);
        ck_assert_ptr_nonnull(engine->bytes);
        memcpy(engine->bytes, bytes, engine->n_bytes);
    }
    free(bytes);
    return status;
}

/* Width 16 with two regions, region 1 decided by z. */
static void make_model(drae__model *model) {
    e_model(16, 64, SIZE, 0.2f, model);
    model->calibration.n_regions = 2;
    model->calibration.threshold[0] = model->calibration.threshold[1] = 0.5f;
    model->calibration.anchor[0] = model->calibration.anchor[1] = 0.1f;
    model->calibration.kind[1] = DRAE__SCORE_Z;
    e_maps(model, 1);
}

START_TEST(same_bytes_without_a_device) {
    drae__model model;
    drae__err err = {{0}};
    drae__compile_report report;
    drae__engine_data data;
    e_engine engine, again;
    make_model(&model);
    const drae__compile_options options = {.device = DRAE_DEVICE_CUDA, .batch = 60};
    ck_assert_msg(compile(&model, &options, &engine, &report, &err) == DRAE_OK, "%s", err.text);
    ck_assert_int_eq(compile(&model, &options, &again, &report, &err), DRAE_OK);
    ck_assert_uint_eq(engine.n_bytes, again.n_bytes);
    ck_assert_mem_eq(engine.bytes, again.bytes, engine.n_bytes);

    ck_assert(report.emulated);
    ck_assert(report.error_max > 1e-7 && report.error_max <= 2e-3);
    ck_assert(report.error_z > 0.0 && report.error_z <= 2e-2);
    ck_assert_int_eq(drae__engine_file_decode(engine.bytes, engine.n_bytes, &data, NULL, &err),
                     DRAE_OK);
    ck_assert_int_eq(data.device, DRAE_DEVICE_CUDA);
    ck_assert(!data.verified);
    ck_assert_int_eq(data.cuda.arch, 86);
    ck_assert_int_ge(drae__cuda_variant_rows((drae__cuda_variant)data.cuda.of[2]), 1);
    ck_assert(data.test_bound == 2e-3f);

    /* The same scores are recorded as in an engine for the cpu: one reference. */
    const drae__compile_options cpu = {.device = DRAE_DEVICE_CPU, .batch = 60};
    drae__engine_data of_cpu;
    e_engine_free(&again);
    ck_assert_int_eq(compile(&model, &cpu, &again, &report, &err), DRAE_OK);
    ck_assert(!report.emulated);
    ck_assert_int_eq(drae__engine_file_decode(again.bytes, again.n_bytes, &of_cpu, NULL, &err),
                     DRAE_OK);
    ck_assert(of_cpu.verified && of_cpu.cuda.arch == 0);
    ck_assert_mem_eq(of_cpu.test_scores, data.test_scores, 8 * sizeof(float));
    e_engine_free(&engine);
    e_engine_free(&again);
    drae__model_free(&model);
}
END_TEST

/* Another architecture is other bytes; choices that were given are the ones in the file. */
START_TEST(architectures_and_choices) {
    static const int archs[] = {80, 86, 89, 90};
    drae__model model;
    drae__err err = {{0}};
    drae__compile_report report;
    drae__engine_data data;
    e_engine engine;
    make_model(&model);
    drae__compile_options options = {.device = DRAE_DEVICE_CUDA, .precision = "f16", .batch = 3};
    for (size_t i = 0; i < 4; i++) {
        options.arch = archs[i];
        ck_assert_int_eq(compile(&model, &options, &engine, &report, &err), DRAE_OK);
        ck_assert_int_eq(drae__engine_file_decode(engine.bytes, engine.n_bytes, &data, NULL, &err),
                         DRAE_OK);
        ck_assert_int_eq(data.cuda.arch, archs[i]);
        drae__cuda_choices choices = data.cuda;
        e_engine_free(&engine);
        choices.of[2] =
            choices.of[2] == DRAE__CUDA_BLOCK_R1 ? DRAE__CUDA_BLOCK_R2 : DRAE__CUDA_BLOCK_R1;
        options.choices = &choices;
        ck_assert_int_eq(compile(&model, &options, &engine, &report, &err), DRAE_OK);
        ck_assert_int_eq(drae__engine_file_decode(engine.bytes, engine.n_bytes, &data, NULL, &err),
                         DRAE_OK);
        ck_assert_mem_eq(data.cuda.of, choices.of, sizeof choices.of);
        e_engine_free(&engine);
        options.choices = NULL;
    }
    drae__cuda_choices wrong = data.cuda;
    options.choices = &wrong;
    options.arch = 80;
    ck_assert_int_eq(compile(&model, &options, &engine, &report, &err), DRAE_ERROR_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(err.text, "sm_90"));
    options.arch = 90;
    wrong.of[20] = DRAE__CUDA_BLOCK_R2; /* a block of 128 channels */
    wrong.of[19] = DRAE__CUDA_NONE;
    ck_assert_int_eq(compile(&model, &options, &engine, &report, &err), DRAE_ERROR_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(err.text, "encoder/stage3/A/conv1"));
    drae__model_free(&model);
}
END_TEST

static drae_status refused(drae__model *model, const char *precision, int arch, drae__err *err) {
    drae__compile_report report;
    e_engine engine;
    const drae__compile_options options = {
        .device = DRAE_DEVICE_CUDA, .precision = precision, .arch = arch, .batch = 1};
    drae_status status = compile(model, &options, &engine, &report, err);
    ck_assert_ptr_null(engine.bytes);
    return status;
}

START_TEST(refusals) {
    drae__model model;
    drae__err err = {{0}};
    make_model(&model);
    ck_assert_int_eq(refused(&model, "bf16", 0, &err), DRAE_ERROR_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(err.text, "f16 alone"));
    ck_assert_int_eq(refused(&model, "f32", 0, &err), DRAE_ERROR_UNSUPPORTED);
    ck_assert_int_eq(refused(&model, NULL, 75, &err), DRAE_ERROR_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(err.text, "sm_75"));
    /* What a block keeps on the chip leaves the range of f16: infinite there, and no score. */
    float *gamma = drae__model_tensor(&model, DRAE__NET_GENERATOR, "decoder/stage1/B/bn2/gamma");
    float kept = gamma[3];
    gamma[3] = 1e6f;
    ck_assert_int_eq(refused(&model, NULL, 0, &err), DRAE_ERROR_PARITY);
    ck_assert_ptr_nonnull(strstr(err.text, "emulated f16"));
    gamma[3] = kept;
    drae__model_tensor(&model, DRAE__NET_GENERATOR, "encoder/stage2/A/proj/weight")[7] = 7e4f;
    ck_assert_int_eq(refused(&model, NULL, 0, &err), DRAE_ERROR_NOT_FINITE);
    ck_assert_ptr_nonnull(strstr(err.text, "encoder/stage2/A/proj/weight"));
    /* A score that the device does not compute. */
    drae__model_free(&model);
    make_model(&model);
    model.calibration.kind[1] = DRAE__SCORE_KINDS;
    ck_assert_int_eq(refused(&model, NULL, 0, &err), DRAE_ERROR_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(err.text, "region 1 is decided by score"));
    drae__model_free(&model);
}
END_TEST

/* A region scored by matched filters: the gate measures that score, not z of points. */
START_TEST(matched_filters) {
    drae__model model;
    drae__err err = {{0}};
    drae__compile_report report[2];
    e_engine engine;
    make_model(&model);
    const drae__compile_options options = {.device = DRAE_DEVICE_CUDA, .batch = 4};
    for (int i = 0; i < 2; i++) {
        float *scales = i == 1 ? drae__model_add_filters(&model, 1) : NULL;
        for (size_t k = 0; scales != NULL && k < drae__m_scales(SIZE); k++) {
            scales[k] = 0.25f;
        }
        ck_assert_msg(compile(&model, &options, &engine, &report[i], &err) == DRAE_OK, "%s",
                      err.text);
        ck_assert(report[i].error_z > 0.0 && report[i].error_z <= 2e-2);
        e_engine_free(&engine);
    }
    ck_assert(report[0].error_z != report[1].error_z);
    ck_assert(report[0].error_max == report[1].error_max);
    drae__model_free(&model);
}
END_TEST

/* A head: the gate measures it too, its weights and maps rounded as the device rounds them. What
 * leaves f16 is refused by region. */
START_TEST(heads) {
    drae__model model;
    drae__err err = {{0}};
    drae__compile_report report[2];
    e_engine engine;
    e_model(8, 64, DRAE__H_LEAST, 0.2f, &model);
    model.calibration.n_regions = 1;
    model.calibration.threshold[0] = 0.5f;
    model.calibration.anchor[0] = 0.1f;
    model.calibration.kind[0] = DRAE__SCORE_Z;
    e_maps(&model, 0);
    float *scales = drae__model_add_filters(&model, 0), *head = NULL;
    for (size_t k = 0; k < drae__m_scales(DRAE__H_LEAST); k++) {
        scales[k] = 0.25f;
    }
    const drae__compile_options options = {.device = DRAE_DEVICE_CUDA, .batch = 4};
    for (int i = 0; i < 2; i++) {
        head = i == 1 ? drae__model_add_head(&model, 0) : NULL;
        for (int k = 0; head != NULL && k < DRAE__H_WEIGHTS; k++) {
            head[k] = 0.04f * sinf(0.7f * (float)k);
        }
        ck_assert_msg(compile(&model, &options, &engine, &report[i], &err) == DRAE_OK, "%s",
                      err.text);
        ck_assert(report[i].emulated);
        ck_assert(report[i].error_z > 0.0 && report[i].error_z <= 2e-2);
        e_engine_free(&engine);
    }
    ck_assert(report[0].error_z != report[1].error_z);
    ck_assert(report[0].error_max == report[1].error_max);
    /* Maps around an offset, which the last layer takes back: f16 alone loses what they say. */
    float kept[DRAE__H_WEIGHTS];
    memcpy(kept, head, sizeof kept);
    for (int c = 0; c < DRAE__H_PLANES; c++) {
        head[DRAE__H_PLANES * DRAE__H_PLANES * 9 + c] += 2000.0f;
    }
    memset(head + DRAE__H_LAYER, 0, (size_t)(DRAE__H_LAYERS - 1) * DRAE__H_LAYER * sizeof *head);
    float *last = head + (ptrdiff_t)DRAE__H_LAYERS * DRAE__H_LAYER;
    for (int c = 0; c < DRAE__H_PLANES; c++) {
        last[c] = c % 2 == 0 ? 1.0f : -1.0f;
    }
    ck_assert_int_eq(refused(&model, NULL, 0, &err), DRAE_ERROR_PARITY);
    ck_assert_ptr_nonnull(strstr(err.text, "z with emulated f16"));
    memcpy(head, kept, sizeof kept);
    head[100] = 7e4f;
    ck_assert_int_eq(refused(&model, NULL, 0, &err), DRAE_ERROR_NOT_FINITE);
    ck_assert_ptr_nonnull(strstr(err.text, "region 0: weight 100 of the head"));
    drae__model_free(&model);
}
END_TEST

/* Features of the last layer around an offset, which its bias takes back: f32 hardly notices, f16
 * loses a bit with every doubling, until the gate refuses what it passed before. */
START_TEST(gate_at_its_bound) {
    drae__model model;
    drae__err err = {{0}};
    drae__compile_report report;
    make_model(&model);
    const drae__compile_options options = {.device = DRAE_DEVICE_CUDA, .batch = 1};
    const float *out = drae__model_tensor(&model, DRAE__NET_GENERATOR, "decoder/out/weight");
    float *beta = drae__model_tensor(&model, DRAE__NET_GENERATOR, "decoder/out/bn/beta");
    float *bias = drae__model_tensor(&model, DRAE__NET_GENERATOR, "decoder/out/bias");
    int passed = 0, stopped = 0;
    for (float offset = 0.25f; offset <= 256.0f; offset *= 4.0f) {
        e_engine engine;
        for (int c = 0; c < 16; c++) {
            beta[c] += offset;
            for (int k = 0; k < 9; k++) {
                bias[0] -= offset * out[9 * c + k];
            }
        }
        drae_status status = compile(&model, &options, &engine, &report, &err);
        ck_assert_msg(status == DRAE_OK || status == DRAE_ERROR_PARITY, "%s", err.text);
        ck_assert(status != DRAE_OK || report.error_max <= 2e-3);
        passed += status == DRAE_OK && stopped == 0;
        stopped += status == DRAE_ERROR_PARITY;
        e_engine_free(&engine);
    }
    ck_assert_msg(passed > 0 && stopped > 0, "passed %d times, refused %d", passed, stopped);
    drae__model_free(&model);
}
END_TEST

START_TEST(no_card_to_measure) {
    if (drae__backend_find(DRAE_DEVICE_CUDA) != NULL) {
        return; /* tests/cuda has such builds */
    }
    drae__model model;
    drae__err err = {{0}};
    drae__cuda_tuned tuned;
    drae__plan *plan = malloc(sizeof *plan);
    make_model(&model);
    ck_assert_int_eq(drae__plan_create(&model.arch, &model.params[DRAE__NET_GENERATOR], plan, &err),
                     DRAE_OK);
    const drae__compile_options options = {.device = DRAE_DEVICE_CUDA, .batch = 1};
    ck_assert_int_eq(drae__compile_tune(&model, &options, plan, &tuned, &err), DRAE_ERROR_DEVICE);
    ck_assert_ptr_nonnull(strstr(err.text, "not in this build"));
    ck_assert_ptr_null(strchr(err.text, '\n'));
    free(plan);
    drae__model_free(&model);
}
END_TEST

static void says(e_engine *engine, size_t at, uint8_t value, const char *what) {
    drae__engine_data data;
    drae__err err = {{0}};
    uint8_t kept = engine->bytes[at];
    engine->bytes[at] = value;
    e_seal(engine->bytes, engine->n_bytes);
    ck_assert_int_eq(drae__engine_file_decode(engine->bytes, engine->n_bytes, &data, NULL, &err),
                     DRAE_ERROR_FILE);
    ck_assert_msg(strstr(err.text, what) != NULL, "\"%s\" lacks \"%s\"", err.text, what);
    engine->bytes[at] = kept;
    e_seal(engine->bytes, engine->n_bytes);
}

START_TEST(hostile_kernels) {
    drae__model model;
    drae__err err = {{0}};
    drae__compile_report report;
    e_engine engine;
    make_model(&model);
    const drae__compile_options options = {.device = DRAE_DEVICE_CUDA, .batch = 1};
    ck_assert_int_eq(compile(&model, &options, &engine, &report, &err), DRAE_OK);
    ck_assert_uint_eq(engine.bytes[ARCH_AT], 86);
    says(&engine, ARCH_AT, 87, "sm_87");
    says(&engine, ARCH_AT, 0, "sm_0");
    says(&engine, ARCH_AT + 4 + 2, DRAE__CUDA_VARIANTS, "kernel of an operation");
    e_engine_free(&engine);
    engine = e_compile(8, SIZE, 0);
    says(&engine, ARCH_AT, 86, "an engine for the cpu");
    says(&engine, ARCH_AT + 4, 1, "an engine for the cpu");
    e_engine_free(&engine);
    drae__model_free(&model);
}
END_TEST

/* Rounding is that of the packing code, for every f16, its neighbours and the middles between. */
START_TEST(rounding_to_f16) {
    for (uint32_t h = 0; h < 0x7C00; h++) {
        float at = drae__f16_value((uint16_t)h), next = drae__f16_value((uint16_t)(h + 1));
        next = isinf(next) ? 65536.0f : next;
        float middle = at + (next - at) / 2.0f;
        const float v[] = {at, middle, nextafterf(middle, 0.0f), nextafterf(middle, 1e9f),
                           nextafterf(at, 1e9f)};
        for (size_t i = 0; i < sizeof v / sizeof v[0]; i++) {
            for (int sign = 0; sign < 2; sign++) {
                float x = sign ? -v[i] : v[i], got = x;
                drae__f16_round(1, &got);
                float expected = drae__f16_value(drae__f16_of(x));
                ck_assert_msg(memcmp(&got, &expected, sizeof got) == 0, "%a is %a, expected %a",
                              (double)x, (double)got, (double)expected);
            }
        }
    }
    float rest[] = {65519.9f, 65520.0f, 1e30f, INFINITY, NAN};
    drae__f16_round(5, rest);
    ck_assert(rest[0] == 65504.0f && isinf(rest[1]) && isinf(rest[2]) && isinf(rest[3]));
    ck_assert(isnan(rest[4]));
}
END_TEST

Suite *suite_cuda_compile(void) {
    Suite *suite = suite_create("cuda compile");
    TCase *tc = tcase_create("cuda compile");
    tcase_add_test(tc, same_bytes_without_a_device);
    tcase_add_test(tc, architectures_and_choices);
    tcase_add_test(tc, refusals);
    tcase_add_test(tc, matched_filters);
    tcase_add_test(tc, heads);
    tcase_add_test(tc, gate_at_its_bound);
    tcase_add_test(tc, no_card_to_measure);
    tcase_add_test(tc, hostile_kernels);
    tcase_add_test(tc, rounding_to_f16);
    suite_add_tcase(suite, tc);
    return suite;
}
