/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Batch norm with activation. Where u rounds across zero the two precisions take different
 * branches; elements whose reference |u| is below the rounding of u are held to the wider bound of
 * both branches.
 */
#include "tests/kernels/suites.h"
#include "tests/kernels/testutil.h"

#include "kernels/bn_act.h"

#include <math.h>
#include <string.h>

typedef struct shape {
    size_t m, c;
    float offset; /* of the data: what a naive variance would cancel */
} shape;

static const shape shapes[] = {
    {1, 8, 0.0f},      {2, 8, 0.0f},     {7, 8, 3.0f},    {8, 8, 0.0f},     {9, 8, 0.0f},
    {1003, 8, 0.0f},   {4099, 8, 1e3f},  {5, 16, 0.0f},   {333, 16, -7.0f}, {129, 24, 0.0f},
    {17, 32, 1.0f},    {515, 32, 0.0f},  {131, 40, 0.0f}, {67, 64, 0.0f},   {523, 64, 100.0f},
    {71, 72, 0.0f},    {65, 128, -2.0f}, {33, 256, 0.0f}, {19, 264, 0.0f},  {11, 520, 5.0f},
    {50, 1, 0.0f},     {77, 3, 0.0f},    {41, 13, 0.0f},  {9216, 8, 0.5f},  {2304, 16, 0.0f},
    {20011, 64, 10.0f}};
#define N_SHAPES (int)(sizeof shapes / sizeof shapes[0])

typedef struct tensors {
    size_t m, c;
    t_pair src, gamma, beta, mean, rstd, run_mean, run_var, dst;
    t_pair ddst, add, dsrc, dgamma, dbeta;
} tensors;

static const float eps = 1e-5f, slope = 0.2f, momentum = 0.1f;

static tensors make(const shape *s) {
    tensors t = {.m = s->m, .c = s->c};
    size_t n = s->m * s->c;
    t.src = t_uniform(n, 1, s->offset - 1.0f, s->offset + 1.0f);
    t.gamma = t_uniform(s->c, 2, 0.5f, 1.5f);
    t.beta = t_uniform(s->c, 3, -1.0f, 1.0f);
    t.mean = t_result(s->c);
    t.rstd = t_result(s->c);
    t.run_mean = t_uniform(s->c, 4, -1.0f, 1.0f);
    t.run_var = t_uniform(s->c, 5, 0.5f, 1.0f);
    t.dst = t_result(n);
    t.ddst = t_uniform(n, 6, -1.0f, 1.0f);
    t.add = t_uniform(n, 7, -1.0f, 1.0f);
    t.dsrc = t_result(n);
    t.dgamma = t_result(s->c);
    t.dbeta = t_result(s->c);
    return t;
}

static void forward(void *context) {
    tensors *t = context;
    drae__cpu_bn_act_fwd(t->m, t->c, eps, slope, momentum, t->src.f, t->gamma.f, t->beta.f,
                         t->mean.f, t->rstd.f, t->run_mean.f, t->run_var.f, t->dst.f);
}

static void backward(void *context) {
    tensors *t = context;
    drae__cpu_bn_act_bwd(t->m, t->c, slope, t->src.f, t->gamma.f, t->beta.f, t->mean.f, t->rstd.f,
                         t->ddst.f, t->add.f, t->dsrc.f, t->dgamma.f, t->dbeta.f);
}

