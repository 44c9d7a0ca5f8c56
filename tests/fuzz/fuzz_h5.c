/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libFuzzer target of the HDF5 readers. Files made of random bytes never get past the signature, so
 * an input is a list of edits on a good file:
 *     byte 0         which file: a data set, the same in the newest format, named arrays, or (3)
 * the input itself bytes 1, 2     where the file is cut, in 1/65535 of its length (0: not at all)
 *     then 4 bytes each: 3 of position, 1 of value
 * The process under test is the parent: libhdf5 runs in its child (io/isolate.h) and may die there.
 */
#include "base/philox.h"
#include "io/blob.h"
#include "io/dataset.h"
#include "io/weights.h"

#include <hdf5.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <fcntl.h>

#define FILES    3
#define SIDE     16
#define PATCHES  3
#define FILE_MAX (1 << 20)

void __sanitizer_set_death_callback(void (*callback)(void));
int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t *files[FILES];
static size_t file_bytes[FILES];
static int target = -1;
static char target_path[64];

/* A child that dies is what this target is about: no report, no artifact. */
static void in_child(void) {
    __sanitizer_set_death_callback(NULL);
    int null = open("/dev/null", O_WRONLY);
    (void)dup2(null, STDERR_FILENO);
}

static void keep(int i, const char *path) {
    FILE *file = fopen(path, "rb");
    files[i] = malloc(FILE_MAX);
    if (file == NULL || files[i] == NULL) {
        abort();
    }
    file_bytes[i] = fread(files[i], 1, FILE_MAX, file);
    (void)fclose(file);
    (void)unlink(path);
}

static void make_set(const char *path) {
    static const char *const names[] = {"none", "dust", NULL};
    const drae__dataset_format format = {
        .size = SIDE, .masks = true, .columns = 0x3ff, .deflate = 1, .defect_names = names};
    drae__dataset_writer *writer = NULL;
    uint8_t patch[SIDE * SIDE];
    uint8_t mask[SIDE * SIDE] = {1};
    if (drae__dataset_create(path, &format, &writer, NULL) != DRAE_OK) {
        abort();
    }
    for (int i = 0; i < PATCHES; i++) {
        const drae__record record = {.region = i};
        for (int k = 0; k < SIDE * SIDE; k++) {
            patch[k] = (uint8_t)(k * 7 + i);
        }
        if (drae__dataset_append(writer, 1, patch, mask, &record, NULL) != DRAE_OK) {
            abort();
        }
    }
    if (drae__dataset_finish(writer, NULL) != DRAE_OK) {
        abort();
    }
}

/* As h5py writes with libver="latest": other headers, other chunk index. */
static void make_latest(const char *path) {
    const hsize_t dims[3] = {PATCHES, SIDE, SIDE};
    const hsize_t chunk[3] = {2, 9, SIDE};
    static uint8_t pixels[PATCHES * SIDE * SIDE];
    hid_t access = H5Pcreate(H5P_FILE_ACCESS);
    H5Pset_libver_bounds(access, H5F_LIBVER_LATEST, H5F_LIBVER_LATEST);
    hid_t file = H5Fcreate(path, H5F_ACC_TRUNC, H5P_DEFAULT, access);
    hid_t list = H5Pcreate(H5P_DATASET_CREATE);
    H5Pset_chunk(list, 3, chunk);
    H5Pset_fletcher32(list);
    H5Pset_deflate(list, 3);
    hid_t space = H5Screate_simple(3, dims, NULL);
    hid_t set = H5Dcreate2(file, "patches", H5T_STD_U8LE, space, H5P_DEFAULT, list, H5P_DEFAULT);
    if (H5Dwrite(set, H5T_NATIVE_UINT8, H5S_ALL, H5S_ALL, H5P_DEFAULT, pixels) < 0) {
        abort();
    }
    H5Dclose(set);
    H5Sclose(space);
    H5Pclose(list);
    H5Pclose(access);
    H5Fclose(file);
}

static void make_arrays(const char *path) {
    static const float values[64];
    static const int64_t width = 8;
    const drae__blob blobs[] = {
        {.path = "/generator/encoder/stem/weight",
         .type = DRAE__BLOB_F32,
         .rank = 4,
         .dims = {8, 1, 2, 4},
         .data = values},
        {.path = "/optimizer/step",
         .type = DRAE__BLOB_F32,
         .rank = 1,
         .dims = {64},
         .data = values},
        {.path = "/@width", .type = DRAE__BLOB_I64, .data = &width},
        {.path = "/@arch", .type = DRAE__BLOB_TEXT, .data = "drae"},
    };
    drae__blob_writer *writer = NULL;
    if (drae__blob_create(path, "checkpoint", &writer, NULL) != DRAE_OK) {
        abort();
    }
    for (size_t i = 0; i < sizeof blobs / sizeof *blobs; i++) {
        if (drae__blob_put(writer, &blobs[i], 1, NULL) != DRAE_OK) {
            abort();
        }
    }
    if (drae__blob_finish(writer, NULL) != DRAE_OK) {
        abort();
    }
}

