/* SPDX-License-Identifier: Apache-2.0 */
/* Named arrays, maps as they come, and files whose writer is killed or meets a full disk. */
#include "weights_file.h"

#include "io/blob.h"
#include "io/maps.h"
#include "tests/run.h"

#include <float.h>
#include <stdlib.h>
#include <string.h>

/* ---- blobs ---- */

START_TEST(named_arrays) {
    static const uint8_t bytes[6] = {0, 1, 2, 253, 254, 255};
    static const int64_t integers[2] = {INT64_MIN, INT64_MAX};
    static const uint64_t wide[2] = {0, UINT64_MAX};
    static const double doubles[3] = {0.1, -0.0, DBL_MIN};
    static float floats[3 * 5 * 7];
    for (int i = 0; i < 105; i++) {
        floats[i] = (float)i * 0.37f;
    }
    const drae__blob blobs[] = {
        {.path = "/a/b/bytes", .type = DRAE__BLOB_U8, .rank = 2, .dims = {2, 3}, .data = bytes},
        {.path = "/a/integers", .type = DRAE__BLOB_I64, .rank = 1, .dims = {2}, .data = integers},
        {.path = "/rng/counter", .type = DRAE__BLOB_U64, .rank = 1, .dims = {2}, .data = wide},
        {.path = "/loss/adv", .type = DRAE__BLOB_F64, .rank = 1, .dims = {3}, .data = doubles},
        {.path = "/loss/one", .type = DRAE__BLOB_F64, .data = doubles},
        {.path = "/x", .type = DRAE__BLOB_F32, .rank = 3, .dims = {3, 5, 7}, .data = floats},
        {.path = "/@step", .type = DRAE__BLOB_I64, .data = integers + 1},
        {.path = "/rng@seeds", .type = DRAE__BLOB_U64, .rank = 1, .dims = {2}, .data = wide},
        {.path = "/@name", .type = DRAE__BLOB_TEXT, .data = "trace"},
        {.path = "/x@axes", .type = DRAE__BLOB_TEXT, .rank = 1, .dims = {3}, .data = "n\0h\0w"},
    };
    const size_t n = sizeof blobs / sizeof *blobs;
    const char *path = scratch("blobs.h5");
    for (int deflate = 0; deflate < 2; deflate++) {
        drae__blob_writer *writer = NULL;
        ck_ok(drae__blob_create(path, "trace", &writer, &err), &err);
        for (size_t i = 0; i < n; i++) {
            ck_ok(drae__blob_put(writer, &blobs[i], deflate, &err), &err);
        }
        ck_ok(drae__blob_finish(writer, &err), &err);
        drae__blob_file *file = NULL;
        ck_ok(drae__blob_open(path, NULL, 0, SIZE_MAX, &file, &err), &err);
        ck_assert_uint_eq(drae__blob_number(file), n + 2); /* format and kind */
        static const size_t each[] = {0, 1, 8, 8, 4, 8, 0};
        for (size_t i = 0; i < n; i++) {
            const drae__blob *read = NULL;
            size_t count = drae__blob_count(&blobs[i]);
            ck_ok(drae__blob_need(file, blobs[i].path, blobs[i].type, count, &read, &err), &err);
            ck_assert_int_eq(read->rank, blobs[i].rank);
            size_t n_bytes = count * each[blobs[i].type];
            n_bytes = n_bytes > 0 ? n_bytes : 6; /* both texts: "trace", "n" "h" "w" */
            ck_assert_msg(memcmp(read->data, blobs[i].data, n_bytes) == 0, "%s", blobs[i].path);
        }
        const drae__blob *none = NULL;
        ck_refused(drae__blob_need(file, "/y", DRAE__BLOB_F32, 0, &none, &err), DRAE_ERROR_FILE,
                   "has no /y", &err);
        ck_refused(drae__blob_need(file, "/x", DRAE__BLOB_F32, 104, &none, &err), DRAE_ERROR_FILE,
                   "/x is float32 [3,5,7]", &err);
        ck_refused(drae__blob_need(file, "/x", DRAE__BLOB_F64, 105, &none, &err), DRAE_ERROR_FILE,
                   "/x is float32 [3,5,7]", &err);
        drae__blob_close(file);
        /* a part of the file, and only small values */
        const char *part = "/loss";
        ck_ok(drae__blob_open(path, &part, 1, 16, &file, &err), &err);
        ck_assert_ptr_null(drae__blob_find(file, "/x"));
        ck_assert_ptr_null(drae__blob_find(file, "/loss/adv")->data);
        ck_assert_ptr_nonnull(drae__blob_find(file, "/loss/one")->data);
        drae__blob_close(file);
    }
    drae__blob_close(NULL);
    drae__blob_abandon(NULL);
}
END_TEST