START_TEST(forward_is_close) {
    const shape *s = &shapes[_i];
    t_begin("bn_act fwd m=%zu c=%zu offset=%g", s->m, s->c, (double)s->offset);
    tensors t = make(s);
    forward(&t);
    drae__ref_bn_act_fwd(s->m, s->c, (double)eps, (double)slope, (double)momentum, t.src.d,
                         t.gamma.d, t.beta.d, t.mean.d, t.rstd.d, t.run_mean.d, t.run_var.d,
                         t.dst.d);
    /* The mean is rounded to f32 once; sums of at most 256 shifted values lose 256 eps of 2. */
    double level = fabs((double)s->offset) + 1.0;
    t_within_all("mean", t.mean, T_EPS * (level + 256.0));
    double *bound = t_f64(s->c);
    for (size_t i = 0; i < s->c; i++) {
        /* Relative error of the variance: 256 eps of squared distances to the first row, (2 var +
         * 2 (first - mean)^2) in sum, at most 8 here; half of it in rstd. */
        double var = 1.0 / (t.rstd.d[i] * t.rstd.d[i]);
        bound[i] = t.rstd.d[i] * (2.0 * T_EPS + 0.5 * 256.0 * T_EPS * 8.0 / var);
    }
    t_within("rstd", t.rstd, bound);
    t_within_all("running mean", t.run_mean, T_EPS * (level + 256.0));
    t_within_all("running var", t.run_var, T_EPS * 256.0);
    double *each = t_f64(s->m * s->c);
    for (size_t i = 0; i < s->m * s->c; i++) {
        size_t ch = i % s->c;
        double scale = t.gamma.d[ch] * t.rstd.d[ch];
        double x = fabs(t.src.d[i] - t.mean.d[ch]);
        double mean_error = fabs((double)t.mean.f[ch] - t.mean.d[ch]);
        double scale_error = scale * (fabs((double)t.rstd.f[ch] / t.rstd.d[ch] - 1.0) + T_EPS);
        each[i] = mean_error * scale + x * scale_error + T_EPS * 4.0 * (x * scale + 1.0);
    }
    t_within("dst", t.dst, each);
    t_end();
}
END_TEST

/* Both backward passes from the same f32 statistics, so that what is compared is this pass. */
START_TEST(backward_is_close) {
    const shape *s = &shapes[_i];
    t_begin("bn_act bwd m=%zu c=%zu offset=%g", s->m, s->c, (double)s->offset);
    tensors t = make(s);
    forward(&t);
    for (size_t i = 0; i < s->c; i++) {
        t.mean.d[i] = (double)t.mean.f[i];
        t.rstd.d[i] = (double)t.rstd.f[i];
    }
    backward(&t);
    drae__ref_bn_act_bwd(s->m, s->c, (double)slope, t.src.d, t.gamma.d, t.beta.d, t.mean.d,
                         t.rstd.d, t.ddst.d, t.add.d, t.dsrc.d, t.dgamma.d, t.dbeta.d);
    /* Elements that may take the other branch, and what that costs the sums. */
    double *each = t_f64(s->m * s->c), *sum_du = t_f64(s->c), *sum_dx = t_f64(s->c);
    double *jump = t_f64(s->m * s->c);
    for (size_t i = 0; i < s->c; i++) {
        sum_du[i] = sum_dx[i] = 0.0;
    }
    for (size_t i = 0; i < s->m * s->c; i++) {
        size_t ch = i % s->c;
        double xhat = (t.src.d[i] - t.mean.d[ch]) * t.rstd.d[ch];
        double u = t.gamma.d[ch] * xhat + t.beta.d[ch];
        double rounding = 4.0 * T_EPS * (fabs(t.gamma.d[ch] * xhat) + fabs(t.beta.d[ch]));
        jump[i] = fabs(u) <= rounding ? (1.0 - (double)slope) * fabs(t.ddst.d[i]) : 0.0;
        sum_du[ch] += jump[i] + 260.0 * T_EPS * fabs(t.ddst.d[i]);
        sum_dx[ch] += fabs(xhat) * (jump[i] + 260.0 * T_EPS * fabs(t.ddst.d[i]));
    }
    t_within("dbeta", t.dbeta, sum_du);
    t_within("dgamma", t.dgamma, sum_dx);
    double m = (double)s->m;
    for (size_t i = 0; i < s->m * s->c; i++) {
        size_t ch = i % s->c;
        double scale = t.gamma.d[ch] * t.rstd.d[ch];
        double xhat = fabs(t.src.d[i] - t.mean.d[ch]) * t.rstd.d[ch];
        double size = fabs(t.ddst.d[i]) + fabs(t.dbeta.d[ch]) / m + xhat * fabs(t.dgamma.d[ch]) / m;
        each[i] = scale * (jump[i] + sum_du[ch] / m + xhat * sum_dx[ch] / m + 6.0 * T_EPS * size) +
                  2.0 * T_EPS * (fabs(t.add.d[i]) + scale * size);
    }
    t_within("dsrc", t.dsrc, each);
    t_end();
}
END_TEST

