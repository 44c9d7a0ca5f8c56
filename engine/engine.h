/* SPDX-License-Identifier: Apache-2.0 */
/* What is behind the public handles, and what the command may ask beyond the public API. */
#ifndef DRAE_ENGINE_ENGINE_H
#define DRAE_ENGINE_ENGINE_H

#include "engine/backend.h"

struct drae_config {
    int64_t threads, batch, device;
    char kernels[16];
};

/* The library's defaults, for a NULL config. */
extern const drae_config drae__config_default;

/* Immutable after open. */
struct drae_engine {
    drae__engine_data data; /* weights, maps and patches are NULL: only used while loading */
    drae__params params;
    drae__plan plan;
    const drae__backend *backend;
    void *state; /* of the backend */
    float threshold[DRAE__REGIONS_MAX];
    float anchor[DRAE__REGIONS_MAX]; /* defaults filled in */
    int n_maps;                      /* regions whose z is known */
    char sha256[65];
    char *plan_text;
    size_t file_bytes;
};

/* drae_engine_open over bytes that are already there and aligned to 4; takes nothing over. */
drae_status drae__engine_open_bytes(const uint8_t *bytes, size_t n_bytes, const drae_config *config,
                                    drae_engine **engine, drae__err *err);

/* Runs the self-test patches of data through a backend in a session of its own: scores [n_tests]
 * phi, then [n_tests] z, 0 where the patch's region has no maps. */
drae_status drae__engine_score(const drae__backend *backend, const void *state, int threads,
                               const drae__engine_data *data, float *scores, drae__err *err);

/* Processors that this process may run on. */
int drae__engine_processors(void);

/* The operations of the plan, for tables of their times. */
const drae__plan *drae__engine_plan(const drae_engine *engine);

/* Floating-point operations a second that the device reaches at most on as many threads; measured
 * now. */
double drae__engine_peak(const drae_engine *engine, int threads);

/* drae_session_infer, timed: op_seconds [plan.n_ops + 2] receives the seconds of each operation
 * summed over threads, then those of reading images and of score and maps. */
drae_status drae__session_infer_timed(drae_session *session, size_t n, const uint8_t *patches,
                                      const uint8_t *regions, float *scores, double *op_seconds);

#endif
