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
#include "engine/backend_cuda.h"

#include "base/arena.h"
#include "engine/cuda_table.h"
#include "kernels/matched.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

drae_status drae__cuda_fail(drae__err *err, cudaError_t e, const char *what) {
    drae_status status = e == cudaErrorMemoryAllocation ? DRAE_ERROR_MEMORY : DRAE_ERROR_DEVICE;
    /* What was returned is told here: the next launch of another session must not find it. An error
     * that loses the device stays all the same. */
    (void)cudaGetLastError();
    return drae__fail(err, status, "cuda: %s: %s", what, cudaGetErrorString(e));
}

static void cuda_destroy(void *state) {
    drae__cuda_state *s = state;
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
    DRAE__CUDA_TRY(cudaSetDevice(0), "choosing device 0");
    for (size_t i = 0; i < sizeof attributes / sizeof attributes[0]; i++) {
        DRAE__CUDA_TRY(cudaDeviceGetAttribute(attributes[i].value, attributes[i].id, 0),
                       "attributes");
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
static drae_status upload_arrays(const drae__cuda_state *s, const float *const *arrays,
                                 size_t floats, bool filters, float **to, drae__err *err) {
    drae_status status = DRAE_OK;
    size_t n = 0;
    for (int r = 0; r < DRAE__REGIONS_MAX; r++) {
        n += (filters ? s->regions[r].filters : s->regions[r].maps) >= 0;
    }
    if (n == 0) {
        return DRAE_OK;
    }
    DRAE__CUDA_TRY(cudaMalloc((void **)to, n * floats * sizeof(float)), "memory for maps");
    for (int r = 0; r < DRAE__REGIONS_MAX; r++) {
        int at = filters ? s->regions[r].filters : s->regions[r].maps;
        if (at >= 0) {
            DRAE__CUDA_TRY(cudaMemcpy(*to + (size_t)at * floats, arrays[r], floats * sizeof(float),
                                      cudaMemcpyHostToDevice),
                           "maps");
        }
    }
done:
    return status;
}

static drae_status upload_heads(drae__cuda_state *s, const drae__calibration *c, int n,
                                drae__err *err) {
    drae_status status = DRAE_OK;
    drae__cuda_head *packed = n > 0 ? malloc(sizeof *packed) : NULL;
    if (n > 0 && packed == NULL) {
        status = drae__fail(err, DRAE_ERROR_MEMORY, "no memory for the heads");
        goto done;
    }
    if (n > 0) {
        DRAE__CUDA_TRY(cudaMalloc((void **)&s->heads, (size_t)n * sizeof *packed),
                       "memory for heads");
    }
    for (int r = 0; r < c->n_regions; r++) {
        if (s->regions[r].head >= 0) {
            drae__cuda_head_pack(c->head[r], packed);
            DRAE__CUDA_TRY(cudaMemcpy(s->heads + s->regions[r].head, packed, sizeof *packed,
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

static drae_status upload_regions(drae__cuda_state *s, const drae__engine_data *data,
                                  drae__err *err) {
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
    DRAE__CUDA_TRY(cudaMalloc((void **)&s->table, sizeof s->regions), "memory for regions");
    DRAE__CUDA_TRY(cudaMemcpy(s->table, s->regions, sizeof s->regions, cudaMemcpyHostToDevice),
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
    drae__cuda_state *s = calloc(1, sizeof *s);
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
    return ((const drae__cuda_state *)state)->kernels;
}

static size_t cuda_print(const void *state, char *text, size_t n_bytes) {
    const drae__cuda_state *s = state;
    const drae__cuda_card card = drae__cuda_card_found(&s->device);
    return drae__cuda_plan_print(&s->program, &card, text, n_bytes);
}

static double cuda_peak(const void *state, int threads) {
    (void)threads;
    return ((const drae__cuda_state *)state)->device.f16_rate;
}

const drae__backend drae__backend_cuda = {
    .device = DRAE_DEVICE_CUDA,
    .name = "cuda",
    .create = cuda_create,
    .destroy = cuda_destroy,
    .kernels = cuda_kernels,
    .print = cuda_print,
    .session_create = drae__cuda_session_create,
    .session_destroy = drae__cuda_session_destroy,
    .judges = true,
    .infer = drae__cuda_infer,
    .keep_warm = drae__cuda_keep_warm,
    .probe = cuda_probe,
    .peak = cuda_peak,
};
