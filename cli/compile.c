/* SPDX-License-Identifier: Apache-2.0 */
/* drae compile: from a model to the engine file that a line runs. */
#include "cli/cli.h"

#include "base/file.h"
#include "base/sha256.h"
#include "drae/drae.h"
#include "engine/backend.h"
#include "engine/compile.h"
#include "engine/cuda_choice_text.h"
#include "engine/cuda_plan.h"
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
    if (n == 0) { /* the reader refuses an empty set */
        status = drae__fail(err, DRAE_ERROR_FILE, "no patches for the self-test");
        goto done;
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

typedef struct settings {
    const char *model, *output, *tune, *plan, *arch;
    drae__text_list data;
    drae__compile_options options;
    bool print_plan;
} settings;

#define PLAN_BYTES_MAX 65536 /* of a plan file */

/* ---- kernels of cuda: measured, or from a plan file ---- */

static drae_status read_choices(const char *path, const drae__plan *plan,
                                drae__cuda_choices *choices, drae__err *err) {
    uint8_t *text = NULL;
    size_t n = 0;
    drae_status status = drae__file_read(path, PLAN_BYTES_MAX, &text, &n, err);
    if (status == DRAE_OK) {
        status = drae__cuda_choices_parse(plan, (const char *)text, n, choices, err);
        if (status != DRAE_OK) {
            (void)drae__err_prefix(err, status, "%s", path);
        }
    }
    free(text);
    return status;
}

static drae_status write_choices(const char *path, const drae__plan *plan,
                                 const drae__cuda_choices *choices, drae__err *err) {
    size_t n_bytes = drae__cuda_choices_print(plan, choices, NULL, 0);
    char *text = malloc(n_bytes);
    if (text == NULL) {
        return drae__fail(err, DRAE_ERROR_MEMORY, "no memory for the plan");
    }
    (void)drae__cuda_choices_print(plan, choices, text, n_bytes);
    drae_status status = drae__file_write(path, text, n_bytes - 1, err);
    free(text);
    return status;
}

/* Points the options at choices where --tune or --plan made some. */
static drae_status choose_kernels(const settings *s, const drae__model *model,
                                  drae__compile_options *options, drae__cuda_choices *choices,
                                  drae__err *err) {
    if (s->tune == NULL && s->plan == NULL) {
        return DRAE_OK;
    }
    drae_status status = DRAE_OK;
    drae__plan *plan = malloc(sizeof *plan);
    if (plan == NULL) {
        return drae__fail(err, DRAE_ERROR_MEMORY, "no memory for the plan");
    }
    DRAE__TRY(drae__plan_create(&model->arch, &model->params[DRAE__NET_GENERATOR], plan, err));
    if (s->tune != NULL) {
        drae__cuda_tuned tuned;
        DRAE__TRY(drae__compile_tune(model, options, plan, &tuned, err));
        DRAE__TRY(write_choices(s->tune, plan, &tuned.choices, err));
        *choices = tuned.choices;
        printf("%s: sm_%d, %d kernels other than the table's; convolutions of %d patches %.3f ms, "
               "by the table %.3f ms\n",
               s->tune, choices->arch, tuned.changed, options->batch, tuned.tuned_s * 1e3,
               tuned.table_s * 1e3);
    } else {
        DRAE__TRY(read_choices(s->plan, plan, choices, err));
    }
    options->choices = choices;
    options->arch = options->arch == 0 ? choices->arch : options->arch;
done:
    free(plan);
    return status;
}

/* ---- the report ---- */

static void print_report(const settings *s, const drae__model *model, const drae__engine_data *data,
                         const char *sha256, const drae__compile_report *report, size_t n_bytes) {
    bool cuda = data->device == DRAE_DEVICE_CUDA;
    printf("%s: %zu bytes, sha256 %s\n", s->output, n_bytes, sha256);
    printf("width %d, latent %d, size %d, %s, batch %d, %s\n", model->arch.width,
           model->arch.latent, model->arch.size,
           cuda                                      ? "f16"
           : data->precision == DRAE__PRECISION_BF16 ? "bf16"
                                                     : "f32",
           data->batch, model->calibration.n_regions > 0 ? "calibrated" : "not calibrated");
    if (cuda) {
        printf("for cuda, sm_%d, kernels %s\n", data->cuda.arch,
               s->tune != NULL   ? "as measured"
               : s->plan != NULL ? "of the plan"
                                 : "of the table");
    }
    printf("self-test: %d %s patches, scores %.6f .. %.6f\n", report->n_tests,
           s->data.n > 0 ? "given" : "built-in", report->score_min, report->score_max);
    if (report->error_z > 0.0) {
        printf("z error of the %s kernels, over 1 + z: %.3g (bound %.3g)\n", report->kernels,
               report->error_z, report->bound_z);
    }
    printf("score error of the %s kernels against the portable f32 reference: %.3g (bound %.3g)\n",
           report->kernels, report->error_max, report->bound);
}

/* The plan that the engine runs by; of a card, where it is for cuda. */
static drae_status print_plan(const drae__engine_data *data, const drae_engine *engine,
                              drae__err *err) {
    const char *plan = "";
    char *text = NULL;
    if (engine != NULL) {
        (void)drae_engine_get_text(engine, DRAE_ENGINE_PLAN, &plan);
    } else {
        drae_status status =
            drae__cuda_plan_text(&data->arch, drae__cuda_card_of(data->cuda.arch), &data->cuda,
                                 (size_t)data->batch, &data->calibration, &text, err);
        if (status != DRAE_OK) {
            return status;
        }
        plan = text;
    }
    printf("\n%s", plan);
    free(text);
    return DRAE_OK;
}

/* What is written has been loaded once: checks, plan and self-test included. Where the device is
 * not here (*engine stays NULL, why says so), contents are checked alone. */
static drae_status load_once(const uint8_t *bytes, size_t n_bytes, drae__engine_data *data,
                             char sha256[65], drae_engine **engine, drae__err *why,
                             drae__err *err) {
    uint8_t digest[32];
    drae_status status = drae__engine_file_decode(bytes, n_bytes, data, digest, err);
    if (status != DRAE_OK) {
        return status;
    }
    drae__sha256_hex(digest, sha256);
    const drae__backend *backend = drae__backend_find(data->device);
    drae__cuda_device device;
    if (backend == NULL) {
        (void)drae__fail(why, DRAE_ERROR_DEVICE, "cuda is not in this build");
        return DRAE_OK;
    }
    if (backend->probe != NULL && backend->probe(&device, why) != DRAE_OK) {
        return DRAE_OK;
    }
    return drae_engine_open_memory(bytes, n_bytes, NULL, err->text, sizeof err->text, engine);
}

static drae_status compile(const settings *s, drae__err *err) {
    drae_status status = DRAE_OK;
    drae__model model;
    drae__compile_options options = s->options;
    drae__cuda_choices choices;
    drae__compile_report report;
    drae__engine_data data;
    drae__err why = {.text = ""};
    char sha256[65] = "";
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
    DRAE__TRY(choose_kernels(s, &model, &options, &choices, err));
    DRAE__TRY(drae__compile(&model, &options, &bytes, &n_bytes, &report, err));
    DRAE__TRY(load_once(bytes, n_bytes, &data, sha256, &engine, &why, err));
    DRAE__TRY(drae__file_write(s->output, bytes, n_bytes, err));
    print_report(s, &model, &data, sha256, &report, n_bytes);
    if (engine == NULL) {
        printf("not verified on a device (%s): its first load there runs the self-test\n",
               why.text);
    }
    if (s->print_plan) {
        DRAE__TRY(print_plan(&data, engine, err));
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
    const char *device = "cpu", *precision = NULL;
    const bool there = drae__backend_find(DRAE_DEVICE_CUDA) != NULL;
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
         .help = "of weights and activations; f32 on the cpu, f16 on cuda"},
        {.name = "arch",
         .kind = DRAE__OPTION_TEXT,
         .value = &s.arch,
         .choices = "sm_80|sm_86|sm_89|sm_90",
         .help = "of cuda, else that of the plan, else sm_86; no card is needed"},
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
        {.name = "tune",
         .kind = DRAE__OPTION_TEXT,
         .value = &s.tune,
         .argument = "PLAN",
         .help = there ? "measure the kernels on the card at hand, write the choice to PLAN"
                       : "measure the kernels on a card (cuda is not in this build)"},
        {.name = "plan",
         .kind = DRAE__OPTION_TEXT,
         .value = &s.plan,
         .argument = "PLAN",
         .help = "take the kernels of PLAN instead of the table's; no card is needed"},
        {.name = "print-plan",
         .kind = DRAE__OPTION_FLAG,
         .value = &s.print_plan,
         .help = "print kernels, bytes, flops; of cuda also floor and predicted time"},
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
    bool cuda = strcmp(device, "cuda") == 0;
    if (!cuda && (s.arch != NULL || s.tune != NULL || s.plan != NULL)) {
        exit_status =
            drae__cli_usage_error(self, "--arch, --tune and --plan go with --device cuda");
        goto done;
    }
    if (s.tune != NULL && s.plan != NULL) {
        exit_status = drae__cli_usage_error(self, "give either --tune or --plan");
        goto done;
    }
    s.options.device = cuda ? DRAE_DEVICE_CUDA : DRAE_DEVICE_CPU;
    s.options.arch = s.arch != NULL ? drae__cuda_arch_find(s.arch) : 0;
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
        "any machine, for cuda too: that needs neither card nor driver, kernels come from a table\n"
        "and f16 is emulated. Compiling is refused where scores pass the documented bound.",
    .examples = "  drae compile --model model-cal.h5 -o line.drae --data calib.h5\n"
                "      an engine for 60 patches a cycle, self-tested on calibration patches\n"
                "  drae compile --model model.h5 -o line.drae --print-plan\n"
                "      the same with built-in patches, and the plan on standard output\n"
                "  drae compile --model model.h5 -o line.drae --device cuda --arch sm_86\n"
                "      an engine for an RTX A4500, on any machine",
    .run = run,
};
