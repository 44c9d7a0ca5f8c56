/* SPDX-License-Identifier: Apache-2.0 */
/* drae compile: from a model to the engine file that a line runs. */
#include "cli/cli.h"

#include "base/file.h"
#include "drae/drae.h"
#include "engine/compile.h"
#include "io/dataset.h"
#include "io/weights.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Self-test patches spread evenly over the data set. */
static drae_status load_patches(const drae__text_list *data, int size, uint8_t **patches,
                                size_t *n_patches, drae__err *err) {
    drae_status status = DRAE_OK;
    drae__dataset *set = NULL;
    uint8_t *loaded = NULL;
    size_t indices[DRAE__COMPILE_TESTS_GIVEN];
    DRAE__TRY(drae__dataset_open(data->items, data->n, size, &set, err));
    size_t count = drae__dataset_count(set);
    size_t n = count < DRAE__COMPILE_TESTS_GIVEN ? count : DRAE__COMPILE_TESTS_GIVEN;
    for (size_t i = 0; i < n; i++) {
        indices[i] = i * (count / n);
    }
    loaded = malloc(n * (size_t)size * (size_t)size);
    if (loaded == NULL) {
        status = drae__fail(err, DRAE_ERROR_MEMORY, "no memory for %zu patches", n);
        goto done;
    }
    DRAE__TRY(drae__dataset_read(set, indices, n, loaded, err));
    *patches = loaded;
    *n_patches = n;
    loaded = NULL;
done:
    free(loaded);
    drae__dataset_close(set);
    return status;
}

static void print_report(const char *output, const drae__model *model, const drae_engine *engine,
                         const drae__compile_report *report, size_t n_bytes, bool own_patches) {
    const char *sha256 = "", *precision = "";
    int64_t batch = 0;
    (void)drae_engine_get_text(engine, DRAE_ENGINE_SHA256, &sha256);
    (void)drae_engine_get_text(engine, DRAE_ENGINE_PRECISION, &precision);
    (void)drae_engine_get_int(engine, DRAE_ENGINE_BATCH, &batch);
    printf("%s: %zu bytes, sha256 %s\n", output, n_bytes, sha256);
    printf("width %d, latent %d, size %d, %s, batch %lld, %s\n", model->arch.width,
           model->arch.latent, model->arch.size, precision, (long long)batch,
           model->calibration.n_regions > 0 ? "calibrated" : "not calibrated");
    printf("self-test: %d %s patches, scores %.6f .. %.6f\n", report->n_tests,
           own_patches ? "given" : "built-in", report->score_min, report->score_max);
    if (report->error_z > 0.0) {
        printf("z error of the %s kernels, over 1 + z: %.3g (bound %.3g)\n", report->kernels,
               report->error_z, report->bound_z);
    }
    printf("score error of the %s kernels against the portable f32 reference: %.3g (bound %.3g)\n",
           report->kernels, report->error_max, report->bound);
}

typedef struct settings {
    const char *model, *output;
    drae__text_list data;
    drae__compile_options options;
    bool print_plan;
} settings;

static drae_status compile(const settings *s, drae__err *err) {
    drae_status status = DRAE_OK;
    drae__model model;
    drae__compile_options options = s->options;
    drae__compile_report report;
    uint8_t *patches = NULL, *bytes = NULL;
    size_t n_bytes = 0;
    drae_engine *engine = NULL;
    memset(&model, 0, sizeof model);
    const unsigned generator = DRAE__NET_BIT(DRAE__NET_GENERATOR);
    DRAE__TRY(drae__weights_load(s->model, generator, generator, &model, err));
    if (s->data.n > 0) {
        DRAE__TRY(load_patches(&s->data, model.arch.size, &patches, &options.n_patches, err));
        options.patches = patches;
    }
    DRAE__TRY(drae__compile(&model, &options, &bytes, &n_bytes, &report, err));
    /* What is written has been loaded once: checks, plan and self-test included. */
    DRAE__TRY(drae_engine_open_memory(bytes, n_bytes, NULL, err->text, sizeof err->text, &engine));
    DRAE__TRY(drae__file_write(s->output, bytes, n_bytes, err));
    print_report(s->output, &model, engine, &report, n_bytes, patches != NULL);
    if (s->print_plan) {
        const char *plan = "";
        (void)drae_engine_get_text(engine, DRAE_ENGINE_PLAN, &plan);
        printf("\n%s", plan);
    }
done:
    drae_engine_close(engine);
    free(bytes);
    free(patches);
    drae__model_free(&model);
    return status;
}

