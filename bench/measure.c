/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/measure.h"

#include "base/arena.h"
#include "base/philox.h"
#include "io/progress.h"
#include "kernels/infer.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SAMPLES      15
#define PEAK_ROUNDS  30000
#define PEAK_REPEATS 100

/* ---- data ---- */

float *bench_take(size_t n) {
    float *p = drae__aligned_alloc(n * sizeof *p);
    if (p == NULL) {
        fprintf(stderr, "bench_train_ops: no memory for %zu floats\n", n);
        exit(EXIT_FAILURE);
    }
    memset(p, 0, n * sizeof *p);
    return p;
}

float *bench_random(size_t n, float lo, float hi) {
    static uint64_t stream;
    drae__rng rng;
    float *p = bench_take(n);
    drae__rng_init(&rng, 1, DRAE__PURPOSE_TEST, stream++);
    for (size_t i = 0; i < n; i++) {
        p[i] = drae__rng_range(&rng, lo, hi);
    }
    return p;
}

double *bench_doubles(const float *src, size_t n) {
    double *p = malloc(n * sizeof *p);
    if (p == NULL) {
        fprintf(stderr, "bench_train_ops: no memory for %zu doubles\n", n);
        exit(EXIT_FAILURE);
    }
    for (size_t i = 0; i < n; i++) {
        p[i] = src == NULL ? 0.0 : (double)src[i];
    }
    return p;
}

double bench_error(const float *got, const double *want, size_t n) {
    double most = 0.0, scale = 0.0;
    for (size_t i = 0; i < n; i++) {
        double d = fabs((double)got[i] - want[i]);
        most = d > most || isnan(d) ? d : most;
        scale = fmax(scale, fabs(want[i]));
    }
    return most / scale;
}

/* ---- what the machine can do ---- */

double bench_peak(long threads) {
    size_t n;
    const drae__infer_kernels *const *list = drae__infer_kernels_list(&n), *best = NULL;
    for (size_t i = 0; i < n && best == NULL; i++) {
        best = drae__infer_kernels_supported(list[i]) ? list[i] : NULL;
    }
    double most = 0.0;
    for (int i = 0; i < PEAK_REPEATS; i++) {
        double flops = 0.0, begin = drae__clock_s();
#pragma omp parallel num_threads((int)threads) reduction(+ : flops)
        {
            float sink;
            flops += best->peak(PEAK_ROUNDS, &sink);
        }
        most = fmax(most, flops / (drae__clock_s() - begin));
    }
    return most;
}

/* Bytes a second of a triad whose three arrays have so many bytes together. */
static double bandwidth_at(double bytes, long threads) {
    size_t n = (size_t)(bytes / (3.0 * sizeof(float))) + 1;
    float *a = bench_take(3 * n), *b = a + n, *c = b + n;
    double best = INFINITY;
    for (int k = 0; k < SAMPLES; k++) {
        double begin = drae__clock_s();
#pragma omp parallel for simd num_threads((int)threads) schedule(static)
        for (size_t i = 0; i < n; i++) {
            a[i] = b[i] + 0.5f * c[i];
        }
        best = fmin(best, drae__clock_s() - begin);
    }
    free(a);
    return 3.0 * (double)n * sizeof(float) / best;
}

/* ---- timing ---- */

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

void bench_time(const bench_settings *s, const bench_operation *op) {
    double ms[SAMPLES];
    if (!(op->error <= op->bound)) {
        fprintf(stderr, "bench_train_ops: %s %s is wrong by %g, allowed %g\n", op->name, op->shape,
                op->error, op->bound);
        exit(EXIT_FAILURE);
    }
    for (int i = 0; i < SAMPLES; i++) {
        double begin = drae__clock_s();
        op->run(op->work);
        ms[i] = 1e3 * (drae__clock_s() - begin);
    }
    qsort(ms, SAMPLES, sizeof ms[0], by_value);
    double by_flops = 1e3 * op->flops / s->peak,
           by_bytes = 1e3 * op->bytes / bandwidth_at(op->bytes, s->threads);
    double floor_ms = fmax(by_flops, by_bytes);
    printf("{\"bench\":\"train_ops\",\"op\":\"%s\",\"width\":%ld,\"batch\":%ld,\"threads\":%ld,"
           "\"shape\":\"%s\",\"ms\":%.3f,\"median_ms\":%.3f,\"floor_ms\":%.3f,\"floor\":\"%s\","
           "\"share\":%.3f,\"error\":%.2g}\n",
           op->name, s->width, s->batch, s->threads, op->shape, ms[0], ms[SAMPLES / 2], floor_ms,
           by_flops > by_bytes ? "flops" : "bytes", floor_ms / ms[0], op->error);
    (void)fflush(stdout);
}
