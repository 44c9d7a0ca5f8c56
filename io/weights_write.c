/* SPDX-License-Identifier: Apache-2.0 */
#include "io/weights.h"

#include "io/weights_private.h"

#include <stdio.h>
#include <string.h>

drae_status drae__put_integer(drae__blob_writer *writer, const char *path, int64_t value,
                              drae__err *err) {
    const drae__blob blob = {.path = path, .type = DRAE__BLOB_I64, .data = &value};
    return drae__blob_put(writer, &blob, 0, err);
}

drae_status drae__put_number(drae__blob_writer *writer, const char *path, double value,
                             drae__err *err) {
    const drae__blob blob = {.path = path, .type = DRAE__BLOB_F64, .data = &value};
    return drae__blob_put(writer, &blob, 0, err);
}

drae_status drae__put_text(drae__blob_writer *writer, const char *path, const char *value,
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
    DRAE__TRY(drae__put_text(writer, "/@arch", "drae", err));
    DRAE__TRY(drae__put_text(writer, "/@block", "preact", err));
    DRAE__TRY(drae__blob_put(writer, &list, 0, err));
    DRAE__TRY(drae__put_integer(writer, "/@channels", 1, err));
    DRAE__TRY(drae__put_integer(writer, "/@width", arch->width, err));
    DRAE__TRY(drae__put_integer(writer, "/@latent", arch->latent, err));
    DRAE__TRY(drae__put_integer(writer, "/@size", arch->size, err));
    DRAE__TRY(drae__put_number(writer, "/@slope", (double)arch->slope, err));
    DRAE__TRY(drae__put_number(writer, "/@bn_eps", (double)arch->bn_eps, err));
    status = drae__put_text(writer, "/@ssim_window",
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
        DRAE__TRY(drae__put_text(writer, "/@data_hash", p->data_hash, err));
    }
    if (p->revision[0] != '\0') {
        DRAE__TRY(drae__put_text(writer, "/@revision", p->revision, err));
    }
    if (p->precision[0] != '\0') {
        DRAE__TRY(drae__put_text(writer, "/@precision", p->precision, err));
    }
    DRAE__TRY(drae__blob_put(writer, &seed, 0, err));
    if (p->steps >= 0) {
        DRAE__TRY(drae__put_integer(writer, "/@steps", p->steps, err));
    }
    if (p->samples >= 0) {
        DRAE__TRY(drae__put_integer(writer, "/@samples", p->samples, err));
    }
    if (p->val_con == p->val_con) {
        DRAE__TRY(drae__put_number(writer, "/@val_con", p->val_con, err));
    }
done:
    return status;
}

drae_status drae__weights_put(drae__blob_writer *writer, const drae__model *model, int deflate,
                              drae__err *err) {
    drae_status status = DRAE_OK;
    DRAE__TRY(drae__model_check(model, err));
    DRAE__TRY(put_architecture(writer, model, err));
    DRAE__TRY(put_provenance(writer, &model->provenance, err));
    DRAE__TRY(drae__put_calibration(writer, &model->calibration, err));
    DRAE__TRY(drae__put_maps(writer, model, deflate, err));
    DRAE__TRY(drae__put_seen(writer, model, deflate, err));
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
