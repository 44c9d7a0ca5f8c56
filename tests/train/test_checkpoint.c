/* SPDX-License-Identifier: Apache-2.0 */
/* Checkpoints under attack: full disk, kill -9, damage. No OpenMP region runs before a fork here.
 */
#include "small.h"

#include "base/file.h"
#include "base/philox.h"
#include "train/checkpoint.h"
#include "tests/run.h"

#include <check.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static drae__trainer trainer;
static const drae__train_state state = {.step = 12,
                                        .epoch = 2,
                                        .cursor = 3,
                                        .samples = 47,
                                        .stale = 1,
                                        .best_step = 10,
                                        .best_samples = 40,
                                        .best_con = 0.25};
static const char hash[] = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

static void set_up(void) {
    drae__train_config config = s_config();
    drae__err err = {{0}};
    (void)s_make_folder();
    ck_assert_msg(drae__trainer_create(&config, 32, 0, &trainer, &err) == DRAE_OK, "%s", err.text);
    for (int net = 0; net < DRAE__NETS; net++) {
        drae__model_init(&trainer.model, (drae__net)net, 1);
        for (size_t i = 0; i < trainer.model.params[net].total; i++) {
            trainer.adam.m[net][i] = 0.001f * (float)(i % 1000);
            trainer.adam.v[net][i] = 0.002f * (float)(i % 1000);
        }
    }
    trainer.adam.t_gen = 12;
    trainer.adam.t_disc = 11;
}

static void tear_down(void) {
    drae__trainer_destroy(&trainer);
    s_remove_folder();
}

static void must_write(const char *path) {
    drae__err err = {{0}};
    ck_assert_msg(drae__checkpoint_write(path, &trainer, &state, hash, &err) == DRAE_OK, "%s",
                  err.text);
}

/* Reads into a second trainer; returns the status, compares on success. */
static drae_status read_back(const char *path, drae__err *err) {
    drae__trainer other;
    drae__train_config config, wanted = s_config();
    drae__train_state s;
    err->text[0] = '\0';
    drae_status status = drae__checkpoint_peek(path, hash, &config, &s, err);
    if (status != DRAE_OK) {
        return status;
    }
    ck_assert_int_eq(drae__train_config_same(&config, &wanted, err), DRAE_OK);
    ck_assert(s.step == 12 && s.epoch == 2 && s.cursor == 3 && s.samples == 47 && s.stale == 1);
    ck_assert(s.best_step == 10 && s.best_samples == 40 && s.best_con == 0.25);
    ck_assert_int_eq(drae__trainer_create(&config, 32, 0, &other, err), DRAE_OK);
    status = drae__checkpoint_read(path, &other, err);
    for (int net = 0; status == DRAE_OK && net < DRAE__NETS; net++) {
        size_t n_bytes = trainer.model.params[net].total * sizeof(float);
        ck_assert(memcmp(other.model.data[net], trainer.model.data[net], n_bytes) == 0);
        ck_assert(memcmp(other.adam.m[net], trainer.adam.m[net], n_bytes) == 0);
        ck_assert(memcmp(other.adam.v[net], trainer.adam.v[net], n_bytes) == 0);
        ck_assert(other.adam.t_gen == 12 && other.adam.t_disc == 11);
    }
    drae__trainer_destroy(&other);
    return status;
}

START_TEST(test_kill_while_writing) {
    enum { ROUNDS = 12 };
    drae__err err = {{0}};
    drae__rng rng;
    set_up();
    const char *path = s_path("checkpoint.h5");
    must_write(path);
    drae__rng_init(&rng, 3, DRAE__PURPOSE_TEST, 0);
    for (int i = 0; i < ROUNDS; i++) {
        pid_t child = fork();
        ck_assert_int_ge(child, 0);
        if (child == 0) {
            for (;;) {
                if (drae__checkpoint_write(path, &trainer, &state, hash, NULL) != DRAE_OK) {
                    _exit(1);
                }
            }
        }
        (void)usleep(10000 + drae__rng_below(&rng, 120000));
        (void)kill(child, SIGKILL);
        int ended;
        ck_assert_int_eq(waitpid(child, &ended, 0), child);
        ck_assert_msg(WIFSIGNALED(ended), "the writer gave up");
        ck_assert_msg(read_back(path, &err) == DRAE_OK, "round %d: %s", i, err.text);
    }
    tear_down();
}
END_TEST

