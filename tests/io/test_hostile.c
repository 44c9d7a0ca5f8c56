/* SPDX-License-Identifier: Apache-2.0 */
/* Files that lie: cut, flipped, crafted. drae refuses each by a line and never goes down. */
#include "weights_file.h"

#include "base/philox.h"
#include "io/blob.h"
#include "io/isolate.h"
#include "tests/run.h"

#include <hdf5.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Opens and, where that works, reads everything. Any status is fine but success or a refusal with a
 * line; what must not happen is that this process dies. */
static drae_status devour_set(const char *path) {
    drae__dataset *dataset = NULL;
    memset(&err, 0, sizeof err);
    drae_status status = drae__dataset_open(&path, 1, 0, &dataset, &err);
    if (status == DRAE_OK) {
        size_t side = (size_t)drae__dataset_size(dataset);
        uint8_t *pixels = malloc(side * side);
        for (size_t i = 0; i < drae__dataset_count(dataset) && status == DRAE_OK; i++) {
            status = drae__dataset_read(dataset, &i, 1, pixels, &err);
            if (status == DRAE_OK) {
                status = drae__dataset_read_masks(dataset, &i, 1, pixels, &err);
            }
        }
        free(pixels);
        drae__dataset_close(dataset);
    }
    ck_assert_msg((status == DRAE_OK) == (err.text[0] == '\0'), "%d '%s'", status, err.text);
    ck_assert_msg(status == DRAE_OK || status == DRAE_ERROR_FILE || status == DRAE_ERROR_MEMORY,
                  "%d %s", status, err.text);
    return status;
}

static drae_status devour_weights(const char *path) {
    drae__model model;
    memset(&err, 0, sizeof err);
    drae_status status = drae__weights_load(path, DRAE__NETS_ALL, 0, &model, &err);
    if (status == DRAE_OK) {
        drae__model_free(&model);
    }
    ck_assert_msg(status == DRAE_OK || status == DRAE_ERROR_FILE || status == DRAE_ERROR_MEMORY,
                  "%d %s", status, err.text);
    return status;
}

typedef drae_status (*devour_fn)(const char *path);

static void cut_everywhere(const char *source, devour_fn devour) {
    const char *path = scratch("cut.h5");
    size_t n;
    uint8_t *bytes = read_bytes(source, &n);
    ck_assert_int_eq(devour(source), DRAE_OK);
    for (size_t part = 0; part < 50; part++) {
        write_bytes(path, bytes, n * part / 50);
        ck_assert_msg(devour(path) == DRAE_ERROR_FILE, "cut at %zu/50: %s", part, err.text);
    }
    write_bytes(path, bytes, n - 1);
    ck_assert_int_eq(devour(path), DRAE_ERROR_FILE);
    free(bytes);
}

/* Every third case flips one bit, the others set a byte to 0xff or 0 (lengths, addresses); most hit
 * the first and last kilobytes, where the metadata is. */
static void flip_everywhere(const char *source, devour_fn devour, int cases, uint64_t seed) {
    const char *path = scratch("flipped.h5");
    size_t n;
    uint8_t *bytes = read_bytes(source, &n);
    drae__rng rng;
    drae__rng_init(&rng, seed, DRAE__PURPOSE_TEST, 0);
    int refused = 0;
    for (int i = 0; i < cases; i++) {
        size_t head = n < 4096 ? n : 4096;
        size_t at = drae__rng_below(&rng, (uint32_t)n);
        if (i % 4 == 1) {
            at = drae__rng_below(&rng, (uint32_t)head);
        } else if (i % 4 == 2) {
            at = n - 1 - drae__rng_below(&rng, (uint32_t)head);
        }
        uint8_t kept = bytes[at];
        uint32_t how = drae__rng_below(&rng, 10);
        bytes[at] = (uint8_t)(how == 8 ? 0xffu : how == 9 ? 0u : kept ^ 1u << how);
        write_bytes(path, bytes, n);
        refused += devour(path) != DRAE_OK;
        bytes[at] = kept;
    }
    ck_assert_msg(refused > cases / 20, "only %d of %d refused: is anything read?", refused, cases);
    free(bytes);
}

START_TEST(data_cut_and_flipped) {
    const char *path = scratch("set.h5");
    write_test_set(path, 6, 16, true, 1, 6);
    cut_everywhere(path, devour_set);
    flip_everywhere(path, devour_set, 800, 11);
}
END_TEST

START_TEST(weights_cut_and_flipped) {
    const char *path = scratch("weights.h5");
    save_generator(path, 1);
    cut_everywhere(path, devour_weights);
    flip_everywhere(path, devour_weights, 120, 12);
}
END_TEST

