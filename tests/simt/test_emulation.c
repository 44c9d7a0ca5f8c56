/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The emulation of f16 on the CPU against the kernels themselves, step by step: both compute a step
 * from the same stored maps, so what may differ is the order of sums in f32, and a rounding to f16
 * that falls the other way because of it. The bound is that and nothing else:
 *
 *     sum of K products in any order    2 K 2^-24 (L1(w) max|x| + ...)
 *     what it feeds                     times L1 of the next weights, times the scale of bn
 *     every stored value                one place of f16
 *
 * and nearly all values must be the same bits, or a rounding point is missing. Over a whole network
 * differences of one place are carried on, so there the two are as far from each other as either is
 * from f32; the gate must tell the same.
 */
#include "engine/backend.h"
#include "engine/cuda_card.h"
#include "engine/cuda_table.h"
#include "engine/emulate_f16.h"
#include "engine/weights_cpu.h"
#include "tests/run.h"
#include "tests/simt/cuda_case.h"
#include "tests/simt/random_model.h"

#include <stdlib.h>
#include <string.h>

#define EPS_F32 0x1p-24
#define F16_MIN 0x1p-14

/* Shares of values that must agree in every bit: a rounding falls the other way about once in a
 * thousand sums, a block has two of them behind each other and hundreds of products between. */
#define SAME_CONV  0.98
#define SAME_BLOCK 0.90

typedef struct network {
    int width, size, arch;
} network;

static const network networks[] = {{8, 32, 86}, {16, 32, 90}, {24, 32, 80}};

typedef struct fixture {
    drae__model model;
    drae__plan plan;
    drae__cuda_program program;
    drae__cuda_memory memory;
    drae__cpu_weights weights; /* rounded */
    const drae__infer_kernels *kernels;
    float *workspace;
    uint8_t *images;
    float *rounded; /* the model's floats */
    double
        error[DRAE__PLAN_TENSORS]; /* bound of a tensor that a step made, 0 of what it was given */
} fixture;

static void open_fixture(fixture *f, const network *net) {
    drae__err err = {{0}};
    drae__arch arch = drae__arch_default();
    memset(f, 0, sizeof *f);
    arch.width = net->width;
    arch.size = net->size;
    t_random_network(&arch, 11, &f->model, &f->plan);
    const drae__params *params = &f->model.params[DRAE__NET_GENERATOR];
    const float *model = f->model.data[DRAE__NET_GENERATOR];
    const drae__cuda_device *device = &drae__cuda_card_of(net->arch)->device;
    drae__cuda_choices choices;
    drae__cuda_table_choose(&f->plan, device, &choices);
    ck_assert_int_eq(drae__cuda_program_create(&f->plan, model, DRAE__SSIM_GAUSSIAN, device,
                                               &choices, 1, &f->program, &err),
                     DRAE_OK);
    size_t pixels = (size_t)net->size * (size_t)net->size;
    f->images = t_random_images(1, net->size);
    f->memory = (drae__cuda_memory){
        .weights = cuda_upload(f->program.weights, f->program.weights_bytes),
        .arena = cuda_empty(f->program.arena_bytes),
        .images = cuda_upload(f->images, pixels),
    };
    f->rounded = t_f32(params->total);
    drae__f16_round_model(&f->plan, choices.of[0] == DRAE__CUDA_NONE, model, params->total,
                          f->rounded);
    f->kernels = drae__infer_kernels_find("portable");
    ck_assert_int_eq(
        drae__cpu_weights_create(&f->plan, f->kernels, f->rounded, false, &f->weights, &err),
        DRAE_OK);
    f->workspace = t_f32(f->plan.workspace_floats);
    memset(f->workspace, 0, f->plan.workspace_floats * sizeof *f->workspace);
}

static void close_fixture(fixture *f) {
    drae__cpu_weights_destroy(&f->weights);
    drae__cuda_program_free(&f->program);
    drae__model_free(&f->model);
}

