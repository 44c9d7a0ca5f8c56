/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/bench.h"

#include <stdio.h>

void drae__bench_print_head(const drae__bench_settings *s, const drae_engine *engine,
                            const drae_session *session, double peak) {
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

static void print_line(const char *mode, const drae__bench_times *t, size_t batch, bool paced) {
    printf("%-8s %6zu cycles  %8.3f ms/patch  cycle p50 %.2f  p95 %.2f  p99 %.2f  p99.9 %.2f  "
           "max %.2f ms",
           mode, t->n, drae__bench_percentile(t, 0.5) / (double)batch,
           drae__bench_percentile(t, 0.5), drae__bench_percentile(t, 0.95),
           drae__bench_percentile(t, 0.99), drae__bench_percentile(t, 0.999),
           drae__bench_percentile(t, 1.0));
    if (paced) {
        printf("  missed %zu", t->misses);
    }
    printf("\n");
}

static void print_object(const char *mode, const drae__bench_times *t, size_t batch, bool paced) {
    printf(",\"%s\":{\"cycles\":%zu,\"ms_per_patch\":%.6g,\"mean_ms\":%.6g,\"p50_ms\":%.6g,"
           "\"p95_ms\":%.6g,\"p99_ms\":%.6g,\"p99_9_ms\":%.6g,\"max_ms\":%.6g",
           mode, t->n, drae__bench_percentile(t, 0.5) / (double)batch, drae__bench_mean(t),
           drae__bench_percentile(t, 0.5), drae__bench_percentile(t, 0.95),
           drae__bench_percentile(t, 0.99), drae__bench_percentile(t, 0.999),
           drae__bench_percentile(t, 1.0));
    if (paced) {
        printf(",\"missed\":%zu", t->misses);
    }
    printf("}");
}

void drae__bench_print_mode(const char *mode, const drae__bench_times *t, size_t batch, bool paced,
                            bool json) {
    (json ? print_object : print_line)(mode, t, batch, paced);
}

void drae__bench_print_layers(const drae__plan *plan, const double *op_seconds, size_t patches,
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
