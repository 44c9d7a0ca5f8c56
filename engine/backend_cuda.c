/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The CUDA backend: f16 on kernels/infer_cuda.h, one stream a session.
 *
 *     create    device 0, weights packed for it (program_cuda), what the regions say uploaded: maps
 *               of z, scales of matched filters, heads, thresholds
 *     session   an arena, pinned buffers, two graphs for each of four batch sizes: copy in, every
 *               kernel, scores and verdicts out; one writes X^ and z as well, the other does not. A
 *               cycle is one launch of the smallest graph that holds it
 *     maps      what was asked for is computed and copied after the graph, on the same stream
 *
 * An error of the device is sticky: the session says ERROR_DEVICE from then on and closes cleanly.
 * Where there is no driver or no device, create says so; the library loads all the same, the
 * runtime is linked statically.
 */
#include "engine/backend.h"

#include "base/arena.h"
#include "base/size.h"
#include "engine/cuda_plan.h"
#include "engine/cuda_table.h"
#include "kernels/matched.h"

#include <cuda_runtime_api.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GRAPHS  4 /* the batch, its half, its quarter, one */
#define S_OF_MS 1e-3

typedef struct cuda_state {
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
} cuda_state;

typedef struct cuda_session {
    const cuda_state *state;
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
    cudaGraphExec_t graphs[2][GRAPHS]; /* [1]: with X^ and z */
    size_t graph_n[GRAPHS];
    cudaEvent_t events[DRAE__PLAN_OPS + 3];
    bool lost;
} cuda_session;

static drae_status cuda_fail(drae__err *err, cudaError_t e, const char *what) {
    drae_status status = e == cudaErrorMemoryAllocation ? DRAE_ERROR_MEMORY : DRAE_ERROR_DEVICE;
    /* What was returned is told here: the next launch of another session must not find it. An error
     * that loses the device stays all the same. */
    (void)cudaGetLastError();
    return drae__fail(err, status, "cuda: %s: %s", what, cudaGetErrorString(e));
}

#define CUDA_TRY(call, what)                                                                       \
    do {                                                                                           \
        cudaError_t e_ = (call);                                                                   \
        if (e_ != cudaSuccess) {                                                                   \
            status = cuda_fail(err, e_, what);                                                     \
            goto done;                                                                             \
        }                                                                                          \
    } while (0)

/* ---- the device ---- */

static void cuda_destroy(void *state) {
    cuda_state *s = state;
    if (s != NULL) {
        (void)cudaFree(s->table);
        (void)cudaFree(s->maps);
        (void)cudaFree(s->filters);
        (void)cudaFree(s->heads);
        drae__cuda_program_free(&s->program);
        free((void *)(uintptr_t)s->model);
        free(s);
    }
}

/* Of the data sheets: f16 operations with f32 sums that mma.sync can issue on an SM. */
static double f16_flops_a_clock(int major, int minor) {
    return major >= 9 ? 4096.0 : major == 8 && minor == 0 ? 2048.0 : 1024.0;
}

static drae_status cuda_probe(drae__cuda_device *device, drae__err *err) {
    drae_status status = DRAE_OK;
    int count = 0, major = 0, minor = 0, shared = 0, clock_khz = 0, memory_khz = 0, bus_bits = 0;
    cudaError_t e = cudaGetDeviceCount(&count);
    if (e != cudaSuccess || count == 0) {
        (void)cudaGetLastError(); /* told here */
        return drae__fail(
            err, DRAE_ERROR_DEVICE,
            "no CUDA device (%s): use the cpu, or a machine with a GPU and its driver",
            e != cudaSuccess ? cudaGetErrorString(e) : "none is installed");
    }
    const struct {
        enum cudaDeviceAttr id;
        int *value;
    } attributes[] = {{cudaDevAttrComputeCapabilityMajor, &major},
                      {cudaDevAttrComputeCapabilityMinor, &minor},
                      {cudaDevAttrMaxSharedMemoryPerBlockOptin, &shared},
                      {cudaDevAttrMultiProcessorCount, &device->sm_count},
                      {cudaDevAttrClockRate, &clock_khz},
                      {cudaDevAttrMemoryClockRate, &memory_khz},
                      {cudaDevAttrGlobalMemoryBusWidth, &bus_bits}};
    CUDA_TRY(cudaSetDevice(0), "choosing device 0");
    for (size_t i = 0; i < sizeof attributes / sizeof attributes[0]; i++) {
        CUDA_TRY(cudaDeviceGetAttribute(attributes[i].value, attributes[i].id, 0), "attributes");
    }
    if (major < 8) {
        status = drae__fail(err, DRAE_ERROR_DEVICE,
                            "the device is sm_%d%d: the kernels need sm_80 or later", major, minor);
        goto done;
    }
    device->arch = 10 * major + minor;
    device->shared_max = (size_t)shared;
    /* Two transfers a clock of the memory's bus. */
    device->memory_rate = 2.0 * 1e3 * (double)memory_khz * (double)bus_bits / 8.0;
    device->f16_rate =
        f16_flops_a_clock(major, minor) * (double)device->sm_count * 1e3 * (double)clock_khz;
done:
    return status;
}