/* ---- maps, on the device and here ---- */

static float *map_of(const fixture *f, int tensor) {
    return f->workspace + drae__plan_origin(&f->plan, tensor);
}

static size_t elems_of(const fixture *f, int tensor) {
    const drae__map_geometry *g = &f->plan.map[f->plan.tensors[tensor].level];
    return (size_t)(g->h * g->w * f->plan.tensors[tensor].channels);
}

/* Where element i of a dense NHWC map lies in the planar one. */
static ptrdiff_t planar_at(const fixture *f, int tensor, size_t i) {
    const drae__map_geometry *g = &f->plan.map[f->plan.tensors[tensor].level];
    ptrdiff_t c = f->plan.tensors[tensor].channels, at = (ptrdiff_t)i;
    return at % c * g->plane + at / c / g->w * g->stride + at / c % g->w;
}

static uint16_t *download(const fixture *f, int tensor) {
    size_t n_bytes = elems_of(f, tensor) * sizeof(uint16_t);
    uint16_t *host = (uint16_t *)(void *)t_bytes(n_bytes);
    const drae__cuda_program *p = &f->program;
    ck_assert_int_ge(p->slot[tensor], 0);
    cuda_download(host, f->memory.arena + p->slot_at[p->slot[tensor]], n_bytes);
    return host;
}

/* What a step reads, as the device has it. */
static void bring(fixture *f, int tensor) {
    if (tensor == DRAE__NO_TENSOR || tensor == f->plan.image) {
        return;
    }
    const uint16_t *host = download(f, tensor);
    for (size_t i = 0; i < elems_of(f, tensor); i++) {
        map_of(f, tensor)[planar_at(f, tensor, i)] = drae__f16_value(host[i]);
    }
    f->error[tensor] = 0.0;
}

/* ---- the bound ---- */

static double greatest(const fixture *f, int tensor) {
    double most = 0.0;
    for (size_t i = 0; tensor != DRAE__NO_TENSOR && i < elems_of(f, tensor); i++) {
        most = fmax(most, fabs((double)map_of(f, tensor)[planar_at(f, tensor, i)]));
    }
    return most;
}

static double error_of(const fixture *f, int tensor) {
    return tensor == DRAE__NO_TENSOR ? 0.0 : f->error[tensor];
}

/* One place of f16 at v. */
static double place(double v) {
    int exponent;
    (void)frexp(fmax(fabs(v), F16_MIN), &exponent);
    return ldexp(1.0, exponent - 11);
}

/* The greatest sum of |weights| of an output channel. A transposed window is summed whole. */
static double l1(const fixture *f, const drae__param *wei, int c_in, int c_out, bool transposed) {
    double most = 0.0;
    if (wei == NULL) {
        return 0.0;
    }
    size_t taps = wei->count / (size_t)(c_in * c_out);
    for (int co = 0; co < c_out; co++) {
        double sum = 0.0;
        for (int ci = 0; ci < c_in; ci++) {
            size_t pair = (size_t)(transposed ? ci * c_out + co : co * c_in + ci);
            for (size_t k = 0; k < taps; k++) {
                sum += fabs((double)f->rounded[wei->offset + pair * taps + k]);
            }
        }
        most = fmax(most, sum);
    }
    return most;
}

/* How far two values of v = conv + projection + residual may lie apart, and of act before it is
 * rounded. */
static void bound_of(const fixture *f, int i, double *v, double *act) {
    const drae__plan_op *op = &f->plan.ops[i];
    bool up = op->conv_kind == DRAE__INFER_CONVT4;
    double w = l1(f, op->wei, op->c_in, op->c_out, up);
    double p = l1(f, op->proj_wei, op->proj_c_in, op->c_out, up);
    double k = 9.0 * op->c_in + op->proj_c_in + 1.0, scale = 0.0;
    double sum = w * greatest(f, op->src) + p * greatest(f, op->proj) + greatest(f, op->residual);
    *v = w * error_of(f, op->src) + p * error_of(f, op->proj) + error_of(f, op->residual) +
         2.0 * k * EPS_F32 * sum;
    for (int c = 0; c < op->c_out; c++) {
        scale = fmax(scale, fabs((double)f->weights.ops[i].scale[c]));
    }
    /* Scale, shift and slope round thrice. */
    *act = scale * *v + 8.0 * EPS_F32 * greatest(f, op->act);
}

