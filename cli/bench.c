/* SPDX-License-Identifier: Apache-2.0 */
/* drae bench: how long inspection takes on this machine, cycle by cycle. */
#include "cli/bench.h"

#include "drae/drae.h"
#include "engine/compile.h"
#include "engine/cuda_plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static drae__arch random_arch(const drae__bench_settings *s) {
    drae__arch arch = drae__arch_default();
    arch.width = (int)s->width;
    arch.size = (int)s->size;
    arch.latent = (int)s->latent;
    return arch;
}

static drae_status open_random(const drae__bench_settings *s, const drae_config *config,
                               drae_engine **engine, drae__err *err) {
    drae_status status = DRAE_OK;
    const drae__arch arch = random_arch(s);
    drae__model model;
    drae__compile_report report;
    uint8_t *bytes = NULL;
    size_t n_bytes = 0;
    memset(&model, 0, sizeof model);
    DRAE__TRY(drae__arch_check(&arch, err));
    DRAE__TRY(drae__model_create(&arch, 1u << DRAE__NET_GENERATOR, &model, err));
    drae__model_init(&model, DRAE__NET_GENERATOR, s->seed);
    bool cuda = strcmp(s->device, "cuda") == 0;
    const drae__compile_options options = {.device = cuda ? DRAE_DEVICE_CUDA : DRAE_DEVICE_CPU,
                                           .precision = s->precision,
                                           .batch = (int)s->batch};
    DRAE__TRY(drae__compile(&model, &options, &bytes, &n_bytes, &report, err));
    DRAE__TRY(drae_engine_open_memory(bytes, n_bytes, config, err->text, sizeof err->text, engine));
done:
    free(bytes);
    drae__model_free(&model);
    return status;
}

/* The plan of a random network on a card that need not be there. */
static drae_status print_cuda_plan(const drae__bench_settings *s, drae__err *err) {
    drae_status status = DRAE_OK;
    drae__cuda_card card;
    char *text = NULL;
    const drae__arch arch = random_arch(s);
    DRAE__TRY(drae__arch_check(&arch, err));
    if (s->arch != NULL) {
        card = *drae__cuda_card_of(drae__cuda_arch_find(s->arch));
    } else {
        const drae__backend *backend = drae__backend_find(DRAE_DEVICE_CUDA);
        drae__cuda_device device = {0};
        if (backend == NULL) {
            status = drae__fail(err, DRAE_ERROR_DEVICE,
                                "cuda is not in this build: name a card by --arch");
            goto done;
        }
        DRAE__TRY(backend->probe(&device, err));
        card = drae__cuda_card_found(&device);
    }
    DRAE__TRY(drae__cuda_plan_text(&arch, &card, NULL, (size_t)s->batch, NULL, &text, err));
    printf("%s", text);
done:
    free(text);
    return status;
}

/* ---- the run ---- */

typedef struct buffers {
    uint8_t *patches;
    uint8_t *heat, *heat_fixed;              /* NULL: not asked for */
    uint8_t regions[DRAE__ENGINE_BATCH_MAX]; /* all 0 */
    drae__bench_times unpaced, paced;
} buffers;

static bool make_buffers(buffers *b, size_t n, int size, bool heatmaps) {
    size_t pixels = (size_t)size * (size_t)size;
    b->patches = malloc(n * pixels);
    b->unpaced.cycle_ms = malloc(DRAE__BENCH_CYCLES * sizeof(double));
    b->paced.cycle_ms = malloc(DRAE__BENCH_CYCLES * sizeof(double));
    if (b->patches == NULL || b->unpaced.cycle_ms == NULL || b->paced.cycle_ms == NULL) {
        return false;
    }
    drae__compile_patches(size, (int)n, b->patches);
    if (heatmaps) {
        b->heat = malloc(n * pixels);
        b->heat_fixed = malloc(n * pixels);
        return b->heat != NULL && b->heat_fixed != NULL;
    }
    return true;
}

static drae_status bind_heatmaps(drae_session *session, const buffers *b, size_t n, int size) {
    size_t n_bytes = n * (size_t)size * (size_t)size;
    drae_status status = drae_session_set_output(session, DRAE_OUTPUT_HEAT, b->heat, n_bytes);
    return status != DRAE_OK
               ? status
               : drae_session_set_output(session, DRAE_OUTPUT_HEAT_FIXED, b->heat_fixed, n_bytes);
}

