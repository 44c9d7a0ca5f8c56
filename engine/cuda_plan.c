/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/cuda_plan.h"

#include "engine/cuda_table.h"
#include "engine/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KIB 1024.0
#define MIB 1048576.0
#define US  1e6
#define MS  1e3

/* Two sums of five moments over 11 rows and 11 columns a pixel. */
#define SCORE_FLOPS_PIXEL 220.0
/* Three blurs, margins included, 12 sums of 9, 16 comparisons of a product. */
#define MATCHED_FLOPS_PIXEL 248.0
/* Floats written and read: e, c2, c3, e twice; a scale. */
#define MATCHED_BYTES_PIXEL 32.0
/* Of the head's input: four differences, one division; the scales read, 16 planes of a quarter of
 * the pixels written. */
#define HEAD_INPUT_FLOPS_PIXEL 8.0
#define HEAD_INPUT_BYTES_PIXEL 12.0
/* Of a pixel of a map of the head: a layer's sums, the last layer's; the map in f16. */
#define HEAD_FLOPS_PIXEL     (2.0 * 9.0 * DRAE__H_PLANES * DRAE__H_PLANES)
#define HEAD_OUT_FLOPS_PIXEL (2.0 * DRAE__H_PLANES)
#define HEAD_MAP_BYTES_PIXEL (2.0 * DRAE__H_PLANES)
/* Kernels besides the steps: sums of the score, latents; of the matched filters. */
#define OTHER_KERNELS   2
#define MATCHED_KERNELS 2

static double f16_bytes(const drae__plan_op *op) {
    return op->bytes / 2.0;
}

/* f16 maps that a step reads and writes, of one patch, without what stays on the chip. */
static double map_bytes(const drae__cuda_program *p, const drae__cuda_step *s) {
    const drae__plan_op *op = &p->plan->ops[s->op];
    if (s->kind == DRAE__CUDA_STEP_OUT) {
        return f16_bytes(op) - (double)op->h_out * op->h_out; /* in comes the image, X^ stays */
    }
    if (s->kind != DRAE__CUDA_STEP_BLOCK) {
        return f16_bytes(op);
    }
    const drae__plan_op *first = &p->plan->ops[s->op - 1];
    double in = (double)first->h_in * first->h_in * (s->stem ? 0.5 : first->c_in);
    double out = (double)op->h_out * op->h_out * op->c_out;
    int maps = (op->residual != DRAE__NO_TENSOR) + (op->raw != DRAE__NO_TENSOR) +
               (op->act != DRAE__NO_TENSOR);
    return 2.0 * (in + out * maps);
}

/* Operations that a step computes: those from this one on. */
static int first_op(const drae__cuda_step *s) {
    return s->kind != DRAE__CUDA_STEP_BLOCK ? s->op : s->op - (s->stem ? 2 : 1);
}

static size_t shared_of(const drae__cuda_program *p, const drae__cuda_step *s) {
    if (s->kind == DRAE__CUDA_STEP_BLOCK) {
        const drae__cuda_block block = drae__cuda_block_of(p->plan, s->op, 1, s->stem);
        return drae__cuda_block_shared(&block, drae__cuda_variant_rows(s->variant));
    }
    return s->kind == DRAE__CUDA_STEP_CONV
               ? drae__cuda_igemm_shared(drae__cuda_variant_tile(s->variant))
               : 0;
}

/* Operations a second that a step's kernel is taken to reach, and its unit at most. */
static double rate_of(const drae__cuda_step *s, const drae__cuda_card *card, double *peak) {
    bool tensor = s->kind != DRAE__CUDA_STEP_STEM;
    double share = s->kind == DRAE__CUDA_STEP_BLOCK      ? card->block_share
                   : s->variant == DRAE__CUDA_IGEMM_N128 ? card->wide_share
                   : tensor                              ? card->narrow_share
                                                         : card->f32_share;
    *peak = tensor ? card->f16_rate : card->f32_rate;
    return *peak * share;
}

