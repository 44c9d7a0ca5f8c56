/* SPDX-License-Identifier: Apache-2.0 */
/* Verdicts and maps mean what the header says; results depend on nothing but patch and engine. */
#include "tests/engine/support.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define SIZE   48
#define PIXELS (SIZE * SIZE)
#define N      7

typedef struct results {
    float scores[N];
    float recon[N * PIXELS], residual[N * PIXELS];
    float z[N * PIXELS], all[N * DRAE_SCORES];
    uint8_t heat[N * PIXELS], fixed[N * PIXELS];
} results;

static void bind(drae_session *session, results *r) {
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

static void run(const drae_engine *engine, int threads, size_t n, const uint8_t *images,
                const uint8_t *regions, results *r) {
    drae_session *session = e_session(engine, threads, N);
    memset(r, 0, sizeof *r);
    bind(session, r);
    ck_assert_int_eq(drae_session_infer(session, n, images, regions, r->scores, NULL), DRAE_OK);
    drae_session_destroy(session);
}

static const uint8_t region_of[N] = {0, 1, 2, 1, 0, 2, 1};

START_TEST(threads_and_place_do_not_matter) {
    e_engine file = e_compile(8, SIZE, 3);
    uint8_t *images = e_images(N, SIZE);
    results *one = malloc(sizeof *one), *other = malloc(sizeof *other);
    for (size_t k = 0; e_kernels(k) != NULL; k++) {
        drae_engine *engine = e_open(&file, e_kernels(k));
        run(engine, 1, N, images, region_of, one);
        for (int threads = 2; threads <= 5; threads++) {
            run(engine, threads, N, images, region_of, other);
            ck_assert_msg(memcmp(one, other, sizeof *one) == 0, "%s: %d threads differ from 1",
                          e_kernels(k), threads);
        }
        for (size_t p = 0; p < N; p++) {
            run(engine, 2, 1, images + p * PIXELS, &region_of[p], other);
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
        run(engine, 2, N, images, region_of, r);
        for (size_t p = 0; p < N; p++) {
            float lo = INFINITY, hi = 0.0f, anchor = 0.0f;
            ck_assert_int_eq(drae_engine_get_anchor(engine, region_of[p], &anchor), DRAE_OK);
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
                double shown = region_of[p] == 1 ? (double)r->z[i] : (double)r->residual[i];
                double f = 255.0 * fmin(shown / (double)anchor, 1.0);
                /* Regions 1 and 2 have maps; elsewhere z is not known. */
                ck_assert(region_of[p] == 0 ? r->z[i] == 0.0f : r->z[i] >= 0.0f);
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

static int descending(const void *a, const void *b) {
    float x = *(const float *)a, y = *(const float *)b;
    return (x < y) - (x > y);
}

/* z, pixel by pixel and as a score, from the reconstruction that the same call gave. */
START_TEST(z_follows_its_formula) {
    e_engine file = e_compile(8, SIZE, 3);
    uint8_t *images = e_images(N, SIZE);
    results *r = malloc(sizeof *r);
    double *x = calloc(4 * PIXELS, sizeof *x), *y = x + PIXELS, *mean = y + PIXELS;
    double *scale = mean + PIXELS, *z = calloc(PIXELS, sizeof *z);
    drae__model model;
    e_model(8, 64, SIZE, 0.2f, &model);
    e_maps(&model, 1);
    e_maps(&model, 2);
    for (size_t k = 0; e_kernels(k) != NULL; k++) {
        drae_engine *engine = e_open(&file, e_kernels(k));
        run(engine, 2, N, images, region_of, r);
        for (size_t p = 0; p < N; p++) {
            drae_score kind = (drae_score)9;
            ck_assert_int_eq(drae_engine_get_score(engine, region_of[p], &kind), DRAE_OK);
            ck_assert_int_eq((int)kind, region_of[p] == 1 ? DRAE_SCORE_Z : DRAE_SCORE_PHI);
            ck_assert(r->scores[p] == r->all[DRAE_SCORES * p + (size_t)kind]);
            if (region_of[p] == 0) {
                ck_assert(isnan(r->all[DRAE_SCORES * p + DRAE_SCORE_Z]));
                continue;
            }
            for (size_t i = 0; i < PIXELS; i++) {
                x[i] = (double)((float)images[p * PIXELS + i] / 255.0f);
                y[i] = (double)r->recon[p * PIXELS + i];
                mean[i] = (double)model.maps[region_of[p]][i];
                scale[i] = (double)model.maps[region_of[p]][PIXELS + i];
            }
            drae__ref_infer_z(SIZE, x, y, mean, scale, z);
            for (size_t i = 0; i < PIXELS; i++) {
                ck_assert_msg(fabs(z[i] - (double)r->z[p * PIXELS + i]) <= 1e-6 / scale[i],
                              "%s: patch %zu pixel %zu: z %g, expected %g", e_kernels(k), p, i,
                              (double)r->z[p * PIXELS + i], z[i]);
            }
            qsort(r->z + p * PIXELS, PIXELS, sizeof(float), descending);
            double sum = 0.0;
            for (size_t i = 0; i < DRAE__Z_TOP; i++) {
                sum += (double)r->z[p * PIXELS + i];
            }
            ck_assert(r->all[DRAE_SCORES * p + DRAE_SCORE_Z] == (float)(sum / DRAE__Z_TOP));
        }
        drae_engine_close(engine);
    }
    drae__model_free(&model);
    free(r);
    free(x);
    free(z);
    free(images);
    e_engine_free(&file);
}
END_TEST

/* The same by matched filters, through a model, an engine file and every set of kernels. */
START_TEST(z_by_matched_filters) {
    drae__model model;
    drae__err err = {{0}};
    drae__compile_report report;
    e_engine file;
    uint8_t *images = e_images(N, SIZE);
    results *r = malloc(sizeof *r);
    size_t n_scales = drae__m_scales(SIZE);
    double *x = calloc((4 + DRAE__M_FILTERS) * PIXELS + n_scales, sizeof *x), *y = x + PIXELS;
    double *e = y + PIXELS, *z = e + PIXELS, *filters = z + PIXELS;
    double *scales = filters + DRAE__M_FILTERS * PIXELS;
    double below[PIXELS], one[PIXELS];
    e_model(8, 64, SIZE, 0.2f, &model);
    e_maps(&model, 0);
    float *given = drae__model_add_filters(&model, 0);
    model.calibration.n_regions = 1;
    model.calibration.kind[0] = DRAE__SCORE_Z;
    model.calibration.threshold[0] = 1.0f;
    model.calibration.anchor[0] = 1.0f;
    for (size_t i = 0; i < n_scales; i++) {
        given[i] = 0.05f + 0.01f * (float)(i % 23);
        scales[i] = (double)given[i];
    }
    const drae__compile_options options = {
        .device = DRAE_DEVICE_CPU, .precision = "f32", .batch = N};
    ck_assert_msg(drae__compile(&model, &options, &file.bytes, &file.n_bytes, &report, &err) ==
                      DRAE_OK,
                  "%s", err.text);
    for (size_t k = 0; e_kernels(k) != NULL; k++) {
        drae_engine *engine = e_open(&file, e_kernels(k));
        run(engine, 2, N, images, NULL, r);
        for (size_t p = 0; p < N; p++) {
            for (size_t i = 0; i < PIXELS; i++) {
                x[i] = (double)((float)images[p * PIXELS + i] / 255.0f);
                y[i] = (double)r->recon[p * PIXELS + i];
                below[i] = -2.0;
                one[i] = 1.0;
            }
            drae__ref_infer_z(SIZE, x, y, below, one, e);
            for (size_t i = 0; i < PIXELS; i++) {
                e[i] = e[i] - 2.0 - (double)model.maps[0][i];
            }
            drae__ref_infer_m_filters(SIZE, e, filters);
            drae__ref_infer_m(SIZE, filters, scales, z);
            for (size_t i = 0; i < PIXELS; i++) {
                /* 306 roundings of a line over the least scale. */
                ck_assert_msg(fabs(z[i] - (double)r->z[p * PIXELS + i]) <= 4e-4,
                              "%s: patch %zu pixel %zu: %g, expected %g", e_kernels(k), p, i,
                              (double)r->z[p * PIXELS + i], z[i]);
            }
            ck_assert(r->scores[p] == r->all[DRAE_SCORES * p + DRAE_SCORE_Z]);
        }
        drae_engine_close(engine);
    }
    drae__model_free(&model);
    free(r);
    free(x);
    free(images);
    e_engine_free(&file);
}
END_TEST

/* The same by the head, which reads what the filters answer, on the least size that it takes. */
START_TEST(z_by_head) {
    enum { SIDE = DRAE__H_LEAST, HALF = SIDE / 2, M = SIDE * SIDE, PATCHES = 2 };
    drae__model model;
    drae__err err = {{0}};
    drae__compile_report report;
    e_engine file;
    uint8_t *images = e_images(PATCHES, SIDE);
    double *room =
        calloc((size_t)M * 8 + (size_t)M / 4 * 16 * (DRAE__REF_HEAD_PLANES + 1) + DRAE__H_WEIGHTS,
               sizeof *room);
    double *x = room, *y = x + M, *mean = y + M, *scale = mean + M, *m = scale + M, *o = m + M;
    double *weights = o + M, *input = weights + DRAE__H_WEIGHTS, *spare = input + M / 4 * 16;
    float *recon = calloc((size_t)PATCHES * M, sizeof *recon), *z[2];
    e_model(8, 64, SIDE, 0.2f, &model);
    e_maps(&model, 0);
    float *scales = drae__model_add_filters(&model, 0);
    for (size_t i = 0; i < drae__m_scales(SIDE); i++) {
        scales[i] = 0.05f + 0.01f * (float)(i % 23);
    }
    model.calibration.n_regions = 1;
    model.calibration.kind[0] = DRAE__SCORE_Z;
    model.calibration.threshold[0] = 1.0f;
    model.calibration.anchor[0] = 1.0f;
    const drae__compile_options options = {
        .device = DRAE_DEVICE_CPU, .precision = "f32", .batch = PATCHES};
    for (int k = 0; k < 2; k++) { /* m alone, then the head that reads it */
        z[k] = calloc((size_t)PATCHES * M, sizeof *z[k]);
        float *head = k == 1 ? drae__model_add_head(&model, 0) : NULL;
        for (int i = 0; head != NULL && i < DRAE__H_WEIGHTS; i++) {
            head[i] = 0.04f * sinf(0.7f * (float)i);
            weights[i] = (double)head[i];
        }
        ck_assert_msg(drae__compile(&model, &options, &file.bytes, &file.n_bytes, &report, &err) ==
                          DRAE_OK,
                      "%s", err.text);
        drae_engine *engine = e_open(&file, "auto");
        drae_session *session = e_session(engine, 2, PATCHES);
        size_t n_bytes = (size_t)PATCHES * M * sizeof(float);
        ck_assert_int_eq(drae_session_set_output(session, DRAE_OUTPUT_RECON, recon, n_bytes),
                         DRAE_OK);
        ck_assert_int_eq(drae_session_set_output(session, DRAE_OUTPUT_Z, z[k], n_bytes), DRAE_OK);
        ck_assert_int_eq(drae_session_infer(session, PATCHES, images, NULL, NULL, NULL), DRAE_OK);
        drae_session_destroy(session);
        drae_engine_close(engine);
        e_engine_free(&file);
    }
    for (int p = 0; p < PATCHES; p++) {
        for (int i = 0; i < M; i++) {
            x[i] = (double)((float)images[p * M + i] / 255.0f);
            y[i] = (double)recon[p * M + i];
            mean[i] = (double)model.maps[0][i];
            scale[i] = (double)model.maps[0][M + i];
            m[i] = (double)z[0][p * M + i];
        }
        drae__ref_head_input(SIDE, x, y, mean, scale, m, input);
        drae__ref_head(HALF, input, weights, o, NULL, NULL, spare);
        for (int i = 0; i < M; i++) {
            double v = o[i / SIDE / 2 * HALF + i % SIDE / 2];
            v = v > 0.0 ? 1.0 + v : 1.0 / (1.0 - v);
            ck_assert_msg(fabs(v - (double)z[1][p * M + i]) <= 1e-4 * (1.0 + v),
                          "patch %d pixel %d: %g, expected %g", p, i, (double)z[1][p * M + i], v);
        }
    }
    drae__model_free(&model);
    free(room);
    free(recon);
    free(z[0]);
    free(z[1]);
    free(images);
}
END_TEST

/* Sides of the head's planes are whole vectors of every table: other sizes are refused. */
START_TEST(head_of_other_sizes) {
    static const int sizes[] = {48, 80};
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        drae__model model;
        drae__err err = {{0}};
        drae__compile_report report;
        uint8_t *bytes = NULL;
        size_t n_bytes = 0;
        e_model(8, 64, sizes[s], 0.2f, &model);
        e_maps(&model, 0);
        float *scales = drae__model_add_filters(&model, 0);
        for (size_t i = 0; i < drae__m_scales(sizes[s]); i++) {
            scales[i] = 0.1f;
        }
        (void)drae__model_add_head(&model, 0);
        model.calibration.n_regions = 1;
        model.calibration.threshold[0] = 1.0f;
        model.calibration.anchor[0] = 1.0f;
        const drae__compile_options options = {
            .device = DRAE_DEVICE_CPU, .precision = "f32", .batch = 1};
        ck_assert_int_eq(drae__compile(&model, &options, &bytes, &n_bytes, &report, &err),
                         DRAE_ERROR_FILE);
        ck_assert_msg(strstr(err.text, "a multiple of 32") != NULL, "%s", err.text);
        free(bytes);
        drae__model_free(&model);
    }
}
END_TEST

/* Outputs that were not asked for change nothing of those that were. */
START_TEST(outputs_are_independent) {
    e_engine file = e_compile(8, SIZE, 0);
    uint8_t *images = e_images(N, SIZE);
    results *all = malloc(sizeof *all), *single = malloc(sizeof *single);
    drae_engine *engine = e_open(&file, "auto");
    run(engine, 2, N, images, NULL, all);
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
        run(j->engine, 2, N, j->images, NULL, &j->r);
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
    run(engine, 1, N, images, NULL, alone);
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
    run(engine, 2, 3, patches, NULL, r);
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
    tcase_add_test(tc, z_follows_its_formula);
    tcase_add_test(tc, z_by_matched_filters);
    tcase_add_test(tc, z_by_head);
    tcase_add_test(tc, head_of_other_sizes);
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