/* Runs operation i here, and carries its bound on. */
static void emulate(fixture *f, int i) {
    const drae__plan *plan = &f->plan;
    const drae__plan_op *op = &plan->ops[i];
    const drae__cpu_op_weights *wei = &f->weights.ops[i];
    drae__infer_conv conv = {
        .kind = op->conv_kind,
        .c_in = op->c_in,
        .c_out = op->c_out,
        .src_map = plan->map[plan->tensors[op->src].level],
        .dst_map = plan->map[plan->tensors[op->act].level],
        .src = map_of(f, op->src),
        .wei = wei->wei,
        .residual = op->residual == DRAE__NO_TENSOR ? NULL : map_of(f, op->residual),
        .scale = wei->scale,
        .shift = wei->shift,
        .slope = plan->arch.slope,
        .raw = op->raw == DRAE__NO_TENSOR ? NULL : map_of(f, op->raw),
        .act = map_of(f, op->act),
    };
    if (op->proj != DRAE__NO_TENSOR) {
        conv.proj.c_in = op->proj_c_in;
        conv.proj.map = plan->map[plan->tensors[op->proj].level];
        conv.proj.src = map_of(f, op->proj);
        conv.proj.wei = wei->proj;
    }
    double v, act;
    double residual = greatest(f, op->residual); /* raw may lie where it lay */
    f->kernels->conv(&conv);
    drae__f16_round_op(plan, i, f->workspace);
    bound_of(f, i, &v, &act);
    v += 2.0 * EPS_F32 * residual;
    f->error[op->act] = act + place(greatest(f, op->act) + act);
    if (op->raw != DRAE__NO_TENSOR) {
        f->error[op->raw] = v + place(greatest(f, op->raw) + v);
    }
}

static void compare(const fixture *f, const char *what, int tensor, double same) {
    if (tensor == DRAE__NO_TENSOR) {
        return;
    }
    const uint16_t *device = download(f, tensor);
    size_t n = elems_of(f, tensor), equal = 0;
    for (size_t i = 0; i < n; i++) {
        double here = (double)map_of(f, tensor)[planar_at(f, tensor, i)];
        double there = (double)drae__f16_value(device[i]);
        equal += here == there;
        ck_assert_msg(fabs(here - there) <= f->error[tensor],
                      "%s: %s, element %zu is %.9g on the device, %.9g emulated, bound %.3g",
                      t_name(), what, i, there, here, f->error[tensor]);
    }
    ck_assert_msg((double)equal >= same * (double)n, "%s: %s, %zu of %zu agree", t_name(), what,
                  equal, n);
}

static int first_op(const drae__cuda_step *s) {
    return s->kind != DRAE__CUDA_STEP_BLOCK ? s->op : s->op - (s->stem ? 2 : 1);
}

