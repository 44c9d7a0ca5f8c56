/* SPDX-License-Identifier: Apache-2.0 */
/* Runs that go on: bit for bit after a stop or a signal, a log that is ahead, what is refused. */
#include "runs.h"

#include "base/file.h"
#include "io/blob.h"
#include "tests/run.h"

#include <check.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

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

/* ---- legs of a run ---- */

static void same_weights(const char *a, const char *b) {
    same_checkpoints(a, b, "/generator");
    same_checkpoints(a, b, "/encoder2");
    same_checkpoints(a, b, "/discriminator");
    same_checkpoints(a, b, "/optimizer");
}

/* In legs by max_steps: in the middle of an epoch and at its end; two threads. Each leg's last
 * validation is one more candidate for the best model, so only weights and moments are the same. */
START_TEST(test_resume_bit_exact) {
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
}
END_TEST

/* A process that died between checkpoints left a log that is ahead, and perhaps half a line. */
START_TEST(test_log_is_cut_back) {
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
}
END_TEST

START_TEST(test_resume_refusals) {
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
}
END_TEST

int main(void) {
    Suite *suite = suite_create("train_resume");
    TCase *tcase = tcase_create("resume");
    tcase_add_checked_fixture(tcase, set_up, s_remove_folder);
    tcase_add_test(tcase, test_resume_bit_exact);
    tcase_add_test(tcase, test_resume_after_signal);
    tcase_add_test(tcase, test_log_is_cut_back);
    tcase_add_test(tcase, test_resume_refusals);
    suite_add_tcase(suite, tcase);
    return drae_run_suite(suite);
}