/* Maps, or scales of filters, of the regions that have them, `floats` each, in the order of the
 * table; *to stays NULL where none has. */
static drae_status upload_arrays(const cuda_state *s, const float *const *arrays, size_t floats,
                                 bool filters, float **to, drae__err *err) {
    drae_status status = DRAE_OK;
    size_t n = 0;
    for (int r = 0; r < DRAE__REGIONS_MAX; r++) {
        n += (filters ? s->regions[r].filters : s->regions[r].maps) >= 0;
    }
    if (n == 0) {
        return DRAE_OK;
    }
    CUDA_TRY(cudaMalloc((void **)to, n * floats * sizeof(float)), "memory for maps");
    for (int r = 0; r < DRAE__REGIONS_MAX; r++) {
        int at = filters ? s->regions[r].filters : s->regions[r].maps;
        if (at >= 0) {
            CUDA_TRY(cudaMemcpy(*to + (size_t)at * floats, arrays[r], floats * sizeof(float),
                                cudaMemcpyHostToDevice),
                     "maps");
        }
    }
done:
    return status;
}

static drae_status upload_heads(cuda_state *s, const drae__calibration *c, int n, drae__err *err) {
    drae_status status = DRAE_OK;
    drae__cuda_head *packed = n > 0 ? malloc(sizeof *packed) : NULL;
    if (n > 0 && packed == NULL) {
        status = drae__fail(err, DRAE_ERROR_MEMORY, "no memory for the heads");
        goto done;
    }
    if (n > 0) {
        CUDA_TRY(cudaMalloc((void **)&s->heads, (size_t)n * sizeof *packed), "memory for heads");
    }
    for (int r = 0; r < c->n_regions; r++) {
        if (s->regions[r].head >= 0) {
            drae__cuda_head_pack(c->head[r], packed);
            CUDA_TRY(cudaMemcpy(s->heads + s->regions[r].head, packed, sizeof *packed,
                                cudaMemcpyHostToDevice),
                     "heads");
        }
    }
done:
    free(packed);
    return status;
}

_Static_assert((int)DRAE__SCORE_PHI == (int)DRAE__CUDA_BY_PHI &&
                   (int)DRAE__SCORE_Z == (int)DRAE__CUDA_BY_Z &&
                   (int)DRAE_VERDICT_REJECT == (int)DRAE__CUDA_REJECT &&
                   (int)DRAE_VERDICT_GOOD == (int)DRAE__CUDA_GOOD &&
                   (int)DRAE_VERDICT_UNDECIDED == (int)DRAE__CUDA_UNDECIDED,
               "numbers pass through the kernels");

static drae_status upload_regions(cuda_state *s, const drae__engine_data *data, drae__err *err) {
    drae_status status = DRAE_OK;
    const drae__calibration *c = &data->calibration;
    const size_t side = (size_t)data->arch.size;
    int32_t maps = 0, filters = 0, heads = 0;
    for (int r = 0; r < DRAE__REGIONS_MAX; r++) {
        bool known = r < c->n_regions, mapped = known && c->maps[r] != NULL;
        bool filtered = mapped && c->filters[r] != NULL;
        s->regions[r] = (drae__cuda_region){
            .maps = mapped ? maps++ : -1,
            .filters = filtered ? filters++ : -1,
            .head = filtered && c->head[r] != NULL ? heads++ : -1,
            .kind = known ? (int32_t)c->kind[r] : DRAE__CUDA_BY_PHI,
            .threshold = known ? c->threshold[r] : NAN,
            .undecided = known ? c->undecided[r] : 0.0f,
        };
    }
    CUDA_TRY(cudaMalloc((void **)&s->table, sizeof s->regions), "memory for regions");
    CUDA_TRY(cudaMemcpy(s->table, s->regions, sizeof s->regions, cudaMemcpyHostToDevice),
             "regions");
    DRAE__TRY(upload_arrays(s, c->maps, 2 * side * side, false, &s->maps, err));
    DRAE__TRY(
        upload_arrays(s, c->filters, drae__m_scales(data->arch.size), true, &s->filters, err));
    DRAE__TRY(upload_heads(s, c, heads, err));
done:
    return status;
}

