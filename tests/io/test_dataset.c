/* SPDX-License-Identifier: Apache-2.0 */
/* Data sets: what is written is read, in every form that stock writers give it. */
#include "support.h"

#include "io/chunk.h"
#include "tests/run.h"

#include <hdf5.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

static drae__err err;

static drae__dataset *open_set(const char *path) {
    drae__dataset *dataset = NULL;
    ck_ok(drae__dataset_open(&path, 1, 0, &dataset, &err), &err);
    return dataset;
}

static drae_status try_open(const char *path) {
    drae__dataset *dataset = NULL;
    drae_status status = drae__dataset_open(&path, 1, 0, &dataset, &err);
    drae__dataset_close(dataset);
    return status;
}

/* ---- what we write ---- */

START_TEST(roundtrip) {
    enum { N = 37, SIDE = 33 };
    const char *path = scratch("roundtrip.h5");
    write_test_set(path, N, SIDE, true, 1, 8);
    drae__dataset *dataset = open_set(path);
    ck_assert_uint_eq(drae__dataset_count(dataset), N);
    ck_assert_int_eq(drae__dataset_size(dataset), SIDE);
    for (size_t i = 0; i < N; i++) {
        size_t at = (i * 17) % N; /* any order */
        check_test_patch(dataset, at, at, true);
        drae__record expected = test_record(i);
        ck_assert_mem_eq(&drae__dataset_records(dataset)[i], &expected, sizeof expected);
    }
    ck_assert_str_eq(drae__dataset_defect_name(dataset, 1), "dust");
    ck_assert_str_eq(drae__dataset_defect_name(dataset, 2), "H\xc3\xa4rchen");
    ck_assert_str_eq(drae__dataset_defect_name(dataset, 3), "");
    ck_assert_str_eq(drae__dataset_defect_name(dataset, -1), "");
    ck_assert(drae__dataset_has(dataset, "mask"));
    ck_assert(drae__dataset_has(dataset, "product"));
    ck_assert(!drae__dataset_has(dataset, "colour"));
    size_t beyond = N;
    uint8_t pixels[SIDE * SIDE];
    ck_refused(drae__dataset_read(dataset, &beyond, 1, pixels, &err), DRAE_ERROR_ARGUMENT,
               "patch 37 of 37", &err);
    drae__dataset_close(dataset);
}
END_TEST

START_TEST(same_patches_same_bytes) {
    size_t n_a, n_b;
    write_test_set(scratch("a.h5"), 70, 32, true, 1, 7);
    write_test_set(scratch("b.h5"), 70, 32, true, 1, 64);
    uint8_t *a = read_bytes(scratch("a.h5"), &n_a);
    uint8_t *b = read_bytes(scratch("b.h5"), &n_b);
    ck_assert_uint_eq(n_a, n_b);
    ck_assert_mem_eq(a, b, n_a);
    free(a);
    free(b);
}
END_TEST

START_TEST(several_files_are_one_set) {
    const char *paths[] = {scratch("p0.h5"), scratch("p1.h5"), scratch("p2.h5")};
    write_test_set(paths[0], 5, 32, true, 1, 5);
    write_test_set(paths[1], 1, 32, false, 0, 5);
    write_test_set(paths[2], 9, 32, true, 9, 5);
    drae__dataset *dataset = NULL;
    ck_ok(drae__dataset_open(paths, 3, 32, &dataset, &err), &err);
    ck_assert_uint_eq(drae__dataset_count(dataset), 15);
    ck_assert(!drae__dataset_has(dataset, "mask"));
    for (size_t i = 0; i < 15; i++) {
        size_t local = i < 5 ? i : i < 6 ? 0 : i - 6;
        check_test_patch(dataset, i, local, i != 5);
        ck_assert_int_eq(drae__dataset_records(dataset)[i].region, test_record(local).region);
    }
    drae__dataset_close(dataset);
    ck_refused(drae__dataset_open(paths, 3, 64, &dataset, &err), DRAE_ERROR_FILE,
               "32 pixels a side, 64 are expected", &err);
    const char *other[] = {paths[0], scratch("other.h5")};
    write_test_set(other[1], 2, 48, false, 1, 2);
    ck_refused(drae__dataset_open(other, 2, 0, &dataset, &err), DRAE_ERROR_FILE, "are 32", &err);
}
END_TEST

