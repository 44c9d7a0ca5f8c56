/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/program_cuda.h"

#include "base/arena.h"
#include "base/size.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ALIGN 256

/* ---- which kernels ---- */

/* The block whose second convolution is operation i, its pointers not set. */
static drae__cuda_block block_of(const drae__plan *plan, int i, int n, bool stem) {
    const drae__plan_op *first = &plan->ops[i - 1], *second = &plan->ops[i];
    drae__cuda_block block = {
        .halve = first->conv_kind == DRAE__INFER_CONV3S2,
        .up = second->conv_kind == DRAE__INFER_CONVT4,
        .n = n,
        .h = first->h_in,
        .w = first->h_in,
        .c_in = first->c_in,
        .c = first->c_out,
        .slope = plan->arch.slope,
    };
    /* Only whether they are there counts before launch. */
    static const uint16_t there;
    static const uint8_t pixel;
    block.residual = second->residual != DRAE__NO_TENSOR ? &there : NULL;
    block.image = stem ? &pixel : NULL;
    return block;
}

/* Whether operations i - 1 and i are the two convolutions of a block that resblock takes. Only the
 * second one of a block has a shortcut. */
static bool block_taken(const drae__cuda_program *p, int i, bool stem) {
    const drae__plan_op *first = &p->plan->ops[i - 1], *second = &p->plan->ops[i];
    bool pair = first->kind == DRAE__OP_CONV && second->kind == DRAE__OP_CONV &&
                first->proj == DRAE__NO_TENSOR && first->residual == DRAE__NO_TENSOR &&
                (second->proj != DRAE__NO_TENSOR || second->residual != DRAE__NO_TENSOR) &&
                first->act == second->src;
    if (!pair) {
        return false;
    }
    drae__cuda_block block = block_of(p->plan, i, (int)p->batch, stem);
    return drae__cuda_block_check(&block, &p->device, NULL) == DRAE_OK;
}

static void add_step(drae__cuda_program *p, drae__cuda_step_kind kind, int op, const char *kernel) {
    p->steps[p->n_steps++] = (drae__cuda_step){.kind = kind, .op = op, .kernel = kernel};
}

/* Operation 0 is the stem; blocks follow in pairs, interrupted by down and up. */
static void choose_steps(drae__cuda_program *p) {
    const drae__plan *plan = p->plan;
    int i = 0;
    if (block_taken(p, 2, true)) {
        add_step(p, DRAE__CUDA_STEP_BLOCK, 2, "resblock+stem");
        p->steps[0].stem = true;
        i = 3;
    } else {
        add_step(p, DRAE__CUDA_STEP_STEM, 0, "stem");
        i = 1;
    }
    while (i < plan->n_ops) {
        switch (plan->ops[i].kind) {
        case DRAE__OP_DOWN:
            add_step(p, DRAE__CUDA_STEP_DOWN, i++, "dense_down");
            break;
        case DRAE__OP_UP:
            add_step(p, DRAE__CUDA_STEP_UP, i++, "dense_up");
            break;
        case DRAE__OP_OUT:
            add_step(p, DRAE__CUDA_STEP_OUT, i++, "out");
            break;
        case DRAE__OP_CONV:
            if (i + 1 < plan->n_ops && block_taken(p, i + 1, false)) {
                add_step(p, DRAE__CUDA_STEP_BLOCK, i + 1, "resblock");
                i += 2;
            } else {
                add_step(p, DRAE__CUDA_STEP_CONV, i++, "conv_igemm");
            }
            break;
        }
    }
}

/* ---- buffers ---- */

static size_t tensor_bytes(const drae__cuda_program *p, int t) {
    const drae__plan_tensor *tensor = &p->plan->tensors[t];
    size_t side = (size_t)(p->plan->arch.size >> tensor->level);
    return p->batch * side * side * (size_t)tensor->channels * sizeof(uint16_t);
}

static void use(int *first, int *last, int tensor, int step, bool write) {
    if (tensor != DRAE__NO_TENSOR) {
        first[tensor] = write && step < first[tensor] ? step : first[tensor];
        last[tensor] = step > last[tensor] ? step : last[tensor];
    }
}

