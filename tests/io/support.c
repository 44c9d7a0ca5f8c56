/* SPDX-License-Identifier: Apache-2.0 */
#include "support.h"

#include <dirent.h>
#include <libgen.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char folder[256];
static pid_t owner;

static void remove_folder(void) {
    char command[300];
    if (getpid() == owner) { /* not in children */
        (void)snprintf(command, sizeof command, "rm -rf '%s'", folder);
        (void)!system(command);
    }
}

const char *scratch(const char *name) {
    static char paths[64][512];
    static int next;
    if (folder[0] == '\0') {
        /* Memory before disk: the suites sync hundreds of files. */
        const char *root = getenv("TMPDIR");
        root = root != NULL ? root : access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
        (void)snprintf(folder, sizeof folder, "%s/drae-test-XXXXXX", root);
        ck_assert_ptr_nonnull(mkdtemp(folder));
        owner = getpid();
        (void)atexit(remove_folder);
    }
    char *path = paths[next];
    next = (next + 1) % 64;
    (void)snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

uint8_t test_pixel(size_t i, size_t k) {
    return (uint8_t)((k * 2654435761u >> 13) + i * 37u);
}

uint8_t test_mask(size_t i, size_t k) {
    return (k / 5 + i) % 7 == 0;
}

drae__record test_record(size_t i) {
    int32_t n = (int32_t)i;
    drae__record r = {.region = n % 4,
                      .label = n % 2,
                      .defect = n % 2 == 0 ? 0 : 1 + n % 10,
                      .batch = 7,
                      .recipe = -3,
                      .station = DRAE__UNRECORDED,
                      .product = n / 20,
                      .run = n / 5 % 10,
                      .frame = n % 3 - 2,
                      .vial = n / 4 % 5};
    return r;
}

void write_test_set(const char *path, size_t n, int side, bool masks, int deflate, size_t batch) {
    static const char *const names[] = {"none", "dust", "H\xc3\xa4rchen", NULL};
    drae__err err = {{0}};
    drae__dataset_format format = {.size = side,
                                   .masks = masks,
                                   .columns = 0x3ff,
                                   .deflate = deflate,
                                   .title = "test patches",
                                   .seed = UINT64_MAX - 1,
                                   .defect_names = names,
                                   .max_patches = n};
    size_t pixels = (size_t)side * (size_t)side;
    drae__dataset_writer *writer = NULL;
    ck_ok(drae__dataset_create(path, &format, &writer, &err), &err);
    uint8_t *patches = malloc(batch * pixels);
    uint8_t *mask = malloc(batch * pixels);
    drae__record *records = malloc(batch * sizeof *records);
    for (size_t i = 0; i < n; i += batch) {
        size_t count = n - i < batch ? n - i : batch;
        for (size_t b = 0; b < count; b++) {
            records[b] = test_record(i + b);
            for (size_t k = 0; k < pixels; k++) {
                patches[b * pixels + k] = test_pixel(i + b, k);
                mask[b * pixels + k] = test_mask(i + b, k);
            }
        }
        ck_ok(drae__dataset_append(writer, count, patches, masks ? mask : NULL, records, &err),
              &err);
    }
    ck_ok(drae__dataset_finish(writer, &err), &err);
    free(patches);
    free(mask);
    free(records);
}

void check_test_patch(drae__dataset *dataset, size_t index, size_t i, bool masks) {
    drae__err err = {{0}};
    size_t side = (size_t)drae__dataset_size(dataset);
    uint8_t *pixels = malloc(side * side);
    memset(pixels, 0xaa, side * side);
    ck_ok(drae__dataset_read(dataset, &index, 1, pixels, &err), &err);
    for (size_t k = 0; k < side * side; k++) {
        ck_assert_msg(pixels[k] == test_pixel(i, k), "patch %zu pixel %zu: %d, expected %d", index,
                      k, pixels[k], test_pixel(i, k));
    }
    memset(pixels, 0xaa, side * side);
    ck_ok(drae__dataset_read_masks(dataset, &index, 1, pixels, &err), &err);
    for (size_t k = 0; k < side * side; k++) {
        int expected = masks ? test_mask(i, k) : 0;
        ck_assert_msg(pixels[k] == expected, "mask %zu pixel %zu: %d, expected %d", index, k,
                      pixels[k], expected);
    }
    free(pixels);
}

uint8_t *read_bytes(const char *path, size_t *n) {
    FILE *file = fopen(path, "rb");
    ck_assert_msg(file != NULL, "%s cannot be opened", path);
    (void)fseek(file, 0, SEEK_END);
    long size = ftell(file);
    (void)fseek(file, 0, SEEK_SET);
    uint8_t *bytes = malloc((size_t)size + 1);
    ck_assert_uint_eq(fread(bytes, 1, (size_t)size, file), (size_t)size);
    (void)fclose(file);
    *n = (size_t)size;
    return bytes;
}

void write_bytes(const char *path, const void *bytes, size_t n) {
    FILE *file = fopen(path, "wb");
    ck_assert_msg(file != NULL, "%s cannot be created", path);
    ck_assert_uint_eq(fwrite(bytes, 1, n, file), n);
    ck_assert_int_eq(fclose(file), 0);
}

bool exists(const char *path) {
    struct stat state;
    return stat(path, &state) == 0;
}

size_t count_temporaries(const char *path) {
    char copy[512];
    (void)snprintf(copy, sizeof copy, "%s", path);
    DIR *dir = opendir(dirname(copy));
    ck_assert_ptr_nonnull(dir);
    size_t n = 0;
    for (struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
        size_t length = strlen(entry->d_name);
        n += length > 4 && strcmp(entry->d_name + length - 4, ".tmp") == 0;
    }
    (void)closedir(dir);
    return n;
}

/* Fails unless the file is those bytes; frees them. */
static void unchanged(const char *path, uint8_t *before, size_t n_before) {
    size_t n_after;
    uint8_t *after = read_bytes(path, &n_after);
    ck_assert_uint_eq(n_before, n_after);
    ck_assert_mem_eq(before, after, n_before);
    free(before);
    free(after);
}

void survives_kill(const char *path, void (*begin)(const char *path)) {
    size_t n;
    uint8_t *before = read_bytes(path, &n);
    pid_t child = fork();
    if (child == 0) {
        begin(path);
        (void)kill(getpid(), SIGKILL);
    }
    int how = 0;
    ck_assert_int_eq(waitpid(child, &how, 0), child);
    ck_assert(WIFSIGNALED(how));
    unchanged(path, before, n);
}

void survives_full_disk(const char *path, size_t end, size_t step,
                        drae_status (*save)(const char *path, drae__err *err)) {
    struct rlimit old, small;
    size_t n, temporaries = count_temporaries(path);
    uint8_t *before = read_bytes(path, &n);
    ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &old), 0);
    (void)signal(SIGXFSZ, SIG_IGN);
    for (size_t limit = 0; limit < end; limit += step) {
        drae__err err = {{0}};
        small = old;
        small.rlim_cur = limit;
        ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &small), 0);
        drae_status status = save(path, &err);
        ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &old), 0);
        ck_assert_msg(status == DRAE_ERROR_IO, "limit %zu: %d %s", limit, status, err.text);
        ck_assert_msg(strstr(err.text, "File too large") != NULL, "%s", err.text);
        ck_assert_uint_eq(count_temporaries(path), temporaries);
    }
    unchanged(path, before, n);
}
