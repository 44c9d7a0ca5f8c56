/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/infer_layers.h"

#include "base/arena.h"
#include "base/philox.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

double bench_now_s(void) {
    struct timespec t;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

void *bench_zeroed(size_t n_bytes) {
    /* Large blocks on large pages, as the engine's (base/arena.c). */
    const size_t large = (size_t)2 << 20;
    bool many = n_bytes >= large;
    size_t whole = (n_bytes + large - 1) / large * large;
    void *p = many ? aligned_alloc(large, whole) : drae__aligned_alloc(n_bytes);
    if (p == NULL) {
        fprintf(stderr, "no memory\n");
        exit(EXIT_FAILURE);
    }
    if (many) {
        (void)madvise(p, whole, MADV_HUGEPAGE);
    }
    memset(p, 0, n_bytes);
    return p;
}

float *bench_values(size_t n, float scale) {
    static uint64_t stream;
    drae__rng rng;
    float *p = bench_zeroed(n * sizeof *p);
    drae__rng_init(&rng, 1, DRAE__PURPOSE_TEST, stream++);
    for (size_t i = 0; i < n; i++) {
        p[i] = drae__rng_range(&rng, -scale, scale);
    }
    return p;
}

int bench_by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double bench_peak_of(double (*peak)(size_t rounds, float *sink), size_t rounds, int repeats) {
    double best = 0.0;
    for (int i = 0; i < repeats; i++) {
        float sink;
        double begin = bench_now_s();
        double flops = peak(rounds, &sink);
        best = fmax(best, flops / (bench_now_s() - begin));
    }
    return best;
}

double bench_layer_flops(const bench_layer *l) {
    double taps = l->kind == DRAE__INFER_CONVT4 ? 4.0 : 9.0;
    return 2.0 * l->h_out * l->h_out * l->c_out * (l->c_in * taps + l->proj_c_in);
}

void bench_block_layers(const drae__block *b, bench_layer layers[2]) {
    bool up = b->half == DRAE__HALF_DECODER && b->role == DRAE__ROLE_C;
    bool halve = b->half == DRAE__HALF_ENCODER && b->role == DRAE__ROLE_C;
    bool identity = b->role == DRAE__ROLE_B;
    int h_mid = halve ? b->h_out : b->h_in;
    layers[0] = (bench_layer){.kind = halve ? DRAE__INFER_CONV3S2 : DRAE__INFER_CONV3,
                              .c_in = b->c_in,
                              .c_out = b->c_out,
                              .h_in = b->h_in,
                              .h_out = h_mid};
    layers[1] = (bench_layer){.kind = up ? DRAE__INFER_CONVT4 : DRAE__INFER_CONV3,
                              .c_in = b->c_out,
                              .c_out = b->c_out,
                              .h_in = h_mid,
                              .h_out = b->h_out,
                              .proj_c_in = identity ? 0 : b->c_in,
                              .proj_h = b->h_in,
                              .residual = identity};
    (void)snprintf(layers[0].name, sizeof layers[0].name, "%s/conv1", b->path);
    (void)snprintf(layers[1].name, sizeof layers[1].name, "%s/%s", b->path, up ? "convt" : "conv2");
}
