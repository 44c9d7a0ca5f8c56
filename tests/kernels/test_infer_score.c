/* SPDX-License-Identifier: Apache-2.0 */
/* The normalised residual and the mean of its largest values against the oracle. */
#include "tests/kernels/infer_suites.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define A(a) (sizeof(a) / sizeof((a)[0]))

static const int sizes[] = {1, 2, 5, 15, 16, 17, 32, 33, 48, 75};

/* Small integers: blur weights are sixteenths, scales powers of two, so nothing is rounded. */
static void check_z(const drae__infer_kernels *kernels, int size, bool exact) {
    t_begin("%s z size %d %s", kernels->name, size, exact ? "exact" : "bounded");
    size_t n = (size_t)size * (size_t)size;
    int x_stride = size + 5;
    t_pair x = exact ? t_integers(n, 1, 9) : t_uniform(n, 1, 0.0f, 1.0f);
    t_pair y = exact ? t_integers(n, 2, 9) : t_uniform(n, 2, 0.0f, 1.0f);
    t_pair mean = exact ? t_integers(n, 3, 3) : t_uniform(n, 3, -0.1f, 0.1f);
    t_pair scale = exact ? t_integers(n, 4, 2) : t_uniform(n, 4, 0.01f, 0.5f);
    t_pair dst = t_result(n);
    float *rows = t_f32((size_t)x_stride * (size_t)size);
    float *scratch = t_f32(drae__infer_z_scratch(size));
    double *bound = t_f64(n);
    for (size_t i = 0; i < n; i++) {
        rows[i / (size_t)size * (size_t)x_stride + i % (size_t)size] = x.f[i];
        if (exact) {
            scale.f[i] = ldexpf(1.0f, (int)scale.f[i]);
            scale.d[i] = (double)scale.f[i];
        }
        /* Eleven roundings of numbers up to 1, less the mean, over the scale, and its rounding. */
        bound[i] = (12.0 * T_EPS + 2.0 * T_EPS) / scale.d[i];
    }
    drae__ref_infer_z(size, x.d, y.d, mean.d, scale.d, dst.d);
    kernels->z(size, rows, x_stride, y.f, size, mean.f, scale.f, dst.f, scratch);
    if (exact) {
        t_equal("z", dst);
    } else {
        (void)t_within("z", dst, bound);
    }
    t_end();
}

START_TEST(residual_against_the_oracle) {
    const drae__infer_kernels *kernels;
    for (size_t t = 0; (kernels = infer_table(t)) != NULL; t++) {
        for (size_t s = 0; s < A(sizes); s++) {
            check_z(kernels, sizes[s], true);
            check_z(kernels, sizes[s], false);
        }
    }
}
END_TEST

/* What the largest values may look like: many alike, all alike, in order, negative, huge. */
static float value_of(int kind, size_t i, size_t n, float random) {
    switch (kind) {
    case 0:
        return random;
    case 1:
        return floorf(random * 4.0f);
    case 2:
        return 3.5f;
    case 3:
        return (float)i;
    case 4:
        return -(float)i;
    case 5:
        return i + 1 == n ? 1e30f : -1e-30f * random;
    case 6:
        return i % 97 == 0 ? 100.0f + random : random;
    default:
        return i % 2 == 0 ? 0.0f : -0.0f;
    }
}

START_TEST(largest_against_the_oracle) {
    static const size_t counts[] = {1, 3, 8, 15, 16, 17, 130, 1024, 1500};
    static const int tops[] = {1, 2, 8, 33, DRAE__TOP_MAX};
    const drae__infer_kernels *kernels;
    for (size_t t = 0; (kernels = infer_table(t)) != NULL; t++) {
        for (size_t c = 0; c < A(counts) * A(tops) * 8; c++) {
            size_t n = counts[c / 8 / A(tops)];
            int k = tops[c / 8 % A(tops)], kind = (int)(c % 8);
            if ((size_t)k > n) {
                continue;
            }
            t_begin("%s top_mean n %zu k %d values %d", kernels->name, n, k, kind);
            t_pair src = t_uniform(n, c + 1, -2.0f, 2.0f);
            float *scratch = t_f32(drae__infer_top_scratch(n));
            for (size_t i = 0; i < n; i++) {
                src.f[i] = value_of(kind, i, n, src.f[i]);
                src.d[i] = (double)src.f[i];
            }
            double exact = drae__ref_infer_top_mean(n, src.d, k);
            float top = kernels->top_mean(n, src.f, k, scratch);
            /* The sum is in double: what is left is the rounding of the result. */
            t_near("top_mean", (double)top, exact, 1.01 * T_EPS * fabs(exact));
            t_end();
        }
    }
}
END_TEST

/* The order of the values changes nothing, not a bit. */
START_TEST(order_does_not_matter) {
    const drae__infer_kernels *kernels;
    for (size_t t = 0; (kernels = infer_table(t)) != NULL; t++) {
        enum { N = 1000 };
        t_begin("%s top_mean reversed", kernels->name);
        t_pair src = t_uniform(N, 5, -1.0f, 1.0f);
        float *reversed = t_f32(N), *scratch = t_f32(drae__infer_top_scratch(N));
        for (size_t i = 0; i < N; i++) {
            reversed[i] = src.f[N - 1 - i];
        }
        float one = kernels->top_mean(N, src.f, 32, scratch);
        float other = kernels->top_mean(N, reversed, 32, scratch);
        ck_assert_msg(one == other, "%s: %a and %a", t_name(), (double)one, (double)other);
        t_end();
    }
}
END_TEST

START_TEST(not_finite_is_kept) {
    static const float odd[] = {NAN, -NAN, INFINITY, -INFINITY};
    static const size_t places[] = {0, 7, 15, 16, 40, 47, 49};
    const drae__infer_kernels *kernels;
    for (size_t t = 0; (kernels = infer_table(t)) != NULL; t++) {
        for (size_t i = 0; i < A(odd) * A(places); i++) {
            t_begin("%s top_mean not finite %zu", kernels->name, i);
            t_pair src = t_uniform(50, 1, 0.0f, 1.0f);
            float *scratch = t_f32(drae__infer_top_scratch(50));
            src.f[places[i / A(odd)]] = odd[i % A(odd)];
            ck_assert_msg(isnan(kernels->top_mean(50, src.f, 8, scratch)), "%s: not NaN", t_name());
            t_end();
        }
    }
}
END_TEST

Suite *suite_infer_score(void) {
    Suite *suite = suite_create("infer score");
    TCase *tc = tcase_create("score");
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, residual_against_the_oracle);
    tcase_add_test(tc, largest_against_the_oracle);
    tcase_add_test(tc, order_does_not_matter);
    tcase_add_test(tc, not_finite_is_kept);
    suite_add_tcase(suite, tc);
    return suite;
}