START_TEST(hash_sees_content_only) {
    uint8_t plain[32], packed[32], split[32], changed[32];
    const char *whole = scratch("whole.h5");
    write_test_set(whole, 12, 32, false, 0, 12);
    drae__dataset *dataset = open_set(whole);
    ck_ok(drae__dataset_hash(dataset, plain, &err), &err);
    drae__dataset_close(dataset);
    write_test_set(scratch("packed.h5"), 12, 32, false, 6, 5);
    dataset = open_set(scratch("packed.h5"));
    ck_ok(drae__dataset_hash(dataset, packed, &err), &err);
    drae__dataset_close(dataset);
    ck_assert_mem_eq(plain, packed, 32);
    write_test_set(scratch("fewer.h5"), 11, 32, false, 0, 12);
    dataset = open_set(scratch("fewer.h5"));
    ck_ok(drae__dataset_hash(dataset, split, &err), &err);
    drae__dataset_close(dataset);
    ck_assert_mem_ne(plain, split, 32);
    /* one column entry */
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
    hid_t file = H5Fopen(whole, H5F_ACC_RDWR, H5P_DEFAULT);
    hid_t data = H5Dopen2(file, "/run", H5P_DEFAULT);
    int32_t runs[12] = {0};
    ck_assert_int_ge(H5Dread(data, H5T_NATIVE_INT32, H5S_ALL, H5S_ALL, H5P_DEFAULT, runs), 0);
    runs[11]++;
    ck_assert_int_ge(H5Dwrite(data, H5T_NATIVE_INT32, H5S_ALL, H5S_ALL, H5P_DEFAULT, runs), 0);
    H5Dclose(data);
    H5Fclose(file);
    dataset = open_set(whole);
    ck_ok(drae__dataset_hash(dataset, changed, &err), &err);
    drae__dataset_close(dataset);
    ck_assert_mem_ne(plain, changed, 32);
}
END_TEST

START_TEST(writer_refuses) {
    drae__dataset_writer *writer = NULL;
    drae__dataset_format format = {.size = 8, .deflate = 1};
    const char *path = scratch("refused.h5");
    ck_refused(drae__dataset_create(path, &format, &writer, &err), DRAE_ERROR_ARGUMENT, "8 pixels",
               &err);
    format.size = 32;
    ck_refused(drae__dataset_create("/nowhere/at/all.h5", &format, &writer, &err), DRAE_ERROR_IO,
               "/nowhere/at/all.h5", &err);
    format.columns = 1;
    ck_ok(drae__dataset_create(path, &format, &writer, &err), &err);
    uint8_t pixels[32 * 32] = {0};
    drae__record record = {.region = 256};
    ck_refused(drae__dataset_append(writer, 1, pixels, NULL, &record, &err), DRAE_ERROR_ARGUMENT,
               "region 256", &err);
    ck_refused(drae__dataset_append(writer, 1, pixels, pixels, &record, &err), DRAE_ERROR_ARGUMENT,
               "masks are not expected", &err);
    drae__dataset_abandon(writer);
    drae__dataset_abandon(NULL);
    ck_assert(!exists(path));
    ck_assert_uint_eq(count_temporaries(path), 0);
    /* nothing appended: written, and refused on reading */
    ck_ok(drae__dataset_create(path, &format, &writer, &err), &err);
    ck_ok(drae__dataset_finish(writer, &err), &err);
    ck_refused(try_open(path), DRAE_ERROR_FILE, "/patches is empty", &err);
    drae__dataset *dataset = NULL;
    ck_refused(drae__dataset_open(NULL, 0, 0, &dataset, &err), DRAE_ERROR_ARGUMENT, "no data set",
               &err);
    drae__dataset_close(NULL);
}
END_TEST

/* ---- what others write ---- */

enum { FN = 10, FSIDE = 20 };

typedef struct foreign {
    hsize_t chunk[3]; /* 0: contiguous */
    bool deflate, shuffle, fletcher;
    bool latest; /* newest file format */
} foreign;

