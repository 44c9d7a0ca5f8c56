/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/kernels/suites.h"
#include "tests/kernels/testutil.h"

#include "kernels/pointwise.h"

#include <math.h>
#include <string.h>

/* Around the vector length, and beyond the piece that one thread takes. */
static const size_t sizes[] = {1, 2, 7, 15, 16, 17, 31, 33, 255, 1009, 16384, 16385, 50021};
#define N_SIZES (int)(sizeof sizes / sizeof sizes[0])

START_TEST(leaky_is_exact) {
    size_t n = sizes[_i];
    t_begin("leaky n=%zu", n);
    t_pair src = t_integers(n, 1, 50), ddst = t_integers(n, 2, 50);
    t_pair dst = t_result(n), dsrc = t_result(n);
    /* A slope of 1/4 keeps integers exact. */
    drae__cpu_leaky_fwd(n, 0.25f, src.f, dst.f);
    drae__ref_leaky_fwd(n, 0.25, src.d, dst.d);
    t_equal("dst", dst);
    drae__cpu_leaky_bwd(n, 0.25f, src.f, ddst.f, dsrc.f);
    drae__ref_leaky_bwd(n, 0.25, src.d, ddst.d, dsrc.d);
    t_equal("dsrc", dsrc);
    drae__cpu_leaky_fwd(n, 0.25f, src.f, src.f);
    t_equal_f32("dst in place", n, src.f, dst.f);
    t_end();
}
END_TEST

START_TEST(add_is_exact) {
    size_t n = sizes[_i];
    t_begin("add n=%zu", n);
    t_pair a = t_integers(n, 1, 1000), b = t_integers(n, 2, 1000), dst = t_result(n);
    drae__cpu_add(n, a.f, b.f, dst.f);
    drae__ref_add(n, a.d, b.d, dst.d);
    t_equal("dst", dst);
    drae__cpu_add(n, a.f, b.f, b.f);
    t_equal_f32("dst over b", n, b.f, dst.f);
    drae__cpu_add(n, a.f, a.f, a.f);
    drae__ref_add(n, a.d, a.d, a.d);
    t_equal("dst over both", a);
    t_end();
}
END_TEST

START_TEST(sigmoid_is_close) {
    size_t n = sizes[_i];
    t_begin("sigmoid n=%zu", n);
    t_pair src = t_uniform(n, 3, -20.0f, 20.0f), dst = t_result(n), dsrc = t_result(n);
    t_pair ddst = t_uniform(n, 4, -1.0f, 1.0f);
    drae__cpu_sigmoid_fwd(n, src.f, dst.f);
    drae__ref_sigmoid_fwd(n, src.d, dst.d);
    double *bound = t_f64(n);
    for (size_t i = 0; i < n; i++) {
        bound[i] = 1e-7 + 4.0 * T_EPS * dst.d[i]; /* 2 ulp + 1e-7, the contract */
    }
    t_within("dst", dst, bound);
    for (size_t i = 0; i < n; i++) {
        dst.d[i] = (double)dst.f[i];
    }
    for (int floored = 0; floored < 2; floored++) {
        drae__cpu_sigmoid_bwd(n, floored ? 0.01f : 0.0f, dst.f, ddst.f, dsrc.f);
        drae__ref_sigmoid_bwd(n, floored ? (double)0.01f : 0.0, dst.d, ddst.d, dsrc.d);
        t_within_all(floored ? "dsrc, floored" : "dsrc", dsrc, 4.0 * T_EPS * 0.25);
    }
    drae__cpu_sigmoid_fwd(n, src.f, src.f);
    t_equal_f32("dst in place", n, src.f, dst.f);
    t_end();
}
END_TEST

