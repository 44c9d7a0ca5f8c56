/* SPDX-License-Identifier: Apache-2.0 */
/* Verdicts and maps mean what the header says; results depend on nothing but patch and engine. */
#include "tests/engine/results.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

void e_bind(drae_session *session, results *r) {
    ck_assert_int_eq(drae_session_set_output(session, DRAE_OUTPUT_RECON, r->recon, sizeof r->recon),
                     DRAE_OK);
    ck_assert_int_eq(
        drae_session_set_output(session, DRAE_OUTPUT_RESIDUAL, r->residual, sizeof r->residual),
        DRAE_OK);
    ck_assert_int_eq(drae_session_set_output(session, DRAE_OUTPUT_Z, r->z, sizeof r->z), DRAE_OK);
    ck_assert_int_eq(drae_session_set_output(session, DRAE_OUTPUT_SCORES, r->all, sizeof r->all),
                     DRAE_OK);
    ck_assert_int_eq(drae_session_set_output(session, DRAE_OUTPUT_HEAT, r->heat, sizeof r->heat),
                     DRAE_OK);
    ck_assert_int_eq(
        drae_session_set_output(session, DRAE_OUTPUT_HEAT_FIXED, r->fixed, sizeof r->fixed),
        DRAE_OK);
}

void e_run(const drae_engine *engine, int threads, size_t n, const uint8_t *images,
           const uint8_t *regions, results *r) {
    drae_session *session = e_session(engine, threads, N);
    memset(r, 0, sizeof *r);
    e_bind(session, r);
    ck_assert_int_eq(drae_session_infer(session, n, images, regions, r->scores, NULL), DRAE_OK);
    drae_session_destroy(session);
}

const uint8_t e_region_of[N] = {0, 1, 2, 1, 0, 2, 1};

START_TEST(threads_and_place_do_not_matter) {
    e_engine file = e_compile(8, SIZE, 3);
    uint8_t *images = e_images(N, SIZE);
    results *one = malloc(sizeof *one), *other = malloc(sizeof *other);
    for (size_t k = 0; e_kernels(k) != NULL; k++) {
        drae_engine *engine = e_open(&file, e_kernels(k));
        e_run(engine, 1, N, images, e_region_of, one);
        for (int threads = 2; threads <= 5; threads++) {
            e_run(engine, threads, N, images, e_region_of, other);
            ck_assert_msg(memcmp(one, other, sizeof *one) == 0, "%s: %d threads differ from 1",
                          e_kernels(k), threads);
        }
        for (size_t p = 0; p < N; p++) {
            e_run(engine, 2, 1, images + p * PIXELS, &e_region_of[p], other);
            ck_assert_msg(
                one->scores[p] == other->scores[0] &&
                    memcmp(one->all + DRAE_SCORES * p, other->all,
                           sizeof *one->all * DRAE_SCORES) == 0 &&
                    memcmp(one->z + p * PIXELS, other->z, PIXELS * sizeof(float)) == 0 &&
                    memcmp(one->recon + p * PIXELS, other->recon, PIXELS * sizeof(float)) == 0,
                "%s: patch %zu alone differs", e_kernels(k), p);
        }
        drae_engine_close(engine);
    }
    free(one);
    free(other);
    free(images);
    e_engine_free(&file);
}
END_TEST

