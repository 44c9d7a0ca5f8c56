/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Training by two processes, started by `mpirun -n 2`: sums in the order of the ranks, shares of
 * the data, one step of two that is one step of one with all the patches, whole runs.
 *     test_processes                 the suite
 *     test_processes set - SET       (one process) makes a data set for the two below
 *     test_processes die RUN SET     trains until rank 1 is ended by a signal (lost_process.sh)
 *     test_processes resume RUN SET  goes on from what that left, for a second
 */
#include "golden.h"
#include "small.h"

#include "base/file.h"
#include "train/loader.h"
#include "train/run.h"
#include "tests/run.h"

#include <check.h>
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#define SIZE 32
#define N    30 /* 15 products, two held out: 26 train */

#define FOREVER 1000000 /* epochs */

static drae__comm comm; /* of this program */

/* Check keeps a record of every assertion: per element only where it fails. */
#define MUST(condition, ...)                                                                       \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            ck_abort_msg(__VA_ARGS__);                                                             \
        }                                                                                          \
    } while (0)

/* ---- what the ranks tell each other ---- */

START_TEST(test_sums) {
    static const size_t sizes[] = {0, 1, 2, 3, 1000, 1001};
    drae__err err = {{0}};
    float values[1001];
    ck_assert_int_eq(comm.size, 2);
    ck_assert_int_eq(drae__comm_reserve(&comm, 1001, 8, &err), DRAE_OK);
    for (size_t k = 0; k < sizeof sizes / sizeof sizes[0]; k++) {
        for (size_t i = 0; i < sizes[k]; i++) {
            values[i] = (float)(i + 1) * (comm.rank == 0 ? 1.0f : 1000.0f);
        }
        drae__comm_sum_begin(&comm, values, sizes[k]);
        drae__comm_sum_end(&comm);
        for (size_t i = 0; i < sizes[k]; i++) {
            MUST(values[i] == (float)(i + 1) * 1001.0f, "n %zu: [%zu] is %g, expected %g", sizes[k],
                 i, (double)values[i], (double)(i + 1) * 1001.0);
        }
    }
    const double mine[2] = {10.0 * comm.rank, 10.0 * comm.rank + 1.0};
    const double *all = drae__comm_gather(&comm, mine, 2);
    ck_assert(all[0] == 0.0 && all[1] == 1.0 && all[2] == 10.0 && all[3] == 11.0);
    int word = comm.rank == 0 ? 42 : 7;
    drae__comm_broadcast(&comm, &word, sizeof word);
    ck_assert_int_eq(word, 42);
    ck_assert(drae__comm_any(&comm, comm.rank == 1) && !drae__comm_any(&comm, false));
}
END_TEST

/* Fails where the ranks' arrays differ in a bit. */
static void same_everywhere(const char *what, const float *values, size_t n) {
    float *first = malloc(n * sizeof *first);
    ck_assert_ptr_nonnull(first);
    memcpy(first, values, n * sizeof *first);
    drae__comm_broadcast(&comm, first, n * sizeof *first);
    for (size_t i = 0; i < n; i++) {
        MUST(memcmp(&first[i], &values[i], sizeof *first) == 0,
             "%s[%zu]: rank 0 has %.9g, rank %d %.9g", what, i, (double)first[i], comm.rank,
             (double)values[i]);
    }
    free(first);
}

/* ---- shares of the data ---- */

static const char *shared_folder(void) {
    static char folder[64];
    (void)snprintf(folder, sizeof folder, "%s", comm.rank == 0 ? s_make_folder() : "");
    drae__comm_broadcast(&comm, folder, sizeof folder);
    return folder;
}

static const char *shared_set(const char *folder) {
    static char path[160];
    (void)snprintf(path, sizeof path, "%s/set.h5", folder);
    if (comm.rank == 0) {
        s_make_set(path, SIZE, N, 2, 0);
    }
    (void)drae__comm_any(&comm, false);
    return path;
}

static void leave_folder(void) {
    if (!drae__comm_any(&comm, false) && comm.rank == 0) {
        s_remove_folder();
    }
}

