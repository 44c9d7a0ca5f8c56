/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Times the bf16 convolutions of inference layer by layer of a network's description, one thread,
 * with the fastest table of the machine or the named one. Every result is first compared bit for
 * bit with that of the portable table. One JSON object a line: layer, shape, ms (least and median),
 * GFLOP/s, and the floor: flops over the measured peak of the tile products, or bytes over the
 * bandwidth that a[i] = b[i] + s c[i] reaches on as many bytes, whichever is longer. "filled" is
 * the share of the multiplied terms that are weights and not padding.
 *
 *     bench_infer_bf16 [WIDTH [SIZE [KERNELS [PARTS]]]]
 */
#include "base/arena.h"
#include "bench/infer_layers.h"
#include "kernels/infer_bf16.h"
#include "model/arch.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SAMPLES      60
#define PEAK_ROUNDS  3000
#define PEAK_REPEATS 300

/* A map, random pixels where c > 0 channels are wanted; *at is pixel (0,0). */
static drae__bf16 *make_map(const drae__bf16_map *m, int c, drae__bf16 **at) {
    drae__bf16 *buffer = bench_zeroed(drae__bf16_map_elems(m) * sizeof *buffer);
    *at = buffer + drae__bf16_map_origin(m);
    float *values = bench_values((size_t)m->h * (size_t)m->w * (size_t)m->c, 1.0f);
    for (int y = 0; y < m->h; y++) {
        for (int i = 0; i < m->w * m->c; i++) {
            if (i % m->c < c) {
                drae__bf16_split(values[y * m->w * m->c + i], m->parts, m->plane,
                                 *at + y * m->stride + i);
            }
        }
    }
    free(values);
    return buffer;
}

static double bytes_of(const bench_layer *l, const drae__bf16_shape *s) {
    double in = (double)l->h_in * l->h_in * l->c_in + (double)l->proj_h * l->proj_h * l->proj_c_in;
    double out = (double)l->h_out * l->h_out * l->c_out * (l->residual ? 2.0 : 1.0);
    return 2.0 * ((in + out) * s->parts + (double)drae__bf16_packed_elems(s));
}

/* Of the products of tiles that the layer takes, whole rows of 16. */
static double multiplied(const bench_layer *l, const drae__bf16_shape *s) {
    int wide = (s->transposed ? l->h_in : l->h_out / s->pixels), high = l->h_out / s->parities;
    double tiles = (double)high * ((wide + DRAE__BF16_ROWS - 1) / DRAE__BF16_ROWS);
    return tiles * (double)(drae__bf16_packed_elems(s)) * 2.0 * DRAE__BF16_ROWS;
}

static double bandwidth_at(double bytes) {
    size_t n = (size_t)(bytes / (3.0 * sizeof(float))) + 1;
    float *a = bench_zeroed(3 * n * sizeof *a), *b = a + n, *c = b + n;
    double best = INFINITY;
    for (int k = 0; k < SAMPLES; k++) {
        double begin = bench_now_s();
        for (size_t i = 0; i < n; i++) {
            a[i] = b[i] + 0.5f * c[i];
        }
        __asm__ volatile("" : : "r"(a) : "memory");
        best = fmin(best, bench_now_s() - begin);
    }
    free(a);
    return 3.0 * (double)n * sizeof(float) / best;
}

