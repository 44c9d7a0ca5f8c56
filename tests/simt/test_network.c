/* SPDX-License-Identifier: Apache-2.0 */
/* Whole networks as the CUDA backend runs them, against the f32 engine on the same weights. */
#include "engine/backend.h"
#include "engine/cuda_plan.h"
#include "engine/cuda_table.h"
#include "tests/run.h"
#include "tests/simt/cuda_case.h"
#include "tests/simt/random_model.h"

#include <stdlib.h>
#include <string.h>

#define SCORE_BOUND 2e-3 /* of phi, at f16 */
#define RESULT      DRAE__CUDA_RESULT

typedef struct network {
    int width, size, latent, n;
    size_t shared_max;
    drae__ssim_window window;
} network;

static const network networks[] = {
    {8, 32, 16, 3, 227 * 1024, DRAE__SSIM_GAUSSIAN},  /* resblock on pairs of pixels */
    {16, 32, 64, 2, 227 * 1024, DRAE__SSIM_GAUSSIAN}, /* resblock from the image on */
    {16, 48, 64, 1, 60 * 1024, DRAE__SSIM_UNIFORM},   /* less shared memory, odd sides */
    {40, 32, 16, 1, 99 * 1024, DRAE__SSIM_GAUSSIAN},  /* no width of resblock, beyond a tile */
};

/* Maps of the two regions of a network; region 1 has none. */
static float *maps_of(const network *net) {
    size_t pixels = (size_t)net->size * (size_t)net->size;
    t_pair p = t_uniform(2 * pixels, 8, 0.02f, 0.04f);
    return p.f;
}

static uint8_t region_of(size_t patch) {
    return (uint8_t)(patch % 2);
}

typedef struct outcome {
    float *phi, *z, *recon;
} outcome;

static void run_reference(const network *net, const drae__model *model, const drae__plan *plan,
                          const uint8_t *images, float *maps, const outcome *to) {
    drae__engine_data data = {.arch = model->arch,
                              .ssim_window = net->window,
                              .device = DRAE_DEVICE_CPU,
                              .batch = net->n,
                              .weights = model->data[DRAE__NET_GENERATOR]};
    data.calibration.n_regions = 2;
    data.calibration.maps[0] = maps;
    drae__err err = {{0}};
    void *state, *session;
    const drae__backend *cpu = &drae__backend_cpu;
    uint8_t *regions = t_bytes((size_t)net->n);
    for (size_t i = 0; i < (size_t)net->n; i++) {
        regions[i] = region_of(i);
    }
    ck_assert_int_eq(cpu->create(&data, plan, "portable", &state, &err), DRAE_OK);
    ck_assert_int_eq(cpu->session_create(state, 1, (size_t)net->n, &session, &err), DRAE_OK);
    const drae__infer_request request = {.n = (size_t)net->n,
                                         .patches = images,
                                         .regions = regions,
                                         .phi = to->phi,
                                         .z = to->z,
                                         .recon = to->recon};
    ck_assert_int_eq(cpu->infer(session, &request, &err), DRAE_OK);
    cpu->session_destroy(session);
    cpu->destroy(state);
}

static void run_program(const drae__cuda_program *p, const drae__cuda_memory *memory, size_t n,
                        float *result, float *recon) {
    drae__err err = {{0}};
    for (int i = 0; i < p->n_steps; i++) {
        cuda_done(drae__cuda_program_step(p, i, memory, n, NULL, &err), &err);
    }
    size_t pixels = (size_t)p->plan->arch.size * (size_t)p->plan->arch.size;
    cuda_download(result, memory->arena + p->result_at, n * DRAE__CUDA_RESULT * sizeof(float));
    cuda_download(recon, memory->recon, n * pixels * sizeof(float));
}

