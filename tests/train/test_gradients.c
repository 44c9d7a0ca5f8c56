/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Gradients of the whole generator and discriminator losses. In two links: the double graph of
 * ref_net.c against central differences of its own losses, then the f32 graph of train/ against the
 * double one, tensor by tensor.
 */
#include "golden.h"
#include "ref_net.h"
#include "tests/run.h"

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BATCH 2
#define SIZE  32

/*
 * The loss is smooth only between the kinks of LeakyReLU, of which a million activations have one
 * each: the step must be so small that none is crossed. At h = 1e-8 the rounding of a loss near 50
 * (a few 1e-14 after a million additions) divided by 2h is the error, about 3e-6.
 */
#define STEP     1e-8
#define FD_LIMIT 1e-5 /* absolutely, and of the tensor's largest derivative */
/* PyTorch's float32 differs from float64 by 6e-5 of a tensor's norm on the smooth network. */
#define F32_LIMIT 3e-4

static drae__trainer trainer;
static g_inputs inputs;
static drae__batch batch;

static void set_up_floored(double slope, double sigmoid_slope) {
    drae__train_config config = drae__train_config_default();
    drae__err err = {{0}};
    config.model.width = 8;
    config.model.latent = 6;
    config.model.slope = slope;
    config.loss.sigmoid_slope = sigmoid_slope;
    config.run.batch = BATCH;
    config.run.threads = 2;
    drae_status status = drae__trainer_create(&config, SIZE, 0, &trainer, &err);
    ck_assert_msg(status == DRAE_OK, "%s", err.text);
    g_fill_model(&trainer.model);
    inputs = g_make_inputs(BATCH, SIZE);
    batch = (drae__batch){.n = BATCH,
                          .x = inputs.x,
                          .x_star = inputs.x_star,
                          .mask = inputs.mask,
                          .noise = inputs.noise,
                          .beta = inputs.beta};
}

static void set_up(double slope) {
    set_up_floored(slope, 0.0);
}

static void tear_down(void) {
    r_release();
    g_free_inputs(&inputs);
    drae__trainer_destroy(&trainer);
}

/* ---- finite differences ---- */

static double peak(const double *values, size_t n) {
    double most = 0.0;
    for (size_t i = 0; i < n; i++) {
        most = fmax(most, fabs(values[i]));
    }
    return most;
}

static void check_difference(const r_nets *nets, const r_batch *b, const double *recon,
                             drae__net net, const char *path, size_t element) {
    const drae__param *p = drae__params_find(&trainer.model.params[net], path);
    ck_assert_msg(p != NULL, "%s", path);
    double *at = nets->params[net] + p->offset + element % p->count;
    double kept = *at, side[2];
    for (int i = 0; i < 2; i++) {
        *at = kept + (i == 0 ? -STEP : STEP);
        side[i] = net == DRAE__NET_DISCRIMINATOR ? r_discriminator_loss(nets, b, recon, false)
                                                 : r_generator_loss(nets, b, false);
    }
    *at = kept;
    double want = (side[1] - side[0]) / (2.0 * STEP);
    double got = nets->grads[net][p->offset + element % p->count];
    double limit = FD_LIMIT * (1.0 + peak(nets->grads[net] + p->offset, p->count));
    ck_assert_msg(fabs(got - want) <= limit, "%s/%s[%zu]: %.9g, by differences %.9g, limit %.1e",
                  drae__net_name(net), path, element % p->count, got, want, limit);
}

/* Two evaluations of the double graph an element: the oracle's own check is whole in release, a
 * sanitizer sees every line of it by a few. */
#if defined(__SANITIZE_ADDRESS__)
#define EVERY 6
#else
#define EVERY 1
#endif

START_TEST(test_generator_by_differences) {
    static const char *const generator[] = {"encoder/stem/weight",
                                            "encoder/stage0/A/bn1/gamma",
                                            "encoder/stage0/A/proj/weight",
                                            "encoder/stage0/C/proj/weight",
                                            "encoder/stage1/B/bn2/beta",
                                            "encoder/stage2/C/conv1/weight",
                                            "encoder/head/bn/gamma",
                                            "bottleneck/down/weight",
                                            "bottleneck/up/weight",
                                            "bottleneck/up/bias",
                                            "decoder/stage3/A/conv1/weight",
                                            "decoder/stage2/C/convt/weight",
                                            "decoder/stage1/C/proj/weight",
                                            "decoder/stage0/B/conv2/weight",
                                            "decoder/out/bn/beta",
                                            "decoder/out/weight",
                                            "decoder/out/bias"};
    static const char *const second[] = {"encoder/stem/weight", "encoder/stage3/C/conv2/weight",
                                         "bottleneck/down/bias"};
    set_up(0.2);
    r_nets nets = r_nets_of(&trainer);
    r_batch b = r_batch_of(&batch, SIZE);
    (void)r_generator_loss(&nets, &b, true);
    for (size_t i = 0; i < sizeof generator / sizeof generator[0]; i += EVERY) {
        check_difference(&nets, &b, NULL, DRAE__NET_GENERATOR, generator[i], 3 * i + 1);
    }
    for (size_t i = 0; i < sizeof second / sizeof second[0]; i += EVERY) {
        check_difference(&nets, &b, NULL, DRAE__NET_ENCODER2, second[i], 2 * i + 1);
    }
    tear_down();
}
END_TEST

