/* SPDX-License-Identifier: Apache-2.0 */
/* The rules of the public interface: NULLs, bounds, counts, errors. */
#include "tests/engine/support.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SIZE 32

START_TEST(versions) {
    ck_assert_int_eq(drae_version(), DRAE_VERSION_NUMBER);
    ck_assert_int_eq(drae_version_check(DRAE_VERSION_NUMBER), DRAE_OK);
    ck_assert_int_eq(drae_version_check(DRAE_VERSION_NUMBER + 1), DRAE_ERROR_UNSUPPORTED);
    ck_assert_int_eq(drae_version_check(DRAE_VERSION_NUMBER + 100), DRAE_ERROR_UNSUPPORTED);
    ck_assert_int_eq(drae_version_check(DRAE_VERSION_NUMBER + 10000), DRAE_ERROR_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(drae_build_info(), "portable"));
}
END_TEST

START_TEST(options_by_id) {
    static const drae_option ints[] = {DRAE_OPTION_THREADS, DRAE_OPTION_BATCH, DRAE_OPTION_DEVICE};
    drae_config *config = NULL;
    ck_assert_int_eq(drae_config_create(NULL), DRAE_ERROR_ARGUMENT);
    ck_assert_int_eq(drae_config_create(&config), DRAE_OK);
    for (size_t i = 0; i < sizeof ints / sizeof ints[0]; i++) {
        int64_t least, greatest, initial;
        ck_assert_int_eq(drae_option_bounds(ints[i], &least, &greatest, &initial), DRAE_OK);
        ck_assert_int_eq(drae_option_bounds(ints[i], NULL, NULL, NULL), DRAE_OK);
        ck_assert(least <= initial && initial <= greatest);
        ck_assert_int_eq(drae_config_set_int(config, ints[i], least), DRAE_OK);
        ck_assert_int_eq(drae_config_set_int(config, ints[i], greatest), DRAE_OK);
        ck_assert_int_eq(drae_config_set_int(config, ints[i], least - 1), DRAE_ERROR_ARGUMENT);
        ck_assert_int_eq(drae_config_set_int(config, ints[i], greatest + 1), DRAE_ERROR_ARGUMENT);
        ck_assert_int_eq(drae_config_set_int(NULL, ints[i], least), DRAE_ERROR_ARGUMENT);
        ck_assert_int_eq(drae_config_set_text(config, ints[i], "1"), DRAE_ERROR_ARGUMENT);
    }
    ck_assert_int_eq(drae_option_bounds(DRAE_OPTION_KERNELS, NULL, NULL, NULL),
                     DRAE_ERROR_ARGUMENT);
    ck_assert_int_eq(drae_option_bounds((drae_option)99, NULL, NULL, NULL), DRAE_ERROR_ARGUMENT);
    ck_assert_int_eq(drae_config_set_text(config, DRAE_OPTION_KERNELS, "portable"), DRAE_OK);
    ck_assert_int_eq(drae_config_set_text(config, DRAE_OPTION_KERNELS, "mmx"), DRAE_ERROR_ARGUMENT);
    ck_assert_int_eq(drae_config_set_text(config, DRAE_OPTION_KERNELS, NULL), DRAE_ERROR_ARGUMENT);
    ck_assert_int_eq(drae_config_set_text(NULL, DRAE_OPTION_KERNELS, "auto"), DRAE_ERROR_ARGUMENT);
    drae_config_destroy(config);
    drae_config_destroy(NULL);
}
END_TEST

