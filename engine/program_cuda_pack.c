/* SPDX-License-Identifier: Apache-2.0 */
/* Weights of a CUDA program: the model's floats in the layouts of the kernels, one image. */
#include "engine/program_cuda.h"

#include "base/size.h"
#include "kernels/f16.h"

#include <math.h>
#include <string.h>

#define ALIGN 256

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

static const float *weights_of(const packer *k, const drae__param *param) {
    return param == NULL || !k->write ? NULL : k->model + param->offset;
}

/* scale = gamma / sqrt(var + eps), shift = beta - mean scale; by is folded into scale alone. */
static void pack_bn(packer *k, const drae__plan_op *op, double by, size_t *scale_at,
                    size_t *shift_at) {
    size_t c = (size_t)op->c_out;
    float *scale = reserve(k, c * sizeof(float), scale_at);
    float *shift = reserve(k, c * sizeof(float), shift_at);
    const float *bn[4];
    for (int i = 0; i < 4; i++) {
        bn[i] = weights_of(k, op->bn[i]);
    }
    for (size_t i = 0; k->write && i < c; i++) {
        double s = (double)bn[0][i] / sqrt((double)bn[3][i] + (double)k->p->plan->arch.bn_eps);
        scale[i] = (float)(s * by);
        shift[i] = (float)((double)bn[1][i] - (double)bn[2][i] * s);
    }
}

static void pack_block(packer *k, drae__cuda_step *s) {
    const drae__plan *plan = k->p->plan;
    const drae__plan_op *first = &plan->ops[s->op - 1], *second = &plan->ops[s->op];
    drae__cuda_block block = drae__cuda_block_of(plan, s->op, 1, s->stem);
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

size_t drae__cuda_program_pack(drae__cuda_program *program, const float *model) {
    packer k = {.p = program, .model = model, .at = ALIGN, .write = model != NULL};
    for (int i = 0; i < program->n_steps; i++) {
        pack_step(&k, &program->steps[i]);
    }
    return k.at;
}

static drae_status check_range(const drae__param *wei, const float *model, drae__err *err) {
    for (size_t k = 0; wei != NULL && k < wei->count; k++) {
        if (!(fabsf(model[wei->offset + k]) <= DRAE__F16_MOST)) {
            return drae__fail(err, DRAE_ERROR_NOT_FINITE,
                              "%s: weight %zu is %g, beyond the range of f16", wei->path, k,
                              (double)model[wei->offset + k]);
        }
    }
    return DRAE_OK;
}

static drae_status check_head(const float *head, int region, drae__err *err) {
    for (size_t k = 0; head != NULL && k < DRAE__H_WEIGHTS; k++) {
        if (!(fabsf(head[k]) <= DRAE__F16_MOST)) {
            return drae__fail(err, DRAE_ERROR_NOT_FINITE,
                              "region %d: weight %zu of the head is %g, beyond the range of f16",
                              region, k, (double)head[k]);
        }
    }
    return DRAE_OK;
}

drae_status drae__cuda_check_scores(const drae__calibration *calibration, drae__err *err) {
    drae_status status = DRAE_OK;
    for (int r = 0; r < calibration->n_regions && status == DRAE_OK; r++) {
        drae__score_kind kind = calibration->kind[r];
        if (kind != DRAE__SCORE_PHI && kind != DRAE__SCORE_Z) {
            return drae__fail(err, DRAE_ERROR_UNSUPPORTED,
                              "region %d is decided by score %s, which cuda does not compute: use "
                              "the cpu, or calibrate with another score",
                              r, kind < DRAE__SCORE_KINDS ? drae__score_name(kind) : "unknown");
        }
        status = check_head(calibration->head[r], r, err);
    }
    return status;
}

drae_status drae__cuda_check_weights(const drae__plan *plan, const float *model, drae__err *err) {
    drae_status status = DRAE_OK;
    for (int i = 0; i < plan->n_ops && status == DRAE_OK; i++) {
        status = check_range(plan->ops[i].wei, model, err);
        if (status == DRAE_OK) {
            status = check_range(plan->ops[i].proj_wei, model, err);
        }
    }
    return status;
}
