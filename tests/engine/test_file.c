/* SPDX-License-Identifier: Apache-2.0 */
/* The engine file: one file for given contents, and nothing else is accepted, damaged or hostile.
 */
#include "tests/engine/support.h"

#include "base/arena.h"
#include "base/file.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SIZE   32
#define HEADER 256
#define META   1024
#define DIGEST 32

static e_engine file;

static void setup(void) {
    file = e_compile(8, SIZE, 2);
}

static void teardown(void) {
    e_engine_free(&file);
}

static drae_status decode(const uint8_t *bytes, size_t n_bytes, drae__err *err) {
    drae__engine_data data;
    uint8_t digest[32];
    err->text[0] = '\0';
    return drae__engine_file_decode(bytes, n_bytes, &data, digest, err);
}

static void refused(const uint8_t *bytes, size_t n_bytes, const char *what) {
    drae__err err;
    drae_status status = decode(bytes, n_bytes, &err);
    ck_assert_msg(status == DRAE_ERROR_FILE, "%s: status %d (%s)", what, (int)status, err.text);
    ck_assert_msg(err.text[0] != '\0', "%s: no message", what);
}

static uint64_t number(const uint8_t *p, int n) {
    uint64_t v = 0;
    for (int i = 0; i < n; i++) {
        v |= (uint64_t)p[i] << (8 * i);
    }
    return v;
}

/* Offset and size of section s from the table in the header. */
static size_t section_at(int s) {
    return (size_t)number(file.bytes + 32 + 24 * s + 8, 8);
}

static size_t section_bytes(int s) {
    return (size_t)number(file.bytes + 32 + 24 * s + 16, 8);
}

START_TEST(same_model_same_bytes) {
    e_engine again = e_compile_again(8, SIZE, 2);
    ck_assert_uint_eq(again.n_bytes, file.n_bytes);
    ck_assert_int_eq(memcmp(again.bytes, file.bytes, file.n_bytes), 0);
    e_engine_free(&again);
}
END_TEST

START_TEST(contents_survive) {
    drae__engine_data data;
    drae__err err;
    drae__model model;
    uint8_t *copy, digest[32];
    size_t n_bytes;
    e_model(8, 64, SIZE, 0.2f, &model);
    ck_assert_int_eq(drae__engine_file_decode(file.bytes, file.n_bytes, &data, digest, &err),
                     DRAE_OK);
    ck_assert_int_eq(data.arch.width, 8);
    ck_assert_int_eq(data.n_tests, DRAE__COMPILE_TESTS_BUILT_IN);
    ck_assert(data.calibration.threshold[1] == 0.5f + 0.1f);
    ck_assert_int_eq(
        memcmp(data.weights, model.data[DRAE__NET_GENERATOR], data.n_weights * sizeof(float)), 0);
    ck_assert_int_eq(drae__engine_file_encode(&data, &copy, &n_bytes, &err), DRAE_OK);
    ck_assert_uint_eq(n_bytes, file.n_bytes);
    ck_assert_int_eq(memcmp(copy, file.bytes, n_bytes), 0);
    free(copy);
    drae__model_free(&model);
}
END_TEST

START_TEST(truncated_and_extended) {
    for (size_t n = 0; n < file.n_bytes; n += n < 1024 ? 1 : 9973) {
        refused(file.bytes, n, "truncated");
    }
    refused(file.bytes, file.n_bytes - 1, "truncated by a byte");
    uint8_t *longer = drae__aligned_alloc(file.n_bytes + 256);
    ck_assert_ptr_nonnull(longer);
    memset(longer, 0, file.n_bytes + 256);
    memcpy(longer, file.bytes, file.n_bytes);
    refused(longer, file.n_bytes + 1, "a byte more");
    refused(longer, file.n_bytes + 256, "256 bytes more");
    free(longer);
}
END_TEST

/* Every byte of the header, and some of every section, of the zeros behind it and of the digest. */
START_TEST(flipped_bits) {
    for (size_t i = 0; i < file.n_bytes;) {
        file.bytes[i] ^= (uint8_t)(1u << (i % 8));
        refused(file.bytes, file.n_bytes, "flipped bit");
        file.bytes[i] ^= (uint8_t)(1u << (i % 8));
        i += i < HEADER ? 3 : i < HEADER + META ? 41 : i < file.n_bytes - 2 * DIGEST ? 30011 : 5;
    }
    drae__err err;
    ck_assert_int_eq(decode(file.bytes, file.n_bytes, &err), DRAE_OK);
}
END_TEST

