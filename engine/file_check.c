/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/file_check.h"

#include <math.h>
#include <string.h>

drae_status drae__engine_check_choices(const drae__engine_data *d, drae__err *err) {
    bool cuda = d->device == DRAE_DEVICE_CUDA, any = d->cuda.arch != 0;
    for (int i = 0; i < DRAE__CUDA_CHOICES; i++) {
        any = any || d->cuda.of[i] != DRAE__CUDA_NONE;
    }
    if (cuda ? !drae__cuda_arch_known(d->cuda.arch) : any) {
        return drae__fail(err, DRAE_ERROR_FILE, "architecture sm_%d in an engine for %s",
                          d->cuda.arch, cuda ? "cuda" : "the cpu");
    }
    return DRAE_OK;
}

drae_status drae__engine_check_head(const drae__calibration *calibration, int size,
                                    drae__err *err) {
    for (int r = 0; r < calibration->n_regions; r++) {
        if (calibration->head[r] != NULL && !drae__h_takes(size)) {
            return drae__fail(
                err, DRAE_ERROR_FILE,
                "region %d: a head takes patches of %d pixels and more, a multiple of "
                "32, not %d",
                r, DRAE__H_LEAST, size);
        }
    }
    return DRAE_OK;
}

drae_status drae__engine_check_calibration(const drae__engine_data *d, drae__err *err) {
    const char *wrong = drae__calibration_origin_wrong(&d->calibration.origin);
    if (wrong != NULL) {
        return drae__fail(err, DRAE_ERROR_FILE, "calibration: %s", wrong);
    }
    for (int r = 0; r < d->calibration.n_regions; r++) {
        float threshold = d->calibration.threshold[r], anchor = d->calibration.anchor[r];
        if (isinf(threshold) || isinf(anchor) || anchor <= 0.0f) {
            return drae__fail(err, DRAE_ERROR_FILE, "region %d: threshold %g, anchor %g", r,
                              (double)threshold, (double)anchor);
        }
        float undecided = d->calibration.undecided[r];
        if (!(undecided >= 0.0f) || (undecided > 0.0f && !(undecided < threshold))) {
            return drae__fail(err, DRAE_ERROR_FILE,
                              "region %d: undecided above %g, threshold %g: must be below it", r,
                              (double)undecided, (double)threshold);
        }
        wrong = drae__threshold_origin_wrong(&d->calibration.from[r]);
        if (wrong != NULL) {
            return drae__fail(err, DRAE_ERROR_FILE, "region %d: %s", r, wrong);
        }
        if (d->calibration.kind[r] == DRAE__SCORE_Z && d->calibration.maps[r] == NULL) {
            return drae__fail(err, DRAE_ERROR_FILE, "region %d: decided by z, but has no maps", r);
        }
    }
    return drae__engine_check_head(&d->calibration, d->arch.size, err);
}

drae_status drae__engine_check_values(const drae__engine_data *d, const drae__params *params,
                                      drae__err *err) {
    if (!(d->test_bound > 0.0f && d->test_bound <= 1.0f)) {
        return drae__fail(err, DRAE_ERROR_FILE, "bound of the self-test is %g",
                          (double)d->test_bound);
    }
    if (!(d->test_bound_z > 0.0f && d->test_bound_z <= 1.0f)) {
        return drae__fail(err, DRAE_ERROR_FILE, "bound of z in the self-test is %g",
                          (double)d->test_bound_z);
    }
    for (int i = 0; i < 2 * d->n_tests; i++) {
        float score = d->test_scores[i];
        int region = drae__engine_test_region(&d->calibration, i % d->n_tests);
        uint32_t bits;
        memcpy(&bits, &score, sizeof bits);
        if (!isfinite(score) ||
            (i >= d->n_tests && d->calibration.maps[region] == NULL && bits != 0)) {
            return drae__fail(err, DRAE_ERROR_FILE, "self-test score %d is %g", i, (double)score);
        }
    }
    for (size_t t = 0; t < params->n; t++) {
        const drae__param *p = &params->items[t];
        size_t end = t + 1 < params->n ? params->items[t + 1].offset : params->total;
        for (size_t i = p->offset + p->count; i < end; i++) {
            uint32_t bits;
            memcpy(&bits, &d->weights[i], sizeof bits);
            if (bits != 0) {
                return drae__fail(err, DRAE_ERROR_FILE, "weights: the gap behind %s is not zero",
                                  p->path);
            }
        }
        for (size_t i = 0; i < p->count; i++) {
            float v = d->weights[p->offset + i];
            if (!isfinite(v) || (p->kind == DRAE__PARAM_VAR && v < 0.0f)) {
                return drae__fail(err, DRAE_ERROR_FILE, "weights: %s: element %zu is %g", p->path,
                                  i, (double)v);
            }
        }
    }
    return DRAE_OK;
}