static void put(hid_t file, const char *name, hid_t type, hid_t memory, int rank,
                const hsize_t *dims, const void *data, const foreign *f) {
    hid_t list = H5Pcreate(H5P_DATASET_CREATE);
    if (f != NULL && f->chunk[0] > 0 && rank == 3) {
        H5Pset_chunk(list, 3, f->chunk);
        if (f->shuffle) {
            H5Pset_shuffle(list);
        }
        if (f->fletcher) {
            H5Pset_fletcher32(list);
        }
        if (f->deflate) {
            H5Pset_deflate(list, 4);
        }
    }
    hid_t space = H5Screate_simple(rank, dims, NULL);
    hid_t set = H5Dcreate2(file, name, type, space, H5P_DEFAULT, list, H5P_DEFAULT);
    ck_assert_msg(set >= 0, "cannot create %s", name);
    ck_assert_int_ge(H5Dwrite(set, memory, H5S_ALL, H5S_ALL, H5P_DEFAULT, data), 0);
    H5Dclose(set);
    H5Sclose(space);
    H5Pclose(list);
}

static hid_t create_foreign(const char *path, const foreign *f, bool masks) {
    static uint8_t pixels[FN * FSIDE * FSIDE];
    static int8_t mask[FN * FSIDE * FSIDE];
    const hsize_t dims[3] = {FN, FSIDE, FSIDE};
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
    hid_t access = H5Pcreate(H5P_FILE_ACCESS);
    if (f->latest) {
        H5Pset_libver_bounds(access, H5F_LIBVER_LATEST, H5F_LIBVER_LATEST);
    }
    hid_t file = H5Fcreate(path, H5F_ACC_TRUNC, H5P_DEFAULT, access);
    ck_assert_int_ge(file, 0);
    H5Pclose(access);
    for (size_t i = 0; i < FN; i++) {
        for (size_t k = 0; k < FSIDE * FSIDE; k++) {
            pixels[i * FSIDE * FSIDE + k] = test_pixel(i, k);
            mask[i * FSIDE * FSIDE + k] = (int8_t)test_mask(i, k);
        }
    }
    put(file, "patches", H5T_STD_U8LE, H5T_NATIVE_UINT8, 3, dims, pixels, f);
    if (masks) { /* as h5py stores bool */
        hid_t boolean = H5Tenum_create(H5T_NATIVE_INT8);
        int8_t no = 0, yes = 1;
        H5Tenum_insert(boolean, "FALSE", &no);
        H5Tenum_insert(boolean, "TRUE", &yes);
        put(file, "mask", boolean, boolean, 3, dims, mask, f);
        H5Tclose(boolean);
    }
    return file;
}

START_TEST(layouts_of_others) {
    static const foreign forms[] = {
        {{0, 0, 0}, false, false, false, false},
        {{1, FSIDE, FSIDE}, false, false, false, false},
        {{1, FSIDE, FSIDE}, true, true, true, false},
        {{3, 7, 20}, true, false, false, false},
        {{4, 9, 13}, true, true, true, true},
        {{1, FSIDE, FSIDE}, true, false, false, true},
        {{10, 20, 20}, false, false, true, true},
        {{1, 1, 20}, true, false, false, false},
        {{0, 0, 0}, false, false, false, true},
    };
    const char *path = scratch("foreign.h5");
    for (size_t k = 0; k < sizeof forms / sizeof *forms; k++) {
        H5Fclose(create_foreign(path, &forms[k], true));
        drae__dataset *dataset = open_set(path);
        ck_assert_uint_eq(drae__dataset_count(dataset), FN);
        for (size_t i = 0; i < FN; i++) {
            check_test_patch(dataset, i, i, true);
        }
        /* absent columns */
        ck_assert_int_eq(drae__dataset_records(dataset)[3].region, 0);
        ck_assert_int_eq(drae__dataset_records(dataset)[3].label, 0);
        ck_assert_int_eq(drae__dataset_records(dataset)[3].product, DRAE__UNRECORDED);
        ck_assert(!drae__dataset_has(dataset, "region"));
        drae__dataset_close(dataset);
    }
}
END_TEST

