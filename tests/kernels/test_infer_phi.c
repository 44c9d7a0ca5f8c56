/* SPDX-License-Identifier: Apache-2.0 */
/* The score against the oracle, also where f32 likes to lose its digits. */
#include "tests/kernels/infer_suites.h"

#include <math.h>

/* Relative error that is left: the moments are centred, the terms never negative. */
#define RELATIVE 2e-5

typedef struct phi_case {
    const char *name;
    float base, amplitude; /* of x */
    float offset, noise;   /* of y - x */
} phi_case;

static const phi_case cases[] = {{"unlike", 0.5f, 0.5f, 0.0f, 0.5f},
                                 {"alike", 0.5f, 0.5f, 0.0f, 0.01f},
                                 {"bright and flat", 0.9f, 0.002f, 0.0f, 0.002f},
                                 {"bright, shifted", 0.9f, 0.002f, -0.4f, 0.001f},
                                 {"dark and flat", 0.01f, 0.005f, 0.0f, 0.001f},
                                 {"nearly equal", 0.7f, 0.2f, 0.0f, 1e-4f},
                                 {"constant", 0.8f, 0.0f, -0.3f, 0.0f},
                                 {"black and white", 0.0f, 0.0f, 1.0f, 0.0f}};

static const int sizes[] = {32, 41, 42, 43, 48, 64, 75};

static void check(const drae__infer_kernels *kernels, drae__ssim_window window, int size,
                  const phi_case *c) {
    t_begin("%s phi window %d size %d %s", kernels->name, (int)window, size, c->name);
    size_t n = (size_t)size * (size_t)size;
    int stride = size + 7;
    t_pair u = t_uniform(n, 1, -1.0f, 1.0f), v = t_uniform(n, 2, -1.0f, 1.0f);
    double *x = t_f64(n), *y = t_f64(n);
    float *fx = t_f32(n), *fy = t_f32((size_t)size * (size_t)stride);
    float *scratch = t_f32(DRAE__INFER_PHI_SCRATCH);
    for (size_t i = 0; i < n; i++) {
        float *to = fy + i / (size_t)size * (size_t)stride + i % (size_t)size;
        fx[i] = fminf(fmaxf(c->base + c->amplitude * u.f[i], 0.0f), 1.0f);
        *to = fminf(fmaxf(fx[i] + c->offset + c->noise * v.f[i], 0.0f), 1.0f);
        x[i] = (double)fx[i];
        y[i] = (double)*to;
    }
    double exact = drae__ref_infer_phi(window, size, x, y);
    float phi = kernels->phi(window, size, fx, size, fy, stride, scratch);
    t_near("phi", (double)phi, exact, RELATIVE * exact + 1e-9);
    t_end();
}

START_TEST(against_the_oracle) {
    const drae__infer_kernels *kernels;
    for (size_t t = 0; (kernels = infer_table(t)) != NULL; t++) {
        for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++) {
            for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++) {
                check(kernels, DRAE__SSIM_GAUSSIAN, sizes[s], &cases[c]);
                check(kernels, DRAE__SSIM_UNIFORM, sizes[s], &cases[c]);
            }
        }
    }
}
END_TEST

START_TEST(equal_images_score_zero) {
    const drae__infer_kernels *kernels;
    for (size_t t = 0; (kernels = infer_table(t)) != NULL; t++) {
        t_begin("%s phi of equals", kernels->name);
        t_pair x = t_uniform(48 * 48, 1, 0.0f, 1.0f);
        float *scratch = t_f32(DRAE__INFER_PHI_SCRATCH);
        ck_assert(kernels->phi(DRAE__SSIM_GAUSSIAN, 48, x.f, 48, x.f, 48, scratch) == 0.0f);
        ck_assert(kernels->phi(DRAE__SSIM_UNIFORM, 48, x.f, 48, x.f, 48, scratch) == 0.0f);
        t_end();
    }
}
END_TEST

START_TEST(nan_is_kept) {
    const drae__infer_kernels *kernels;
    for (size_t t = 0; (kernels = infer_table(t)) != NULL; t++) {
        t_begin("%s phi of NaN", kernels->name);
        t_pair x = t_uniform(48 * 48, 1, 0.0f, 1.0f), y = t_copy(x);
        float *scratch = t_f32(DRAE__INFER_PHI_SCRATCH);
        y.f[47 * 48 + 47] = NAN;
        ck_assert(isnan(kernels->phi(DRAE__SSIM_GAUSSIAN, 48, x.f, 48, y.f, 48, scratch)));
        t_end();
    }
}
END_TEST

Suite *suite_infer_phi(void) {
    Suite *suite = suite_create("infer_phi");
    TCase *tc = tcase_create("phi");
    tcase_add_test(tc, against_the_oracle);
    tcase_add_test(tc, equal_images_score_zero);
    tcase_add_test(tc, nan_is_kept);
    suite_add_tcase(suite, tc);
    return suite;
}
