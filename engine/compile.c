/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/compile.h"

#include "drae/version.h"
#include "engine/cuda_card.h"
#include "engine/cuda_table.h"
#include "engine/engine.h"
#include "engine/file_check.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static drae_status check_options(const drae__model *model, const drae__compile_options *options,
                                 drae__err *err) {
    if (model->data[DRAE__NET_GENERATOR] == NULL) {
        return drae__fail(err, DRAE_ERROR_ARGUMENT, "the model holds no generator");
    }
    if (options->batch < 1 || options->batch > DRAE__ENGINE_BATCH_MAX) {
        return drae__fail(err, DRAE_ERROR_ARGUMENT, "batch is %d, must be 1..%d", options->batch,
                          DRAE__ENGINE_BATCH_MAX);
    }
    if (options->n_patches > DRAE__ENGINE_TESTS_MAX) {
        return drae__fail(err, DRAE_ERROR_ARGUMENT, "%zu self-test patches, at most %d",
                          options->n_patches, DRAE__ENGINE_TESTS_MAX);
    }
    bool cuda = options->device == DRAE_DEVICE_CUDA;
    const char *precision = options->precision;
    if (precision != NULL && cuda && strcmp(precision, "f16") != 0) {
        return drae__fail(err, DRAE_ERROR_UNSUPPORTED,
                          "precision %s: device cuda computes in f16 alone in this version",
                          precision);
    }
    if (precision != NULL && !cuda && strcmp(precision, "f32") != 0 &&
        strcmp(precision, "bf16") != 0) {
        return drae__fail(err, DRAE_ERROR_UNSUPPORTED,
                          "precision %s: device cpu computes in f32 or bf16; f16 is for cuda",
                          precision);
    }
    if (cuda && options->arch != 0 && !drae__cuda_arch_known(options->arch)) {
        return drae__fail(err, DRAE_ERROR_UNSUPPORTED,
                          "no table of kernels for sm_%d: use sm_80, sm_86, sm_89 or sm_90",
                          options->arch);
    }
    drae_status status = cuda ? drae__cuda_check_scores(&model->calibration, err) : DRAE_OK;
    if (status == DRAE_OK) {
        status = drae__engine_check_head(&model->calibration, model->arch.size, err);
    }
    return status != DRAE_OK ? status : drae__model_check(model, err);
}

/* Scores of the self-test patches by the named kernels: [n_tests] phi, then z. */
static drae_status score(const drae__engine_data *data, const drae__plan *plan,
                         const drae__backend *backend, const char *kernels, float *scores,
                         drae__compile_report *report, drae__err *err) {
    void *state = NULL;
    drae_status status = DRAE_OK;
    int threads = drae__engine_processors();
    threads = threads < data->n_tests ? threads : data->n_tests;
    DRAE__TRY(backend->create(data, plan, kernels, &state, err));
    DRAE__TRY(drae__engine_score(backend, state, threads, data, scores, err));
    (void)snprintf(report->kernels, sizeof report->kernels, "%s", backend->kernels(state));
done:
    backend->destroy(state);
    return status;
}

/* The gate: what the device at hand makes of the patches against the portable arithmetic. */
static drae_status compare(const drae__engine_data *data, const float *scores,
                           drae__compile_report *report, drae__err *err) {
    report->n_tests = data->n_tests;
    report->bound = (double)data->test_bound;
    report->bound_z = (double)data->test_bound_z;
    report->error_max = 0.0;
    report->error_z = 0.0;
    report->score_min = INFINITY;
    report->score_max = -INFINITY;
    for (int i = 0; i < data->n_tests; i++) {
        double recorded = (double)data->test_scores[i];
        double error = fabs((double)scores[i] - recorded);
        if (!isfinite(recorded)) {
            return drae__fail(err, DRAE_ERROR_NOT_FINITE,
                              "the score of self-test patch %d is not a number: these weights "
                              "cannot be used",
                              i);
        }
        report->score_min = fmin(report->score_min, recorded);
        report->score_max = fmax(report->score_max, recorded);
        report->error_max = error > report->error_max || isnan(error) ? error : report->error_max;
    }
    for (int i = data->n_tests; i < 2 * data->n_tests; i++) {
        double recorded = (double)data->test_scores[i];
        double error = fabs((double)scores[i] - recorded) / (1.0 + recorded);
        if (!isfinite(recorded)) {
            return drae__fail(err, DRAE_ERROR_NOT_FINITE,
                              "z of self-test patch %d is not a number: these maps cannot be used",
                              i - data->n_tests);
        }
        report->error_z = error > report->error_z || isnan(error) ? error : report->error_z;
    }
    if (!(report->error_z <= report->bound_z)) {
        return drae__fail(err, DRAE_ERROR_PARITY,
                          "z with %s kernels is off by %.3g (1 + z), the bound is %.3g",
                          report->kernels, report->error_z, report->bound_z);
    }
    if (!(report->error_max <= report->bound)) {
        return drae__fail(err, DRAE_ERROR_PARITY,
                          "scores with %s kernels are off by %.3g, the bound is %.3g",
                          report->kernels, report->error_max, report->bound);
    }
    return DRAE_OK;
}

