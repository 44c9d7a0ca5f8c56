/* SPDX-License-Identifier: Apache-2.0 */
/* Whole inferences against the float64 PyTorch implementation (tests/golden), on every instruction
 * set; and the portable kernels against the bits that they gave when this was written. */
#include "tests/engine/support.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* PyTorch's own float32 is within 3e-6 of its float64 (tests/golden/README.md). */
#define RECON_BOUND 4e-6
#define PHI_BOUND   4e-6
#define LINE_BYTES  65536
#define VALUES_MAX  128

typedef struct golden {
    char *text;
} golden;

static golden golden_open(const char *name) {
    char path[512];
    golden g = {malloc(LINE_BYTES * 4)};
    (void)snprintf(path, sizeof path, "%s/tests/golden/%s", DRAE_SOURCE_DIR, name);
    FILE *file = fopen(path, "rb");
    ck_assert_msg(file != NULL, "%s is missing", path);
    size_t n = fread(g.text, 1, LINE_BYTES * 4 - 1, file);
    g.text[n] = '\0';
    (void)fclose(file);
    return g;
}

/* The numbers of a key; how many. */
static size_t golden_values(const golden *g, const char *key, double *values) {
    size_t length = strlen(key), n = 0;
    for (const char *line = g->text; line != NULL && *line != '\0';) {
        if (strncmp(line, key, length) == 0 && line[length] == ' ') {
            char *end = NULL;
            for (const char *p = line + length; n < VALUES_MAX; p = end) {
                values[n] = strtod(p, &end);
                if (end == p || strchr("\n ", *end) == NULL) {
                    break;
                }
                n++;
                if (*end == '\n') {
                    break;
                }
            }
            return n;
        }
        line = strchr(line, '\n');
        line = line == NULL ? NULL : line + 1;
    }
    ck_abort_msg("no key %s", key);
    return 0;
}

static double golden_number(const golden *g, const char *key) {
    double values[VALUES_MAX];
    ck_assert_uint_ge(golden_values(g, key, values), 1);
    return values[0];
}

static void check_near(const char *what, const char *kernels, size_t i, double value,
                       double expected, double bound) {
    ck_assert_msg(fabs(value - expected) <= bound,
                  "%s kernels: %s %zu is %.9g, expected %.9g, error %.3g, bound %.3g", kernels,
                  what, i, value, expected, fabs(value - expected), bound);
}

static void check_window(const golden *g, drae__model *model, drae__ssim_window window,
                         const char *key, const uint8_t *images, int n) {
    double index[VALUES_MAX], value[VALUES_MAX], sum[VALUES_MAX], phi[VALUES_MAX];
    size_t points = golden_values(g, "recon.index", index);
    ck_assert_uint_eq(golden_values(g, "recon.value", value), points);
    ck_assert_uint_eq(golden_values(g, "recon.sum", sum), (size_t)n);
    ck_assert_uint_eq(golden_values(g, key, phi), (size_t)n);
    size_t pixels = (size_t)model->arch.size * (size_t)model->arch.size;
    drae__err err = {{0}};
    drae__compile_report report;
    e_engine file;
    const drae__compile_options options = {
        .device = DRAE_DEVICE_CPU, .precision = "f32", .batch = n};
    model->ssim_window = window;
    ck_assert_msg(drae__compile(model, &options, &file.bytes, &file.n_bytes, &report, &err) ==
                      DRAE_OK,
                  "%s", err.text);
    float *recon = malloc((size_t)n * pixels * sizeof *recon);
    const bool thin = E_BEST_TABLE_ALONE && model->arch.width > 8;
    for (size_t k = 0; e_kernels(k) != NULL && !(thin && k > 0); k++) {
        float scores[VALUES_MAX];
        drae_engine *engine = e_open(&file, e_kernels(k));
        drae_session *session = e_session(engine, 2, 0);
        ck_assert_int_eq(drae_session_set_output(session, DRAE_OUTPUT_RECON, recon,
                                                 (size_t)n * pixels * sizeof *recon),
                         DRAE_OK);
        ck_assert_int_eq(drae_session_infer(session, (size_t)n, images, NULL, scores, NULL),
                         DRAE_OK);
        for (size_t i = 0; i < points; i++) {
            check_near("recon", e_kernels(k), i, (double)recon[(size_t)index[i]], value[i],
                       RECON_BOUND);
        }
        for (size_t i = 0; i < (size_t)n; i++) {
            double total = 0.0;
            for (size_t p = 0; p < pixels; p++) {
                total += (double)recon[i * pixels + p];
            }
            check_near("sum", e_kernels(k), i, total, sum[i], RECON_BOUND * (double)pixels);
            check_near(key, e_kernels(k), i, (double)scores[i], phi[i], PHI_BOUND);
        }
        drae_session_destroy(session);
        drae_engine_close(engine);
    }
    free(recon);
    free(file.bytes);
}

static const char *const files[] = {"infer_w8_s32.txt", "infer_w8_s48_l32_slope01.txt",
                                    "infer_w16_s64.txt"};

START_TEST(against_pytorch) {
    golden g = golden_open(files[_i]);
    int n = (int)golden_number(&g, "batch"), size = (int)golden_number(&g, "size");
    drae__model model;
    e_model((int)golden_number(&g, "width"), (int)golden_number(&g, "latent"), size,
            (float)golden_number(&g, "slope"), &model);
    uint8_t *images = e_images(n, size);
    check_window(&g, &model, DRAE__SSIM_GAUSSIAN, "phi.gauss", images, n);
    check_window(&g, &model, DRAE__SSIM_UNIFORM, "phi.uniform", images, n);
    free(images);
    drae__model_free(&model);
    free(g.text);
}
END_TEST

Suite *suite_golden(void) {
    Suite *suite = suite_create("golden");
    TCase *tc = tcase_create("golden");
    tcase_add_loop_test(tc, against_pytorch, 0, (int)(sizeof files / sizeof files[0]));
    suite_add_tcase(suite, tc);
    return suite;
}
