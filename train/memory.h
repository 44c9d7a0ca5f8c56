/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All memory of a training step: what forward keeps for backward, and what both work in. Booked
 * once for the largest batch; a smaller one uses the front of each piece.
 *
 *   generator   encoder and decoder activations, live from the forward pass to the end of the step
 *   side        one encoder's activations: the discriminator's two passes, its features of X, its
 *               pass over X^, and the second encoder use them one after the other
 *   work        three buffers of the largest map, for gradients and the projection's result
 *
 * Activations are NHWC f32. Per block forward keeps the input x, p = act(bn1(x)), y = conv1(p) and
 * q = act(bn2(y)); recomputing p and q would save 45 % of the memory for two more passes over it.
 */
#ifndef DRAE_TRAIN_MEMORY_H
#define DRAE_TRAIN_MEMORY_H

#include "base/arena.h"
#include "model/arch.h"

typedef struct drae__bn_stats {
    float *mean, *rstd; /* of the batch; at evaluation scale and shift instead */
} drae__bn_stats;

typedef struct drae__block_acts {
    float *x; /* [n,h_in,h_in,c_in] */
    float *p; /* like x */
    float *y; /* [n,h_mid,h_mid,c_out]; h_mid = h_out, or h_in where the second conv goes up */
    float *q; /* like y */
    drae__bn_stats bn1, bn2;
} drae__block_acts;

typedef struct drae__encoder_acts {
    const float *image; /* [n,size,size], the caller's, kept until backward */
    drae__block_acts blocks[DRAE__BLOCKS];
    float *top; /* result of the last block [n,small,small,8w] */
    drae__bn_stats head;
    float *feat; /* act(bn(top)), like top */
    float *flat; /* feat in C,H,W order */
    float *code; /* [n,latent] act(down(flat)), or logits [n,1] */
} drae__encoder_acts;

typedef struct drae__decoder_acts {
    float *up; /* [n,8w*small*small] act(up(z)) in C,H,W order */
    drae__block_acts blocks[DRAE__BLOCKS];
    float *top; /* [n,size,size,w] */
    drae__bn_stats out;
    float *p;     /* act(bn(top)) */
    float *image; /* [n,size,size] the reconstruction */
} drae__decoder_acts;

typedef struct drae__work {
    float *g;      /* gradient of the map at hand; block backward swaps it with d */
    float *d;      /* gradient below it */
    float *t;      /* gradient inside a block; result of the projection */
    void *scratch; /* of the convolutions */
} drae__work;

typedef struct drae__step_memory {
    drae__encoder_acts encoder;
    drae__decoder_acts decoder;
    drae__encoder_acts side;
    drae__work work;
    float *d_image;   /* [n,size,size] gradient of the loss by X^ */
    float *d_part;    /* like d_image: what one network adds */
    float *d_code;    /* [n,latent] gradient by z */
    float *d_side;    /* [n,latent] gradient by z^ or by the logits */
    float *real_feat; /* like feat: the discriminator's features of X */
    float *scores;    /* [n] SSIM */
    void *ssim_scratch;
    drae__arena arena;
    size_t n_bytes; /* of the arena */
} drae__step_memory;

/* Books and allocates for batches of up to n_max images. side: whether there is a discriminator or
 * a second encoder. ssim_bytes: what SSIM wants for all threads. */
drae_status drae__memory_create(const drae__arch *arch, int n_max, bool side, size_t conv_bytes,
                                size_t ssim_bytes, drae__step_memory *memory, drae__err *err);
void drae__memory_destroy(drae__step_memory *memory);

#endif
