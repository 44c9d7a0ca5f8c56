/* SPDX-License-Identifier: Apache-2.0 */
/* A session of the CUDA backend: its memory, its stream and its graphs. */
#include "engine/backend_cuda.h"

#include <stdlib.h>
#include <string.h>

void drae__cuda_session_destroy(void *session) {
    drae__cuda_session *c = session;
    if (c == NULL) {
        return;
    }
    /* After a lost device these return errors, and free what can be freed. */
    for (int i = 0; i < 2 * DRAE__CUDA_GRAPHS; i++) {
        if (c->graphs[i / DRAE__CUDA_GRAPHS][i % DRAE__CUDA_GRAPHS] != NULL) {
            (void)cudaGraphExecDestroy(c->graphs[i / DRAE__CUDA_GRAPHS][i % DRAE__CUDA_GRAPHS]);
        }
    }
    for (int i = 0; i < DRAE__PLAN_OPS + 3; i++) {
        if (c->events[i] != NULL) {
            (void)cudaEventDestroy(c->events[i]);
        }
    }
    if (c->stream != NULL) {
        (void)cudaStreamDestroy(c->stream);
    }
    void *device[] = {c->weights,  c->memory.arena, c->images, c->regions,
                      c->planes,   c->recon,        c->z,      c->anchors,
                      c->residual, c->heat,         c->by_z,   c->heat_fixed};
    for (size_t i = 0; i < sizeof device / sizeof device[0]; i++) {
        (void)cudaFree(device[i]);
    }
    void *pinned[] = {c->pinned_images, c->pinned_by_z, c->pinned_results, c->pinned_anchors,
                      c->pinned_regions};
    for (size_t i = 0; i < sizeof pinned / sizeof pinned[0]; i++) {
        (void)cudaFreeHost(pinned[i]);
    }
    drae__cuda_program_free(&c->program);
    free(c);
}

static drae_status allocate(drae__cuda_session *c, drae__err *err) {
    drae_status status = DRAE_OK;
    size_t batch = c->program.batch, pixels = batch * drae__cuda_pixels(c);
    const struct {
        void **to;
        size_t n_bytes;
        const char *what;
    } device[] =
        {
            {(void **)&c->weights, c->program.weights_bytes, "memory for weights"},
            {(void **)&c->memory.arena, c->program.arena_bytes, "memory for buffers"},
            {(void **)&c->images, pixels, "memory for images"},
            {(void **)&c->regions, batch * sizeof(int32_t), "memory for regions"},
            {(void **)&c->planes, c->state->filters == NULL ? 0 : 3 * pixels * sizeof(float),
             "memory for matched filters"},
            {(void **)&c->recon, pixels * sizeof(float), "memory for maps"},
            {(void **)&c->anchors, batch * sizeof(float), "memory for anchors"},
            {(void **)&c->residual, pixels * sizeof(float), "memory for maps"},
            {(void **)&c->heat, pixels, "memory for maps"},
            {(void **)&c->heat_fixed, pixels, "memory for maps"},
            {(void **)&c->by_z, batch, "memory for regions"},
            {(void **)&c->z, c->state->maps == NULL ? 0 : pixels * sizeof(float), "memory for z"},
        },
      pinned[] = {
          {(void **)&c->pinned_images, pixels, "pinned memory"},
          {(void **)&c->pinned_results, DRAE__CUDA_RESULT * batch * sizeof(float), "pinned memory"},
          {(void **)&c->pinned_anchors, batch * sizeof(float), "pinned memory"},
          {(void **)&c->pinned_regions, batch * sizeof(int32_t), "pinned memory"},
          {(void **)&c->pinned_by_z, batch, "pinned memory"},
      };
    for (size_t i = 0; i < sizeof device / sizeof device[0]; i++) {
        if (device[i].n_bytes > 0) {
            DRAE__CUDA_TRY(cudaMalloc(device[i].to, device[i].n_bytes), device[i].what);
            /* What a partial batch does not fill holds numbers all the same. */
            DRAE__CUDA_TRY(cudaMemset(*device[i].to, 0, device[i].n_bytes), device[i].what);
        }
    }
    for (size_t i = 0; i < sizeof pinned / sizeof pinned[0]; i++) {
        DRAE__CUDA_TRY(cudaHostAlloc(pinned[i].to, pinned[i].n_bytes, cudaHostAllocDefault),
                       pinned[i].what);
        memset(*pinned[i].to, 0, pinned[i].n_bytes);
    }
    c->memory.weights = c->weights;
    c->memory.images = c->images;
    c->memory.maps = c->state->maps;
    c->memory.filters = c->state->filters;
    c->memory.heads = c->state->heads;
    c->memory.table = c->state->table;
    c->memory.regions = c->regions;
    c->memory.planes = c->planes;
    DRAE__CUDA_TRY(cudaMemcpy(c->weights, c->program.weights, c->program.weights_bytes,
                              cudaMemcpyHostToDevice),
                   "weights");
done:
    return status;
}

