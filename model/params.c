/* SPDX-License-Identifier: Apache-2.0 */
#include "model/params.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OFFSET_ALIGN 16
/* stem + 12 blocks of at most 11 tensors, head 4, down and up 4, 12 decoder blocks, out 6 */
#define TENSORS_MAX 320

typedef struct builder {
    drae__params *params;
    size_t end;
} builder;

const char *drae__net_name(drae__net net) {
    static const char *const names[DRAE__NETS] = {"generator", "encoder2", "discriminator"};
    return names[net];
}

static void add(builder *b, const char *prefix, const char *name, drae__param_kind kind, int rank,
                const size_t dims[4], size_t fan_in) {
    drae__param *p = &b->params->items[b->params->n++];
    memset(p, 0, sizeof *p);
    (void)snprintf(p->path, sizeof p->path, "%s/%s", prefix, name);
    p->kind = kind;
    p->rank = rank;
    p->count = 1;
    for (int i = 0; i < rank; i++) {
        p->dims[i] = dims[i];
        p->count *= dims[i];
    }
    p->fan_in = fan_in;
    p->offset = b->end;
    b->end += (p->count + OFFSET_ALIGN - 1) / OFFSET_ALIGN * OFFSET_ALIGN;
}

static void add_conv(builder *b, const char *prefix, const char *name, int c_out, int c_in, int k) {
    const size_t dims[4] = {(size_t)c_out, (size_t)c_in, (size_t)k, (size_t)k};
    add(b, prefix, name, DRAE__PARAM_CONV, 4, dims, (size_t)c_in * (size_t)(k * k));
}

static void add_convt(builder *b, const char *prefix, const char *name, int c_in, int c_out,
                      int k) {
    const size_t dims[4] = {(size_t)c_in, (size_t)c_out, (size_t)k, (size_t)k};
    /* Stride 2: a quarter of the k*k taps meets one output pixel. */
    add(b, prefix, name, DRAE__PARAM_CONVT, 4, dims, (size_t)c_in * (size_t)(k * k) / 4);
}

static void add_vector(builder *b, const char *prefix, const char *name, drae__param_kind kind,
                       size_t count) {
    const size_t dims[4] = {count};
    add(b, prefix, name, kind, 1, dims, 0);
}

static void add_linear(builder *b, const char *prefix, size_t out, size_t in) {
    const size_t dims[4] = {out, in};
    add(b, prefix, "weight", DRAE__PARAM_LINEAR, 2, dims, in);
    add_vector(b, prefix, "bias", DRAE__PARAM_BIAS, out);
}

static void add_bn(builder *b, const char *prefix, const char *bn, int channels) {
    static const struct {
        const char *name;
        drae__param_kind kind;
    } parts[4] = {{"gamma", DRAE__PARAM_GAMMA},
                  {"beta", DRAE__PARAM_BETA},
                  {"mean", DRAE__PARAM_MEAN},
                  {"var", DRAE__PARAM_VAR}};
    for (int i = 0; i < 4; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "%s/%s", bn, parts[i].name);
        add_vector(b, prefix, name, parts[i].kind, (size_t)channels);
    }
}

static void add_blocks(builder *b, const drae__arch *arch, drae__half half) {
    drae__block blocks[DRAE__BLOCKS];
    drae__arch_blocks(arch, half, blocks);
    for (int i = 0; i < DRAE__BLOCKS; i++) {
        const drae__block *k = &blocks[i];
        bool up = half == DRAE__HALF_DECODER && k->role == DRAE__ROLE_C;
        add_bn(b, k->path, "bn1", k->c_in);
        add_conv(b, k->path, "conv1/weight", k->c_out, k->c_in, 3);
        add_bn(b, k->path, "bn2", k->c_out);
        if (up) {
            add_convt(b, k->path, "convt/weight", k->c_out, k->c_out, 4);
            add_convt(b, k->path, "proj/weight", k->c_in, k->c_out, 2);
        } else {
            add_conv(b, k->path, "conv2/weight", k->c_out, k->c_out, 3);
            if (k->role != DRAE__ROLE_B) {
                add_conv(b, k->path, "proj/weight", k->c_out, k->c_in, 1);
            }
        }
    }
}

drae_status drae__params_create(const drae__arch *arch, drae__net net, drae__params *params,
                                drae__err *err) {
    drae_status status = drae__arch_check(arch, err);
    if (status != DRAE_OK) {
        return status;
    }
    memset(params, 0, sizeof *params);
    params->net = net;
    params->items = calloc(TENSORS_MAX, sizeof *params->items);
    if (params->items == NULL) {
        return drae__fail(err, DRAE_ERROR_MEMORY, "no memory for the list of tensors");
    }
    builder b = {.params = params, .end = 0};
    size_t small = drae__arch_small_elems(arch);
    size_t latent = (size_t)arch->latent;
    add_conv(&b, "encoder", "stem/weight", arch->width, 1, 3);
    add_blocks(&b, arch, DRAE__HALF_ENCODER);
    add_bn(&b, "encoder/head", "bn", drae__arch_channels(arch, DRAE__STAGES - 1));
    if (net == DRAE__NET_DISCRIMINATOR) {
        add_linear(&b, "logit", 1, small);
    } else {
        add_linear(&b, "bottleneck/down", latent, small);
    }
    if (net == DRAE__NET_GENERATOR) {
        add_linear(&b, "bottleneck/up", small, latent);
        add_blocks(&b, arch, DRAE__HALF_DECODER);
        add_bn(&b, "decoder/out", "bn", arch->width);
        add_conv(&b, "decoder/out", "weight", 1, arch->width, 3);
        add_vector(&b, "decoder/out", "bias", DRAE__PARAM_BIAS, 1);
    }
    params->total = b.end;
    return DRAE_OK;
}

void drae__params_free(drae__params *params) {
    free(params->items);
    memset(params, 0, sizeof *params);
}

const drae__param *drae__params_find(const drae__params *params, const char *path) {
    for (size_t i = 0; i < params->n; i++) {
        if (strcmp(params->items[i].path, path) == 0) {
            return &params->items[i];
        }
    }
    return NULL;
}

const drae__param *drae__params_find2(const drae__params *params, const char *prefix,
                                      const char *name) {
    char path[2 * sizeof params->items[0].path];
    (void)snprintf(path, sizeof path, "%s/%s", prefix, name);
    return drae__params_find(params, path);
}

bool drae__param_trained(const drae__param *param) {
    return param->kind != DRAE__PARAM_MEAN && param->kind != DRAE__PARAM_VAR;
}