START_TEST(test_discriminator_by_differences) {
    static const char *const tensors[] = {"encoder/stem/weight",
                                          "encoder/stage0/B/bn1/gamma",
                                          "encoder/stage1/A/proj/weight",
                                          "encoder/stage2/C/proj/weight",
                                          "encoder/head/bn/beta",
                                          "logit/weight",
                                          "logit/bias"};
    set_up(0.2);
    r_nets nets = r_nets_of(&trainer);
    r_batch b = r_batch_of(&batch, SIZE);
    double *recon = r_reconstruct(&nets, &b);
    (void)r_discriminator_loss(&nets, &b, recon, true);
    for (size_t i = 0; i < sizeof tensors / sizeof tensors[0]; i += EVERY) {
        check_difference(&nets, &b, recon, DRAE__NET_DISCRIMINATOR, tensors[i], 5 * i + 2);
    }
    tear_down();
}
END_TEST

/* ---- f32 against double ---- */

static void compare_tensors(const r_nets *nets, drae__net net) {
    const drae__params *params = &trainer.model.params[net];
    for (size_t i = 0; i < params->n; i++) {
        const drae__param *p = &params->items[i];
        const float *got = trainer.grads[net] + p->offset;
        const double *want = nets->grads[net] + p->offset;
        double squares = 0.0;
        for (size_t k = 0; k < p->count; k++) {
            squares += want[k] * want[k];
        }
        double limit = F32_LIMIT * sqrt(squares);
        for (size_t k = 0; k < p->count; k++) {
            double d = fabs((double)got[k] - want[k]);
            ck_assert_msg(d <= limit, "%s/%s[%zu]: %.9g, expected %.9g, off by %.1e, limit %.1e",
                          drae__net_name(net), p->path, k, (double)got[k], want[k], d, limit);
        }
    }
}

START_TEST(test_f32_against_double) {
    drae__losses losses;
    drae__err err = {{0}};
    /* The second time with the last sigmoid's derivative held at 0.24 or more: nearly everywhere.
     */
    set_up_floored(1.0, _i == 0 ? 0.0 : 0.24);
    r_nets nets = r_nets_of(&trainer);
    r_batch b = r_batch_of(&batch, SIZE);
    double *recon = r_reconstruct(&nets, &b);
    double disc = r_discriminator_loss(&nets, &b, recon, true);
    ck_assert_msg(drae__trainer_step(&trainer, &batch, 1.5e-4, 0, &losses, &err) == DRAE_OK, "%s",
                  err.text);
    compare_tensors(&nets, DRAE__NET_DISCRIMINATOR);
    /* The generator's step sees the discriminator after its update. */
    const float *updated = trainer.model.data[DRAE__NET_DISCRIMINATOR];
    for (size_t i = 0; i < nets.total[DRAE__NET_DISCRIMINATOR]; i++) {
        nets.params[DRAE__NET_DISCRIMINATOR][i] = (double)updated[i];
    }
    double gen = r_generator_loss(&nets, &b, true);
    compare_tensors(&nets, DRAE__NET_GENERATOR);
    compare_tensors(&nets, DRAE__NET_ENCODER2);
    ck_assert_msg(fabs(losses.gen - gen) <= 1e-5 * gen, "gen %.9g, expected %.9g", losses.gen, gen);
    ck_assert_msg(fabs(losses.disc - disc) <= 1e-5 * disc, "disc %.9g, expected %.9g", losses.disc,
                  disc);
    for (size_t i = 0; i < BATCH * SIZE * SIZE; i++) {
        double got = (double)trainer.memory.decoder.image[i];
        ck_assert_msg(fabs(got - recon[i]) <= 1e-5, "X^[%zu]: %.9g, expected %.9g", i, got,
                      recon[i]);
    }
    tear_down();
}
END_TEST

/* A loss of weight 0 is not there at all, and does not change what the others do. */
START_TEST(test_parts_switched_off) {
    drae__losses losses;
    drae__err err = {{0}};
    drae__train_config config = drae__train_config_default();
    set_up(1.0);
    config.model.width = 8;
    config.model.latent = 6;
    config.run.batch = BATCH;
    config.run.threads = 2;
    config.loss.adv = 0.0;
    config.loss.enc = 0.0;
    config.loss.nse = 0.0;
    drae__trainer bare;
    ck_assert_int_eq(drae__trainer_create(&config, SIZE, 0, &bare, &err), DRAE_OK);
    ck_assert_ptr_null(bare.model.data[DRAE__NET_DISCRIMINATOR]);
    ck_assert_ptr_null(bare.model.data[DRAE__NET_ENCODER2]);
    g_fill_model(&bare.model);
    ck_assert_int_eq(drae__trainer_step(&bare, &batch, 1e-4, 0, &losses, &err), DRAE_OK);
    ck_assert(isnan(losses.adv) && isnan(losses.enc) && isnan(losses.nse) && isnan(losses.disc));
    ck_assert(fabs(losses.gen - 50.0 * losses.con) <= 1e-9);
    ck_assert(losses.grad_norm > 0.0);
    ck_assert_uint_lt(bare.memory.n_bytes, trainer.memory.n_bytes);
    drae__trainer_destroy(&bare);
    tear_down();
}
END_TEST

int main(void) {
    Suite *suite = suite_create("gradients");
    TCase *tcase = tcase_create("gradients");
    tcase_add_test(tcase, test_generator_by_differences);
    tcase_add_test(tcase, test_discriminator_by_differences);
    tcase_add_loop_test(tcase, test_f32_against_double, 0, 2);
    tcase_add_test(tcase, test_parts_switched_off);
    suite_add_tcase(suite, tcase);
    return drae_run_suite(suite);
}
