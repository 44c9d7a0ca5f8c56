/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The training convolutions (oneDNN and the thin layers behind the same interface) against the
 * oracle: every layer of the networks w = 8, size 32 and 48, and shapes that straddle vectors and
 * borders; f32, and bf16 where the CPU has it.
 */
#include "tests/kernels/conv_case.h"

#include "model/arch.h"
#include "tests/run.h"

#include <check.h>
#include <math.h>
#include <string.h>

/* Relative error of one operand rounded to bf16 (8 bits of significand), and of its product. */
#define BF16_ERROR (1.0 / 256.0)

static const drae__conv_shape odd_shapes[] = {
    {1, 1, 1, 8, 8, 3, 1, 1, false},    {1, 7, 9, 8, 8, 3, 1, 1, false},
    {2, 13, 5, 24, 16, 3, 1, 1, false}, {3, 8, 8, 40, 24, 3, 1, 1, false},
    {1, 9, 7, 16, 16, 3, 2, 1, false},  {2, 11, 11, 24, 24, 3, 2, 1, false},
    {1, 7, 7, 8, 24, 1, 1, 0, false},   {2, 9, 9, 16, 8, 1, 2, 0, false},
    {1, 5, 3, 8, 8, 4, 2, 1, true},     {2, 3, 3, 24, 24, 4, 2, 1, true},
    {1, 7, 5, 16, 16, 2, 2, 0, true},   {2, 1, 1, 8, 8, 2, 2, 0, true},
    {1, 6, 6, 3, 5, 3, 1, 1, false},    {1, 17, 19, 1, 8, 3, 1, 1, false},
    {2, 5, 33, 24, 1, 3, 1, 1, false},  {1, 6, 6, 1, 3, 3, 1, 1, false},
    {1, 8, 8, 1, 1, 3, 1, 1, false},    {1, 16, 16, 48, 48, 3, 1, 1, false},
    {1, 6, 5, 4, 4, 2, 1, 0, false},    {1, 6, 6, 130, 66, 3, 1, 1, false}};
#define N_ODD (int)(sizeof odd_shapes / sizeof odd_shapes[0])

#define LAYERS_MAX 160
static drae__conv_shape layers[LAYERS_MAX];
static int n_layers;

static void add(int n, int h, int c_in, int c_out, int k, int stride, int pad, bool transposed) {
    drae__conv_shape s = {n, h, h, c_in, c_out, k, stride, pad, transposed};
    for (int i = 0; i < n_layers; i++) {
        const drae__conv_shape *t = &layers[i];
        if (t->n == n && t->h_in == h && t->c_in == c_in && t->c_out == c_out && t->k == k &&
            t->stride == stride && t->transposed == transposed) {
            return;
        }
    }
    if (n_layers < LAYERS_MAX) {
        layers[n_layers++] = s;
    }
}

/* The convolutions of a network, each shape once. */
static void add_network(int size, int n) {
    drae__arch arch = drae__arch_default();
    arch.width = 8;
    arch.size = size;
    add(n, size, 1, arch.width, 3, 1, 1, false);
    add(n, size, arch.width, 1, 3, 1, 1, false);
    for (int half = DRAE__HALF_ENCODER; half <= DRAE__HALF_DECODER; half++) {
        drae__block blocks[DRAE__BLOCKS];
        drae__arch_blocks(&arch, (drae__half)half, blocks);
        for (int i = 0; i < DRAE__BLOCKS; i++) {
            const drae__block *b = &blocks[i];
            bool c_role = b->role == DRAE__ROLE_C;
            if (c_role && half == DRAE__HALF_DECODER) {
                add(n, b->h_in, b->c_in, b->c_out, 3, 1, 1, false);
                add(n, b->h_in, b->c_out, b->c_out, 4, 2, 1, true);
                add(n, b->h_in, b->c_in, b->c_out, 2, 2, 0, true);
                continue;
            }
            int stride = c_role ? 2 : 1;
            add(n, b->h_in, b->c_in, b->c_out, 3, stride, 1, false);
            add(n, b->h_out, b->c_out, b->c_out, 3, 1, 1, false);
            if (b->role != DRAE__ROLE_B) {
                add(n, b->h_in, b->c_in, b->c_out, 1, stride, 0, false);
            }
        }
    }
}

/* ---- running a case ---- */

typedef struct op_run {
    conv_case *c;
    drae__compute compute;
    bool bias;
} op_run;

