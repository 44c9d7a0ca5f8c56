/* SPDX-License-Identifier: Apache-2.0 */
/* Kernels measured on the card at hand: the backend's own timed inference is the clock. */
#include "engine/compile.h"

#include "base/size.h"
#include "engine/backend.h"

#include <stdlib.h>
#include <string.h>

#define WARM_RUNS 3
#define RUNS      21 /* odd: the median is one of them */

typedef struct bench {
    const drae__backend *backend;
    const drae__plan *plan;
    drae__engine_data data;
    const uint8_t *patches; /* [batch,size,size] */
    float *scores;          /* [2,batch] */
    double *seconds;        /* [RUNS,n_ops + 2] */
} bench;

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static drae_status run_all(bench *b, void *session, drae__err *err) {
    size_t batch = (size_t)b->data.batch, n = (size_t)b->plan->n_ops + 2;
    drae_status status = DRAE_OK;
    for (size_t run = 0; run < WARM_RUNS + RUNS && status == DRAE_OK; run++) {
        size_t row = run < WARM_RUNS ? 0 : run - WARM_RUNS;
        const drae__infer_request request = {.n = batch,
                                             .patches = b->patches,
                                             .phi = b->scores,
                                             .z = b->scores + batch,
                                             .op_seconds = b->seconds + row * n};
        status = b->backend->infer(session, &request, err);
    }
    return status;
}

/* A drae__cuda_timer: medians. */
static drae_status time_choices(void *context, const drae__cuda_choices *choices,
                                double *op_seconds, drae__err *err) {
    bench *b = context;
    drae_status status = DRAE_OK;
    void *state = NULL, *session = NULL;
    b->data.cuda = *choices;
    DRAE__TRY(b->backend->create(&b->data, b->plan, "auto", &state, err));
    DRAE__TRY(b->backend->session_create(state, 1, (size_t)b->data.batch, &session, err));
    DRAE__TRY(run_all(b, session, err));
    for (int i = 0; i < b->plan->n_ops; i++) {
        double of_runs[RUNS];
        for (int run = 0; run < RUNS; run++) {
            of_runs[run] = b->seconds[run * (b->plan->n_ops + 2) + i];
        }
        qsort(of_runs, RUNS, sizeof of_runs[0], by_value);
        op_seconds[i] = of_runs[RUNS / 2];
    }
done:
    b->backend->session_destroy(session);
    b->backend->destroy(state);
    return status;
}

static drae_status find_card(const drae__compile_options *options, const drae__backend **backend,
                             drae__cuda_device *device, drae__err *err) {
    *backend = drae__backend_find(DRAE_DEVICE_CUDA);
    if (*backend == NULL) {
        return drae__fail(err, DRAE_ERROR_DEVICE,
                          "measuring kernels needs a CUDA device, and cuda is not in this build: "
                          "leave out --tune to take the kernels of the table");
    }
    drae_status status = (*backend)->probe(device, err);
    if (status != DRAE_OK) {
        return drae__err_prefix(err, status, "measuring kernels");
    }
    if (options->arch != 0 && options->arch != drae__cuda_arch_of(device->arch)) {
        return drae__fail(err, DRAE_ERROR_DEVICE,
                          "measuring kernels for sm_%d: the device at hand is sm_%d", options->arch,
                          device->arch);
    }
    return DRAE_OK;
}

drae_status drae__compile_tune(const drae__model *model, const drae__compile_options *options,
                               const drae__plan *plan, drae__cuda_tuned *tuned, drae__err *err) {
    drae_status status = DRAE_OK;
    drae__cuda_device device;
    uint8_t *patches = NULL;
    memset(&device, 0, sizeof device);
    bench b = {.plan = plan,
               .data = {.arch = model->arch,
                        .ssim_window = model->ssim_window,
                        .device = DRAE_DEVICE_CUDA,
                        .batch = options->batch,
                        .weights = model->data[DRAE__NET_GENERATOR],
                        .n_weights = model->params[DRAE__NET_GENERATOR].total}};
    size_t n_bytes, batch = (size_t)options->batch, size = (size_t)model->arch.size;
    DRAE__TRY(find_card(options, &b.backend, &device, err));
    if (drae__size_mul(size * size, batch, &n_bytes)) {
        patches = malloc(n_bytes);
    }
    b.patches = patches;
    b.scores = malloc(2 * batch * sizeof *b.scores);
    b.seconds = malloc((size_t)RUNS * ((size_t)plan->n_ops + 2) * sizeof *b.seconds);
    if (patches == NULL || b.scores == NULL || b.seconds == NULL) {
        status = drae__fail(err, DRAE_ERROR_MEMORY, "no memory to measure %zu patches", batch);
        goto done;
    }
    drae__compile_patches(model->arch.size, options->batch, patches);
    DRAE__TRY(drae__cuda_tune(plan, &device, time_choices, &b, tuned, err));
done:
    free(patches);
    free(b.scores);
    free(b.seconds);
    return status;
}
