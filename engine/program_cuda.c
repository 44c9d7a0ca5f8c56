/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/program_cuda.h"

#include "base/arena.h"

#include <stdlib.h>
#include <string.h>

/* ---- which kernels ---- */

drae__cuda_block drae__cuda_block_of(const drae__plan *plan, int i, int n, bool stem) {
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

/* Only the second convolution of a block has a shortcut. */
bool drae__cuda_block_ends(const drae__plan *plan, int i) {
    if (i < 1 || i >= plan->n_ops) {
        return false;
    }
    const drae__plan_op *first = &plan->ops[i - 1], *second = &plan->ops[i];
    return first->kind == DRAE__OP_CONV && second->kind == DRAE__OP_CONV &&
           first->proj == DRAE__NO_TENSOR && first->residual == DRAE__NO_TENSOR &&
           (second->proj != DRAE__NO_TENSOR || second->residual != DRAE__NO_TENSOR) &&
           first->act == second->src;
}

bool drae__cuda_block_takes(const drae__plan *plan, int i, bool stem, drae__cuda_variant variant,
                            size_t shared_max) {
    int rows = drae__cuda_variant_rows(variant);
    if (rows == 0 || !drae__cuda_block_ends(plan, i) || (stem && i != 2)) {
        return false;
    }
    const drae__cuda_block block = drae__cuda_block_of(plan, i, 1, stem);
    size_t n_bytes = drae__cuda_block_shared(&block, rows);
    return n_bytes > 0 && n_bytes <= shared_max;
}

static void add_step(drae__cuda_program *p, drae__cuda_step_kind kind, int op, const char *kernel) {
    p->steps[p->n_steps++] = (drae__cuda_step){
        .kind = kind, .op = op, .variant = (drae__cuda_variant)p->choices.of[op], .kernel = kernel};
}

/* Steps from operation i on; returns the next operation, 0 where the choice does not fit. */
static int choose_step(drae__cuda_program *p, int i) {
    const drae__plan *plan = p->plan;
    const uint8_t *of = p->choices.of;
    drae__cuda_variant own = (drae__cuda_variant)of[i];
    if (plan->ops[i].kind != DRAE__OP_CONV) {
        static const char *const names[] = {[DRAE__OP_DOWN] = "dense_down",
                                            [DRAE__OP_UP] = "dense_up",
                                            [DRAE__OP_OUT] = "out_score"};
        static const drae__cuda_step_kind kinds[] = {[DRAE__OP_DOWN] = DRAE__CUDA_STEP_DOWN,
                                                     [DRAE__OP_UP] = DRAE__CUDA_STEP_UP,
                                                     [DRAE__OP_OUT] = DRAE__CUDA_STEP_OUT};
        add_step(p, kinds[plan->ops[i].kind], i, names[plan->ops[i].kind]);
        return own == DRAE__CUDA_NONE ? i + 1 : 0;
    }
    if (own != DRAE__CUDA_NONE) {
        bool stem = i == 0;
        add_step(p, stem ? DRAE__CUDA_STEP_STEM : DRAE__CUDA_STEP_CONV, i,
                 drae__cuda_variant_name(own));
        return (stem ? own == DRAE__CUDA_STEM : drae__cuda_variant_tile(own) > 0) ? i + 1 : 0;
    }
    bool stem = i == 0;
    int last = stem ? 2 : i + 1;
    drae__cuda_variant block = last < plan->n_ops ? (drae__cuda_variant)of[last] : DRAE__CUDA_NONE;
    if ((stem && of[1] != DRAE__CUDA_NONE) ||
        !drae__cuda_block_takes(plan, last, stem, block, p->device.shared_max)) {
        return 0;
    }
    add_step(p, DRAE__CUDA_STEP_BLOCK, last, drae__cuda_variant_name(block));
    p->steps[p->n_steps - 1].stem = stem;
    return last + 1;
}

static drae_status choose_steps(drae__cuda_program *p, drae__err *err) {
    for (int i = 0, next; i < p->plan->n_ops; i = next) {
        next = choose_step(p, i);
        if (next == 0) {
            return drae__fail(err, DRAE_ERROR_UNSUPPORTED,
                              "%s: kernel %s does not take it on this device: compile the model "
                              "again",
                              p->plan->ops[i].name,
                              drae__cuda_variant_name((drae__cuda_variant)p->choices.of[i]));
        }
    }
    return DRAE_OK;
}

/* ---- buffers ---- */

static size_t tensor_bytes(const drae__cuda_program *p, int t) {
    if (t >= p->plan->n_tensors) {
        return drae__cuda_head_elems(p->batch, p->plan->arch.size) * sizeof(uint16_t);
    }
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
    for (int i = 0; i < DRAE__CUDA_HEAD_MAPS; i++) {
        bool there = drae__h_takes(plan->arch.size);
        first[plan->n_tensors + i] = p->n_steps - 1;
        last[plan->n_tensors + i] = there ? p->n_steps : -1;
    }
}

/* Every tensor that a step touches gets the first slot that is free in its life. */
static bool assign_slots(drae__cuda_program *p) {
    const drae__plan *plan = p->plan;
    int first[DRAE__CUDA_TENSORS], last[DRAE__CUDA_TENSORS], n_slots = 0;
    size_t room[DRAE__CUDA_TENSORS] = {0};
    find_lives(p, first, last);
    for (int t = 0; t < plan->n_tensors + DRAE__CUDA_HEAD_MAPS; t++) {
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
    size_t total = 0;
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
    p->score_at = total;
    good = good && drae__arena_book(&total, drae__cuda_out_score_partial(n, plan->arch.size) *
                                                sizeof(float));
    p->result_at = total;
    good = good && drae__arena_book(&total, p->batch * DRAE__CUDA_RESULT * sizeof(float));
    p->arena_bytes = total;
    return good;
}

drae_status drae__cuda_program_shape(const drae__plan *plan, const drae__cuda_device *device,
                                     const drae__cuda_choices *choices, size_t batch,
                                     drae__cuda_program *program, drae__err *err) {
    memset(program, 0, sizeof *program);
    program->plan = plan;
    program->device = *device;
    program->choices = *choices;
    program->batch = batch;
    drae_status status = choose_steps(program, err);
    if (status != DRAE_OK) {
        return status;
    }
    program->weights_bytes = drae__cuda_program_pack(program, NULL);
    if (!assign_slots(program)) {
        return drae__fail(err, DRAE_ERROR_MEMORY, "the buffers of %zu patches do not fit", batch);
    }
    return DRAE_OK;
}

drae_status drae__cuda_program_create(const drae__plan *plan, const float *model,
                                      drae__ssim_window window, const drae__cuda_device *device,
                                      const drae__cuda_choices *choices, size_t batch,
                                      drae__cuda_program *program, drae__err *err) {
    drae_status status = drae__cuda_program_shape(plan, device, choices, batch, program, err);
    if (status != DRAE_OK) {
        return status;
    }
    status = drae__cuda_check_weights(plan, model, err);
    if (status != DRAE_OK) {
        return status;
    }
    program->window = window;
    double weights[DRAE__SSIM_SIDE];
    drae__ssim_weights(window, weights);
    for (int i = 0; i < DRAE__SSIM_SIDE; i++) {
        program->window_weights[i] = (float)weights[i];
    }
    program->weights = drae__aligned_alloc(program->weights_bytes);
    if (program->weights == NULL) {
        return drae__fail(err, DRAE_ERROR_MEMORY, "no memory for %zu bytes of packed weights",
                          program->weights_bytes);
    }
    memset(program->weights, 0, program->weights_bytes);
    (void)drae__cuda_program_pack(program, model);
    return DRAE_OK;
}

void drae__cuda_program_free(drae__cuda_program *program) {
    free(program->weights);
    program->weights = NULL;
}

void drae__cuda_program_scores(drae__cuda_program *program, const drae__calibration *calibration) {
    program->matched = program->head = false;
    for (int r = 0; calibration != NULL && r < calibration->n_regions; r++) {
        program->matched = program->matched || calibration->filters[r] != NULL;
        program->head = program->head || calibration->head[r] != NULL;
    }
}
