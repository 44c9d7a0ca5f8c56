/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Times the operations of a training step one by one, in the shapes of a real network: convolutions
 * (forward, backward to data and to weights), bn_act, SSIM with gradient, linear, Adam. Each result
 * is checked before it is timed. One JSON object a line: ms (least and median of SAMPLES), the
 * floor (flops over the measured multiply-add peak, or bytes that must move over the measured
 * bandwidth, whichever is longer) and the share of it that is reached.
 *
 *     bench_train_ops [--width N] [--size N] [--batch N] [--threads N]
 */
#include "bench/measure.h"
#include "kernels/bn_act.h"
#include "kernels/linear.h"
#include "kernels/optim.h"
#include "kernels/ssim.h"
#include "model/params.h"

#include <omp.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct work {
    size_t m, c, n_in, n_out; /* rows and channels; units of a dense layer */
    int n, size;              /* images */
    const float *x, *y, *gamma, *beta, *wei;
    float *a, *b, *c1, *c2, *dst;
    void *scratch;
} work;

static void bn_fwd(void *p) {
    const work *w = p;
    drae__cpu_bn_act_fwd(w->m, w->c, 1e-5f, 0.2f, 0.1f, w->x, w->gamma, w->beta, w->c1, w->c2, NULL,
                         NULL, w->dst);
}

static void bn_bwd(void *p) {
    const work *w = p;
    drae__cpu_bn_act_bwd(w->m, w->c, 0.2f, w->x, w->gamma, w->beta, w->c1, w->c2, w->y, NULL,
                         w->dst, w->a, w->b);
}

static void bench_bn_act(const bench_settings *s, int side, int c) {
    size_t m = (size_t)s->batch * (size_t)side * (size_t)side, k = (size_t)c, n = m * k;
    float *x = bench_random(n, -1.0f, 1.0f), *dy = bench_random(n, -1.0f, 1.0f);
    float *gamma = bench_random(k, 0.5f, 1.5f), *beta = bench_take(k);
    for (size_t i = 0; i < k; i++) { /* away from the kink, where rounding chooses the side */
        beta[i] = i % 2 == 0 ? 4.0f : -4.0f;
    }
    float *room = bench_take(n + 4 * k);
    work w = {.m = m,
              .c = k,
              .x = x,
              .y = dy,
              .gamma = gamma,
              .beta = beta,
              .dst = room,
              .c1 = room + n,
              .c2 = room + n + k,
              .a = room + n + 2 * k,
              .b = room + n + 3 * k};
    double *dx = bench_doubles(x, n), *ddy = bench_doubles(dy, n), *dg = bench_doubles(gamma, k);
    double *db = bench_doubles(beta, k), *mean = bench_doubles(NULL, 4 * k),
           *want = bench_doubles(NULL, n);
    bn_fwd(&w);
    drae__ref_bn_act_fwd(m, k, 1e-5, (double)0.2f, 0.1, dx, dg, db, mean, mean + k, NULL, NULL,
                         want);
    bench_operation op = {.name = "bn_act_fwd",
                          .run = bn_fwd,
                          .work = &w,
                          .bound = 1e-4,
                          .bytes =
                              3.0 * sizeof(float) * (double)n, /* read for the sums, read, write */
                          .error = bench_error(w.dst, want, n)};
    (void)snprintf(op.shape, sizeof op.shape, "%zux%d", m, c);
    bench_time(s, &op);
    bn_bwd(&w);
    drae__ref_bn_act_bwd(m, k, (double)0.2f, dx, dg, db, mean, mean + k, ddy, NULL, want,
                         mean + 2 * k, mean + 3 * k);
    op.name = "bn_act_bwd";
    op.run = bn_bwd;
    op.bytes = 5.0 * sizeof(float) * (double)n; /* both operands twice, one result */
    op.error = fmax(bench_error(w.dst, want, n),
                    fmax(bench_error(w.a, mean + 2 * k, k), bench_error(w.b, mean + 3 * k, k)));
    bench_time(s, &op);
    double *const doubles[] = {dx, ddy, dg, db, mean, want};
    for (size_t i = 0; i < sizeof doubles / sizeof doubles[0]; i++) {
        free(doubles[i]);
    }
    free(x);
    free(dy);
    free(gamma);
    free(beta);
    free(room);
}

