/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Times the convolutions of inference alone, layer by layer of a network's description, on every
 * instruction set of the machine, one thread. Each result is checked against the portable kernels
 * before it is timed. One JSON object a line: kernels, layer, shape, ms (least and median), GFLOP/s
 * and share of the measured multiply-add peak.
 *
 *     bench_infer [WIDTH [SIZE [KERNELS]]]
 */
#include "base/arena.h"
#include "bench/infer_layers.h"
#include "kernels/infer.h"
#include "model/arch.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SAMPLES      25
#define PEAK_ROUNDS  30000 /* short: the best of many is one that nothing interrupted */
#define PEAK_REPEATS 300
#define TOLERANCE    1e-4

/* A map with random pixels and zeros around them; *at is pixel (0,0). */
static float *random_map(const drae__map_geometry *g, int c, float **at) {
    float *buffer = bench_zeroed(drae__map_floats(g, c) * sizeof(float));
    *at = buffer + drae__map_origin(g);
    float *values = bench_values((size_t)c * (size_t)g->h * (size_t)g->w, 1.0f);
    const float *from = values;
    for (int row = 0; row < c * g->h; row++) {
        memcpy(*at + row / g->h * g->plane + row % g->h * g->stride, from,
               (size_t)g->w * sizeof(float));
        from += g->w;
    }
    free(values);
    return buffer;
}

/* Largest difference of the pixels of two maps. */
static double difference(const drae__map_geometry *g, int c, const float *a, const float *b) {
    double most = 0.0;
    for (int row = 0; row < c * g->h; row++) {
        ptrdiff_t at = row / g->h * g->plane + row % g->h * g->stride;
        for (int x = 0; x < g->w; x++) {
            double d = fabs((double)a[at + x] - (double)b[at + x]);
            most = d > most || isnan(d) ? d : most;
        }
    }
    return most;
}

typedef struct work {
    drae__infer_conv op;
    float *wei, *proj_wei, *packed, *packed_proj;
} work;

static void pack(work *w, const drae__infer_kernels *kernels) {
    free(w->packed);
    free(w->op.scratch);
    w->packed = bench_zeroed(
        drae__infer_conv_weights(kernels, w->op.kind, w->op.c_in, w->op.c_out) * sizeof(float));
    w->op.wei = w->packed;
    int most = w->op.c_in > w->op.c_out ? w->op.c_in : w->op.c_out;
    most = most > w->op.proj.c_in ? most : w->op.proj.c_in;
    w->op.scratch = bench_zeroed((drae__infer_conv_scratch(kernels, most) + 1) * sizeof(float));
    drae__infer_pack_conv(kernels, w->op.kind, w->op.c_in, w->op.c_out, w->wei, w->packed);
    if (w->proj_wei != NULL) {
        drae__infer_pack_proj(kernels, w->op.kind, w->op.proj.c_in, w->op.c_out, w->proj_wei,
                              w->packed_proj);
    }
}

static void time_table(const bench_layer *l, work *w, const drae__infer_kernels *kernels,
                       double peak, const float *expected) {
    double ms[SAMPLES];
    pack(w, kernels);
    kernels->conv(&w->op);
    double error = difference(&w->op.dst_map, l->c_out, w->op.act, expected);
    if (!(error <= TOLERANCE)) {
        fprintf(stderr, "%s %s is wrong by %g\n", kernels->name, l->name, error);
        exit(EXIT_FAILURE);
    }
    for (int i = 0; i < SAMPLES; i++) {
        double begin = bench_now_s();
        kernels->conv(&w->op);
        ms[i] = (bench_now_s() - begin) * 1e3;
    }
    qsort(ms, SAMPLES, sizeof ms[0], bench_by_value);
    double rate = bench_layer_flops(l) / (ms[0] * 1e-3);
    printf("{\"kernels\":\"%s\",\"layer\":\"%s\",\"shape\":\"%dx%d^2>%dx%d^2\",\"ms\":%.4f,"
           "\"median_ms\":%.4f,\"gflops\":%.1f,\"share\":%.3f}\n",
           kernels->name, l->name, l->c_in, l->h_in, l->c_out, l->h_out, ms[0], ms[SAMPLES / 2],
           rate * 1e-9, rate / peak);
}