START_TEST(another_version) {
    drae__err err;
    file.bytes[8] = 1;
    e_seal(file.bytes, file.n_bytes);
    ck_assert_int_eq(decode(file.bytes, file.n_bytes, &err), DRAE_ERROR_FILE);
    ck_assert_ptr_nonnull(strstr(err.text, "format 1"));
    ck_assert_ptr_nonnull(strstr(err.text, "compile the model again"));
    file.bytes[8] = 2;
    file.bytes[0] = 'X';
    e_seal(file.bytes, file.n_bytes);
    ck_assert_int_eq(decode(file.bytes, file.n_bytes, &err), DRAE_ERROR_FILE);
    ck_assert_ptr_nonnull(strstr(err.text, "not an engine file"));
}
END_TEST

/* A checksum that fits protects nothing: every word of the header is fixed by the description. */
START_TEST(hostile_header) {
    static const uint8_t values[][4] = {{0xff, 0xff, 0xff, 0xff}, {0, 0, 0, 0x80}, {1, 0, 0, 0}};
    for (size_t at = 0; at < HEADER; at += 4) {
        uint8_t kept[4];
        const uint8_t *value = values[at / 4 % 3];
        memcpy(kept, file.bytes + at, 4);
        if (memcmp(kept, value, 4) == 0) {
            value = values[0];
        }
        memcpy(file.bytes + at, value, 4);
        e_seal(file.bytes, file.n_bytes);
        refused(file.bytes, file.n_bytes, "hostile header");
        memcpy(file.bytes + at, kept, 4);
    }
}
END_TEST

/* Words of the description: refused, or a value that the format allows. */
START_TEST(hostile_description) {
    static const uint8_t values[][4] = {
        {0xff, 0xff, 0xff, 0xff}, {0, 0, 0, 0x80}, {0, 0, 0, 0}, {8, 2, 0, 0}};
    size_t accepted = 0;
    for (size_t at = HEADER; at < HEADER + META; at += at < HEADER + 100 ? 4 : 36) {
        uint8_t kept[4];
        memcpy(kept, file.bytes + at, 4);
        for (size_t v = 0; v < sizeof values / sizeof values[0]; v++) {
            drae__err err;
            if (memcmp(kept, values[v], 4) == 0) {
                continue;
            }
            memcpy(file.bytes + at, values[v], 4);
            e_seal(file.bytes, file.n_bytes);
            drae_status status = decode(file.bytes, file.n_bytes, &err);
            ck_assert_msg(status == DRAE_OK || status == DRAE_ERROR_FILE, "word at %zu: %d", at,
                          (int)status);
            accepted += status == DRAE_OK;
        }
        memcpy(file.bytes + at, kept, 4);
    }
    /* Seed, steps, samples, loss, and a few bounded numbers may take other values. */
    ck_assert_uint_le(accepted, 40);
}
END_TEST

/* Words of a region: threshold, anchor, deciding score, whether there are maps; undecided above,
 * method, limits, rate, design effect. */
START_TEST(hostile_regions) {
    static const struct {
        const char *what;
        size_t at;
        uint8_t value;
    } cases[] = {{"unknown score", 8, 2},
                 {"z without maps", 8, 1},
                 {"maps that are not there", 12, 1},
                 {"maps 3 of a region that has two", 80 + 12, 3},
                 {"maps 4", 80 + 12, 4},
                 {"maps that are not wanted", 80 + 12, 0},
                 {"undecided not below the threshold", 16 + 3, 0x7f},
                 {"undecided negative", 16 + 3, 0xbf},
                 {"unknown method", 20, 5},
                 {"lower limit negative", 24 + 7, 0xbf},
                 {"lower limit above the upper one", 24 + 7, 0x40},
                 {"rate above 1", 40 + 7, 0x40},
                 {"effect negative", 48 + 7, 0xbf}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint8_t *p = file.bytes + section_at(1) + cases[i].at, kept = *p;
        *p = cases[i].value;
        e_seal(file.bytes, file.n_bytes);
        refused(file.bytes, file.n_bytes, cases[i].what);
        *p = kept;
    }
}
END_TEST

