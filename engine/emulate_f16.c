/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/emulate_f16.h"

#include "kernels/f16.h"

#include <math.h>
#include <string.h>

void drae__f16_round_model(const drae__plan *plan, bool stem_in_block, const float *model, size_t n,
                           float *dst) {
    memcpy(dst, model, n * sizeof *dst);
    for (int i = 0; i < plan->n_ops; i++) {
        const drae__plan_op *op = &plan->ops[i];
        if (op->kind != DRAE__OP_OUT && (i > 0 || stem_in_block)) {
            drae__f16_round(op->wei->count, dst + op->wei->offset);
        }
        if (op->proj_wei != NULL) {
            drae__f16_round(op->proj_wei->count, dst + op->proj_wei->offset);
        }
    }
}

static void round_map(const drae__plan *plan, int tensor, float *workspace) {
    if (tensor == DRAE__NO_TENSOR) {
        return;
    }
    const drae__plan_tensor *t = &plan->tensors[tensor];
    const drae__map_geometry *g = &plan->map[t->level];
    float *map = workspace + drae__plan_origin(plan, tensor);
    for (int c = 0; c < t->channels; c++) {
        for (int y = 0; y < g->h; y++) {
            drae__f16_round((size_t)g->w, map + c * g->plane + y * g->stride);
        }
    }
}

void drae__f16_round_op(const drae__plan *plan, int op, float *workspace) {
    round_map(plan, plan->ops[op].raw, workspace);
    round_map(plan, plan->ops[op].act, workspace);
}

void drae__f16_round_head(float *weights) {
    for (int l = 0; l < DRAE__H_LAYERS; l++) {
        drae__f16_round((size_t)DRAE__H_PLANES * DRAE__H_PLANES * 9,
                        weights + (ptrdiff_t)l * DRAE__H_LAYER);
    }
}

/* What is infinite is the greatest f16, as kernels/cuda/head.cuh has it. */
static void round_planes(int side, float *planes) {
    const size_t n = (size_t)(DRAE__H_PLANES * drae__h_plane(side));
    drae__f16_round(n, planes);
    for (size_t i = 0; i < n; i++) {
        planes[i] = isinf(planes[i]) ? copysignf(DRAE__F16_MOST, planes[i]) : planes[i];
    }
}

void drae__f16_head_map(const drae__head_kernels *kernels, const drae__f16_head *op, float *dst,
                        float *scratch) {
    static const int steps[DRAE__H_LAYERS] = DRAE__H_STEPS;
    const int size = op->size, side = size / 2;
    float *t = scratch, *a = t + DRAE__H_PLANES * drae__h_plane(side);
    kernels->input(size, op->x, op->x_stride, op->y, size, op->mean, op->scale, size, op->m, t);
    round_planes(side, t);
    for (int l = 0; l < DRAE__H_LAYERS; l++) {
        kernels->conv(side, steps[l], t, op->weights + (ptrdiff_t)l * DRAE__H_LAYER, a);
        kernels->rectify(side, l > 0, a, t);
        if (l < DRAE__H_LAYERS - 1) {
            round_planes(side, t);
        }
    }
    kernels->out(side, t, op->weights + (ptrdiff_t)DRAE__H_LAYERS * DRAE__H_LAYER, a);
    for (int i = 0; i < size * size; i++) {
        float o = a[i / size / 2 * side + i % size / 2];
        dst[i] = o > 0.0f ? 1.0f + o : 1.0f / (1.0f - o);
    }
}