/* Every map against its formula, from the reconstruction that the same call gave. */
START_TEST(maps_follow_their_formulas) {
    e_engine file = e_compile(8, SIZE, 3);
    uint8_t *images = e_images(N, SIZE);
    results *r = malloc(sizeof *r);
    for (size_t k = 0; e_kernels(k) != NULL; k++) {
        drae_engine *engine = e_open(&file, e_kernels(k));
        e_run(engine, 2, N, images, e_region_of, r);
        for (size_t p = 0; p < N; p++) {
            float lo = INFINITY, hi = 0.0f, anchor = 0.0f;
            ck_assert_int_eq(drae_engine_get_anchor(engine, e_region_of[p], &anchor), DRAE_OK);
            for (size_t i = p * PIXELS; i < (p + 1) * PIXELS; i++) {
                float x = (float)images[i] / 255.0f;
                ck_assert(r->recon[i] >= 0.0f && r->recon[i] <= 1.0f);
                ck_assert(r->residual[i] == fabsf(x - r->recon[i]));
                lo = fminf(lo, r->residual[i]);
                hi = fmaxf(hi, r->residual[i]);
            }
            bool least = false, greatest = false;
            for (size_t i = p * PIXELS; i < (p + 1) * PIXELS; i++) {
                double h = 255.0 * (double)(r->residual[i] - lo) / (double)(hi - lo);
                double shown = e_region_of[p] == 1 ? (double)r->z[i] : (double)r->residual[i];
                double f = 255.0 * fmin(shown / (double)anchor, 1.0);
                /* Regions 1 and 2 have maps; elsewhere z is not known. */
                ck_assert(e_region_of[p] == 0 ? r->z[i] == 0.0f : r->z[i] >= 0.0f);
                ck_assert_msg(fabs(h - r->heat[i]) <= 0.501, "heat %zu is %d, not %g", i,
                              r->heat[i], h);
                ck_assert_msg(fabs(f - r->fixed[i]) <= 0.501, "fixed %zu is %d, not %g", i,
                              r->fixed[i], f);
                least = least || r->heat[i] == 0;
                greatest = greatest || r->heat[i] == 255;
            }
            ck_assert(least && greatest);
        }
        drae_engine_close(engine);
    }
    free(r);
    free(images);
    e_engine_free(&file);
}
END_TEST

/* Outputs that were not asked for change nothing of those that were. */
START_TEST(outputs_are_independent) {
    e_engine file = e_compile(8, SIZE, 0);
    uint8_t *images = e_images(N, SIZE);
    results *all = malloc(sizeof *all), *single = malloc(sizeof *single);
    drae_engine *engine = e_open(&file, "auto");
    e_run(engine, 2, N, images, NULL, all);
    memset(single, 0, sizeof *single);
    drae_session *session = e_session(engine, 2, N);
    ck_assert_int_eq(
        drae_session_set_output(session, DRAE_OUTPUT_HEAT, single->heat, sizeof single->heat),
        DRAE_OK);
    ck_assert_int_eq(drae_session_infer(session, N, images, NULL, NULL, NULL), DRAE_OK);
    ck_assert_int_eq(memcmp(all->heat, single->heat, sizeof all->heat), 0);
    ck_assert_int_eq(drae_session_set_output(session, DRAE_OUTPUT_HEAT, NULL, 0), DRAE_OK);
    ck_assert_int_eq(drae_session_infer(session, N, images, NULL, single->scores, NULL), DRAE_OK);
    ck_assert_int_eq(memcmp(all->scores, single->scores, sizeof all->scores), 0);
    drae_session_destroy(session);
    drae_engine_close(engine);
    free(all);
    free(single);
    free(images);
    e_engine_free(&file);
}
END_TEST

