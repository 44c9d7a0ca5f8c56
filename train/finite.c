/* SPDX-License-Identifier: Apache-2.0 */
#include "train/finite.h"

#include <math.h>
#include <stdio.h>

static bool all_finite(const float *values, size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (!isfinite(values[i])) {
            return false;
        }
    }
    return true;
}

bool drae__blame_values(const char *name, const float *values, size_t count,
                        char layer[DRAE__LAYER_BYTES]) {
    if (all_finite(values, count)) {
        return false;
    }
    (void)snprintf(layer, DRAE__LAYER_BYTES, "%s", name);
    return true;
}

static bool blame(drae__net net, const char *path, const char *name, const float *values,
                  size_t count, char layer[DRAE__LAYER_BYTES]) {
    char text[DRAE__LAYER_BYTES];
    (void)snprintf(text, sizeof text, "%s/%s%s", drae__net_name(net), path, name);
    return drae__blame_values(text, values, count, layer);
}

static bool blame_blocks(const drae__arch *arch, drae__half half, drae__net net, size_t n,
                         const drae__block_acts *acts, const float *top,
                         char layer[DRAE__LAYER_BYTES]) {
    drae__block blocks[DRAE__BLOCKS];
    drae__arch_blocks(arch, half, blocks);
    for (int i = 0; i < DRAE__BLOCKS; i++) {
        const drae__block *b = &blocks[i];
        bool up = half == DRAE__HALF_DECODER && b->role == DRAE__ROLE_C;
        size_t h_mid = (size_t)(up ? b->h_in : b->h_out);
        size_t h_out = (size_t)b->h_out;
        size_t c_out = (size_t)b->c_out;
        size_t in = n * (size_t)b->h_in * (size_t)b->h_in * (size_t)b->c_in;
        size_t mid = n * h_mid * h_mid * c_out;
        const float *dst = i + 1 < DRAE__BLOCKS ? acts[i + 1].x : top;
        if (blame(net, b->path, "/bn1", acts[i].p, in, layer) ||
            blame(net, b->path, "/conv1", acts[i].y, mid, layer) ||
            blame(net, b->path, "/bn2", acts[i].q, mid, layer) ||
            blame(net, b->path, up ? "/convt" : "/conv2", dst, n * h_out * h_out * c_out, layer)) {
            return true;
        }
    }
    return false;
}

bool drae__blame_encoder(const drae__arch *arch, drae__net net, size_t n,
                         const drae__encoder_acts *acts, char layer[DRAE__LAYER_BYTES]) {
    size_t pixels = n * (size_t)arch->size * (size_t)arch->size;
    size_t small = n * drae__arch_small_elems(arch);
    bool logit = net == DRAE__NET_DISCRIMINATOR;
    return blame(net, "", "input", acts->image, pixels, layer) ||
           blame(net, "encoder", "/stem", acts->blocks[0].x, pixels * (size_t)arch->width, layer) ||
           blame_blocks(arch, DRAE__HALF_ENCODER, net, n, acts->blocks, acts->top, layer) ||
           blame(net, "encoder", "/head", acts->feat, small, layer) ||
           blame(net, logit ? "logit" : "bottleneck/down", "", acts->code,
                 n * (logit ? 1 : (size_t)arch->latent), layer);
}

bool drae__blame_decoder(const drae__arch *arch, size_t n, const drae__decoder_acts *acts,
                         char layer[DRAE__LAYER_BYTES]) {
    drae__net net = DRAE__NET_GENERATOR;
    size_t pixels = n * (size_t)arch->size * (size_t)arch->size;
    return blame(net, "bottleneck/up", "", acts->up, n * drae__arch_small_elems(arch), layer) ||
           blame_blocks(arch, DRAE__HALF_DECODER, net, n, acts->blocks, acts->top, layer) ||
           blame(net, "decoder/out", "/bn", acts->p, pixels * (size_t)arch->width, layer) ||
           blame(net, "decoder/out", "", acts->image, pixels, layer);
}

bool drae__blame_tensors(const drae__params *params, const float *values, bool backwards,
                         const char *what, char layer[DRAE__LAYER_BYTES]) {
    for (size_t i = 0; i < params->n; i++) {
        const drae__param *p = &params->items[backwards ? params->n - 1 - i : i];
        if (drae__param_trained(p) && !all_finite(values + p->offset, p->count)) {
            (void)snprintf(layer, DRAE__LAYER_BYTES, "%s/%s (%s)", drae__net_name(params->net),
                           p->path, what);
            return true;
        }
    }
    return false;
}