typedef struct change {
    const char *what;
    int section; /* of the table, 0 is the description */
    size_t at;   /* byte in the section */
    float value;
} change;

START_TEST(hostile_values) {
    /* Weights begin with the stem; the description holds slope, eps and bounds at 16, 20, 52, 56;
     * the self-test four values of phi, then of z, of regions 0, 1, 0, 1. */
    const change changes[] = {{"NaN weight", 2, 4, NAN},
                              {"infinite weight", 2, 8, INFINITY},
                              {"slope 0", 0, 16, 0.0f},
                              {"slope 2", 0, 16, 2.0f},
                              {"slope NaN", 0, 16, NAN},
                              {"eps negative", 0, 20, -1.0f},
                              {"bound 0", 0, 52, 0.0f},
                              {"bound NaN", 0, 52, NAN},
                              {"bound 2", 0, 52, 2.0f},
                              {"threshold infinite", 1, 0, INFINITY},
                              {"anchor 0", 1, 4, 0.0f},
                              {"anchor negative", 1, 4, -0.1f},
                              {"self-test score NaN", 3, 4, NAN},
                              {"z without maps", 3, 16, 1.0f},
                              {"bound of z 0", 0, 56, 0.0f},
                              {"rate of calibration NaN", 0, 338, NAN},
                              {"cost negative", 0, 354, -1.0f},
                              {"mean NaN", 5, 8, NAN},
                              {"scale 0", 5, SIZE * SIZE * 4, 0.0f},
                              {"scale NaN", 5, SIZE * SIZE * 4 + 4, NAN}};
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        uint8_t *p = file.bytes + section_at(changes[i].section) + changes[i].at;
        uint8_t kept[4];
        memcpy(kept, p, 4);
        memcpy(p, &changes[i].value, 4);
        e_seal(file.bytes, file.n_bytes);
        refused(file.bytes, file.n_bytes, changes[i].what);
        memcpy(p, kept, 4);
    }
    /* A NaN with a payload would be a second form of "no threshold". */
    static const uint8_t odd_nan[4] = {1, 0, 0xc0, 0x7f};
    uint8_t kept_threshold[4], *threshold = file.bytes + section_at(1);
    memcpy(kept_threshold, threshold, 4);
    memcpy(threshold, odd_nan, 4);
    e_seal(file.bytes, file.n_bytes);
    refused(file.bytes, file.n_bytes, "NaN with a payload");
    memcpy(threshold, kept_threshold, 4);
    for (int s = 0; s < 6; s++) {
        size_t end = section_at(s) + section_bytes(s);
        if (end % 256 != 0) {
            file.bytes[end] = 1;
            e_seal(file.bytes, file.n_bytes);
            refused(file.bytes, file.n_bytes, "padding");
            file.bytes[end] = 0;
        }
    }
}
END_TEST

START_TEST(negative_variance_and_gaps) {
    drae__model model;
    drae__err err;
    e_model(8, 64, SIZE, 0.2f, &model);
    const drae__param *var =
        drae__params_find(&model.params[DRAE__NET_GENERATOR], "decoder/out/bn/var");
    float value = -0.25f;
    memcpy(file.bytes + section_at(2) + (var->offset + 3) * sizeof(float), &value, sizeof value);
    e_seal(file.bytes, file.n_bytes);
    ck_assert_int_eq(decode(file.bytes, file.n_bytes, &err), DRAE_ERROR_FILE);
    ck_assert_ptr_nonnull(strstr(err.text, "decoder/out/bn/var"));
    value = 1.0f;
    memcpy(file.bytes + section_at(2) + (var->offset + 3) * sizeof(float), &value, sizeof value);
    /* 8 values of the variance, then a gap up to a multiple of 16. */
    memcpy(file.bytes + section_at(2) + (var->offset + 8) * sizeof(float), &value, sizeof value);
    e_seal(file.bytes, file.n_bytes);
    ck_assert_int_eq(decode(file.bytes, file.n_bytes, &err), DRAE_ERROR_FILE);
    ck_assert_ptr_nonnull(strstr(err.text, "gap"));
    drae__model_free(&model);
}
END_TEST

