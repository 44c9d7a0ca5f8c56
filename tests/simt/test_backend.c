/* SPDX-License-Identifier: Apache-2.0 */
/* engine/backend_cuda*.c on the runtime of tests/simt/runtime: graphs, partial batches, maps,
 * several sessions, and an error at each of its calls. */
#include "engine/backend.h"
#include "kernels/matched.h"
#include "tests/kernels/testutil.h"
#include "tests/run.h"
#include "tests/simt/backend_case.h"
#include "tests/simt/random_model.h"

#include "runtime/cuda_runtime_api.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SIZE   32
#define PIXELS (SIZE * SIZE)
#define BATCH  4

#define REGIONS 3

typedef struct fixture {
    drae__model model;
    drae__plan plan;
    drae__engine_data data;
    float maps[2][3 * PIXELS]; /* mean, scale, scales of filters: as many floats as pixels */
} fixture;

/* Three regions: phi, z of points, z by matched filters. Thresholds that some patches exceed. */
static fixture *make(int batch) {
    static fixture f;
    memset(&f, 0, sizeof f);
    drae__arch arch = drae__arch_default();
    arch.width = 8;
    arch.size = SIZE;
    arch.latent = 16;
    t_random_network(&arch, 7, &f.model, &f.plan);
    ck_assert_uint_eq(drae__m_scales(SIZE), PIXELS);
    for (size_t i = 0; i < 2 * PIXELS; i++) {
        float *maps = f.maps[i / PIXELS], *at = maps + i % PIXELS;
        at[0] = 0.001f * (float)(i % 7);
        at[PIXELS] = 0.05f + 0.001f * (float)(i % 5);
        at[2 * PIXELS] = 1.0f + 0.01f * (float)(i % 11);
    }
    f.data = (drae__engine_data){.arch = arch,
                                 .device = DRAE_DEVICE_CUDA,
                                 .batch = batch,
                                 .weights = f.model.data[DRAE__NET_GENERATOR],
                                 .n_weights = f.model.params[DRAE__NET_GENERATOR].total};
    f.data.calibration.n_regions = REGIONS;
    f.data.calibration.threshold[0] = 1e-6f;
    for (int r = 1; r < REGIONS; r++) {
        f.data.calibration.maps[r] = f.maps[r - 1];
        f.data.calibration.kind[r] = DRAE__SCORE_Z;
        f.data.calibration.threshold[r] = r == 1 ? NAN : 1e6f;
    }
    f.data.calibration.filters[2] = f.maps[1] + 2 * PIXELS;
    return &f;
}

static const uint8_t regions[BATCH] = {1, 0, 2, 0};
static const float anchors[BATCH] = {3.0f, 0.2f, 3.0f, 0.2f};
static const drae_verdict judged[REGIONS] = {DRAE_VERDICT_REJECT, DRAE_VERDICT_UNDECIDED,
                                             DRAE_VERDICT_GOOD};

static backend_outcome room_for(size_t n) {
    return backend_room(n, PIXELS);
}

static drae__infer_request request_for(size_t n, const uint8_t *patches, backend_outcome *to,
                                       bool maps) {
    return backend_request(n, patches, regions, anchors, to, maps);
}

typedef struct engine {
    const drae__backend *backend;
    void *state;
} engine;

static engine engine_of(const fixture *f, const drae__backend *backend) {
    engine e = {.backend = backend};
    drae__err err = {{0}};
    ck_assert_msg(backend->create(&f->data, &f->plan, "auto", &e.state, &err) == DRAE_OK, "%s",
                  err.text);
    return e;
}

/* Its graphs are made of first runs, which take the interpreter longer than what a test does with
 * them: executed where `first_runs` says so. */
static void *session_with(const engine *e, bool first_runs) {
    drae__err err = {{0}};
    void *session;
    drae_runtime_execute(first_runs);
    ck_assert_msg(e->backend->session_create(e->state, 1, BATCH, &session, &err) == DRAE_OK, "%s",
                  err.text);
    drae_runtime_execute(1);
    return session;
}

static void *session_of(const engine *e) {
    return session_with(e, false);
}

static void infer(const engine *e, void *session, const drae__infer_request *r) {
    drae__err err = {{0}};
    ck_assert_msg(e->backend->infer(session, r, &err) == DRAE_OK, "%s: %s", t_name(), err.text);
}