/* A model whose thresholds lie around the scores that it gives. */
START_TEST(verdicts_around_thresholds) {
    drae__model model;
    drae__err err = {{0}};
    drae__compile_report report;
    e_engine file, plain = e_compile(8, SIZE, 0);
    uint8_t *images = e_images(4, SIZE);
    float scores[4];
    drae_verdict verdicts[4];
    drae_engine *engine = e_open(&plain, "auto");
    drae_session *session = e_session(engine, 1, 4);
    ck_assert_int_eq(drae_session_infer(session, 4, images, NULL, scores, verdicts), DRAE_OK);
    ck_assert_int_eq((int)verdicts[0], DRAE_VERDICT_UNDECIDED);
    drae_session_destroy(session);
    drae_engine_close(engine);
    e_model(8, 64, SIZE, 0.2f, &model);
    model.calibration.n_regions = 4;
    model.calibration.threshold[0] = scores[0];
    model.calibration.threshold[1] = nextafterf(scores[1], 0.0f);     /* just above: reject */
    model.calibration.threshold[2] = nextafterf(scores[2], INFINITY); /* just below: good */
    model.calibration.threshold[3] = NAN;                             /* none: undecided */
    model.calibration.undecided[0] = nextafterf(scores[0], 0.0f);     /* in the band */
    for (int r = 0; r < 4; r++) {
        model.calibration.anchor[r] = NAN;
    }
    const drae__compile_options options = {
        .device = DRAE_DEVICE_CPU, .precision = "f32", .batch = 4};
    ck_assert_int_eq(drae__compile(&model, &options, &file.bytes, &file.n_bytes, &report, &err),
                     DRAE_OK);
    engine = e_open(&file, "auto");
    session = e_session(engine, 1, 4);
    static const uint8_t regions[4] = {0, 1, 2, 3};
    ck_assert_int_eq(drae_session_infer(session, 4, images, regions, scores, verdicts), DRAE_OK);
    ck_assert_int_eq((int)verdicts[0], DRAE_VERDICT_UNDECIDED);
    ck_assert_int_eq((int)verdicts[1], DRAE_VERDICT_REJECT);
    ck_assert_int_eq((int)verdicts[2], DRAE_VERDICT_GOOD);
    ck_assert_int_eq((int)verdicts[3], DRAE_VERDICT_UNDECIDED);
    float undecided = 0.0f;
    ck_assert_int_eq(drae_engine_get_undecided(engine, 0, &undecided), DRAE_OK);
    ck_assert(undecided == nextafterf(scores[0], 0.0f));
    ck_assert_int_eq(drae_engine_get_undecided(engine, 2, &undecided), DRAE_OK);
    ck_assert(isnan(undecided));
    ck_assert_int_eq(drae_engine_get_undecided(engine, 4, &undecided), DRAE_ERROR_ARGUMENT);
    float anchor = 0.0f;
    ck_assert_int_eq(drae_engine_get_anchor(engine, 3, &anchor), DRAE_OK);
    ck_assert(anchor == 0.1f);
    drae_session_destroy(session);
    drae_engine_close(engine);
    drae__model_free(&model);
    e_engine_free(&file);
    e_engine_free(&plain);
    free(images);
}
END_TEST

/* Weights that overflow on light and not on the black self-test patch: such a patch must reject. */
START_TEST(not_a_number_rejects) {
    drae__model model;
    drae__err err = {{0}};
    drae__compile_report report;
    e_engine file;
    uint8_t *patches = calloc(3, PIXELS);
    ck_assert_ptr_nonnull(patches);
    e_model(8, 64, SIZE, 0.2f, &model);
    float *stem = drae__model_tensor(&model, DRAE__NET_GENERATOR, "encoder/stem/weight");
    for (int i = 0; i < 8 * 9; i++) {
        stem[i] = 3e38f;
    }
    model.calibration.n_regions = 1;
    model.calibration.threshold[0] = _i == 0 ? 2.0f : NAN; /* more than any score, or none */
    model.calibration.anchor[0] = 0.1f;
    const drae_verdict other = _i == 0 ? DRAE_VERDICT_GOOD : DRAE_VERDICT_UNDECIDED;
    const drae__compile_options options = {.device = DRAE_DEVICE_CPU,
                                           .precision = "f32",
                                           .batch = 3,
                                           .patches = patches,
                                           .n_patches = 1};
    drae_status status = drae__compile(&model, &options, &file.bytes, &file.n_bytes, &report, &err);
    ck_assert_msg(status == DRAE_OK, "%s", err.text);
    memset(patches + PIXELS, 255, PIXELS);
    for (size_t k = 0; e_kernels(k) != NULL; k++) {
        drae_engine *engine = e_open(&file, e_kernels(k));
        drae_session *session = e_session(engine, 1, 3);
        float scores[3];
        drae_verdict verdicts[3];
        ck_assert_int_eq(drae_session_infer(session, 3, patches, NULL, scores, verdicts),
                         DRAE_ERROR_NOT_FINITE);
        ck_assert_ptr_nonnull(strstr(drae_session_error(session), "patch 1"));
        ck_assert(isfinite(scores[0]) && !isfinite(scores[1]) && isfinite(scores[2]));
        ck_assert_int_eq((int)verdicts[0], (int)other);
        ck_assert_int_eq((int)verdicts[1], DRAE_VERDICT_REJECT);
        ck_assert_int_eq((int)verdicts[2], (int)other);
        drae_session_destroy(session);
        drae_engine_close(engine);
    }
    drae__model_free(&model);
    free(patches);
    e_engine_free(&file);
}
END_TEST

