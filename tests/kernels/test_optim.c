/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/kernels/suites.h"
#include "tests/kernels/testutil.h"

#include "kernels/optim.h"

#include <math.h>
#include <string.h>

static const size_t sizes[] = {1, 15, 16, 17, 63, 64, 65, 1031, 16384, 16385, 70001};
#define N_SIZES (int)(sizeof sizes / sizeof sizes[0])

START_TEST(squares_of_integers_are_exact) {
    size_t n = sizes[_i];
    t_begin("sum_squares n=%zu", n);
    t_pair src = t_integers(n, 1, 1000);
    t_near("sum", drae__cpu_sum_squares(n, src.f), drae__ref_sum_squares(n, src.d), 0.0);
    t_pair real = t_uniform(n, 2, -1.0f, 1.0f);
    double expected = drae__ref_sum_squares(n, real.d);
    t_near("real sum", drae__cpu_sum_squares(n, real.f), expected, 1e-15 * (double)n * expected);
    t_end();
}
END_TEST

typedef struct state {
    size_t n;
    int64_t t;
    t_pair grad, m, v, param;
    double sum;
} state;

static state make(size_t n, int64_t t) {
    state s = {.n = n, .t = t};
    s.grad = t_uniform(n, 1, -0.1f, 0.1f);
    s.m = t_uniform(n, 2, -0.1f, 0.1f);
    s.v = t_uniform(n, 3, 1e-4f, 1e-2f);
    s.param = t_uniform(n, 4, -1.0f, 1.0f);
    return s;
}

static const double lr = 1.5e-4, b1 = 0.5, b2 = 0.999, eps = 1e-8, grad_scale = 0.37;

static void step(void *context) {
    state *s = context;
    drae__cpu_adam(s->n, lr, b1, b2, eps, s->t, grad_scale, s->grad.f, s->m.f, s->v.f, s->param.f);
    s->sum = drae__cpu_sum_squares(s->n, s->param.f);
}

START_TEST(adam_is_close) {
    static const int64_t times[] = {1, 2, 10, 100000};
    size_t n = sizes[_i];
    for (int k = 0; k < 4; k++) {
        t_begin("adam n=%zu t=%lld", n, (long long)times[k]);
        state s = make(n, times[k]);
        step(&s);
        drae__ref_adam(n, lr, b1, b2, eps, times[k], grad_scale, s.grad.d, s.m.d, s.v.d, s.param.d);
        t_within_all("m", s.m, 4.0 * T_EPS * 0.1);
        t_within_all("v", s.v, 6.0 * T_EPS * 1e-2);
        /* The parameter's own rounding, and 12 roundings of a step of at most lr |m| / sqrt(v). */
        double c1 = 1.0 - pow(b1, (double)times[k]), c2 = 1.0 - pow(b2, (double)times[k]);
        double *bound = t_f64(n);
        for (size_t i = 0; i < n; i++) {
            double update = lr * fabs(s.m.d[i]) / c1 / sqrt(s.v.d[i] / c2);
            double wobble = lr / c1 * 4.0 * T_EPS * 0.1 / sqrt(s.v.d[i] / c2); /* of m */
            bound[i] = T_EPS * fabs(s.param.d[i]) + T_EPS * update + 12.0 * T_EPS * update + wobble;
        }
        t_within("param", s.param, bound);
        t_end();
    }
}
END_TEST

/* The first step from zero moments is lr times the gradient's sign, whatever its size. */
START_TEST(adam_first_step) {
    t_begin("adam first step");
    const float grads[4] = {1.0f, -1e-4f, 300.0f, 0.0f};
    float m[4] = {0}, v[4] = {0}, param[4] = {0};
    drae__cpu_adam(4, 0.01, 0.9, 0.999, 1e-12, 1, 1.0, grads, m, v, param);
    ck_assert_float_eq_tol(param[0], -0.01f, 1e-8f);
    ck_assert_float_eq_tol(param[1], 0.01f, 1e-8f);
    ck_assert_float_eq_tol(param[2], -0.01f, 1e-8f);
    ck_assert_float_eq(param[3], 0.0f);
    t_end();
}
END_TEST

START_TEST(threads_do_not_matter) {
    const size_t n = 70001;
    t_begin("adam threads");
    state one = make(n, 3), two = make(n, 3);
    t_threads(1, step, &one);
    t_threads(2, step, &two);
    t_equal_f32("param", n, one.param.f, two.param.f);
    t_equal_f32("m", n, one.m.f, two.m.f);
    t_equal_f32("v", n, one.v.f, two.v.f);
    t_near("sum of squares", two.sum, one.sum, 0.0);
    t_end();
}
END_TEST

/* Where a piece boundary lies must not matter either: the same elements, whatever follows them. */
START_TEST(elements_are_independent) {
    t_begin("adam elements");
    state all = make(20000, 5), part = make(20000, 5);
    step(&all);
    part.n = 777;
    step(&part);
    t_equal_f32("param", 777, all.param.f, part.param.f);
    t_end();
}
END_TEST

Suite *suite_optim(void) {
    Suite *suite = suite_create("optim");
    TCase *tcase = tcase_create("optim");
    tcase_add_loop_test(tcase, squares_of_integers_are_exact, 0, N_SIZES);
    tcase_add_loop_test(tcase, adam_is_close, 0, N_SIZES);
    tcase_add_test(tcase, adam_first_step);
    tcase_add_test(tcase, threads_do_not_matter);
    tcase_add_test(tcase, elements_are_independent);
    suite_add_tcase(suite, tcase);
    return suite;
}
