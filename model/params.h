/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The named tensors of a network: names are the HDF5 paths of design.md below the network's group,
 * shapes are PyTorch's. All tensors of a network lie in one float array; a layout says where. The
 * same layout serves parameters, gradients and optimizer moments.
 */
#ifndef DRAE_MODEL_PARAMS_H
#define DRAE_MODEL_PARAMS_H

#include "model/arch.h"

typedef enum drae__net {
    DRAE__NET_GENERATOR = 0,     /* encoder, bottleneck down and up, decoder */
    DRAE__NET_ENCODER2 = 1,      /* encoder, bottleneck down */
    DRAE__NET_DISCRIMINATOR = 2, /* encoder, logit */
    DRAE__NETS = 3
} drae__net;

/* "generator", "encoder2", "discriminator": the group in the file. */
const char *drae__net_name(drae__net net);

typedef enum drae__param_kind {
    DRAE__PARAM_CONV,   /* [out,in,kh,kw] */
    DRAE__PARAM_CONVT,  /* [in,out,kh,kw] */
    DRAE__PARAM_LINEAR, /* [out,in] */
    DRAE__PARAM_BIAS,   /* [n] */
    DRAE__PARAM_GAMMA,  /* [n] */
    DRAE__PARAM_BETA,   /* [n] */
    DRAE__PARAM_MEAN,   /* [n], running, not trained */
    DRAE__PARAM_VAR     /* [n], running, not trained, >= 0 */
} drae__param_kind;

typedef struct drae__param {
    char path[56]; /* "encoder/stage0/A/bn1/gamma" */
    drae__param_kind kind;
    int rank;
    size_t dims[4];
    size_t count;  /* product of dims */
    size_t offset; /* of its first element in the flat array, a multiple of 16 */
    size_t fan_in; /* inputs that reach one output; 0 for bias, bn */
} drae__param;

typedef struct drae__params {
    drae__net net;
    size_t n;
    drae__param *items; /* in the order of the file's documentation */
    size_t total;       /* elements of the flat array; gaps between tensors are zero */
} drae__params;

/* Lists the tensors of one network. ERROR_MEMORY, or ERROR_ARGUMENT for an arch that fails its
 * check. drae__params_free is safe on a zeroed struct. */
drae_status drae__params_create(const drae__arch *arch, drae__net net, drae__params *params,
                                drae__err *err);
void drae__params_free(drae__params *params);

/* The tensor of that path, or NULL. */
const drae__param *drae__params_find(const drae__params *params, const char *path);

/* The tensor "<prefix>/<name>", or NULL: find(params, block.path, "conv1/weight"). */
const drae__param *drae__params_find2(const drae__params *params, const char *prefix,
                                      const char *name);

bool drae__param_trained(const drae__param *param);

#endif
