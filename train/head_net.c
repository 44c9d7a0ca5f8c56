/* SPDX-License-Identifier: Apache-2.0 */
#include "train/head_net.h"

#include <string.h>

static const int steps[DRAE__H_LAYERS] = DRAE__H_STEPS;

static size_t planes_floats(int side) {
    return (size_t)(DRAE__H_PLANES * drae__h_plane(side));
}

size_t drae__head_net_floats(int side) {
    return (2 * DRAE__H_LAYERS + 4) * planes_floats(side) + 2 * (size_t)side * (size_t)side;
}

void drae__head_net_lay_out(drae__head_net *net, int side, const drae__head_kernels *kernels,
                            float *zeroed) {
    const size_t planes = planes_floats(side);
    float *at = zeroed;
    net->side = side;
    net->kernels = kernels;
    for (int l = 0; l <= DRAE__H_LAYERS; l++, at += planes) {
        net->t[l] = at;
    }
    for (int l = 0; l < DRAE__H_LAYERS; l++, at += planes) {
        net->a[l] = at;
    }
    net->d_t = at;
    net->d_a = at + planes;
    net->adjoint = at + 2 * planes;
    net->o = at + 3 * planes;
    net->d_o = net->o + (ptrdiff_t)side * side;
}

void drae__head_net_forward(drae__head_net *net, const float *weights) {
    const drae__head_kernels *k = net->kernels;
    for (int l = 0; l < DRAE__H_LAYERS; l++) {
        k->conv(net->side, steps[l], net->t[l], weights + (ptrdiff_t)l * DRAE__H_LAYER, net->a[l]);
        memcpy(net->t[l + 1], net->t[l], planes_floats(net->side) * sizeof(float));
        k->rectify(net->side, l > 0, net->a[l], net->t[l + 1]);
    }
    k->out(net->side, net->t[DRAE__H_LAYERS], weights + (ptrdiff_t)DRAE__H_LAYERS * DRAE__H_LAYER,
           net->o);
}

/* Weights of the adjoint convolution: planes exchanged, taps turned, no bias. */
static void flip(const float *weights, float *flipped) {
    for (int co = 0; co < DRAE__H_PLANES; co++) {
        for (int ci = 0; ci < DRAE__H_PLANES; ci++) {
            for (int t = 0; t < 9; t++) {
                flipped[(ci * DRAE__H_PLANES + co) * 9 + t] =
                    weights[(co * DRAE__H_PLANES + ci) * 9 + 8 - t];
            }
        }
    }
    memset(flipped + DRAE__H_LAYER - DRAE__H_PLANES, 0, DRAE__H_PLANES * sizeof *flipped);
}

/* d_t += add, d_a = d_t L'(a) of the layer below, inside alone; add and a may be NULL. */
static void step_back(int side, const float *add, const float *a, float *d_t, float *d_a) {
    for (int line = 0; line < DRAE__H_PLANES * side; line++) {
        const ptrdiff_t at = line / side * drae__h_plane(side) + drae__h_origin(side) +
                             line % side * drae__h_pitch(side);
        for (ptrdiff_t k = at; k < at + side; k++) {
            d_t[k] += add == NULL ? 0.0f : add[k];
            d_a[k] = d_t[k] * (a[k] > 0.0f ? 1.0f : DRAE__H_SLOPE);
        }
    }
}

/* Derivatives by the last layer's result, and the gradient of the weights behind it. */
static void start(drae__head_net *net, const float *last, float *gradient) {
    const int side = net->side;
    memset(gradient, 0, (DRAE__H_PLANES + 1) * sizeof *gradient);
    for (int p = 0; p < side * side; p++) {
        gradient[DRAE__H_PLANES] += net->d_o[p];
    }
    for (int c = 0; c < DRAE__H_PLANES; c++) {
        for (int p = 0; p < side * side; p++) {
            ptrdiff_t at = c * drae__h_plane(side) + drae__h_origin(side) +
                           p / side * drae__h_pitch(side) + p % side;
            gradient[c] += net->d_o[p] * net->t[DRAE__H_LAYERS][at];
            net->d_t[at] = net->d_o[p] * last[c];
        }
    }
}

void drae__head_net_backward(drae__head_net *net, const float *weights, float *gradient) {
    const ptrdiff_t last = (ptrdiff_t)DRAE__H_LAYERS * DRAE__H_LAYER;
    start(net, weights + last, gradient + last);
    step_back(net->side, NULL, net->a[DRAE__H_LAYERS - 1], net->d_t, net->d_a);
    for (int l = DRAE__H_LAYERS - 1; l >= 0; l--) {
        const ptrdiff_t at = (ptrdiff_t)l * DRAE__H_LAYER;
        net->kernels->gradient(net->side, steps[l], net->t[l], net->d_a, gradient + at);
        if (l > 0) {
            flip(weights + at, net->flipped);
            net->kernels->conv(net->side, steps[l], net->d_a, net->flipped, net->adjoint);
            step_back(net->side, net->adjoint, net->a[l - 1], net->d_t, net->d_a);
        }
    }
}
