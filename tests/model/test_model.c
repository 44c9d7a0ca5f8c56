/* SPDX-License-Identifier: Apache-2.0 */
/* A model in memory: which networks it has, how they start, what is refused. */
#include "tests/model/suites.h"

#include "model/model.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#define ALL_NETS 7u

static drae__model make(unsigned nets) {
    drae__arch arch = drae__arch_default();
    arch.width = 8;
    arch.size = 32;
    drae__model model;
    drae__err err;
    ck_assert_msg(drae__model_create(&arch, nets, &model, &err) == DRAE_OK, "%s", err.text);
    return model;
}

START_TEST(networks_by_mask) {
    drae__model model = make(1u << DRAE__NET_DISCRIMINATOR);
    ck_assert_ptr_null(model.data[DRAE__NET_GENERATOR]);
    ck_assert_ptr_null(model.data[DRAE__NET_ENCODER2]);
    const float *data = model.data[DRAE__NET_DISCRIMINATOR];
    ck_assert_ptr_nonnull(data);
    ck_assert_uint_eq((uintptr_t)data % 256, 0);
    for (size_t i = 0; i < model.params[DRAE__NET_DISCRIMINATOR].total; i++) {
        ck_assert_float_eq(data[i], 0.0f);
    }
    ck_assert_uint_eq(model.params[DRAE__NET_GENERATOR].n, 271);
    ck_assert_ptr_null(drae__model_tensor(&model, DRAE__NET_GENERATOR, "encoder/stem/weight"));
    ck_assert_ptr_nonnull(drae__model_tensor(&model, DRAE__NET_DISCRIMINATOR, "logit/bias"));
    ck_assert_ptr_null(drae__model_tensor(&model, DRAE__NET_DISCRIMINATOR, "logit/gamma"));
    ck_assert_int_eq(drae__model_add(&model, DRAE__NET_GENERATOR, NULL), DRAE_OK);
    ck_assert_ptr_nonnull(model.data[DRAE__NET_GENERATOR]);
    float *before = model.data[DRAE__NET_GENERATOR];
    ck_assert_int_eq(drae__model_add(&model, DRAE__NET_GENERATOR, NULL), DRAE_OK);
    ck_assert_ptr_eq(model.data[DRAE__NET_GENERATOR], before);
    ck_assert_int_eq(model.calibration.n_regions, 0);
    ck_assert_int_eq(model.provenance.steps, -1);
    ck_assert(isnan(model.provenance.val_con));
    drae__model_free(&model);
    drae__model_free(&model);
}
END_TEST

START_TEST(bad_architecture_is_refused) {
    drae__arch arch = drae__arch_default();
    arch.latent = 0;
    drae__model model;
    drae__err err = {{0}};
    ck_assert_int_eq(drae__model_create(&arch, ALL_NETS, &model, &err), DRAE_ERROR_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(err.text, "latent"));
    ck_assert_ptr_null(model.data[0]);
    drae__model_free(&model);
}
END_TEST

/* Standard deviation that a weight must have: He for LeakyReLU, 1/sqrt(fan_in) at the ends. */
static double expected_std(const drae__param *p, double slope) {
    bool end = strcmp(p->path, "decoder/out/weight") == 0 || strcmp(p->path, "logit/weight") == 0;
    double gain = end ? 1.0 : 2.0 / (1.0 + slope * slope);
    return sqrt(gain / (double)p->fan_in);
}

START_TEST(initial_values) {
    drae__model model = make(ALL_NETS);
    for (int net = 0; net < DRAE__NETS; net++) {
        drae__model_init(&model, (drae__net)net, 5);
        const drae__params *params = &model.params[net];
        size_t next = 0;
        for (size_t t = 0; t < params->n; t++) {
            const drae__param *p = &params->items[t];
            const float *data = model.data[net] + p->offset;
            for (; next < p->offset; next++) {
                ck_assert_float_eq(model.data[net][next], 0.0f); /* gaps */
            }
            next = p->offset + p->count;
            double sum = 0.0, squares = 0.0;
            for (size_t i = 0; i < p->count; i++) {
                sum += (double)data[i];
                squares += (double)data[i] * (double)data[i];
            }
            double n = (double)p->count;
            bool one = p->kind == DRAE__PARAM_GAMMA || p->kind == DRAE__PARAM_VAR;
            if (p->fan_in == 0) {
                ck_assert_double_eq(sum, one ? n : 0.0);
                ck_assert_double_eq(squares, one ? n : 0.0);
                continue;
            }
            double std = expected_std(p, (double)model.arch.slope);
            ck_assert_msg(fabs(sum / n) < 5.0 * std / sqrt(n), "%s: mean %g", p->path, sum / n);
            ck_assert_msg(fabs(squares / n / (std * std) - 1.0) < 5.0 * sqrt(2.0 / n),
                          "%s: variance %g, expected %g", p->path, squares / n, std * std);
        }
    }
    ck_assert_int_eq(drae__model_check(&model, NULL), DRAE_OK);
    drae__model_free(&model);
}
END_TEST