/* peaks: of the tables to measure, 0: not this one. */
static void time_layer(const bench_layer *l, const double *peaks) {
    size_t n, taps = l->kind == DRAE__INFER_CONVT4 ? 16 : 9;
    size_t proj_taps = l->kind == DRAE__INFER_CONVT4 ? 4 : 1;
    size_t weights = (size_t)l->c_in * (size_t)l->c_out * taps;
    size_t proj_weights = (size_t)l->proj_c_in * (size_t)l->c_out * proj_taps;
    const drae__infer_kernels *const *list = drae__infer_kernels_list(&n);
    drae__map_geometry src = drae__map_geometry_of(l->h_in, l->h_in);
    drae__map_geometry dst = drae__map_geometry_of(l->h_out, l->h_out);
    float *at_src, *at_dst, *at_expected, *at_residual = NULL, *at_proj = NULL;
    float *maps[5] = {random_map(&src, l->c_in, &at_src), random_map(&dst, l->c_out, &at_dst),
                      random_map(&dst, l->c_out, &at_expected), NULL, NULL};
    float *affine = bench_values((size_t)l->c_out, 1.0f);
    work w = {.wei = bench_values(weights, 0.1f)};
    w.op = (drae__infer_conv){.kind = l->kind,
                              .c_in = l->c_in,
                              .c_out = l->c_out,
                              .src_map = src,
                              .dst_map = dst,
                              .src = at_src,
                              .scale = affine,
                              .shift = affine,
                              .slope = 0.2f,
                              .act = at_expected};
    if (l->residual) {
        maps[3] = random_map(&dst, l->c_out, &at_residual);
        w.op.residual = at_residual;
    }
    if (l->proj_c_in > 0) {
        w.op.proj.map = drae__map_geometry_of(l->proj_h, l->proj_h);
        maps[4] = random_map(&w.op.proj.map, l->proj_c_in, &at_proj);
        w.proj_wei = bench_values(proj_weights, 0.1f);
        w.packed_proj = bench_zeroed(proj_weights * sizeof(float));
        w.op.proj.c_in = l->proj_c_in;
        w.op.proj.src = at_proj;
        w.op.proj.wei = w.packed_proj;
    }
    pack(&w, list[n - 1]);
    list[n - 1]->conv(&w.op);
    w.op.act = at_dst;
    for (size_t i = 0; i < n; i++) {
        if (peaks[i] > 0.0) {
            time_table(l, &w, list[i], peaks[i], at_expected);
        }
    }
    for (size_t i = 0; i < sizeof maps / sizeof maps[0]; i++) {
        free(maps[i]);
    }
    free(affine);
    free(w.wei);
    free(w.proj_wei);
    free(w.packed);
    free(w.op.scratch);
    free(w.packed_proj);
}

static void bench_block(const drae__block *b, const double *peaks) {
    bench_layer layers[2];
    bench_block_layers(b, layers);
    for (int i = 0; i < 2; i++) {
        time_layer(&layers[i], peaks);
    }
}

int main(int argc, char **argv) {
    drae__arch arch = drae__arch_default();
    drae__err err;
    arch.width = argc > 1 ? atoi(argv[1]) : arch.width;
    arch.size = argc > 2 ? atoi(argv[2]) : arch.size;
    if (drae__arch_check(&arch, &err) != DRAE_OK) {
        fprintf(stderr, "bench_infer: %s\n", err.text);
        return 2;
    }
    double peaks[8] = {0};
    size_t n;
    const drae__infer_kernels *const *list = drae__infer_kernels_list(&n);
    for (size_t i = 0; i < n && i < sizeof peaks / sizeof peaks[0]; i++) {
        bool asked = argc <= 3 || strcmp(argv[3], list[i]->name) == 0;
        if (asked && drae__infer_kernels_supported(list[i])) {
            peaks[i] = bench_peak_of(list[i]->peak, PEAK_ROUNDS, PEAK_REPEATS);
            printf("{\"kernels\":\"%s\",\"peak_gflops\":%.1f}\n", list[i]->name, peaks[i] * 1e-9);
        }
    }
    for (int half = DRAE__HALF_ENCODER; half <= DRAE__HALF_DECODER; half++) {
        drae__block blocks[DRAE__BLOCKS];
        drae__arch_blocks(&arch, (drae__half)half, blocks);
        for (int i = 0; i < DRAE__BLOCKS; i++) {
            bench_block(&blocks[i], peaks);
        }
    }
    return EXIT_SUCCESS;
}
