/* SPDX-License-Identifier: Apache-2.0 */
#include "train/evaluate.h"

#include "base/size.h"
#include "kernels/loss.h"
#include "kernels/pointwise.h"
#include "train/augment.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

drae_status drae__eval_room_create(const drae__train_config *config, int size,
                                   drae__eval_room *room, drae__err *err) {
    memset(room, 0, sizeof *room);
    size_t batch = (size_t)config->run.batch;
    size_t pixels = (size_t)size * (size_t)size;
    size_t n_bytes;
    if (drae__size_mul(batch, 4 * pixels * sizeof(float), &n_bytes)) {
        room->patches = malloc(batch * pixels);
        room->images = calloc(1, n_bytes);
        room->beta = calloc(batch, sizeof(float));
        room->scratch = malloc(drae__augment_scratch_floats(config, size) * sizeof(float));
    }
    if (room->patches == NULL || room->images == NULL || room->beta == NULL ||
        room->scratch == NULL) {
        drae__eval_room_free(room);
        return drae__fail(err, DRAE_ERROR_MEMORY, "no memory to validate %zu patches at once",
                          batch);
    }
    return DRAE_OK;
}

void drae__eval_room_free(drae__eval_room *room) {
    free(room->patches);
    free(room->images);
    free(room->beta);
    free(room->scratch);
    memset(room, 0, sizeof *room);
}

drae_status drae__validate(drae__trainer *t, drae__dataset *dataset, const size_t *indices,
                           size_t n, drae__eval_room *room, const volatile int *stop,
                           drae__validation *result, drae__err *err) {
    drae_status status = DRAE_OK;
    const drae__train_config *c = &t->config;
    size_t batch = (size_t)c->run.batch;
    size_t pixels = (size_t)t->model.arch.size * (size_t)t->model.arch.size;
    double huber = 0.0, ssim = 0.0;
    for (size_t i = 0; i < n; i += batch) {
        size_t count = n - i < batch ? n - i : batch;
        if (stop != NULL && *stop != 0) {
            status = DRAE_ERROR_INTERRUPTED;
            goto done;
        }
        DRAE__TRY(drae__dataset_read(dataset, indices + i, count, room->patches, err));
        drae__cpu_from_u8(count * pixels, room->patches, room->images);
        /* The plan is for whole batches: what lies behind the last patches is old and unused. */
        DRAE__TRY(drae__trainer_reconstruct(t, batch, room->images, err));
        const float *recon = t->memory.decoder.image;
        huber += (double)count * drae__cpu_huber(count * pixels, (float)c->loss.huber_delta,
                                                 room->images, recon, 0.0f, NULL);
        drae__cpu_ssim(t->window, (int)count, t->model.arch.size, room->images, recon,
                       t->memory.scores, NULL, t->memory.ssim_scratch);
        for (size_t k = 0; k < count; k++) {
            ssim += 1.0 - (double)t->memory.scores[k];
        }
    }
    result->huber = huber / (double)n;
    result->ssim = ssim / (double)n;
    result->con = c->loss.huber * result->huber + c->loss.ssim * result->ssim;
    if (!isfinite(result->con)) {
        status = drae__fail(err, DRAE_ERROR_NOT_FINITE,
                            "the validation loss is not finite: look at the running statistics");
    }
done:
    return status;
}
