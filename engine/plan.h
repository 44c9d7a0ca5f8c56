/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The plan of an inference: which operations run in which order on which buffers. It follows from
 * the architecture alone, so it is the same on every machine; a backend adds packed weights and
 * kernels. Fusions (docs/decisions.md): every bn and activation is the epilogue of the convolution
 * before it, a block's projection and identity are summed by its second convolution, and what feeds
 * an A or a C is written only as act(bn(x)); before a B both x and act(bn(x)) are written.
 *
 * Tensors are planar maps (kernels/infer.h). Those of one level (size >> level) share their
 * geometry, so a buffer that is free again serves any tensor of its level, and the zeros around the
 * pixels stay where they are.
 */
#ifndef DRAE_ENGINE_PLAN_H
#define DRAE_ENGINE_PLAN_H

#include "kernels/infer.h"
#include "model/params.h"

#define DRAE__LEVELS (DRAE__STAGES + 1)
/* Two a block, stem, down, up, out. */
#define DRAE__PLAN_OPS     (4 * DRAE__BLOCKS + 4)
#define DRAE__PLAN_TENSORS (6 * DRAE__BLOCKS + 4)
#define DRAE__NO_TENSOR    (-1)

typedef enum drae__op_kind {
    DRAE__OP_CONV, /* conv_kind, with projection, residual, activation */
    DRAE__OP_DOWN, /* latent units from the last map of the encoder */
    DRAE__OP_UP,   /* the first map of the decoder, activated for its first block */
    DRAE__OP_OUT   /* the reconstruction */
} drae__op_kind;

typedef struct drae__plan_op {
    drae__op_kind kind;
    drae__infer_conv_kind conv_kind;
    char name[48]; /* path of the weights: "encoder/stage0/A/conv1" */
    int c_in, c_out;
    int h_in, h_out;
    int proj_c_in;
    int proj_h;                        /* side of the projection's source */
    int src, proj, residual, raw, act; /* tensors, or DRAE__NO_TENSOR */
    const drae__param *wei, *bias, *proj_wei;
    const drae__param *bn[4]; /* gamma, beta, mean, var of the epilogue; NULL: none */
    double flops;             /* of one patch */
    double bytes;             /* read and written of one patch, weights not counted */
} drae__plan_op;

typedef struct drae__plan_tensor {
    int level;
    int channels;
    int first, last; /* operations that write it first and read it last */
    int slot;
} drae__plan_tensor;

typedef struct drae__plan_slot {
    int level;
    int channels; /* of the largest tensor that it holds */
    size_t at;    /* floats from the start of the workspace to the buffer */
} drae__plan_slot;

typedef struct drae__plan {
    drae__arch arch;
    drae__map_geometry map[DRAE__LEVELS];
    size_t elems; /* features at the bottleneck, dense */
    int n_ops;
    int n_encoder_ops; /* operations before DOWN */
    drae__plan_op ops[DRAE__PLAN_OPS];
    int n_tensors;
    int image;    /* tensor of the patch, [0,1]; keeps its slot throughout */
    int features; /* last tensor of the encoder */
    int first;    /* first tensor of the decoder */
    drae__plan_tensor tensors[DRAE__PLAN_TENSORS];
    int n_slots;
    drae__plan_slot slots[DRAE__PLAN_TENSORS];
    size_t workspace_floats; /* of one patch in flight */
} drae__plan;

/* Fills the plan for the generator of an architecture that has passed its check. Keeps pointers
 * into params. ERROR_ARGUMENT where sizes overflow. */
drae_status drae__plan_create(const drae__arch *arch, const drae__params *params, drae__plan *plan,
                              drae__err *err);

/* Floats from the start of the workspace to pixel (0,0) of channel 0 of a tensor. */
size_t drae__plan_origin(const drae__plan *plan, int tensor);

/* Writes the plan as text, a line an operation, then totals; at most n_bytes with the terminator.
 * kernels names the tiles; bf16 those of convolutions in parts of bf16, NULL: none. Returns the
 * bytes that the whole text needs, terminator included. */
size_t drae__plan_print(const drae__plan *plan, const drae__infer_kernels *kernels,
                        const char *bf16, int parts, char *text, size_t n_bytes);

#endif
