/* SPDX-License-Identifier: Apache-2.0 */
/* The convolutions of training: outputs here and there against the formula, gradients by duality.
 */
#include "bench/measure.h"

#include "base/philox.h"
#include "train/convs.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PROBES 64 /* elements of a convolution that are computed anew */

static double dot(const float *a, const float *b, size_t n) {
    double sum = 0.0;
    for (size_t i = 0; i < n; i++) {
        sum += (double)a[i] * (double)b[i];
    }
    return sum;
}

typedef struct conv_work {
    drae__conv_shape shape;
    drae__conv_op *op;
    float *src, *wei, *dst, *ddst, *dsrc, *dwei;
    void *scratch;
    drae_status status;
} conv_work;

static void conv_fwd(void *work) {
    conv_work *w = work;
    w->status |= drae__conv_op_fwd(w->op, w->src, w->wei, NULL, w->dst, w->scratch);
}

static void conv_bwd_data(void *work) {
    conv_work *w = work;
    w->status |= drae__conv_op_bwd_data(w->op, w->ddst, w->wei, w->dsrc, w->scratch);
}

static void conv_bwd_weights(void *work) {
    conv_work *w = work;
    w->status |= drae__conv_op_bwd_weights(w->op, w->src, w->ddst, w->dwei, NULL, w->scratch);
}

/* The input row (or column) that tap k of an output row reads, -1 for none. */
static int tap_source(const drae__conv_shape *s, int out, int k, int side) {
    int at = s->transposed ? out + s->pad - k : out * s->stride - s->pad + k;
    if (s->transposed && at % s->stride != 0) {
        return -1;
    }
    at = s->transposed ? at / s->stride : at;
    return at >= 0 && at < side ? at : -1;
}

static double one_output(const conv_work *w, size_t n, int y, int x, int c_out) {
    const drae__conv_shape *s = &w->shape;
    double sum = 0.0;
    for (int ky = 0; ky < s->k; ky++) {
        for (int kx = 0; kx < s->k; kx++) {
            int iy = tap_source(s, y, ky, s->h_in), ix = tap_source(s, x, kx, s->w_in);
            for (int c = 0; c < s->c_in && iy >= 0 && ix >= 0; c++) {
                size_t pair =
                    s->transposed ? (size_t)(c * s->c_out + c_out) : (size_t)(c_out * s->c_in + c);
                size_t from = (n * (size_t)s->h_in + (size_t)iy) * (size_t)s->w_in + (size_t)ix;
                sum +=
                    (double)w->wei[(pair * (size_t)s->k + (size_t)ky) * (size_t)s->k + (size_t)kx] *
                    (double)w->src[from * (size_t)s->c_in + (size_t)c];
            }
        }
    }
    return sum;
}

/* Outputs here and there by the formula. */
static double probe_fwd(const conv_work *w) {
    const drae__conv_shape *s = &w->shape;
    int h = drae__conv_out(s, s->h_in), wide = drae__conv_out(s, s->w_in);
    double most = 0.0;
    drae__rng rng;
    drae__rng_init(&rng, 2, DRAE__PURPOSE_TEST, 0);
    for (int i = 0; i < PROBES; i++) {
        size_t n = drae__rng_below(&rng, (uint32_t)s->n);
        int y = (int)drae__rng_below(&rng, (uint32_t)h);
        int x = (int)drae__rng_below(&rng, (uint32_t)wide);
        int c = (int)drae__rng_below(&rng, (uint32_t)s->c_out);
        size_t at =
            ((n * (size_t)h + (size_t)y) * (size_t)wide + (size_t)x) * (size_t)s->c_out + (size_t)c;
        double d = fabs((double)w->dst[at] - one_output(w, n, y, x, c));
        most = d > most || isnan(d) ? d : most;
    }
    return most;
}