START_TEST(test_full_disk) {
    drae__err err = {{0}};
    set_up();
    char path[200];
    (void)snprintf(path, sizeof path, "%s", s_path("checkpoint.h5"));
    must_write(path);
    struct rlimit before, small;
    ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &before), 0);
    (void)signal(SIGXFSZ, SIG_IGN);
    for (rlim_t limit = 0; limit <= 2000000; limit += 400000) {
        small = before;
        small.rlim_cur = limit;
        ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &small), 0);
        err.text[0] = '\0';
        drae_status status = drae__checkpoint_write(path, &trainer, &state, hash, &err);
        ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &before), 0);
        ck_assert_msg(status == DRAE_ERROR_IO, "limit %lu: status %d", (unsigned long)limit,
                      status);
        ck_assert_msg(strstr(err.text, "checkpoint.h5") != NULL, "%s", err.text);
        ck_assert_msg(read_back(path, &err) == DRAE_OK, "limit %lu: %s", (unsigned long)limit,
                      err.text);
    }
    tear_down();
}
END_TEST

START_TEST(test_damaged) {
    drae__err err = {{0}};
    uint8_t *bytes = NULL;
    size_t n_bytes = 0;
    set_up();
    char path[200], bad[200];
    (void)snprintf(path, sizeof path, "%s", s_path("checkpoint.h5"));
    (void)snprintf(bad, sizeof bad, "%s", s_path("bad.h5"));
    must_write(path);
    ck_assert_msg(read_back(path, &err) == DRAE_OK, "%s", err.text);
    ck_assert_int_eq(drae__file_read(path, SIZE_MAX / 2, &bytes, &n_bytes, &err), DRAE_OK);
    static const double cuts[] = {0.0, 0.001, 0.3, 0.9, 0.9999};
    for (size_t i = 0; i < sizeof cuts / sizeof cuts[0]; i++) {
        size_t keep = (size_t)(cuts[i] * (double)n_bytes);
        ck_assert_int_eq(drae__file_write(bad, bytes, keep, &err), DRAE_OK);
        ck_assert_msg(read_back(bad, &err) == DRAE_ERROR_FILE, "cut to %zu bytes: %s", keep,
                      err.text);
    }
    free(bytes);
    drae__train_config config;
    drae__train_state s;
    char other_hash[65];
    (void)snprintf(other_hash, sizeof other_hash, "ff%s", hash + 2);
    ck_assert_int_eq(drae__checkpoint_peek(path, other_hash, &config, &s, &err),
                     DRAE_ERROR_ARGUMENT);
    trainer.adam.v[DRAE__NET_ENCODER2][100] = NAN;
    must_write(path);
    ck_assert_int_eq(read_back(path, &err), DRAE_ERROR_FILE);
    ck_assert_msg(strstr(err.text, "/optimizer/encoder2/v") != NULL, "%s", err.text);
    trainer.model.data[DRAE__NET_GENERATOR][100] = NAN;
    ck_assert_int_eq(drae__checkpoint_write(path, &trainer, &state, hash, &err),
                     DRAE_ERROR_NOT_FINITE);
    tear_down();
}
END_TEST

int main(void) {
    Suite *suite = suite_create("checkpoint");
    TCase *tcase = tcase_create("checkpoint");
    tcase_add_test(tcase, test_kill_while_writing);
    tcase_add_test(tcase, test_full_disk);
    tcase_add_test(tcase, test_damaged);
    suite_add_tcase(suite, tcase);
    return drae_run_suite(suite);
}
