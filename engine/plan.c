/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/plan.h"

#include "base/arena.h"
#include "base/size.h"
#include "engine/text.h"

#include <stdio.h>
#include <string.h>

typedef struct builder {
    drae__plan *plan;
    const drae__params *params;
} builder;

static int add_tensor(builder *b, int level, int channels) {
    drae__plan_tensor *t = &b->plan->tensors[b->plan->n_tensors];
    *t = (drae__plan_tensor){.level = level, .channels = channels, .first = b->plan->n_ops};
    return b->plan->n_tensors++;
}

static int level_of(const drae__plan *plan, int side) {
    int level = 0;
    while (plan->arch.size >> level != side) {
        level++;
    }
    return level;
}

static drae__plan_op *add_op(builder *b, drae__op_kind kind, const char *prefix, const char *name) {
    drae__plan_op *op = &b->plan->ops[b->plan->n_ops++];
    memset(op, 0, sizeof *op);
    op->kind = kind;
    (void)snprintf(op->name, sizeof op->name, "%s/%s", prefix, name);
    op->src = op->proj = op->residual = op->raw = op->act = DRAE__NO_TENSOR;
    char weight[64];
    (void)snprintf(weight, sizeof weight, "%s/weight", name);
    op->wei = drae__params_find2(b->params, prefix, weight);
    (void)snprintf(weight, sizeof weight, "%s/bias", name);
    op->bias = drae__params_find2(b->params, prefix, weight);
    return op;
}

static void set_bn(builder *b, drae__plan_op *op, const char *prefix, const char *bn) {
    static const char *const parts[4] = {"gamma", "beta", "mean", "var"};
    for (int i = 0; i < 4; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "%s/%s", bn, parts[i]);
        op->bn[i] = drae__params_find2(b->params, prefix, name);
    }
}

/* What flows from block to block: p = act(bn1(x)) of the next block, and x itself before a B. */
typedef struct flow {
    int p;
    int x;
} flow;

/* The block that reads what the current one writes: its path and whether it is a B. NULL path: the
 * encoder's head or the decoder's out. */
typedef struct reader {
    const char *prefix;
    const char *bn;
    bool raw;
} reader;

static drae__plan_op *add_conv(builder *b, const drae__block *k, const char *name,
                               drae__infer_conv_kind kind, int src, int c_in, int h_in, int h_out) {
    drae__plan_op *op = add_op(b, DRAE__OP_CONV, k->path, name);
    op->conv_kind = kind;
    op->src = src;
    op->c_in = c_in;
    op->c_out = k->c_out;
    op->h_in = h_in;
    op->h_out = h_out;
    return op;
}

static flow add_block(builder *b, const drae__block *k, flow in, const reader *next) {
    drae__plan *plan = b->plan;
    bool up = k->half == DRAE__HALF_DECODER && k->role == DRAE__ROLE_C;
    bool halve = k->half == DRAE__HALF_ENCODER && k->role == DRAE__ROLE_C;
    int h_mid = halve ? k->h_out : k->h_in;

    drae__plan_op *op = add_conv(b, k, "conv1", halve ? DRAE__INFER_CONV3S2 : DRAE__INFER_CONV3,
                                 in.p, k->c_in, k->h_in, h_mid);
    set_bn(b, op, k->path, "bn2");
    int y = op->act = add_tensor(b, level_of(plan, h_mid), k->c_out);
    plan->tensors[y].first = plan->n_ops - 1;

    op = add_conv(b, k, up ? "convt" : "conv2", up ? DRAE__INFER_CONVT4 : DRAE__INFER_CONV3, y,
                  k->c_out, h_mid, k->h_out);
    if (k->role == DRAE__ROLE_B) {
        op->residual = in.x;
    } else {
        op->proj = in.p;
        op->proj_c_in = k->c_in;
        op->proj_h = k->h_in;
        op->proj_wei = drae__params_find2(b->params, k->path, "proj/weight");
    }
    set_bn(b, op, next->prefix, next->bn);
    flow out = {.x = DRAE__NO_TENSOR};
    out.p = op->act = add_tensor(b, level_of(plan, k->h_out), k->c_out);
    plan->tensors[out.p].first = plan->n_ops - 1;
    if (next->raw) {
        out.x = op->raw = add_tensor(b, level_of(plan, k->h_out), k->c_out);
        plan->tensors[out.x].first = plan->n_ops - 1;
    }
    return out;
}

/* The 12 blocks of a half, from p; last names the bn that follows them. */
static int add_half(builder *b, drae__half half, int p, const reader *last) {
    drae__block blocks[DRAE__BLOCKS];
    drae__arch_blocks(&b->plan->arch, half, blocks);
    flow at = {.p = p, .x = DRAE__NO_TENSOR};
    for (int i = 0; i < DRAE__BLOCKS; i++) {
        reader next = *last;
        if (i + 1 < DRAE__BLOCKS) {
            next = (reader){blocks[i + 1].path, "bn1", blocks[i + 1].role == DRAE__ROLE_B};
        }
        at = add_block(b, &blocks[i], at, &next);
    }
    return at.p;
}

