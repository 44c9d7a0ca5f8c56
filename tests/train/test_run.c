/* SPDX-License-Identifier: Apache-2.0 */
/* Whole runs: resume bit for bit, learning, stops, what a run refuses, not-finite values. */
#include "small.h"

#include "base/file.h"
#include "io/weights.h"
#include "train/run.h"
#include "train/step.h"
#include "tests/run.h"

#include <check.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SIZE 32
#define N    26 /* 13 products, one held out: 24 train, so 6 steps an epoch */

static char set_path[160];
static const char *set_paths[1] = {set_path};
static char news[2000];

static void hear(const char *line) {
    size_t used = strlen(news);
    (void)snprintf(news + used, sizeof news - used, "%s\n", line);
}

static void set_up(void) {
    (void)s_make_folder();
    (void)snprintf(set_path, sizeof set_path, "%s", s_path("set.h5"));
    s_make_set(set_path, SIZE, N, 2, 0);
    news[0] = '\0';
}

static drae__run_options options_for(const char *out) {
    return (drae__run_options){.data = set_paths,
                               .n_data = 1,
                               .out = out,
                               .trace_step = -1,
                               .revision = "test",
                               .quiet = true,
                               .say = hear};
}

static drae_status run(const drae__train_config *config, const drae__run_options *options,
                       drae__err *err) {
    drae__run_result result;
    err->text[0] = '\0';
    return drae__run(config, options, &result, err);
}

static void must_run(const drae__train_config *config, const drae__run_options *options) {
    drae__err err;
    drae_status status = run(config, options, &err);
    ck_assert_msg(status == DRAE_OK, "%s", err.text);
}

/* ---- files compared ---- */

static void same_files(const char *a, const char *b) {
    drae__err err = {{0}};
    uint8_t *bytes[2];
    size_t n[2];
    ck_assert_msg(drae__file_read(a, SIZE_MAX / 2, &bytes[0], &n[0], &err) == DRAE_OK, "%s",
                  err.text);
    ck_assert_msg(drae__file_read(b, SIZE_MAX / 2, &bytes[1], &n[1], &err) == DRAE_OK, "%s",
                  err.text);
    ck_assert_msg(n[0] == n[1], "%s has %zu bytes, %s %zu", a, n[0], b, n[1]);
    for (size_t i = 0; i < n[0]; i++) {
        ck_assert_msg(bytes[0][i] == bytes[1][i], "%s and %s differ at byte %zu of %zu", a, b, i,
                      n[0]);
    }
    free(bytes[0]);
    free(bytes[1]);
}

/* Every array of two checkpoints below a path, bit by bit. */
static void same_checkpoints(const char *a, const char *b, const char *below) {
    drae__err err = {{0}};
    drae__blob_file *files[2] = {NULL, NULL};
    ck_assert_int_eq(drae__blob_open(a, NULL, 0, SIZE_MAX, &files[0], &err), DRAE_OK);
    ck_assert_int_eq(drae__blob_open(b, NULL, 0, SIZE_MAX, &files[1], &err), DRAE_OK);
    size_t n = drae__blob_number(files[0]), arrays = 0;
    ck_assert_uint_eq(n, drae__blob_number(files[1]));
    for (size_t i = 0; i < n; i++) {
        const drae__blob *x = drae__blob_at(files[0], i), *y = drae__blob_at(files[1], i);
        ck_assert_str_eq(x->path, y->path);
        if (strncmp(x->path, below, strlen(below)) != 0 || strchr(x->path, '@') != NULL) {
            continue;
        }
        if (x->type != DRAE__BLOB_F32 && x->type != DRAE__BLOB_I64 && x->type != DRAE__BLOB_F64) {
            continue;
        }
        size_t count = drae__blob_count(x);
        size_t each = x->type == DRAE__BLOB_F32 ? 4 : 8;
        ck_assert_uint_eq(count, drae__blob_count(y));
        ck_assert_msg(memcmp(x->data, y->data, count * each) == 0, "%s differs", x->path);
        arrays++;
    }
    ck_assert_uint_gt(arrays, 2);
    drae__blob_close(files[0]);
    drae__blob_close(files[1]);
}

static size_t count_lines(const char *path, const char *with) {
    drae__err err = {{0}};
    uint8_t *text;
    size_t n_bytes, lines = 0;
    ck_assert_msg(drae__file_read(path, 1 << 24, &text, &n_bytes, &err) == DRAE_OK, "%s", err.text);
    for (char *save = NULL, *line = strtok_r((char *)text, "\n", &save); line != NULL;
         line = strtok_r(NULL, "\n", &save)) {
        lines += strstr(line, with) != NULL ? 1 : 0;
    }
    free(text);
    return lines;
}

