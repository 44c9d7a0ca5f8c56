/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/program_bf16.h"

#include "base/size.h"

#include <math.h>
#include <string.h>

#define CHANNELS_MAX (DRAE__WIDTH_MAX << (DRAE__STAGES - 1))

/* ---- buffers ---- */

/* Every tensor gets the first buffer of its geometry that is free from its first to its last use:
 * zeros around the pixels stay where they are. */
static bool place_tensors(drae__bf16_program *p) {
    const drae__plan *plan = p->plan;
    int slot[DRAE__PLAN_TENSORS], n_slots = 0;
    size_t start[DRAE__PLAN_TENSORS], total = 0;
    for (int t = 0; t < plan->n_tensors; t++) {
        const drae__plan_tensor *tensor = &plan->tensors[t];
        int side = plan->arch.size >> tensor->level;
        p->maps[t] =
            drae__bf16_map_of(side, side, tensor->channels, t == plan->image ? 1 : p->parts);
        slot[t] = n_slots;
        for (int s = 0; s < n_slots && slot[t] == n_slots; s++) {
            bool free = true;
            for (int u = 0; u < t && free; u++) {
                const drae__plan_tensor *other = &plan->tensors[u];
                bool apart = other->last < tensor->first || other->first > tensor->last;
                bool same = p->maps[u].w == p->maps[t].w && p->maps[u].c == p->maps[t].c;
                free = slot[u] != s || (apart && same);
            }
            slot[t] = free ? s : n_slots;
        }
        if (slot[t] == n_slots) {
            size_t n_bytes;
            start[n_slots++] = total / sizeof(drae__bf16);
            if (!drae__size_mul(drae__bf16_map_elems(&p->maps[t]), sizeof(drae__bf16), &n_bytes) ||
                !drae__arena_book(&total, n_bytes)) {
                return false;
            }
        }
        p->at[t] = start[slot[t]] + drae__bf16_map_origin(&p->maps[t]);
    }
    p->workspace_elems = total / sizeof(drae__bf16);
    return true;
}

/* ---- weights ---- */

static bool is_conv(const drae__plan_op *op) {
    return op->kind == DRAE__OP_CONV || op->kind == DRAE__OP_OUT;
}

static drae__bf16_shape shape_of(const drae__bf16_program *p, const drae__plan_op *op) {
    int stride = op->proj == DRAE__NO_TENSOR ? 0 : op->proj_h / op->h_out;
    return drae__bf16_shape_of(op->conv_kind, op->c_in, op->c_out, op->proj_c_in,
                               stride == 0 ? 1 : stride, p->parts);
}

static bool book_weights(drae__bf16_program *p, size_t *total) {
    for (int i = 0; i < p->plan->n_ops; i++) {
        const drae__plan_op *op = &p->plan->ops[i];
        if (is_conv(op)) {
            drae__bf16_shape s = shape_of(p, op);
            size_t columns = (size_t)drae__bf16_columns(&s) * sizeof(float);
            if (!drae__arena_book(total, drae__bf16_packed_elems(&s) * sizeof(drae__bf16)) ||
                !drae__arena_book(total, columns) || !drae__arena_book(total, columns)) {
                return false;
            }
        }
    }
    return true;
}

/* scale = gamma / sqrt(var + eps), shift = beta - mean scale */
static void fold_bn(const drae__plan *plan, const drae__plan_op *op, const float *model,
                    const drae__bf16_shape *s, float *scale, float *shift) {
    float one_scale[CHANNELS_MAX], one_shift[CHANNELS_MAX];
    const float *gamma = model + op->bn[0]->offset, *beta = model + op->bn[1]->offset;
    const float *mean = model + op->bn[2]->offset, *var = model + op->bn[3]->offset;
    for (int c = 0; c < op->c_out; c++) {
        double k = (double)gamma[c] / sqrt((double)var[c] + (double)plan->arch.bn_eps);
        one_scale[c] = (float)k;
        one_shift[c] = (float)((double)beta[c] - (double)mean[c] * k);
    }
    drae__bf16_pack_affine(s, op->c_out, one_scale, scale);
    drae__bf16_pack_affine(s, op->c_out, one_shift, shift);
}

static void pack_op(drae__bf16_program *p, int i, const float *model) {
    const drae__plan *plan = p->plan;
    const drae__plan_op *op = &plan->ops[i];
    drae__bf16_conv *conv = &p->ops[i];
    conv->shape = shape_of(p, op);
    size_t columns = (size_t)drae__bf16_columns(&conv->shape) * sizeof(float);
    drae__bf16 *wei =
        drae__arena_take(&p->arena, drae__bf16_packed_elems(&conv->shape) * sizeof(drae__bf16));
    float *scale = drae__arena_take(&p->arena, columns);
    float *shift = drae__arena_take(&p->arena, columns);
    /* The image holds grey levels, which bf16 has exactly; the weights of the stem are those of
     * levels in [0,1]. */
    double factor = op->src == plan->image ? 1.0 / 255.0 : 1.0;
    const float *proj = op->proj_wei == NULL ? NULL : model + op->proj_wei->offset;
    drae__bf16_pack(&conv->shape, op->c_in, op->c_out, model + op->wei->offset, factor,
                    op->proj_c_in, op->proj == DRAE__NO_TENSOR ? 1 : op->proj_h / op->h_out, proj,
                    wei);
    conv->wei = wei;
    conv->scale = scale;
    conv->shift = shift;
    conv->slope = plan->arch.slope;
    conv->src_map = p->maps[op->src];
    if (op->proj != DRAE__NO_TENSOR) {
        conv->proj_map = p->maps[op->proj];
    }
    if (op->kind == DRAE__OP_CONV) {
        conv->dst_map = p->maps[op->act];
        fold_bn(plan, op, model, &conv->shape, scale, shift);
    } else {
        p->bias = model[op->bias->offset];
    }
}

