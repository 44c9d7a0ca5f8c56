/* SPDX-License-Identifier: Apache-2.0 */
/* JSON lines: exact numbers, escapes, survival, cutting back. */
#include "support.h"

#include "io/jsonl.h"
#include "tests/run.h"

#include <float.h>
#include <jansson.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static drae__err err;

static char *read_text(const char *path) {
    size_t n;
    char *text = (char *)read_bytes(path, &n);
    text[n] = '\0';
    return text;
}

START_TEST(every_kind_of_value) {
    const char *path = scratch("values.jsonl");
    drae__jsonl *l = NULL;
    ck_ok(drae__jsonl_create(path, &l, &err), &err);
    drae__jsonl_begin(l);
    drae__jsonl_int(l, "i", INT64_MIN);
    drae__jsonl_uint(l, "u", UINT64_MAX);
    drae__jsonl_bool(l, "yes", true);
    drae__jsonl_bool(l, "no", false);
    drae__jsonl_null(l, "nothing");
    drae__jsonl_float(l, "nan", NAN);
    drae__jsonl_double(l, "inf", (double)INFINITY);
    drae__jsonl_open_array(l, "list");
    drae__jsonl_int(l, NULL, 1);
    drae__jsonl_open_object(l, NULL);
    drae__jsonl_int(l, "deep", 2);
    drae__jsonl_close(l);
    drae__jsonl_close(l);
    drae__jsonl_open_object(l, "empty");
    drae__jsonl_close(l);
    drae__jsonl_text(l, "text", "a\"b\\c\n\x01\x7f \xc3\xa4 \xff\xed\xa0\x80 \xf0\x9f\x94\xa5");
    drae__jsonl_end(l);
    drae__jsonl_begin(l);
    drae__jsonl_end(l);
    ck_assert(!exists(path)); /* not before it is whole */
    ck_ok(drae__jsonl_finish(l, &err), &err);
    char *text = read_text(path);
    ck_assert_str_eq(text, "{\"i\":-9223372036854775808,\"u\":18446744073709551615,\"yes\":true,"
                           "\"no\":false,\"nothing\":null,\"nan\":null,\"inf\":null,"
                           "\"list\":[1,{\"deep\":2}],\"empty\":{},"
                           "\"text\":\"a\\\"b\\\\c\\u000a\\u0001\\u007f \xc3\xa4 "
                           "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd \xf0\x9f\x94\xa5\"}"
                           "\n{}\n");
    free(text);
    ck_assert_uint_eq(count_temporaries(path), 0);
}
END_TEST

START_TEST(numbers_read_back) {
    static const float floats[] = {0.1f,
                                   1.0f / 3.0f,
                                   FLT_MIN,
                                   FLT_MAX,
                                   1.17549421e-38f,
                                   -0.0471123f,
                                   1000.00006103515625f /* takes nine digits */,
                                   16777217.0f};
    static const double doubles[] = {0.1,     1.0 / 3.0, DBL_MAX,
                                     DBL_MIN, 5e-324,    -123456789.123456789};
    const char *path = scratch("numbers.jsonl");
    drae__jsonl *l = NULL;
    ck_ok(drae__jsonl_create(path, &l, &err), &err);
    drae__jsonl_begin(l);
    drae__jsonl_open_array(l, "f");
    for (size_t i = 0; i < sizeof floats / sizeof *floats; i++) {
        drae__jsonl_float(l, NULL, floats[i]);
    }
    drae__jsonl_close(l);
    drae__jsonl_open_array(l, "d");
    for (size_t i = 0; i < sizeof doubles / sizeof *doubles; i++) {
        drae__jsonl_double(l, NULL, doubles[i]);
    }
    drae__jsonl_end(l); /* closes what is open */
    ck_ok(drae__jsonl_finish(l, &err), &err);
    char *text = read_text(path);
    json_t *object = json_loads(text, 0, NULL);
    ck_assert_msg(object != NULL, "%s", text);
    for (size_t i = 0; i < sizeof floats / sizeof *floats; i++) {
        double v = json_number_value(json_array_get(json_object_get(object, "f"), i));
        ck_assert_msg((float)v == floats[i], "%.9g became %.17g", (double)floats[i], v);
    }
    for (size_t i = 0; i < sizeof doubles / sizeof *doubles; i++) {
        double v = json_number_value(json_array_get(json_object_get(object, "d"), i));
        ck_assert_msg(v == doubles[i], "%.17g became %.17g", doubles[i], v);
    }
    json_decref(object);
    free(text);
}
END_TEST

