/* SPDX-License-Identifier: Apache-2.0 */
#include "train/trace.h"

#include "base/arena.h"
#include "io/blob.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

drae_status drae__trace_begin(drae__trace *trace, const drae__trainer *t, drae__err *err) {
    for (int net = 0; net < DRAE__NETS; net++) {
        if (t->model.data[net] == NULL) {
            continue;
        }
        size_t n_bytes = t->model.params[net].total * sizeof(float);
        free(trace->before[net]);
        trace->before[net] = drae__aligned_alloc(n_bytes);
        if (trace->before[net] == NULL) {
            return drae__fail(err, DRAE_ERROR_MEMORY, "no memory for the trace");
        }
        memcpy(trace->before[net], t->model.data[net], n_bytes);
    }
    return DRAE_OK;
}

void drae__trace_free(drae__trace *trace) {
    for (int net = 0; net < DRAE__NETS; net++) {
        free(trace->before[net]);
    }
    memset(trace, 0, sizeof *trace);
}

static drae_status put(drae__blob_writer *writer, const char *path, int rank, const size_t *dims,
                       const float *data, drae__err *err) {
    drae__blob blob = {.path = path, .type = DRAE__BLOB_F32, .rank = rank, .data = data};
    memcpy(blob.dims, dims, (size_t)rank * sizeof *dims);
    return drae__blob_put(writer, &blob, 0, err);
}

/* The tensors of a flat array below /<group>/<net>. trained: leave the running statistics out. */
static drae_status put_tensors(drae__blob_writer *writer, const char *group,
                               const drae__params *params, const float *values, bool trained,
                               drae__err *err) {
    drae_status status = DRAE_OK;
    for (size_t i = 0; i < params->n; i++) {
        const drae__param *p = &params->items[i];
        char path[128];
        if (trained && !drae__param_trained(p)) {
            continue;
        }
        (void)snprintf(path, sizeof path, "/%s/%s/%s", group, drae__net_name(params->net), p->path);
        DRAE__TRY(put(writer, path, p->rank, p->dims, values + p->offset, err));
    }
done:
    return status;
}

static drae_status put_losses(drae__blob_writer *writer, const drae__losses *losses,
                              drae__err *err) {
    const struct {
        const char *path;
        double value;
    } all[] = {
#define TRACE_LOSS(name) {"/loss/" #name, losses->name},
        DRAE__LOSSES(TRACE_LOSS)
#undef TRACE_LOSS
    };
    drae_status status = DRAE_OK;
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        drae__blob blob = {
            .path = all[i].path, .type = DRAE__BLOB_F64, .rank = 0, .data = &all[i].value};
        if (!isnan(all[i].value)) { /* switched off */
            DRAE__TRY(drae__blob_put(writer, &blob, 0, err));
        }
    }
done:
    return status;
}

drae_status drae__trace_write(const drae__trace *trace, const char *path, const drae__trainer *t,
                              const drae__batch *batch, const drae__losses *losses, int64_t step,
                              double lr, drae__err *err) {
    drae_status status = DRAE_OK;
    drae__blob_writer *writer = NULL;
    size_t size = (size_t)t->model.arch.size;
    const size_t images[3] = {batch->n, size, size};
    const drae__net disc = DRAE__NET_DISCRIMINATOR;
    const drae__blob step_blob = {.path = "/@step", .type = DRAE__BLOB_I64, .data = &step};
    const drae__blob lr_blob = {.path = "/@lr", .type = DRAE__BLOB_F64, .data = &lr};
    DRAE__TRY(drae__blob_create(path, "trace", &writer, err));
    DRAE__TRY(drae__blob_put(writer, &step_blob, 0, err));
    DRAE__TRY(drae__blob_put(writer, &lr_blob, 0, err));
    DRAE__TRY(put(writer, "/x", 3, images, batch->x, err));
    DRAE__TRY(put(writer, "/x_star", 3, images, batch->x_star, err));
    DRAE__TRY(put(writer, "/mask", 3, images, batch->mask, err));
    DRAE__TRY(put(writer, "/noise", 3, images, batch->noise, err));
    DRAE__TRY(put(writer, "/beta", 1, images, batch->beta, err));
    DRAE__TRY(put(writer, "/recon", 3, images, t->memory.decoder.image, err));
    DRAE__TRY(put_losses(writer, losses, err));
    for (int net = 0; net < DRAE__NETS; net++) {
        if (trace->before[net] != NULL) {
            const drae__params *params = &t->model.params[net];
            DRAE__TRY(put_tensors(writer, "param", params, trace->before[net], false, err));
            DRAE__TRY(put_tensors(writer, "grad", params, t->grads[net], true, err));
        }
    }
    if (trace->before[disc] != NULL) {
        DRAE__TRY(put_tensors(writer, "disc_param_after", &t->model.params[disc],
                              t->model.data[disc], true, err));
    }
    status = drae__blob_finish(writer, err);
    writer = NULL;
done:
    drae__blob_abandon(writer);
    return status;
}
