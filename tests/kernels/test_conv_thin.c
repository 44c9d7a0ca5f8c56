/* SPDX-License-Identifier: Apache-2.0 */
/* The kernels of the first and last layers against the general oracle. */
#include "tests/kernels/conv_case.h"
#include "tests/kernels/suites.h"

#include "kernels/cpu/conv_thin.h"

#include <string.h>

typedef struct shape {
    int n, h, w, c;
} shape;

/* Widths around the span of 256 pixels, one pixel, one row, one column, networks of size 32, 48. */
static const shape shapes[] = {{1, 1, 1, 8},    {2, 1, 7, 16},  {1, 7, 1, 24},   {3, 5, 3, 8},
                               {2, 9, 13, 40},  {1, 3, 255, 8}, {1, 2, 256, 16}, {1, 3, 257, 8},
                               {1, 2, 515, 24}, {2, 32, 32, 8}, {3, 48, 48, 8},  {1, 17, 2, 128}};
#define N_SHAPES (int)(sizeof shapes / sizeof shapes[0])

/* The oracle's weights [c,9] of the layer thin -> wide, or wide -> thin, as taps [9,c]. */
static float *taps_of(t_pair wei, size_t c, bool turned) {
    float *taps = t_f32(9 * c);
    for (size_t i = 0; i < c; i++) {
        for (size_t t = 0; t < 9; t++) {
            taps[(turned ? 8 - t : t) * c + i] = wei.f[i * 9 + t];
        }
    }
    return taps;
}

/* Turns a [9,c] result back into the oracle's order. */
static t_pair weights_of(t_pair dwei, const float *taps, size_t c, bool turned) {
    for (size_t i = 0; i < c; i++) {
        for (size_t t = 0; t < 9; t++) {
            dwei.f[i * 9 + t] = taps[(turned ? 8 - t : t) * c + i];
        }
    }
    return dwei;
}

/* All three passes of the stem (thin -> wide) or of the out layer (wide -> thin). */
static void passes(conv_case *c, bool stem) {
    const drae__conv_shape *s = &c->s;
    int wide = s->c_in * s->c_out;
    size_t w = (size_t)wide;
    float *ahead = taps_of(c->wei, w, false), *back = taps_of(c->wei, w, true);
    float *gradient = t_f32(9 * w);
    void *scratch = t_bytes(drae__cpu_thin_scratch_bytes(wide));
    if (stem) {
        drae__cpu_thin_expand(s->n, s->h_in, s->w_in, wide, c->src.f, ahead, c->dst.f);
        drae__cpu_thin_reduce(s->n, s->h_in, s->w_in, wide, c->ddst.f, back, 0.0f, c->dsrc.f);
        drae__cpu_thin_correlate(s->n, s->h_in, s->w_in, wide, c->src.f, c->ddst.f, gradient,
                                 scratch);
    } else {
        drae__cpu_thin_reduce(s->n, s->h_in, s->w_in, wide, c->src.f, ahead, c->bias.f[0],
                              c->dst.f);
        drae__cpu_thin_expand(s->n, s->h_in, s->w_in, wide, c->ddst.f, back, c->dsrc.f);
        drae__cpu_thin_correlate(s->n, s->h_in, s->w_in, wide, c->ddst.f, c->src.f, gradient,
                                 scratch);
    }
    c->dwei = weights_of(c->dwei, gradient, w, !stem);
}

static drae__conv_shape layer(const shape *s, bool stem) {
    drae__conv_shape full = {s->n, s->h, s->w, stem ? 1 : s->c, stem ? s->c : 1, 3, 1, 1, false};
    return full;
}

static conv_case start(const char *word, int i, bool stem, int limit) {
    drae__conv_shape full = layer(&shapes[i], stem);
    conv_begin(word, &full);
    conv_case c = conv_make(&full, limit);
    if (stem) { /* the kernel has no bias there */
        memset(c.bias.f, 0, c.bias.n * sizeof(float));
        memset(c.bias.d, 0, c.bias.n * sizeof(double));
    }
    return c;
}

static void exact(int i, bool stem) {
    conv_case c = start("thin exact", i, stem, 3);
    passes(&c, stem);
    conv_expect(&c);
    t_equal("dst", c.dst);
    t_equal("dsrc", c.dsrc);
    t_equal("dwei", c.dwei);
    t_end();
}

static void bounded(int i, bool stem) {
    conv_case c = start("thin bounded", i, stem, 0);
    passes(&c, stem);
    conv_expect(&c);
    conv_bounds(&c, 0.0);
    t_within("dst", c.dst, c.dst_bound);
    t_within("dsrc", c.dsrc, c.dsrc_bound);
    t_within("dwei", c.dwei, c.dwei_bound);
    t_end();
}

START_TEST(integers_are_exact) {
    exact(_i, true);
    exact(_i, false);
}
END_TEST

START_TEST(reals_are_bounded) {
    bounded(_i, true);
    bounded(_i, false);
}
END_TEST

static void run_stem(void *context) {
    passes(context, true);
}

static void run_out(void *context) {
    passes(context, false);
}

START_TEST(threads_do_not_matter) {
    for (int stem = 0; stem < 2; stem++) {
        conv_case one = start("thin threads", _i, stem == 1, 0);
        conv_case two = conv_make(&one.s, 0);
        t_threads(1, stem == 1 ? run_stem : run_out, &one);
        t_threads(2, stem == 1 ? run_stem : run_out, &two);
        t_equal_f32("dst", one.dst.n, one.dst.f, two.dst.f);
        t_equal_f32("dsrc", one.dsrc.n, one.dsrc.f, two.dsrc.f);
        t_equal_f32("dwei", one.dwei.n, one.dwei.f, two.dwei.f);
        t_end();
    }
}
END_TEST

Suite *suite_conv_thin(void) {
    Suite *suite = suite_create("thin convolutions");
    TCase *tcase = tcase_create("thin convolutions");
    tcase_add_loop_test(tcase, integers_are_exact, 0, N_SHAPES);
    tcase_add_loop_test(tcase, reals_are_bounded, 0, N_SHAPES);
    tcase_add_loop_test(tcase, threads_do_not_matter, 0, N_SHAPES);
    suite_add_tcase(suite, tcase);
    return suite;
}
