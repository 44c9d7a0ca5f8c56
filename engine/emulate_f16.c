/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/emulate_f16.h"

#include "kernels/f16.h"

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
