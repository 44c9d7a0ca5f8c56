/* SPDX-License-Identifier: Apache-2.0 */
/* Sessions: argument checks, verdicts, outputs; the arithmetic is the backend's. */
#include "engine/engine.h"

#include "base/arena.h"
#include "base/size.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OUTPUTS (DRAE_OUTPUT_Z + 1)

typedef struct binding {
    void *dst;
    size_t n_bytes;
} binding;

struct drae_session {
    const drae_engine *engine;
    void *session; /* of the backend */
    int threads;
    size_t batch;
    float *phi;     /* [batch] */
    float *z;       /* [batch] */
    float *anchors; /* [batch] */
    binding outputs[OUTPUTS];
    drae__err err;
};

static bool output_known(drae_output output) {
    return output >= DRAE_OUTPUT_HEAT && output <= DRAE_OUTPUT_Z;
}

static bool output_float(drae_output output) {
    return output != DRAE_OUTPUT_HEAT && output != DRAE_OUTPUT_HEAT_FIXED;
}

static size_t output_bytes(const drae_engine *engine, drae_output output) {
    size_t size = (size_t)engine->data.arch.size;
    if (output == DRAE_OUTPUT_SCORES) {
        return DRAE_SCORES * sizeof(float);
    }
    return size * size * (output_float(output) ? sizeof(float) : 1);
}

/* One pass over zeros: pages, caches, OpenMP's helpers and the clock are warm afterwards. */
static drae_status warm_up(drae_session *s, drae__err *err) {
    size_t size = (size_t)s->engine->data.arch.size;
    size_t n = (size_t)s->threads < s->batch ? (size_t)s->threads : s->batch;
    uint8_t *patches = calloc(n, size * size);
    if (patches == NULL) {
        return drae__fail(err, DRAE_ERROR_MEMORY, "no memory to warm up");
    }
    const drae__infer_request request = {.n = n, .patches = patches, .phi = s->phi, .z = s->z};
    drae_status status = s->engine->backend->infer(s->session, &request, err);
    free(patches);
    return status;
}

static drae_status create(const drae_engine *engine, const drae_config *config,
                          drae_session **session, drae__err *err) {
    drae_status status = DRAE_OK;
    config = config == NULL ? &drae__config_default : config;
    drae_session *s = calloc(1, sizeof *s);
    if (s == NULL) {
        return drae__fail(err, DRAE_ERROR_MEMORY, "no memory for a session");
    }
    s->engine = engine;
    s->batch = config->batch == 0 ? (size_t)engine->data.batch : (size_t)config->batch;
    s->threads = config->threads == 0 ? drae__engine_processors() : (int)config->threads;
    s->phi = calloc(s->batch, sizeof *s->phi);
    s->z = calloc(s->batch, sizeof *s->z);
    s->anchors = calloc(s->batch, sizeof *s->anchors);
    if (s->phi == NULL || s->z == NULL || s->anchors == NULL) {
        status = drae__fail(err, DRAE_ERROR_MEMORY, "no memory for a batch of %zu", s->batch);
        goto done;
    }
    DRAE__TRY(
        engine->backend->session_create(engine->state, s->threads, s->batch, &s->session, err));
    DRAE__TRY(warm_up(s, err));
    *session = s;
    s = NULL;
done:
    drae_session_destroy(s);
    return status;
}

drae_status drae_session_create(const drae_engine *engine, const drae_config *config, char *error,
                                size_t error_bytes, drae_session **session) {
    drae__err err = {{0}};
    drae_status status;
    if (engine == NULL || session == NULL) {
        status =
            drae__fail(&err, DRAE_ERROR_ARGUMENT, "drae_session_create: engine or session is NULL");
    } else {
        status = create(engine, config, session, &err);
    }
    if (error != NULL && error_bytes > 0) {
        (void)snprintf(error, error_bytes, "%s", status == DRAE_OK ? "" : err.text);
    }
    return status;
}

void drae_session_destroy(drae_session *session) {
    if (session == NULL) {
        return;
    }
    if (session->session != NULL) {
        session->engine->backend->session_destroy(session->session);
    }
    free(session->phi);
    free(session->z);
    free(session->anchors);
    free(session);
}

const char *drae_session_error(const drae_session *session) {
    return session == NULL ? "" : session->err.text;
}

size_t drae_session_batch(const drae_session *session) {
    return session == NULL ? 0 : session->batch;
}

int drae_session_threads(const drae_session *session) {
    return session == NULL ? 0 : session->threads;
}

drae_status drae_output_patch_bytes(const drae_engine *engine, drae_output output,
                                    size_t *n_bytes) {
    if (engine == NULL || n_bytes == NULL || !output_known(output)) {
        return DRAE_ERROR_ARGUMENT;
    }
    *n_bytes = output_bytes(engine, output);
    return DRAE_OK;
}

drae_status drae_session_set_output(drae_session *session, drae_output output, void *dst,
                                    size_t dst_bytes) {
    if (session == NULL) {
        return DRAE_ERROR_ARGUMENT;
    }
    session->err.text[0] = '\0';
    if (!output_known(output)) {
        return drae__fail(&session->err, DRAE_ERROR_ARGUMENT, "there is no output %d", (int)output);
    }
    if (output_float(output) && (uintptr_t)dst % sizeof(float) != 0) {
        return drae__fail(&session->err, DRAE_ERROR_ARGUMENT,
                          "output %d holds floats: its memory must be aligned to 4 bytes",
                          (int)output);
    }
    session->outputs[output] = (binding){dst, dst == NULL ? 0 : dst_bytes};
    return DRAE_OK;
}