typedef struct job {
    const drae_engine *engine;
    const uint8_t *images;
    results r;
} job;

static void *work(void *argument) {
    job *j = argument;
    for (int i = 0; i < 3; i++) {
        e_run(j->engine, 2, N, j->images, NULL, &j->r);
    }
    return NULL;
}

START_TEST(two_sessions_at_once) {
    e_engine file = e_compile(8, SIZE, 0);
    uint8_t *images = e_images(N, SIZE);
    drae_engine *engine = e_open(&file, "auto");
    job *jobs = calloc(2, sizeof *jobs);
    pthread_t threads[2];
    for (int i = 0; i < 2; i++) {
        jobs[i].engine = engine;
        jobs[i].images = images;
        ck_assert_int_eq(pthread_create(&threads[i], NULL, work, &jobs[i]), 0);
    }
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
    }
    results *alone = malloc(sizeof *alone);
    e_run(engine, 1, N, images, NULL, alone);
    ck_assert_int_eq(memcmp(&jobs[0].r, alone, sizeof *alone), 0);
    ck_assert_int_eq(memcmp(&jobs[1].r, alone, sizeof *alone), 0);
    free(alone);
    free(jobs);
    drae_engine_close(engine);
    free(images);
    e_engine_free(&file);
}
END_TEST

/* An integrator's own OpenMP team, a session a thread: neither may work for the other. */
START_TEST(sessions_inside_a_team) {
    e_engine file = e_compile(8, SIZE, 0);
    uint8_t *images = e_images(N, SIZE);
    drae_engine *engine = e_open(&file, "auto");
    float scores[2][N], alone[N];
    drae_session *sessions[2] = {e_session(engine, _i, N), e_session(engine, _i, N)};
    drae_status status[2] = {DRAE_ERROR_INTERNAL, DRAE_ERROR_INTERNAL};
    ck_assert_int_eq(drae_session_infer(sessions[0], N, images, NULL, alone, NULL), DRAE_OK);
#pragma omp parallel for num_threads(2) schedule(static, 1)
    for (int t = 0; t < 2; t++) {
        status[t] = drae_session_infer(sessions[t], N, images, NULL, scores[t], NULL);
    }
    for (int t = 0; t < 2; t++) {
        ck_assert_int_eq(status[t], DRAE_OK);
        ck_assert_int_eq(memcmp(scores[t], alone, sizeof alone), 0);
        drae_session_destroy(sessions[t]);
    }
    drae_engine_close(engine);
    free(images);
    e_engine_free(&file);
}
END_TEST