static drae_status cuda_create(const drae__engine_data *data, const drae__plan *plan,
                               const char *kernels, void **state, drae__err *err) {
    drae_status status = DRAE_OK;
    if (strcmp(kernels, "auto") != 0) {
        return drae__fail(err, DRAE_ERROR_DEVICE, "no \"%s\" kernels on cuda: use \"auto\"",
                          kernels);
    }
    status = drae__cuda_check_scores(&data->calibration, err);
    if (status != DRAE_OK) {
        return status;
    }
    cuda_state *s = calloc(1, sizeof *s);
    float *model = s == NULL ? NULL : drae__aligned_alloc(data->n_weights * sizeof *model);
    if (model == NULL) {
        free(s);
        return drae__fail(err, DRAE_ERROR_MEMORY, "no memory for the engine");
    }
    memcpy(model, data->weights, data->n_weights * sizeof *model);
    s->model = model;
    s->plan = plan;
    s->window = data->ssim_window;
    DRAE__TRY(cuda_probe(&s->device, err));
    (void)snprintf(s->kernels, sizeof s->kernels, "sm_%d f16", s->device.arch);
    drae__cuda_choices_for(plan, &s->device, &data->cuda, &s->choices);
    DRAE__TRY(drae__cuda_program_create(plan, s->model, s->window, &s->device, &s->choices,
                                        (size_t)data->batch, &s->program, err));
    DRAE__TRY(upload_regions(s, data, err));
    drae__cuda_program_scores(&s->program, &data->calibration);
    *state = s;
    s = NULL;
done:
    cuda_destroy(s);
    return status;
}

static const char *cuda_kernels(const void *state) {
    return ((const cuda_state *)state)->kernels;
}

static size_t cuda_print(const void *state, char *text, size_t n_bytes) {
    const cuda_state *s = state;
    const drae__cuda_card card = drae__cuda_card_found(&s->device);
    return drae__cuda_plan_print(&s->program, &card, text, n_bytes);
}

/* ---- sessions ---- */