static void bench_conv(const bench_settings *s, const drae__conv_shape *shape) {
    drae__err err = {{0}};
    conv_work w = {.shape = *shape, .status = DRAE_OK};
    int out = drae__conv_out(shape, shape->h_in);
    size_t n_src = (size_t)shape->n * (size_t)(shape->h_in * shape->w_in * shape->c_in);
    size_t n_dst = (size_t)shape->n * (size_t)(out * out * shape->c_out);
    size_t n_wei = (size_t)(shape->c_in * shape->c_out * shape->k * shape->k);
    if (drae__conv_op_create(shape, DRAE__COMPUTE_F32,
                             DRAE__CONV_FWD | DRAE__CONV_BWD_DATA | DRAE__CONV_BWD_WEIGHTS, &w.op,
                             &err) != DRAE_OK) {
        fprintf(stderr, "bench_train_ops: %s\n", err.text);
        exit(EXIT_FAILURE);
    }
    w.src = bench_random(n_src, -1.0f, 1.0f);
    w.wei = bench_random(n_wei, -0.1f, 0.1f);
    w.ddst = bench_random(n_dst, -1.0f, 1.0f);
    w.dst = bench_take(n_dst);
    w.dsrc = bench_take(n_src);
    w.dwei = bench_take(n_wei);
    w.scratch = bench_take(drae__conv_op_scratch_bytes(w.op) / sizeof(float) + 1);
    conv_fwd(&w);
    conv_bwd_data(&w);
    conv_bwd_weights(&w);
    /* <dst, ddst> is linear in src and in wei, and its gradients are what backward computes. */
    double form = dot(w.dst, w.ddst, n_dst), scale = sqrt(dot(w.dst, w.dst, n_dst) * (double)n_dst);
    size_t small = shape->transposed ? n_src : n_dst; /* every weight meets the smaller side */
    double per_channel = (double)small / (shape->transposed ? shape->c_in : shape->c_out);
    bench_operation op = {.flops = 2.0 * (double)n_wei * per_channel,
                          .bytes = 4.0 * (double)(n_src + n_dst + n_wei),
                          .bound = 1e-4,
                          .work = &w};
    (void)snprintf(op.shape, sizeof op.shape, "%dx%d^2>%dx%d^2 k%d/%d%s", shape->c_in, shape->h_in,
                   shape->c_out, out, shape->k, shape->stride,
                   shape->transposed ? " transposed" : "");
    const struct {
        const char *name;
        void (*run)(void *work);
        double error;
    } passes[] = {
        {"conv_fwd", conv_fwd, probe_fwd(&w)},
        {"conv_bwd_data", conv_bwd_data, fabs(dot(w.src, w.dsrc, n_src) - form) / scale},
        {"conv_bwd_weights", conv_bwd_weights, fabs(dot(w.wei, w.dwei, n_wei) - form) / scale}};
    for (size_t i = 0; i < sizeof passes / sizeof passes[0]; i++) {
        op.name = passes[i].name;
        op.run = passes[i].run;
        op.error = w.status == DRAE_OK ? passes[i].error : (double)NAN;
        bench_time(s, &op);
    }
    drae__conv_op_destroy(w.op);
    float *const all[] = {w.src, w.wei, w.ddst, w.dst, w.dsrc, w.dwei, w.scratch};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        free(all[i]);
    }
}

/* Every shape of the network once. */
void bench_convs(const bench_settings *s, const drae__arch *arch) {
    enum { SHAPES_MAX = 2 + 2 * DRAE__BLOCKS * 3 };
    drae__conv_shape shapes[SHAPES_MAX] = {
        {(int)s->batch, arch->size, arch->size, 1, arch->width, 3, 1, 1, false},
        {(int)s->batch, arch->size, arch->size, arch->width, 1, 3, 1, 1, false}};
    int n = 2;
    for (int half = DRAE__HALF_ENCODER; half <= DRAE__HALF_DECODER; half++) {
        drae__block blocks[DRAE__BLOCKS];
        drae__arch_blocks(arch, (drae__half)half, blocks);
        for (int i = 0; i < DRAE__BLOCKS; i++) {
            drae__convs_shapes(&blocks[i], (int)s->batch, shapes + n);
            for (int end = n + 3, k = n; k < end; k++) {
                int known = 0;
                while (known < n && memcmp(&shapes[known], &shapes[k], sizeof shapes[k]) != 0) {
                    known++;
                }
                if (known == n && shapes[k].k != 0) {
                    shapes[n++] = shapes[k];
                }
            }
        }
    }
    for (int i = 0; i < n; i++) {
        bench_conv(s, &shapes[i]);
    }
}