/* Two shares of 4 side by side are the batches of 8 of one; the last, smaller one too. */
START_TEST(test_shares) {
    drae__err err = {{0}};
    drae__dataset *set = NULL;
    drae__loader *share, *whole;
    drae__batch part, all;
    drae__train_config config = s_config(), both = config;
    size_t train[27], last, pixels = (size_t)SIZE * SIZE;
    const char *path = shared_set(shared_folder());
    ck_assert_int_eq(drae__dataset_open(&path, 1, 0, &set, &err), DRAE_OK);
    for (size_t i = 0; i < 27; i++) {
        train[i] = i;
    }
    both.run.batch = 8;
    ck_assert_int_eq(drae__loader_batches(&config, 27, 2, &last), 4);
    ck_assert_uint_eq(last, 1);
    ck_assert_int_eq(drae__loader_create_share(&config, set, train, 27, (size_t)comm.rank, 2, 0, 1,
                                               &share, &err),
                     DRAE_OK);
    ck_assert_int_eq(drae__loader_create(&both, set, train, 27, 0, 1, &whole, &err), DRAE_OK);
    for (int i = 1; i < 6; i++) {
        ck_assert_int_eq(drae__loader_next(share, &part, &err), DRAE_OK);
        ck_assert_int_eq(drae__loader_next(whole, &all, &err), DRAE_OK);
        ck_assert_uint_eq(part.n, i == 3 ? 1 : 4); /* of 27 patches one is left out */
        const float *want = all.x_star + (size_t)comm.rank * part.n * pixels;
        for (size_t k = 0; k < part.n * pixels; k++) {
            MUST(part.x_star[k] == want[k], "batch %d, rank %d: [%zu] is %.9g, not %.9g", i,
                 comm.rank, k, (double)part.x_star[k], (double)want[k]);
        }
    }
    drae__loader_destroy(share);
    drae__loader_destroy(whole);
    drae__dataset_close(set);
    leave_folder();
}
END_TEST

/* ---- one step ---- */

static void make_trainer(size_t batch, bool sync_bn, drae__comm *job, drae__trainer *t) {
    drae__train_config config = s_config();
    drae__err err = {{0}};
    config.run.batch = (int64_t)batch;
    config.run.sync_bn = sync_bn;
    config.model.slope = 1.0; /* no kinks: float32 rounding stays rounding */
    ck_assert_msg(drae__trainer_create(&config, SIZE, 0, t, &err) == DRAE_OK, "%s", err.text);
    g_fill_model(&t->model);
    if (job != NULL) {
        ck_assert_msg(drae__trainer_join(t, job, &err) == DRAE_OK, "%s", err.text);
    }
}

static drae__batch batch_from(const g_inputs *in, size_t first, size_t n) {
    size_t at = first * (size_t)in->size * (size_t)in->size;
    return (drae__batch){.n = n,
                         .x = in->x + at,
                         .x_star = in->x_star + at,
                         .mask = in->mask + at,
                         .noise = in->noise + at,
                         .beta = in->beta + first};
}

static void step(drae__trainer *t, const drae__batch *b, drae__losses *losses) {
    drae__err err = {{0}};
    ck_assert_msg(drae__trainer_step(t, b, 1e-4, 0, losses, &err) == DRAE_OK, "%s", err.text);
}

static double norm_of(const float *values, size_t n) {
    double sum = 0.0;
    for (size_t i = 0; i < n; i++) {
        sum += (double)values[i] * (double)values[i];
    }
    return sqrt(sum);
}

/* Each rank steps with its half of the batch, and alone with all of it. Limits as those of the
 * smooth networks in test_step_golden.c: the sums are taken in another order. */