static void count_op(const drae__plan *plan, drae__plan_op *op) {
    double out = (double)op->h_out * op->h_out;
    double taps = op->conv_kind == DRAE__INFER_CONVT4 ? 4.0 : 9.0;
    if (op->kind == DRAE__OP_DOWN || op->kind == DRAE__OP_UP) {
        op->flops = 2.0 * (double)plan->elems * plan->arch.latent;
        op->bytes = 4.0 * ((double)plan->elems + plan->arch.latent);
        return;
    }
    op->flops = 2.0 * out * op->c_out * (op->c_in * taps + op->proj_c_in);
    double elems = (double)op->h_in * op->h_in * op->c_in;
    if (op->proj != DRAE__NO_TENSOR) {
        elems += (double)op->proj_h * op->proj_h * op->proj_c_in;
    }
    int maps = (op->residual != DRAE__NO_TENSOR) + (op->raw != DRAE__NO_TENSOR) +
               (op->act != DRAE__NO_TENSOR) + (op->kind == DRAE__OP_OUT);
    op->bytes = 4.0 * (elems + out * op->c_out * maps);
}

static void use(drae__plan *plan, int tensor, int op) {
    if (tensor != DRAE__NO_TENSOR && plan->tensors[tensor].last < op) {
        plan->tensors[tensor].last = op;
    }
}

/* Every tensor gets the first slot of its level that is free from its first to its last use. */
static void assign_slots(drae__plan *plan) {
    for (int i = 0; i < plan->n_ops; i++) {
        const drae__plan_op *op = &plan->ops[i];
        use(plan, op->src, i);
        use(plan, op->proj, i);
        use(plan, op->residual, i);
        use(plan, op->raw, i);
        use(plan, op->act, i);
    }
    plan->tensors[plan->image].last = plan->n_ops;
    for (int t = 0; t < plan->n_tensors; t++) {
        drae__plan_tensor *tensor = &plan->tensors[t];
        tensor->slot = plan->n_slots;
        for (int s = 0; s < plan->n_slots && tensor->slot == plan->n_slots; s++) {
            bool free = plan->slots[s].level == tensor->level;
            for (int u = 0; u < t && free; u++) {
                const drae__plan_tensor *other = &plan->tensors[u];
                free =
                    other->slot != s || other->last < tensor->first || other->first > tensor->last;
            }
            if (free) {
                tensor->slot = s;
            }
        }
        drae__plan_slot *slot = &plan->slots[tensor->slot];
        if (tensor->slot == plan->n_slots) {
            plan->n_slots++;
            *slot = (drae__plan_slot){.level = tensor->level};
        }
        slot->channels = tensor->channels > slot->channels ? tensor->channels : slot->channels;
    }
}

static bool book_slots(drae__plan *plan) {
    size_t total = 0;
    for (int s = 0; s < plan->n_slots; s++) {
        drae__plan_slot *slot = &plan->slots[s];
        size_t n_bytes;
        slot->at = total / sizeof(float);
        if (!drae__size_mul(drae__map_floats(&plan->map[slot->level], slot->channels),
                            sizeof(float), &n_bytes) ||
            !drae__arena_book(&total, n_bytes)) {
            return false;
        }
    }
    plan->workspace_floats = total / sizeof(float);
    return true;
}

