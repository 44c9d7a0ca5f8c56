/* SPDX-License-Identifier: Apache-2.0 */
/* The head (kernels/head.h) forward and back on one crop, by the kernels that infer. */
#ifndef DRAE_TRAIN_HEAD_NET_H
#define DRAE_TRAIN_HEAD_NET_H

#include "kernels/head.h"

/* Buffers of one thread, borrowed from the caller's memory. t[0] is the input, planes that the
 * caller fills (drae__head_kernels.input); t[l + 1] what layer l makes, a[l] its convolution. */
typedef struct drae__head_net {
    int side;
    const drae__head_kernels *kernels;
    float *t[DRAE__H_LAYERS + 1], *a[DRAE__H_LAYERS];
    float *d_t, *d_a, *adjoint; /* derivatives by t, by a, and what a layer hands down */
    float *o, *d_o;             /* [side,side]; the caller fills d_o before backward */
    float flipped[DRAE__H_LAYER];
} drae__head_net;

/* Floats of the buffers, and the buffers in zeroed memory. */
size_t drae__head_net_floats(int side);
void drae__head_net_lay_out(drae__head_net *net, int side, const drae__head_kernels *kernels,
                            float *zeroed);

void drae__head_net_forward(drae__head_net *net, const float *weights);
/* gradient [DRAE__H_WEIGHTS], overwritten: of sum of d_o times o, after forward. */
void drae__head_net_backward(drae__head_net *net, const float *weights, float *gradient);

#endif