START_TEST(integers_of_any_width) {
    static const foreign form = {{1, FSIDE, FSIDE}, true, false, false, false};
    const hid_t types[] = {H5T_STD_I8LE,  H5T_STD_U8BE,  H5T_STD_I16LE, H5T_STD_U16BE,
                           H5T_STD_I32BE, H5T_STD_U32LE, H5T_STD_I64BE, H5T_STD_U64LE};
    const hsize_t n = FN;
    const char *path = scratch("integers.h5");
    for (size_t t = 0; t < sizeof types / sizeof *types; t++) {
        int64_t regions[FN], strips[FN], frames[FN];
        bool negative = H5Tget_sign(types[t]) == H5T_SGN_2;
        for (int i = 0; i < FN; i++) {
            regions[i] = i % 4;
            strips[i] = 100 + i; /* fits every type */
            frames[i] = negative ? -1 - i : i;
        }
        hid_t file = create_foreign(path, &form, false);
        put(file, "region", types[t], H5T_NATIVE_INT64, 1, &n, regions, NULL);
        put(file, "strip", types[t], H5T_NATIVE_INT64, 1, &n, strips, NULL);
        put(file, "frame", types[t], H5T_NATIVE_INT64, 1, &n, frames, NULL);
        hid_t space = H5Screate(H5S_SCALAR);
        hid_t attribute = H5Acreate2(file, "format", types[t], space, H5P_DEFAULT, H5P_DEFAULT);
        int one = 1;
        H5Awrite(attribute, H5T_NATIVE_INT, &one);
        H5Aclose(attribute);
        H5Sclose(space);
        H5Fclose(file);
        drae__dataset *dataset = open_set(path);
        for (int i = 0; i < FN; i++) {
            ck_assert_int_eq(drae__dataset_records(dataset)[i].region, i % 4);
            ck_assert_int_eq(drae__dataset_records(dataset)[i].product, 100 + i);
            ck_assert_int_eq(drae__dataset_records(dataset)[i].frame, negative ? -1 - i : i);
        }
        ck_assert(drae__dataset_has(dataset, "product"));
        drae__dataset_close(dataset);
    }
}
END_TEST

/* Texts of fixed length, padded by zeros or blanks, and of variable length. */
START_TEST(texts_of_any_kind) {
    static const foreign form = {{1, FSIDE, FSIDE}, true, false, false, false};
    const char *path = scratch("texts.h5");
    for (int kind = 0; kind < 4; kind++) {
        static const char *const texts[2] = {"none", "scratch"};
        char fixed[2][8] = {"none", "scratch"};
        if (kind == 3) {
            memset(fixed[0] + 4, ' ', 4);
            memset(fixed[1] + 7, ' ', 1);
        }
        hid_t file = create_foreign(path, &form, false);
        hid_t type = H5Tcopy(H5T_C_S1);
        H5Tset_size(type, kind == 0 ? H5T_VARIABLE : 8);
        H5Tset_strpad(type, kind == 1   ? H5T_STR_NULLTERM
                            : kind == 2 ? H5T_STR_NULLPAD
                            : kind == 3 ? H5T_STR_SPACEPAD
                                        : H5T_STR_NULLTERM);
        const hsize_t two = 2;
        hid_t space = H5Screate_simple(1, &two, NULL);
        hid_t attribute = H5Acreate2(file, "defect_names", type, space, H5P_DEFAULT, H5P_DEFAULT);
        ck_assert_int_ge(
            H5Awrite(attribute, type, kind == 0 ? (const void *)texts : (const void *)fixed), 0);
        H5Aclose(attribute);
        H5Sclose(space);
        H5Tclose(type);
        H5Fclose(file);
        drae__dataset *dataset = open_set(path);
        ck_assert_str_eq(drae__dataset_defect_name(dataset, 0), "none");
        ck_assert_str_eq(drae__dataset_defect_name(dataset, 1), "scratch");
        drae__dataset_close(dataset);
    }
}
END_TEST

/* The checksum as libhdf5 computes it, against a chunk that libhdf5 wrote. */
START_TEST(fletcher_matches_hdf5) {
    static const foreign form = {{1, FSIDE, FSIDE}, false, false, true, false};
    const char *path = scratch("fletcher.h5");
    hid_t file = create_foreign(path, &form, false);
    hid_t data = H5Dopen2(file, "patches", H5P_DEFAULT);
    const hsize_t at[3] = {4, 0, 0};
    uint8_t raw[FSIDE * FSIDE + 4];
    uint32_t mask;
    ck_assert_int_ge(H5Dread_chunk(data, H5P_DEFAULT, at, &mask, raw), 0);
    H5Dclose(data);
    H5Fclose(file);
    const uint8_t *end = raw + FSIDE * FSIDE;
    uint32_t stored =
        end[0] | (uint32_t)end[1] << 8 | (uint32_t)end[2] << 16 | (uint32_t)end[3] << 24;
    ck_assert_uint_eq(drae__chunk_fletcher32(raw, FSIDE * FSIDE), stored);
    const uint32_t filters[] = {DRAE__FILTER_FLETCHER32};
    uint8_t dst[FSIDE * FSIDE], spare[FSIDE * FSIDE + 64];
    ck_assert(drae__chunk_decode(filters, 1, 0, raw, sizeof raw, dst, sizeof dst, spare));
    raw[17] ^= 1;
    ck_assert(!drae__chunk_decode(filters, 1, 0, raw, sizeof raw, dst, sizeof dst, spare));
}
END_TEST