static void set_times(drae__cuda_cost *cost, const drae__cuda_card *card, size_t batch, double rate,
                      double peak, int kernels) {
    double bytes = cost->bytes * (double)batch + cost->weight_bytes;
    double flops = cost->flops * (double)batch;
    double memory_s = bytes / card->memory_rate, unit_s = flops / peak;
    cost->floor_s = memory_s > unit_s ? memory_s : unit_s;
    memory_s /= card->memory_share;
    unit_s = flops / rate;
    cost->predicted_s = (memory_s > unit_s ? memory_s : unit_s) + kernels * card->gap_s;
}

drae__cuda_cost drae__cuda_step_cost(const drae__cuda_program *program, const drae__cuda_card *card,
                                     int step) {
    const drae__cuda_step *s = &program->steps[step];
    drae__cuda_cost cost = {.bytes = map_bytes(program, s), .shared_bytes = shared_of(program, s)};
    size_t end =
        step + 1 < program->n_steps ? program->steps[step + 1].wei : program->weights_bytes;
    cost.weight_bytes = (double)(end - s->wei);
    for (int i = first_op(s); i <= s->op; i++) {
        cost.flops += program->plan->ops[i].flops;
    }
    double peak, rate = rate_of(s, card, &peak);
    set_times(&cost, card, program->batch, rate, peak, s->kind == DRAE__CUDA_STEP_DOWN ? 2 : 1);
    return cost;
}

/* What the last step does besides its layer, in the same pass; its sums are a kernel of their own.
 */
static drae__cuda_cost score_cost(const drae__cuda_program *p, const drae__cuda_card *card) {
    double pixels = (double)p->plan->arch.size * p->plan->arch.size;
    drae__cuda_cost cost = {.flops = SCORE_FLOPS_PIXEL * pixels};
    set_times(&cost, card, p->batch, card->f32_rate * card->f32_share, card->f32_rate, 1);
    return cost;
}

/* z by matched filters, of every patch. */
static drae__cuda_cost matched_cost(const drae__cuda_program *p, const drae__cuda_card *card) {
    double pixels = (double)p->plan->arch.size * p->plan->arch.size;
    drae__cuda_cost cost = {.flops = MATCHED_FLOPS_PIXEL * pixels,
                            .bytes = MATCHED_BYTES_PIXEL * pixels};
    set_times(&cost, card, p->batch, card->f32_rate * card->f32_share, card->f32_rate,
              MATCHED_KERNELS);
    return cost;
}

/* Of the head, of every patch: its input (layer -1), which the score and the filters write, or a
 * layer. The last one leaves nothing behind but the largest. */
static drae__cuda_cost head_cost(const drae__cuda_program *p, const drae__cuda_card *card,
                                 int layer) {
    double size = p->plan->arch.size, pixels = size * size / 4.0;
    drae__cuda_cost cost = {.flops = HEAD_INPUT_FLOPS_PIXEL * size * size,
                            .bytes = HEAD_INPUT_BYTES_PIXEL * size * size};
    if (layer < 0) {
        set_times(&cost, card, p->batch, card->f32_rate * card->f32_share, card->f32_rate, 0);
        return cost;
    }
    bool last = layer == DRAE__H_LAYERS - 1;
    cost.flops = (HEAD_FLOPS_PIXEL + (last ? HEAD_OUT_FLOPS_PIXEL : 0.0)) * pixels;
    cost.bytes = HEAD_MAP_BYTES_PIXEL * (last ? 1.0 : 2.0) * pixels;
    cost.weight_bytes = (double)(sizeof(drae__cuda_head) / DRAE__H_LAYERS);
    set_times(&cost, card, p->batch, card->f16_rate * card->narrow_share, card->f16_rate, 1);
    return cost;
}

static void add(drae__cuda_cost *sum, const drae__cuda_cost *cost) {
    sum->bytes += cost->bytes;
    sum->weight_bytes += cost->weight_bytes;
    sum->flops += cost->flops;
    sum->shared_bytes =
        cost->shared_bytes > sum->shared_bytes ? cost->shared_bytes : sum->shared_bytes;
    sum->floor_s += cost->floor_s;
    sum->predicted_s += cost->predicted_s;
}

