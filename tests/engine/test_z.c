/* SPDX-License-Identifier: Apache-2.0 */
/* z of points, by matched filters and by a head: maps and scores as their formulas say. */
#include "tests/engine/results.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

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
        e_run(engine, 2, N, images, e_region_of, r);
        for (size_t p = 0; p < N; p++) {
            drae_score kind = (drae_score)9;
            ck_assert_int_eq(drae_engine_get_score(engine, e_region_of[p], &kind), DRAE_OK);
            ck_assert_int_eq((int)kind, e_region_of[p] == 1 ? DRAE_SCORE_Z : DRAE_SCORE_PHI);
            ck_assert(r->scores[p] == r->all[DRAE_SCORES * p + (size_t)kind]);
            if (e_region_of[p] == 0) {
                ck_assert(isnan(r->all[DRAE_SCORES * p + DRAE_SCORE_Z]));
                continue;
            }
            for (size_t i = 0; i < PIXELS; i++) {
                x[i] = (double)((float)images[p * PIXELS + i] / 255.0f);
                y[i] = (double)r->recon[p * PIXELS + i];
                mean[i] = (double)model.maps[e_region_of[p]][i];
                scale[i] = (double)model.maps[e_region_of[p]][PIXELS + i];
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
        e_run(engine, 2, N, images, NULL, r);
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

Suite *suite_z(void) {
    Suite *suite = suite_create("z");
    TCase *tc = tcase_create("z");
    tcase_add_test(tc, z_follows_its_formula);
    tcase_add_test(tc, z_by_matched_filters);
    tcase_add_test(tc, z_by_head);
    tcase_add_test(tc, head_of_other_sizes);
    suite_add_tcase(suite, tc);
    return suite;
}