static void describe(const drae__model *model, const drae__compile_options *options,
                     drae__engine_data *data) {
    data->arch = model->arch;
    data->ssim_window = model->ssim_window;
    data->device = options->device;
    data->batch = options->batch;
    data->calibration = model->calibration;
    data->provenance = model->provenance;
    data->weights = model->data[DRAE__NET_GENERATOR];
    data->n_weights = model->params[DRAE__NET_GENERATOR].total;
    bool cuda = options->device == DRAE_DEVICE_CUDA;
    bool bf16 = options->precision != NULL && strcmp(options->precision, "bf16") == 0;
    data->precision = bf16 ? DRAE__PRECISION_BF16 : DRAE__PRECISION_DEVICE;
    data->test_bound = cuda   ? DRAE__SCORE_BOUND_F16
                       : bf16 ? DRAE__SCORE_BOUND_BF16
                              : DRAE__SCORE_BOUND_F32;
    data->test_bound_z = cuda ? DRAE__Z_BOUND_F16 : bf16 ? DRAE__Z_BOUND_BF16 : DRAE__Z_BOUND_F32;
    data->verified = !cuda;
    (void)snprintf(data->compiler, sizeof data->compiler, "drae %d.%d.%d", DRAE_VERSION_MAJOR,
                   DRAE_VERSION_MINOR, DRAE_VERSION_PATCH);
}

/* The kernels of an engine for cuda, and that they and f16 take this network. */
static drae_status choose_kernels(const drae__plan *plan, const drae__compile_options *options,
                                  drae__engine_data *data, drae__err *err) {
    const drae__cuda_card *card =
        drae__cuda_card_of(options->arch != 0 ? options->arch : DRAE__COMPILE_ARCH);
    if (options->choices != NULL && options->choices->arch != card->device.arch) {
        return drae__fail(err, DRAE_ERROR_UNSUPPORTED,
                          "the kernels were chosen for sm_%d, the engine is for sm_%d",
                          options->choices->arch, card->device.arch);
    }
    if (options->choices != NULL) {
        data->cuda = *options->choices;
    } else {
        drae__cuda_table_choose(plan, &card->device, &data->cuda);
    }
    drae__cuda_program *program = malloc(sizeof *program);
    if (program == NULL) {
        return drae__fail(err, DRAE_ERROR_MEMORY, "no memory to compile");
    }
    drae_status status = drae__cuda_program_shape(plan, &card->device, &data->cuda,
                                                  (size_t)data->batch, program, err);
    free(program);
    return status != DRAE_OK ? status : drae__cuda_check_weights(plan, data->weights, err);
}

/* The gate of the device that the engine is for: on it, or for cuda in emulation. */
static drae_status gate(const drae__engine_data *data, const drae__plan *plan, float *scores,
                        drae__compile_report *report, drae__err *err) {
    if (data->device == DRAE_DEVICE_CPU) {
        return score(data, plan, &drae__backend_cpu, "auto", scores, report, err);
    }
    drae__engine_data emulated = *data;
    emulated.precision = DRAE__PRECISION_F16_EMULATED;
    drae_status status =
        score(&emulated, plan, &drae__backend_cpu, "portable", scores, report, err);
    (void)snprintf(report->kernels, sizeof report->kernels, "emulated f16");
    report->emulated = true;
    return status;
}

drae_status drae__compile(const drae__model *model, const drae__compile_options *options,
                          uint8_t **bytes, size_t *n_bytes, drae__compile_report *report,
                          drae__err *err) {
    drae_status status = DRAE_OK;
    drae__compile_report found;
    drae__engine_data data;
    float recorded[2 * DRAE__ENGINE_TESTS_MAX], scores[2 * DRAE__ENGINE_TESTS_MAX];
    uint8_t *built_in = NULL;
    drae__plan *plan = malloc(sizeof *plan);
    if (plan == NULL) {
        return drae__fail(err, DRAE_ERROR_MEMORY, "no memory to compile");
    }
    memset(&data, 0, sizeof data);
    memset(&found, 0, sizeof found);
    DRAE__TRY(check_options(model, options, err));
    describe(model, options, &data);
    data.test_scores = recorded;
    data.test_patches = options->patches;
    data.n_tests = (int)options->n_patches;
    if (options->patches == NULL || options->n_patches == 0) {
        size_t size = (size_t)model->arch.size;
        built_in = malloc(DRAE__COMPILE_TESTS_BUILT_IN * size * size);
        if (built_in == NULL) {
            status = drae__fail(err, DRAE_ERROR_MEMORY, "no memory for self-test patches");
            goto done;
        }
        drae__compile_patches(model->arch.size, DRAE__COMPILE_TESTS_BUILT_IN, built_in);
        data.test_patches = built_in;
        data.n_tests = DRAE__COMPILE_TESTS_BUILT_IN;
    }
    DRAE__TRY(drae__plan_create(&model->arch, &model->params[DRAE__NET_GENERATOR], plan, err));
    if (options->device == DRAE_DEVICE_CUDA) {
        DRAE__TRY(choose_kernels(plan, options, &data, err));
    }
    drae__engine_data reference = data;
    reference.precision = DRAE__PRECISION_DEVICE;
    DRAE__TRY(score(&reference, plan, &drae__backend_cpu, "portable", recorded, &found, err));
    DRAE__TRY(gate(&data, plan, scores, &found, err));
    DRAE__TRY(compare(&data, scores, &found, err));
    DRAE__TRY(drae__engine_file_encode(&data, bytes, n_bytes, err));
    *report = found;
done:
    free(built_in);
    free(plan);
    return status;
}