static void compare(const backend_outcome *got, const backend_outcome *want, size_t n) {
    for (size_t i = 0; i < n; i++) {
        t_near("phi", (double)got->phi[i], (double)want->phi[i], 2e-3);
        ck_assert_int_eq(isnan(got->z[i]) != 0, regions[i] == 0);
        ck_assert_int_eq(got->verdicts[i], judged[regions[i]]);
        if (regions[i] != 0) {
            /* Over a scale of 0.05, or 9 values of r_1, two of e each, over one of 1. */
            t_near("z", (double)got->z[i], (double)want->z[i], 2e-3 / 0.05);
        }
    }
    backend_compare_residuals(n, PIXELS, got, want);
    for (size_t i = 0; i < n * PIXELS; i++) {
        t_near("z map", (double)got->z_map[i], (double)want->z_map[i], 2e-3 / 0.05);
        /* 2e-3 of X^ over the least scale and the anchor, of z or of the residual. */
        t_near("heat_fixed", (double)got->heat_fixed[i], (double)want->heat_fixed[i],
               1.0 + 255.0 * 2e-3 / 0.05 / 3.0);
    }
}

/* Every number of patches, scores alone and with maps, timed and not, beside the CPU; the same bits
 * again whatever ran between. */
START_TEST(beside_the_cpu) {
    t_begin("the CUDA backend beside the CPU's");
    fixture *f = make(BATCH);
    engine cpu = engine_of(f, &drae__backend_cpu), cuda = engine_of(f, &drae__backend_cuda);
    void *on_cpu = session_of(&cpu), *on_cuda = session_with(&cuda, true);
    uint8_t *patches = t_random_images(BATCH, SIZE);
    float *phi_first = t_f32(BATCH), *z_first = t_f32(BATCH);
    for (size_t n = BATCH; n >= 1; n--) {
        backend_outcome want = room_for(n), got = room_for(n), again = room_for(n);
        drae__infer_request r = request_for(n, patches, &want, true);
        infer(&cpu, on_cpu, &r);
        r = request_for(n, patches, &got, true);
        infer(&cuda, on_cuda, &r);
        compare(&got, &want, n);
        double seconds[DRAE__PLAN_OPS + 2];
        r = request_for(n, patches, &again, false);
        r.op_seconds = n % 2 == 0 ? seconds : NULL;
        infer(&cuda, on_cuda, &r);
        memcpy(n == BATCH ? phi_first : t_f32(n), got.phi, n * sizeof *got.phi);
        memcpy(n == BATCH ? z_first : t_f32(n), got.z, n * sizeof *got.z);
        t_equal_f32("phi", n, again.phi, phi_first);
        ck_assert_mem_eq(again.z, z_first, n * sizeof *again.z);
        ck_assert_mem_eq(again.verdicts, got.verdicts, n * sizeof *again.verdicts);
    }
    cuda.backend->session_destroy(on_cuda);
    cpu.backend->session_destroy(on_cpu);
    cuda.backend->destroy(cuda.state);
    cpu.backend->destroy(cpu.state);
    ck_assert_int_eq(drae_runtime_alive(), 0);
    drae__model_free(&f->model);
    t_end();
}
END_TEST

/* By phi, by the head and by the filters in one batch: the CPU's scores within the gate, those of
 * the emulation, by which the gate measures, more closely; the same without maps, and alone. */
