/* SPDX-License-Identifier: Apache-2.0 */
/* The matched filters against the oracle, and by what they promise: borders, lines, NaN. */
#include "kernels/matched.h"
#include "tests/kernels/infer_suites.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define A(a) (sizeof(a) / sizeof((a)[0]))

static const int sizes[] = {32, 48, 80};

/* Roundings of a line: 9 values of r_1, each of two blurs of 11 roundings of numbers up to 1, and
 * the sum of 9 of at most 1. Other filters have fewer. */
#define FILTER_BOUND (9.0 * (2.0 * 11.0 + 3.0 + 9.0) * T_EPS)

/* e = B (x - y) - mean: the oracle's z of a mean that is below all, less that mean. */
static double *residual(int size, const t_pair *x, const t_pair *y, const t_pair *mean) {
    size_t n = (size_t)size * (size_t)size;
    double *below = t_f64(n), *one = t_f64(n), *e = t_f64(n);
    for (size_t i = 0; i < n; i++) {
        below[i] = -2.0;
        one[i] = 1.0;
    }
    drae__ref_infer_z(size, x->d, y->d, below, one, e);
    for (size_t i = 0; i < n; i++) {
        e[i] = e[i] - 2.0 - mean->d[i];
    }
    return e;
}

static void check_m(const drae__infer_kernels *kernels, int size) {
    t_begin("%s m size %d", kernels->name, size);
    size_t n = (size_t)size * (size_t)size;
    int x_stride = size + 5;
    t_pair x = t_uniform(n, 1, 0.0f, 1.0f), y = t_uniform(n, 2, 0.0f, 1.0f);
    t_pair mean = t_uniform(n, 3, -0.1f, 0.1f);
    t_pair scales = t_uniform(drae__m_scales(size), 4, 0.01f, 0.5f);
    t_pair dst = t_result(n);
    float *rows = t_f32((size_t)x_stride * (size_t)size), *scratch = t_f32(drae__m_scratch(size));
    double *filters = t_f64(DRAE__M_FILTERS * n), *bound = t_f64(n);
    size_t blocks = (size_t)size / DRAE__M_BLOCK;
    for (size_t i = 0; i < n; i++) {
        rows[i / (size_t)size * (size_t)x_stride + i % (size_t)size] = x.f[i];
    }
    drae__ref_infer_m_filters(size, residual(size, &x, &y, &mean), filters);
    drae__ref_infer_m(size, filters, scales.d, dst.d);
    for (size_t i = 0; i < n; i++) {
        size_t block = i / (size_t)size / DRAE__M_BLOCK * blocks + i % (size_t)size / DRAE__M_BLOCK;
        double least = INFINITY;
        for (size_t f = 0; f < DRAE__M_FILTERS; f++) {
            least = fmin(least, scales.d[f * blocks * blocks + block]);
        }
        bound[i] = FILTER_BOUND / least + 3.0 * T_EPS * dst.d[i];
    }
    kernels->m(size, rows, x_stride, y.f, size, mean.f, scales.f, dst.f, scratch);
    (void)t_within("m", dst, bound);
    t_end();
}

static void check_filters(const drae__infer_kernels *kernels, int size) {
    t_begin("%s m_filters size %d", kernels->name, size);
    size_t n = (size_t)size * (size_t)size;
    t_pair e = t_uniform(n, 5, -1.0f, 1.0f), dst = t_result(DRAE__M_FILTERS * n);
    float *scratch = t_f32(drae__m_scratch(size));
    double *bound = t_f64(DRAE__M_FILTERS * n);
    for (size_t i = 0; i < DRAE__M_FILTERS * n; i++) {
        bound[i] = FILTER_BOUND;
    }
    drae__ref_infer_m_filters(size, e.d, dst.d);
    kernels->m_filters(size, e.f, dst.f, scratch);
    (void)t_within("m_filters", dst, bound);
    t_end();
}

START_TEST(filters_against_the_oracle) {
    const drae__infer_kernels *kernels;
    for (size_t t = 0; (kernels = infer_table(t)) != NULL; t++) {
        for (size_t s = 0; s < A(sizes); s++) {
            check_m(kernels, sizes[s]);
            check_filters(kernels, sizes[s]);
        }
    }
}
END_TEST

/* A line of one pixel's width is answered most by the filter of its direction, where it lies. */
START_TEST(a_line_is_answered_by_its_direction) {
    enum { SIZE = 64, N = SIZE * SIZE };
    const drae__infer_kernels *kernels;
    for (size_t t = 0; (kernels = infer_table(t)) != NULL; t++) {
        for (int d = 0; d < DRAE__M_LINES; d++) {
            t_begin("%s line of direction %d", kernels->name, d);
            float *e = t_f32(N), *dst = t_f32(DRAE__M_FILTERS * N);
            float *scratch = t_f32(drae__m_scratch(SIZE));
            double angle = 3.14159265358979 * d / DRAE__M_LINES;
            memset(e, 0, N * sizeof *e);
            for (int j = -20; j <= 20; j++) {
                int x = SIZE / 2 + (int)lround(j * cos(angle));
                int y = SIZE / 2 + (int)lround(j * sin(angle));
                e[y * SIZE + x] = -1.0f;
            }
            kernels->m_filters(SIZE, e, dst, scratch);
            int most = 0;
            float greatest = 0.0f;
            for (int k = 0; k < DRAE__M_LINES; k++) {
                float r = fabsf(dst[(DRAE__M_PLANES + k) * N + SIZE / 2 * SIZE + SIZE / 2]);
                most = r > greatest ? k : most;
                greatest = fmaxf(r, greatest);
            }
            ck_assert_msg(most == d, "%s: direction %d answers most", t_name(), most);
            t_end();
        }
    }
}
END_TEST

START_TEST(not_a_number_is_kept) {
    enum { SIZE = 32, N = SIZE * SIZE };
    const drae__infer_kernels *kernels;
    for (size_t t = 0; (kernels = infer_table(t)) != NULL; t++) {
        static const float odd[] = {NAN, INFINITY, -INFINITY};
        for (size_t i = 0; i < A(odd); i++) {
            t_begin("%s m of %g", kernels->name, (double)odd[i]);
            t_pair x = t_uniform(N, 1, 0.0f, 1.0f), y = t_uniform(N, 2, 0.0f, 1.0f);
            t_pair mean = t_uniform(N, 3, -0.1f, 0.1f);
            t_pair scales = t_uniform(drae__m_scales(SIZE), 4, 0.01f, 0.5f);
            float *dst = t_f32(N), *scratch = t_f32(drae__m_scratch(SIZE));
            y.f[100 * (i + 1)] = odd[i];
            kernels->m(SIZE, x.f, SIZE, y.f, SIZE, mean.f, scales.f, dst, scratch);
            ck_assert_msg(isnan(dst[100 * (i + 1)]), "%s: %g", t_name(),
                          (double)dst[100 * (i + 1)]);
            t_end();
        }
    }
}
END_TEST

Suite *suite_infer_matched(void) {
    Suite *suite = suite_create("infer matched");
    TCase *tc = tcase_create("matched");
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, filters_against_the_oracle);
    tcase_add_test(tc, a_line_is_answered_by_its_direction);
    tcase_add_test(tc, not_a_number_is_kept);
    suite_add_tcase(suite, tc);
    return suite;
}
