/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How many patches a second the training side can be fed: read and unpacked in random order, and
 * read, augmented and batched by the loader that training uses.
 *
 *     bench_reader FILE [--repeat N] [--batch N] [--seconds N] [--cold 0|1]
 *
 * --repeat opens FILE that many times as one data set: with enough of them it is larger than
 * memory by its own count, every patch is really read and unpacked, and the disk holds one copy.
 * --cold 1 drops FILE from the page cache before every batch, so that each read goes to the disk.
 * Checked before: repeated patches are equal, and one and two readers make the same batches. One
 * JSON line a way of reading on standard output.
 */
#include "io/progress.h"
#include "train/loader.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define READERS_MAX 2

typedef struct settings {
    const char *path;
    long repeat, batch, seconds, cold;
    int fd; /* to drop the file from the cache */
} settings;

static int read_settings(int argc, char **argv, settings *s) {
    const struct {
        const char *name;
        long *value;
    } numbers[] = {{"--repeat", &s->repeat},
                   {"--batch", &s->batch},
                   {"--seconds", &s->seconds},
                   {"--cold", &s->cold}};
    if (argc < 2) {
        fprintf(stderr, "usage: bench_reader FILE [--repeat N] [--batch N] [--seconds N] "
                        "[--cold 0|1]\n");
        return -1;
    }
    s->path = argv[1];
    for (int i = 2; i + 1 < argc; i += 2) {
        size_t k = 0, n = sizeof numbers / sizeof numbers[0];
        while (k < n && strcmp(argv[i], numbers[k].name) != 0) {
            k++;
        }
        if (k == n) {
            fprintf(stderr, "bench_reader: unknown option %s\n", argv[i]);
            return -1;
        }
        *numbers[k].value = strtol(argv[i + 1], NULL, 10);
    }
    return s->repeat < 1 || s->batch < 1 || s->seconds < 1 ? -1 : 0;
}

static drae_status open_repeated(const settings *s, drae__dataset **set, drae__err *err) {
    const char **paths = malloc((size_t)s->repeat * sizeof *paths);
    if (paths == NULL) {
        return drae__fail(err, DRAE_ERROR_MEMORY, "no memory for %ld paths", s->repeat);
    }
    for (long i = 0; i < s->repeat; i++) {
        paths[i] = s->path;
    }
    drae_status status = drae__dataset_open(paths, (size_t)s->repeat, 0, set, err);
    free(paths);
    return status;
}

static void drop_cache(const settings *s) {
    if (s->cold != 0) {
        (void)posix_fadvise(s->fd, 0, 0, POSIX_FADV_DONTNEED);
    }
}

static void print(const settings *s, drae__dataset *set, const char *way, size_t patches,
                  double seconds) {
    double pixels = (double)drae__dataset_size(set) * (double)drae__dataset_size(set);
    double memory = (double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGESIZE);
    printf("{\"bench\":\"reader\",\"way\":\"%s\",\"patches\":%zu,\"data_gb\":%.2f,"
           "\"memory_gb\":%.2f,\"cold\":%ld,\"patches_per_s\":%.1f}\n",
           way, drae__dataset_count(set), pixels * (double)drae__dataset_count(set) / 1e9,
           memory / 1e9, s->cold, (double)patches / seconds);
    (void)fflush(stdout);
}

/* Reads alone, by one thread, in the order of an epoch. */
static drae_status time_reads(const settings *s, drae__dataset *set, const size_t *order,
                              uint8_t *patches, drae__err *err) {
    drae_status status = DRAE_OK;
    size_t n = drae__dataset_count(set), batch = (size_t)s->batch, done = 0;
    double start = drae__clock_s();
    while (drae__clock_s() - start < (double)s->seconds) {
        drop_cache(s);
        size_t at = done % (n - batch + 1);
        DRAE__TRY(drae__dataset_read(set, order + at, batch, patches, err));
        done += batch;
    }
    print(s, set, "read", done, drae__clock_s() - start);
done:
    return status;
}

/* What training waits for: batches of a loader with so many readers. first: a copy of the first
 * batch's x and x_star. */