START_TEST(nulls) {
    e_engine file = e_compile(8, SIZE, 2);
    char error[DRAE_ERROR_TEXT_BYTES];
    drae_engine *engine = NULL;
    drae_session *session = NULL;
    int64_t number;
    const char *text;
    float value;
    size_t n_bytes;
    ck_assert_int_eq(drae_engine_open(NULL, NULL, error, sizeof error, &engine),
                     DRAE_ERROR_ARGUMENT);
    ck_assert_str_ne(error, "");
    ck_assert_int_eq(drae_engine_open("x", NULL, NULL, 0, NULL), DRAE_ERROR_ARGUMENT);
    ck_assert_int_eq(drae_engine_open_memory(NULL, 1, NULL, NULL, 0, &engine), DRAE_ERROR_ARGUMENT);
    ck_assert_ptr_null(engine);
    ck_assert_int_eq(drae_session_create(NULL, NULL, error, sizeof error, &session),
                     DRAE_ERROR_ARGUMENT);
    ck_assert_ptr_null(session);
    engine = e_open(&file, "auto");
    ck_assert_int_eq(drae_session_create(engine, NULL, NULL, 0, NULL), DRAE_ERROR_ARGUMENT);
    ck_assert_int_eq(drae_engine_get_int(NULL, DRAE_ENGINE_SIZE, &number), DRAE_ERROR_ARGUMENT);
    ck_assert_int_eq(drae_engine_get_int(engine, DRAE_ENGINE_SIZE, NULL), DRAE_ERROR_ARGUMENT);
    ck_assert_int_eq(drae_engine_get_int(engine, (drae_engine_int)99, &number),
                     DRAE_ERROR_ARGUMENT);
    ck_assert_int_eq(drae_engine_get_text(NULL, DRAE_ENGINE_PLAN, &text), DRAE_ERROR_ARGUMENT);
    ck_assert_int_eq(drae_engine_get_text(engine, DRAE_ENGINE_PLAN, NULL), DRAE_ERROR_ARGUMENT);
    ck_assert_int_eq(drae_engine_get_text(engine, (drae_engine_text)99, &text),
                     DRAE_ERROR_ARGUMENT);
    ck_assert_int_eq(drae_engine_get_threshold(NULL, 0, &value), DRAE_ERROR_ARGUMENT);
    ck_assert_int_eq(drae_engine_get_threshold(engine, 0, NULL), DRAE_ERROR_ARGUMENT);
    ck_assert_int_eq(drae_engine_get_threshold(engine, 2, &value), DRAE_ERROR_ARGUMENT);
    ck_assert_int_eq(drae_engine_get_anchor(engine, -1, &value), DRAE_ERROR_ARGUMENT);
    ck_assert_int_eq(drae_engine_get_anchor(NULL, 0, &value), DRAE_ERROR_ARGUMENT);
    ck_assert_int_eq(drae_output_patch_bytes(NULL, DRAE_OUTPUT_HEAT, &n_bytes),
                     DRAE_ERROR_ARGUMENT);
    ck_assert_int_eq(drae_output_patch_bytes(engine, DRAE_OUTPUT_HEAT, NULL), DRAE_ERROR_ARGUMENT);
    ck_assert_int_eq(drae_output_patch_bytes(engine, (drae_output)0, &n_bytes),
                     DRAE_ERROR_ARGUMENT);
    ck_assert_int_eq(drae_session_infer(NULL, 0, NULL, NULL, NULL, NULL), DRAE_ERROR_ARGUMENT);
    ck_assert_int_eq(drae_session_keep_warm(NULL), DRAE_ERROR_ARGUMENT);
    ck_assert_int_eq(drae_session_set_output(NULL, DRAE_OUTPUT_HEAT, NULL, 0), DRAE_ERROR_ARGUMENT);
    ck_assert_str_eq(drae_session_error(NULL), "");
    ck_assert_uint_eq(drae_session_batch(NULL), 0);
    ck_assert_int_eq(drae_session_threads(NULL), 0);
    drae_session_destroy(NULL);
    drae_engine_close(NULL);
    drae_engine_close(engine);
    e_engine_free(&file);
}
END_TEST

START_TEST(what_an_engine_tells) {
    e_engine file = e_compile(8, SIZE, 2);
    drae_engine *engine = e_open(&file, "portable");
    static const struct {
        drae_engine_int id;
        int64_t value;
    } numbers[] = {
        {DRAE_ENGINE_SIZE, SIZE}, {DRAE_ENGINE_WIDTH, 8},   {DRAE_ENGINE_LATENT, 64},
        {DRAE_ENGINE_BATCH, 60},  {DRAE_ENGINE_REGIONS, 2}, {DRAE_ENGINE_DEVICE, DRAE_DEVICE_CPU},
        {DRAE_ENGINE_FORMAT, 3},  {DRAE_ENGINE_STEPS, -1},  {DRAE_ENGINE_VERIFIED, 1}};
    int64_t value = 0;
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        ck_assert_int_eq(drae_engine_get_int(engine, numbers[i].id, &value), DRAE_OK);
        ck_assert_int_eq(value, numbers[i].value);
    }
    ck_assert_int_eq(drae_engine_get_int(engine, DRAE_ENGINE_FILE_BYTES, &value), DRAE_OK);
    ck_assert_int_eq(value, (int64_t)file.n_bytes);
    const char *text = NULL;
    ck_assert_int_eq(drae_engine_get_text(engine, DRAE_ENGINE_KERNELS, &text), DRAE_OK);
    ck_assert_str_eq(text, "portable");
    ck_assert_int_eq(drae_engine_get_text(engine, DRAE_ENGINE_PRECISION, &text), DRAE_OK);
    ck_assert_str_eq(text, "f32");
    ck_assert_int_eq(drae_engine_get_text(engine, DRAE_ENGINE_SSIM, &text), DRAE_OK);
    ck_assert_str_eq(text, "gaussian");
    ck_assert_int_eq(drae_engine_get_text(engine, DRAE_ENGINE_SHA256, &text), DRAE_OK);
    ck_assert_uint_eq(strlen(text), 64);
    float threshold = 0.0f, anchor = 0.0f;
    ck_assert_int_eq(drae_engine_get_threshold(engine, 1, &threshold), DRAE_OK);
    ck_assert_int_eq(drae_engine_get_anchor(engine, 1, &anchor), DRAE_OK);
    ck_assert(threshold == 0.5f + 0.1f && anchor == 20.0f);
    drae_engine_close(engine);
    e_engine_free(&file);
}
END_TEST

