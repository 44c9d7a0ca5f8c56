/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/kernels/suites.h"
#include "tests/kernels/testutil.h"

#include "kernels/linear.h"

#include <math.h>
#include <string.h>

typedef struct shape {
    size_t n, in, out;
} shape;

/* Tile edges (4 rows, 16 lanes, 64 columns, 512 sums, 2048 inputs), and the network's layers at
 * w = 8, size 32 and 48: 256 and 576 to 64 and back, the logit. */
static const shape shapes[] = {
    {1, 1, 1},    {1, 16, 4},     {3, 17, 5},    {4, 15, 3},    {5, 63, 7},     {2, 64, 8},
    {7, 65, 9},   {4, 129, 33},   {33, 31, 64},  {3, 511, 4},   {2, 2047, 5},   {2, 2049, 6},
    {5, 70, 513}, {3, 130, 1030}, {600, 20, 11}, {2, 256, 64},  {2, 64, 256},   {3, 576, 64},
    {3, 64, 576}, {2, 256, 1},    {9, 576, 1},   {4, 4100, 12}, {32, 1024, 64}, {32, 64, 1024}};
#define N_SHAPES (int)(sizeof shapes / sizeof shapes[0])

typedef struct tensors {
    shape s;
    t_pair src, wei, bias, dst, ddst, dsrc, dwei, dbias;
} tensors;

typedef t_pair (*filler)(size_t n, uint64_t seed);

static t_pair small_integers(size_t n, uint64_t seed) {
    return t_integers(n, seed, 3);
}

static t_pair uniform(size_t n, uint64_t seed) {
    return t_uniform(n, seed, -1.0f, 1.0f);
}

static tensors make(const shape *s, filler fill) {
    tensors t = {.s = *s};
    t.src = fill(s->n * s->in, 1);
    t.wei = fill(s->out * s->in, 2);
    t.bias = fill(s->out, 3);
    t.ddst = fill(s->n * s->out, 4);
    t.dst = t_result(s->n * s->out);
    t.dsrc = t_result(s->n * s->in);
    t.dwei = t_result(s->out * s->in);
    t.dbias = t_result(s->out);
    return t;
}

static void run(void *context) {
    tensors *t = context;
    drae__cpu_linear_fwd(t->s.n, t->s.in, t->s.out, t->src.f, t->wei.f, t->bias.f, t->dst.f);
    drae__cpu_linear_bwd(t->s.n, t->s.in, t->s.out, t->src.f, t->wei.f, t->ddst.f, t->dsrc.f,
                         t->dwei.f, t->dbias.f);
}

static void run_ref(tensors *t) {
    drae__ref_linear_fwd(t->s.n, t->s.in, t->s.out, t->src.d, t->wei.d, t->bias.d, t->dst.d);
    drae__ref_linear_bwd(t->s.n, t->s.in, t->s.out, t->src.d, t->wei.d, t->ddst.d, t->dsrc.d,
                         t->dwei.d, t->dbias.d);
}

START_TEST(integers_are_exact) {
    const shape *s = &shapes[_i];
    t_begin("linear integers n=%zu in=%zu out=%zu", s->n, s->in, s->out);
    tensors t = make(s, small_integers);
    run(&t);
    run_ref(&t);
    t_equal("dst", t.dst);
    t_equal("dsrc", t.dsrc);
    t_equal("dwei", t.dwei);
    t_equal("dbias", t.dbias);
    t_end();
}
END_TEST

static void absolute(t_pair p) {
    for (size_t i = 0; i < p.n; i++) {
        p.d[i] = fabs(p.d[i]);
    }
}

/* |error| <= length * eps * sum |a||b|, the sums by the oracle on absolute values. */
static void bounded(const char *what, t_pair result, const double *sums, size_t length) {
    double *bound = t_f64(result.n);
    for (size_t i = 0; i < result.n; i++) {
        bound[i] = (double)(length + 2) * T_EPS * sums[i];
    }
    t_within(what, result, bound);
}

START_TEST(reals_are_bounded) {
    const shape *s = &shapes[_i];
    t_begin("linear reals n=%zu in=%zu out=%zu", s->n, s->in, s->out);
    tensors t = make(s, uniform), a = make(s, uniform);
    run(&t);
    run_ref(&t);
    absolute(a.src);
    absolute(a.wei);
    absolute(a.bias);
    absolute(a.ddst);
    run_ref(&a);
    bounded("dst", t.dst, a.dst.d, s->in);
    bounded("dsrc", t.dsrc, a.dsrc.d, s->out);
    bounded("dwei", t.dwei, a.dwei.d, s->n);
    bounded("dbias", t.dbias, a.dbias.d, 1);
    t_end();
}
END_TEST

START_TEST(threads_do_not_matter) {
    const shape *s = &shapes[_i];
    t_begin("linear threads n=%zu in=%zu out=%zu", s->n, s->in, s->out);
    tensors one = make(s, uniform), two = make(s, uniform);
    t_threads(1, run, &one);
    t_threads(2, run, &two);
    t_equal_f32("dst", one.dst.n, one.dst.f, two.dst.f);
    t_equal_f32("dsrc", one.dsrc.n, one.dsrc.f, two.dsrc.f);
    t_equal_f32("dwei", one.dwei.n, one.dwei.f, two.dwei.f);
    t_equal_f32("dbias", one.dbias.n, one.dbias.f, two.dbias.f);
    t_end();
}
END_TEST