START_TEST(sigmoid_at_the_ends) {
    t_begin("sigmoid ends");
    const float in[] = {0.0f, -0.0f, 1e-30f, 88.0f, -88.0f, 3e38f, -3e38f, 104.0f, -104.0f, 16.6f};
    const size_t n = sizeof in / sizeof in[0];
    t_pair src = t_result(n), dst = t_result(n);
    for (size_t i = 0; i < n; i++) {
        src.f[i] = in[i];
        src.d[i] = (double)in[i];
    }
    drae__cpu_sigmoid_fwd(n, src.f, dst.f);
    drae__ref_sigmoid_fwd(n, src.d, dst.d);
    t_within_all("dst", dst, 1e-7);
    ck_assert_float_eq(dst.f[0], 0.5f);
    src.f[0] = NAN;
    src.f[1] = INFINITY;
    src.f[2] = -INFINITY;
    drae__cpu_sigmoid_fwd(3, src.f, dst.f);
    ck_assert(isnan(dst.f[0]));
    ck_assert_float_eq(dst.f[1], 1.0f);
    ck_assert(dst.f[2] >= 0.0f && dst.f[2] < 1e-7f);
    t_end();
}
END_TEST

START_TEST(bytes_become_fractions) {
    t_begin("from_u8");
    const size_t n = 256 * 70;
    unsigned char *src = t_bytes(n);
    t_pair dst = t_result(n);
    for (size_t i = 0; i < n; i++) {
        src[i] = (unsigned char)(i % 256);
        dst.d[i] = (double)((float)(i % 256) / 255.0f);
    }
    drae__cpu_from_u8(n, src, dst.f);
    t_equal("dst", dst);
    ck_assert_float_eq(dst.f[255], 1.0f);
    t_end();
}
END_TEST

typedef struct run {
    size_t n;
    float *src, *dst;
} run;

static void run_all(void *context) {
    const run *r = context;
    drae__cpu_sigmoid_fwd(r->n, r->src, r->dst);
    drae__cpu_leaky_fwd(r->n, 0.2f, r->dst, r->dst);
    drae__cpu_sigmoid_bwd(r->n, 0.01f, r->dst, r->src, r->dst);
}

START_TEST(threads_do_not_matter) {
    const size_t n = 100003;
    t_begin("pointwise threads");
    t_pair src = t_uniform(n, 9, -5.0f, 5.0f);
    run one = {n, src.f, t_f32(n)}, two = {n, src.f, t_f32(n)};
    t_threads(1, run_all, &one);
    t_threads(2, run_all, &two);
    t_equal_f32("1 and 2 threads", n, one.dst, two.dst);
    t_end();
}
END_TEST

static double weighted_sigmoid(const double *x, void *context) {
    double y;
    (void)context;
    drae__ref_sigmoid_fwd(1, x, &y);
    return 1.7 * y;
}

static double weighted_leaky(const double *x, void *context) {
    double y;
    drae__ref_leaky_fwd(1, *(const double *)context, x, &y);
    return 1.7 * y;
}

START_TEST(derivatives) {
    static const double at[] = {-2.0, -0.3, 0.4, 3.0};
    double slope = 0.2, ddst = 1.7;
    for (int i = 0; i < 4; i++) {
        double x = at[i], y, d;
        drae__ref_sigmoid_fwd(1, &x, &y);
        drae__ref_sigmoid_bwd(1, 0.0, &y, &ddst, &d);
        ck_assert_double_eq_tol(d, t_derivative(weighted_sigmoid, NULL, &x, 0, 1e-3), 1e-10);
        drae__ref_leaky_bwd(1, slope, &x, &ddst, &d);
        ck_assert_double_eq_tol(d, t_derivative(weighted_leaky, &slope, &x, 0, 1e-3), 1e-10);
    }
}
END_TEST

Suite *suite_pointwise(void) {
    Suite *suite = suite_create("pointwise");
    TCase *tcase = tcase_create("pointwise");
    tcase_add_loop_test(tcase, leaky_is_exact, 0, N_SIZES);
    tcase_add_loop_test(tcase, add_is_exact, 0, N_SIZES);
    tcase_add_loop_test(tcase, sigmoid_is_close, 0, N_SIZES);
    tcase_add_test(tcase, sigmoid_at_the_ends);
    tcase_add_test(tcase, bytes_become_fractions);
    tcase_add_test(tcase, threads_do_not_matter);
    tcase_add_test(tcase, derivatives);
    suite_add_tcase(suite, tcase);
    return suite;
}