static drae_status open_memory(drae_engine **engine, char *error) {
    return drae_engine_open_memory(file.bytes, file.n_bytes, NULL, error, DRAE_ERROR_TEXT_BYTES,
                                   engine);
}

/* A file that is whole but whose scores this device does not reproduce. */
START_TEST(parity) {
    drae_engine *engine = NULL;
    char error[DRAE_ERROR_TEXT_BYTES];
    float score, moved;
    uint8_t *p = file.bytes + section_at(3);
    memcpy(&score, p, sizeof score);
    moved = score + 0.3f * DRAE__SCORE_BOUND_F32;
    memcpy(p, &moved, sizeof moved);
    e_seal(file.bytes, file.n_bytes);
    ck_assert_int_eq(open_memory(&engine, error), DRAE_OK);
    drae_engine_close(engine);
    engine = NULL;
    moved = score + 3.0f * DRAE__SCORE_BOUND_F32;
    memcpy(p, &moved, sizeof moved);
    e_seal(file.bytes, file.n_bytes);
    ck_assert_int_eq(open_memory(&engine, error), DRAE_ERROR_PARITY);
    ck_assert_ptr_null(engine);
    ck_assert_ptr_nonnull(strstr(error, "self-test patch 0"));
    /* z of patch 1, behind the four values of phi, has a bound of its own. */
    memcpy(p, &score, sizeof score);
    float z;
    memcpy(&z, p + 20, sizeof z);
    ck_assert(z > 1.0f);
    for (int i = 0; i < 2; i++) {
        moved = z + (i == 0 ? 0.3f : 3.0f) * DRAE__Z_BOUND_F32 * (1.0f + z);
        memcpy(p + 20, &moved, sizeof moved);
        e_seal(file.bytes, file.n_bytes);
        ck_assert_int_eq(open_memory(&engine, error), i == 0 ? DRAE_OK : DRAE_ERROR_PARITY);
        drae_engine_close(engine);
        engine = NULL;
    }
    ck_assert_ptr_nonnull(strstr(error, "self-test patch 1: z"));
    memcpy(p + 20, &z, sizeof z);
    /* The score is back, but a weight of the last layer is another. */
    memcpy(p, &score, sizeof score);
    drae__model model;
    e_model(8, 64, SIZE, 0.2f, &model);
    const drae__param *out =
        drae__params_find(&model.params[DRAE__NET_GENERATOR], "decoder/out/weight");
    float weight = 1.5f;
    memcpy(file.bytes + section_at(2) + out->offset * sizeof(float), &weight, sizeof weight);
    e_seal(file.bytes, file.n_bytes);
    ck_assert_int_eq(open_memory(&engine, error), DRAE_ERROR_PARITY);
    drae__model_free(&model);
}
END_TEST

static void open_refused(const char *path, const char *word) {
    drae_engine *engine = NULL;
    char error[DRAE_ERROR_TEXT_BYTES];
    ck_assert_int_eq(drae_engine_open(path, NULL, error, sizeof error, &engine), DRAE_ERROR_FILE);
    ck_assert_ptr_null(engine);
    ck_assert_msg(strstr(error, path) == error && strstr(error, word) != NULL, "\"%s\"", error);
}