/* Counts 0, 1, batch - 1, batch, one too many; nothing is written behind n, nothing on an error. */
START_TEST(partial_batches) {
    enum { BATCH = 5 };
    e_engine file = e_compile(8, SIZE, 0);
    drae_engine *engine = e_open(&file, "auto");
    drae_session *session = e_session(engine, 2, BATCH);
    uint8_t *images = e_images(BATCH + 1, SIZE);
    ck_assert_uint_eq(drae_session_batch(session), BATCH);
    ck_assert_int_eq(drae_session_threads(session), 2);
    float all[BATCH];
    ck_assert_int_eq(drae_session_infer(session, BATCH, images, NULL, all, NULL), DRAE_OK);
    for (size_t n = 0; n <= BATCH + 1; n++) {
        float scores[BATCH + 1];
        drae_verdict verdicts[BATCH + 1];
        for (int i = 0; i <= BATCH; i++) {
            scores[i] = -7.0f;
            verdicts[i] = (drae_verdict)7;
        }
        drae_status status =
            drae_session_infer(session, n, n == 0 ? NULL : images, NULL, scores, verdicts);
        ck_assert_int_eq(status, n <= BATCH ? DRAE_OK : DRAE_ERROR_ARGUMENT);
        ck_assert_int_eq(drae_session_error(session)[0] != '\0', n > BATCH);
        for (size_t i = 0; i <= BATCH; i++) {
            bool written = i < n && n <= BATCH;
            ck_assert(scores[i] == (written ? all[i] : -7.0f));
            ck_assert_int_eq((int)verdicts[i], written ? (int)DRAE_VERDICT_UNDECIDED : 7);
        }
    }
    ck_assert_int_eq(drae_session_infer(session, 1, NULL, NULL, NULL, NULL), DRAE_ERROR_ARGUMENT);
    ck_assert_int_eq(drae_session_keep_warm(session), DRAE_OK);
    ck_assert_str_eq(drae_session_error(session), "");
    ck_assert_int_eq(drae_session_infer(session, 1, images, NULL, NULL, NULL), DRAE_OK);
    drae_session_destroy(session);
    drae_engine_close(engine);
    e_engine_free(&file);
    free(images);
}
END_TEST

START_TEST(regions_in_range) {
    e_engine file = e_compile(8, SIZE, 2), single = e_compile(8, SIZE, 1);
    drae_engine *engine = e_open(&file, "auto");
    drae_session *session = e_session(engine, 1, 2);
    uint8_t *images = e_images(2, SIZE);
    static const uint8_t good[2] = {1, 0}, bad[2] = {0, 2};
    float scores[2] = {-7.0f, -7.0f};
    ck_assert_int_eq(drae_session_infer(session, 2, images, bad, scores, NULL),
                     DRAE_ERROR_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(drae_session_error(session), "region 2"));
    ck_assert(scores[0] == -7.0f);
    ck_assert_int_eq(drae_session_infer(session, 2, images, NULL, scores, NULL),
                     DRAE_ERROR_ARGUMENT);
    ck_assert_int_eq(drae_session_infer(session, 2, images, good, scores, NULL), DRAE_OK);
    ck_assert_str_eq(drae_session_error(session), "");
    drae_session_destroy(session);
    drae_engine_close(engine);
    engine = e_open(&single, "auto");
    session = e_session(engine, 1, 2);
    ck_assert_int_eq(drae_session_infer(session, 2, images, NULL, scores, NULL), DRAE_OK);
    drae_session_destroy(session);
    drae_engine_close(engine);
    e_engine_free(&file);
    e_engine_free(&single);
    free(images);
}
END_TEST

