/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One residual block forward and backward (design.md, "The network, exactly"):
 *     p = act(bn1(x));  y = conv1(p);  q = act(bn2(y));  dst = conv2(q) + shortcut
 *     shortcut = x in B, proj(p) in A and C; in the decoder's C conv2 and proj are transposed
 * Backward, from g = d dst:
 *     dq = conv2^T g;  dy = bn2'(dq);  dp = conv1^T dy (+ proj^T g);  dx = bn1'(dp) (+ g in B)
 */
#ifndef DRAE_TRAIN_BLOCK_H
#define DRAE_TRAIN_BLOCK_H

#include "train/convs.h"
#include "train/memory.h"
#include "train/offsets.h"

typedef enum drae__bn_mode {
    DRAE__BN_TRAIN,  /* batch statistics, running ones updated */
    DRAE__BN_FROZEN, /* batch statistics, running ones left alone */
    DRAE__BN_EVAL    /* running statistics; no backward */
} drae__bn_mode;

/* One pass of a network over a batch. */
typedef struct drae__pass {
    const drae__arch *arch;
    const drae__convs *convs; /* planned for n */
    size_t n;                 /* images */
    drae__bn_mode mode;
    float *params;       /* of the network; running statistics change in mode TRAIN */
    float *grads;        /* same layout; NULL: gradients by parameters are not wanted */
    float sigmoid_slope; /* least derivative of the image's sigmoid in backward, 0: the exact one */
    const struct drae__across *across; /* whose statistics a batch has too, NULL: this process's */
    drae__work *work;
} drae__pass;

/* bn and act over [m,c] by the pass's mode; stats are results that backward needs. */
void drae__bn_act_forward(const drae__pass *pass, size_t m, size_t c, const drae__bn_at *at,
                          const drae__bn_stats *stats, const float *src, float *dst);

/* ddst -> dsrc; add (may be NULL) is summed to dsrc. dsrc may alias ddst or add. */
void drae__bn_act_backward(const drae__pass *pass, size_t m, size_t c, const drae__bn_at *at,
                           const drae__bn_stats *stats, const float *src, const float *ddst,
                           const float *add, float *dsrc);

/* acts->x -> dst [n,h_out,h_out,c_out]. Uses work->t and work->d. */
drae_status drae__block_forward(const drae__pass *pass, const drae__block *block,
                                const drae__block_convs *convs, const drae__block_at *at,
                                const drae__block_acts *acts, float *dst);

/* work->g = d dst on entry, d x on return. Uses work->d and work->t. */
drae_status drae__block_backward(const drae__pass *pass, const drae__block *block,
                                 const drae__block_convs *convs, const drae__block_at *at,
                                 const drae__block_acts *acts);

#endif