/* Steps that write a tensor first and read it last; a block reads its p until it ends. */
static void find_lives(const drae__cuda_program *p, int *first, int *last) {
    const drae__plan *plan = p->plan;
    for (int t = 0; t < plan->n_tensors; t++) {
        first[t] = p->n_steps;
        last[t] = -1;
    }
    for (int s = 0; s < p->n_steps; s++) {
        const drae__cuda_step *step = &p->steps[s];
        const drae__plan_op *op = &plan->ops[step->op];
        bool block = step->kind == DRAE__CUDA_STEP_BLOCK;
        int src = block ? plan->ops[step->op - 1].src : op->src;
        if (src != plan->image && !step->stem) {
            use(first, last, src, s, false);
            use(first, last, op->proj, s, false);
        }
        use(first, last, op->residual, s, false);
        use(first, last, op->raw, s, true);
        use(first, last, op->act, s, true);
    }
}

/* Every tensor that a step touches gets the first slot that is free in its life. */
static bool assign_slots(drae__cuda_program *p) {
    const drae__plan *plan = p->plan;
    int first[DRAE__PLAN_TENSORS], last[DRAE__PLAN_TENSORS], n_slots = 0;
    size_t room[DRAE__PLAN_TENSORS] = {0};
    find_lives(p, first, last);
    for (int t = 0; t < plan->n_tensors; t++) {
        p->slot[t] = -1;
        if (last[t] < 0) {
            continue;
        }
        int slot = 0;
        for (bool free = false; !free; slot += !free) {
            free = true;
            for (int u = 0; u < t && slot < n_slots; u++) {
                free = free && (p->slot[u] != slot || last[u] < first[t] || first[u] > last[t]);
            }
        }
        p->slot[t] = slot;
        n_slots = slot == n_slots ? n_slots + 1 : n_slots;
        size_t n_bytes = tensor_bytes(p, t);
        room[slot] = n_bytes > room[slot] ? n_bytes : room[slot];
    }
    size_t total = 0, pixels = (size_t)plan->arch.size * (size_t)plan->arch.size;
    bool good = true;
    for (int s = 0; s < n_slots; s++) {
        p->slot_at[s] = total;
        good = good && drae__arena_book(&total, room[s]);
    }
    int n = (int)p->batch;
    p->partial_at = total;
    good = good &&
           drae__arena_book(&total, drae__cuda_dense_partial(n, plan->elems, plan->arch.latent) *
                                        sizeof(float));
    p->latents_at = total;
    good = good && drae__arena_book(&total, p->batch * drae__cuda_latent_padded(plan->arch.latent) *
                                                sizeof(uint16_t));
    p->recon_at = total;
    good = good && drae__arena_book(&total, p->batch * pixels * sizeof(float));
    p->score_at = total;
    good = good &&
           drae__arena_book(&total, drae__cuda_score_partial(n, plan->arch.size) * sizeof(float));
    p->result_at = total;
    good = good && drae__arena_book(&total, p->batch * 4 * sizeof(float));
    p->arena_bytes = total;
    return good;
}

/* ---- weights ---- */

typedef struct packer {
    drae__cuda_program *p;
    const float *model;
    size_t at;  /* bytes so far; the first ALIGN are left out so that 0 means none */
    bool write; /* else only counts */
} packer;

static void *reserve(packer *k, size_t n_bytes, size_t *offset) {
    *offset = k->at;
    k->at += drae__size_align(n_bytes, ALIGN);
    return k->write ? k->p->weights + *offset : NULL;
}

/* scale = gamma / sqrt(var + eps), shift = beta - mean scale; by is folded into scale alone. */
static void pack_bn(packer *k, const drae__plan_op *op, double by, size_t *scale_at,
                    size_t *shift_at) {
    size_t c = (size_t)op->c_out;
    float *scale = reserve(k, c * sizeof(float), scale_at);
    float *shift = reserve(k, c * sizeof(float), shift_at);
    const float *bn[4];
    for (int i = 0; i < 4; i++) {
        bn[i] = k->model + op->bn[i]->offset;
    }
    for (size_t i = 0; k->write && i < c; i++) {
        double s = (double)bn[0][i] / sqrt((double)bn[3][i] + (double)k->p->plan->arch.bn_eps);
        scale[i] = (float)(s * by);
        shift[i] = (float)((double)bn[1][i] - (double)bn[2][i] * s);
    }
}

static const float *weights_of(const packer *k, const drae__param *param) {
    return param == NULL ? NULL : k->model + param->offset;
}