static int run(int argc, char **argv) {
    const drae__command *self = &drae__command_compile;
    settings s = {.options = {.device = DRAE_DEVICE_CPU}};
    const char *device = "cpu", *precision = "f32";
    long batch = 60;
    drae__option options[] = {
        {.name = "model",
         .kind = DRAE__OPTION_TEXT,
         .value = &s.model,
         .argument = "FILE",
         .help = "model.h5 (only its generator is read)"},
        {.name = "output",
         .letter = 'o',
         .kind = DRAE__OPTION_TEXT,
         .value = &s.output,
         .argument = "FILE",
         .help = "engine file to write"},
        {.name = "device",
         .kind = DRAE__OPTION_TEXT,
         .value = &device,
         .choices = "cpu|cuda",
         .help = "what the engine runs on"},
        {.name = "precision",
         .kind = DRAE__OPTION_TEXT,
         .value = &precision,
         .choices = "f32|bf16|f16",
         .help = "of weights and activations"},
        {.name = "batch",
         .kind = DRAE__OPTION_INT,
         .value = &batch,
         .lo = 1,
         .hi = DRAE__ENGINE_BATCH_MAX,
         .argument = "N",
         .help = "patches of one inspection cycle"},
        {.name = "data",
         .kind = DRAE__OPTION_LIST,
         .value = &s.data,
         .argument = "FILE...",
         .help = "data set whose patches make the self-test; else built-in ones"},
        {.name = "print-plan",
         .kind = DRAE__OPTION_FLAG,
         .value = &s.print_plan,
         .help = "print operations, kernels, bytes and flops"},
    };
    const size_t n = sizeof options / sizeof options[0];
    int exit_status = drae__cli_parse(self, options, n, argc, argv, NULL);
    if (exit_status >= 0) {
        goto done;
    }
    if (s.model == NULL || s.output == NULL) {
        exit_status = drae__cli_usage_error(self, "--model and -o are needed");
        goto done;
    }
    s.options.device = strcmp(device, "cuda") == 0 ? DRAE_DEVICE_CUDA : DRAE_DEVICE_CPU;
    s.options.precision = precision;
    s.options.batch = (int)batch;
    drae__cli_catch_signals();
    drae__err err = {.text = ""};
    drae_status status = compile(&s, &err);
    exit_status = status == DRAE_OK ? DRAE__EXIT_DONE : drae__cli_error(self, status, &err);
done:
    drae__cli_free_list(&s.data);
    return exit_status;
}

const drae__command drae__command_compile = {
    .name = "compile",
    .summary = "turn a model into the engine file that a line runs",
    .usage = "drae compile --model model.h5 -o line.drae [options]",
    .description =
        "Writes one self-contained file: weights, thresholds, provenance, and a parity self-test\n"
        "whose scores come from portable f32 arithmetic. The same model gives the same bytes on\n"
        "any machine. Compiling is refused where the device's scores pass the documented bound.",
    .examples = "  drae compile --model model-cal.h5 -o line.drae --data calib.h5\n"
                "      an engine for 60 patches a cycle, self-tested on calibration patches\n"
                "  drae compile --model model.h5 -o line.drae --print-plan\n"
                "      the same with built-in patches, and the plan on standard output",
    .run = run,
};