/* ---- inference ---- */

static drae_status check(drae_session *s, size_t n, const uint8_t *patches,
                         const uint8_t *regions) {
    int n_regions = s->engine->data.calibration.n_regions;
    if (n > s->batch) {
        return drae__fail(&s->err, DRAE_ERROR_ARGUMENT, "%zu patches, the session was made for %zu",
                          n, s->batch);
    }
    if (patches == NULL && n > 0) {
        return drae__fail(&s->err, DRAE_ERROR_ARGUMENT, "patches is NULL");
    }
    if (regions == NULL && n_regions > 1) {
        return drae__fail(&s->err, DRAE_ERROR_ARGUMENT,
                          "regions is NULL, but the engine knows %d regions", n_regions);
    }
    for (size_t i = 0; regions != NULL && n_regions > 0 && i < n; i++) {
        if (regions[i] >= n_regions) {
            return drae__fail(&s->err, DRAE_ERROR_ARGUMENT,
                              "patch %zu: region %d, the engine knows 0..%d", i, regions[i],
                              n_regions - 1);
        }
    }
    for (int id = DRAE_OUTPUT_HEAT; id <= DRAE_OUTPUT_Z; id++) {
        size_t need = n * output_bytes(s->engine, (drae_output)id);
        if (s->outputs[id].dst != NULL && s->outputs[id].n_bytes < need) {
            return drae__fail(&s->err, DRAE_ERROR_ARGUMENT,
                              "output %d is bound to %zu bytes, %zu patches need %zu", id,
                              s->outputs[id].n_bytes, n, need);
        }
    }
    return DRAE_OK;
}

/* Not a number is never good: a comparison with it is false. */
static drae_verdict judge(float score, float threshold, float undecided) {
    if (isnan(threshold)) {
        return DRAE_VERDICT_UNDECIDED;
    }
    if (undecided > 0.0f && score > undecided && score <= threshold) {
        return DRAE_VERDICT_UNDECIDED;
    }
    return score <= threshold ? DRAE_VERDICT_GOOD : DRAE_VERDICT_REJECT;
}

static drae_status infer(drae_session *s, size_t n, const uint8_t *patches, const uint8_t *regions,
                         float *scores, drae_verdict *verdicts, double *op_seconds) {
    s->err.text[0] = '\0';
    drae_status status = check(s, n, patches, regions);
    if (status != DRAE_OK || n == 0) {
        return status;
    }
    for (size_t i = 0; i < n; i++) {
        s->anchors[i] = s->engine->anchor[regions == NULL ? 0 : regions[i]];
    }
    const bool judged = s->engine->backend->judges;
    const drae__infer_request request = {
        .n = n,
        .patches = patches,
        .regions = regions,
        .anchors = s->anchors,
        .verdicts = judged ? verdicts : NULL,
        .phi = s->phi,
        .z = s->z,
        .heat = s->outputs[DRAE_OUTPUT_HEAT].dst,
        .heat_fixed = s->outputs[DRAE_OUTPUT_HEAT_FIXED].dst,
        .residual = s->outputs[DRAE_OUTPUT_RESIDUAL].dst,
        .recon = s->outputs[DRAE_OUTPUT_RECON].dst,
        .z_map = s->outputs[DRAE_OUTPUT_Z].dst,
        .op_seconds = op_seconds,
    };
    DRAE__TRY(s->engine->backend->infer(s->session, &request, &s->err));
    float *all = s->outputs[DRAE_OUTPUT_SCORES].dst;
    for (size_t i = 0; i < n; i++) {
        int region = regions == NULL ? 0 : regions[i];
        bool by_z = s->engine->data.calibration.kind[region] == DRAE__SCORE_Z;
        float score = by_z ? s->z[i] : s->phi[i];
        if (scores != NULL) {
            scores[i] = score;
        }
        if (all != NULL) {
            all[DRAE_SCORES * i + DRAE_SCORE_PHI] = s->phi[i];
            all[DRAE_SCORES * i + DRAE_SCORE_Z] = s->z[i];
        }
        if (verdicts != NULL && !judged) {
            float threshold = s->engine->threshold[region];
            float undecided = s->engine->data.calibration.undecided[region];
            verdicts[i] =
                isfinite(score) ? judge(score, threshold, undecided) : DRAE_VERDICT_REJECT;
        }
        if (!isfinite(score) && status == DRAE_OK) {
            status = drae__fail(&s->err, DRAE_ERROR_NOT_FINITE,
                                "the score of patch %zu is not a number", i);
        }
    }
done:
    return status;
}

drae_status drae_session_infer(drae_session *session, size_t n, const uint8_t *patches,
                               const uint8_t *regions, float *scores, drae_verdict *verdicts) {
    if (session == NULL) {
        return DRAE_ERROR_ARGUMENT;
    }
    return infer(session, n, patches, regions, scores, verdicts, NULL);
}

drae_status drae_session_keep_warm(drae_session *session) {
    if (session == NULL) {
        return DRAE_ERROR_ARGUMENT;
    }
    session->err.text[0] = '\0';
    const drae__backend *backend = session->engine->backend;
    return backend->keep_warm == NULL ? DRAE_OK
                                      : backend->keep_warm(session->session, &session->err);
}

drae_status drae__session_infer_timed(drae_session *session, size_t n, const uint8_t *patches,
                                      const uint8_t *regions, float *scores, double *op_seconds) {
    return infer(session, n, patches, regions, scores, NULL, op_seconds);
}
