/* SPDX-License-Identifier: Apache-2.0 */
/* drae bench: how long inspection takes on this machine, cycle by cycle. */
#include "cli/cli.h"

#include "drae/drae.h"
#include "engine/compile.h"
#include "engine/cuda_plan.h"
#include "engine/engine.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define CYCLES_MAX 1000000

typedef struct settings {
    const char *engine, *kernels;
    long width, size, latent, batch, threads;
    uint64_t seed;
    double period_ms, seconds, keep_warm_ms;
    bool layers, json, heatmaps, print_plan;
    const char *arch;               /* of the plan; NULL: the card at hand */
    const char *device, *precision; /* of the random network; precision NULL: the device's own */
} settings;

/* Times of one mode, in milliseconds. */
typedef struct times {
    double *cycle_ms; /* sorted in the end */
    size_t n;
    size_t misses;
} times;

static double now_s(void) {
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void sleep_until(double at_s) {
    struct timespec t;
    t.tv_sec = (time_t)at_s;
    t.tv_nsec = (long)((at_s - (double)t.tv_sec) * 1e9);
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) == EINTR &&
           !drae__interrupted) {
    }
}

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double percentile(const times *t, double p) {
    size_t i = (size_t)(p * (double)t->n);
    return t->n == 0 ? 0.0 : t->cycle_ms[i < t->n ? i : t->n - 1];
}

static double mean(const times *t) {
    double sum = 0.0;
    for (size_t i = 0; i < t->n; i++) {
        sum += t->cycle_ms[i];
    }
    return t->n == 0 ? 0.0 : sum / (double)t->n;
}

/* Until a trigger, keeping the session warm every warm_s on the way; 0: not. The last time ends
 * well before the trigger. */
static drae_status wait_for_trigger(drae_session *session, double due, double warm_s) {
    drae_status status = DRAE_OK;
    double next = now_s() + warm_s;
    while (warm_s > 0.0 && next + 0.5 * warm_s <= due && status == DRAE_OK && !drae__interrupted) {
        sleep_until(next);
        status = drae_session_keep_warm(session);
        next = now_s() + warm_s;
    }
    if (status == DRAE_OK) {
        sleep_until(due);
    }
    return status;
}

/* Cycles for so many seconds: back to back where period_s is 0, else one a period. A paced cycle is
 * timed from the moment at which its trigger was due, so waking up late counts. */
static drae_status run_cycles(drae_session *session, size_t n, const uint8_t *patches,
                              const uint8_t *regions, double seconds, double period_s,
                              double warm_s, times *t) {
    drae_status status = DRAE_OK;
    double begin = now_s();
    t->n = 0;
    t->misses = 0;
    for (size_t i = 0; i < CYCLES_MAX && !drae__interrupted && status == DRAE_OK; i++) {
        double due = period_s > 0.0 ? begin + period_s * (double)i : now_s();
        if (due - begin >= seconds && i > 0) {
            break;
        }
        if (period_s > 0.0) {
            status = wait_for_trigger(session, due, warm_s);
        }
        if (status == DRAE_OK) {
            status = drae_session_infer(session, n, patches, regions, NULL, NULL);
        }
        double took_s = now_s() - due;
        t->cycle_ms[t->n++] = took_s * 1e3;
        t->misses += period_s > 0.0 && took_s > period_s;
    }
    qsort(t->cycle_ms, t->n, sizeof *t->cycle_ms, by_value);
    return status;
}

static drae__arch random_arch(const settings *s) {
    drae__arch arch = drae__arch_default();
    arch.width = (int)s->width;
    arch.size = (int)s->size;
    arch.latent = (int)s->latent;
    return arch;
}