START_TEST(step_by_step) {
    const network *net = &networks[_i];
    fixture f;
    drae__err err = {{0}};
    t_begin("emulated f16, width %d, size %d, sm_%d", net->width, net->size, net->arch);
    open_fixture(&f, net);
    int compared = 0;
    for (int s = 0; s < f.program.n_steps; s++) {
        const drae__cuda_step *step = &f.program.steps[s];
        bool conv = step->kind == DRAE__CUDA_STEP_STEM || step->kind == DRAE__CUDA_STEP_BLOCK ||
                    step->kind == DRAE__CUDA_STEP_CONV;
        int first = first_op(step);
        for (int i = first; conv && i <= step->op; i++) {
            const drae__plan_op *op = &f.plan.ops[i];
            /* What an earlier operation of this step makes is not on the device. */
            if (i == first) {
                f.kernels->load_u8(f.images, &f.plan.map[0], map_of(&f, f.plan.image));
                bring(&f, op->src);
            }
            if (i == step->op) {
                bring(&f, op->residual);
                if (!step->stem && op->proj != op->src) {
                    bring(&f, op->proj);
                }
            }
        }
        cuda_done(drae__cuda_program_step(&f.program, s, &f.memory, 1, NULL, &err), &err);
        for (int i = first; conv && i <= step->op; i++) {
            emulate(&f, i);
        }
        if (conv) {
            const drae__plan_op *op = &f.plan.ops[step->op];
            double same = step->kind == DRAE__CUDA_STEP_BLOCK ? SAME_BLOCK : SAME_CONV;
            compare(&f, op->name, op->raw, same);
            compare(&f, op->name, op->act, same);
            compared++;
        }
    }
    ck_assert_int_ge(compared, 2 * DRAE__BLOCKS);
    close_fixture(&f);
    t_end();
}
END_TEST

/* phi of the CPU backend in a precision. */
static double phi_here(const fixture *f, drae__precision precision) {
    drae__err err = {{0}};
    void *state = NULL, *session = NULL;
    float phi, z;
    const drae__params *params = &f->model.params[DRAE__NET_GENERATOR];
    const drae__engine_data data = {.arch = f->model.arch,
                                    .ssim_window = DRAE__SSIM_GAUSSIAN,
                                    .device = DRAE_DEVICE_CPU,
                                    .precision = precision,
                                    .batch = 1,
                                    .cuda = f->program.choices,
                                    .weights = f->model.data[DRAE__NET_GENERATOR],
                                    .n_weights = params->total};
    const drae__backend *cpu = &drae__backend_cpu;
    const drae__infer_request request = {.n = 1, .patches = f->images, .phi = &phi, .z = &z};
    ck_assert_int_eq(cpu->create(&data, &f->plan, "portable", &state, &err), DRAE_OK);
    ck_assert_int_eq(cpu->session_create(state, 1, 1, &session, &err), DRAE_OK);
    ck_assert_int_eq(cpu->infer(session, &request, &err), DRAE_OK);
    cpu->session_destroy(session);
    cpu->destroy(state);
    return (double)phi;
}

/* The gate's figure: what f16 does to the score, emulated and by the kernels. */
START_TEST(whole_network) {
    const network *net = &networks[_i];
    fixture f;
    drae__err err = {{0}};
    t_begin("score in emulated f16, width %d, size %d, sm_%d", net->width, net->size, net->arch);
    open_fixture(&f, net);
    for (int s = 0; s < f.program.n_steps; s++) {
        cuda_done(drae__cuda_program_step(&f.program, s, &f.memory, 1, NULL, &err), &err);
    }
    float result[DRAE__CUDA_RESULT];
    cuda_download(result, f.memory.arena + f.program.result_at, sizeof result);
    double f32 = phi_here(&f, DRAE__PRECISION_DEVICE);
    double emulated = phi_here(&f, DRAE__PRECISION_F16_EMULATED);
    double kernels = (double)result[0];
    ck_assert(emulated != f32);
    ck_assert_msg(fabs(emulated - kernels) <= 1e-4,
                  "%s: %.9g emulated, %.9g by the kernels, f32 "
                  "%.9g",
                  t_name(), emulated, kernels, f32);
    close_fixture(&f);
    t_end();
}
END_TEST

int main(void) {
    Suite *suite = suite_create("emulation");
    TCase *tc = tcase_create("emulation");
    suite_add_tcase(suite, tc);
    tcase_add_loop_test(tc, step_by_step, 0, (int)(sizeof networks / sizeof networks[0]));
    tcase_add_loop_test(tc, whole_network, 0, (int)(sizeof networks / sizeof networks[0]));
    return drae_run_suite(suite);
}
