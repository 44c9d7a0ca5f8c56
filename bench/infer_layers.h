/* SPDX-License-Identifier: Apache-2.0 */
/* What the benches of inference share: time, memory, random values, and the layers of a block. */
#ifndef DRAE_BENCH_INFER_LAYERS_H
#define DRAE_BENCH_INFER_LAYERS_H

#include "kernels/infer.h"
#include "model/arch.h"

#include <stddef.h>

/* Seconds that this thread has computed: other work on the machine counts little. */
double bench_now_s(void);

/* Aligned and zeroed; freed by free. No memory ends the program. */
void *bench_zeroed(size_t n_bytes);

/* Uniform in [-scale, scale), each call from a stream of its own; freed by free. */
float *bench_values(size_t n, float scale);

/* Order of doubles, for qsort. */
int bench_by_value(const void *a, const void *b);

/* Flops a second of the fastest of many runs of a table's multiply-add loop. */
double bench_peak_of(double (*peak)(size_t rounds, float *sink), size_t rounds, int repeats);

typedef struct bench_layer {
    char name[64];
    drae__infer_conv_kind kind;
    int c_in, c_out, h_in, h_out, proj_c_in, proj_h;
    bool residual;
} bench_layer;

double bench_layer_flops(const bench_layer *l);

/* The two convolutions of a block, shortcut with the second. */
void bench_block_layers(const drae__block *b, bench_layer layers[2]);

#endif
