/* SPDX-License-Identifier: Apache-2.0 */
/* Whole runs: learning, stops, what a run refuses, not-finite values. */
#include "runs.h"

#include "base/file.h"
#include "io/blob.h"
#include "io/weights.h"
#include "train/step.h"
#include "tests/run.h"

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* ---- what a run does ---- */

START_TEST(test_learns) {
    drae__train_config config = s_config();
    drae__run_result result;
    drae__err err = {{0}};
    config.run.epochs = 8; /* 24 patches in batches of 5: 40 steps, each fifth with 4 */
    config.run.batch = 5;
    config.schedule.period_epochs = 8;
    config.loss.adv = 0.0;
    config.optimizer.lr = 1e-3;
    drae__run_options o = options_for(s_path("run"));
    config.run.max_steps = 1;
    ck_assert_msg(drae__run(&config, &o, &result, &err) == DRAE_OK, "%s", err.text);
    double before = result.best_con;
    config.run.max_steps = 0;
    o.out = s_path("long");
    ck_assert_msg(drae__run(&config, &o, &result, &err) == DRAE_OK, "%s", err.text);
    ck_assert_msg(result.best_con < 0.8 * before, "L_con %.4f after one step, %.4f after %d",
                  before, result.best_con, (int)result.step);
    ck_assert_int_eq(result.step, 40);
    ck_assert_int_eq(result.samples, 8 * 24);
    drae__model model;
    ck_assert_msg(drae__weights_load(s_path("long/model.h5"), DRAE__NETS_ALL,
                                     DRAE__NET_BIT(DRAE__NET_GENERATOR), &model, &err) == DRAE_OK,
                  "%s", err.text);
    ck_assert(model.provenance.val_con == result.best_con);
    ck_assert_int_eq(model.provenance.steps, result.best_step);
    drae__model_free(&model);
    ck_assert_int_eq(access(s_path("long/curves.svg"), R_OK), 0);
    ck_assert_int_eq(access(s_path("long/config.yaml"), R_OK), 0);
}
END_TEST

START_TEST(test_defective_left_out) {
    drae__train_config config = s_config();
    config.run.max_steps = 1;
    config.run.previews = 3;
    s_make_set(set_path, SIZE, 20, 2, 5);
    drae__run_options o = options_for(s_path("run"));
    must_run(&config, &o);
    ck_assert_msg(strstr(news, "4 of 20 patches are labelled defective") != NULL, "%s", news);
    ck_assert_int_eq(access(s_path("run/preview-00000001.png"), R_OK), 0);
}
END_TEST

/* The rate is 0 from the start: nothing improves after the first validation. */
START_TEST(test_patience_and_limits) {
    drae__train_config config = s_config();
    drae__run_result result;
    drae__err err = {{0}};
    config.optimizer.lr = 0.0;
    config.run.epochs = 50;
    config.run.patience = 2;
    config.loss.adv = 0.0;
    config.loss.enc = 0.0;
    drae__run_options o = options_for(s_path("run"));
    ck_assert_msg(drae__run(&config, &o, &result, &err) == DRAE_OK, "%s", err.text);
    ck_assert_msg(result.epoch < 20 && strstr(result.why, "patience") != NULL, "%s after epoch %d",
                  result.why, (int)result.epoch);
    config.run.patience = 0;
    config.run.max_minutes = 1e-9;
    o.out = s_path("short");
    ck_assert_msg(drae__run(&config, &o, &result, &err) == DRAE_OK, "%s", err.text);
    ck_assert_int_eq(result.step, 0);
    ck_assert_ptr_nonnull(strstr(result.why, "max_minutes"));
}
END_TEST

START_TEST(test_refusals) {
    drae__err err;
    drae__train_config config = s_config(), other = config;
    config.run.max_steps = 1;
    drae__run_options o = options_for(s_path("run"));
    (void)snprintf(other.run.device, sizeof other.run.device, "cuda");
    ck_assert_int_eq(run(&other, &o, &err), DRAE_ERROR_DEVICE);
    ck_assert_msg(strstr(err.text, "not available in this build") != NULL, "%s", err.text);
    int lock;
    ck_assert_int_eq(drae__file_make_folder(o.out, &err), DRAE_OK);
    ck_assert_int_eq(drae__file_lock(o.out, &lock, &err), DRAE_OK);
    ck_assert_int_eq(run(&config, &o, &err), DRAE_ERROR_BUSY);
    drae__file_unlock(lock);
    const char *absent[1] = {s_path("absent.h5")};
    o.data = absent;
    ck_assert_int_eq(run(&config, &o, &err), DRAE_ERROR_FILE);
    ck_assert_msg(strstr(err.text, "absent.h5") != NULL, "%s", err.text);
    o.data = set_paths;
    o.out = "/proc/nowhere/run";
    ck_assert_int_ne(run(&config, &o, &err), DRAE_OK);
    o.out = s_path("run");
    s_make_set(set_path, SIZE, 8, 2, 1);
    ck_assert_int_eq(run(&config, &o, &err), DRAE_ERROR_FILE);
    ck_assert_msg(strstr(err.text, "no good patch") != NULL, "%s", err.text);
}
END_TEST