static void ssim_grad(void *p) {
    const work *w = p;
    drae__cpu_ssim_grad(DRAE__SSIM_GAUSSIAN, w->n, w->size, 1.0f, w->x, w->y, w->a, w->dst,
                        w->scratch);
}

static void bench_ssim(const bench_settings *s) {
    size_t pixels = (size_t)s->size * (size_t)s->size, n = pixels * (size_t)s->batch;
    float *x = bench_random(n, 0.3f, 0.7f), *y = bench_random(n, 0.3f, 0.7f);
    work w = {.n = (int)s->batch,
              .size = (int)s->size,
              .x = x,
              .y = y,
              .dst = bench_take(n),
              .a = bench_take((size_t)s->batch)};
    w.scratch =
        bench_take(drae__cpu_ssim_scratch_bytes(w.size) * (size_t)s->threads / sizeof(float) + 1);
    double *dx = bench_doubles(x, pixels), *dy = bench_doubles(y, pixels),
           *want = bench_doubles(NULL, pixels);
    ssim_grad(&w);
    drae__ref_ssim_bwd(DRAE__SSIM_GAUSSIAN, w.size, dx, dy, want);
    /* five moments and three gradients, two axes of 11 taps each */
    bench_operation op = {.name = "ssim_grad",
                          .run = ssim_grad,
                          .work = &w,
                          .bound = 1e-3,
                          .flops = 8.0 * 2.0 * 2.0 * DRAE__SSIM_SIDE * (double)n,
                          .bytes = 3.0 * sizeof(float) * (double)n,
                          .error = bench_error(w.dst, want, pixels)};
    (void)snprintf(op.shape, sizeof op.shape, "%ldx%ld^2", s->batch, s->size);
    bench_time(s, &op);
    free(dx);
    free(dy);
    free(want);
    free(x);
    free(y);
    free(w.dst);
    free(w.a);
    free(w.scratch);
}

static void linear_fwd(void *p) {
    const work *w = p;
    drae__cpu_linear_fwd(w->m, w->n_in, w->n_out, w->x, w->wei, w->beta, w->dst);
}

static void linear_bwd(void *p) {
    const work *w = p;
    drae__cpu_linear_bwd(w->m, w->n_in, w->n_out, w->x, w->wei, w->y, w->a, w->b, w->c1);
}

static void bench_linear(const bench_settings *s, size_t n_in, size_t n_out) {
    size_t m = (size_t)s->batch, n_src = m * n_in, n_dst = m * n_out, n_wei = n_in * n_out;
    float *x = bench_random(n_src, -1.0f, 1.0f), *wei = bench_random(n_wei, -0.1f, 0.1f);
    float *dy = bench_random(n_dst, -1.0f, 1.0f), *bias = bench_random(n_out, -1.0f, 1.0f);
    float *room = bench_take(n_dst + n_src + n_wei + n_out);
    work w = {.m = m,
              .n_in = n_in,
              .n_out = n_out,
              .x = x,
              .y = dy,
              .wei = wei,
              .beta = bias,
              .dst = room,
              .a = room + n_dst,
              .b = room + n_dst + n_src,
              .c1 = room + n_dst + n_src + n_wei};
    double *dx = bench_doubles(x, n_src), *dw = bench_doubles(wei, n_wei),
           *ddy = bench_doubles(dy, n_dst);
    double *db = bench_doubles(bias, n_out), *want = bench_doubles(NULL, n_dst + n_src + n_wei);
    linear_fwd(&w);
    linear_bwd(&w);
    drae__ref_linear_fwd(m, n_in, n_out, dx, dw, db, want);
    drae__ref_linear_bwd(m, n_in, n_out, dx, dw, ddy, want + n_dst, want + n_dst + n_src, NULL);
    bench_operation op = {.name = "linear_fwd",
                          .run = linear_fwd,
                          .work = &w,
                          .bound = 1e-4,
                          .flops = 2.0 * (double)(m * n_wei),
                          .bytes = sizeof(float) * (double)(n_src + n_dst + n_wei),
                          .error = bench_error(w.dst, want, n_dst)};
    (void)snprintf(op.shape, sizeof op.shape, "%zux%zu>%zu", m, n_in, n_out);
    bench_time(s, &op);
    op.name = "linear_bwd";
    op.run = linear_bwd;
    op.flops *= 2.0;
    op.bytes = sizeof(float) * (double)(2 * n_src + n_dst + 2 * n_wei);
    op.error =
        fmax(bench_error(w.a, want + n_dst, n_src), bench_error(w.b, want + n_dst + n_src, n_wei));
    bench_time(s, &op);
    double *const doubles[] = {dx, dw, ddy, db, want};
    for (size_t i = 0; i < sizeof doubles / sizeof doubles[0]; i++) {
        free(doubles[i]);
    }
    free(x);
    free(wei);
    free(dy);
    free(bias);
    free(room);
}