START_TEST(scores) {
    const network *net = &networks[_i];
    t_begin("network of width %d, size %d, %zu bytes of shared memory", net->width, net->size,
            net->shared_max);
    drae__arch arch = drae__arch_default();
    arch.width = net->width;
    arch.size = net->size;
    arch.latent = net->latent;
    drae__model model;
    drae__plan plan;
    drae__cuda_program program;
    drae__err err = {{0}};
    t_random_network(&arch, 7, &model, &plan);
    size_t n = (size_t)net->n, pixels = (size_t)net->size * (size_t)net->size;
    uint8_t *images = t_random_images(n, net->size);
    const outcome cpu = {t_f32(n), t_f32(n), t_f32(n * pixels)};
    float *maps = maps_of(net);
    run_reference(net, &model, &plan, images, maps, &cpu);
    static const drae__cuda_region table[2] = {
        {.maps = 0, .filters = -1, .head = -1, .kind = DRAE__CUDA_BY_Z, .threshold = 1e6f},
        {.maps = -1, .filters = -1, .head = -1, .kind = DRAE__CUDA_BY_PHI, .threshold = 1e-6f}};
    int32_t *regions = (int32_t *)(void *)t_bytes(n * sizeof *regions);
    for (size_t i = 0; i < n; i++) {
        regions[i] = region_of(i);
    }

    const drae__cuda_device device = {.arch = 86, .sm_count = 8, .shared_max = net->shared_max};
    drae__cuda_choices choices;
    drae__cuda_table_choose(&plan, &device, &choices);
    ck_assert_msg(drae__cuda_program_create(&plan, model.data[DRAE__NET_GENERATOR], net->window,
                                            &device, &choices, n, &program, &err) == DRAE_OK,
                  "%s", err.text);
    const drae__cuda_memory memory = {
        .weights = cuda_upload(program.weights, program.weights_bytes),
        .arena = cuda_empty(program.arena_bytes),
        .images = cuda_upload(images, n * pixels),
        .maps = cuda_upload(maps, 2 * pixels * sizeof *maps),
        .table = cuda_upload(table, sizeof table),
        .regions = cuda_upload(regions, n * sizeof *regions),
        .recon = cuda_empty(n * pixels * sizeof(float)),
    };
    float *result = t_f32(RESULT * n), *result2 = t_f32(RESULT * n);
    t_pair got = t_result(n * pixels);
    float *again = t_f32(n * pixels);
    run_program(&program, &memory, n, result, got.f);
    for (size_t i = 0; i < n; i++) {
        t_near("phi", (double)result[RESULT * i], (double)cpu.phi[i], SCORE_BOUND);
        float z = result[RESULT * i + 3];
        t_near("verdict", (double)result[RESULT * i + 4],
               regions[i] == 0 ? DRAE__CUDA_GOOD : DRAE__CUDA_REJECT, 0.0);
        if (table[regions[i]].maps < 0) {
            ck_assert_msg(isnan(z), "%s: z of patch %zu is %g", t_name(), i, (double)z);
        } else {
            /* What f16 changes in X^, over a scale of 0.02. */
            t_near("z", (double)z, (double)cpu.z[i], 2e-3 / 0.02);
        }
    }
    for (size_t i = 0; i < n * pixels; i++) {
        got.d[i] = (double)cpu.recon[i];
    }
    (void)t_within_all("reconstruction", got, 2e-3);

    /* The same bits again, and for fewer patches in the same buffers. */
    run_program(&program, &memory, n, result2, again);
    t_equal_f32("result", RESULT * n, result, result2);
    if (n > 1) {
        run_program(&program, &memory, 1, result2, again);
    }
    t_equal_f32("result of one", RESULT, result, result2);
    t_equal_f32("reconstruction of one", pixels, got.f, again);

    char text[16384];
    const drae__cuda_card card = drae__cuda_card_found(&device);
    ck_assert_uint_lt(drae__cuda_plan_print(&program, &card, text, sizeof text), sizeof text);
    bool fused = strstr(text, "resblock") != NULL;
    ck_assert_msg(fused == (net->width <= 16), "%s:\n%s", t_name(), text);
    drae__cuda_program_free(&program);
    drae__model_free(&model);
    t_end();
}
END_TEST

START_TEST(weights_beyond_f16) {
    t_begin("weights beyond f16");
    drae__arch arch = drae__arch_default();
    arch.width = 8;
    arch.size = 32;
    drae__model model;
    drae__plan plan;
    drae__cuda_program program = {0};
    drae__err err = {{0}};
    ck_assert_int_eq(drae__model_create(&arch, 1u << DRAE__NET_GENERATOR, &model, &err), DRAE_OK);
    ck_assert_int_eq(drae__plan_create(&arch, &model.params[DRAE__NET_GENERATOR], &plan, &err),
                     DRAE_OK);
    drae__model_tensor(&model, DRAE__NET_GENERATOR, "encoder/stage1/B/conv1/weight")[5] = 70000.0f;
    const drae__cuda_device device = {.arch = 86, .sm_count = 8, .shared_max = 99 * 1024};
    drae__cuda_choices choices;
    drae__cuda_table_choose(&plan, &device, &choices);
    ck_assert_int_eq(drae__cuda_program_create(&plan, model.data[DRAE__NET_GENERATOR],
                                               DRAE__SSIM_GAUSSIAN, &device, &choices, 1, &program,
                                               &err),
                     DRAE_ERROR_NOT_FINITE);
    ck_assert_ptr_nonnull(strstr(err.text, "encoder/stage1/B/conv1/weight"));
    drae__cuda_program_free(&program);
    drae__model_free(&model);
    t_end();
}
END_TEST

int main(void) {
    Suite *suite = suite_create("network");
    TCase *tc = tcase_create("network");
    suite_add_tcase(suite, tc);
    tcase_add_loop_test(tc, scores, 0, (int)(sizeof networks / sizeof networks[0]));
    tcase_add_test(tc, weights_beyond_f16);
    return drae_run_suite(suite);
}