/* ---- resume ---- */

static void same_weights(const char *a, const char *b) {
    same_checkpoints(a, b, "/generator");
    same_checkpoints(a, b, "/encoder2");
    same_checkpoints(a, b, "/discriminator");
    same_checkpoints(a, b, "/optimizer");
}

/* In legs by max_steps: in the middle of an epoch and at its end; two threads. Each leg's last
 * validation is one more candidate for the best model, so only weights and moments are the same. */
START_TEST(test_resume_bit_exact) {
    set_up();
    drae__train_config config = s_config();
    config.run.epochs = 2;
    config.run.threads = 2;
    drae__run_options o = options_for(s_path("straight"));
    must_run(&config, &o);
    static const int64_t stops[] = {1, 4, 6};
    o.out = s_path("legs");
    for (size_t i = 0; i < sizeof stops / sizeof stops[0]; i++) {
        config.run.max_steps = stops[i];
        o.resume = i > 0;
        must_run(&config, &o);
        ck_assert_uint_eq(count_lines(s_path("legs/log.jsonl"), "\"ms\""), (size_t)stops[i]);
    }
    config.run.max_steps = 0;
    config.run.readers = 2; /* free to change */
    must_run(&config, &o);
    same_weights(s_path("straight/checkpoint.h5"), s_path("legs/checkpoint.h5"));
    ck_assert_uint_eq(count_lines(s_path("legs/log.jsonl"), "\"ms\""), 12);
    ck_assert_uint_eq(count_lines(s_path("legs/log.jsonl"), "\"epochs\""), 2);
    s_remove_folder();
}
END_TEST

/* Sets stop when the log has so many steps. */
typedef struct watch {
    char log[200];
    long bytes; /* of the log when it is time */
    volatile int stop;
    volatile int over;
} watch;

static void *watch_log(void *argument) {
    watch *w = argument;
    while (!w->over) {
        struct stat info;
        if (stat(w->log, &info) == 0 && info.st_size >= w->bytes) {
            w->stop = 1;
            break;
        }
        (void)usleep(200);
    }
    return NULL;
}

/* A signal before the first step, twice; then two at any time; everything must be the same, also
 * the model file. */
START_TEST(test_resume_after_signal) {
    set_up();
    drae__train_config config = s_config();
    drae__err err;
    watch w = {.stop = 1};
    config.run.epochs = 3;
    drae__run_options o = options_for(s_path("straight"));
    must_run(&config, &o);
    o.out = s_path("legs");
    o.stop = &w.stop;
    ck_assert_int_eq(run(&config, &o, &err), DRAE_ERROR_INTERRUPTED);
    ck_assert_msg(strstr(err.text, "after step 0") != NULL, "%s", err.text);
    o.resume = true;
    ck_assert_int_eq(run(&config, &o, &err), DRAE_ERROR_INTERRUPTED);
    (void)snprintf(w.log, sizeof w.log, "%s", s_path("legs/log.jsonl"));
    for (int leg = 1; leg <= 2; leg++) {
        pthread_t thread;
        w.stop = 0;
        w.over = 0;
        w.bytes = leg * 2000; /* about five steps */
        ck_assert_int_eq(pthread_create(&thread, NULL, watch_log, &w), 0);
        drae_status status = run(&config, &o, &err);
        w.over = 1;
        (void)pthread_join(thread, NULL);
        ck_assert_msg(status == DRAE_ERROR_INTERRUPTED || status == DRAE_OK, "%s", err.text);
    }
    o.stop = NULL;
    must_run(&config, &o);
    same_checkpoints(s_path("straight/checkpoint.h5"), s_path("legs/checkpoint.h5"), "/");
    same_files(s_path("straight/model.h5"), s_path("legs/model.h5"));
    ck_assert_uint_eq(count_lines(s_path("legs/log.jsonl"), "\"ms\""), 18);
    ck_assert_uint_eq(count_lines(s_path("legs/log.jsonl"), "\"epochs\""), 3);
    s_remove_folder();
}
END_TEST