static void pack_block(packer *k, drae__cuda_step *s) {
    const drae__plan *plan = k->p->plan;
    const drae__plan_op *first = &plan->ops[s->op - 1], *second = &plan->ops[s->op];
    drae__cuda_block block = block_of(plan, s->op, 1, s->stem);
    uint16_t *wei = reserve(k, drae__cuda_block_packed(&block) * sizeof *wei, &s->wei);
    if (k->write) {
        drae__cuda_block_pack(&block, weights_of(k, first->wei), weights_of(k, second->wei),
                              weights_of(k, second->proj_wei), wei);
    }
    pack_bn(k, first, 1.0, &s->scale1, &s->shift1);
    pack_bn(k, second, 1.0, &s->scale, &s->shift);
    if (s->stem) {
        const drae__plan_op *stem = &plan->ops[s->op - 2];
        uint16_t *dst = reserve(k, stem->wei->count * sizeof *dst, &s->stem_wei);
        for (size_t i = 0; k->write && i < stem->wei->count; i++) {
            dst[i] = drae__f16_of(k->model[stem->wei->offset + i]);
        }
        pack_bn(k, stem, 1.0 / 255.0, &s->stem_scale, &s->stem_shift);
    }
}

/* [c,9] to [9,c]: a window of one channel, in or out. */
static void pack_window(packer *k, const drae__plan_op *op, size_t *offset) {
    size_t c = op->wei->count / 9;
    float *dst = reserve(k, op->wei->count * sizeof *dst, offset);
    for (size_t i = 0; k->write && i < op->wei->count; i++) {
        dst[i % 9 * c + i / 9] = k->model[op->wei->offset + i];
    }
}

static void pack_vector(packer *k, const drae__plan_op *op, const float *src, size_t *offset) {
    float *dst = reserve(k, k->p->plan->elems * sizeof *dst, offset);
    if (k->write) {
        drae__cuda_vector_pack(op->c_out, op->h_out * op->h_out, src, dst);
    }
}

static void pack_up(packer *k, drae__cuda_step *s, const drae__plan_op *op) {
    const drae__plan *plan = k->p->plan;
    size_t elems = plan->elems, padded = drae__cuda_latent_padded(plan->arch.latent);
    int pixels = op->h_out * op->h_out;
    uint16_t *wei = reserve(k, padded * elems * sizeof *wei, &s->wei);
    if (k->write) {
        drae__cuda_up_pack(op->c_out, pixels, plan->arch.latent, weights_of(k, op->wei), wei);
    }
    pack_vector(k, op, weights_of(k, op->bias), &s->bias);
    /* bn is per channel; the kernel wants one number a feature, channels fastest. */
    size_t scale_c, shift_c;
    pack_bn(k, op, 1.0, &scale_c, &shift_c);
    float *scale = reserve(k, elems * sizeof *scale, &s->scale);
    float *shift = reserve(k, elems * sizeof *shift, &s->shift);
    for (size_t i = 0; k->write && i < elems; i++) {
        scale[i] = ((const float *)(const void *)(k->p->weights + scale_c))[i % (size_t)op->c_out];
        shift[i] = ((const float *)(const void *)(k->p->weights + shift_c))[i % (size_t)op->c_out];
    }
}

static void pack_step(packer *k, drae__cuda_step *s) {
    const drae__plan *plan = k->p->plan;
    const drae__plan_op *op = &plan->ops[s->op];
    drae__cuda_conv_kind kind = (drae__cuda_conv_kind)op->conv_kind;
    size_t padded = drae__cuda_latent_padded(plan->arch.latent);
    switch (s->kind) {
    case DRAE__CUDA_STEP_STEM:
        pack_window(k, op, &s->wei);
        pack_bn(k, op, 1.0, &s->scale, &s->shift);
        break;
    case DRAE__CUDA_STEP_BLOCK:
        pack_block(k, s);
        break;
    case DRAE__CUDA_STEP_CONV: {
        size_t n = drae__cuda_conv_packed(kind, op->c_in, op->c_out, op->proj_c_in);
        uint16_t *wei = reserve(k, n * sizeof *wei, &s->wei);
        if (k->write) {
            drae__cuda_conv_pack(kind, op->c_in, op->c_out, op->proj_c_in, weights_of(k, op->wei),
                                 weights_of(k, op->proj_wei), wei);
        }
        pack_bn(k, op, 1.0, &s->scale, &s->shift);
        break;
    }
    case DRAE__CUDA_STEP_DOWN: {
        uint16_t *wei = reserve(k, padded * plan->elems * sizeof *wei, &s->wei);
        float *bias = reserve(k, padded * sizeof *bias, &s->bias);
        if (k->write) {
            drae__cuda_down_pack(op->c_in, op->h_in * op->h_in, plan->arch.latent,
                                 weights_of(k, op->wei), wei);
            memset(bias, 0, padded * sizeof *bias);
            memcpy(bias, weights_of(k, op->bias), (size_t)plan->arch.latent * sizeof *bias);
        }
        break;
    }
    case DRAE__CUDA_STEP_UP:
        pack_up(k, s, op);
        break;
    case DRAE__CUDA_STEP_OUT: {
        pack_window(k, op, &s->wei);
        float *bias = reserve(k, sizeof *bias, &s->bias);
        if (k->write) {
            bias[0] = k->model[op->bias->offset];
        }
        break;
    }
    }
}