static drae_status time_loader(const settings *s, drae__dataset *set, long readers,
                               const size_t *all, float *first, drae__err *err) {
    drae_status status = DRAE_OK;
    drae__train_config config = drae__train_config_default();
    drae__loader *loader = NULL;
    drae__batch batch;
    size_t done = 0, pixels = (size_t)drae__dataset_size(set) * (size_t)drae__dataset_size(set);
    size_t n_bytes = (size_t)s->batch * pixels * sizeof(float);
    config.run.batch = s->batch;
    config.run.readers = readers;
    DRAE__TRY(drae__loader_create(&config, set, all, drae__dataset_count(set), 0, 0, &loader, err));
    DRAE__TRY(drae__loader_next(loader, &batch, err));
    memcpy(first, batch.x, n_bytes);
    memcpy(first + n_bytes / sizeof(float), batch.x_star, n_bytes);
    double start = drae__clock_s();
    while (drae__clock_s() - start < (double)s->seconds) {
        drop_cache(s);
        DRAE__TRY(drae__loader_next(loader, &batch, err));
        done += batch.n;
    }
    print(s, set, readers == 1 ? "loader, 1 reader" : "loader, 2 readers", done,
          drae__clock_s() - start);
done:
    drae__loader_destroy(loader);
    return status;
}

/* The same patch of the first and the last copy of the file. */
static drae_status check_copies(const settings *s, drae__dataset *set, uint8_t *patches,
                                drae__err *err) {
    size_t n = drae__dataset_count(set), one = n / (size_t)s->repeat;
    size_t pixels = (size_t)drae__dataset_size(set) * (size_t)drae__dataset_size(set);
    const size_t pair[2] = {one / 2, n - one + one / 2};
    drae_status status = drae__dataset_read(set, pair, 2, patches, err);
    if (status == DRAE_OK && memcmp(patches, patches + pixels, pixels) != 0) {
        status =
            drae__fail(err, DRAE_ERROR_INTERNAL, "patches %zu and %zu differ", pair[0], pair[1]);
    }
    return status;
}

static drae_status bench(const settings *s, drae__err *err) {
    drae_status status = DRAE_OK;
    drae__dataset *set = NULL;
    size_t *all = NULL, *order = NULL;
    uint8_t *patches = NULL;
    float *first[READERS_MAX] = {NULL};
    DRAE__TRY(open_repeated(s, &set, err));
    size_t n = drae__dataset_count(set), side = (size_t)drae__dataset_size(set);
    size_t batch_elems = (size_t)s->batch * side * side;
    if (n < (size_t)s->batch) {
        status = drae__fail(err, DRAE_ERROR_ARGUMENT, "%zu patches are less than a batch", n);
        goto done;
    }
    all = malloc(n * sizeof *all);
    order = malloc(n * sizeof *order);
    patches = malloc(batch_elems < 2 * side * side ? 2 * side * side : batch_elems);
    for (int i = 0; i < READERS_MAX; i++) {
        first[i] = malloc(2 * batch_elems * sizeof(float));
    }
    if (all == NULL || order == NULL || patches == NULL || first[0] == NULL || first[1] == NULL) {
        status = drae__fail(err, DRAE_ERROR_MEMORY, "no memory for a batch and %zu indices", n);
        goto done;
    }
    for (size_t i = 0; i < n; i++) {
        all[i] = i;
    }
    drae__loader_shuffle(1, 0, all, n, order);
    DRAE__TRY(check_copies(s, set, patches, err));
    DRAE__TRY(time_reads(s, set, order, patches, err));
    for (long readers = 1; readers <= READERS_MAX; readers++) {
        DRAE__TRY(time_loader(s, set, readers, all, first[readers - 1], err));
    }
    if (memcmp(first[0], first[1], 2 * batch_elems * sizeof(float)) != 0) {
        status = drae__fail(err, DRAE_ERROR_INTERNAL, "one and two readers make other batches");
    }
done:
    for (int i = 0; i < READERS_MAX; i++) {
        free(first[i]);
    }
    free(patches);
    free(order);
    free(all);
    drae__dataset_close(set);
    return status;
}

int main(int argc, char **argv) {
    settings s = {.repeat = 1, .batch = 32, .seconds = 5};
    drae__err err = {{0}};
    if (read_settings(argc, argv, &s) != 0) {
        return EXIT_FAILURE;
    }
    s.fd = open(s.path, O_RDONLY | O_CLOEXEC);
    drae_status status = bench(&s, &err);
    if (s.fd >= 0) {
        (void)close(s.fd);
    }
    if (status != DRAE_OK) {
        fprintf(stderr, "bench_reader: %s\n", err.text);
    }
    return status == DRAE_OK ? EXIT_SUCCESS : EXIT_FAILURE;
}
