/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/weights_cpu.h"

#include <math.h>
#include <string.h>

/* Floats of each array of an operation. */
typedef struct counts {
    size_t wei, proj, affine, bias;
} counts;

static bool is_dense(const drae__plan_op *op) {
    return op->kind == DRAE__OP_DOWN || op->kind == DRAE__OP_UP;
}

static counts count_op(const drae__plan *plan, const drae__plan_op *op,
                       const drae__infer_kernels *kernels, size_t latent_padded, bool dense_only) {
    counts n = {0};
    if (dense_only && !is_dense(op)) {
        return n;
    }
    switch (op->kind) {
    case DRAE__OP_CONV:
        n.wei = drae__infer_conv_weights(kernels, op->conv_kind, op->c_in, op->c_out);
        n.proj = op->proj_wei == NULL ? 0 : op->proj_wei->count;
        n.affine = (size_t)op->c_out;
        break;
    case DRAE__OP_DOWN:
        n.wei = plan->elems * latent_padded;
        n.bias = latent_padded;
        break;
    case DRAE__OP_UP:
        n.wei = op->wei->count;
        n.bias = n.affine = plan->elems;
        break;
    case DRAE__OP_OUT:
        n.wei = op->wei->count;
        n.bias = 1;
        break;
    }
    return n;
}

static bool book(size_t *total, const counts *n) {
    /* Counts come from an architecture that has passed its check: products of floats fit. */
    return drae__arena_book(total, n->wei * sizeof(float)) &&
           drae__arena_book(total, n->proj * sizeof(float)) &&
           drae__arena_book(total, n->affine * sizeof(float)) &&
           drae__arena_book(total, n->affine * sizeof(float)) &&
           drae__arena_book(total, n->bias * sizeof(float));
}

/* scale = gamma / sqrt(var + eps), shift = beta - mean scale, each for `repeat` outputs. */
static void fold_bn(const drae__plan *plan, const drae__plan_op *op, const float *model,
                    size_t repeat, drae__cpu_op_weights *w) {
    const float *gamma = model + op->bn[0]->offset, *beta = model + op->bn[1]->offset;
    const float *mean = model + op->bn[2]->offset, *var = model + op->bn[3]->offset;
    for (size_t c = 0; c < (size_t)op->c_out; c++) {
        double scale = (double)gamma[c] / sqrt((double)var[c] + (double)plan->arch.bn_eps);
        double shift = (double)beta[c] - (double)mean[c] * scale;
        for (size_t i = 0; i < repeat; i++) {
            w->scale[c * repeat + i] = (float)scale;
            w->shift[c * repeat + i] = (float)shift;
        }
    }
}

static void pack_op(const drae__plan *plan, const drae__plan_op *op,
                    const drae__infer_kernels *kernels, const float *model,
                    drae__cpu_op_weights *w) {
    const float *wei = model + op->wei->offset;
    size_t latent = (size_t)plan->arch.latent;
    switch (op->kind) {
    case DRAE__OP_CONV:
        drae__infer_pack_conv(kernels, op->conv_kind, op->c_in, op->c_out, wei, w->wei);
        if (op->proj_wei != NULL) {
            drae__infer_pack_proj(kernels, op->conv_kind, op->proj_c_in, op->c_out,
                                  model + op->proj_wei->offset, w->proj);
        }
        fold_bn(plan, op, model, 1, w);
        break;
    case DRAE__OP_DOWN:
        drae__infer_pack_down(latent, plan->elems, wei, w->wei);
        memcpy(w->bias, model + op->bias->offset, latent * sizeof(float));
        break;
    case DRAE__OP_UP:
        drae__infer_pack_up(latent, plan->elems, wei, w->wei);
        memcpy(w->bias, model + op->bias->offset, plan->elems * sizeof(float));
        fold_bn(plan, op, model, (size_t)op->h_out * (size_t)op->h_out, w);
        break;
    case DRAE__OP_OUT:
        drae__infer_pack_out(kernels, op->c_in, wei, w->wei);
        w->bias[0] = model[op->bias->offset];
        break;
    }
}

drae_status drae__cpu_weights_create(const drae__plan *plan, const drae__infer_kernels *kernels,
                                     const float *model, bool dense_only,
                                     drae__cpu_weights *weights, drae__err *err) {
    memset(weights, 0, sizeof *weights);
    weights->latent_padded = drae__infer_latent_padded(plan->arch.latent);
    size_t total = 0;
    for (int i = 0; i < plan->n_ops; i++) {
        counts n = count_op(plan, &plan->ops[i], kernels, weights->latent_padded, dense_only);
        if (!book(&total, &n)) {
            return drae__fail(err, DRAE_ERROR_MEMORY, "the weights do not fit in memory");
        }
    }
    if (!drae__arena_create(&weights->arena, total)) {
        return drae__fail(err, DRAE_ERROR_MEMORY, "no memory for %zu bytes of weights", total);
    }
    for (int i = 0; i < plan->n_ops; i++) {
        counts n = count_op(plan, &plan->ops[i], kernels, weights->latent_padded, dense_only);
        drae__cpu_op_weights *w = &weights->ops[i];
        w->wei = drae__arena_take(&weights->arena, n.wei * sizeof(float));
        w->proj = drae__arena_take(&weights->arena, n.proj * sizeof(float));
        w->scale = drae__arena_take(&weights->arena, n.affine * sizeof(float));
        w->shift = drae__arena_take(&weights->arena, n.affine * sizeof(float));
        w->bias = drae__arena_take(&weights->arena, n.bias * sizeof(float));
        if (!dense_only || is_dense(&plan->ops[i])) {
            pack_op(plan, &plan->ops[i], kernels, model, w);
        }
    }
    return DRAE_OK;
}

void drae__cpu_weights_destroy(drae__cpu_weights *weights) {
    drae__arena_destroy(&weights->arena);
}