/* ---- not HDF5 at all ---- */

START_TEST(no_files) {
    ck_assert_int_eq(devour_set(scratch("absent.h5")), DRAE_ERROR_FILE);
    ck_assert_ptr_nonnull(strstr(err.text, "No such file"));
    const char *folder = scratch("folder");
    ck_assert_int_eq(mkdir(folder, 0777), 0);
    ck_assert_int_eq(devour_set(folder), DRAE_ERROR_FILE);
    ck_assert_ptr_nonnull(strstr(err.text, "not a regular file"));
    const char *pipe_path = scratch("pipe");
    ck_assert_int_eq(mkfifo(pipe_path, 0666), 0);
    ck_assert_int_eq(devour_set(pipe_path), DRAE_ERROR_FILE);
    ck_assert_int_eq(devour_set("/dev/zero"), DRAE_ERROR_FILE);
    const char *empty = scratch("empty.h5");
    write_bytes(empty, "", 0);
    ck_assert_int_eq(devour_set(empty), DRAE_ERROR_FILE);
    ck_assert_ptr_nonnull(strstr(err.text, "empty"));
    write_bytes(empty, "\x89PNG\r\n\x1a\n and so on", 19);
    ck_assert_int_eq(devour_weights(empty), DRAE_ERROR_FILE);
    ck_assert_ptr_nonnull(strstr(err.text, "not an HDF5 file"));
    write_bytes(empty, "\x89HDF\r\n\x1a\n", 8); /* the signature and nothing else */
    ck_assert_int_eq(devour_set(empty), DRAE_ERROR_FILE);
}
END_TEST

/* ---- crafted with libhdf5 ---- */