static void free_buffers(buffers *b) {
    free(b->patches);
    free(b->heat);
    free(b->heat_fixed);
    free(b->unpaced.cycle_ms);
    free(b->paced.cycle_ms);
}

static drae_status bench(const drae__bench_settings *s, const drae_config *config, drae__err *err) {
    drae_status status = DRAE_OK;
    drae_engine *engine = NULL;
    drae_session *session = NULL;
    buffers b;
    memset(&b, 0, sizeof b);
    if (s->engine != NULL) {
        DRAE__TRY(drae_engine_open(s->engine, config, err->text, sizeof err->text, &engine));
    } else {
        DRAE__TRY(open_random(s, config, &engine, err));
    }
    DRAE__TRY(drae_session_create(engine, config, err->text, sizeof err->text, &session));
    const drae__plan *plan = drae__engine_plan(engine);
    if (s->print_plan) {
        const char *text = "";
        (void)drae_engine_get_text(engine, DRAE_ENGINE_PLAN, &text);
        printf("%s", text);
        goto done;
    }
    size_t n = drae_session_batch(session);
    if (!make_buffers(&b, n, plan->arch.size, s->heatmaps)) {
        status = drae__fail(err, DRAE_ERROR_MEMORY, "no memory for %zu patches", n);
        goto done;
    }
    DRAE__TRY(bind_heatmaps(session, &b, n, plan->arch.size));
    /* A device counts as one: its operations are timed one after another. */
    int64_t device = DRAE_DEVICE_CPU;
    (void)drae_engine_get_int(engine, DRAE_ENGINE_DEVICE, &device);
    int threads = device == DRAE_DEVICE_CPU ? drae_session_threads(session) : 1;
    double peak = drae__engine_peak(engine, threads), period_s = s->period_ms * 1e-3;
    drae__bench_print_head(s, engine, session, peak);
    DRAE__TRY(drae__bench_run(session, n, b.patches, b.regions, s->seconds, 0.0, 0.0, &b.unpaced));
    drae__bench_print_mode("unpaced", &b.unpaced, n, false, s->json);
    if (period_s > 0.0 && !drae__interrupted) {
        DRAE__TRY(drae__bench_run(session, n, b.patches, b.regions, s->seconds, period_s,
                                  s->keep_warm_ms * 1e-3, &b.paced));
        drae__bench_print_mode("paced", &b.paced, n, true, s->json);
    }
    if (s->layers && !drae__interrupted) {
        double op_seconds[DRAE__PLAN_OPS + 2];
        DRAE__TRY(drae__session_infer_timed(session, n, b.patches, b.regions, NULL, op_seconds));
        drae__bench_print_layers(plan, op_seconds, n, threads, peak, s->json);
    }
    if (s->json) {
        printf("}\n");
    }
    if (drae__interrupted) {
        status = drae__fail(err, DRAE_ERROR_INTERRUPTED, "interrupted");
    }
done:
    if (status != DRAE_OK && err->text[0] == '\0') {
        (void)drae__fail(err, status, "%s", drae_session_error(session));
    }
    free_buffers(&b);
    drae_session_destroy(session);
    drae_engine_close(engine);
    return status;
}

static drae_status make_config(const drae__bench_settings *s, drae_config **config,
                               drae__err *err) {
    drae_status status = DRAE_OK;
    if (drae_config_create(config) != DRAE_OK) {
        return drae__fail(err, DRAE_ERROR_MEMORY, "no memory");
    }
    DRAE__TRY(drae_config_set_int(*config, DRAE_OPTION_THREADS, s->threads));
    DRAE__TRY(drae_config_set_int(*config, DRAE_OPTION_BATCH, s->batch));
    DRAE__TRY(drae_config_set_text(*config, DRAE_OPTION_KERNELS, s->kernels));
done:
    return status;
}