static void run_op(void *context) {
    op_run *r = context;
    conv_case *c = r->c;
    drae__conv_op *op = NULL;
    drae__err err = {{0}};
    drae_status status = drae__conv_op_create(
        &c->s, r->compute, DRAE__CONV_FWD | DRAE__CONV_BWD_DATA | DRAE__CONV_BWD_WEIGHTS, &op,
        &err);
    ck_assert_msg(status == DRAE_OK, "%s: %s", t_name(), err.text);
    void *scratch = t_bytes(drae__conv_op_scratch_bytes(op));
    const float *bias = r->bias ? c->bias.f : NULL;
    float *dbias = r->bias ? c->dbias.f : NULL;
    ck_assert_int_eq(drae__conv_op_fwd(op, c->src.f, c->wei.f, bias, c->dst.f, scratch), DRAE_OK);
    ck_assert_int_eq(drae__conv_op_bwd_data(op, c->ddst.f, c->wei.f, c->dsrc.f, scratch), DRAE_OK);
    ck_assert_int_eq(drae__conv_op_bwd_weights(op, c->src.f, c->ddst.f, c->dwei.f, dbias, scratch),
                     DRAE_OK);
    drae__conv_op_destroy(op);
}

static void exact(const drae__conv_shape *s, drae__compute compute) {
    conv_begin(compute == DRAE__COMPUTE_BF16 ? "bf16 exact" : "f32 exact", s);
    conv_case c = conv_make(s, 3);
    op_run r = {&c, compute, true};
    run_op(&r);
    conv_expect(&c);
    t_equal("dst", c.dst);
    t_equal("dsrc", c.dsrc);
    t_equal("dwei", c.dwei);
    t_equal("dbias", c.dbias);
    t_end();
}

static void bounded(const drae__conv_shape *s, drae__compute compute) {
    bool bf16 = compute == DRAE__COMPUTE_BF16;
    conv_begin(bf16 ? "bf16 bounded" : "f32 bounded", s);
    conv_case c = conv_make(s, 0);
    op_run r = {&c, compute, true};
    run_op(&r);
    conv_expect(&c);
    conv_bounds(&c, bf16 ? BF16_ERROR : 0.0);
    t_within("dst", c.dst, c.dst_bound);
    t_within("dsrc", c.dsrc, c.dsrc_bound);
    t_within("dwei", c.dwei, c.dwei_bound);
    t_within("dbias", c.dbias, c.dbias_bound);
    t_end();
}

static void both_types(const drae__conv_shape *s,
                       void (*check)(const drae__conv_shape *, drae__compute)) {
    check(s, DRAE__COMPUTE_F32);
    if (drae__conv_bf16_available()) {
        check(s, DRAE__COMPUTE_BF16);
    }
}

START_TEST(odd_shapes_exact) {
    both_types(&odd_shapes[_i], exact);
}
END_TEST

START_TEST(odd_shapes_bounded) {
    both_types(&odd_shapes[_i], bounded);
}
END_TEST

START_TEST(network_layers_exact) {
    ck_assert_msg(n_layers > 50 && n_layers < LAYERS_MAX, "%d layers", n_layers);
    for (int i = 0; i < n_layers; i++) {
        both_types(&layers[i], exact);
    }
}
END_TEST

START_TEST(network_layers_bounded) {
    for (int i = 0; i < n_layers; i++) {
        both_types(&layers[i], bounded);
    }
}
END_TEST

static void no_bias(const drae__conv_shape *s, drae__compute compute) {
    conv_begin("no bias", s);
    conv_case c = conv_make(s, 3);
    memset(c.bias.d, 0, c.bias.n * sizeof(double));
    op_run r = {&c, compute, false};
    run_op(&r);
    conv_expect(&c);
    t_equal("dst", c.dst);
    t_equal("dwei", c.dwei);
    t_end();
}

START_TEST(without_bias) {
    both_types(&odd_shapes[_i], no_bias);
}
END_TEST

/* Forward and backward data do not depend on threads; weight gradients repeat for a given number.
 */
static void repeat(const drae__conv_shape *s, drae__compute compute) {
    conv_begin("repeat", s);
    conv_case one = conv_make(s, 0), two = conv_make(s, 0), again = conv_make(s, 0);
    op_run r1 = {&one, compute, true}, r2 = {&two, compute, true}, r3 = {&again, compute, true};
    t_threads(1, run_op, &r1);
    t_threads(2, run_op, &r2);
    t_threads(2, run_op, &r3);
    t_equal_f32("dst, 1 and 2 threads", one.dst.n, one.dst.f, two.dst.f);
    t_equal_f32("dsrc, 1 and 2 threads", one.dsrc.n, one.dsrc.f, two.dsrc.f);
    t_equal_f32("dbias, 1 and 2 threads", one.dbias.n, one.dbias.f, two.dbias.f);
    t_equal_f32("dst, two runs", two.dst.n, two.dst.f, again.dst.f);
    t_equal_f32("dsrc, two runs", two.dsrc.n, two.dsrc.f, again.dsrc.f);
    t_equal_f32("dwei, two runs", two.dwei.n, two.dwei.f, again.dwei.f);
    t_end();
}