drae__cuda_totals drae__cuda_total_cost(const drae__cuda_program *program,
                                        const drae__cuda_card *card) {
    drae__cuda_totals t = {.n_kernels = program->n_steps + OTHER_KERNELS};
    for (int i = 0; i < program->n_steps; i++) {
        drae__cuda_cost cost = drae__cuda_step_cost(program, card, i);
        add(&t.cost, &cost);
    }
    drae__cuda_cost score = score_cost(program, card);
    add(&t.cost, &score);
    if (program->matched) {
        drae__cuda_cost matched = matched_cost(program, card);
        add(&t.cost, &matched);
        t.n_kernels += MATCHED_KERNELS;
    }
    for (int l = -1; program->head && l < DRAE__H_LAYERS; l++) {
        drae__cuda_cost head = head_cost(program, card, l);
        add(&t.cost, &head);
        t.n_kernels += l >= 0;
    }
    double pixels =
        (double)program->plan->arch.size * program->plan->arch.size * (double)program->batch;
    t.copy_s = pixels / card->copy_rate;
    /* X^ out and in, the image in, two bytes out, which then leave the device. */
    t.maps_s = 11.0 * pixels / (card->memory_rate * card->memory_share) + card->gap_s +
               2.0 * pixels / card->copy_rate;
    return t;
}

/* ---- text ---- */

static void print_cost(drae__text *out, const char *layer, const char *kernel, const char *shape,
                       const drae__cuda_cost *cost) {
    char line[256], shared[16] = "-";
    if (cost->shared_bytes > 0) {
        (void)snprintf(shared, sizeof shared, "%.1f", (double)cost->shared_bytes / KIB);
    }
    (void)snprintf(line, sizeof line, "%-26s %-16s %-22s %9.1f %9.1f %9.2f %9s %9.1f %9.1f\n",
                   layer, kernel, shape, cost->bytes / KIB, cost->weight_bytes / KIB,
                   cost->flops * 1e-6, shared, cost->floor_s * US, cost->predicted_s * US);
    drae__text_append(out, line);
}

static void print_step(drae__text *out, const drae__cuda_program *p, const drae__cuda_card *card,
                       int step) {
    const drae__cuda_step *s = &p->steps[step];
    const drae__plan_op *op = &p->plan->ops[s->op], *first = &p->plan->ops[first_op(s)];
    char shape[48], kernel[32];
    (void)snprintf(shape, sizeof shape, "%dx%d^2 > %dx%d^2", first->c_in, first->h_in, op->c_out,
                   op->h_out);
    (void)snprintf(kernel, sizeof kernel, "%s%s", s->kernel, s->stem ? "+stem" : "");
    drae__cuda_cost cost = drae__cuda_step_cost(p, card, step);
    print_cost(out, op->name, kernel, shape, &cost);
}

static void print_head_layers(drae__text *out, const drae__cuda_program *p,
                              const drae__cuda_card *card) {
    const int side = p->plan->arch.size / 2;
    char layer[32], shape[48];
    drae__cuda_cost cost = head_cost(p, card, -1);
    (void)snprintf(shape, sizeof shape, "1x%d^2 > %dx%d^2", 2 * side, DRAE__H_PLANES, side);
    print_cost(out, "head/input", "score, matched", shape, &cost);
    for (int l = 0; l < DRAE__H_LAYERS; l++) {
        cost = head_cost(p, card, l);
        (void)snprintf(layer, sizeof layer, "head/conv%d", l);
        (void)snprintf(shape, sizeof shape, "%dx%d^2 > %dx%d^2", DRAE__H_PLANES, side,
                       l == DRAE__H_LAYERS - 1 ? 1 : DRAE__H_PLANES, side);
        print_cost(out, layer, "head", shape, &cost);
    }
}

