/* SPDX-License-Identifier: Apache-2.0 */
/* Text that is whole or not there, and plots of few patches. */
#include "io/report_html.h"
#include "io/text_file.h"

#include "base/file.h"
#include "model/record.h"
#include "tests/run.h"

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char folder[] = "/tmp/drae-report-XXXXXX";
static char path[64];

static char *read_back(void) {
    uint8_t *bytes = NULL;
    size_t n = 0;
    ck_assert_int_eq(drae__file_read(path, 1 << 20, &bytes, &n, NULL), DRAE_OK);
    return (char *)bytes;
}

START_TEST(text_is_escaped) {
    drae__text_file *file = NULL;
    ck_assert_int_eq(drae__text_create(path, &file, NULL), DRAE_OK);
    drae__text_html(file, "a<b>&\"'\xc3\xa9\x01\xff");
    drae__text_put(file, "|");
    drae__text_csv(file, "plain");
    drae__text_put(file, "|");
    drae__text_csv(file, "a,\"b\"\nc");
    drae__text_print(file, "|%d", 7);
    ck_assert_int_eq(access(path, F_OK), -1); /* not before it is finished */
    ck_assert_int_eq(drae__text_finish(file, NULL), DRAE_OK);
    char *text = read_back();
    ck_assert_str_eq(text, "a&lt;b&gt;&amp;&quot;&#39;\xc3\xa9\xef\xbf\xbd\xef\xbf\xbd|plain|"
                           "\"a,\"\"b\"\"?c\"|7");
    free(text);
}
END_TEST

START_TEST(base64_of_the_standard) {
    /* RFC 4648, section 10 */
    static const char *const cases[][2] = {
        {"", ""},        {"f", "Zg=="},        {"fo", "Zm8="},
        {"foo", "Zm9v"}, {"foob", "Zm9vYg=="}, {"foobar", "Zm9vYmFy"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        drae__text_file *file = NULL;
        ck_assert_int_eq(drae__text_create(path, &file, NULL), DRAE_OK);
        drae__text_base64(file, (const uint8_t *)cases[i][0], strlen(cases[i][0]));
        ck_assert_int_eq(drae__text_finish(file, NULL), DRAE_OK);
        char *text = read_back();
        ck_assert_str_eq(text, cases[i][1]);
        free(text);
    }
}
END_TEST

START_TEST(abandoned_text_is_not_there) {
    drae__text_file *file = NULL;
    drae__err err = {{0}};
    (void)unlink(path);
    ck_assert_int_eq(drae__text_create(path, &file, NULL), DRAE_OK);
    drae__text_put(file, "half");
    drae__text_abandon(file);
    ck_assert_int_eq(access(path, F_OK), -1);
    ck_assert_int_eq(drae__text_create("/proc/none/x", &file, &err), DRAE_ERROR_IO);
    ck_assert_ptr_null(file);
    ck_assert_ptr_nonnull(strstr(err.text, "/proc/none/x"));
    drae__text_abandon(NULL);
    ck_assert_int_eq(drae__text_finish(NULL, NULL), DRAE_OK);
}
END_TEST

/* The histogram of n_good and n_bad scores between low and high. */
static char *histogram(size_t n_good, size_t n_bad, float low, float high) {
    drae__record records[200] = {{0}};
    float values[200];
    const size_t n = n_good + n_bad;
    for (size_t i = 0; i < n; i++) {
        records[i].label = i < n_good ? 0 : 1;
        values[i] = low + (high - low) * (float)i / (float)(n - 1);
    }
    drae__report_score score = {.name = "z", .values = values};
    score.threshold[0] = 0.5f * (low + high);
    const drae__report report = {.n = n,
                                 .records = records,
                                 .labelled = true,
                                 .n_regions = 1,
                                 .n_scores = 1,
                                 .scores = &score};
    drae__text_file *file = NULL;
    ck_assert_int_eq(drae__text_create(path, &file, NULL), DRAE_OK);
    drae__report_plot_scores(file, &report, 0, 0);
    ck_assert_int_eq(drae__text_finish(file, NULL), DRAE_OK);
    return read_back();
}

static size_t count_of(const char *text, const char *what) {
    size_t n = 0;
    for (const char *at = text; (at = strstr(at, what)) != NULL; at++) {
        n++;
    }
    return n;
}

START_TEST(a_few_patches_are_drawn_one_by_one) {
    static const struct {
        size_t good, bad;
        size_t bars, strokes; /* paths of each */
        const char *name;
    } cases[] = {{8, 2, 0, 2, "8 good, 2 defective"},
                 {90, 1, 1, 1, "90 good, 1 defective"},
                 {12, 60, 1, 1, "12 good, 60 defective"},
                 {50, 50, 2, 0, "50 good, 50 defective"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char *text = histogram(cases[i].good, cases[i].bad, 2.0f, 9.0f);
        ck_assert_msg(strstr(text, cases[i].name) != NULL, "no '%s'", cases[i].name);
        ck_assert_uint_eq(count_of(text, "class=\"ba\""), cases[i].bars);
        ck_assert_uint_eq(count_of(text, "class=\"li\""), cases[i].strokes);
        size_t few =
            (cases[i].good < 30 ? cases[i].good : 0) + (cases[i].bad < 30 ? cases[i].bad : 0);
        size_t drawn = 0;
        for (const char *at = text; (at = strstr(at, "class=\"li\"")) != NULL;) {
            const char *end = strstr(at, "/>");
            for (; at < end; at++) {
                drawn += *at == 'M' ? 1 : 0;
            }
        }
        ck_assert_uint_eq(drawn, few);
        free(text);
    }
}
END_TEST

START_TEST(patches_without_a_product_are_counted) {
    const drae__record records[] = {{.product = 0},
                                    {.product = DRAE__UNRECORDED},
                                    {.product = -3},
                                    {.product = DRAE__UNRECORDED}};
    const drae__report report = {.n = 3, .records = records};
    ck_assert_uint_eq(drae__report_without_product(&report), 1);
}
END_TEST

/* Whatever the range of the scores: three numbers or more under the axis, inside of it. */
START_TEST(every_axis_has_numbers) {
    static const float ranges[][2] = {{0.0301f, 0.0302f}, {0.02f, 0.03f},  {0.031f, 0.039f},
                                      {2.0f, 9.0f},       {1.0f, 40.0f},   {0.9f, 5.1f},
                                      {1e-4f, 0.9f},      {8.0f, 8.0001f}, {0.5f, 3.3f}};
    for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; i++) {
        char *text = histogram(40, 40, ranges[i][0], ranges[i][1]);
        size_t n = count_of(text, "v4\" class=\"ax\"");
        ck_assert_msg(n >= 3 && n <= 12, "%g to %g: %zu numbers", (double)ranges[i][0],
                      (double)ranges[i][1], n);
        free(text);
    }
}
END_TEST

int main(void) {
    if (mkdtemp(folder) == NULL) {
        return EXIT_FAILURE;
    }
    (void)snprintf(path, sizeof path, "%s/file", folder);
    Suite *suite = suite_create("report");
    TCase *t = tcase_create("report");
    tcase_add_test(t, text_is_escaped);
    tcase_add_test(t, base64_of_the_standard);
    tcase_add_test(t, abandoned_text_is_not_there);
    tcase_add_test(t, a_few_patches_are_drawn_one_by_one);
    tcase_add_test(t, patches_without_a_product_are_counted);
    tcase_add_test(t, every_axis_has_numbers);
    suite_add_tcase(suite, t);
    int status = drae_run_suite(suite);
    (void)unlink(path);
    (void)rmdir(folder);
    return status;
}
