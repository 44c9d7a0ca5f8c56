/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one description of the network (design.md, "The network, exactly"). Width, latent, size and
 * slope are data; everything that builds, packs, trains or prints the network walks the blocks that
 * this file lists. All images are square; h is the side.
 */
#ifndef DRAE_MODEL_ARCH_H
#define DRAE_MODEL_ARCH_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>

#define DRAE__STAGES           4
#define DRAE__BLOCKS_PER_STAGE 3
#define DRAE__BLOCKS           (DRAE__STAGES * DRAE__BLOCKS_PER_STAGE)
#define DRAE__WIDTH_MAX        512
#define DRAE__LATENT_MAX       4096
#define DRAE__SIZE_MIN         32
#define DRAE__SIZE_MAX         1024

typedef enum drae__block_kind {
    DRAE__BLOCK_PREACT = 0 /* bn-act-conv-bn-act-conv, add; "postact" is foreseen */
} drae__block_kind;

/* The numbers of a network. Format 1 accepts blocks [3,3,3,3] and one channel, so they are not
 * fields here; io checks them. */
typedef struct drae__arch {
    drae__block_kind block;
    int width;    /* w, a multiple of 8 */
    int latent;   /* units of the bottleneck */
    int size;     /* pixels a side, a multiple of 16 from 32 */
    float slope;  /* of LeakyReLU, 0 < slope <= 1 */
    float bn_eps; /* 1e-5 */
} drae__arch;

#define DRAE__BN_MOMENTUM 0.1f

/* width 16, latent 64, size 256, slope 0.2, bn_eps 1e-5. */
drae__arch drae__arch_default(void);

/* ERROR_ARGUMENT with the name of the first number that is out of bounds. */
drae_status drae__arch_check(const drae__arch *arch, drae__err *err);

/* Channels of stage s = 0..3: w * 2^s. */
int drae__arch_channels(const drae__arch *arch, int stage);

/* Side of the smallest map, size / 16, and its number of elements 8w * (size/16)^2. */
int drae__arch_small_side(const drae__arch *arch);
size_t drae__arch_small_elems(const drae__arch *arch);

typedef enum drae__half { DRAE__HALF_ENCODER = 0, DRAE__HALF_DECODER = 1 } drae__half;

typedef enum drae__role {
    DRAE__ROLE_A = 0, /* keeps the size, 1x1 convolution on the shortcut */
    DRAE__ROLE_B = 1, /* identity */
    DRAE__ROLE_C = 2  /* encoder: stride 2; decoder: transposed 4x4/2 and 2x2/2 */
} drae__role;

/* One residual block. Shapes of its tensors follow from role and half:
 *   A        conv1 3x3 c_in->c_out, conv2 3x3 c_out->c_out, proj 1x1 c_in->c_out
 *   B        conv1 3x3 c->c, conv2 3x3 c->c
 *   C enc    conv1 3x3/2 c->c, conv2 3x3 c->c, proj 1x1/2 c->c
 *   C dec    conv1 3x3 c->c, convt 4x4/2 c->c, proj convT 2x2/2 c->c */
typedef struct drae__block {
    drae__half half;
    drae__role role;
    int stage;
    int c_in;
    int c_out;
    int h_in;
    int h_out;
    char path[40]; /* "encoder/stage0/A" */
} drae__block;

/* The 12 blocks of a half in the order in which data passes through them (decoder: stage 3 first).
 */
void drae__arch_blocks(const drae__arch *arch, drae__half half, drae__block blocks[DRAE__BLOCKS]);

/* Multiply-adds times two of one forward pass of encoder + bottleneck + decoder, per patch. */
double drae__arch_flops(const drae__arch *arch);

#endif
