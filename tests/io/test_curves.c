/* SPDX-License-Identifier: Apache-2.0 */
/* curves.svg: named, with units, and to be read on a phone whatever the run was like. */
#include "io/curves.h"
#include "tests/run.h"

#include <check.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PHONE = 390 };

static char *read_all(const char *path) {
    FILE *in = fopen(path, "r");
    ck_assert_ptr_nonnull(in);
    char *text = calloc(1, 1 << 20);
    ck_assert_ptr_nonnull(text);
    size_t n = fread(text, 1, (1 << 20) - 1, in);
    ck_assert_uint_lt(n, (1 << 20) - 1);
    (void)fclose(in);
    return text;
}

/* The picture of a run of n steps whose losses fall by `decades`; without the networks of the full
 * recipe where bare. */
static char *curves(int n, double decades, bool bare) {
    char log[] = "/tmp/drae-curves-XXXXXX";
    char svg[64];
    int fd = mkstemp(log);
    ck_assert_int_ge(fd, 0);
    FILE *out = fdopen(fd, "w");
    ck_assert_ptr_nonnull(out);
    for (int i = 1; i <= n; i++) {
        double loss = pow(10.0, -decades * i / n);
        int step = n == 999 ? 1000 * i : i; /* long numbers too */
        fprintf(out, "{\"step\":%d,\"lr\":%g,\"con\":%g,\"gen\":%g,\"nse\":%g,\"grad_norm\":1",
                step, loss * 1e-4, loss, 50.0 * loss, loss / 9.0);
        fprintf(out, bare ? ",\"adv\":null,\"enc\":null,\"disc\":null}\n"
                          : ",\"adv\":0.2,\"enc\":0.3,\"disc\":0.7}\n");
        if (i == n) {
            fprintf(out, "{\"step\":%d,\"epochs\":1,\"val_con\":%g,\"best\":true}\n", step, loss);
        }
    }
    (void)fclose(out);
    (void)snprintf(svg, sizeof svg, "%s.svg", log);
    drae__err err = {{0}};
    ck_assert_msg(drae__curves_write(log, svg, "a <run> & more", &err) == DRAE_OK, "%s", err.text);
    char *text = read_all(svg);
    (void)unlink(svg);
    (void)unlink(log);
    return text;
}

static void has(const char *text, const char *what) {
    ck_assert_msg(strstr(text, what) != NULL, "no %s", what);
}

START_TEST(everything_is_named) {
    char *text = curves(1000, 2.0, false);
    static const char *const names[] = {"Training of a &#60;run&#62; &#38; more",
                                        ">training<",
                                        ">validation<",
                                        ">L_gen<",
                                        ">L_adv<",
                                        ">L_enc<",
                                        ">L_nse<",
                                        ">L_disc<",
                                        ">step (one update of the weights)<",
                                        ">rate a step<",
                                        ">norm<",
                                        ">loss<",
                                        ">L_con<",
                                        "the mean of about 3 steps"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        has(text, names[i]);
    }
    free(text);
    text = curves(100, 2.0, true);
    ck_assert_ptr_null(strstr(text, ">L_adv<"));
    ck_assert_ptr_null(strstr(text, "the mean of"));
    free(text);
    text = curves(0, 1.0, true);
    has(text, "not part of this run");
    free(text);
}
END_TEST

/* Type of at least 9 px on a phone, inside of the picture, numbers of an axis apart. */
START_TEST(it_can_be_read_on_a_phone) {
    static const double decades[] = {0.0, 0.01, 0.3, 0.45, 1.0, 2.0, 3.5, 6.0, 11.0};
    static const int steps[] = {0, 1, 7, 12, 999, 2000};
    for (int run = 0; run < 9 * 6; run++) {
        char *text = curves(steps[run % 6], decades[run / 6], run % 2 == 0);
        double width = 0.0;
        double size = 0.0;
        double last_y = -100.0;
        double last_x = -100.0;
        int numbers = 0;
        ck_assert_int_eq(sscanf(strstr(text, "viewBox=\"0 0 "), "viewBox=\"0 0 %lf", &width), 1);
        ck_assert_int_eq(sscanf(strstr(text, "font-size:"), "font-size:%lf", &size), 1);
        ck_assert_double_ge(size * PHONE / width, 9.0);
        ck_assert_ptr_null(strstr(text, "nan"));
        ck_assert_ptr_null(strstr(text, "inf"));
        for (const char *at = text; (at = strstr(at, "<text text-anchor=\"")) != NULL; at++) {
            double x = 0.0;
            double y = 0.0;
            char label[32] = "";
            if (sscanf(at, "<text text-anchor=\"end\" x=\"%lf\" y=\"%lf\">%31[^<]", &x, &y,
                       label) == 3) {
                bool apart = fabs(y - last_y) >= 0.99 * size;
                ck_assert_msg(apart, "run %d: %s touches the one before", run, label);
                ck_assert_msg(x - 0.6 * size * (double)strlen(label) > size, "run %d: %s", run,
                              label);
                last_y = y;
                numbers++;
            } else if (sscanf(at, "<text text-anchor=\"middle\" x=\"%lf\" y=\"%lf\">%31[0-9]<", &x,
                              &y, label) == 3) {
                bool apart = x < last_x || x - last_x >= 0.6 * size * (double)strlen(label);
                ck_assert_msg(apart, "run %d: step %s touches the one before", run, label);
                ck_assert_msg(x + 0.3 * size * (double)strlen(label) <= width, "run %d: %s is cut",
                              run, label);
                last_x = x;
            }
        }
        ck_assert_msg(numbers >= 4, "run %d: %d numbers", run, numbers);
        free(text);
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("curves");
    TCase *all = tcase_create("curves");
    tcase_add_test(all, everything_is_named);
    tcase_add_test(all, it_can_be_read_on_a_phone);
    suite_add_tcase(suite, all);
    return drae_run_suite(suite);
}
