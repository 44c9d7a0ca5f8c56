/* SPDX-License-Identifier: Apache-2.0 */
#include "model/model.h"

#include "base/arena.h"
#include "base/philox.h"
#include "base/size.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

drae_status drae__model_create(const drae__arch *arch, unsigned nets, drae__model *model,
                               drae__err *err) {
    memset(model, 0, sizeof *model);
    model->arch = *arch;
    model->provenance.steps = -1;
    model->provenance.samples = -1;
    model->provenance.val_con = (double)NAN;
    drae_status status = DRAE_OK;
    for (int net = 0; net < DRAE__NETS; net++) {
        DRAE__TRY(drae__params_create(arch, (drae__net)net, &model->params[net], err));
        if ((nets >> net & 1u) != 0) {
            DRAE__TRY(drae__model_add(model, (drae__net)net, err));
        }
    }
done:
    if (status != DRAE_OK) {
        drae__model_free(model);
    }
    return status;
}

void drae__model_free(drae__model *model) {
    for (int net = 0; net < DRAE__NETS; net++) {
        drae__params_free(&model->params[net]);
        free(model->data[net]);
    }
    drae__model_clear_calibration(model);
    free(model->seen[DRAE__SEEN_TRAINING].prints);
    memset(model, 0, sizeof *model);
}

drae_status drae__model_add(drae__model *model, drae__net net, drae__err *err) {
    if (model->data[net] != NULL) {
        return DRAE_OK;
    }
    size_t n_bytes;
    float *data = NULL;
    if (drae__size_mul(model->params[net].total, sizeof(float), &n_bytes)) {
        data = drae__aligned_alloc(n_bytes);
    }
    if (data == NULL) {
        return drae__fail(err, DRAE_ERROR_MEMORY, "no memory for the %s's %zu parameters",
                          drae__net_name(net), model->params[net].total);
    }
    memset(data, 0, n_bytes);
    model->data[net] = data;
    return DRAE_OK;
}

drae_status drae__model_add_maps(drae__model *model, int region, float **maps, drae__err *err) {
    size_t pixels = (size_t)model->arch.size * (size_t)model->arch.size;
    size_t n_bytes =
        (2 * pixels + drae__m_scales(model->arch.size) + DRAE__H_WEIGHTS) * sizeof(float);
    float *fresh = drae__aligned_alloc(n_bytes);
    if (fresh == NULL) {
        return drae__fail(err, DRAE_ERROR_MEMORY, "no memory for the maps of region %d", region);
    }
    memset(fresh, 0, n_bytes);
    free(model->maps[region]);
    model->maps[region] = fresh;
    model->calibration.maps[region] = fresh;
    model->calibration.filters[region] = NULL;
    model->calibration.head[region] = NULL;
    *maps = fresh;
    return DRAE_OK;
}

float *drae__model_add_filters(drae__model *model, int region) {
    size_t pixels = (size_t)model->arch.size * (size_t)model->arch.size;
    model->calibration.filters[region] = model->maps[region] + 2 * pixels;
    return model->maps[region] + 2 * pixels;
}

float *drae__model_add_head(drae__model *model, int region) {
    size_t pixels = (size_t)model->arch.size * (size_t)model->arch.size;
    float *head = model->maps[region] + 2 * pixels + drae__m_scales(model->arch.size);
    model->calibration.head[region] = head;
    return head;
}

void drae__model_clear_calibration(drae__model *model) {
    for (int r = 0; r < DRAE__REGIONS_MAX; r++) {
        free(model->maps[r]);
        model->maps[r] = NULL;
    }
    memset(&model->calibration, 0, sizeof model->calibration);
    free(model->seen[DRAE__SEEN_CALIBRATION].prints);
    model->seen[DRAE__SEEN_CALIBRATION] = (drae__seen){0};
}

static double weight_std(const drae__model *model, const drae__param *p) {
    bool last = strcmp(p->path, "decoder/out/weight") == 0 || strcmp(p->path, "logit/weight") == 0;
    double slope = last ? 1.0 : (double)model->arch.slope;
    return sqrt(2.0 / ((1.0 + slope * slope) * (double)p->fan_in));
}

void drae__model_init(drae__model *model, drae__net net, uint64_t seed) {
    const drae__params *params = &model->params[net];
    for (size_t t = 0; t < params->n; t++) {
        const drae__param *p = &params->items[t];
        float *dst = model->data[net] + p->offset;
        drae__rng rng;
        drae__rng_init(&rng, seed, DRAE__PURPOSE_INIT, (uint64_t)net << 32 | t);
        bool weight = p->fan_in > 0;
        float std = weight ? (float)weight_std(model, p) : 0.0f;
        float constant = p->kind == DRAE__PARAM_GAMMA || p->kind == DRAE__PARAM_VAR ? 1.0f : 0.0f;
        for (size_t i = 0; i < p->count; i++) {
            dst[i] = weight ? std * drae__rng_normal(&rng) : constant;
        }
    }
}

float *drae__model_tensor(const drae__model *model, drae__net net, const char *path) {
    const drae__param *p = drae__params_find(&model->params[net], path);
    return p == NULL || model->data[net] == NULL ? NULL : model->data[net] + p->offset;
}

/* binary16: 11 significant bits, quantum 2^-24 below 2^-14. */
#define F16_MAX          65504.0f
#define F16_EXPONENT_MIN (-14)
#define F16_FRACTION     10

static float round_f16(float value) {
    int exponent = 0;
    (void)frexpf(value, &exponent); /* value = m 2^exponent, 0.5 <= |m| < 1 */
    exponent = exponent - 1 < F16_EXPONENT_MIN ? F16_EXPONENT_MIN : exponent - 1;
    float quantum = ldexpf(1.0f, exponent - F16_FRACTION);
    return rintf(value / quantum) * quantum; /* both steps exact but for the rounding itself */
}

drae_status drae__model_round_f16(drae__model *model, drae__net net, drae__err *err) {
    const drae__params *params = &model->params[net];
    float *data = model->data[net];
    for (size_t t = 0; t < params->n; t++) {
        const drae__param *p = &params->items[t];
        for (size_t i = 0; i < p->count; i++) {
            if (!(fabsf(data[p->offset + i]) <= F16_MAX)) {
                return drae__fail(err, DRAE_ERROR_ARGUMENT,
                                  "/%s/%s: element %zu is %g, beyond half precision",
                                  drae__net_name(net), p->path, i, (double)data[p->offset + i]);
            }
        }
    }
    for (size_t i = 0; i < params->total; i++) {
        data[i] = round_f16(data[i]);
    }
    return DRAE_OK;
}

drae_status drae__model_check(const drae__model *model, drae__err *err) {
    for (int net = 0; net < DRAE__NETS; net++) {
        const drae__params *params = &model->params[net];
        for (size_t t = 0; model->data[net] != NULL && t < params->n; t++) {
            const drae__param *p = &params->items[t];
            for (size_t i = 0; i < p->count; i++) {
                float value = model->data[net][p->offset + i];
                if (!isfinite(value) || (p->kind == DRAE__PARAM_VAR && value < 0.0f)) {
                    return drae__fail(err, DRAE_ERROR_NOT_FINITE, "/%s/%s: element %zu is %g",
                                      drae__net_name((drae__net)net), p->path, i, (double)value);
                }
            }
        }
    }
    return DRAE_OK;
}
