/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a backend of the engine is: a table of functions. One that is not built in, or whose device
 * is absent, is refused by name (ERROR_DEVICE); there is no fallback from one to another. Backends
 * are interchangeable: same inputs, same contract, scores within the bound of the engine file.
 */
#ifndef DRAE_ENGINE_BACKEND_H
#define DRAE_ENGINE_BACKEND_H

#include "engine/file.h"
#include "engine/plan.h"

/* One inference, checked by the session: n <= batch, every pointer valid or NULL where optional. */
typedef struct drae__infer_request {
    size_t n;
    const uint8_t *patches; /* [n,size,size] */
    const uint8_t *regions; /* [n], NULL: all of region 0 */
    const float *anchors;   /* [n] of each patch's region; used with heat_fixed only */
    float *phi;             /* [n], always there */
    float *z;               /* [n], always there; NAN where the patch's region has no maps */
    drae_verdict *verdicts; /* [n], NULL where not wanted or where the backend does not judge */
    uint8_t *heat;          /* the outputs of drae/engine.h, each may be NULL */
    uint8_t *heat_fixed;
    float *residual;
    float *recon;
    float *z_map;       /* 0 where the patch's region has no maps */
    double *op_seconds; /* [n_ops + 2] sums over threads: operations, then image in, score and maps
                           out; NULL: not timed */
} drae__infer_request;

typedef struct drae__backend {
    drae_device device;
    const char *name;

    /* Packs weights for the device and copies the maps of the calibration; data and plan are
     * borrowed for the call only where not said otherwise: *state keeps a pointer to plan. kernels:
     * DRAE_OPTION_KERNELS. heat_fixed shows what decides in the patch's region. */
    drae_status (*create)(const drae__engine_data *data, const drae__plan *plan,
                          const char *kernels, void **state, drae__err *err);
    void (*destroy)(void *state);

    /* Name of the kernels in use, static. */
    const char *(*kernels)(const void *state);

    /* The plan as text, as drae__plan_print. */
    size_t (*print)(const void *state, char *text, size_t n_bytes);

    /* Everything that inference needs, for one caller at a time; threads >= 1. */
    drae_status (*session_create)(const void *state, int threads, size_t batch, void **session,
                                  drae__err *err);
    void (*session_destroy)(void *session);

    /* Whether infer fills verdicts, from the calibration given to create; else the session does. */
    bool judges;

    /* Allocates nothing. */
    drae_status (*infer)(void *session, const drae__infer_request *request, drae__err *err);

    /* A little work between cycles, so that the device does not slow down; NULL: none is needed.
     * Allocates nothing; fails as infer does. */
    drae_status (*keep_warm)(void *session, drae__err *err);

    /* The device at hand, without creating anything on it; ERROR_DEVICE where there is none. NULL
     * on the cpu. */
    drae_status (*probe)(drae__cuda_device *device, drae__err *err);

    /* Multiply-adds alone, on as many threads: operations a second at most, measured now. */
    double (*peak)(const void *state, int threads);
} drae__backend;

/* The backend of a device, or NULL where it is not built in. */
const drae__backend *drae__backend_find(drae_device device);

extern const drae__backend drae__backend_cpu;
extern const drae__backend drae__backend_cuda; /* where DRAE_CUDA is on */

#endif
