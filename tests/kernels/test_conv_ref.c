/* SPDX-License-Identifier: Apache-2.0 */
/* The oracle itself: values by hand, gradients by finite differences, for every kind of layer. */
#include "tests/kernels/conv_case.h"
#include "tests/kernels/suites.h"

static const drae__conv_shape shapes[] = {
    {2, 3, 4, 2, 3, 3, 1, 1, false}, {1, 4, 5, 2, 2, 3, 2, 1, false},
    {1, 5, 4, 3, 2, 3, 2, 1, false}, {2, 3, 3, 2, 3, 1, 1, 0, false},
    {1, 4, 4, 2, 2, 1, 2, 0, false}, {1, 3, 3, 1, 2, 3, 1, 1, false},
    {1, 2, 3, 2, 3, 4, 2, 1, true},  {2, 2, 2, 2, 2, 2, 2, 0, true},
    {1, 2, 2, 3, 2, 3, 1, 1, true}};
#define N_SHAPES (int)(sizeof shapes / sizeof shapes[0])

static double loss(conv_case *c, const double *src, const double *wei, const double *bias) {
    double sum = 0.0;
    drae__ref_conv_fwd(&c->s, src, wei, bias, c->dst.d);
    for (size_t i = 0; i < c->dst.n; i++) {
        sum += c->dst.d[i] * c->ddst.d[i];
    }
    return sum;
}

static double loss_src(const double *x, void *context) {
    conv_case *c = context;
    return loss(c, x, c->wei.d, c->bias.d);
}

static double loss_wei(const double *x, void *context) {
    conv_case *c = context;
    return loss(c, c->src.d, x, c->bias.d);
}

static double loss_bias(const double *x, void *context) {
    conv_case *c = context;
    return loss(c, c->src.d, c->wei.d, x);
}

START_TEST(derivatives) {
    conv_begin("derivatives", &shapes[_i]);
    conv_case c = conv_make(&shapes[_i], 0);
    conv_expect(&c);
    for (size_t i = 0; i < c.src.n; i++) {
        t_near("dsrc", c.dsrc.d[i], t_derivative(loss_src, &c, c.src.d, i, 1e-2), 1e-11);
    }
    for (size_t i = 0; i < c.wei.n; i++) {
        t_near("dwei", c.dwei.d[i], t_derivative(loss_wei, &c, c.wei.d, i, 1e-2), 1e-11);
    }
    for (size_t i = 0; i < c.bias.n; i++) {
        t_near("dbias", c.dbias.d[i], t_derivative(loss_bias, &c, c.bias.d, i, 1e-2), 1e-11);
    }
    t_end();
}
END_TEST

/* 3x3, pad 1, on a row of three pixels: only the middle row of taps meets them. */
START_TEST(convolution_by_hand) {
    const drae__conv_shape s = {1, 1, 3, 1, 1, 3, 1, 1, false};
    const double src[3] = {1.0, 2.0, 3.0},
                 wei[9] = {9.0, 9.0, 9.0, 1.0, 10.0, 100.0, 9.0, 9.0, 9.0};
    const double bias[1] = {0.5};
    double dst[3];
    drae__ref_conv_fwd(&s, src, wei, bias, dst);
    ck_assert_double_eq(dst[0], 210.5); /* 10*1 + 100*2 */
    ck_assert_double_eq(dst[1], 321.5);
    ck_assert_double_eq(dst[2], 32.5);
}
END_TEST

/* 4x4 stride 2 pad 1 on one pixel: the 2x2 middle of the kernel; PyTorch's ConvTranspose2d. */
START_TEST(transposed_by_hand) {
    const drae__conv_shape s = {1, 1, 1, 1, 1, 4, 2, 1, true};
    double src[1] = {2.0}, wei[16], dst[4];
    for (int i = 0; i < 16; i++) {
        wei[i] = (double)i;
    }
    ck_assert_int_eq(drae__conv_out(&s, 1), 2);
    drae__ref_conv_fwd(&s, src, wei, NULL, dst);
    ck_assert_double_eq(dst[0], 10.0);
    ck_assert_double_eq(dst[1], 12.0);
    ck_assert_double_eq(dst[2], 18.0);
    ck_assert_double_eq(dst[3], 20.0);
}
END_TEST

Suite *suite_conv_ref(void) {
    Suite *suite = suite_create("conv oracle");
    TCase *tcase = tcase_create("conv oracle");
    tcase_add_loop_test(tcase, derivatives, 0, N_SHAPES);
    tcase_add_test(tcase, convolution_by_hand);
    tcase_add_test(tcase, transposed_by_hand);
    suite_add_tcase(suite, tcase);
    return suite;
}
