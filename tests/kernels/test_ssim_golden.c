/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SSIM against another implementation's numbers, tests/golden/ssim_*.txt (format and the rule that
 * fills the images: tests/golden/README.md). Cases that are not square are not ours to compute.
 */
#include "tests/kernels/suites.h"
#include "tests/kernels/testutil.h"

#include "kernels/ssim.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define POSITIONS  64
#define LINE_BYTES 65536

/* u(path, i) of the README: uniform in [0,1) with 24 bits, from a hash of path and index. */
static double golden_u(const char *path, uint64_t i) {
    uint64_t h = UINT64_C(14695981039346656037);
    for (const char *c = path; *c != '\0'; c++) {
        h = (h ^ (uint64_t)(unsigned char)*c) * UINT64_C(1099511628211);
    }
    uint64_t z = h + (i + 1) * UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
    z = z ^ z >> 31;
    return (double)(z >> 40) * 0x1p-24;
}

typedef struct golden {
    char name[64];
    double numbers[7]; /* h w base_a amp_a base_b amp_b share */
    double ssim, grad_sum;
    double index[POSITIONS], value[POSITIONS];
    unsigned seen; /* bit a line: case, ssim, index, value, sum */
} golden;

static int parse(const char *text, double *numbers, int max) {
    int n = 0;
    char *end;
    for (; n < max; n++) {
        numbers[n] = strtod(text, &end);
        if (end == text) {
            break;
        }
        text = end;
    }
    return n;
}

static t_pair image(const golden *g, const char *which, const t_pair *other) {
    size_t n = (size_t)g->numbers[0] * (size_t)g->numbers[1];
    double base = other == NULL ? g->numbers[2] : g->numbers[4];
    double amp = other == NULL ? g->numbers[3] : g->numbers[5];
    char path[96];
    (void)snprintf(path, sizeof path, "ssim/%s/%s", g->name, which);
    t_pair p = t_result(n);
    for (size_t i = 0; i < n; i++) {
        double v = base + amp * (2.0 * golden_u(path, i) - 1.0);
        if (other != NULL) {
            v += g->numbers[6] * (other->d[i] - g->numbers[2]);
        }
        p.f[i] = (float)v;
        p.d[i] = (double)p.f[i];
    }
    return p;
}

/* 1 when the case was compared. */
static int check_case(const golden *g, drae__ssim_window window) {
    ck_assert_msg(g->seen == 31u, "case %s lacks a line", g->name);
    int size = (int)g->numbers[0];
    if (g->numbers[0] != g->numbers[1]) {
        return 0;
    }
    t_begin("golden ssim window=%d %s", (int)window, g->name);
    t_pair a = image(g, "a", NULL), b = image(g, "b", &a);
    size_t pixels = a.n;
    t_pair dy = t_result(pixels);
    float *score = t_f32(1);
    void *scratch = t_bytes(4 * drae__cpu_ssim_scratch_bytes(size));
    double ref = drae__ref_ssim(window, size, a.d, b.d, NULL);
    t_near("oracle's score", ref, g->ssim, 1e-11);
    drae__cpu_ssim_grad(window, 1, size, 1.0f, a.f, b.f, score, dy.f, scratch);
    t_near("score", (double)score[0], g->ssim, 1e-6);
    drae__ref_ssim_bwd(window, size, a.d, b.d, dy.d);
    double largest = 0.0, sum = 0.0;
    for (size_t i = 0; i < pixels; i++) {
        largest = fmax(largest, fabs(dy.d[i]));
        sum += dy.d[i];
    }
    t_near("oracle's gradient sum", sum, g->grad_sum, 1e-11 * (double)pixels * (largest + 1e-3));
    for (int k = 0; k < POSITIONS; k++) {
        size_t i = (size_t)g->index[k];
        ck_assert_uint_lt(i, pixels);
        t_near("oracle's gradient", dy.d[i], g->value[k], 1e-10 * (largest + 1e-3));
        t_near("gradient", (double)dy.f[i], g->value[k], 1e-5 * largest + 1e-9);
    }
    t_end();
    return 1;
}

/* "<name>.<what> numbers": fills what it is; a new name starts a new case. */
static void take_line(golden *g, const char *what, const char *text) {
    static const struct {
        const char *what;
        size_t offset;
        int count;
    } lines[] = {{"case", offsetof(golden, numbers), 7},
                 {"ssim", offsetof(golden, ssim), 1},
                 {"grad.index", offsetof(golden, index), POSITIONS},
                 {"grad.value", offsetof(golden, value), POSITIONS},
                 {"grad.sum", offsetof(golden, grad_sum), 1}};
    for (unsigned i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        if (strcmp(what, lines[i].what) == 0) {
            double *to = (double *)(void *)((char *)g + lines[i].offset);
            ck_assert_int_eq(parse(text, to, lines[i].count), lines[i].count);
            g->seen |= 1u << i;
        }
    }
}

static void check_file(const char *file, drae__ssim_window window) {
    static char line[LINE_BYTES];
    char path[512];
    (void)snprintf(path, sizeof path, "%s/tests/golden/%s", DRAE_SOURCE_DIR, file);
    FILE *in = fopen(path, "r");
    ck_assert_msg(in != NULL, "%s is missing", path);
    golden g = {.name = ""};
    int checked = 0;
    while (fgets(line, sizeof line, in) != NULL) {
        char *dot = strchr(line, '.'), *space = strchr(line, ' ');
        if (line[0] == '#' || dot == NULL || space == NULL || dot > space) {
            continue;
        }
        *dot = *space = '\0';
        if (strcmp(g.name, line) != 0) {
            checked += g.name[0] != '\0' ? check_case(&g, window) : 0;
            memset(&g, 0, sizeof g);
            (void)snprintf(g.name, sizeof g.name, "%.63s", line);
        }
        take_line(&g, dot + 1, space + 1);
    }
    checked += g.name[0] != '\0' ? check_case(&g, window) : 0;
    (void)fclose(in);
    ck_assert_int_ge(checked, 7);
}

START_TEST(gaussian) {
    check_file("ssim_gauss.txt", DRAE__SSIM_GAUSSIAN);
}
END_TEST

START_TEST(uniform) {
    check_file("ssim_uniform.txt", DRAE__SSIM_UNIFORM);
}
END_TEST

Suite *suite_ssim_golden(void) {
    Suite *suite = suite_create("ssim golden");
    TCase *tcase = tcase_create("ssim golden");
    tcase_add_test(tcase, gaussian);
    tcase_add_test(tcase, uniform);
    suite_add_tcase(suite, tcase);
    return suite;
}