START_TEST(head_beside_the_cpu) {
    enum { SIDE = DRAE__H_LEAST, M = SIDE * SIDE, N = 3 };
    static const uint8_t of_patch[N] = {1, 0, 2};
    static float maps[2][3 * M + DRAE__H_WEIGHTS];
    t_begin("the head on the CUDA backend beside the CPU's");
    fixture f = {.data = {.device = DRAE_DEVICE_CUDA, .batch = N}};
    f.data.arch = drae__arch_default();
    f.data.arch.width = 8;
    f.data.arch.size = SIDE;
    f.data.arch.latent = 16;
    t_random_network(&f.data.arch, 7, &f.model, &f.plan);
    f.data.weights = f.model.data[DRAE__NET_GENERATOR];
    f.data.n_weights = f.model.params[DRAE__NET_GENERATOR].total;
    f.data.calibration.n_regions = REGIONS;
    f.data.calibration.threshold[0] = 1e-6f;
    for (int r = 1; r < REGIONS; r++) {
        float *own = maps[r - 1];
        for (int i = 0; i < 3 * M + DRAE__H_WEIGHTS; i++) {
            own[i] = i < M       ? 0.001f * (float)(i % 7)
                     : i < 2 * M ? 0.05f + 0.001f * (float)(i % 5)
                     : i < 3 * M ? 1.0f + 0.01f * (float)(i % 11)
                                 : 0.04f * sinf(0.7f * (float)i);
        }
        f.data.calibration.maps[r] = own;
        f.data.calibration.filters[r] = own + 2 * M;
        f.data.calibration.kind[r] = DRAE__SCORE_Z;
        f.data.calibration.threshold[r] = r == 1 ? 1e-6f : 1e6f;
    }
    f.data.calibration.head[1] = maps[0] + 3 * M;
    /* Too little memory at each call of create: nothing is left behind. */
    drae__err short_of = {{0}};
    void *state = NULL;
    int call = 1;
    drae_runtime_fail(call, cudaErrorMemoryAllocation);
    while (drae__backend_cuda.create(&f.data, &f.plan, "auto", &state, &short_of) != DRAE_OK) {
        ck_assert(state == NULL && short_of.text[0] != 0 && drae_runtime_alive() == 0);
        drae_runtime_fail(++call, cudaErrorMemoryAllocation);
    }
    drae__backend_cuda.destroy(state);
    drae_runtime_fail(0, cudaSuccess);
    ck_assert_int_gt(call, 15); /* attributes; table, two maps, filters and a head twice */

    uint8_t *patches = t_random_images(N, SIDE);
    float *phi[4], *z[4], *map[4];
    drae_verdict verdicts[N];
    for (int b = 0; b < 4; b++) { /* f32, emulated, cuda, cuda alone */
        const drae__backend *backend = b < 2 ? &drae__backend_cpu : &drae__backend_cuda;
        size_t n = b == 3 ? 1 : N;
        drae__err err = {{0}};
        phi[b] = t_f32(N);
        z[b] = t_f32(N);
        map[b] = t_f32(N * M);
        engine e = {.backend = backend};
        f.data.precision = b == 1 ? DRAE__PRECISION_F16_EMULATED : DRAE__PRECISION_DEVICE;
        ck_assert_msg(backend->create(&f.data, &f.plan, b == 1 ? "portable" : "auto", &e.state,
                                      &err) == DRAE_OK,
                      "%s", err.text);
        void *session = session_of(&e);
        const drae__infer_request r = {.n = n,
                                       .patches = patches,
                                       .regions = of_patch,
                                       .phi = phi[b],
                                       .z = z[b],
                                       .z_map = b == 3 ? NULL : map[b],
                                       .verdicts = b == 2 ? verdicts : NULL};
        infer(&e, session, &r);
        backend->session_destroy(session);
        backend->destroy(e.state);
    }
    ck_assert_int_eq(drae_runtime_alive(), 0);
    for (int i = 0; i < N; i++) {
        ck_assert_int_eq(isnan(z[2][i]) != 0, of_patch[i] == 0);
        ck_assert_int_eq(verdicts[i], i == 2 ? DRAE_VERDICT_GOOD : DRAE_VERDICT_REJECT);
        t_near("phi", (double)phi[2][i], (double)phi[0][i], 2e-3);
        if (of_patch[i] != 0) {
            t_near("z", (double)z[2][i], (double)z[0][i], 2e-2 * (1.0 + (double)z[0][i]));
            t_near("z emulated", (double)z[2][i], (double)z[1][i], 5e-3 * (1.0 + (double)z[0][i]));
        }
        for (size_t k = (size_t)i * M; k < (size_t)(i + 1) * M; k++) {
            double v = (double)map[0][k];
            t_near("z map", (double)map[2][k], v, 2e-2 * (1.0 + v));
        }
    }
    /* Both branches of h, and not the filters' map. */
    ck_assert(z[0][0] > 1.0f && z[0][0] != z[0][2] && map[0][0] != map[0][1 + SIDE * 2]);
    ck_assert(z[3][0] == z[2][0] && phi[3][0] == phi[2][0]);
    drae__model_free(&f.model);
    t_end();
}
END_TEST