static size_t pack_all(drae__cuda_program *p, const float *model, bool write) {
    packer k = {.p = p, .model = model, .at = ALIGN, .write = write};
    for (int i = 0; i < p->n_steps; i++) {
        pack_step(&k, &p->steps[i]);
    }
    return k.at;
}

/* A weight beyond f16 would silently become infinite. */
static drae_status check_range(const drae__plan *plan, const float *model, drae__err *err) {
    for (int i = 0; i < plan->n_ops; i++) {
        const drae__param *wei = plan->ops[i].wei;
        for (size_t k = 0; k < wei->count; k++) {
            if (!(fabsf(model[wei->offset + k]) <= 65504.0f)) {
                return drae__fail(err, DRAE_ERROR_NOT_FINITE,
                                  "%s: weight %zu is %g, beyond the range of f16", wei->path, k,
                                  (double)model[wei->offset + k]);
            }
        }
    }
    return DRAE_OK;
}

drae_status drae__cuda_program_create(const drae__plan *plan, const float *model,
                                      drae__ssim_window window, const drae__cuda_device *device,
                                      size_t batch, drae__cuda_program *program, drae__err *err) {
    memset(program, 0, sizeof *program);
    program->plan = plan;
    program->window = window;
    program->device = *device;
    program->batch = batch;
    double weights[DRAE__SSIM_SIDE];
    drae__ssim_weights(window, weights);
    for (int i = 0; i < DRAE__SSIM_SIDE; i++) {
        program->window_weights[i] = (float)weights[i];
    }
    drae_status status = check_range(plan, model, err);
    if (status != DRAE_OK) {
        return status;
    }
    choose_steps(program);
    program->weights_bytes = pack_all(program, model, false);
    program->weights = drae__aligned_alloc(program->weights_bytes);
    if (!assign_slots(program) || program->weights == NULL) {
        drae__cuda_program_free(program);
        return drae__fail(err, DRAE_ERROR_MEMORY, "no memory for %zu bytes of packed weights",
                          program->weights_bytes);
    }
    memset(program->weights, 0, program->weights_bytes);
    (void)pack_all(program, model, true);
    return DRAE_OK;
}

void drae__cuda_program_free(drae__cuda_program *program) {
    free(program->weights);
    program->weights = NULL;
}

/* ---- launching ---- */

static uint16_t *tensor_at(const drae__cuda_program *p, const drae__cuda_memory *m, int t) {
    return t == DRAE__NO_TENSOR || p->slot[t] < 0
               ? NULL
               : (uint16_t *)(void *)(m->arena + p->slot_at[p->slot[t]]);
}

static const float *floats_at(const drae__cuda_memory *m, size_t offset) {
    return (const float *)(const void *)(m->weights + offset);
}

static const uint16_t *halves_at(const drae__cuda_memory *m, size_t offset) {
    return (const uint16_t *)(const void *)(m->weights + offset);
}