/* Where nothing is timed, wide maps run in turns of rows; timed, one layer after the other. */
START_TEST(turns_of_rows_do_not_matter) {
    enum { WIDE = 128, PATCHES = 2 };
    const size_t n_bytes = PATCHES * WIDE * WIDE * sizeof(float);
    e_engine file = e_compile(8, WIDE, 0);
    uint8_t *images = e_images(PATCHES, WIDE);
    float *in_turns = malloc(n_bytes), *timed = malloc(n_bytes), scores[2][PATCHES];
    for (size_t k = 0; e_kernels(k) != NULL && !(E_BEST_TABLE_ALONE && k > 0); k++) {
        drae_engine *engine = e_open(&file, e_kernels(k));
        drae_session *session = e_session(engine, 1, PATCHES);
        double *seconds = calloc((size_t)drae__engine_plan(engine)->n_ops + 2, sizeof *seconds);
        memset(in_turns, 0xa5, n_bytes);
        memset(timed, 0x5a, n_bytes);
        ck_assert_int_eq(drae_session_set_output(session, DRAE_OUTPUT_RECON, in_turns, n_bytes),
                         DRAE_OK);
        ck_assert_int_eq(drae_session_infer(session, PATCHES, images, NULL, scores[0], NULL),
                         DRAE_OK);
        ck_assert_int_eq(drae_session_set_output(session, DRAE_OUTPUT_RECON, timed, n_bytes),
                         DRAE_OK);
        ck_assert_int_eq(
            drae__session_infer_timed(session, PATCHES, images, NULL, scores[1], seconds), DRAE_OK);
        ck_assert_msg(memcmp(in_turns, timed, n_bytes) == 0, "%s: X^ differs", e_kernels(k));
        ck_assert_int_eq(memcmp(scores[0], scores[1], sizeof scores[0]), 0);
        free(seconds);
        drae_session_destroy(session);
        drae_engine_close(engine);
    }
    free(in_turns);
    free(timed);
    free(images);
    e_engine_free(&file);
}
END_TEST

static uint64_t fnv(const void *data, size_t n_bytes) {
    const uint8_t *p = data;
    uint64_t h = 14695981039346656037u;
    for (size_t i = 0; i < n_bytes; i++) {
        h = (h ^ p[i]) * 1099511628211u;
    }
    return h;
}

/* Three patches by the portable kernels: the same bits with every compiler, optimisation level and
 * processor. Written down from gcc 12 and clang 14 at -O0, -O2 and -O3, which agreed. */
START_TEST(portable_bits) {
    static const float expected[3] = {0x1.70b682p-1f, 0x1.595358p-1f, 0x1.4074d2p-1f};
    const uint64_t expected_recon = 0x1f6c7484e8fee648u;
    e_engine file = e_compile(8, SIZE, 0);
    drae_engine *engine = e_open(&file, "portable");
    results *r = malloc(sizeof *r);
    uint8_t *patches = malloc(3 * PIXELS);
    drae__compile_patches(SIZE, 3, patches);
    e_run(engine, 2, 3, patches, NULL, r);
    for (int i = 0; i < 3; i++) {
        ck_assert_msg(r->scores[i] == expected[i], "score %d is %a, expected %a", i,
                      (double)r->scores[i], (double)expected[i]);
    }
    ck_assert_uint_eq(fnv(r->recon, 3 * PIXELS * sizeof(float)), expected_recon);
    drae_engine_close(engine);
    free(r);
    free(patches);
    e_engine_free(&file);
}
END_TEST

Suite *suite_results(void) {
    Suite *suite = suite_create("results");
    TCase *tc = tcase_create("results");
    tcase_add_test(tc, threads_and_place_do_not_matter);
    tcase_add_test(tc, maps_follow_their_formulas);
    tcase_add_test(tc, outputs_are_independent);
    tcase_add_test(tc, verdicts_around_thresholds);
    tcase_add_loop_test(tc, not_a_number_rejects, 0, 2);
    tcase_add_test(tc, two_sessions_at_once);
    tcase_add_loop_test(tc, sessions_inside_a_team, 1, 3);
    tcase_add_test(tc, turns_of_rows_do_not_matter);
    tcase_add_test(tc, portable_bits);
    suite_add_tcase(suite, tc);
    return suite;
}