START_TEST(outputs_are_checked) {
    e_engine file = e_compile(8, SIZE, 0);
    drae_engine *engine = e_open(&file, "auto");
    drae_session *session = e_session(engine, 1, 2);
    uint8_t *images = e_images(2, SIZE);
    float map[2 * SIZE * SIZE];
    float score = -7.0f;
    ck_assert_int_eq(drae_session_set_output(session, (drae_output)0, map, sizeof map),
                     DRAE_ERROR_ARGUMENT);
    ck_assert_int_eq(drae_session_set_output(session, (drae_output)7, map, sizeof map),
                     DRAE_ERROR_ARGUMENT);
    ck_assert_int_eq(
        drae_session_set_output(session, DRAE_OUTPUT_RECON, (char *)map + 1, sizeof map - 1),
        DRAE_ERROR_ARGUMENT);
    ck_assert_int_eq(
        drae_session_set_output(session, DRAE_OUTPUT_RECON, map, 2 * SIZE * SIZE * 4 - 1), DRAE_OK);
    ck_assert_int_eq(drae_session_infer(session, 2, images, NULL, &score, NULL),
                     DRAE_ERROR_ARGUMENT);
    ck_assert(score == -7.0f);
    ck_assert_int_eq(drae_session_infer(session, 1, images, NULL, &score, NULL), DRAE_OK);
    ck_assert_int_eq(drae_session_set_output(session, DRAE_OUTPUT_RECON, NULL, 0), DRAE_OK);
    float scores[2];
    ck_assert_int_eq(drae_session_infer(session, 2, images, NULL, scores, NULL), DRAE_OK);
    drae_session_destroy(session);
    drae_engine_close(engine);
    e_engine_free(&file);
    free(images);
}
END_TEST

START_TEST(devices_are_explicit) {
    e_engine file = e_compile(8, SIZE, 0);
    drae_config *config;
    drae_engine *engine = NULL;
    char error[DRAE_ERROR_TEXT_BYTES];
    ck_assert_int_eq(drae_config_create(&config), DRAE_OK);
    ck_assert_int_eq(drae_config_set_int(config, DRAE_OPTION_DEVICE, DRAE_DEVICE_CUDA), DRAE_OK);
    ck_assert_int_eq(
        drae_engine_open_memory(file.bytes, file.n_bytes, config, error, sizeof error, &engine),
        DRAE_ERROR_DEVICE);
    ck_assert_ptr_null(engine);
    ck_assert_ptr_nonnull(strstr(error, "cuda"));
    drae_config_destroy(config);
    drae__model model;
    drae__err err = {{0}};
    drae__compile_report report;
    uint8_t *bytes = NULL;
    size_t n_bytes;
    e_model(8, 64, SIZE, 0.2f, &model);
    drae__compile_options options = {.device = DRAE_DEVICE_CUDA, .precision = "f32", .batch = 60};
    ck_assert_int_eq(drae__compile(&model, &options, &bytes, &n_bytes, &report, &err),
                     DRAE_ERROR_UNSUPPORTED);
    options.device = DRAE_DEVICE_CPU;
    options.precision = "f16";
    ck_assert_int_eq(drae__compile(&model, &options, &bytes, &n_bytes, &report, &err),
                     DRAE_ERROR_UNSUPPORTED);
    options.precision = "f32";
    options.batch = 0;
    ck_assert_int_eq(drae__compile(&model, &options, &bytes, &n_bytes, &report, &err),
                     DRAE_ERROR_ARGUMENT);
    ck_assert_ptr_null(bytes);
    drae__model_free(&model);
    e_engine_free(&file);
}
END_TEST

Suite *suite_api(void) {
    Suite *suite = suite_create("api");
    TCase *tc = tcase_create("api");
    tcase_add_test(tc, versions);
    tcase_add_test(tc, options_by_id);
    tcase_add_test(tc, nulls);
    tcase_add_test(tc, what_an_engine_tells);
    tcase_add_test(tc, partial_batches);
    tcase_add_test(tc, regions_in_range);
    tcase_add_test(tc, outputs_are_checked);
    tcase_add_test(tc, devices_are_explicit);
    suite_add_tcase(suite, tc);
    return suite;
}