drae_status drae__cuda_enqueue(drae__cuda_session *c, size_t n, bool keep, bool timed,
                               drae__err *err) {
    drae_status status = DRAE_OK;
    drae__cuda_stream stream = c->stream;
    c->memory.recon = keep ? c->recon : NULL;
    c->memory.z = keep ? c->z : NULL;
    int at = 0;
    if (timed) {
        DRAE__CUDA_TRY(cudaEventRecord(c->events[at++], c->stream), "events");
    }
    DRAE__CUDA_TRY(cudaMemcpyAsync(c->images, c->pinned_images, n * drae__cuda_pixels(c),
                                   cudaMemcpyHostToDevice, c->stream),
                   "images");
    DRAE__CUDA_TRY(cudaMemcpyAsync(c->regions, c->pinned_regions, n * sizeof(int32_t),
                                   cudaMemcpyHostToDevice, c->stream),
                   "regions");
    if (timed) {
        DRAE__CUDA_TRY(cudaEventRecord(c->events[at++], c->stream), "events");
    }
    for (int i = 0; i < c->program.n_steps; i++) {
        DRAE__TRY(drae__cuda_program_step(&c->program, i, &c->memory, n, stream, err));
        if (timed) {
            DRAE__CUDA_TRY(cudaEventRecord(c->events[at++], c->stream), "events");
        }
    }
    DRAE__CUDA_TRY(cudaMemcpyAsync(c->pinned_results, c->memory.arena + c->program.result_at,
                                   DRAE__CUDA_RESULT * n * sizeof(float), cudaMemcpyDeviceToHost,
                                   c->stream),
                   "scores");
    if (timed) {
        DRAE__CUDA_TRY(cudaEventRecord(c->events[at], c->stream), "events");
    }
done:
    return status;
}

/* A run first: kernels are loaded and their attributes set outside the capture. */
static drae_status capture(drae__cuda_session *c, int i, size_t n, bool keep, drae__err *err) {
    drae_status status = DRAE_OK;
    cudaGraph_t graph = NULL;
    DRAE__TRY(drae__cuda_enqueue(c, n, keep, false, err));
    DRAE__CUDA_TRY(cudaStreamSynchronize(c->stream), "the first run");
    DRAE__CUDA_TRY(cudaStreamBeginCapture(c->stream, cudaStreamCaptureModeThreadLocal), "capture");
    drae_status inside = drae__cuda_enqueue(c, n, keep, false, err);
    cudaError_t ended = cudaStreamEndCapture(c->stream, &graph);
    status = inside;
    if (status != DRAE_OK) {
        goto done;
    }
    DRAE__CUDA_TRY(ended, "capture");
    DRAE__CUDA_TRY(cudaGraphInstantiate(&c->graphs[keep][i], graph, 0), "graph");
    DRAE__CUDA_TRY(cudaGraphUpload(c->graphs[keep][i], c->stream), "graph");
done:
    if (graph != NULL) {
        (void)cudaGraphDestroy(graph);
    }
    return status;
}

drae_status drae__cuda_session_create(const void *state, int threads, size_t batch, void **session,
                                      drae__err *err) {
    (void)threads;
    const drae__cuda_state *s = state;
    drae_status status = DRAE_OK;
    drae__cuda_session *c = calloc(1, sizeof *c);
    if (c == NULL) {
        return drae__fail(err, DRAE_ERROR_MEMORY, "no memory for a session");
    }
    c->state = s;
    DRAE__CUDA_TRY(cudaSetDevice(0), "choosing device 0");
    DRAE__TRY(drae__cuda_program_create(s->plan, s->model, s->window, &s->device, &s->choices,
                                        batch, &c->program, err));
    DRAE__TRY(allocate(c, err));
    DRAE__CUDA_TRY(cudaStreamCreateWithFlags(&c->stream, cudaStreamNonBlocking), "stream");
    for (int i = 0; i < DRAE__PLAN_OPS + 3; i++) {
        DRAE__CUDA_TRY(cudaEventCreate(&c->events[i]), "events");
    }
    for (int i = 0; i < DRAE__CUDA_GRAPHS; i++) {
        size_t n = i < DRAE__CUDA_GRAPHS - 1 ? (batch + ((size_t)1 << i) - 1) >> i : 1;
        c->graph_n[i] = n;
        if (i == 0 || n < c->graph_n[i - 1]) {
            DRAE__TRY(capture(c, i, n, false, err));
            DRAE__TRY(capture(c, i, n, true, err));
        }
    }
    *session = c;
    c = NULL;
done:
    drae__cuda_session_destroy(c);
    return status;
}
