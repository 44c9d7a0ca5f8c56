/* SPDX-License-Identifier: Apache-2.0 */
/* The CUDA backend: what it says without a device, and its scores beside the CPU's where there is
 * one. */
#include "engine/backend.h"
#include "model/model.h"
#include "tests/kernels/testutil.h"
#include "tests/run.h"
#include "tests/simt/device.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct fixture {
    drae__model model;
    drae__plan plan;
    drae__engine_data data;
} fixture;

static fixture *make(int width, int size, int batch) {
    static fixture f;
    memset(&f, 0, sizeof f);
    drae__arch arch = drae__arch_default();
    drae__err err = {{0}};
    arch.width = width;
    arch.size = size;
    ck_assert_int_eq(drae__model_create(&arch, 1u << DRAE__NET_GENERATOR, &f.model, &err), DRAE_OK);
    const drae__params *params = &f.model.params[DRAE__NET_GENERATOR];
    drae__model_init(&f.model, DRAE__NET_GENERATOR, 1);
    ck_assert_int_eq(drae__plan_create(&arch, params, &f.plan, &err), DRAE_OK);
    f.data = (drae__engine_data){.arch = arch,
                                 .device = DRAE_DEVICE_CUDA,
                                 .batch = batch,
                                 .weights = f.model.data[DRAE__NET_GENERATOR],
                                 .n_weights = params->total};
    return &f;
}

START_TEST(no_device_is_said) {
    fixture *f = make(8, 32, 2);
    drae__err err = {{0}};
    void *state = NULL;
    const drae__backend *cuda = drae__backend_find(DRAE_DEVICE_CUDA);
    ck_assert_ptr_nonnull(cuda);
    drae_status status = cuda->create(&f->data, &f->plan, "auto", &state, &err);
    if (device_there()) {
        ck_assert_msg(status == DRAE_OK, "%s", err.text);
        cuda->destroy(state);
    } else {
        ck_assert_int_eq(status, DRAE_ERROR_DEVICE);
        ck_assert_ptr_null(state);
        ck_assert_ptr_nonnull(strstr(err.text, "no CUDA device"));
    }
    ck_assert_int_eq(cuda->create(&f->data, &f->plan, "avx2", &state, &err), DRAE_ERROR_DEVICE);
    ck_assert_ptr_nonnull(strstr(err.text, "avx2"));
    drae__model_free(&f->model);
}
END_TEST

static void infer(const drae__backend *backend, const fixture *f, const drae__infer_request *r) {
    drae__err err = {{0}};
    void *state, *session;
    ck_assert_msg(backend->create(&f->data, &f->plan, "auto", &state, &err) == DRAE_OK, "%s",
                  err.text);
    ck_assert_msg(backend->session_create(state, 1, 5, &session, &err) == DRAE_OK, "%s", err.text);
    ck_assert_msg(backend->infer(session, r, &err) == DRAE_OK, "%s", err.text);
    backend->session_destroy(session);
    backend->destroy(state);
}

START_TEST(scores_beside_the_cpu) {
    if (!device_there()) {
        return; /* the kernels' suites report the skip */
    }
    fixture *f = make(_i == 0 ? 16 : 24, 64, 5);
    size_t pixels = 64 * 64;
    /* Region 0 has maps of z, region 2 filters and a head besides. */
    static float maps[3 * 64 * 64 + DRAE__H_WEIGHTS];
    for (size_t i = 0; i < sizeof maps / sizeof maps[0]; i++) {
        maps[i] = i < pixels       ? 0.01f
                  : i < 2 * pixels ? 0.05f + 0.001f * (float)(i % 5)
                  : i < 3 * pixels ? 1.0f
                                   : 0.04f * sinf(0.7f * (float)i);
    }
    f->data.calibration.n_regions = 3;
    f->data.calibration.maps[0] = f->data.calibration.maps[2] = maps;
    f->data.calibration.filters[2] = maps + 2 * pixels;
    f->data.calibration.head[2] = maps + 3 * pixels;
    static const uint8_t regions[5] = {0, 1, 2, 1, 0};
    t_begin("backend of width %d", f->data.arch.width);
    uint8_t *images = t_bytes(5 * pixels);
    for (size_t i = 0; i < 5 * pixels; i++) {
        images[i] = (uint8_t)(127.0 + 100.0 * sin(0.01 * (double)i));
    }
    /* Batches that fill a graph, and not. */
    for (size_t n = 1; n <= 5; n++) {
        float *phi[2] = {t_f32(n), t_f32(n)}, *z[2] = {t_f32(n), t_f32(n)};
        for (int b = 0; b < 2; b++) {
            const drae__infer_request r = {.n = n,
                                           .patches = images,
                                           .regions = regions,
                                           .phi = phi[b],
                                           .z = z[b],
                                           .recon = t_f32(n * pixels),
                                           .heat = t_bytes(n * pixels)};
            infer(b == 0 ? &drae__backend_cpu : drae__backend_find(DRAE_DEVICE_CUDA), f, &r);
        }
        for (size_t i = 0; i < n; i++) {
            t_near("phi", (double)phi[1][i], (double)phi[0][i], 2e-3);
            ck_assert_int_eq(isnan(z[1][i]) != 0, regions[i] == 1);
            if (regions[i] == 2) {
                t_near("z by the head", (double)z[1][i], (double)z[0][i],
                       2e-2 * (1.0 + (double)z[0][i]));
            } else if (regions[i] == 0) {
                t_near("z", (double)z[1][i], (double)z[0][i], 2e-3 / 0.05);
            }
        }
    }
    drae__model_free(&f->model);
    t_end();
}
END_TEST

int main(void) {
    Suite *suite = suite_create("cuda_backend");
    TCase *tc = tcase_create("cuda_backend");
    suite_add_tcase(suite, tc);
    tcase_add_test(tc, no_device_is_said);
    tcase_add_loop_test(tc, scores_beside_the_cpu, 0, 2);
    return drae_run_suite(suite);
}
