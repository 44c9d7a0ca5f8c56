/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/kernels/suites.h"
#include "tests/kernels/testutil.h"

#include "kernels/augment.h"

#include <math.h>
#include <string.h>

#define PI 3.14159265358979323846

static const int sizes[] = {1, 2, 7, 16, 31, 32, 33, 48, 63};
#define N_SIZES (int)(sizeof sizes / sizeof sizes[0])

static size_t pixels_of(int size) {
    return (size_t)size * (size_t)size;
}

/* ---- rotation ---- */

START_TEST(rotation_by_zero_is_exact) {
    int size = sizes[_i];
    for (int flip = 0; flip < 2; flip++) {
        t_begin("rotate 0 size=%d flip=%d", size, flip);
        t_pair src = t_uniform(pixels_of(size), 1, 0.0f, 1.0f), dst = t_result(pixels_of(size));
        drae__cpu_rotate_flip(size, 0.0f, flip == 1, src.f, dst.f);
        for (int y = 0; y < size; y++) {
            for (int x = 0; x < size; x++) {
                dst.d[y * size + x] = src.d[(flip == 1 ? size - 1 - y : y) * size + x];
            }
        }
        t_equal("dst", dst);
        t_end();
    }
}
END_TEST

START_TEST(rotation_is_close) {
    static const float angles[] = {0.39f, -0.39f, 0.01f, -0.2f, 1.5f, 3.0f};
    int size = sizes[_i];
    for (size_t k = 0; k < sizeof angles / sizeof angles[0]; k++) {
        for (int flip = 0; flip < 2; flip++) {
            t_begin("rotate %g size=%d flip=%d", (double)angles[k], size, flip);
            t_pair src = t_uniform(pixels_of(size), 1, 0.0f, 1.0f), dst = t_result(pixels_of(size));
            drae__cpu_rotate_flip(size, angles[k], flip == 1, src.f, dst.f);
            drae__ref_rotate_flip(size, (double)angles[k], flip == 1, src.d, dst.d);
            /* Two weights rounded to f32, three interpolations of values below 1. */
            t_within_all("dst", dst, 8.0 * T_EPS);
            t_end();
        }
    }
}
END_TEST

/* A spot right of the centre is above it after a quarter turn counter-clockwise; flipped first, a
 * spot above the centre (then below it) comes to lie right of it. */
START_TEST(rotation_turns_the_right_way) {
    const int size = 5;
    double src[25] = {0}, dst[25];
    src[2 * size + 4] = 1.0;
    drae__ref_rotate_flip(size, PI / 2.0, false, src, dst);
    ck_assert_double_eq_tol(dst[0 * size + 2], 1.0, 1e-9);
    memset(src, 0, sizeof src);
    src[0 * size + 2] = 1.0;
    drae__ref_rotate_flip(size, PI / 2.0, true, src, dst);
    ck_assert_double_eq_tol(dst[2 * size + 4], 1.0, 1e-9);
}
END_TEST

/* ---- Perlin noise ---- */

START_TEST(perlin_is_close) {
    int size = sizes[_i];
    for (int ky = 0; ky <= 5; ky++) {
        for (int kx = 0; kx <= 5; kx++) {
            int ry = 1 << ky, rx = 1 << kx;
            t_begin("perlin size=%d %dx%d", size, ry, rx);
            t_pair angles = t_uniform((size_t)((ry + 1) * (rx + 1)), 1, 0.0f, 6.2831853f);
            t_pair dst = t_result(pixels_of(size));
            drae__cpu_perlin(size, ry, rx, angles.f, dst.f);
            drae__ref_perlin(size, ry, rx, angles.d, dst.d);
            /* Each corner's product below sqrt 2, some twenty roundings. */
            t_within_all("dst", dst, 24.0 * T_EPS * 1.5);
            t_end();
        }
    }
}
END_TEST

START_TEST(perlin_vanishes_on_the_lattice) {
    const int size = 32, r = 4;
    t_begin("perlin lattice");
    t_pair angles = t_uniform((size_t)((r + 1) * (r + 1)), 1, 0.0f, 6.2831853f);
    t_pair dst = t_result(pixels_of(size));
    drae__cpu_perlin(size, r, r, angles.f, dst.f);
    double largest = 0.0;
    for (int y = 0; y < size; y++) {
        for (int x = 0; x < size; x++) {
            double v = fabs((double)dst.f[y * size + x]);
            largest = fmax(largest, v);
            ck_assert_msg(y % 8 != 0 || x % 8 != 0 || v == 0.0, "%d,%d: %g", y, x, v);
        }
    }
    ck_assert_msg(largest > 0.2 && largest <= 1.0, "largest %g", largest);
    t_end();
}
END_TEST