/* ---- a checkpoint that is killed or meets a full disk ---- */

static void begin_checkpoint(const char *path) {
    drae__model model;
    make_model(&model, 1);
    drae__blob_writer *writer = NULL;
    if (drae__blob_create(path, "checkpoint", &writer, NULL) == DRAE_OK) {
        (void)drae__weights_put(writer, &model, 1, NULL);
    }
}

static drae_status save_checkpoint(const char *path, drae__err *e) {
    drae__model model;
    make_model(&model, 1);
    drae_status status = drae__weights_save(path, &model, 0, e);
    drae__model_free(&model);
    return status;
}

START_TEST(checkpoints_survive) {
    const char *path = scratch("checkpoint.h5");
    save_generator(path, 0);
    size_t n;
    free(read_bytes(path, &n));
    survives_kill(path, begin_checkpoint);
    ck_assert_int_eq(load(path), DRAE_OK);
    survives_full_disk(path, n, n / 11 + 1, save_checkpoint);
}
END_TEST

/* ---- maps ---- */

START_TEST(maps_as_they_come) {
    enum { N = 5, SIDE = 9 };
    static float recon[N * SIDE * SIDE], residual[N * SIDE * SIDE];
    for (int i = 0; i < N * SIDE * SIDE; i++) {
        recon[i] = (float)i / 500.0f;
        residual[i] = 1.0f - recon[i];
    }
    const char *path = scratch("maps.h5");
    drae__maps *m = NULL;
    ck_ok(drae__maps_create(path, N, SIDE, false, &m, &err), &err);
    ck_ok(drae__maps_append(m, 2, recon, residual, NULL, &err), &err);
    ck_refused(drae__maps_append(m, 4, recon, residual, NULL, &err), DRAE_ERROR_ARGUMENT,
               "announced 5", &err);
    ck_ok(drae__maps_append(m, 3, recon + 2 * SIDE * SIDE, residual + 2 * SIDE * SIDE, NULL, &err),
          &err);
    ck_ok(drae__maps_finish(m, &err), &err);
    drae__blob_file *file = NULL;
    ck_ok(drae__blob_open(path, NULL, 0, SIZE_MAX, &file, &err), &err);
    const drae__blob *read = NULL;
    ck_ok(drae__blob_need(file, "/recon", DRAE__BLOB_F32, N * SIDE * SIDE, &read, &err), &err);
    ck_assert_mem_eq(read->data, recon, sizeof recon);
    ck_assert_uint_eq(read->dims[1], SIDE);
    ck_ok(drae__blob_need(file, "/residual", DRAE__BLOB_F32, N * SIDE * SIDE, &read, &err), &err);
    ck_assert_mem_eq(read->data, residual, sizeof residual);
    drae__blob_close(file);
    ck_ok(drae__maps_create(path, N, SIDE, false, &m, &err), &err);
    ck_refused(drae__maps_finish(m, &err), DRAE_ERROR_ARGUMENT, "0 of 5", &err);
    ck_assert(exists(path)); /* the first one */
    ck_refused(drae__maps_create(path, 0, SIDE, false, &m, &err), DRAE_ERROR_ARGUMENT, "0 maps",
               &err);
    drae__maps_abandon(NULL);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("blobs");
    TCase *tests = tcase_create("blobs");
    tcase_add_test(tests, named_arrays);
    tcase_add_test(tests, checkpoints_survive);
    tcase_add_test(tests, maps_as_they_come);
    suite_add_tcase(suite, tests);
    return drae_run_suite(suite);
}