/* In place over ddst and over add, without add, without parameter gradients: the same numbers. */
START_TEST(backward_in_place) {
    const shape *s = &shapes[_i];
    t_begin("bn_act in place m=%zu c=%zu", s->m, s->c);
    tensors t = make(s);
    forward(&t);
    backward(&t);
    size_t n = s->m * s->c;
    float *over_ddst = t_f32(n), *over_add = t_f32(n), *plain = t_f32(n);
    memcpy(over_ddst, t.ddst.f, n * sizeof(float));
    memcpy(over_add, t.add.f, n * sizeof(float));
    drae__cpu_bn_act_bwd(t.m, t.c, slope, t.src.f, t.gamma.f, t.beta.f, t.mean.f, t.rstd.f,
                         over_ddst, t.add.f, over_ddst, NULL, NULL);
    t_equal_f32("over ddst", n, over_ddst, t.dsrc.f);
    drae__cpu_bn_act_bwd(t.m, t.c, slope, t.src.f, t.gamma.f, t.beta.f, t.mean.f, t.rstd.f,
                         t.ddst.f, over_add, over_add, NULL, NULL);
    t_equal_f32("over add", n, over_add, t.dsrc.f);
    memset(t.add.f, 0, n * sizeof(float));
    backward(&t);
    drae__cpu_bn_act_bwd(t.m, t.c, slope, t.src.f, t.gamma.f, t.beta.f, t.mean.f, t.rstd.f,
                         t.ddst.f, NULL, plain, t.dgamma.f, t.dbeta.f);
    for (size_t i = 0; i < n; i++) {
        ck_assert_msg(plain[i] == t.dsrc.f[i], "%s: element %zu", t_name(), i);
    }
    t_end();
}
END_TEST

START_TEST(threads_do_not_matter) {
    const shape *s = &shapes[_i];
    t_begin("bn_act threads m=%zu c=%zu", s->m, s->c);
    tensors one = make(s), two = make(s);
    t_threads(1, forward, &one);
    t_threads(2, forward, &two);
    t_equal_f32("mean", s->c, one.mean.f, two.mean.f);
    t_equal_f32("rstd", s->c, one.rstd.f, two.rstd.f);
    t_equal_f32("running var", s->c, one.run_var.f, two.run_var.f);
    t_equal_f32("dst", s->m * s->c, one.dst.f, two.dst.f);
    t_threads(1, backward, &one);
    t_threads(2, backward, &two);
    t_equal_f32("dsrc", s->m * s->c, one.dsrc.f, two.dsrc.f);
    t_equal_f32("dgamma", s->c, one.dgamma.f, two.dgamma.f);
    t_equal_f32("dbeta", s->c, one.dbeta.f, two.dbeta.f);
    t_end();
}
END_TEST

START_TEST(affine_is_exact) {
    const shape *s = &shapes[_i];
    size_t n = s->m * s->c;
    t_begin("affine_act m=%zu c=%zu", s->m, s->c);
    t_pair src = t_integers(n, 1, 100), scale = t_integers(s->c, 2, 8);
    t_pair shift = t_integers(s->c, 3, 50), dst = t_result(n);
    drae__cpu_affine_act(s->m, s->c, 0.25f, src.f, scale.f, shift.f, dst.f);
    drae__ref_affine_act(s->m, s->c, 0.25, src.d, scale.d, shift.d, dst.d);
    t_equal("dst", dst);
    drae__cpu_affine_act(s->m, s->c, 0.25f, src.f, scale.f, shift.f, src.f);
    t_equal_f32("in place", n, src.f, dst.f);
    t_end();
}
END_TEST

/* A constant channel: variance exactly 0 at whatever level, the output exactly act(beta). */
START_TEST(constant_channel) {
    t_begin("bn_act constant");
    shape s = {1000, 8, 0.0f};
    tensors t = make(&s);
    for (size_t i = 0; i < s.m * s.c; i++) {
        t.src.f[i] = 1234.567f;
    }
    forward(&t);
    for (size_t i = 0; i < s.m * s.c; i++) {
        float b = t.beta.f[i % s.c];
        ck_assert_float_eq(t.dst.f[i], b > 0.0f ? b : slope * b);
    }
    ck_assert_float_eq(t.rstd.f[0], (float)(1.0 / sqrt((double)eps)));
    t_end();
}
END_TEST