/* ---- threads ---- */

typedef struct job {
    drae__dataset *dataset;
    size_t first;
    bool good;
} job;

static void *read_in_thread(void *argument) {
    job *j = argument;
    uint8_t pixels[32 * 32];
    j->good = true;
    for (size_t n = 0; n < 400 && j->good; n++) {
        size_t i = (j->first + n * 7) % 50;
        drae__err mine = {{0}};
        j->good = drae__dataset_read(j->dataset, &i, 1, pixels, &mine) == DRAE_OK;
        for (size_t k = 0; k < sizeof pixels && j->good; k++) {
            j->good = pixels[k] == test_pixel(i, k);
        }
    }
    return NULL;
}

START_TEST(threads_read_side_by_side) {
    const char *path = scratch("threads.h5");
    write_test_set(path, 50, 32, false, 1, 50);
    drae__dataset *dataset = open_set(path);
    job jobs[2] = {{dataset, 0, false}, {dataset, 3, false}};
    pthread_t threads[2];
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(pthread_create(&threads[i], NULL, read_in_thread, &jobs[i]), 0);
    }
    for (int i = 0; i < 2; i++) {
        pthread_join(threads[i], NULL);
        ck_assert(jobs[i].good);
    }
    drae__dataset_close(dataset);
}
END_TEST

/* ---- disks and kills ---- */

static drae_status save_set(const char *path, drae__err *e) {
    static uint8_t pixels[80 * 32 * 32];
    static drae__record records[80];
    drae__dataset_format format = {.size = 32, .columns = 0x3ff, .deflate = 0};
    drae__dataset_writer *writer = NULL;
    drae_status status = drae__dataset_create(path, &format, &writer, e);
    if (status != DRAE_OK) {
        return status;
    }
    status = drae__dataset_append(writer, 80, pixels, NULL, records, e);
    if (status != DRAE_OK) {
        drae__dataset_abandon(writer);
        return status;
    }
    return drae__dataset_finish(writer, e);
}

START_TEST(full_disk) {
    const char *path = scratch("full.h5");
    write_test_set(path, 2, 32, false, 0, 2);
    /* at many sizes, so that head, chunks, index and end of the file each meet the wall */
    survives_full_disk(path, 80000, 3001, save_set);
    /* and libhdf5 is well afterwards */
    write_test_set(scratch("after.h5"), 3, 32, true, 1, 2);
    drae__dataset *dataset = open_set(scratch("after.h5"));
    check_test_patch(dataset, 2, 2, true);
    drae__dataset_close(dataset);
}
END_TEST

static void begin_set(const char *path) {
    static uint8_t pixels[32 * 32];
    drae__dataset_format format = {.size = 32, .columns = 1, .deflate = 1};
    drae__record record = {.region = 1};
    drae__dataset_writer *writer = NULL;
    drae_status status = drae__dataset_create(path, &format, &writer, NULL);
    for (int i = 0; i < 100 && status == DRAE_OK; i++) {
        status = drae__dataset_append(writer, 1, pixels, NULL, &record, NULL);
    }
}

START_TEST(kill_leaves_the_old_file) {
    const char *path = scratch("killed.h5");
    write_test_set(path, 3, 32, true, 1, 3);
    survives_kill(path, begin_set);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("dataset");
    TCase *tests = tcase_create("dataset");
    tcase_add_test(tests, roundtrip);
    tcase_add_test(tests, same_patches_same_bytes);
    tcase_add_test(tests, several_files_are_one_set);
    tcase_add_test(tests, hash_sees_content_only);
    tcase_add_test(tests, writer_refuses);
    tcase_add_test(tests, layouts_of_others);
    tcase_add_test(tests, integers_of_any_width);
    tcase_add_test(tests, texts_of_any_kind);
    tcase_add_test(tests, fletcher_matches_hdf5);
    tcase_add_test(tests, threads_read_side_by_side);
    tcase_add_test(tests, full_disk);
    tcase_add_test(tests, kill_leaves_the_old_file);
    suite_add_tcase(suite, tests);
    return drae_run_suite(suite);
}