START_TEST(results_not_wanted) {
    const shape s = {3, 70, 6};
    t_begin("linear NULL");
    tensors t = make(&s, small_integers), u = make(&s, small_integers);
    run(&t);
    drae__cpu_linear_bwd(s.n, s.in, s.out, u.src.f, u.wei.f, u.ddst.f, u.dsrc.f, NULL, NULL);
    t_equal_f32("dsrc alone", u.dsrc.n, u.dsrc.f, t.dsrc.f);
    drae__cpu_linear_bwd(s.n, s.in, s.out, u.src.f, u.wei.f, u.ddst.f, NULL, u.dwei.f, NULL);
    t_equal_f32("dwei alone", u.dwei.n, u.dwei.f, t.dwei.f);
    drae__cpu_linear_bwd(s.n, s.in, s.out, u.src.f, u.wei.f, u.ddst.f, NULL, NULL, u.dbias.f);
    t_equal_f32("dbias alone", u.dbias.n, u.dbias.f, t.dbias.f);
    memset(t.bias.f, 0, t.bias.n * sizeof(float));
    run(&t);
    drae__cpu_linear_fwd(s.n, s.in, s.out, u.src.f, u.wei.f, NULL, u.dst.f);
    t_equal_f32("no bias", u.dst.n, u.dst.f, t.dst.f);
    t_end();
}
END_TEST

START_TEST(layouts_are_transposes) {
    static const size_t cases[][3] = {
        {1, 1, 8}, {2, 4, 64}, {3, 9, 64}, {2, 255, 17}, {1, 256, 128}};
    for (size_t k = 0; k < sizeof cases / sizeof cases[0]; k++) {
        size_t n = cases[k][0], hw = cases[k][1], c = cases[k][2], total = n * hw * c;
        t_begin("layout n=%zu hw=%zu c=%zu", n, hw, c);
        t_pair src = t_uniform(total, k, -1.0f, 1.0f);
        float *flat = t_f32(total), *back = t_f32(total);
        drae__cpu_nhwc_to_nchw(n, hw, c, src.f, flat);
        for (size_t i = 0; i < total; i++) {
            size_t image = i / (hw * c), channel = i / hw % c, pixel = i % hw;
            ck_assert_msg(flat[i] == src.f[(image * hw + pixel) * c + channel], "%s: element %zu",
                          t_name(), i);
        }
        drae__cpu_nchw_to_nhwc(n, hw, c, flat, back);
        t_equal_f32("there and back", total, back, src.f);
        t_end();
    }
}
END_TEST

/* ---- the oracle's gradient ---- */

enum { FN = 2, FI = 3, FO = 4 };

typedef struct gradient_case {
    const double *src, *wei, *bias, *weight;
} gradient_case;

static double loss(const double *src, const double *wei, const double *bias, const double *weight) {
    double dst[FN * FO], sum = 0.0;
    drae__ref_linear_fwd(FN, FI, FO, src, wei, bias, dst);
    for (int i = 0; i < FN * FO; i++) {
        sum += dst[i] * weight[i];
    }
    return sum;
}

static double loss_src(const double *x, void *context) {
    gradient_case *g = context;
    return loss(x, g->wei, g->bias, g->weight);
}

static double loss_wei(const double *x, void *context) {
    gradient_case *g = context;
    return loss(g->src, x, g->bias, g->weight);
}

static double loss_bias(const double *x, void *context) {
    gradient_case *g = context;
    return loss(g->src, g->wei, x, g->weight);
}

START_TEST(derivatives) {
    const shape s = {FN, FI, FO};
    t_begin("linear derivatives");
    tensors t = make(&s, uniform);
    run_ref(&t);
    gradient_case g = {t.src.d, t.wei.d, t.bias.d, t.ddst.d};
    for (size_t i = 0; i < t.src.n; i++) {
        t_near("dsrc", t.dsrc.d[i], t_derivative(loss_src, &g, t.src.d, i, 1e-2), 1e-11);
    }
    for (size_t i = 0; i < t.wei.n; i++) {
        t_near("dwei", t.dwei.d[i], t_derivative(loss_wei, &g, t.wei.d, i, 1e-2), 1e-11);
    }
    for (size_t i = 0; i < t.bias.n; i++) {
        t_near("dbias", t.dbias.d[i], t_derivative(loss_bias, &g, t.bias.d, i, 1e-2), 1e-11);
    }
    t_end();
}
END_TEST

Suite *suite_linear(void) {
    Suite *suite = suite_create("linear");
    TCase *tcase = tcase_create("linear");
    tcase_add_loop_test(tcase, integers_are_exact, 0, N_SHAPES);
    tcase_add_loop_test(tcase, reals_are_bounded, 0, N_SHAPES);
    tcase_add_loop_test(tcase, threads_do_not_matter, 0, N_SHAPES);
    tcase_add_test(tcase, results_not_wanted);
    tcase_add_test(tcase, layouts_are_transposes);
    tcase_add_test(tcase, derivatives);
    suite_add_tcase(suite, tcase);
    return suite;
}