START_TEST(test_init_and_trace) {
    drae__err err = {{0}};
    drae__train_config config = s_config(), wide = config;
    drae__run_options o = options_for(s_path("first"));
    config.run.max_steps = 2;
    must_run(&config, &o);
    o.out = s_path("second");
    o.init = s_path("first/model.h5");
    o.trace_step = 1;
    o.trace = s_path("trace.h5");
    config.run.max_steps = 0;
    config.model.width = 32; /* not insisted on: follows init */
    must_run(&config, &o);
    drae__blob_file *file = NULL;
    const drae__blob *blob = NULL;
    ck_assert_msg(drae__blob_open(o.trace, NULL, 0, SIZE_MAX, &file, &err) == DRAE_OK, "%s",
                  err.text);
    static const struct {
        const char *path;
        size_t count;
    } wanted[] = {{"/x", 4 * SIZE * SIZE},
                  {"/x_star", 4 * SIZE * SIZE},
                  {"/mask", 4 * SIZE * SIZE},
                  {"/noise", 4 * SIZE * SIZE},
                  {"/recon", 4 * SIZE * SIZE},
                  {"/beta", 4},
                  {"/param/generator/encoder/stage0/A/bn1/var", 8},
                  {"/param/encoder2/encoder/stem/weight", 72},
                  {"/grad/generator/decoder/out/bias", 1},
                  {"/grad/discriminator/logit/weight", 64 * 4},
                  {"/disc_param_after/discriminator/logit/bias", 1}};
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++) {
        ck_assert_msg(drae__blob_need(file, wanted[i].path, DRAE__BLOB_F32, wanted[i].count, &blob,
                                      &err) == DRAE_OK,
                      "%s", err.text);
    }
    ck_assert_int_eq(drae__blob_need(file, "/loss/gen", DRAE__BLOB_F64, 1, &blob, &err), DRAE_OK);
    ck_assert_int_eq(drae__blob_need(file, "/@step", DRAE__BLOB_I64, 1, &blob, &err), DRAE_OK);
    ck_assert_int_eq(*(const int64_t *)blob->data, 1);
    drae__blob_close(file);
    wide.model.width = 16;
    o.model_given = true;
    o.out = s_path("third");
    ck_assert_int_eq(run(&wide, &o, &err), DRAE_ERROR_ARGUMENT);
    ck_assert_msg(strstr(err.text, "width 8") != NULL, "%s", err.text);
}
END_TEST

/* ---- not finite ---- */

/* A trainer and a batch for one step. */
static void begin_step(drae__trainer *t, drae__batch *batch) {
    enum { COUNT = 4 * SIZE * SIZE };
    static float x[COUNT], zero[COUNT], beta[4];
    drae__err err = {{0}};
    drae__train_config config = s_config();
    for (int i = 0; i < COUNT; i++) {
        x[i] = (float)(i % 97) / 97.0f;
    }
    *batch = (drae__batch){.n = 4, .x = x, .x_star = x, .mask = zero, .noise = zero, .beta = beta};
    ck_assert_int_eq(drae__trainer_create(&config, SIZE, 0, t, &err), DRAE_OK);
    for (int k = 0; k < DRAE__NETS; k++) {
        drae__model_init(&t->model, (drae__net)k, 1);
    }
}

/* The step fails and names the layer; the trainer is done with. */
static void fail_step(drae__trainer *t, const drae__batch *batch, const char *layer) {
    drae__err err = {{0}};
    drae__losses losses;
    ck_assert_int_eq(drae__trainer_step(t, batch, 1e-4, 17, &losses, &err), DRAE_ERROR_NOT_FINITE);
    ck_assert_msg(strstr(err.text, layer) != NULL && strstr(err.text, "step 17") != NULL,
                  "'%s' lacks '%s'", err.text, layer);
    drae__trainer_destroy(t);
}

static void expect_blame(drae__net net, const char *tensor, const char *layer) {
    drae__trainer t;
    drae__batch batch;
    begin_step(&t, &batch);
    drae__model_tensor(&t.model, net, tensor)[0] = NAN;
    fail_step(&t, &batch, layer);
}

START_TEST(test_not_finite_layer) {
    expect_blame(DRAE__NET_GENERATOR, "encoder/stage1/B/conv1/weight",
                 "generator/encoder/stage1/B/conv1/weight (weights)");
    expect_blame(DRAE__NET_GENERATOR, "decoder/stage0/C/proj/weight",
                 "generator/decoder/stage0/C/proj/weight (weights)");
    expect_blame(DRAE__NET_DISCRIMINATOR, "logit/bias", "discriminator/logit/bias (weights)");
    expect_blame(DRAE__NET_ENCODER2, "encoder/head/bn/gamma",
                 "encoder2/encoder/head/bn/gamma (weights)");
}
END_TEST

START_TEST(test_not_finite_input) {
    drae__trainer t;
    drae__batch batch;
    begin_step(&t, &batch);
    ((float *)batch.x)[5] = INFINITY;
    fail_step(&t, &batch, "generator/input");
}
END_TEST

/* Finite weights whose products are not: the first layer that overflows is named. */
START_TEST(test_not_finite_overflow) {
    drae__trainer t;
    drae__batch batch;
    begin_step(&t, &batch);
    float *wei = drae__model_tensor(&t.model, DRAE__NET_GENERATOR, "encoder/stage2/B/conv1/weight");
    for (int i = 0; i < 32 * 32 * 9; i++) {
        wei[i] = 3e38f;
    }
    fail_step(&t, &batch, "generator/encoder/stage2/B/conv1;");
}
END_TEST

int main(void) {
    Suite *suite = suite_create("train_run");
    TCase *tcase = tcase_create("run"), *steps = tcase_create("not finite");
    tcase_add_checked_fixture(tcase, set_up, s_remove_folder);
    tcase_add_test(tcase, test_learns);
    tcase_add_test(tcase, test_defective_left_out);
    tcase_add_test(tcase, test_patience_and_limits);
    tcase_add_test(tcase, test_refusals);
    tcase_add_test(tcase, test_init_and_trace);
    tcase_add_test(steps, test_not_finite_layer);
    tcase_add_test(steps, test_not_finite_input);
    tcase_add_test(steps, test_not_finite_overflow);
    suite_add_tcase(suite, tcase);
    suite_add_tcase(suite, steps);
    return drae_run_suite(suite);
}
