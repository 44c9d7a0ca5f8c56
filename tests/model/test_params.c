/* SPDX-License-Identifier: Apache-2.0 */
/* Names, shapes and numbers of the tensors. The counts come from a PyTorch model of the same
 * network (scripts/torch); w = 128 from the polynomial in w that two of them determine. */
#include "tests/model/suites.h"

#include "model/params.h"

#include <string.h>

typedef struct count {
    int width, size;
    drae__net net;
    size_t tensors, trained, all;
} count;

static const count counts[] = {{8, 32, DRAE__NET_GENERATOR, 271, 686497, 689521},
                               {8, 32, DRAE__NET_ENCODER2, 135, 295736, 297192},
                               {8, 32, DRAE__NET_DISCRIMINATOR, 135, 279545, 281001},
                               {8, 256, DRAE__NET_GENERATOR, 271, 2767009, 2770033},
                               {8, 256, DRAE__NET_ENCODER2, 135, 1327928, 1329384},
                               {8, 256, DRAE__NET_DISCRIMINATOR, 135, 295673, 297129},
                               {16, 256, DRAE__NET_GENERATOR, 271, 6834433, 6840481},
                               {16, 256, DRAE__NET_ENCODER2, 135, 3211312, 3214224},
                               {16, 256, DRAE__NET_DISCRIMINATOR, 135, 1146865, 1149777},
                               {128, 256, DRAE__NET_GENERATOR, 271, 200328769, 200377153}};

static drae__params make(int width, int size, drae__net net) {
    drae__arch arch = drae__arch_default();
    arch.width = width;
    arch.size = size;
    drae__params params = {0};
    drae__err err;
    ck_assert_msg(drae__params_create(&arch, net, &params, &err) == DRAE_OK, "%s", err.text);
    return params;
}

START_TEST(numbers_of_parameters) {
    const count *c = &counts[_i];
    drae__params params = make(c->width, c->size, c->net);
    size_t trained = 0, all = 0;
    for (size_t i = 0; i < params.n; i++) {
        all += params.items[i].count;
        trained += drae__param_trained(&params.items[i]) ? params.items[i].count : 0;
    }
    ck_assert_uint_eq(params.n, c->tensors);
    ck_assert_uint_eq(trained, c->trained);
    ck_assert_uint_eq(all, c->all);
    drae__params_free(&params);
    drae__params_free(&params);
}
END_TEST

/* Offsets are aligned, in order, without overlap; counts are the products of the dimensions. */
START_TEST(layout_is_sound) {
    for (int net = 0; net < DRAE__NETS; net++) {
        drae__params params = make(24, 48, (drae__net)net);
        ck_assert_int_eq(params.net, net);
        size_t end = 0;
        for (size_t i = 0; i < params.n; i++) {
            const drae__param *p = &params.items[i];
            size_t product = 1;
            for (int k = 0; k < p->rank; k++) {
                product *= p->dims[k];
            }
            ck_assert_uint_eq(p->count, product);
            ck_assert_uint_eq(p->offset % 16, 0);
            ck_assert_uint_ge(p->offset, end);
            ck_assert_uint_lt(p->offset - end, 16);
            end = p->offset + p->count;
            ck_assert_ptr_eq(drae__params_find(&params, p->path), p);
        }
        ck_assert_uint_ge(params.total, end);
        drae__params_free(&params);
    }
}
END_TEST

typedef struct tensor {
    drae__net net;
    const char *path;
    drae__param_kind kind;
    int rank;
    size_t dims[4];
    size_t fan_in;
} tensor;

/* w = 8, size 32, latent 64: one of each kind. */
static const tensor tensors[] = {
    {DRAE__NET_GENERATOR, "encoder/stem/weight", DRAE__PARAM_CONV, 4, {8, 1, 3, 3}, 9},
    {DRAE__NET_GENERATOR, "encoder/stage0/A/bn1/gamma", DRAE__PARAM_GAMMA, 1, {8}, 0},
    {DRAE__NET_GENERATOR, "encoder/stage1/A/bn1/beta", DRAE__PARAM_BETA, 1, {8}, 0},
    {DRAE__NET_GENERATOR, "encoder/stage1/A/bn2/mean", DRAE__PARAM_MEAN, 1, {16}, 0},
    {DRAE__NET_GENERATOR, "encoder/stage1/A/bn2/var", DRAE__PARAM_VAR, 1, {16}, 0},
    {DRAE__NET_GENERATOR, "encoder/stage1/A/conv1/weight", DRAE__PARAM_CONV, 4, {16, 8, 3, 3}, 72},
    {DRAE__NET_GENERATOR, "encoder/stage2/A/proj/weight", DRAE__PARAM_CONV, 4, {32, 16, 1, 1}, 16},
    {DRAE__NET_GENERATOR, "encoder/stage3/C/proj/weight", DRAE__PARAM_CONV, 4, {64, 64, 1, 1}, 64},
    {DRAE__NET_GENERATOR, "encoder/head/bn/gamma", DRAE__PARAM_GAMMA, 1, {64}, 0},
    {DRAE__NET_GENERATOR, "bottleneck/down/weight", DRAE__PARAM_LINEAR, 2, {64, 256}, 256},
    {DRAE__NET_GENERATOR, "bottleneck/down/bias", DRAE__PARAM_BIAS, 1, {64}, 0},
    {DRAE__NET_GENERATOR, "bottleneck/up/weight", DRAE__PARAM_LINEAR, 2, {256, 64}, 64},
    {DRAE__NET_GENERATOR, "bottleneck/up/bias", DRAE__PARAM_BIAS, 1, {256}, 0},
    {DRAE__NET_GENERATOR,
     "decoder/stage2/A/conv1/weight",
     DRAE__PARAM_CONV,
     4,
     {32, 64, 3, 3},
     576},
    {DRAE__NET_GENERATOR,
     "decoder/stage3/C/convt/weight",
     DRAE__PARAM_CONVT,
     4,
     {64, 64, 4, 4},
     256},
    {DRAE__NET_GENERATOR, "decoder/stage0/C/proj/weight", DRAE__PARAM_CONVT, 4, {8, 8, 2, 2}, 8},
    {DRAE__NET_GENERATOR, "decoder/out/bn/var", DRAE__PARAM_VAR, 1, {8}, 0},
    {DRAE__NET_GENERATOR, "decoder/out/weight", DRAE__PARAM_CONV, 4, {1, 8, 3, 3}, 72},
    {DRAE__NET_GENERATOR, "decoder/out/bias", DRAE__PARAM_BIAS, 1, {1}, 0},
    {DRAE__NET_ENCODER2, "bottleneck/down/weight", DRAE__PARAM_LINEAR, 2, {64, 256}, 256},
    {DRAE__NET_DISCRIMINATOR, "logit/weight", DRAE__PARAM_LINEAR, 2, {1, 256}, 256},
    {DRAE__NET_DISCRIMINATOR, "logit/bias", DRAE__PARAM_BIAS, 1, {1}, 0}};