/* A process that died between checkpoints left a log that is ahead, and perhaps half a line. */
START_TEST(test_log_is_cut_back) {
    set_up();
    drae__train_config config = s_config();
    config.run.epochs = 1;
    config.run.max_steps = 3;
    drae__run_options o = options_for(s_path("run"));
    must_run(&config, &o);
    FILE *log = fopen(s_path("run/log.jsonl"), "a");
    ck_assert_ptr_nonnull(log);
    /* The first line: a validation that a checkpoint saved as due, and that was done by then. */
    fprintf(log, "{\"step\":3,\"epochs\":1}\n{\"step\":4,\"ms\":1}\n{\"step\":5,\"ms\":1}\n{\"st");
    (void)fclose(log);
    config.run.max_steps = 0;
    o.resume = true;
    must_run(&config, &o);
    ck_assert_uint_eq(count_lines(s_path("run/log.jsonl"), "\"ms\""), 6);
    ck_assert_uint_eq(count_lines(s_path("run/log.jsonl"), "\"epochs\""), 1);
    s_remove_folder();
}
END_TEST

START_TEST(test_resume_refusals) {
    set_up();
    drae__err err;
    drae__train_config config = s_config(), other;
    config.run.max_steps = 1;
    drae__run_options o = options_for(s_path("run"));
    o.resume = true;
    ck_assert_int_eq(run(&config, &o, &err), DRAE_ERROR_FILE); /* nothing there yet */
    ck_assert_msg(strstr(err.text, "no checkpoint") != NULL, "%s", err.text);
    o.resume = false;
    must_run(&config, &o);
    ck_assert_int_eq(run(&config, &o, &err), DRAE_ERROR_ARGUMENT); /* without --resume */
    ck_assert_msg(strstr(err.text, "--resume") != NULL, "%s", err.text);
    o.resume = true;
    other = config;
    other.run.threads = 2;
    ck_assert_int_eq(run(&other, &o, &err), DRAE_ERROR_ARGUMENT);
    ck_assert_msg(strstr(err.text, "run.threads is 2") != NULL, "%s", err.text);
    other = config;
    other.model.width = 16;
    ck_assert_int_eq(run(&other, &o, &err), DRAE_ERROR_ARGUMENT);
    ck_assert_msg(strstr(err.text, "model.width is 16") != NULL, "%s", err.text);
    other = config;
    (void)snprintf(other.run.precision, sizeof other.run.precision, "bf16");
    ck_assert_int_eq(run(&other, &o, &err), DRAE_ERROR_ARGUMENT);
    ck_assert_msg(strstr(err.text, "run.precision is bf16") != NULL, "%s", err.text);
    s_make_set(set_path, SIZE, N + 2, 2, 0); /* other data under the same name */
    ck_assert_int_eq(run(&config, &o, &err), DRAE_ERROR_ARGUMENT);
    ck_assert_msg(strstr(err.text, "other data") != NULL, "%s", err.text);
    s_remove_folder();
}
END_TEST

/* ---- what a run does ---- */

START_TEST(test_learns) {
    set_up();
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
    s_remove_folder();
}
END_TEST

START_TEST(test_defective_left_out) {
    set_up();
    drae__train_config config = s_config();
    config.run.max_steps = 1;
    config.run.previews = 3;
    s_make_set(set_path, SIZE, 20, 2, 5);
    drae__run_options o = options_for(s_path("run"));
    must_run(&config, &o);
    ck_assert_msg(strstr(news, "4 of 20 patches are labelled defective") != NULL, "%s", news);
    ck_assert_int_eq(access(s_path("run/preview-00000001.png"), R_OK), 0);
    s_remove_folder();
}
END_TEST

/* The rate is 0 from the start: nothing improves after the first validation. */
START_TEST(test_patience_and_limits) {
    set_up();
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
    s_remove_folder();
}
END_TEST

START_TEST(test_refusals) {
    set_up();
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
    s_remove_folder();
}
END_TEST

START_TEST(test_init_and_trace) {
    set_up();
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
    s_remove_folder();
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
    TCase *tcase = tcase_create("run");
    tcase_add_test(tcase, test_resume_bit_exact);
    tcase_add_test(tcase, test_resume_after_signal);
    tcase_add_test(tcase, test_log_is_cut_back);
    tcase_add_test(tcase, test_resume_refusals);
    tcase_add_test(tcase, test_learns);
    tcase_add_test(tcase, test_defective_left_out);
    tcase_add_test(tcase, test_patience_and_limits);
    tcase_add_test(tcase, test_refusals);
    tcase_add_test(tcase, test_init_and_trace);
    tcase_add_test(tcase, test_not_finite_layer);
    tcase_add_test(tcase, test_not_finite_input);
    tcase_add_test(tcase, test_not_finite_overflow);
    suite_add_tcase(suite, tcase);
    return drae_run_suite(suite);
}