static void adam(void *p) {
    const work *w = p;
    drae__cpu_adam(w->m, 1e-4, 0.5, 0.999, 1e-8, 1, 1.0, w->x, w->a, w->b, w->dst);
}

static void bench_adam(const bench_settings *s, size_t n) {
    float *grad = bench_random(n, -1.0f, 1.0f), *param = bench_random(n, -1.0f, 1.0f);
    work w = {.m = n, .x = grad, .a = bench_take(n), .b = bench_take(n), .dst = param};
    double *dg = bench_doubles(grad, n), *dp = bench_doubles(param, n),
           *m = bench_doubles(NULL, 2 * n);
    adam(&w);
    drae__ref_adam(n, 1e-4, 0.5, 0.999, 1e-8, 1, 1.0, dg, m, m + n, dp);
    bench_operation op = {.name = "adam",
                          .run = adam,
                          .work = &w,
                          .bound = 1e-5,
                          .bytes = 7.0 * sizeof(float) * (double)n, /* four read, three written */
                          .error = bench_error(param, dp, n)};
    (void)snprintf(op.shape, sizeof op.shape, "%zu", n);
    bench_time(s, &op);
    free(dg);
    free(dp);
    free(m);
    free(grad);
    free(param);
    free(w.a);
    free(w.b);
}

/* ---- the program ---- */

static bool read_settings(int argc, char **argv, bench_settings *s) {
    const struct {
        const char *name;
        long *value;
    } options[] = {{"--width", &s->width},
                   {"--size", &s->size},
                   {"--batch", &s->batch},
                   {"--threads", &s->threads}};
    for (int i = 1; i < argc; i += 2) {
        size_t k = 0, n = sizeof options / sizeof options[0];
        while (k < n && strcmp(argv[i], options[k].name) != 0) {
            k++;
        }
        if (k == n || i + 1 == argc) {
            return false;
        }
        *options[k].value = strtol(argv[i + 1], NULL, 10);
    }
    return s->batch >= 1 && s->threads >= 1;
}

int main(int argc, char **argv) {
    bench_settings s = {.width = 8, .size = 256, .batch = 16, .threads = omp_get_num_procs()};
    drae__arch arch = drae__arch_default();
    drae__params generator;
    drae__err err = {{0}};
    bool read = read_settings(argc, argv, &s);
    arch.width = (int)s.width;
    arch.size = (int)s.size;
    if (!read || drae__arch_check(&arch, &err) != DRAE_OK ||
        drae__params_create(&arch, DRAE__NET_GENERATOR, &generator, &err) != DRAE_OK) {
        fprintf(stderr, "bench_train_ops: %s\n", read ? err.text : "see the head of train_ops.c");
        return 2;
    }
    omp_set_num_threads((int)s.threads);
    s.peak = bench_peak(s.threads);
    printf("{\"bench\":\"train_ops\",\"op\":\"machine\",\"threads\":%ld,\"peak_gflops\":%.1f}\n",
           s.threads, 1e-9 * s.peak);
    bench_convs(&s, &arch);
    for (int stage = 0; stage < DRAE__STAGES; stage++) {
        bench_bn_act(&s, arch.size >> stage, drae__arch_channels(&arch, stage));
    }
    bench_ssim(&s);
    bench_linear(&s, drae__arch_small_elems(&arch), (size_t)arch.latent);
    bench_linear(&s, (size_t)arch.latent, drae__arch_small_elems(&arch));
    bench_adam(&s, generator.total);
    drae__params_free(&generator);
    return EXIT_SUCCESS;
}
