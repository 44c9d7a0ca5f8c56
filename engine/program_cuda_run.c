/* SPDX-License-Identifier: Apache-2.0 */
/* The launches of a CUDA program; the only part of it that needs the kernels themselves. */
#include "engine/program_cuda.h"

#include <string.h>

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
        .tile_n = drae__cuda_variant_tile(s->variant),
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
    drae__cuda_block block = drae__cuda_block_of(p->plan, s->op, n, s->stem);
    block.src = s->stem ? NULL : tensor_at(p, m, p->plan->ops[s->op - 1].src);
    block.rows = drae__cuda_variant_rows(s->variant);
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
    drae__cuda_out_score score = {
        .n = count,
        .size = size,
        .c = op->c_in,
        .window = program->window,
        .src = tensor_at(program, memory, op->src),
        .wei = floats_at(memory, s->wei),
        .bias = floats_at(memory, s->bias),
        .image = memory->images,
        .maps = memory->maps,
        .filters = memory->filters,
        .heads = memory->heads,
        .table = memory->table,
        .regions = memory->table == NULL ? NULL : memory->regions,
        .planes = memory->planes,
        .head_maps = {tensor_at(program, memory, plan->n_tensors),
                      tensor_at(program, memory, plan->n_tensors + 1)},
        .recon = memory->recon,
        .z = memory->z,
        .partial = (float *)(void *)(memory->arena + program->score_at),
        .result = (float *)(void *)(memory->arena + program->result_at),
    };
    memcpy(score.weights, program->window_weights, sizeof score.weights);
    return drae__cuda_out_score_run(&score, stream, err);
}