START_TEST(seeds_and_networks_differ) {
    drae__model a = make(ALL_NETS), b = make(ALL_NETS);
    drae__model_init(&a, DRAE__NET_GENERATOR, 1);
    drae__model_init(&b, DRAE__NET_GENERATOR, 1);
    size_t n_bytes = a.params[DRAE__NET_GENERATOR].total * sizeof(float);
    ck_assert_mem_eq(a.data[DRAE__NET_GENERATOR], b.data[DRAE__NET_GENERATOR], n_bytes);
    drae__model_init(&b, DRAE__NET_GENERATOR, 2);
    ck_assert_mem_ne(a.data[DRAE__NET_GENERATOR], b.data[DRAE__NET_GENERATOR], n_bytes);
    drae__model_init(&a, DRAE__NET_ENCODER2, 1);
    ck_assert_float_ne(a.data[DRAE__NET_GENERATOR][0], a.data[DRAE__NET_ENCODER2][0]);
    const float *first =
        drae__model_tensor(&a, DRAE__NET_GENERATOR, "encoder/stage0/A/conv1/weight");
    const float *second =
        drae__model_tensor(&a, DRAE__NET_GENERATOR, "encoder/stage0/A/conv2/weight");
    ck_assert_float_ne(first[0], second[0]);
    drae__model_free(&a);
    drae__model_free(&b);
}
END_TEST

static void expect_refused(drae__model *model, drae__net net, const char *path, size_t i,
                           float value, const char *message) {
    float *tensor = drae__model_tensor(model, net, path);
    float before = tensor[i];
    drae__err err = {{0}};
    tensor[i] = value;
    ck_assert_int_eq(drae__model_check(model, &err), DRAE_ERROR_NOT_FINITE);
    ck_assert_str_eq(err.text, message);
    tensor[i] = before;
    ck_assert_int_eq(drae__model_check(model, &err), DRAE_OK);
}

START_TEST(check_names_the_element) {
    drae__model model = make(ALL_NETS);
    for (int net = 0; net < DRAE__NETS; net++) {
        drae__model_init(&model, (drae__net)net, 3);
    }
    expect_refused(&model, DRAE__NET_GENERATOR, "encoder/stem/weight", 17, NAN,
                   "/generator/encoder/stem/weight: element 17 is nan");
    expect_refused(&model, DRAE__NET_GENERATOR, "decoder/out/bias", 0, INFINITY,
                   "/generator/decoder/out/bias: element 0 is inf");
    expect_refused(&model, DRAE__NET_ENCODER2, "encoder/head/bn/var", 63, -0.25f,
                   "/encoder2/encoder/head/bn/var: element 63 is -0.25");
    expect_refused(&model, DRAE__NET_DISCRIMINATOR, "logit/weight", 255, -INFINITY,
                   "/discriminator/logit/weight: element 255 is -inf");
    /* A negative mean is a value like any other. */
    drae__model_tensor(&model, DRAE__NET_GENERATOR, "encoder/head/bn/mean")[0] = -3.0f;
    ck_assert_int_eq(drae__model_check(&model, NULL), DRAE_OK);
    drae__model_free(&model);
}
END_TEST

START_TEST(rounding_to_half_precision) {
    static const struct {
        float value, rounded;
    } cases[] = {
        {1.0f, 1.0f},
        {-0.1f, -0.0999755859375f},
        {0x1.002p0f, 0x1.0p0f},      /* a tie goes to the even neighbour below */
        {0x1.006p0f, 0x1.008p0f},    /* and here above */
        {0x1.0021p0f, 0x1.004p0f},   /* just past the tie */
        {65504.0f, 65504.0f},        /* the largest */
        {0x1.0p-24f, 0x1.0p-24f},    /* the smallest */
        {0x1.8p-25f, 0x1.0p-24f},    /* between it and zero */
        {0x1.0p-25f, 0.0f},          /* a tie with zero */
        {0x1.3ffp-14f, 0x1.4p-14f},  /* the smallest normal binade keeps ten bits */
        {0x1.555p-16f, 0x1.55p-16f}, /* below it fewer */
    };
    drae__model model = make(1u << DRAE__NET_GENERATOR);
    drae__model_init(&model, DRAE__NET_GENERATOR, 3);
    float *stem = drae__model_tensor(&model, DRAE__NET_GENERATOR, "encoder/stem/weight");
    const int n = (int)(sizeof cases / sizeof cases[0]);
    for (int i = 0; i < n; i++) {
        stem[i] = cases[i].value;
    }
    ck_assert_int_eq(drae__model_round_f16(&model, DRAE__NET_GENERATOR, NULL), DRAE_OK);
    for (int i = 0; i < n; i++) {
        ck_assert_msg(stem[i] == cases[i].rounded, "case %d: %a became %a, expected %a", i,
                      (double)cases[i].value, (double)stem[i], (double)cases[i].rounded);
    }
    drae__err err;
    stem[3] = 65520.0f;
    stem[20] = 0.1f;
    ck_assert_int_eq(drae__model_round_f16(&model, DRAE__NET_GENERATOR, &err), DRAE_ERROR_ARGUMENT);
    ck_assert_msg(strstr(err.text, "/generator/encoder/stem/weight: element 3 is 65520") != NULL,
                  "%s", err.text);
    ck_assert_msg(stem[20] == 0.1f, "a refusal changed %g", (double)stem[20]);
    drae__model_free(&model);
}
END_TEST

Suite *suite_model(void) {
    Suite *suite = suite_create("model");
    TCase *tcase = tcase_create("model");
    tcase_add_test(tcase, networks_by_mask);
    tcase_add_test(tcase, bad_architecture_is_refused);
    tcase_add_test(tcase, initial_values);
    tcase_add_test(tcase, seeds_and_networks_differ);
    tcase_add_test(tcase, check_names_the_element);
    tcase_add_test(tcase, rounding_to_half_precision);
    suite_add_tcase(suite, tcase);
    return suite;
}
