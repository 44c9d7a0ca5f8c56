/* SPDX-License-Identifier: Apache-2.0 */
/* A cycle of the CUDA backend: one graph, the maps that were asked for, the results. */
#include "engine/backend_cuda.h"

#include <string.h>

#define S_OF_MS 1e-3

static drae_status take_times(drae__cuda_session *c, double *op_seconds, drae__err *err) {
    drae_status status = DRAE_OK;
    int n_ops = c->program.plan->n_ops;
    for (int i = 0; i < n_ops + 2; i++) {
        op_seconds[i] = 0.0;
    }
    for (int i = 0; i < c->program.n_steps + 2; i++) {
        float ms = 0.0f;
        DRAE__CUDA_TRY(cudaEventElapsedTime(&ms, c->events[i], c->events[i + 1]), "events");
        int slot = i == 0                        ? n_ops
                   : i == c->program.n_steps + 1 ? n_ops + 1
                                                 : c->program.steps[i - 1].op;
        op_seconds[slot] += (double)ms * S_OF_MS;
    }
done:
    return status;
}

static int region_of(const drae__infer_request *r, size_t patch) {
    return r->regions == NULL ? 0 : r->regions[patch];
}

/* X^ and z lead to what was asked for. */
static bool wants_maps(const drae__infer_request *r) {
    return r->recon != NULL || r->residual != NULL || r->heat != NULL || r->heat_fixed != NULL ||
           r->z_map != NULL;
}

/* Patches, and their regions: none behind n. */
static void fill_input(drae__cuda_session *c, const drae__infer_request *r) {
    memcpy(c->pinned_images, r->patches, r->n * drae__cuda_pixels(c));
    for (size_t i = 0; i < c->program.batch; i++) {
        c->pinned_regions[i] = i < r->n ? region_of(r, i) : -1;
    }
}

static drae_status upload_anchors(drae__cuda_session *c, const drae__infer_request *r,
                                  drae__err *err) {
    drae_status status = DRAE_OK;
    for (size_t i = 0; i < r->n; i++) {
        c->pinned_anchors[i] = r->anchors[i];
        c->pinned_by_z[i] = c->state->regions[region_of(r, i)].kind == DRAE__CUDA_BY_Z;
    }
    DRAE__CUDA_TRY(cudaMemcpyAsync(c->anchors, c->pinned_anchors, r->n * sizeof(float),
                                   cudaMemcpyHostToDevice, c->stream),
                   "anchors");
    DRAE__CUDA_TRY(
        cudaMemcpyAsync(c->by_z, c->pinned_by_z, r->n, cudaMemcpyHostToDevice, c->stream),
        "anchors");
done:
    return status;
}

static drae_status make_maps(drae__cuda_session *c, const drae__infer_request *r, drae__err *err) {
    drae_status status = DRAE_OK;
    size_t n = r->n, pixels = n * drae__cuda_pixels(c);
    if (r->heat_fixed != NULL) {
        DRAE__TRY(upload_anchors(c, r, err));
    }
    const drae__cuda_maps maps = {
        .n = (int)n,
        .size = c->program.plan->arch.size,
        .image = c->images,
        .recon = c->recon,
        .result = (const float *)(const void *)(c->memory.arena + c->program.result_at),
        .anchors = c->anchors,
        .z = c->z,
        .by_z = c->z == NULL ? NULL : c->by_z,
        .residual = r->residual != NULL ? c->residual : NULL,
        .heat = r->heat != NULL ? c->heat : NULL,
        .heat_fixed = r->heat_fixed != NULL ? c->heat_fixed : NULL,
    };
    if (maps.residual != NULL || maps.heat != NULL || maps.heat_fixed != NULL) {
        DRAE__TRY(drae__cuda_maps_write(&maps, c->stream, err));
    }
    const struct {
        void *to;
        const void *from;
        size_t n_bytes;
    } copies[] = {{r->residual, c->residual, pixels * sizeof(float)},
                  {r->heat, c->heat, pixels},
                  {r->heat_fixed, c->heat_fixed, pixels},
                  {r->recon, c->recon, pixels * sizeof(float)},
                  {c->z == NULL ? NULL : r->z_map, c->z, pixels * sizeof(float)}};
    for (size_t i = 0; i < sizeof copies / sizeof copies[0]; i++) {
        if (copies[i].to != NULL) {
            DRAE__CUDA_TRY(cudaMemcpyAsync(copies[i].to, copies[i].from, copies[i].n_bytes,
                                           cudaMemcpyDeviceToHost, c->stream),
                           "maps");
        }
    }
done:
    return status;
}