START_TEST(shapes_are_pytorchs) {
    for (size_t i = 0; i < sizeof tensors / sizeof tensors[0]; i++) {
        const tensor *t = &tensors[i];
        drae__params params = make(8, 32, t->net);
        const drae__param *p = drae__params_find(&params, t->path);
        ck_assert_msg(p != NULL, "%s is missing", t->path);
        ck_assert_int_eq(p->kind, t->kind);
        ck_assert_int_eq(p->rank, t->rank);
        for (int k = 0; k < t->rank; k++) {
            ck_assert_msg(p->dims[k] == t->dims[k], "%s: dimension %d is %zu", t->path, k,
                          p->dims[k]);
        }
        ck_assert_uint_eq(p->fan_in, t->fan_in);
        drae__params_free(&params);
    }
}
END_TEST

/* What a network must not have. */
START_TEST(absent_tensors) {
    static const struct {
        drae__net net;
        const char *path;
    } absent[] = {{DRAE__NET_GENERATOR, "encoder/stage0/B/proj/weight"},
                  {DRAE__NET_GENERATOR, "decoder/stage0/C/conv2/weight"},
                  {DRAE__NET_GENERATOR, "logit/weight"},
                  {DRAE__NET_GENERATOR, "encoder/stem/bias"},
                  {DRAE__NET_ENCODER2, "bottleneck/up/weight"},
                  {DRAE__NET_ENCODER2, "decoder/out/weight"},
                  {DRAE__NET_DISCRIMINATOR, "bottleneck/down/weight"},
                  {DRAE__NET_GENERATOR, ""},
                  {DRAE__NET_GENERATOR, "encoder/stem"}};
    for (size_t i = 0; i < sizeof absent / sizeof absent[0]; i++) {
        drae__params params = make(8, 32, absent[i].net);
        ck_assert_msg(drae__params_find(&params, absent[i].path) == NULL, "%s", absent[i].path);
        drae__params_free(&params);
    }
}
END_TEST

START_TEST(names) {
    ck_assert_str_eq(drae__net_name(DRAE__NET_GENERATOR), "generator");
    ck_assert_str_eq(drae__net_name(DRAE__NET_ENCODER2), "encoder2");
    ck_assert_str_eq(drae__net_name(DRAE__NET_DISCRIMINATOR), "discriminator");
    drae__params params = make(8, 32, DRAE__NET_GENERATOR);
    ck_assert_ptr_eq(drae__params_find2(&params, "encoder/stage0/A", "conv1/weight"),
                     drae__params_find(&params, "encoder/stage0/A/conv1/weight"));
    ck_assert_ptr_null(drae__params_find2(&params, "encoder/stage0/A", "conv3/weight"));
    const drae__param *mean = drae__params_find(&params, "encoder/head/bn/mean");
    const drae__param *gamma = drae__params_find(&params, "encoder/head/bn/gamma");
    ck_assert(!drae__param_trained(mean) && drae__param_trained(gamma));
    drae__params_free(&params);
}
END_TEST

START_TEST(bad_architecture_is_refused) {
    drae__arch arch = drae__arch_default();
    arch.width = 9;
    drae__params params = {0};
    drae__err err = {{0}};
    ck_assert_int_eq(drae__params_create(&arch, DRAE__NET_GENERATOR, &params, &err),
                     DRAE_ERROR_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(err.text, "width"));
    drae__params_free(&params);
}
END_TEST

Suite *suite_params(void) {
    Suite *suite = suite_create("params");
    TCase *tcase = tcase_create("params");
    tcase_add_loop_test(tcase, numbers_of_parameters, 0, (int)(sizeof counts / sizeof counts[0]));
    tcase_add_test(tcase, layout_is_sound);
    tcase_add_test(tcase, shapes_are_pytorchs);
    tcase_add_test(tcase, absent_tensors);
    tcase_add_test(tcase, names);
    tcase_add_test(tcase, bad_architecture_is_refused);
    suite_add_tcase(suite, tcase);
    return suite;
}