START_TEST(test_two_are_one) {
    drae__trainer two, one;
    drae__losses of_two, of_one;
    g_inputs in = g_make_inputs(4, SIZE);
    drae__batch half = batch_from(&in, 2 * (size_t)comm.rank, 2), all = batch_from(&in, 0, 4);
    make_trainer(2, true, &comm, &two);
    make_trainer(4, false, NULL, &one);
    step(&two, &half, &of_two);
    step(&one, &all, &of_one);
#define SAME_LOSS(name)                                                                            \
    ck_assert_msg(fabs(of_two.name - of_one.name) <= 1e-5 * fabs(of_one.name),                     \
                  #name " is %.9g, of one process %.9g", of_two.name, of_one.name);
    DRAE__LOSSES(SAME_LOSS)
#undef SAME_LOSS
    for (int net = 0; net < DRAE__NETS; net++) {
        const drae__params *params = &two.model.params[net];
        same_everywhere("weights", two.model.data[net], params->total);
        for (size_t i = 0; i < params->n; i++) {
            const drae__param *p = &params->items[i];
            bool trained = drae__param_trained(p);
            const float *got = (trained ? two.grads : two.model.data)[net] + p->offset;
            const float *want = (trained ? one.grads : one.model.data)[net] + p->offset;
            double limit = (trained ? 3e-4 : 1e-5) * norm_of(want, p->count);
            for (size_t k = 0; k < p->count; k++) {
                double off = fabs((double)got[k] - (double)want[k]);
                MUST(off <= limit, "%s/%s[%zu] is %.9g, of one process %.9g, limit %.2e",
                     drae__net_name((drae__net)net), p->path, k, (double)got[k], (double)want[k],
                     limit);
            }
        }
    }
    drae__trainer_destroy(&two);
    drae__trainer_destroy(&one);
    g_free_inputs(&in);
}
END_TEST

/* Without joined statistics the ranks still hold the same weights, and the same ones again. */
START_TEST(test_own_statistics) {
    g_inputs in = g_make_inputs(4, SIZE);
    drae__batch half = batch_from(&in, 2 * (size_t)comm.rank, 2);
    drae__trainer t[2];
    drae__losses losses;
    for (int i = 0; i < 2; i++) {
        make_trainer(2, false, &comm, &t[i]);
        step(&t[i], &half, &losses);
        step(&t[i], &half, &losses);
    }
    for (int net = 0; net < DRAE__NETS; net++) {
        const drae__params *params = &t[0].model.params[net];
        for (size_t i = 0; i < params->n; i++) {
            const drae__param *p = &params->items[i];
            const float *a = t[0].model.data[net] + p->offset;
            ck_assert_msg(memcmp(a, t[1].model.data[net] + p->offset, p->count * sizeof *a) == 0,
                          "%s differs when repeated", p->path);
            if (drae__param_trained(p)) {
                same_everywhere(p->path, a, p->count);
            }
        }
    }
    drae__trainer_destroy(&t[0]);
    drae__trainer_destroy(&t[1]);
    g_free_inputs(&in);
}
END_TEST

/* ---- whole runs ---- */

static drae__run_options options_for(const char *const *set, const char *out, bool resume) {
    return (drae__run_options){.data = set,
                               .n_data = 1,
                               .out = out,
                               .resume = resume,
                               .trace_step = -1,
                               .comm = &comm,
                               .revision = "test",
                               .quiet = true};
}

static drae_status train(const char *set, const char *out, int64_t epochs, bool resume,
                         drae__err *err) {
    drae__train_config config = s_config();
    drae__run_options options = options_for(&set, out, resume);
    drae__run_result result;
    config.run.epochs = epochs;
    config.run.checkpoint_minutes = 0.01;
    config.run.max_minutes = epochs == FOREVER && resume ? 0.02 : 0.0;
    err->text[0] = '\0';
    return drae__run(&config, &options, &result, err);
}

static void file_of(const char *folder, const char *run, const char *name, char path[200]) {
    (void)snprintf(path, 200, "%s/%s/%s", folder, run, name);
}

/* Two epochs at once, and one with a resumed one behind it: the same checkpoint, bit for bit. */
START_TEST(test_runs) {
    drae__err err;
    char out[2][160], path[2][200], folder[64];
    (void)snprintf(folder, sizeof folder, "%s", shared_folder());
    const char *set = shared_set(folder);
    for (int i = 0; i < 2; i++) {
        (void)snprintf(out[i], sizeof out[i], "%s/run%d", folder, i);
    }
    ck_assert_msg(train(set, out[0], 2, false, &err) == DRAE_OK, "%s", err.text);
    ck_assert_msg(train(set, out[1], 1, false, &err) == DRAE_OK, "%s", err.text);
    ck_assert_msg(train(set, out[1], 2, true, &err) == DRAE_OK, "%s", err.text);
    (void)drae__comm_any(&comm, false); /* rank 0 has written its files */
    uint8_t *bytes[2];
    size_t n[2];
    for (int i = 0; i < 2; i++) {
        file_of(folder, i == 0 ? "run0" : "run1", "checkpoint.h5", path[i]);
        ck_assert_msg(drae__file_read(path[i], SIZE_MAX / 2, &bytes[i], &n[i], &err) == DRAE_OK,
                      "%s", err.text);
    }
    ck_assert(n[0] == n[1] && memcmp(bytes[0], bytes[1], n[0]) == 0);
    free(bytes[0]);
    free(bytes[1]);
    leave_folder();
}
END_TEST

/* A run of two processes is not gone on with by one. */
START_TEST(test_other_job) {
    drae__err err;
    char folder[64], out[160];
    (void)snprintf(folder, sizeof folder, "%s", shared_folder());
    const char *set = shared_set(folder);
    (void)snprintf(out, sizeof out, "%s/run", folder);
    ck_assert_msg(train(set, out, 1, false, &err) == DRAE_OK, "%s", err.text);
    (void)drae__comm_any(&comm, false);
    if (comm.rank == 0) { /* one alone: two would meet at the lock of the folder */
        drae__comm alone = {.size = 1}, job = comm;
        comm = alone;
        drae_status status = train(set, out, 2, true, &err);
        comm = job;
        ck_assert_int_eq(status, DRAE_ERROR_ARGUMENT);
        ck_assert_msg(strstr(err.text, "processes") != NULL, "%s", err.text);
    }
    leave_folder();
}
END_TEST

/* ---- a process that is lost ---- */

/* Ends this process as soon as a step has been logged, wherever the trainer is then. */
static void *wait_and_die(void *run) {
    char path[200];
    struct stat info;
    const struct timespec pause = {.tv_nsec = 5000000};
    file_of(run, ".", "log.jsonl", path);
    while (stat(path, &info) != 0 || info.st_size == 0) {
        (void)nanosleep(&pause, NULL);
    }
    (void)raise(SIGKILL);
    return NULL;
}

static int lose_one(const char *run, const char *set) {
    drae__err err;
    pthread_t watcher;
    char folder[160];
    (void)snprintf(folder, sizeof folder, "%s", run);
    if (comm.rank == 1 && pthread_create(&watcher, NULL, wait_and_die, folder) != 0) {
        return EXIT_FAILURE;
    }
    return train(set, run, FOREVER, false, &err) == DRAE_OK ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int go_on(const char *run, const char *set) {
    drae__err err;
    drae_status status = train(set, run, FOREVER, true, &err);
    if (status != DRAE_OK) {
        fprintf(stderr, "rank %d: %s\n", comm.rank, err.text);
    }
    return status == DRAE_OK ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* Check wants to be asked from within a test. */
static const char *set_wanted;

START_TEST(make_set) {
    s_make_set(set_wanted, SIZE, N, 2, 0);
}
END_TEST

static int write_set(const char *path) {
    Suite *suite = suite_create("set");
    TCase *parts = tcase_create("set");
    set_wanted = path;
    tcase_add_test(parts, make_set);
    suite_add_tcase(suite, parts);
    return drae_run_suite(suite);
}

static int run_suite(void) {
    Suite *suite = suite_create("processes");
    TCase *parts = tcase_create("processes");
    tcase_add_test(parts, test_sums);
    tcase_add_test(parts, test_shares);
    tcase_add_test(parts, test_two_are_one);
    tcase_add_test(parts, test_own_statistics);
    tcase_add_test(parts, test_runs);
    tcase_add_test(parts, test_other_job);
    suite_add_tcase(suite, parts);
    return drae_run_suite(suite);
}

int main(int argc, char **argv) {
    drae__err err = {{0}};
    int result = EXIT_FAILURE;
    if (drae__comm_open(&comm, &err) != DRAE_OK) {
        fprintf(stderr, "%s\n", err.text);
        return EXIT_FAILURE;
    }
    if (argc == 4 && strcmp(argv[1], "set") == 0) {
        result = write_set(argv[3]);
    } else if (argc == 4) {
        result = strcmp(argv[1], "die") == 0 ? lose_one(argv[2], argv[3]) : go_on(argv[2], argv[3]);
    } else {
        result = run_suite();
    }
    if (result != EXIT_SUCCESS) {
        drae__comm_abort(&comm, result);
    }
    drae__comm_close(&comm);
    return result;
}