static hid_t begin(const char *path) {
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
    hid_t file = H5Fcreate(path, H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
    ck_assert_int_ge(file, 0);
    return file;
}

/* A data set without values unless fill is set. */
static void add(hid_t file, const char *name, hid_t type, int rank, const hsize_t *dims,
                const hsize_t *chunk, bool fill) {
    hid_t list = H5Pcreate(H5P_DATASET_CREATE);
    if (chunk != NULL) {
        H5Pset_chunk(list, rank, chunk);
    }
    hid_t space = H5Screate_simple(rank, dims, NULL);
    hid_t set = H5Dcreate2(file, name, type, space, H5P_DEFAULT, list, H5P_DEFAULT);
    ck_assert_msg(set >= 0, "cannot create %s", name);
    if (fill) {
        size_t n = (size_t)H5Sget_simple_extent_npoints(space) * H5Tget_size(type);
        void *zeros = calloc(1, n);
        ck_assert_int_ge(H5Dwrite(set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, zeros), 0);
        free(zeros);
    }
    H5Dclose(set);
    H5Sclose(space);
    H5Pclose(list);
}

/* A file of that array alone. */
static void write_array(const char *path, const char *name, hid_t type, int rank,
                        const hsize_t *dims, const hsize_t *chunk, bool fill) {
    hid_t file = begin(path);
    add(file, name, type, rank, dims, chunk, fill);
    H5Fclose(file);
}

static const hsize_t good_dims[3] = {4, 16, 16};
static const hsize_t good_chunk[3] = {1, 16, 16};
static const hsize_t good_n = 4;

static void expect(const char *path, const char *part) {
    ck_assert_int_eq(devour_set(path), DRAE_ERROR_FILE);
    ck_assert_msg(strstr(err.text, part) != NULL, "no '%s' in: %s", part, err.text);
}

START_TEST(wrong_types_and_extents) {
    const char *path = scratch("wrong.h5");
    static const struct {
        int rank;
        hsize_t dims[4];
    } shapes[] = {{2, {4, 16}},   {4, {4, 16, 16, 1}}, {3, {4, 16, 17}},
                  {3, {4, 8, 8}}, {3, {0, 16, 16}},    {3, {1, 5000, 5000}}};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        write_array(path, "patches", H5T_STD_U8LE, shapes[i].rank, shapes[i].dims, NULL, true);
        expect(path, "/patches");
    }
    const hid_t types[] = {H5T_STD_I8LE, H5T_STD_U16LE, H5T_IEEE_F32LE, H5T_STD_REF_OBJ};
    for (size_t i = 0; i < 4; i++) {
        write_array(path, "patches", types[i], 3, good_dims, NULL, false);
        expect(path, "uint8 [N,size,size] is expected");
    }
    hid_t file = begin(path);
    H5Gclose(H5Gcreate2(file, "patches", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
    H5Fclose(file);
    expect(path, "not an array");
    write_array(path, "other", H5T_STD_U8LE, 3, good_dims, NULL, true);
    expect(path, "has no /patches");
}
END_TEST

START_TEST(wrong_columns) {
    const char *path = scratch("columns.h5");
    const hsize_t short_n = 3;
    const hsize_t square[2] = {2, 2};
    static const struct {
        const char *part;
        int kind;
    } cases[] = {{"/label is uint8 [3]", 0},        {"/label is float32", 1},
                 {"/label is uint8 [2,2]", 2},      {"/region: entry 2 is outside 0..255", 3},
                 {"/frame: entry 0 is outside", 4}, {"/mask and /patches differ", 5},
                 {"/label was never written", 6},   {"/label is not an array", 7}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        hid_t file = begin(path);
        add(file, "patches", H5T_STD_U8LE, 3, good_dims, NULL, true);
        const hsize_t few[3] = {3, 16, 16};
        int64_t values[4] = {0, 1, 256, 3};
        uint64_t large[4] = {UINT64_MAX, 0, 0, 0};
        hid_t set, space = H5Screate_simple(1, &good_n, NULL);
        switch (cases[i].kind) {
        case 0:
            add(file, "label", H5T_STD_U8LE, 1, &short_n, NULL, true);
            break;
        case 1:
            add(file, "label", H5T_IEEE_F32LE, 1, &good_n, NULL, true);
            break;
        case 2:
            add(file, "label", H5T_STD_U8LE, 2, square, NULL, true);
            break;
        case 3:
            set = H5Dcreate2(file, "region", H5T_STD_I64LE, space, H5P_DEFAULT, H5P_DEFAULT,
                             H5P_DEFAULT);
            H5Dwrite(set, H5T_NATIVE_INT64, H5S_ALL, H5S_ALL, H5P_DEFAULT, values);
            H5Dclose(set);
            break;
        case 4:
            set = H5Dcreate2(file, "frame", H5T_STD_U64LE, space, H5P_DEFAULT, H5P_DEFAULT,
                             H5P_DEFAULT);
            H5Dwrite(set, H5T_NATIVE_UINT64, H5S_ALL, H5S_ALL, H5P_DEFAULT, large);
            H5Dclose(set);
            break;
        case 5:
            add(file, "mask", H5T_STD_U8LE, 3, few, NULL, true);
            break;
        case 6:
            add(file, "label", H5T_STD_U8LE, 1, &good_n, NULL, false);
            break;
        default:
            H5Lcreate_soft("/patches", file, "label", H5P_DEFAULT, H5P_DEFAULT);
            break;
        }
        H5Sclose(space);
        H5Fclose(file);
        expect(path, cases[i].part);
    }
}
END_TEST

START_TEST(huge_extents) {
    const char *path = scratch("huge.h5");
    static const hsize_t dims[][3] = {
        {(hsize_t)1 << 40, 16, 16}, {(hsize_t)1 << 20, 4096, 4096}, {4, (hsize_t)1 << 31, 1}};
    for (size_t i = 0; i < 3; i++) {
        for (int chunked = 0; chunked < 2; chunked++) {
            const hsize_t chunk[3] = {1, 16, 1};
            write_array(path, "patches", H5T_STD_U8LE, 3, dims[i], chunked != 0 ? chunk : NULL,
                        false);
            ck_assert_int_eq(devour_set(path), DRAE_ERROR_FILE);
        }
    }
    /* a good set with a huge column, and chunks that were never written */
    hid_t file = begin(path);
    const hsize_t n = (hsize_t)1 << 45;
    const hsize_t chunk = 1024;
    add(file, "patches", H5T_STD_U8LE, 3, good_dims, good_chunk, true);
    add(file, "region", H5T_STD_U8LE, 1, &n, &chunk, false);
    H5Fclose(file);
    expect(path, "/region is uint8");
    write_array(path, "patches", H5T_STD_U8LE, 3, good_dims, good_chunk, false);
    expect(path, "patch 0 was never written");
}
END_TEST

/* /patches by a creation list; closes both. */
static void end_with_patches(hid_t file, hid_t list) {
    hid_t space = H5Screate_simple(3, good_dims, NULL);
    hid_t set = H5Dcreate2(file, "patches", H5T_STD_U8LE, space, H5P_DEFAULT, list, H5P_DEFAULT);
    ck_assert_int_ge(set, 0);
    H5Dclose(set);
    H5Sclose(space);
    H5Pclose(list);
    H5Fclose(file);
}

START_TEST(links_are_not_followed) {
    const char *path = scratch("links.h5");
    const char *target = scratch("target.h5");
    write_test_set(target, 4, 16, false, 1, 4);
    hid_t file = begin(path);
    H5Lcreate_external(target, "/patches", file, "patches", H5P_DEFAULT, H5P_DEFAULT);
    H5Fclose(file);
    expect(path, "links are not followed");
    file = begin(path);
    H5Lcreate_soft("/patches", file, "patches", H5P_DEFAULT, H5P_DEFAULT); /* itself */
    H5Fclose(file);
    expect(path, "links are not followed");
    file = begin(path);
    H5Lcreate_soft("/b", file, "a", H5P_DEFAULT, H5P_DEFAULT);
    H5Lcreate_soft("/a", file, "b", H5P_DEFAULT, H5P_DEFAULT);
    H5Lcreate_soft("/a", file, "generator", H5P_DEFAULT, H5P_DEFAULT);
    H5Fclose(file);
    drae__model model;
    ck_refused(drae__weights_load(path, 1, 1, &model, &err), DRAE_ERROR_FILE, "not a group", &err);
    /* a group that holds itself */
    file = begin(path);
    hid_t group = H5Gcreate2(file, "generator", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    H5Lcreate_hard(file, "/generator", group, "encoder", H5P_DEFAULT, H5P_DEFAULT);
    H5Gclose(group);
    H5Fclose(file);
    ck_refused(drae__weights_load(path, 1, 1, &model, &err), DRAE_ERROR_FILE, "cycle", &err);
    drae__blob_file *blobs = NULL;
    ck_refused(drae__blob_open(path, NULL, 0, SIZE_MAX, &blobs, &err), DRAE_ERROR_FILE, "cycle",
               &err);
    /* raw data in another file */
    file = begin(path);
    hid_t list = H5Pcreate(H5P_DATASET_CREATE);
    H5Pset_external(list, "/etc/passwd", 0, 4 * 16 * 16);
    end_with_patches(file, list);
    expect(path, "external or virtual");
}
END_TEST

START_TEST(other_filters_are_named) {
    const char *path = scratch("filter.h5");
    hid_t file = begin(path);
    hid_t list = H5Pcreate(H5P_DATASET_CREATE);
    H5Pset_chunk(list, 3, good_chunk);
    ck_assert_int_ge(H5Pset_nbit(list), 0);
    end_with_patches(file, list);
    expect(path, "filter 5");
}
END_TEST

START_TEST(wrong_format_number) {
    const char *path = scratch("format.h5");
    write_array(path, "patches", H5T_STD_U8LE, 3, good_dims, NULL, true);
    static const int number = 2;
    set_attribute(path, "format", H5T_NATIVE_INT, 1, &number);
    expect(path, "format 2");
}
END_TEST

/* ---- a reader that dies ---- */

static drae_status die(void *task, drae__sink *sink, drae__err *e) {
    (void)e;
    drae__sink_put(sink, "half an answer", 14);
    if (*(const int *)task == 0) {
        (void)raise(SIGSEGV);
    } else if (*(const int *)task == 1) {
        _exit(0);
    } else if (*(const int *)task == 2) {
        for (volatile unsigned i = 0;; i++) {
        }
    } else {
        return drae__fail(e, DRAE_ERROR_FILE, "said so");
    }
    return DRAE_OK;
}

START_TEST(dying_readers) {
    static const char *const parts[] = {"cannot read it", "cannot read it", "come to an end",
                                        "x.h5: said so"};
    (void)signal(SIGSEGV, SIG_DFL); /* not the sanitizer's report */
    for (int how = 0; how < 4; how++) {
        drae__reply reply;
        memset(&reply, 0, sizeof reply);
        ck_refused(drae__isolate("x.h5", 0, die, &how, &reply, &err), DRAE_ERROR_FILE, parts[how],
                   &err);
        drae__reply_free(&reply);
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("hostile");
    TCase *tests = tcase_create("hostile");
    tcase_add_test(tests, no_files);
    tcase_add_test(tests, wrong_types_and_extents);
    tcase_add_test(tests, wrong_columns);
    tcase_add_test(tests, huge_extents);
    tcase_add_test(tests, links_are_not_followed);
    tcase_add_test(tests, other_filters_are_named);
    tcase_add_test(tests, wrong_format_number);
    tcase_add_test(tests, dying_readers);
    tcase_add_test(tests, data_cut_and_flipped);
    tcase_add_test(tests, weights_cut_and_flipped);
    suite_add_tcase(suite, tests);
    return drae_run_suite(suite);
}