/* Two sessions of one engine, turn by turn, with different patches: each keeps its own. */
START_TEST(side_by_side) {
    t_begin("sessions side by side");
    fixture *f = make(BATCH);
    engine e = engine_of(f, &drae__backend_cuda);
    void *sessions[2] = {session_of(&e), session_of(&e)};
    uint8_t *patches = t_random_images(2, SIZE);
    backend_outcome alone[2] = {room_for(1), room_for(1)}, turns = room_for(1);
    for (int round = 0; round < 2; round++) {
        for (size_t s = 0; s < 2; s++) {
            drae__infer_request r =
                request_for(1, patches + s * PIXELS, round == 0 ? &alone[s] : &turns, round == 0);
            infer(&e, sessions[s], &r);
            if (round == 1) {
                t_equal_f32("phi", 1, turns.phi, alone[s].phi);
                t_equal_f32("z", 1, turns.z, alone[s].z);
            }
        }
    }
    ck_assert(alone[0].phi[0] != alone[1].phi[0]);
    e.backend->session_destroy(sessions[0]);
    e.backend->session_destroy(sessions[1]);
    e.backend->destroy(e.state);
    ck_assert_int_eq(drae_runtime_alive(), 0);
    drae__model_free(&f->model);
    t_end();
}
END_TEST

/* Between two cycles a session is kept warm by one launch and one wait; the cycles do not notice.
 */
START_TEST(kept_warm) {
    t_begin("kept warm");
    fixture *f = make(BATCH);
    engine e = engine_of(f, &drae__backend_cuda);
    void *session = session_of(&e);
    drae__err err = {{0}};
    uint8_t *patches = t_random_images(BATCH, SIZE);
    backend_outcome first = room_for(BATCH), second = room_for(BATCH);
    /* Before any cycle, and between two. */
    ck_assert_int_eq(e.backend->keep_warm(session, &err), DRAE_OK);
    for (int i = 0; i < 2; i++) {
        drae__infer_request r = request_for(BATCH, patches, i == 0 ? &first : &second, false);
        infer(&e, session, &r);
        drae_runtime_fail(0, cudaSuccess);
        ck_assert_int_eq(e.backend->keep_warm(session, &err), DRAE_OK);
        ck_assert_int_eq(drae_runtime_calls(), 3);
    }
    t_equal_f32("phi", BATCH, first.phi, second.phi);
    ck_assert_mem_eq(first.z, second.z, BATCH * sizeof *first.z);
    ck_assert_mem_eq(first.verdicts, second.verdicts, sizeof first.verdicts);
    /* A device that is lost in the pause is found in the pause. */
    for (int call = 1; call <= 3; call++) {
        drae_runtime_fail(call, cudaErrorLaunchFailure);
        ck_assert_int_eq(e.backend->keep_warm(session, &err), DRAE_ERROR_DEVICE);
        drae__infer_request r = request_for(BATCH, patches, &second, false);
        ck_assert_int_eq(e.backend->infer(session, &r, &err), DRAE_ERROR_DEVICE);
        ck_assert_ptr_nonnull(strstr(err.text, "failed before"));
        ck_assert_int_eq(e.backend->keep_warm(session, &err), DRAE_ERROR_DEVICE);
        ck_assert_ptr_nonnull(strstr(err.text, "failed before"));
        e.backend->session_destroy(session);
        drae_runtime_fail(0, cudaSuccess);
        session = session_of(&e);
    }
    e.backend->session_destroy(session);
    e.backend->destroy(e.state);
    ck_assert_int_eq(drae_runtime_alive(), 0);
    drae__model_free(&f->model);
    t_end();
}
END_TEST

/* Create, session, one inference with maps, one timed, until something fails; closes what is there.
 */
static drae_status whole_life(const fixture *f, const uint8_t *patches, backend_outcome *to,
                              drae__err *err, bool *again_refused) {
    double seconds[DRAE__PLAN_OPS + 2];
    void *state = NULL, *session = NULL;
    const drae__backend *cuda = &drae__backend_cuda;
    *again_refused = true;
    drae_status status = cuda->create(&f->data, &f->plan, "auto", &state, err);
    if (status == DRAE_OK) {
        status = cuda->session_create(state, 1, BATCH, &session, err);
        ck_assert(status == DRAE_OK || session == NULL);
    } else {
        ck_assert_ptr_null(state);
    }
    for (int i = 0; status == DRAE_OK && i < 2; i++) {
        drae__infer_request r = request_for(3, patches, to, true);
        r.op_seconds = i == 1 ? seconds : NULL;
        status = cuda->infer(session, &r, err);
        if (status != DRAE_OK) {
            drae__err second = {{0}};
            *again_refused = cuda->infer(session, &r, &second) == DRAE_ERROR_DEVICE &&
                             strstr(second.text, "failed before") != NULL;
        }
    }
    cuda->session_destroy(session);
    if (state != NULL) {
        cuda->destroy(state);
    }
    return status;
}