static drae_status run_conv(const drae__cuda_program *p, const drae__cuda_step *s,
                            const drae__cuda_memory *m, int n, drae__cuda_stream stream,
                            drae__err *err) {
    const drae__plan_op *op = &p->plan->ops[s->op];
    const drae__cuda_conv conv = {
        .kind = (drae__cuda_conv_kind)op->conv_kind,
        .n = n,
        .h = op->h_in,
        .w = op->h_in,
        .c_in = op->c_in,
        .c_out = op->c_out,
        .proj_c_in = op->proj_c_in,
        .proj_stride = op->proj == DRAE__NO_TENSOR           ? 0
                       : op->conv_kind == DRAE__INFER_CONVT4 ? 1
                                                             : op->proj_h / op->h_in,
        .src = tensor_at(p, m, op->src),
        .proj = tensor_at(p, m, op->proj),
        .wei = halves_at(m, s->wei),
        .residual = tensor_at(p, m, op->residual),
        .scale = floats_at(m, s->scale),
        .shift = floats_at(m, s->shift),
        .slope = p->plan->arch.slope,
        .raw = tensor_at(p, m, op->raw),
        .act = tensor_at(p, m, op->act),
    };
    return drae__cuda_conv_igemm(&conv, stream, err);
}

static drae_status run_block(const drae__cuda_program *p, const drae__cuda_step *s,
                             const drae__cuda_memory *m, int n, drae__cuda_stream stream,
                             drae__err *err) {
    const drae__plan_op *op = &p->plan->ops[s->op];
    drae__cuda_block block = block_of(p->plan, s->op, n, s->stem);
    block.src = s->stem ? NULL : tensor_at(p, m, p->plan->ops[s->op - 1].src);
    block.wei = halves_at(m, s->wei);
    block.residual = tensor_at(p, m, op->residual);
    block.scale1 = floats_at(m, s->scale1);
    block.shift1 = floats_at(m, s->shift1);
    block.scale2 = floats_at(m, s->scale);
    block.shift2 = floats_at(m, s->shift);
    block.raw = tensor_at(p, m, op->raw);
    block.act = tensor_at(p, m, op->act);
    block.image = s->stem ? m->images : NULL;
    block.stem_wei = halves_at(m, s->stem_wei);
    block.stem_scale = floats_at(m, s->stem_scale);
    block.stem_shift = floats_at(m, s->stem_shift);
    return drae__cuda_block_stream(&block, &p->device, stream, err);
}

static drae__cuda_dense dense_of(const drae__cuda_program *p, const drae__cuda_step *s,
                                 const drae__cuda_memory *m, int n) {
    const drae__plan *plan = p->plan;
    drae__cuda_dense dense = {
        .n = n,
        .latent = plan->arch.latent,
        .elems = plan->elems,
        .src = tensor_at(p, m, plan->features),
        .slope = plan->arch.slope,
        .partial = (float *)(void *)(m->arena + p->partial_at),
        .latents = (uint16_t *)(void *)(m->arena + p->latents_at),
        .dst = tensor_at(p, m, plan->first),
    };
    if (s->kind == DRAE__CUDA_STEP_DOWN) {
        dense.wei_down = halves_at(m, s->wei);
        dense.bias_down = floats_at(m, s->bias);
    } else {
        dense.wei_up = halves_at(m, s->wei);
        dense.bias_up = floats_at(m, s->bias);
        dense.scale = floats_at(m, s->scale);
        dense.shift = floats_at(m, s->shift);
    }
    return dense;
}

drae_status drae__cuda_program_step(const drae__cuda_program *program, int i,
                                    const drae__cuda_memory *memory, size_t n,
                                    drae__cuda_stream stream, drae__err *err) {
    const drae__cuda_step *s = &program->steps[i];
    const drae__plan *plan = program->plan;
    const drae__plan_op *op = &plan->ops[s->op];
    int count = (int)n, size = plan->arch.size;
    switch (s->kind) {
    case DRAE__CUDA_STEP_STEM: {
        const drae__cuda_stem stem = {
            .n = count,
            .h = size,
            .w = size,
            .c = op->c_out,
            .image = memory->images,
            .wei = floats_at(memory, s->wei),
            .scale = floats_at(memory, s->scale),
            .shift = floats_at(memory, s->shift),
            .slope = plan->arch.slope,
            .act = tensor_at(program, memory, op->act),
        };
        return drae__cuda_stem_u8(&stem, stream, err);
    }
    case DRAE__CUDA_STEP_BLOCK:
        return run_block(program, s, memory, count, stream, err);
    case DRAE__CUDA_STEP_CONV:
        return run_conv(program, s, memory, count, stream, err);
    case DRAE__CUDA_STEP_DOWN: {
        const drae__cuda_dense dense = dense_of(program, s, memory, count);
        return drae__cuda_down(&dense, stream, err);
    }
    case DRAE__CUDA_STEP_UP: {
        const drae__cuda_dense dense = dense_of(program, s, memory, count);
        return drae__cuda_up(&dense, stream, err);
    }
    case DRAE__CUDA_STEP_OUT:
        break;
    }
    const drae__cuda_out out = {
        .n = count,
        .h = size,
        .w = size,
        .c = op->c_in,
        .src = tensor_at(program, memory, op->src),
        .wei = floats_at(memory, s->wei),
        .bias = floats_at(memory, s->bias),
        .recon = (float *)(void *)(memory->arena + program->recon_at),
    };
    return drae__cuda_out_sigmoid(&out, stream, err);
}

