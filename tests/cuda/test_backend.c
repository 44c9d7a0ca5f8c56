/* SPDX-License-Identifier: Apache-2.0 */
/* The CUDA backend: what it says without a device, and its scores beside the CPU's where there is
 * one. */
#include "engine/backend.h"
#include "model/model.h"
#include "tests/kernels/testutil.h"
#include "tests/run.h"
#include "tests/simt/backend_case.h"
#include "tests/simt/device.h"

#include <check.h>
#include <math.h>
#include <pthread.h>
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

static void compare_maps(size_t n, size_t pixels, const uint8_t *regions,
                         const backend_outcome *got, const backend_outcome *want) {
    backend_compare_residuals(n, pixels, got, want);
    for (size_t i = 0; i < n * pixels; i++) {
        /* The residual decides: 2e-3 of it over the anchor. */
        t_near("heat_fixed", (double)got->heat_fixed[i], (double)want->heat_fixed[i],
               1.0 + 255.0 * 2e-3 / 3.0);
        if (regions[i / pixels] == 0) {
            t_near("z map", (double)got->z_map[i], (double)want->z_map[i], 2e-3 / 0.05);
        }
    }
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
    f->data.calibration.threshold[0] = NAN;
    f->data.calibration.threshold[1] = 1e-6f;
    f->data.calibration.threshold[2] = 1e6f;
    f->data.calibration.maps[0] = f->data.calibration.maps[2] = maps;
    f->data.calibration.filters[2] = maps + 2 * pixels;
    f->data.calibration.head[2] = maps + 3 * pixels;
    static const uint8_t regions[5] = {0, 1, 2, 1, 0};
    static const float anchors[5] = {3.0f, 3.0f, 3.0f, 3.0f, 3.0f};
    t_begin("backend of width %d", f->data.arch.width);
    uint8_t *images = t_bytes(5 * pixels);
    for (size_t i = 0; i < 5 * pixels; i++) {
        images[i] = (uint8_t)(127.0 + 100.0 * sin(0.01 * (double)i));
    }
    /* Batches that fill a graph, and not. */
    for (size_t n = 1; n <= 5; n++) {
        backend_outcome of[2] = {backend_room(n, pixels), backend_room(n, pixels)};
        for (int b = 0; b < 2; b++) {
            const drae__infer_request r =
                backend_request(n, images, regions, anchors, &of[b], true);
            infer(b == 0 ? &drae__backend_cpu : drae__backend_find(DRAE_DEVICE_CUDA), f, &r);
        }
        float *const phi[2] = {of[0].phi, of[1].phi}, *const z[2] = {of[0].z, of[1].z};
        compare_maps(n, pixels, regions, &of[1], &of[0]);
        for (size_t i = 0; i < n; i++) {
            t_near("phi", (double)phi[1][i], (double)phi[0][i], 2e-3);
            ck_assert_int_eq(isnan(z[1][i]) != 0, regions[i] == 1);
            /* Region 1 rejects all, 2 nothing; where there is no threshold nothing is decided. */
            ck_assert_int_eq(of[1].verdicts[i], regions[i] == 1   ? DRAE_VERDICT_REJECT
                                                : regions[i] == 2 ? DRAE_VERDICT_GOOD
                                                                  : DRAE_VERDICT_UNDECIDED);
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

/* One session a thread, many cycles at once: each gets what it gets alone, bit for bit. */
typedef struct job {
    const drae__backend *cuda;
    void *state;
    const uint8_t *images;
    float first[4];
    bool good, same; /* no error; every cycle as the first */
} job;

#define CYCLES 50

static void *work(void *argument) {
    job *j = argument;
    drae__err err = {{0}};
    void *session = NULL;
    float phi[4], z[4];
    j->good = j->cuda->session_create(j->state, 1, 4, &session, &err) == DRAE_OK;
    for (int i = 0; j->good && i < CYCLES; i++) {
        const drae__infer_request r = {.n = 4, .patches = j->images, .phi = phi, .z = z};
        j->good = j->cuda->infer(session, &r, &err) == DRAE_OK;
        if (i == 0) {
            memcpy(j->first, phi, sizeof phi);
        }
        j->same = j->same && memcmp(j->first, phi, sizeof phi) == 0;
    }
    j->cuda->session_destroy(session);
    return NULL;
}

START_TEST(sessions_at_once) {
    if (!device_there()) {
        return;
    }
    fixture *f = make(16, 64, 4);
    drae__err err = {{0}};
    const size_t pixels = 64 * 64;
    job jobs[3] = {{.cuda = drae__backend_find(DRAE_DEVICE_CUDA), .same = true}};
    pthread_t threads[2];
    t_begin("two sessions at once");
    ck_assert_msg(jobs[0].cuda->create(&f->data, &f->plan, "auto", &jobs[0].state, &err) == DRAE_OK,
                  "%s", err.text);
    uint8_t *images = t_bytes(2 * 4 * pixels);
    for (size_t i = 0; i < 2 * 4 * pixels; i++) {
        images[i] = (uint8_t)(127.0 + 100.0 * sin(0.011 * (double)i));
    }
    jobs[0].images = images;
    jobs[1] = jobs[2] = jobs[0];
    jobs[1].images = images + 4 * pixels;
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(pthread_create(&threads[i], NULL, work, &jobs[i]), 0);
    }
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
    }
    (void)work(&jobs[2]); /* the first one's patches again, alone */
    for (int i = 0; i < 3; i++) {
        ck_assert(jobs[i].good && jobs[i].same);
    }
    ck_assert_mem_eq(jobs[2].first, jobs[0].first, sizeof jobs[0].first);
    ck_assert(memcmp(jobs[1].first, jobs[0].first, sizeof jobs[0].first) != 0);
    jobs[0].cuda->destroy(jobs[0].state);
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
    tcase_add_test(tc, sessions_at_once);
    return drae_run_suite(suite);
}
