/* SPDX-License-Identifier: Apache-2.0 */
/* Convolutions in turns of a few rows: which rows each can compute now. */
#include "kernels/infer.h"

/* How many rows of every result are there. */
typedef struct chain {
    const drae__infer_conv *ops;
    int done[DRAE__INFER_CHAIN];
} chain;

static int least(int a, int b) {
    return a < b ? a : b;
}

static bool writes(const drae__infer_conv *op, const float *map) {
    return op->raw == map || op->act == map;
}

/* Rows of a map that are there for operation i: those of its last writer before i, or all. */
static int there(const chain *c, int i, const float *map, int h) {
    for (int j = i - 1; j >= 0; j--) {
        if (writes(&c->ops[j], map)) {
            return c->done[j];
        }
    }
    return h;
}

/* Rows that operation i can have computed by what it reads. */
static int allowed(const chain *c, int i) {
    const drae__infer_conv *op = &c->ops[i];
    int h = op->dst_map.h, rows = h;
    int src = there(c, i, op->src, op->src_map.h);
    int whole = src == op->src_map.h ? src : src - 1; /* whose next row is there */
    rows = least(rows, op->kind == DRAE__INFER_CONV3S2  ? src / 2
                       : op->kind == DRAE__INFER_CONVT4 ? 2 * whole
                                                        : whole);
    if (op->proj.src != NULL) {
        int from = there(c, i, op->proj.src, op->proj.map.h);
        rows = least(rows, op->proj.map.h > h   ? (from + 1) / 2
                           : op->proj.map.h < h ? 2 * from
                                                : from);
    }
    if (op->residual != NULL) {
        rows = least(rows, there(c, i, op->residual, h));
    }
    return rows;
}

/* The first row of a map that operation j still reads; h, its own rows, where it reads none. */
static int still_read(const chain *c, int j, const float *map, int h) {
    const drae__infer_conv *op = &c->ops[j];
    int done = c->done[j], first = h;
    if (done == op->dst_map.h) {
        return h;
    }
    if (op->src == map) {
        first = least(first, op->kind == DRAE__INFER_CONV3S2  ? 2 * done - 1
                             : op->kind == DRAE__INFER_CONVT4 ? done / 2 - 1
                                                              : done - 1);
    }
    if (op->proj.src == map) {
        first = least(first, op->proj.map.h > op->dst_map.h   ? 2 * done
                             : op->proj.map.h < op->dst_map.h ? done / 2
                                                              : done);
    }
    return op->residual == map ? least(first, done) : first;
}

/* And by what earlier ones still read or have yet to write where it writes. */
static int free_to_write(const chain *c, int i) {
    const drae__infer_conv *op = &c->ops[i];
    int rows = op->dst_map.h;
    for (int j = 0; j < i; j++) {
        const float *const maps[2] = {op->raw, op->act};
        for (int m = 0; m < 2; m++) {
            if (maps[m] != NULL) {
                rows = least(rows, still_read(c, j, maps[m], op->dst_map.h));
                rows = writes(&c->ops[j], maps[m]) ? least(rows, c->done[j]) : rows;
            }
        }
    }
    return rows;
}

#define CHAIN_MAP     ((ptrdiff_t)128 << 10) /* floats: 512 KB */
#define CHAIN_WEIGHTS (32 * 32)              /* pairs of channels */

static bool wide(const drae__infer_conv *op) {
    return op->dst_map.plane * op->c_out >= CHAIN_MAP && op->c_in * op->c_out <= CHAIN_WEIGHTS;
}

bool drae__infer_conv_chains(const drae__infer_conv *before, const drae__infer_conv *op) {
    return wide(before) && wide(op);
}

void drae__infer_conv_chain(const drae__infer_kernels *kernels, int n, const drae__infer_conv *ops,
                            int rows) {
    chain c = {.ops = ops};
    if (n == 1) {
        kernels->conv(ops);
        return;
    }
    for (int left = n; left > 0;) {
        left = n;
        for (int i = 0; i < n; i++) {
            const int h = ops[i].dst_map.h;
            int end = least(allowed(&c, i), free_to_write(&c, i));
            end = i == 0 ? least(end, c.done[0] + rows) : end;
            end = end < h ? end - end % DRAE__INFER_TURN : h;
            if (end > c.done[i]) {
                drae__infer_conv part = ops[i];
                part.row = c.done[i];
                part.rows = end - c.done[i];
                kernels->conv(&part);
                c.done[i] = end;
            }
            left -= c.done[i] == h;
        }
    }
}