static void time_layer(const bench_layer *l, const drae__bf16_kernels *kernels, int parts,
                       double peak) {
    bool up = l->kind == DRAE__INFER_CONVT4;
    int proj_stride = l->proj_c_in == 0 ? 1 : l->proj_h / l->h_out;
    drae__bf16_conv op = {
        .shape = drae__bf16_shape_of(l->kind, l->c_in, l->c_out, l->proj_c_in, proj_stride, parts),
        .src_map = drae__bf16_map_of(l->h_in, l->h_in, l->c_in, l->c_in == 1 ? 1 : parts),
        .dst_map = drae__bf16_map_of(l->h_out, l->h_out, l->c_out, parts),
        .slope = 0.2f};
    drae__bf16 *at_src, *at_dst, *at_expected, *at_proj = NULL, *at_residual = NULL;
    drae__bf16 *maps[5] = {make_map(&op.src_map, l->c_in, &at_src),
                           make_map(&op.dst_map, 0, &at_dst),
                           make_map(&op.dst_map, 0, &at_expected), NULL, NULL};
    float *wei = bench_values((size_t)l->c_in * (size_t)l->c_out * (up ? 16 : 9), 0.1f);
    float *proj = NULL, *affine = bench_values((size_t)drae__bf16_columns(&op.shape), 1.0f);
    drae__bf16 *packed = bench_zeroed(drae__bf16_packed_elems(&op.shape) * sizeof *packed);
    if (l->proj_c_in > 0) {
        op.proj_map = drae__bf16_map_of(l->proj_h, l->proj_h, l->proj_c_in, parts);
        maps[3] = make_map(&op.proj_map, l->proj_c_in, &at_proj);
        proj = bench_values((size_t)l->proj_c_in * (size_t)l->c_out * (up ? 4 : 1), 0.1f);
    }
    if (l->residual) {
        maps[4] = make_map(&op.dst_map, l->c_out, &at_residual);
    }
    drae__bf16_pack(&op.shape, l->c_in, l->c_out, wei, 1.0, l->proj_c_in, proj_stride, proj,
                    packed);
    op.src = at_src;
    op.proj = at_proj;
    op.residual = at_residual;
    op.wei = packed;
    op.scale = op.shift = affine;
    int rows = up ? l->h_in : l->h_out;
    op.act = at_expected;
    drae__bf16_kernels_find("portable")->conv(&op, 0, rows);
    op.act = at_dst;
    kernels->conv(&op, 0, rows);
    if (memcmp(maps[1], maps[2], drae__bf16_map_elems(&op.dst_map) * sizeof *maps[1]) != 0) {
        fprintf(stderr, "bench_infer_bf16: %s: %s differs from portable\n", l->name, kernels->name);
        exit(EXIT_FAILURE);
    }
    double ms[SAMPLES];
    for (int i = 0; i < SAMPLES; i++) {
        double begin = bench_now_s();
        kernels->conv(&op, 0, rows);
        ms[i] = (bench_now_s() - begin) * 1e3;
    }
    qsort(ms, SAMPLES, sizeof ms[0], bench_by_value);
    double bytes = bytes_of(l, &op.shape);
    double by_flops = 1e3 * bench_layer_flops(l) / peak,
           by_bytes = 1e3 * bytes / bandwidth_at(bytes);
    printf("{\"bench\":\"infer_bf16\",\"parts\":%d,\"kernels\":\"%s\",\"layer\":\"%s\","
           "\"shape\":\"%dx%d^2>%dx%d^2\",\"ms\":%.4f,\"median_ms\":%.4f,\"gflops\":%.1f,"
           "\"filled\":%.3f,\"floor_ms\":%.4f,\"floor\":\"%s\",\"share\":%.3f}\n",
           parts, kernels->name, l->name, l->c_in, l->h_in, l->c_out, l->h_out, ms[0],
           ms[SAMPLES / 2], bench_layer_flops(l) / (ms[0] * 1e6),
           bench_layer_flops(l) / multiplied(l, &op.shape), fmax(by_flops, by_bytes),
           by_flops > by_bytes ? "flops" : "bytes", fmax(by_flops, by_bytes) / ms[0]);
    (void)fflush(stdout);
    for (size_t i = 0; i < sizeof maps / sizeof maps[0]; i++) {
        free(maps[i]);
    }
    free(wei);
    free(proj);
    free(affine);
    free(packed);
}

static void bench_block(const drae__block *b, const drae__bf16_kernels *kernels, int parts,
                        double peak) {
    bench_layer layers[2];
    bench_block_layers(b, layers);
    for (int i = 0; i < 2; i++) {
        time_layer(&layers[i], kernels, parts, peak);
    }
}

int main(int argc, char **argv) {
    drae__arch arch = drae__arch_default();
    drae__err err;
    arch.width = argc > 1 ? atoi(argv[1]) : arch.width;
    arch.size = argc > 2 ? atoi(argv[2]) : arch.size;
    const drae__bf16_kernels *kernels = drae__bf16_kernels_find(argc > 3 ? argv[3] : "auto");
    int parts = argc > 4 ? atoi(argv[4]) : 1;
    if (drae__arch_check(&arch, &err) != DRAE_OK) {
        fprintf(stderr, "bench_infer_bf16: %s\n", err.text);
        return 2;
    }
    if (parts < 1 || parts > DRAE__BF16_PARTS_MAX) {
        fprintf(stderr, "bench_infer_bf16: PARTS is 1 to %d\n", DRAE__BF16_PARTS_MAX);
        return 2;
    }
    if (kernels == NULL || !drae__bf16_kernels_supported(kernels)) {
        fprintf(stderr, "bench_infer_bf16: this processor does not run %s\n", argv[3]);
        return 4;
    }
    double peak = bench_peak_of(kernels->peak, PEAK_ROUNDS, PEAK_REPEATS);
    printf("{\"bench\":\"infer_bf16\",\"kernels\":\"%s\",\"peak_gflops\":%.1f}\n", kernels->name,
           peak * 1e-9);
    bench_layer stem = {
        "encoder/stem", DRAE__INFER_CONV3, 1, arch.width, arch.size, arch.size, 0, 0, false};
    time_layer(&stem, kernels, parts, peak);
    for (int half = DRAE__HALF_ENCODER; half <= DRAE__HALF_DECODER; half++) {
        drae__block blocks[DRAE__BLOCKS];
        drae__arch_blocks(&arch, (drae__half)half, blocks);
        for (int i = 0; i < DRAE__BLOCKS; i++) {
            bench_block(&blocks[i], kernels, parts, peak);
        }
    }
    return EXIT_SUCCESS;
}