size_t drae__cuda_plan_print(const drae__cuda_program *program, const drae__cuda_card *card,
                             char *text, size_t n_bytes) {
    drae__text out = {text, n_bytes, 0};
    char line[256];
    (void)snprintf(line, sizeof line,
                   "plan for %s, sm_%d: %d SMs, %.0f GB/s, %.1f TFLOP/s f16; KB and MFLOP of a "
                   "patch, wei KB of a launch, us of %zu patches\n",
                   card->name, card->device.arch, card->device.sm_count, card->memory_rate * 1e-9,
                   card->f16_rate * 1e-12, program->batch);
    drae__text_append(&out, line);
    (void)snprintf(line, sizeof line, "%-26s %-16s %-22s %9s %9s %9s %9s %9s %9s\n", "layer",
                   "kernel", "shape", "KB", "wei KB", "MFLOP", "shared KB", "floor us",
                   "predicted");
    drae__text_append(&out, line);
    for (int i = 0; i < program->n_steps; i++) {
        print_step(&out, program, card, i);
    }
    drae__cuda_cost score = score_cost(program, card);
    print_cost(&out, "score", "score", "", &score);
    if (program->matched) {
        drae__cuda_cost matched = matched_cost(program, card);
        print_cost(&out, "matched filters", "matched", "", &matched);
    }
    if (program->head) {
        print_head_layers(&out, program, card);
    }
    drae__cuda_totals t = drae__cuda_total_cost(program, card);
    (void)snprintf(line, sizeof line,
                   "total: %d kernels, %.1f MB moved and %.3f GFLOP a patch; %.1f MB of weights, "
                   "%.1f MB a session of %zu\n",
                   t.n_kernels, t.cost.bytes / MIB, t.cost.flops * 1e-9,
                   (double)program->weights_bytes / MIB, (double)program->arena_bytes / MIB,
                   program->batch);
    drae__text_append(&out, line);
    (void)snprintf(line, sizeof line,
                   "cycle of %zu, not measured: floor %.2f ms; predicted %.2f ms = kernels %.2f + "
                   "copy in %.2f; both heatmaps %.2f more\n",
                   program->batch, t.cost.floor_s * MS, (t.cost.predicted_s + t.copy_s) * MS,
                   t.cost.predicted_s * MS, t.copy_s * MS, t.maps_s * MS);
    drae__text_append(&out, line);
    return out.used + 1;
}

drae_status drae__cuda_plan_text(const drae__arch *arch, const drae__cuda_card *card,
                                 const drae__cuda_choices *choices, size_t batch,
                                 const drae__calibration *calibration, char **text,
                                 drae__err *err) {
    drae_status status = DRAE_OK;
    drae__params params = {0};
    drae__cuda_choices table;
    char *printed = NULL;
    drae__plan *plan = malloc(sizeof *plan);
    drae__cuda_program *program = calloc(1, sizeof *program);
    if (plan == NULL || program == NULL) {
        status = drae__fail(err, DRAE_ERROR_MEMORY, "no memory for the plan");
        goto done;
    }
    DRAE__TRY(drae__params_create(arch, DRAE__NET_GENERATOR, &params, err));
    DRAE__TRY(drae__plan_create(arch, &params, plan, err));
    if (choices == NULL) {
        drae__cuda_table_choose(plan, &card->device, &table);
        choices = &table;
    }
    DRAE__TRY(drae__cuda_program_shape(plan, &card->device, choices, batch, program, err));
    drae__cuda_program_scores(program, calibration);
    size_t n_bytes = drae__cuda_plan_print(program, card, NULL, 0);
    printed = malloc(n_bytes);
    if (printed == NULL) {
        status = drae__fail(err, DRAE_ERROR_MEMORY, "no memory for the plan");
        goto done;
    }
    (void)drae__cuda_plan_print(program, card, printed, n_bytes);
    *text = printed;
done:
    drae__params_free(&params);
    free(program);
    free(plan);
    return status;
}