START_TEST(nan_comes_through) {
    t_begin("bn_act NaN");
    shape s = {300, 16, 0.0f};
    tensors t = make(&s);
    t.src.f[17 * 16 + 5] = NAN;
    forward(&t);
    ck_assert(isnan(t.mean.f[5]) && isnan(t.rstd.f[5]) && isnan(t.dst.f[5]));
    ck_assert(isfinite(t.mean.f[4]) && isfinite(t.dst.f[4]));
    t_end();
}
END_TEST

/* ---- the oracle's gradient ---- */

#define FM 6
#define FC 2

typedef struct gradient_case {
    double gamma[FC], beta[FC], weight[FM * FC];
    const double *src;
} gradient_case;

static double loss(const double *src, const double *gamma, const double *beta,
                   const double *weight) {
    double mean[FC], rstd[FC], dst[FM * FC], sum = 0.0;
    drae__ref_bn_act_fwd(FM, FC, 1e-5, 0.2, 0.1, src, gamma, beta, mean, rstd, NULL, NULL, dst);
    for (size_t i = 0; i < FM * FC; i++) {
        sum += dst[i] * weight[i];
    }
    return sum;
}

static double loss_src(const double *x, void *context) {
    gradient_case *g = context;
    return loss(x, g->gamma, g->beta, g->weight);
}

static double loss_gamma(const double *x, void *context) {
    gradient_case *g = context;
    return loss(g->src, x, g->beta, g->weight);
}

static double loss_beta(const double *x, void *context) {
    gradient_case *g = context;
    return loss(g->src, g->gamma, x, g->weight);
}

START_TEST(derivatives) {
    t_begin("bn_act derivatives");
    t_pair src = t_uniform(FM * FC, 1, -1.0f, 1.0f), weight = t_uniform(FM * FC, 2, -1.0f, 1.0f);
    gradient_case g = {.gamma = {1.3, 0.7}, .beta = {0.05, -0.03}, .src = src.d};
    memcpy(g.weight, weight.d, sizeof g.weight);
    double mean[FC], rstd[FC], dst[FM * FC], dsrc[FM * FC], dgamma[FC], dbeta[FC];
    drae__ref_bn_act_fwd(FM, FC, 1e-5, 0.2, 0.1, src.d, g.gamma, g.beta, mean, rstd, NULL, NULL,
                         dst);
    drae__ref_bn_act_bwd(FM, FC, 0.2, src.d, g.gamma, g.beta, mean, rstd, g.weight, NULL, dsrc,
                         dgamma, dbeta);
    for (size_t i = 0; i < FM * FC; i++) {
        t_near("dsrc", dsrc[i], t_derivative(loss_src, &g, src.d, i, 1e-4), 1e-8);
    }
    for (size_t i = 0; i < FC; i++) {
        double at[FC];
        memcpy(at, g.gamma, sizeof at);
        t_near("dgamma", dgamma[i], t_derivative(loss_gamma, &g, at, i, 1e-4), 1e-8);
        memcpy(at, g.beta, sizeof at);
        t_near("dbeta", dbeta[i], t_derivative(loss_beta, &g, at, i, 1e-4), 1e-8);
    }
    t_end();
}
END_TEST

Suite *suite_bn_act(void) {
    Suite *suite = suite_create("bn_act");
    TCase *tcase = tcase_create("bn_act");
    tcase_add_loop_test(tcase, forward_is_close, 0, N_SHAPES);
    tcase_add_loop_test(tcase, backward_is_close, 0, N_SHAPES);
    tcase_add_loop_test(tcase, backward_in_place, 0, N_SHAPES);
    tcase_add_loop_test(tcase, threads_do_not_matter, 0, N_SHAPES);
    tcase_add_loop_test(tcase, affine_is_exact, 0, N_SHAPES);
    tcase_add_test(tcase, constant_channel);
    tcase_add_test(tcase, nan_comes_through);
    tcase_add_test(tcase, derivatives);
    suite_add_tcase(suite, tcase);
    return suite;
}