START_TEST(runs_repeat) {
    for (int i = _i; i < n_layers; i += 2) {
        both_types(&layers[i], repeat);
    }
}
END_TEST

/* ---- the interface ---- */

START_TEST(bad_shapes_are_refused) {
    static const drae__conv_shape bad[] = {
        {0, 8, 8, 8, 8, 3, 1, 1, false},  {1, 0, 8, 8, 8, 3, 1, 1, false},
        {1, 8, -1, 8, 8, 3, 1, 1, false}, {1, 8, 8, 0, 8, 3, 1, 1, false},
        {1, 8, 8, 8, 0, 3, 1, 1, false},  {1, 8, 8, 8, 8, 0, 1, 0, false},
        {1, 8, 8, 8, 8, 3, 0, 1, false},  {1, 8, 8, 8, 8, 3, 1, -1, false},
        {1, 8, 8, 8, 8, 3, 1, 3, false},  {1, 1, 1, 8, 8, 3, 1, 0, false},
        {1, 1, 1, 8, 8, 2, 2, 1, true},   {1, 8, 8, 8, 8, 5, 1, 1, false}};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        drae__err err = {{0}};
        drae__conv_op *op = NULL;
        drae_status status =
            drae__conv_op_create(&bad[i], DRAE__COMPUTE_F32, DRAE__CONV_FWD, &op, &err);
        ck_assert_msg(status == DRAE_ERROR_ARGUMENT && op == NULL && err.text[0] != '\0',
                      "shape %zu: status %d", i, (int)status);
    }
    drae__conv_op_destroy(NULL);
}
END_TEST

START_TEST(passes_that_were_not_planned_are_refused) {
    const drae__conv_shape s = {1, 4, 4, 8, 8, 3, 1, 1, false};
    drae__conv_op *op = NULL;
    ck_assert_int_eq(drae__conv_op_create(&s, DRAE__COMPUTE_F32, DRAE__CONV_FWD, &op, NULL),
                     DRAE_OK);
    float x[128] = {0};
    ck_assert_int_eq(drae__conv_op_bwd_data(op, x, x, x, NULL), DRAE_ERROR_ARGUMENT);
    ck_assert_int_eq(drae__conv_op_bwd_weights(op, x, x, x, NULL, NULL), DRAE_ERROR_ARGUMENT);
    drae__conv_op_destroy(op);
    ck_assert_int_eq(drae__conv_op_create(&s, DRAE__COMPUTE_F32, DRAE__CONV_BWD_DATA, &op, NULL),
                     DRAE_OK);
    ck_assert_int_eq(drae__conv_op_fwd(op, x, x, NULL, x, NULL), DRAE_ERROR_ARGUMENT);
    drae__conv_op_destroy(op);
}
END_TEST

START_TEST(bf16_is_refused_where_it_is_not) {
    const drae__conv_shape s = {1, 4, 4, 8, 8, 3, 1, 1, false};
    drae__conv_op *op = NULL;
    drae__err err = {{0}};
    drae_status status = drae__conv_op_create(&s, DRAE__COMPUTE_BF16, DRAE__CONV_FWD, &op, &err);
    ck_assert_int_eq(status, drae__conv_bf16_available() ? DRAE_OK : DRAE_ERROR_UNSUPPORTED);
    drae__conv_op_destroy(op);
}
END_TEST

int main(void) {
    add_network(32, 2);
    add_network(48, 1);
    Suite *suite = suite_create("conv_op");
    TCase *values = tcase_create("values");
    tcase_add_loop_test(values, odd_shapes_exact, 0, N_ODD);
    tcase_add_loop_test(values, odd_shapes_bounded, 0, N_ODD);
    tcase_add_loop_test(values, without_bias, 0, N_ODD);
    tcase_add_test(values, network_layers_exact);
    tcase_add_test(values, network_layers_bounded);
    tcase_add_loop_test(values, runs_repeat, 0, 2);
    suite_add_tcase(suite, values);
    TCase *interface = tcase_create("interface");
    tcase_add_test(interface, bad_shapes_are_refused);
    tcase_add_test(interface, passes_that_were_not_planned_are_refused);
    tcase_add_test(interface, bf16_is_refused_where_it_is_not);
    suite_add_tcase(suite, interface);
    return drae_run_suite(suite);
}