static int run(int argc, char **argv) {
    const drae__command *self = &drae__command_bench;
    drae__bench_settings s = {.kernels = "auto",
                              .device = "cpu",
                              .size = 256,
                              .latent = 64,
                              .batch = 60,
                              .seed = 1,
                              .period_ms = 500.0,
                              .seconds = 5.0};
    const bool there = drae__backend_find(DRAE_DEVICE_CUDA) != NULL;
    drae__option options[] = {
        DRAE__TEXT("engine", 0, &s.engine, "FILE", "engine file to time"),
        DRAE__INT("random-width", &s.width, 8, DRAE__WIDTH_MAX, "W",
                  "no file: a network of width W with random weights"),
        DRAE__U64("seed", &s.seed, "S", "of the random weights"),
        DRAE__INT("size", &s.size, DRAE__SIZE_MIN, DRAE__SIZE_MAX, "N",
                  "pixels a side of the random network"),
        DRAE__INT("latent", &s.latent, 1, DRAE__LATENT_MAX, "N", "units of its bottleneck"),
        DRAE__INT("batch", &s.batch, 1, DRAE__ENGINE_BATCH_MAX, "N", "patches a cycle"),
        DRAE__NUMBER("period-ms", &s.period_ms, 0, 60000, "MS",
                     "of the paced run and its deadline; 0: no paced run"),
        DRAE__NUMBER("keep-warm-ms", &s.keep_warm_ms, 0, 60000, "MS",
                     "between paced cycles let the device work for a moment that often; 0: idle"),
        DRAE__NUMBER("seconds", &s.seconds, 0, 1e6, "S", "of each run"),
        DRAE__INT("threads", &s.threads, 0, 1024, "N", "0 takes all processors"),
        DRAE__CHOICE("kernels", &s.kernels, "auto|amx|avx512bf16|avx512|avx2|portable",
                     "CPU kernels by name"),
        DRAE__CHOICE("device", &s.device, "cpu|cuda",
                     there ? "of the random network; a file knows its own"
                           : "of the random network; a file knows its own; no cuda in this build"),
        DRAE__CHOICE("precision", &s.precision, "f32|bf16|f16",
                     "of the random network; a file knows its own"),
        DRAE__FLAG("heatmaps", 0, &s.heatmaps, "make both heatmaps of every patch too"),
        DRAE__FLAG("layers", 0, &s.layers,
                   "time every layer of one more cycle, one after the other"),
        DRAE__FLAG("print-plan", 0, &s.print_plan, "print the plan instead of running it"),
        DRAE__CHOICE("arch", &s.arch, "sm_80|sm_86|sm_89|sm_90",
                     "with --print-plan --device cuda: of a card that need not be here"),
        DRAE__FLAG("json", 0, &s.json, "one JSON object"),
    };
    const size_t n = sizeof options / sizeof options[0];
    int exit_status = drae__cli_parse(self, options, n, argc, argv, NULL);
    if (exit_status >= 0) {
        return exit_status;
    }
    if ((s.engine != NULL) == (s.width != 0)) {
        return drae__cli_usage_error(self, "give either --engine or --random-width");
    }
    bool cuda = strcmp(s.device, "cuda") == 0;
    if (s.arch != NULL && (!s.print_plan || !cuda || s.width == 0)) {
        return drae__cli_usage_error(
            self, "--arch goes with --random-width, --device cuda and --print-plan");
    }
    drae__cli_catch_signals();
    drae__err err = {.text = ""};
    if (cuda && s.print_plan && s.width != 0) {
        drae_status status = print_cuda_plan(&s, &err);
        return status == DRAE_OK ? DRAE__EXIT_DONE : drae__cli_error(self, status, &err);
    }
    drae_config *config = NULL;
    drae_status status = make_config(&s, &config, &err);
    if (status == DRAE_OK) {
        status = bench(&s, config, &err);
    }
    drae_config_destroy(config);
    return status == DRAE_OK ? DRAE__EXIT_DONE : drae__cli_error(self, status, &err);
}

const drae__command drae__command_bench = {
    .name = "bench",
    .summary = "time inspection on this machine, paced and unpaced",
    .usage = "drae bench --engine line.drae | --random-width W [options]",
    .description =
        "Runs inspection cycles back to back, then one a period as a line does, and prints the\n"
        "percentiles of a cycle. A paced cycle counts from the moment at which it was due; one "
        "that\n"
        "takes longer than the period is a missed deadline. The engine's self-test runs before.",
    .examples = "  drae bench --engine line.drae --seconds 60\n"
                "      a minute unpaced, a minute at one cycle every 500 ms\n"
                "  drae bench --random-width 16 --threads 1 --layers --period-ms 0\n"
                "      one thread, layer by layer, without any file\n"
                "  drae bench --random-width 16 --device cuda --arch sm_86 --print-plan\n"
                "      what an RTX A4500 should take, on any machine",
    .run = run,
};