/* Every life packs all weights again. Without sanitizers the error comes at every call, with them
 * at every seventh: all of them would be an eighth of what CI runs sanitized. */
#ifdef __SANITIZE_ADDRESS__
#define CALL_STEP 7
#else
#define CALL_STEP 1
#endif

/* A lost device or too little memory at every call: a status with a text, a clean close, nothing
 * left behind, and the next life is well where the device is. */
START_TEST(errors_everywhere) {
    t_begin("errors injected, %s", _i == 0 ? "lost device" : "too little memory");
    fixture *f = make(BATCH);
    drae__err err = {{0}};
    uint8_t *patches = t_random_images(BATCH, SIZE);
    backend_outcome to = room_for(BATCH);
    bool refused;
    cudaError_t error = _i == 0 ? cudaErrorLaunchFailure : cudaErrorMemoryAllocation;
    drae_status want = _i == 0 ? DRAE_ERROR_DEVICE : DRAE_ERROR_MEMORY;
    drae_runtime_execute(0);
    drae_runtime_fail(0, cudaSuccess);
    ck_assert_msg(whole_life(f, patches, &to, &err, &refused) == DRAE_OK, "%s", err.text);
    int calls = drae_runtime_calls();
    ck_assert_int_gt(calls, 100);
    for (int call = 1; call <= calls; call += CALL_STEP) {
        err.text[0] = 0;
        drae_runtime_fail(call, error);
        drae_status status = whole_life(f, patches, &to, &err, &refused);
        /* Looking for devices or launching a kernel says "device" of whatever it meets. */
        ck_assert_msg(status == want || status == DRAE_ERROR_DEVICE, "%s: call %d: status %d, %s",
                      t_name(), call, (int)status, err.text);
        ck_assert_msg(err.text[0] != 0, "%s: call %d says nothing", t_name(), call);
        ck_assert_msg(refused, "%s: call %d: the session goes on", t_name(), call);
        ck_assert_msg(drae_runtime_alive() == 0, "%s: call %d leaves %d things behind", t_name(),
                      call, drae_runtime_alive());
        ck_assert_msg(_i == 0 || cudaGetLastError() == cudaSuccess,
                      "%s: call %d: the next launch would find the error", t_name(), call);
    }
    drae_runtime_fail(0, cudaSuccess);
    ck_assert_msg(whole_life(f, patches, &to, &err, &refused) == DRAE_OK, "%s", err.text);
    drae_runtime_execute(1);
    drae__model_free(&f->model);
    t_end();
}
END_TEST

/* A score that no kernel makes is refused by name, and before anything else. */
START_TEST(unknown_score) {
    t_begin("a score that cuda does not compute");
    fixture *f = make(1);
    drae__err err = {{0}};
    void *state = NULL;
    f->data.calibration.kind[1] = DRAE__SCORE_KINDS;
    ck_assert_int_eq(drae__backend_cuda.create(&f->data, &f->plan, "auto", &state, &err),
                     DRAE_ERROR_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(err.text, "region 1 is decided by score"));
    ck_assert_ptr_null(state);
    ck_assert_int_eq(drae_runtime_alive(), 0);
    drae__model_free(&f->model);
    t_end();
}
END_TEST

START_TEST(no_device) {
    t_begin("no device");
    fixture *f = make(1);
    drae__err err = {{0}};
    void *state = NULL;
    drae_runtime_devices(0);
    ck_assert_int_eq(drae__backend_cuda.create(&f->data, &f->plan, "auto", &state, &err),
                     DRAE_ERROR_DEVICE);
    ck_assert_ptr_nonnull(strstr(err.text, "no CUDA device (no device)"));
    ck_assert_ptr_null(state);
    drae_runtime_devices(1);
    drae__model_free(&f->model);
    t_end();
}
END_TEST

int main(void) {
    Suite *suite = suite_create("backend");
    TCase *tc = tcase_create("backend");
    suite_add_tcase(suite, tc);
    tcase_add_test(tc, beside_the_cpu);
    tcase_add_test(tc, side_by_side);
    tcase_add_test(tc, kept_warm);
    tcase_add_loop_test(tc, errors_everywhere, 0, 2);
    tcase_add_test(tc, unknown_score);
    tcase_add_test(tc, no_device);
    tc = tcase_create("head");
    suite_add_tcase(suite, tc);
    tcase_add_test(tc, head_beside_the_cpu);
    return drae_run_suite(suite);
}