drae_status drae__bf16_program_create(const drae__plan *plan, const drae__bf16_kernels *kernels,
                                      int parts, const float *model, drae__bf16_program *program,
                                      drae__err *err) {
    size_t total = 0;
    memset(program, 0, sizeof *program);
    program->plan = plan;
    program->kernels = kernels;
    program->parts = parts;
    if (!place_tensors(program) || !book_weights(program, &total) ||
        !drae__arena_create(&program->arena, total)) {
        return drae__fail(err, DRAE_ERROR_MEMORY, "no memory for the weights in bf16");
    }
    for (int i = 0; i < plan->n_ops; i++) {
        if (is_conv(&plan->ops[i])) {
            pack_op(program, i, model);
        }
    }
    return DRAE_OK;
}

void drae__bf16_program_destroy(drae__bf16_program *program) {
    drae__arena_destroy(&program->arena);
}

/* ---- running ---- */

static void lap_done(const drae__bf16_lap *lap, int op) {
    if (lap != NULL) {
        lap->done(lap->context, op);
    }
}

static drae__bf16 *tensor(const drae__bf16_program *p, drae__bf16 *workspace, int t) {
    return t == DRAE__NO_TENSOR ? NULL : workspace + p->at[t];
}

static drae__bf16_conv bind(const drae__bf16_program *p, drae__bf16 *workspace, int i) {
    const drae__plan_op *op = &p->plan->ops[i];
    drae__bf16_conv conv = p->ops[i];
    conv.src = tensor(p, workspace, op->src);
    conv.proj = tensor(p, workspace, op->proj);
    conv.residual = tensor(p, workspace, op->residual);
    conv.raw = tensor(p, workspace, op->raw);
    conv.act = tensor(p, workspace, op->act);
    return conv;
}

static void run_op(const drae__bf16_program *p, drae__bf16 *workspace, int i) {
    drae__bf16_conv conv = bind(p, workspace, i);
    p->kernels->conv(&conv, 0, conv.shape.transposed ? conv.src_map.h : conv.dst_map.h);
}

#define CHANNELS 8 /* streams that a loop over pixels writes or reads */

/* A map into rows [channels, h, w] of floats. */
static void gather(const drae__bf16_map *m, int channels, const drae__bf16 *map, float *rows) {
    ptrdiff_t pixels = (ptrdiff_t)m->h * m->w;
    for (int first = 0; first < channels; first += CHANNELS) {
        for (ptrdiff_t p = 0; p < pixels; p++) {
            const drae__bf16 *pixel = map + p / m->w * m->stride + p % m->w * m->c + first;
            for (int c = 0; c < CHANNELS; c++) {
                rows[(first + c) * pixels + p] = drae__bf16_join(pixel + c, m->parts, m->plane);
            }
        }
    }
}

static void scatter(const drae__bf16_map *m, int channels, const float *rows, drae__bf16 *map) {
    ptrdiff_t pixels = (ptrdiff_t)m->h * m->w;
    for (int first = 0; first < channels; first += CHANNELS) {
        for (ptrdiff_t p = 0; p < pixels; p++) {
            drae__bf16 *pixel = map + p / m->w * m->stride + p % m->w * m->c + first;
            for (int c = 0; c < CHANNELS; c++) {
                drae__bf16_split(rows[(first + c) * pixels + p], m->parts, m->plane, pixel + c);
            }
        }
    }
}

void drae__bf16_encode(const drae__bf16_program *program, drae__bf16 *workspace,
                       const uint8_t *patch, float *features, const drae__bf16_lap *lap) {
    const drae__plan *plan = program->plan;
    program->kernels->load_u8(patch, &program->maps[plan->image],
                              tensor(program, workspace, plan->image));
    lap_done(lap, plan->n_ops);
    for (int i = 0; i < plan->n_encoder_ops; i++) {
        run_op(program, workspace, i);
        lap_done(lap, i);
    }
    gather(&program->maps[plan->features], plan->tensors[plan->features].channels,
           tensor(program, workspace, plan->features), features);
    lap_done(lap, plan->n_ops);
}

void drae__bf16_decode(const drae__bf16_program *program, drae__bf16 *workspace,
                       const float *features, float *recon, const drae__bf16_lap *lap) {
    const drae__plan *plan = program->plan;
    int last = plan->n_ops - 1;
    scatter(&program->maps[plan->first], plan->tensors[plan->first].channels, features,
            tensor(program, workspace, plan->first));
    lap_done(lap, plan->n_ops);
    for (int i = plan->n_encoder_ops + 2; i < last; i++) {
        run_op(program, workspace, i);
        lap_done(lap, i);
    }
    drae__bf16_conv out = bind(program, workspace, last);
    program->kernels->out(&out, program->bias, recon, 0, out.src_map.h);
    lap_done(lap, last);
}
