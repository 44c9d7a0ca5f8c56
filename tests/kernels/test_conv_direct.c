/* SPDX-License-Identifier: Apache-2.0 */
/* The direct convolutions against the oracle, where the machine has AVX-512. */
#include "tests/kernels/conv_case.h"
#include "tests/kernels/suites.h"

#include "kernels/cpu/conv_direct.h"

#include <string.h>

/* n, h, w, c_in, c_out: one pixel, tiles of 16 and 32 pixels +- 1, tasks of 32 rows +- 1, steps of
 * 2 to 8 rows, more chunks than rows and fewer, channels 8 to 40. */
static const int shapes[][5] = {{1, 1, 1, 8, 8},    {1, 7, 15, 8, 8},   {2, 5, 16, 8, 16},
                                {1, 33, 17, 16, 8}, {2, 31, 31, 8, 8},  {1, 32, 32, 16, 16},
                                {1, 9, 33, 24, 8},  {3, 65, 47, 8, 24}, {1, 6, 48, 40, 16},
                                {2, 3, 257, 8, 8},  {1, 5, 512, 8, 8},  {1, 1, 64, 8, 8},
                                {5, 2, 3, 16, 8},   {1, 40, 1, 8, 8},   {3, 16, 16, 32, 32}};
#define N_SHAPES (int)(sizeof shapes / sizeof shapes[0])

typedef struct direct_run {
    conv_case *c;
    int threads;
} direct_run;

static void run(const direct_run *r) {
    conv_case *c = r->c;
    const drae__conv_shape *s = &c->s;
    int t = r->threads;
    void *fwd = t_bytes(drae__cpu_direct_map_scratch_bytes(s->w_in, s->c_in, s->c_out, t));
    void *back = t_bytes(drae__cpu_direct_map_scratch_bytes(s->w_in, s->c_out, s->c_in, t));
    void *wei = t_bytes(drae__cpu_direct_weights_scratch_bytes(s->w_in, s->c_in, s->c_out, t));
    drae__cpu_direct_map(s->n, s->h_in, s->w_in, s->c_in, s->c_out, false, c->src.f, c->wei.f,
                         c->dst.f, fwd, t);
    drae__cpu_direct_map(s->n, s->h_in, s->w_in, s->c_out, s->c_in, true, c->ddst.f, c->wei.f,
                         c->dsrc.f, back, t);
    drae__cpu_direct_weights(s->n, s->h_in, s->w_in, s->c_in, s->c_out, c->src.f, c->ddst.f,
                             c->dwei.f, wei, t);
}

static conv_case start(const char *word, int i, int limit) {
    const int *k = shapes[i];
    drae__conv_shape s = {k[0], k[1], k[2], k[3], k[4], 3, 1, 1, false};
    conv_begin(word, &s);
    conv_case c = conv_make(&s, limit);
    memset(c.bias.d, 0, c.bias.n * sizeof(double)); /* these kernels have none */
    return c;
}

START_TEST(integers_are_exact) {
    if (!drae__cpu_direct_usable()) {
        return;
    }
    conv_case c = start("direct exact", _i, 3);
    direct_run r = {&c, 2};
    run(&r);
    conv_expect(&c);
    t_equal("dst", c.dst);
    t_equal("dsrc", c.dsrc);
    t_equal("dwei", c.dwei);
    t_end();
}
END_TEST

START_TEST(reals_are_bounded) {
    if (!drae__cpu_direct_usable()) {
        return;
    }
    conv_case c = start("direct bounded", _i, 0);
    direct_run r = {&c, 2};
    run(&r);
    conv_expect(&c);
    conv_bounds(&c, 0.0);
    t_within("dst", c.dst, c.dst_bound);
    t_within("dsrc", c.dsrc, c.dsrc_bound);
    t_within("dwei", c.dwei, c.dwei_bound);
    t_end();
}
END_TEST

START_TEST(threads_do_not_matter) {
    if (!drae__cpu_direct_usable()) {
        return;
    }
    conv_case one = start("direct threads", _i, 0), two = conv_make(&one.s, 0);
    direct_run r1 = {&one, 1}, r2 = {&two, 3};
    run(&r1);
    run(&r2);
    t_equal_f32("dst", one.dst.n, one.dst.f, two.dst.f);
    t_equal_f32("dsrc", one.dsrc.n, one.dsrc.f, two.dsrc.f);
    t_equal_f32("dwei", one.dwei.n, one.dwei.f, two.dwei.f);
    t_end();
}
END_TEST

Suite *suite_conv_direct(void) {
    Suite *suite = suite_create("direct convolutions");
    TCase *tcase = tcase_create("direct convolutions");
    tcase_add_loop_test(tcase, integers_are_exact, 0, N_SHAPES);
    tcase_add_loop_test(tcase, reals_are_bounded, 0, N_SHAPES);
    tcase_add_loop_test(tcase, threads_do_not_matter, 0, N_SHAPES);
    suite_add_tcase(suite, tcase);
    return suite;
}