/* From pinned memory to the caller; z of a patch without maps is not a number, its map zero. */
static void take_results(const drae__cuda_session *c, const drae__infer_request *r) {
    size_t pixels = drae__cuda_pixels(c);
    for (size_t i = 0; i < r->n; i++) {
        const float *result = c->pinned_results + DRAE__CUDA_RESULT * i;
        r->phi[i] = result[0];
        r->z[i] = result[3];
        if (r->verdicts != NULL) {
            r->verdicts[i] = (drae_verdict)(int)result[4];
        }
        if (r->z_map != NULL && c->state->regions[region_of(r, i)].maps < 0) {
            memset(r->z_map + i * pixels, 0, pixels * sizeof(float));
        }
    }
}

static drae_status check_lost(const drae__cuda_session *c, drae__err *err) {
    return c->lost ? drae__fail(err, DRAE_ERROR_DEVICE,
                                "cuda: the device failed before: close the engine and open it "
                                "again")
                   : DRAE_OK;
}

/* The smallest graph that holds n patches. */
static cudaGraphExec_t graph_for(const drae__cuda_session *c, size_t n, bool keep) {
    int graph = 0;
    for (int i = 1; i < DRAE__CUDA_GRAPHS; i++) {
        graph = c->graphs[keep][i] != NULL && c->graph_n[i] >= n ? i : graph;
    }
    return c->graphs[keep][graph];
}

/* The first patch of the last cycle again: the smallest graph of the session. Every unit and the
 * copy engines work for a moment; what comes out lies where the next cycle writes. */
drae_status drae__cuda_keep_warm(void *session, drae__err *err) {
    drae__cuda_session *c = session;
    drae_status status = check_lost(c, err);
    if (status != DRAE_OK) {
        return status;
    }
    DRAE__CUDA_TRY(cudaSetDevice(0), "choosing device 0");
    DRAE__CUDA_TRY(cudaGraphLaunch(graph_for(c, 1, false), c->stream), "keeping warm");
    DRAE__CUDA_TRY(cudaStreamSynchronize(c->stream), "keeping warm");
done:
    c->lost = status != DRAE_OK;
    return status;
}

drae_status drae__cuda_infer(void *session, const drae__infer_request *r, drae__err *err) {
    drae__cuda_session *c = session;
    bool keep = wants_maps(r);
    drae_status status = check_lost(c, err);
    if (status != DRAE_OK) {
        return status;
    }
    DRAE__CUDA_TRY(cudaSetDevice(0), "choosing device 0");
    fill_input(c, r);
    if (r->op_seconds != NULL) {
        DRAE__TRY(drae__cuda_enqueue(c, r->n, keep, true, err));
    } else {
        DRAE__CUDA_TRY(cudaGraphLaunch(graph_for(c, r->n, keep), c->stream), "graph");
    }
    DRAE__TRY(make_maps(c, r, err));
    DRAE__CUDA_TRY(cudaStreamSynchronize(c->stream), "inference");
    take_results(c, r);
    if (r->op_seconds != NULL) {
        DRAE__TRY(take_times(c, r->op_seconds, err));
    }
done:
    if (status != DRAE_OK) {
        /* Copies to the caller's memory may be under way; a lost device answers at once. */
        (void)cudaStreamSynchronize(c->stream);
        c->lost = true;
    }
    return status;
}
