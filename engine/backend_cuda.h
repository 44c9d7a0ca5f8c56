/* SPDX-License-Identifier: Apache-2.0 */
/* The CUDA backend's files among themselves; engine/backend_cuda.c says how they go together. */
#ifndef DRAE_ENGINE_BACKEND_CUDA_H
#define DRAE_ENGINE_BACKEND_CUDA_H

#include "engine/backend.h"
#include "engine/cuda_plan.h"

#include <cuda_runtime_api.h>

#define DRAE__CUDA_GRAPHS 4 /* the batch, its half, its quarter, one */

typedef struct drae__cuda_state {
    const drae__plan *plan;
    const float *model; /* copy of the weights: programs depend on the batch */
    drae__ssim_window window;
    drae__cuda_device device;
    drae__cuda_choices choices;
    drae__cuda_region regions[DRAE__REGIONS_MAX];
    /* On the device: the same, [k,2,size,size], [k,drae__m_scales] and [k]; NULL: no region has
     * any. */
    drae__cuda_region *table;
    float *maps, *filters;
    drae__cuda_head *heads;
    char kernels[32];           /* "sm_90 f16" */
    drae__cuda_program program; /* of the engine's own batch, for the plan's text */
} drae__cuda_state;

typedef struct drae__cuda_session {
    const drae__cuda_state *state;
    drae__cuda_program program;
    drae__cuda_memory memory;
    uint8_t *weights, *images; /* what memory leads to */
    int32_t *regions;          /* [batch], of the state's table; -1: no patch */
    float *planes;             /* of the matched filters; NULL where the state has none */
    /* device: maps; pinned: what goes in and comes out */
    float *recon, *z, *anchors, *residual; /* z NULL where the state has no maps */
    uint8_t *heat, *heat_fixed, *by_z;
    uint8_t *pinned_images, *pinned_by_z;
    float *pinned_results, *pinned_anchors;
    int32_t *pinned_regions;
    cudaStream_t stream;
    cudaGraphExec_t graphs[2][DRAE__CUDA_GRAPHS]; /* [1]: with X^ and z */
    size_t graph_n[DRAE__CUDA_GRAPHS];
    cudaEvent_t events[DRAE__PLAN_OPS + 3];
    bool lost;
} drae__cuda_session;

static inline size_t drae__cuda_pixels(const drae__cuda_session *c) {
    return (size_t)c->program.plan->arch.size * (size_t)c->program.plan->arch.size;
}

/* Says that `what` failed, and clears the error where it is not sticky. */
drae_status drae__cuda_fail(drae__err *err, cudaError_t e, const char *what);

#define DRAE__CUDA_TRY(call, what)                                                                 \
    do {                                                                                           \
        cudaError_t e_ = (call);                                                                   \
        if (e_ != cudaSuccess) {                                                                   \
            status = drae__cuda_fail(err, e_, what);                                               \
            goto done;                                                                             \
        }                                                                                          \
    } while (0)

/* Copy in, all kernels, scores out, for n patches, with X^ and z where kept; events[i] after step i
 * where timed. */
drae_status drae__cuda_enqueue(drae__cuda_session *c, size_t n, bool keep, bool timed,
                               drae__err *err);

/* Of drae__backend (engine/backend.h). */
drae_status drae__cuda_session_create(const void *state, int threads, size_t batch, void **session,
                                      drae__err *err);
void drae__cuda_session_destroy(void *session);
drae_status drae__cuda_infer(void *session, const drae__infer_request *r, drae__err *err);
drae_status drae__cuda_keep_warm(void *session, drae__err *err);

#endif