static void cuda_session_destroy(void *session) {
    cuda_session *c = session;
    if (c == NULL) {
        return;
    }
    /* After a lost device these return errors, and free what can be freed. */
    for (int i = 0; i < 2 * GRAPHS; i++) {
        if (c->graphs[i / GRAPHS][i % GRAPHS] != NULL) {
            (void)cudaGraphExecDestroy(c->graphs[i / GRAPHS][i % GRAPHS]);
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

static size_t pixels_of(const cuda_session *c) {
    return (size_t)c->program.plan->arch.size * (size_t)c->program.plan->arch.size;
}

static drae_status allocate(cuda_session *c, drae__err *err) {
    drae_status status = DRAE_OK;
    size_t batch = c->program.batch, pixels = batch * pixels_of(c);
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
            CUDA_TRY(cudaMalloc(device[i].to, device[i].n_bytes), device[i].what);
            /* What a partial batch does not fill holds numbers all the same. */
            CUDA_TRY(cudaMemset(*device[i].to, 0, device[i].n_bytes), device[i].what);
        }
    }
    for (size_t i = 0; i < sizeof pinned / sizeof pinned[0]; i++) {
        CUDA_TRY(cudaHostAlloc(pinned[i].to, pinned[i].n_bytes, cudaHostAllocDefault),
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
    CUDA_TRY(cudaMemcpy(c->weights, c->program.weights, c->program.weights_bytes,
                        cudaMemcpyHostToDevice),
             "weights");
done:
    return status;
}

/* Copy in, all kernels, scores out, for n patches, with X^ and z where kept; events[i] after step i
 * where timed. */
static drae_status enqueue(cuda_session *c, size_t n, bool keep, bool timed, drae__err *err) {
    drae_status status = DRAE_OK;
    drae__cuda_stream stream = c->stream;
    c->memory.recon = keep ? c->recon : NULL;
    c->memory.z = keep ? c->z : NULL;
    int at = 0;
    if (timed) {
        CUDA_TRY(cudaEventRecord(c->events[at++], c->stream), "events");
    }
    CUDA_TRY(cudaMemcpyAsync(c->images, c->pinned_images, n * pixels_of(c), cudaMemcpyHostToDevice,
                             c->stream),
             "images");
    CUDA_TRY(cudaMemcpyAsync(c->regions, c->pinned_regions, n * sizeof(int32_t),
                             cudaMemcpyHostToDevice, c->stream),
             "regions");
    if (timed) {
        CUDA_TRY(cudaEventRecord(c->events[at++], c->stream), "events");
    }
    for (int i = 0; i < c->program.n_steps; i++) {
        DRAE__TRY(drae__cuda_program_step(&c->program, i, &c->memory, n, stream, err));
        if (timed) {
            CUDA_TRY(cudaEventRecord(c->events[at++], c->stream), "events");
        }
    }
    CUDA_TRY(cudaMemcpyAsync(c->pinned_results, c->memory.arena + c->program.result_at,
                             DRAE__CUDA_RESULT * n * sizeof(float), cudaMemcpyDeviceToHost,
                             c->stream),
             "scores");
    if (timed) {
        CUDA_TRY(cudaEventRecord(c->events[at], c->stream), "events");
    }
done:
    return status;
}

/* A run first: kernels are loaded and their attributes set outside the capture. */
static drae_status capture(cuda_session *c, int i, size_t n, bool keep, drae__err *err) {
    drae_status status = DRAE_OK;
    cudaGraph_t graph = NULL;
    DRAE__TRY(enqueue(c, n, keep, false, err));
    CUDA_TRY(cudaStreamSynchronize(c->stream), "the first run");
    CUDA_TRY(cudaStreamBeginCapture(c->stream, cudaStreamCaptureModeThreadLocal), "capture");
    drae_status inside = enqueue(c, n, keep, false, err);
    cudaError_t ended = cudaStreamEndCapture(c->stream, &graph);
    status = inside;
    if (status != DRAE_OK) {
        goto done;
    }
    CUDA_TRY(ended, "capture");
    CUDA_TRY(cudaGraphInstantiate(&c->graphs[keep][i], graph, 0), "graph");
    CUDA_TRY(cudaGraphUpload(c->graphs[keep][i], c->stream), "graph");
done:
    if (graph != NULL) {
        (void)cudaGraphDestroy(graph);
    }
    return status;
}

static drae_status cuda_session_create(const void *state, int threads, size_t batch, void **session,
                                       drae__err *err) {
    (void)threads;
    const cuda_state *s = state;
    drae_status status = DRAE_OK;
    cuda_session *c = calloc(1, sizeof *c);
    if (c == NULL) {
        return drae__fail(err, DRAE_ERROR_MEMORY, "no memory for a session");
    }
    c->state = s;
    CUDA_TRY(cudaSetDevice(0), "choosing device 0");
    DRAE__TRY(drae__cuda_program_create(s->plan, s->model, s->window, &s->device, &s->choices,
                                        batch, &c->program, err));
    DRAE__TRY(allocate(c, err));
    CUDA_TRY(cudaStreamCreateWithFlags(&c->stream, cudaStreamNonBlocking), "stream");
    for (int i = 0; i < DRAE__PLAN_OPS + 3; i++) {
        CUDA_TRY(cudaEventCreate(&c->events[i]), "events");
    }
    for (int i = 0; i < GRAPHS; i++) {
        size_t n = i < GRAPHS - 1 ? (batch + ((size_t)1 << i) - 1) >> i : 1;
        c->graph_n[i] = n;
        if (i == 0 || n < c->graph_n[i - 1]) {
            DRAE__TRY(capture(c, i, n, false, err));
            DRAE__TRY(capture(c, i, n, true, err));
        }
    }
    *session = c;
    c = NULL;
done:
    cuda_session_destroy(c);
    return status;
}

/* ---- inference ---- */

static drae_status take_times(cuda_session *c, double *op_seconds, drae__err *err) {
    drae_status status = DRAE_OK;
    int n_ops = c->program.plan->n_ops;
    for (int i = 0; i < n_ops + 2; i++) {
        op_seconds[i] = 0.0;
    }
    for (int i = 0; i < c->program.n_steps + 2; i++) {
        float ms = 0.0f;
        CUDA_TRY(cudaEventElapsedTime(&ms, c->events[i], c->events[i + 1]), "events");
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
static void fill_input(cuda_session *c, const drae__infer_request *r) {
    memcpy(c->pinned_images, r->patches, r->n * pixels_of(c));
    for (size_t i = 0; i < c->program.batch; i++) {
        c->pinned_regions[i] = i < r->n ? region_of(r, i) : -1;
    }
}

static drae_status upload_anchors(cuda_session *c, const drae__infer_request *r, drae__err *err) {
    drae_status status = DRAE_OK;
    for (size_t i = 0; i < r->n; i++) {
        c->pinned_anchors[i] = r->anchors[i];
        c->pinned_by_z[i] = c->state->regions[region_of(r, i)].kind == DRAE__CUDA_BY_Z;
    }
    CUDA_TRY(cudaMemcpyAsync(c->anchors, c->pinned_anchors, r->n * sizeof(float),
                             cudaMemcpyHostToDevice, c->stream),
             "anchors");
    CUDA_TRY(cudaMemcpyAsync(c->by_z, c->pinned_by_z, r->n, cudaMemcpyHostToDevice, c->stream),
             "anchors");
done:
    return status;
}

static drae_status make_maps(cuda_session *c, const drae__infer_request *r, drae__err *err) {
    drae_status status = DRAE_OK;
    size_t n = r->n, pixels = n * pixels_of(c);
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
            CUDA_TRY(cudaMemcpyAsync(copies[i].to, copies[i].from, copies[i].n_bytes,
                                     cudaMemcpyDeviceToHost, c->stream),
                     "maps");
        }
    }
done:
    return status;
}

/* From pinned memory to the caller; z of a patch without maps is not a number, its map zero. */
static void take_results(const cuda_session *c, const drae__infer_request *r) {
    size_t pixels = pixels_of(c);
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

static drae_status check_lost(const cuda_session *c, drae__err *err) {
    return c->lost ? drae__fail(err, DRAE_ERROR_DEVICE,
                                "cuda: the device failed before: close the engine and open it "
                                "again")
                   : DRAE_OK;
}

/* The smallest graph that holds n patches. */
static cudaGraphExec_t graph_for(const cuda_session *c, size_t n, bool keep) {
    int graph = 0;
    for (int i = 1; i < GRAPHS; i++) {
        graph = c->graphs[keep][i] != NULL && c->graph_n[i] >= n ? i : graph;
    }
    return c->graphs[keep][graph];
}

/* The first patch of the last cycle again: the smallest graph of the session. Every unit and the
 * copy engines work for a moment; what comes out lies where the next cycle writes. */
static drae_status cuda_keep_warm(void *session, drae__err *err) {
    cuda_session *c = session;
    drae_status status = check_lost(c, err);
    if (status != DRAE_OK) {
        return status;
    }
    CUDA_TRY(cudaSetDevice(0), "choosing device 0");
    CUDA_TRY(cudaGraphLaunch(graph_for(c, 1, false), c->stream), "keeping warm");
    CUDA_TRY(cudaStreamSynchronize(c->stream), "keeping warm");
done:
    c->lost = status != DRAE_OK;
    return status;
}

static drae_status cuda_infer(void *session, const drae__infer_request *r, drae__err *err) {
    cuda_session *c = session;
    bool keep = wants_maps(r);
    drae_status status = check_lost(c, err);
    if (status != DRAE_OK) {
        return status;
    }
    CUDA_TRY(cudaSetDevice(0), "choosing device 0");
    fill_input(c, r);
    if (r->op_seconds != NULL) {
        DRAE__TRY(enqueue(c, r->n, keep, true, err));
    } else {
        CUDA_TRY(cudaGraphLaunch(graph_for(c, r->n, keep), c->stream), "graph");
    }
    DRAE__TRY(make_maps(c, r, err));
    CUDA_TRY(cudaStreamSynchronize(c->stream), "inference");
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

static double cuda_peak(const void *state, int threads) {
    (void)threads;
    return ((const cuda_state *)state)->device.f16_rate;
}

const drae__backend drae__backend_cuda = {
    .device = DRAE_DEVICE_CUDA,
    .name = "cuda",
    .create = cuda_create,
    .destroy = cuda_destroy,
    .kernels = cuda_kernels,
    .print = cuda_print,
    .session_create = cuda_session_create,
    .session_destroy = cuda_session_destroy,
    .judges = true,
    .infer = cuda_infer,
    .keep_warm = cuda_keep_warm,
    .probe = cuda_probe,
    .peak = cuda_peak,
};
