/* SPDX-License-Identifier: Apache-2.0 */
/* What an engine and the library tell about themselves. */
#include "drae/version.h"
#include "engine/engine.h"

#include <math.h>

int drae_version(void) {
    return DRAE_VERSION_NUMBER;
}

drae_status drae_version_check(int header_version) {
    bool same_major = header_version / 10000 == DRAE_VERSION_MAJOR;
    bool same_minor = header_version / 100 == DRAE_VERSION_NUMBER / 100;
    bool fits = same_major && (DRAE_VERSION_MAJOR > 0 || same_minor);
    return fits && header_version <= DRAE_VERSION_NUMBER ? DRAE_OK : DRAE_ERROR_UNSUPPORTED;
}

drae_status drae_engine_get_int(const drae_engine *engine, drae_engine_int id, int64_t *value) {
    if (engine == NULL || value == NULL) {
        return DRAE_ERROR_ARGUMENT;
    }
    const drae__engine_data *d = &engine->data;
    switch (id) {
    case DRAE_ENGINE_SIZE:
        *value = d->arch.size;
        return DRAE_OK;
    case DRAE_ENGINE_WIDTH:
        *value = d->arch.width;
        return DRAE_OK;
    case DRAE_ENGINE_LATENT:
        *value = d->arch.latent;
        return DRAE_OK;
    case DRAE_ENGINE_BATCH:
        *value = d->batch;
        return DRAE_OK;
    case DRAE_ENGINE_REGIONS:
        *value = d->calibration.n_regions;
        return DRAE_OK;
    case DRAE_ENGINE_DEVICE:
        *value = engine->backend->device;
        return DRAE_OK;
    case DRAE_ENGINE_FORMAT:
        *value = DRAE__ENGINE_FORMAT;
        return DRAE_OK;
    case DRAE_ENGINE_FILE_BYTES:
        *value = (int64_t)engine->file_bytes;
        return DRAE_OK;
    case DRAE_ENGINE_STEPS:
        *value = d->provenance.steps;
        return DRAE_OK;
    case DRAE_ENGINE_VERIFIED:
        *value = d->verified ? 1 : 0;
        return DRAE_OK;
    case DRAE_ENGINE_MAPS:
        *value = engine->n_maps;
        return DRAE_OK;
    }
    return DRAE_ERROR_ARGUMENT;
}

drae_status drae_engine_get_text(const drae_engine *engine, drae_engine_text id,
                                 const char **text) {
    if (engine == NULL || text == NULL) {
        return DRAE_ERROR_ARGUMENT;
    }
    const drae__engine_data *d = &engine->data;
    switch (id) {
    case DRAE_ENGINE_SHA256:
        *text = engine->sha256;
        return DRAE_OK;
    case DRAE_ENGINE_PRECISION:
        *text = d->precision == DRAE__PRECISION_BF16 ? "bf16"
                : d->device == DRAE_DEVICE_CUDA      ? "f16"
                                                     : "f32";
        return DRAE_OK;
    case DRAE_ENGINE_KERNELS:
        *text = engine->backend->kernels(engine->state);
        return DRAE_OK;
    case DRAE_ENGINE_COMPILER:
        *text = d->compiler;
        return DRAE_OK;
    case DRAE_ENGINE_DATA_HASH:
        *text = d->provenance.data_hash;
        return DRAE_OK;
    case DRAE_ENGINE_REVISION:
        *text = d->provenance.revision;
        return DRAE_OK;
    case DRAE_ENGINE_PLAN:
        *text = engine->plan_text;
        return DRAE_OK;
    case DRAE_ENGINE_SSIM:
        *text = d->ssim_window == DRAE__SSIM_GAUSSIAN ? "gaussian" : "uniform";
        return DRAE_OK;
    }
    return DRAE_ERROR_ARGUMENT;
}

static bool region_known(const drae_engine *engine, int region) {
    int n = engine->data.calibration.n_regions;
    return region >= 0 && region < (n > 0 ? n : DRAE__REGIONS_MAX);
}

drae_status drae_engine_get_threshold(const drae_engine *engine, int region, float *threshold) {
    if (engine == NULL || threshold == NULL || !region_known(engine, region)) {
        return DRAE_ERROR_ARGUMENT;
    }
    *threshold = engine->threshold[region];
    return DRAE_OK;
}

drae_status drae_engine_get_undecided(const drae_engine *engine, int region, float *undecided) {
    if (engine == NULL || undecided == NULL || !region_known(engine, region)) {
        return DRAE_ERROR_ARGUMENT;
    }
    float above = engine->data.calibration.undecided[region];
    *undecided = above > 0.0f ? above : NAN;
    return DRAE_OK;
}

drae_status drae_engine_get_anchor(const drae_engine *engine, int region, float *anchor) {
    if (engine == NULL || anchor == NULL || !region_known(engine, region)) {
        return DRAE_ERROR_ARGUMENT;
    }
    *anchor = engine->anchor[region];
    return DRAE_OK;
}

_Static_assert((int)DRAE__SCORE_PHI == (int)DRAE_SCORE_PHI &&
                   (int)DRAE__SCORE_Z == (int)DRAE_SCORE_Z && (int)DRAE__SCORE_KINDS == DRAE_SCORES,
               "the model and the interface number scores alike");

drae_status drae_engine_get_score(const drae_engine *engine, int region, drae_score *score) {
    if (engine == NULL || score == NULL || !region_known(engine, region)) {
        return DRAE_ERROR_ARGUMENT;
    }
    *score = (drae_score)engine->data.calibration.kind[region];
    return DRAE_OK;
}

const char *drae_score_text(drae_score score) {
    switch (score) {
    case DRAE_SCORE_PHI:
    case DRAE_SCORE_Z:
        return drae__score_name((drae__score_kind)score);
    }
    return "unknown score";
}

const drae__plan *drae__engine_plan(const drae_engine *engine) {
    return &engine->plan;
}

double drae__engine_peak(const drae_engine *engine, int threads) {
    return engine->backend->peak(engine->state, threads);
}