START_TEST(paths) {
    char folder[] = "/tmp/drae-test-XXXXXX", path[64], other[64];
    drae__err err = {{0}};
    drae_engine *engine = NULL;
    char error[DRAE_ERROR_TEXT_BYTES];
    ck_assert_ptr_nonnull(mkdtemp(folder));
    (void)snprintf(path, sizeof path, "%s/a.drae", folder);
    (void)snprintf(other, sizeof other, "%s/fifo", folder);
    open_refused(path, "No such file");
    open_refused(folder, "not a regular file");
    ck_assert_int_eq(mkfifo(other, 0600), 0);
    open_refused(other, "not a regular file");
    ck_assert_int_eq(drae__file_write(path, "", 0, &err), DRAE_OK);
    open_refused(path, "empty");
    ck_assert_int_eq(drae__file_write(path, "hello, world", 12, &err), DRAE_OK);
    open_refused(path, "not an engine file");
    ck_assert_int_eq(drae__file_write(path, file.bytes, file.n_bytes, &err), DRAE_OK);
    ck_assert_msg(drae_engine_open(path, NULL, error, sizeof error, &engine) == DRAE_OK, "%s",
                  error);
    /* A new file under the old name does not disturb the open one. */
    ck_assert_int_eq(drae__file_write(path, "gone", 4, &err), DRAE_OK);
    drae_session *session = e_session(engine, 1, 1);
    uint8_t *image = e_images(1, SIZE);
    static const uint8_t region = 1;
    float score = NAN;
    ck_assert_int_eq(drae_session_infer(session, 1, image, &region, &score, NULL), DRAE_OK);
    ck_assert(isfinite(score));
    free(image);
    drae_session_destroy(session);
    drae_engine_close(engine);
    /* A short buffer gets a terminated text. */
    char small[8];
    engine = NULL;
    ck_assert_int_eq(drae_engine_open(path, NULL, small, sizeof small, &engine), DRAE_ERROR_FILE);
    ck_assert_uint_eq(strlen(small), sizeof small - 1);
    (void)unlink(path);
    (void)unlink(other);
    (void)rmdir(folder);
}
END_TEST

START_TEST(described_without_running) {
    char path[] = "/tmp/drae-test-XXXXXX";
    drae__err err = {{0}};
    drae__engine_about about;
    int fd = mkstemp(path);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, file.bytes, file.n_bytes), (ssize_t)file.n_bytes);
    (void)close(fd);
    ck_assert_int_eq(drae__engine_file_describe(path, &about, &err), DRAE_OK);
    ck_assert_int_eq(about.data.calibration.n_regions, 2);
    ck_assert_uint_eq(about.n_bytes, file.n_bytes);
    ck_assert_ptr_null(about.data.weights);
    ck_assert_uint_eq(strlen(about.sha256), 64);
    (void)unlink(path);
}
END_TEST

START_TEST(weights_that_cannot_be_used) {
    drae__model model;
    drae__err err = {{0}};
    drae__compile_report report;
    uint8_t *bytes = NULL;
    size_t n_bytes;
    const drae__compile_options options = {
        .device = DRAE_DEVICE_CPU, .precision = "f32", .batch = 1};
    e_model(8, 64, SIZE, 0.2f, &model);
    float *weight = drae__model_tensor(&model, DRAE__NET_GENERATOR, "bottleneck/down/weight");
    weight[5] = NAN;
    ck_assert_int_eq(drae__compile(&model, &options, &bytes, &n_bytes, &report, &err),
                     DRAE_ERROR_NOT_FINITE);
    ck_assert_ptr_nonnull(strstr(err.text, "bottleneck/down/weight"));
    weight[5] = 3e38f;
    float *stem = drae__model_tensor(&model, DRAE__NET_GENERATOR, "encoder/stem/weight");
    for (int i = 0; i < 72; i++) {
        stem[i] = 3e38f;
    }
    ck_assert_int_eq(drae__compile(&model, &options, &bytes, &n_bytes, &report, &err),
                     DRAE_ERROR_NOT_FINITE);
    ck_assert_ptr_null(bytes);
    drae__model_free(&model);
}
END_TEST

Suite *suite_file(void) {
    Suite *suite = suite_create("file");
    TCase *tc = tcase_create("file");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, same_model_same_bytes);
    tcase_add_test(tc, contents_survive);
    tcase_add_test(tc, truncated_and_extended);
    tcase_add_test(tc, flipped_bits);
    tcase_add_test(tc, another_version);
    tcase_add_test(tc, hostile_header);
    tcase_add_test(tc, hostile_description);
    tcase_add_test(tc, hostile_regions);
    tcase_add_test(tc, hostile_values);
    tcase_add_test(tc, negative_variance_and_gaps);
    tcase_add_test(tc, parity);
    tcase_add_test(tc, paths);
    tcase_add_test(tc, described_without_running);
    tcase_add_test(tc, weights_that_cannot_be_used);
    suite_add_tcase(suite, tc);
    return suite;
}