drae_status drae__cuda_program_score(const drae__cuda_program *program,
                                     const drae__cuda_memory *memory, size_t n,
                                     drae__cuda_stream stream, drae__err *err) {
    drae__cuda_score score = {
        .n = (int)n,
        .size = program->plan->arch.size,
        .window = program->window,
        .image = memory->images,
        .recon = (const float *)(const void *)(memory->arena + program->recon_at),
        .partial = (float *)(void *)(memory->arena + program->score_at),
        .result = (float *)(void *)(memory->arena + program->result_at),
    };
    memcpy(score.weights, program->window_weights, sizeof score.weights);
    return drae__cuda_score_phi(&score, stream, err);
}

/* ---- text ---- */

/* f16 bytes of a step's maps of one patch: those of its operations without what stays on the chip.
 */
static double step_bytes(const drae__cuda_program *p, const drae__cuda_step *s) {
    const drae__plan_op *op = &p->plan->ops[s->op];
    if (s->kind != DRAE__CUDA_STEP_BLOCK) {
        return s->kind == DRAE__CUDA_STEP_OUT ? op->bytes / 2.0 + 2.0 * op->h_out * op->h_out
                                              : op->bytes / 2.0;
    }
    const drae__plan_op *first = &p->plan->ops[s->op - 1];
    double in = (double)first->h_in * first->h_in * (s->stem ? 0.5 : first->c_in);
    double out = (double)op->h_out * op->h_out * op->c_out;
    int maps = (op->residual != DRAE__NO_TENSOR) + (op->raw != DRAE__NO_TENSOR) +
               (op->act != DRAE__NO_TENSOR);
    return 2.0 * (in + out * maps);
}

static double step_flops(const drae__cuda_program *p, const drae__cuda_step *s) {
    double flops = p->plan->ops[s->op].flops;
    for (int i = 1; s->kind == DRAE__CUDA_STEP_BLOCK && i <= (s->stem ? 2 : 1); i++) {
        flops += p->plan->ops[s->op - i].flops;
    }
    return flops;
}

size_t drae__cuda_program_print(const drae__cuda_program *program, char *text, size_t n_bytes) {
    size_t used = 0;
    double bytes = 0.0, flops = 0.0;
    char line[192];
    for (int i = -1; i <= program->n_steps; i++) {
        if (i < 0) {
            (void)snprintf(line, sizeof line, "%-26s %-14s %-20s %9s %9s\n", "layer", "kernel",
                           "shape", "KB", "MFLOP");
        } else if (i < program->n_steps) {
            const drae__cuda_step *s = &program->steps[i];
            const drae__plan_op *op = &program->plan->ops[s->op];
            char shape[48];
            (void)snprintf(shape, sizeof shape, "%dx%d^2 > %dx%d^2", op->c_in, op->h_in, op->c_out,
                           op->h_out);
            (void)snprintf(line, sizeof line, "%-26s %-14s %-20s %9.1f %9.2f\n", op->name,
                           s->kernel, shape, step_bytes(program, s) / 1024.0,
                           step_flops(program, s) * 1e-6);
            bytes += step_bytes(program, s);
            flops += step_flops(program, s);
        } else {
            (void)snprintf(line, sizeof line,
                           "total: %d kernels, %.1f MB moved and %.3f GFLOP a patch; %.1f MB of "
                           "weights, %.1f MB a session of %zu\n",
                           program->n_steps + 3, bytes / 1048576.0, flops * 1e-9,
                           (double)program->weights_bytes / 1048576.0,
                           (double)program->arena_bytes / 1048576.0, program->batch);
        }
        if (used < n_bytes) {
            (void)snprintf(text + used, n_bytes - used, "%s", line);
        }
        used += strlen(line);
    }
    return used + 1;
}
