/* SPDX-License-Identifier: Apache-2.0 */
#include "train/offsets.h"

#include <string.h>

static drae_status find(const drae__params *params, const char *prefix, const char *name,
                        size_t *offset, drae__err *err) {
    const drae__param *p = drae__params_find2(params, prefix, name);
    if (p == NULL) {
        return drae__fail(err, DRAE_ERROR_INTERNAL, "/%s/%s/%s: no such tensor",
                          drae__net_name(params->net), prefix, name);
    }
    *offset = p->offset;
    return DRAE_OK;
}

static drae_status find_bn(const drae__params *params, const char *prefix, int number,
                           drae__bn_at *bn, drae__err *err) {
    static const char *const names[3][4] = {{"bn/gamma", "bn/beta", "bn/mean", "bn/var"},
                                            {"bn1/gamma", "bn1/beta", "bn1/mean", "bn1/var"},
                                            {"bn2/gamma", "bn2/beta", "bn2/mean", "bn2/var"}};
    drae_status status = DRAE_OK;
    DRAE__TRY(find(params, prefix, names[number][0], &bn->gamma, err));
    DRAE__TRY(find(params, prefix, names[number][1], &bn->beta, err));
    DRAE__TRY(find(params, prefix, names[number][2], &bn->mean, err));
    DRAE__TRY(find(params, prefix, names[number][3], &bn->var, err));
done:
    return status;
}

static drae_status find_dense(const drae__params *params, const char *prefix, drae__dense_at *dense,
                              drae__err *err) {
    drae_status status = find(params, prefix, "weight", &dense->weight, err);
    return status != DRAE_OK ? status : find(params, prefix, "bias", &dense->bias, err);
}

static drae_status find_blocks(const drae__arch *arch, drae__half half, const drae__params *params,
                               drae__block_at at[DRAE__BLOCKS], drae__err *err) {
    drae__block blocks[DRAE__BLOCKS];
    drae__arch_blocks(arch, half, blocks);
    drae_status status = DRAE_OK;
    for (int i = 0; i < DRAE__BLOCKS; i++) {
        const char *path = blocks[i].path;
        bool up = half == DRAE__HALF_DECODER && blocks[i].role == DRAE__ROLE_C;
        DRAE__TRY(find_bn(params, path, 1, &at[i].bn1, err));
        DRAE__TRY(find_bn(params, path, 2, &at[i].bn2, err));
        DRAE__TRY(find(params, path, "conv1/weight", &at[i].conv1, err));
        DRAE__TRY(find(params, path, up ? "convt/weight" : "conv2/weight", &at[i].conv2, err));
        if (blocks[i].role != DRAE__ROLE_B) {
            DRAE__TRY(find(params, path, "proj/weight", &at[i].proj, err));
        }
    }
done:
    return status;
}

drae_status drae__offsets_create(const drae__arch *arch, const drae__params *params,
                                 drae__offsets *offsets, drae__err *err) {
    drae_status status = DRAE_OK;
    drae__offsets at;
    memset(&at, 0, sizeof at);
    const char *down = params->net == DRAE__NET_DISCRIMINATOR ? "logit" : "bottleneck/down";
    DRAE__TRY(find(params, "encoder", "stem/weight", &at.stem, err));
    DRAE__TRY(find_blocks(arch, DRAE__HALF_ENCODER, params, at.blocks[DRAE__HALF_ENCODER], err));
    DRAE__TRY(find_bn(params, "encoder/head", 0, &at.head, err));
    DRAE__TRY(find_dense(params, down, &at.down, err));
    if (params->net == DRAE__NET_GENERATOR) {
        DRAE__TRY(find_dense(params, "bottleneck/up", &at.up, err));
        DRAE__TRY(
            find_blocks(arch, DRAE__HALF_DECODER, params, at.blocks[DRAE__HALF_DECODER], err));
        DRAE__TRY(find_bn(params, "decoder/out", 0, &at.out_bn, err));
        DRAE__TRY(find_dense(params, "decoder/out", &at.out, err));
    }
    *offsets = at;
done:
    return status;
}