/* ---- mask and blend ---- */

START_TEST(mask_is_close) {
    int size = sizes[_i];
    t_begin("mask size=%d", size);
    t_pair field = t_uniform(pixels_of(size), 1, -1.0f, 1.0f);
    t_pair mask = t_result(field.n), noise = t_result(field.n);
    size_t count = drae__cpu_perlin_mask(field.n, 0.25f, field.f, mask.f, noise.f);
    ck_assert_uint_eq(count, drae__ref_perlin_mask(field.n, 0.25, field.d, mask.d, noise.d));
    t_equal("mask", mask);
    t_within_all("noise", noise, 4.0 * T_EPS);
    double lo = 1.0, hi = 0.0;
    for (size_t i = 0; i < noise.n; i++) {
        lo = fmin(lo, (double)noise.f[i]);
        hi = fmax(hi, (double)noise.f[i]);
    }
    ck_assert_double_eq(lo, 0.0);
    ck_assert_double_eq(hi, size > 1 ? 1.0 : 0.0);
    t_end();
}
END_TEST

START_TEST(mask_of_a_flat_field) {
    t_begin("mask flat");
    float field[20], mask[20], noise[20];
    for (int k = 0; k < 2; k++) {
        for (int i = 0; i < 20; i++) {
            field[i] = k == 0 ? 0.5f : 0.75f;
        }
        /* Equal to the threshold is not above it. */
        ck_assert_uint_eq(drae__cpu_perlin_mask(20, 0.5f, field, mask, noise), k == 0 ? 0 : 20);
        for (int i = 0; i < 20; i++) {
            ck_assert_float_eq(mask[i], k == 0 ? 0.0f : 1.0f);
            ck_assert_float_eq(noise[i], 0.0f);
        }
    }
    t_end();
}
END_TEST

static t_pair masks(size_t n) {
    t_pair mask = t_integers(n, 9, 1);
    for (size_t i = 0; i < n; i++) {
        mask.f[i] = mask.f[i] > 0.0f ? 1.0f : 0.0f;
        mask.d[i] = (double)mask.f[i];
    }
    return mask;
}

START_TEST(blend_is_exact_or_close) {
    size_t n = pixels_of(sizes[_i]);
    for (int leak = 0; leak < 2; leak++) {
        for (int gauss = 0; gauss < 2; gauss++) {
            t_begin("blend n=%zu leak=%d gauss=%d", n, leak, gauss);
            t_pair mask = masks(n), x = t_uniform(n, 1, 0.0f, 1.0f);
            t_pair noise = t_uniform(n, 2, 0.0f, 1.0f), extra = t_uniform(n, 3, -0.3f, 0.3f);
            t_pair dst = t_result(n);
            drae__cpu_blend(n, x.f, mask.f, noise.f, 0.7f, leak == 1, gauss == 1 ? extra.f : NULL,
                            dst.f);
            drae__ref_blend(n, x.d, mask.d, noise.d, (double)0.7f, leak == 1,
                            gauss == 1 ? extra.d : NULL, dst.d);
            t_within_all("x_star", dst, 8.0 * T_EPS);
            for (size_t i = 0; i < n; i++) {
                ck_assert(dst.f[i] >= 0.0f && dst.f[i] <= 1.0f);
                if (leak == 0 && gauss == 0 && mask.f[i] == 0.0f) {
                    ck_assert_float_eq(dst.f[i], x.f[i]);
                }
            }
            t_end();
        }
    }
}
END_TEST

Suite *suite_augment(void) {
    Suite *suite = suite_create("augment");
    TCase *tcase = tcase_create("augment");
    tcase_add_loop_test(tcase, rotation_by_zero_is_exact, 0, N_SIZES);
    tcase_add_loop_test(tcase, rotation_is_close, 0, N_SIZES);
    tcase_add_test(tcase, rotation_turns_the_right_way);
    tcase_add_loop_test(tcase, perlin_is_close, 0, N_SIZES);
    tcase_add_test(tcase, perlin_vanishes_on_the_lattice);
    tcase_add_loop_test(tcase, mask_is_close, 0, N_SIZES);
    tcase_add_test(tcase, mask_of_a_flat_field);
    tcase_add_loop_test(tcase, blend_is_exact_or_close, 0, N_SIZES);
    suite_add_tcase(suite, tcase);
    return suite;
}
