/* SPDX-License-Identifier: Apache-2.0 */
#include "io/weights.h"

#include <stdio.h>
#include <string.h>

static drae_status put_integer(drae__blob_writer *writer, const char *path, int64_t value,
                               drae__err *err) {
    const drae__blob blob = {.path = path, .type = DRAE__BLOB_I64, .data = &value};
    return drae__blob_put(writer, &blob, 0, err);
}

static drae_status put_number(drae__blob_writer *writer, const char *path, double value,
                              drae__err *err) {
    const drae__blob blob = {.path = path, .type = DRAE__BLOB_F64, .data = &value};
    return drae__blob_put(writer, &blob, 0, err);
}

static drae_status put_text(drae__blob_writer *writer, const char *path, const char *value,
                            drae__err *err) {
    const drae__blob blob = {.path = path, .type = DRAE__BLOB_TEXT, .data = value};
    return drae__blob_put(writer, &blob, 0, err);
}

static drae_status put_architecture(drae__blob_writer *writer, const drae__model *model,
                                    drae__err *err) {
    static const int64_t blocks[DRAE__STAGES] = {DRAE__BLOCKS_PER_STAGE, DRAE__BLOCKS_PER_STAGE,
                                                 DRAE__BLOCKS_PER_STAGE, DRAE__BLOCKS_PER_STAGE};
    const drae__blob list = {.path = "/@blocks",
                             .type = DRAE__BLOB_I64,
                             .rank = 1,
                             .dims = {DRAE__STAGES},
                             .data = blocks};
    const drae__arch *arch = &model->arch;
    drae_status status = DRAE_OK;
    DRAE__TRY(put_text(writer, "/@arch", "drae", err));
    DRAE__TRY(put_text(writer, "/@block", "preact", err));
    DRAE__TRY(drae__blob_put(writer, &list, 0, err));
    DRAE__TRY(put_integer(writer, "/@channels", 1, err));
    DRAE__TRY(put_integer(writer, "/@width", arch->width, err));
    DRAE__TRY(put_integer(writer, "/@latent", arch->latent, err));
    DRAE__TRY(put_integer(writer, "/@size", arch->size, err));
    DRAE__TRY(put_number(writer, "/@slope", (double)arch->slope, err));
    DRAE__TRY(put_number(writer, "/@bn_eps", (double)arch->bn_eps, err));
    status = put_text(writer, "/@ssim_window",
                      model->ssim_window == DRAE__SSIM_UNIFORM ? "uniform" : "gaussian", err);
done:
    return status;
}

/* What is unknown is left out, and so reads as unknown. */
static drae_status put_provenance(drae__blob_writer *writer, const drae__provenance *p,
                                  drae__err *err) {
    const drae__blob seed = {.path = "/@seed", .type = DRAE__BLOB_U64, .data = &p->seed};
    drae_status status = DRAE_OK;
    if (p->data_hash[0] != '\0') {
        DRAE__TRY(put_text(writer, "/@data_hash", p->data_hash, err));
    }
    if (p->revision[0] != '\0') {
        DRAE__TRY(put_text(writer, "/@revision", p->revision, err));
    }
    if (p->precision[0] != '\0') {
        DRAE__TRY(put_text(writer, "/@precision", p->precision, err));
    }
    DRAE__TRY(drae__blob_put(writer, &seed, 0, err));
    if (p->steps >= 0) {
        DRAE__TRY(put_integer(writer, "/@steps", p->steps, err));
    }
    if (p->samples >= 0) {
        DRAE__TRY(put_integer(writer, "/@samples", p->samples, err));
    }
    if (p->val_con == p->val_con) {
        DRAE__TRY(put_number(writer, "/@val_con", p->val_con, err));
    }
done:
    return status;
}

/* The names of the deciding scores, and the maps of the regions that have them. */
static drae_status put_scores(drae__blob_writer *writer, const drae__model *model, int deflate,
                              drae__err *err) {
    const drae__calibration *c = &model->calibration;
    const size_t side = (size_t)model->arch.size;
    char names[4 * DRAE__REGIONS_MAX];
    size_t n = 0;
    bool any = false;
    for (int r = 0; r < c->n_regions; r++) {
        const char *name = drae__score_name(c->kind[r]);
        memcpy(names + n, name, strlen(name) + 1);
        n += strlen(name) + 1;
        any = any || c->maps[r] != NULL;
    }
    if (!any) {
        return DRAE_OK;
    }
    const drae__blob scores = {.path = "/@scores",
                               .type = DRAE__BLOB_TEXT,
                               .rank = 1,
                               .dims = {(size_t)c->n_regions},
                               .data = names};
    drae_status status = drae__blob_put(writer, &scores, 0, err);
    for (int k = 0; k < 2 * c->n_regions && status == DRAE_OK; k++) {
        const float *maps = c->maps[k / 2];
        if (maps != NULL) {
            char path[64];
            (void)snprintf(path, sizeof path, "/calibration/region%d/%s", k / 2,
                           k % 2 == 0 ? "mean" : "scale");
            const drae__blob map = {.path = path,
                                    .type = DRAE__BLOB_F32,
                                    .rank = 2,
                                    .dims = {side, side},
                                    .data = maps + (size_t)(k % 2) * side * side};
            status = drae__blob_put(writer, &map, deflate, err);
        }
    }
    return status;
}

static drae_status put_calibration(drae__blob_writer *writer, const drae__calibration *c,
                                   drae__err *err) {
    if (c->n_regions == 0) {
        return DRAE_OK;
    }
    drae__blob blob = {.path = "/@thresholds",
                       .type = DRAE__BLOB_F32,
                       .rank = 1,
                       .dims = {(size_t)c->n_regions},
                       .data = c->threshold};
    drae_status status = drae__blob_put(writer, &blob, 0, err);
    if (status == DRAE_OK) {
        blob.path = "/@anchors";
        blob.data = c->anchor;
        status = drae__blob_put(writer, &blob, 0, err);
    }
    return status;
}

drae_status drae__weights_put(drae__blob_writer *writer, const drae__model *model, int deflate,
                              drae__err *err) {
    drae_status status = DRAE_OK;
    DRAE__TRY(drae__model_check(model, err));
    DRAE__TRY(put_architecture(writer, model, err));
    DRAE__TRY(put_provenance(writer, &model->provenance, err));
    DRAE__TRY(put_calibration(writer, &model->calibration, err));
    DRAE__TRY(put_scores(writer, model, deflate, err));
    for (int net = 0; net < DRAE__NETS; net++) {
        const drae__params *params = &model->params[net];
        for (size_t t = 0; model->data[net] != NULL && t < params->n; t++) {
            const drae__param *p = &params->items[t];
            char path[128];
            (void)snprintf(path, sizeof path, "/%s/%s", drae__net_name((drae__net)net), p->path);
            drae__blob blob = {.path = path,
                               .type = DRAE__BLOB_F32,
                               .rank = p->rank,
                               .data = model->data[net] + p->offset};
            memcpy(blob.dims, p->dims, sizeof p->dims);
            DRAE__TRY(drae__blob_put(writer, &blob, deflate, err));
        }
    }
done:
    return status;
}

drae_status drae__weights_save(const char *path, const drae__model *model, int deflate,
                               drae__err *err) {
    drae__blob_writer *writer = NULL;
    drae_status status = drae__blob_create(path, "weights", &writer, err);
    if (status != DRAE_OK) {
        return status;
    }
    status = drae__weights_put(writer, model, deflate, err);
    if (status != DRAE_OK) {
        drae__blob_abandon(writer);
        return status;
    }
    return drae__blob_finish(writer, err);
}