static drae_status open_random(const settings *s, const drae_config *config, drae_engine **engine,
                               drae__err *err) {
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
static drae_status print_cuda_plan(const settings *s, drae__err *err) {
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
    DRAE__TRY(drae__cuda_plan_text(&arch, &card, NULL, (size_t)s->batch, false, &text, err));
    printf("%s", text);
done:
    free(text);
    return status;
}

/* ---- printing ---- */

static void print_mode(const char *mode, const times *t, size_t batch, bool paced) {
    printf("%-8s %6zu cycles  %8.3f ms/patch  cycle p50 %.2f  p95 %.2f  p99 %.2f  p99.9 %.2f  "
           "max %.2f ms",
           mode, t->n, percentile(t, 0.5) / (double)batch, percentile(t, 0.5), percentile(t, 0.95),
           percentile(t, 0.99), percentile(t, 0.999), percentile(t, 1.0));
    if (paced) {
        printf("  missed %zu", t->misses);
    }
    printf("\n");
}

static void print_mode_json(const char *mode, const times *t, size_t batch, bool paced) {
    printf(",\"%s\":{\"cycles\":%zu,\"ms_per_patch\":%.6g,\"mean_ms\":%.6g,\"p50_ms\":%.6g,"
           "\"p95_ms\":%.6g,\"p99_ms\":%.6g,\"p99_9_ms\":%.6g,\"max_ms\":%.6g",
           mode, t->n, percentile(t, 0.5) / (double)batch, mean(t), percentile(t, 0.5),
           percentile(t, 0.95), percentile(t, 0.99), percentile(t, 0.999), percentile(t, 1.0));
    if (paced) {
        printf(",\"missed\":%zu", t->misses);
    }
    printf("}");
}

static void print_layers(const drae__plan *plan, const double *op_seconds, size_t patches,
                         int threads, double peak, bool json) {
    double total = 0.0, per_patch_ms = 1e3 / (double)patches;
    printf(json ? ",\"layers\":[" : "\n%-26s %9s %9s %7s\n", "layer", "ms/patch", "GFLOP/s",
           "of peak");
    for (int i = 0; i < plan->n_ops + 2; i++) {
        bool op = i < plan->n_ops;
        const char *name = op ? plan->ops[i].name : i == plan->n_ops ? "image in" : "score, maps";
        double rate =
            op && op_seconds[i] > 0.0 ? plan->ops[i].flops * (double)patches / op_seconds[i] : 0.0;
        double share = rate * threads / peak; /* of what one thread can do */
        total += op_seconds[i];
        if (json) {
            printf("%s{\"layer\":\"%s\",\"ms_per_patch\":%.6g,\"gflops\":%.6g,\"share\":%.4g}",
                   i > 0 ? "," : "", name, op_seconds[i] * per_patch_ms, rate * 1e-9, share);
        } else if (op) {
            printf("%-26s %9.3f %9.1f %6.0f %%\n", name, op_seconds[i] * per_patch_ms, rate * 1e-9,
                   100.0 * share);
        } else {
            printf("%-26s %9.3f\n", name, op_seconds[i] * per_patch_ms);
        }
    }
    if (json) {
        printf("]");
    } else {
        printf("%-26s %9.3f  (one thread's time)\n", "sum", total * per_patch_ms);
    }
}

/* ---- the run ---- */

typedef struct buffers {
    uint8_t *patches;
    uint8_t *heat, *heat_fixed;              /* NULL: not asked for */
    uint8_t regions[DRAE__ENGINE_BATCH_MAX]; /* all 0 */
    times unpaced, paced;
} buffers;

static bool make_buffers(buffers *b, size_t n, int size, bool heatmaps) {
    size_t pixels = (size_t)size * (size_t)size;
    b->patches = malloc(n * pixels);
    b->unpaced.cycle_ms = malloc(CYCLES_MAX * sizeof(double));
    b->paced.cycle_ms = malloc(CYCLES_MAX * sizeof(double));
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

static void print_head(const settings *s, const drae_engine *engine, const drae_session *session,
                       double peak) {
    const char *sha256 = "", *kernels = "", *precision = "";
    int64_t width = 0, size = 0, device = 0;
    (void)drae_engine_get_int(engine, DRAE_ENGINE_DEVICE, &device);
    (void)drae_engine_get_text(engine, DRAE_ENGINE_PRECISION, &precision);
    (void)drae_engine_get_text(engine, DRAE_ENGINE_SHA256, &sha256);
    (void)drae_engine_get_text(engine, DRAE_ENGINE_KERNELS, &kernels);
    (void)drae_engine_get_int(engine, DRAE_ENGINE_WIDTH, &width);
    (void)drae_engine_get_int(engine, DRAE_ENGINE_SIZE, &size);
    double flops = drae__arch_flops(&drae__engine_plan(engine)->arch);
    printf(s->json ? "{\"engine\":\"%s\",\"width\":%lld,\"size\":%lld,\"device\":\"%s\","
                     "\"precision\":\"%s\",\"kernels\":\"%s\",\"threads\":%d,\"batch\":%zu,"
                     "\"heatmaps\":%s,\"gflop_per_patch\":%.6g,\"peak_gflops\":%.6g,"
                     "\"period_ms\":%g,\"keep_warm_ms\":%g"
                   : "engine %.12s: width %lld, size %lld, %s %s, %s kernels, %d threads, batch "
                     "%zu, heatmaps %s\n%.3f GFLOP a patch, multiply-add peak %.0f GFLOP/s, period "
                     "%g ms, kept warm every %g ms (0: not)\n",
           s->engine != NULL || !s->json ? sha256 : "random", (long long)width, (long long)size,
           device == DRAE_DEVICE_CPU ? "cpu" : "cuda", precision, kernels,
           drae_session_threads(session), drae_session_batch(session),
           s->heatmaps ? "true" : "false", flops * 1e-9, peak * 1e-9, s->period_ms,
           s->keep_warm_ms);
}

static drae_status bench(const settings *s, const drae_config *config, drae__err *err) {
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
    print_head(s, engine, session, peak);
    DRAE__TRY(run_cycles(session, n, b.patches, b.regions, s->seconds, 0.0, 0.0, &b.unpaced));
    (s->json ? print_mode_json : print_mode)("unpaced", &b.unpaced, n, false);
    if (period_s > 0.0 && !drae__interrupted) {
        DRAE__TRY(run_cycles(session, n, b.patches, b.regions, s->seconds, period_s,
                             s->keep_warm_ms * 1e-3, &b.paced));
        (s->json ? print_mode_json : print_mode)("paced", &b.paced, n, true);
    }
    if (s->layers && !drae__interrupted) {
        double op_seconds[DRAE__PLAN_OPS + 2];
        DRAE__TRY(drae__session_infer_timed(session, n, b.patches, b.regions, NULL, op_seconds));
        print_layers(plan, op_seconds, n, threads, peak, s->json);
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

static drae_status make_config(const settings *s, drae_config **config, drae__err *err) {
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
    settings s = {.kernels = "auto",
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
        DRAE__CHOICE("kernels", &s.kernels, "auto|amx|avx512|avx2|portable", "CPU kernels by name"),
        DRAE__CHOICE("device", &s.device, "cpu|cuda",
                     there ? "of the random network; a file knows its own"
                           : "of the random network; a file knows its own; no cuda in this build"),
        DRAE__CHOICE("precision", &s.precision, "f32|bf16|f16",
                     "of the random network; a file knows its own"),
        DRAE__FLAG("heatmaps", 0, &s.heatmaps, "make both heatmaps of every patch too"),
        DRAE__FLAG("layers", 0, &s.layers, "time every layer of one more cycle"),
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