int LLVMFuzzerInitialize(int *argc, char ***argv) {
    (void)argc;
    (void)argv;
    char path[] = "/tmp/drae-fuzz-XXXXXX";
    int fd = mkstemp(path);
    if (fd < 0) {
        abort();
    }
    (void)close(fd);
    make_set(path);
    keep(0, path);
    make_latest(path);
    keep(1, path);
    make_arrays(path);
    keep(2, path);
    target = memfd_create("fuzz", 0);
    (void)snprintf(target_path, sizeof target_path, "/proc/self/fd/%d", target);
    return target < 0 || pthread_atfork(NULL, NULL, in_child) != 0 ? 1 : 0;
}

static void put(const uint8_t *bytes, size_t n) {
    if (ftruncate(target, 0) != 0 || pwrite(target, bytes, n, 0) != (ssize_t)n) {
        abort();
    }
}

/* Draws edits; most hit the ends of the file, where the metadata is. */
static void draw_edits(uint8_t *work, size_t n, int count, const uint8_t *data, size_t size) {
    uint64_t seed = 0;
    for (size_t i = 0; i < size; i++) {
        seed = seed * 1099511628211u + data[i] + 1;
    }
    drae__rng rng;
    drae__rng_init(&rng, seed, DRAE__PURPOSE_TEST, 0);
    for (int i = 0; i < count; i++) {
        uint32_t head = n < 4096 ? (uint32_t)n : 4096;
        uint32_t end = drae__rng_below(&rng, 3);
        size_t at = end == 0   ? drae__rng_below(&rng, (uint32_t)n)
                    : end == 1 ? drae__rng_below(&rng, head)
                               : n - 1 - drae__rng_below(&rng, head);
        work[at] = (uint8_t)drae__rng_u32(&rng);
    }
}

/* Returns which file it made. */
static int build(const uint8_t *data, size_t size) {
    static uint8_t work[FILE_MAX];
    int which = data[0] % (FILES + 1);
    if (which == FILES) {
        put(data + 1, size - 1);
        return which;
    }
    size_t n = file_bytes[which];
    size_t cut = (size_t)data[1] << 8 | data[2];
    memcpy(work, files[which], n);
    draw_edits(work, n, data[3] % 8, data, size);
    for (size_t i = 4; i + 4 <= size; i += 4) {
        size_t at = (size_t)data[i] << 16 | (size_t)data[i + 1] << 8 | data[i + 2];
        work[at % n] = data[i + 3];
    }
    put(work, cut < 0xff00 ? n : n * (cut - 0xff00) / 256);
    return which;
}

static void read_dataset(const char *path) {
    drae__err err = {{0}};
    drae__dataset *dataset = NULL;
    if (drae__dataset_open(&path, 1, 0, &dataset, &err) != DRAE_OK) {
        if (err.text[0] == '\0') {
            abort(); /* every refusal has its line */
        }
        return;
    }
    size_t side = (size_t)drae__dataset_size(dataset);
    uint8_t *pixels = malloc(side * side);
    for (size_t i = 0; i < drae__dataset_count(dataset) && i < 64; i++) {
        (void)drae__dataset_read(dataset, &i, 1, pixels, &err);
        (void)drae__dataset_read_masks(dataset, &i, 1, pixels, &err);
    }
    free(pixels);
    drae__dataset_close(dataset);
}

static void read_arrays(const char *path) {
    drae__err err = {{0}};
    drae__model model;
    drae__blob_file *file = NULL;
    if (drae__blob_open(path, NULL, 0, 1 << 20, &file, &err) != DRAE_OK) {
        if (err.text[0] == '\0') {
            abort();
        }
        return;
    }
    if (drae__weights_take(file, 1, 0, &model, &err) == DRAE_OK) {
        drae__model_free(&model);
    }
    drae__blob_close(file);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 4) {
        return 0;
    }
    if (build(data, size) < 2) {
        read_dataset(target_path);
    } else {
        read_arrays(target_path);
    }
    return 0;
}