drae_status drae__plan_create(const drae__arch *arch, const drae__params *params, drae__plan *plan,
                              drae__err *err) {
    memset(plan, 0, sizeof *plan);
    plan->arch = *arch;
    plan->elems = drae__arch_small_elems(arch);
    for (int level = 0; level < DRAE__LEVELS; level++) {
        plan->map[level] = drae__map_geometry_of(arch->size >> level, arch->size >> level);
    }
    builder b = {plan, params};
    plan->image = add_tensor(&b, 0, 1);

    drae__plan_op *op = add_op(&b, DRAE__OP_CONV, "encoder", "stem");
    op->src = plan->image;
    op->c_in = 1;
    op->c_out = arch->width;
    op->h_in = op->h_out = arch->size;
    set_bn(&b, op, "encoder/stage0/A", "bn1");
    op->act = add_tensor(&b, 0, arch->width);
    plan->tensors[op->act].first = 0;
    const reader head = {"encoder/head", "bn", false};
    plan->features = add_half(&b, DRAE__HALF_ENCODER, op->act, &head);
    plan->n_encoder_ops = plan->n_ops;

    op = add_op(&b, DRAE__OP_DOWN, "bottleneck", "down");
    op->src = plan->features;
    op->c_in = op->c_out = drae__arch_channels(arch, DRAE__STAGES - 1);
    op->h_in = op->h_out = drae__arch_small_side(arch);
    op = add_op(&b, DRAE__OP_UP, "bottleneck", "up");
    op->c_in = op->c_out = drae__arch_channels(arch, DRAE__STAGES - 1);
    op->h_in = op->h_out = drae__arch_small_side(arch);
    set_bn(&b, op, "decoder/stage3/A", "bn1");
    plan->first = op->act = add_tensor(&b, DRAE__LEVELS - 1, op->c_out);
    plan->tensors[plan->first].first = plan->n_ops - 1;

    const reader out = {"decoder/out", "bn", false};
    int last = add_half(&b, DRAE__HALF_DECODER, plan->first, &out);
    op = add_op(&b, DRAE__OP_OUT, "decoder", "out");
    op->src = last;
    op->c_in = arch->width;
    op->c_out = 1;
    op->h_in = op->h_out = arch->size;

    for (int i = 0; i < plan->n_ops; i++) {
        count_op(plan, &plan->ops[i]);
    }
    assign_slots(plan);
    if (!book_slots(plan)) {
        return drae__fail(err, DRAE_ERROR_ARGUMENT, "the buffers of width %d, size %d do not fit",
                          arch->width, arch->size);
    }
    return DRAE_OK;
}

size_t drae__plan_origin(const drae__plan *plan, int tensor) {
    const drae__plan_slot *slot = &plan->slots[plan->tensors[tensor].slot];
    return slot->at + drae__map_origin(&plan->map[slot->level]);
}

/* ---- text ---- */

size_t drae__plan_print(const drae__plan *plan, const drae__infer_kernels *kernels,
                        const char *bf16, int parts, char *text, size_t n_bytes) {
    static const char *const conv_names[DRAE__INFER_KINDS] = {"conv3", "conv3/2", "convt4/2"};
    drae__text out = {text, n_bytes, 0};
    char line[256];
    double flops = 0.0, bytes = 0.0;
    (void)snprintf(line, sizeof line, "%-26s %-10s %-20s %-24s %-22s %9s %9s\n", "layer", "op",
                   "shape", "fused", "kernel", "KB", "MFLOP");
    drae__text_append(&out, line);
    for (int i = 0; i < plan->n_ops; i++) {
        const drae__plan_op *op = &plan->ops[i];
        bool conv = op->kind == DRAE__OP_CONV;
        const char *name = conv                        ? conv_names[op->conv_kind]
                           : op->kind == DRAE__OP_DOWN ? "down"
                           : op->kind == DRAE__OP_UP   ? "up"
                                                       : "out";
        char shape[48], kernel[48], fused[32];
        (void)snprintf(shape, sizeof shape, "%dx%d^2 > %dx%d^2", op->c_in, op->h_in, op->c_out,
                       op->h_out);
        int tile = op->conv_kind == DRAE__INFER_CONVT4 ? kernels->cot_tile : kernels->co_tile;
        bool dense = op->kind == DRAE__OP_DOWN || op->kind == DRAE__OP_UP;
        double op_bytes = op->bytes;
        if ((bf16 != NULL || kernels->pairs) && !dense) {
            /* Two bytes an element and part, but for the reconstruction. */
            double recon = conv ? 0.0 : 4.0 * op->h_out * op->h_out;
            op_bytes = (op_bytes - recon) / 2.0 * (bf16 != NULL ? parts : 1) + recon;
        }
        if (bf16 != NULL && !dense) {
            (void)snprintf(kernel, sizeof kernel, "%s-%s-16x16x32", parts == 1 ? "bf16" : "3xbf16",
                           bf16);
        } else {
            (void)snprintf(kernel, sizeof kernel, "%s-%dx%d", kernels->name, conv ? tile : 1,
                           kernels->lanes);
        }
        (void)snprintf(fused, sizeof fused, "%s%s%s%s", op->proj >= 0 ? "proj " : "",
                       op->residual >= 0 ? "add " : "", op->raw >= 0 ? "raw " : "",
                       op->kind == DRAE__OP_OUT ? "sigmoid" : "act");
        (void)snprintf(line, sizeof line, "%-26s %-10s %-20s %-24s %-22s %9.1f %9.2f\n", op->name,
                       name, shape, fused, kernel, op_bytes / 1024.0, op->flops * 1e-6);
        drae__text_append(&out, line);
        flops += op->flops;
        bytes += op_bytes;
    }
    (void)snprintf(line, sizeof line,
                   "total: %.1f MB moved and %.3f GFLOP a patch; %d buffers, %.1f MB a thread\n",
                   bytes / 1048576.0, flops * 1e-9, plan->n_slots,
                   (double)plan->workspace_floats * 4.0 / 1048576.0);
    drae__text_append(&out, line);
    return out.used + 1;
}