static void add_steps(drae__jsonl *l, int64_t from, int64_t to) {
    for (int64_t i = from; i < to; i++) {
        drae__jsonl_begin(l);
        drae__jsonl_int(l, "step", i);
        drae__jsonl_end(l);
    }
}

START_TEST(append_and_cut_back) {
    const char *path = scratch("log.jsonl");
    drae__jsonl *l = NULL;
    ck_ok(drae__jsonl_append(path, &l, &err), &err);
    drae__jsonl_begin(l);
    drae__jsonl_text(l, "kind", "start");
    drae__jsonl_end(l);
    add_steps(l, 0, 5);
    ck_ok(drae__jsonl_flush(l, true, &err), &err);
    char *text = read_text(path);
    ck_assert_ptr_nonnull(strstr(text, "\"step\":4}\n")); /* flushed: there */
    free(text);
    ck_ok(drae__jsonl_finish(l, &err), &err);
    /* a crash cuts the last line */
    FILE *file = fopen(path, "ab");
    (void)fputs("{\"step\":5,\"lo", file);
    (void)fclose(file);
    ck_ok(drae__jsonl_append(path, &l, &err), &err);
    add_steps(l, 5, 8);
    ck_ok(drae__jsonl_finish(l, &err), &err);
    size_t kept = 0;
    ck_ok(drae__jsonl_truncate(path, "step", 100, &kept, &err), &err);
    ck_assert_uint_eq(kept, 9);
    ck_ok(drae__jsonl_truncate(path, "step", 3, &kept, &err), &err);
    ck_assert_uint_eq(kept, 5);
    text = read_text(path);
    ck_assert_str_eq(text, "{\"kind\":\"start\"}\n{\"step\":0}\n{\"step\":1}\n{\"step\":2}\n"
                           "{\"step\":3}\n");
    free(text);
    file = fopen(path, "ab");
    (void)fputs("garbage\n{\"step\":1}\n", file);
    (void)fclose(file);
    ck_ok(drae__jsonl_truncate(path, "step", 3, &kept, &err), &err);
    ck_assert_uint_eq(kept, 5);
    ck_ok(drae__jsonl_truncate(scratch("absent.jsonl"), "step", 3, &kept, &err), &err);
    ck_assert_uint_eq(kept, 0);
    ck_assert(!exists(scratch("absent.jsonl")));
}
END_TEST

START_TEST(failures) {
    drae__jsonl *l = NULL;
    ck_refused(drae__jsonl_create("/nowhere/x.jsonl", &l, &err), DRAE_ERROR_IO, "/nowhere/x.jsonl",
               &err);
    ck_refused(drae__jsonl_append("/nowhere/x.jsonl", &l, &err), DRAE_ERROR_IO, "/nowhere/x.jsonl",
               &err);
    const char *path = scratch("full.jsonl");
    write_bytes(path, "old\n", 4);
    struct rlimit old, small;
    ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &old), 0);
    (void)signal(SIGXFSZ, SIG_IGN);
    small = old;
    small.rlim_cur = 100000;
    ck_ok(drae__jsonl_create(path, &l, &err), &err);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &small), 0);
    add_steps(l, 0, 20000);
    drae_status status = drae__jsonl_finish(l, &err);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &old), 0);
    ck_assert_int_eq(status, DRAE_ERROR_IO);
    ck_assert_uint_eq(count_temporaries(path), 0);
    char *text = read_text(path);
    ck_assert_str_eq(text, "old\n");
    free(text);
    ck_ok(drae__jsonl_create(path, &l, &err), &err);
    add_steps(l, 0, 10);
    drae__jsonl_abandon(l);
    ck_assert_uint_eq(count_temporaries(path), 0);
    drae__jsonl_abandon(NULL);
    ck_ok(drae__jsonl_finish(NULL, &err), &err);
    /* deeper than brackets are kept for: refused, not overrun */
    ck_ok(drae__jsonl_create(path, &l, &err), &err);
    drae__jsonl_begin(l);
    for (int i = 0; i < 100; i++) {
        drae__jsonl_open_object(l, "x");
    }
    drae__jsonl_end(l);
    ck_assert_int_eq(drae__jsonl_finish(l, &err), DRAE_ERROR_IO);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("jsonl");
    TCase *tests = tcase_create("jsonl");
    tcase_add_test(tests, every_kind_of_value);
    tcase_add_test(tests, numbers_read_back);
    tcase_add_test(tests, append_and_cut_back);
    tcase_add_test(tests, failures);
    suite_add_tcase(suite, tests);
    return drae_run_suite(suite);
}
