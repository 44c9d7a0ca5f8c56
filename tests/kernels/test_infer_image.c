/* SPDX-License-Identifier: Apache-2.0 */
/* Grey levels in, reconstruction and maps out. */
#include "tests/kernels/infer_suites.h"

#include <math.h>
#include <string.h>

#define A(a) (sizeof(a) / sizeof((a)[0]))

static const int sides[][2] = {{1, 1}, {3, 7}, {4, 16}, {2, 33}, {48, 48}, {5, 95}, {2, 97}};

START_TEST(grey_levels) {
    const drae__infer_kernels *kernels;
    for (size_t t = 0; (kernels = infer_table(t)) != NULL; t++) {
        for (size_t i = 0; i < A(sides); i++) {
            int h = sides[i][0], w = sides[i][1];
            size_t n = (size_t)h * (size_t)w;
            t_begin("%s load_u8 %dx%d", kernels->name, h, w);
            /* Exactly as long as the image, so that a read behind it is a read of a guard. */
            unsigned char *src = t_bytes(n);
            float *dst = t_f32(n);
            for (size_t k = 0; k < n; k++) {
                src[k] = (unsigned char)(k * 37 + 11);
            }
            infer_map map = infer_map_make(1, h, w, NULL);
            kernels->load_u8(src, &map.g, map.at);
            infer_map_take(&map, dst);
            for (size_t k = 0; k < n; k++) {
                ck_assert_msg(dst[k] == (float)src[k] / 255.0f, "%s: pixel %zu", t_name(), k);
            }
            t_end();
        }
    }
}
END_TEST

START_TEST(reconstruction) {
    const drae__infer_kernels *kernels;
    for (size_t t = 0; (kernels = infer_table(t)) != NULL; t++) {
        for (size_t i = 0; i < A(sides); i++) {
            int h = sides[i][0], w = sides[i][1], c = 8 + 8 * (int)(i % 3);
            size_t n = (size_t)h * (size_t)w;
            t_begin("%s out %dx%dx%d", kernels->name, c, h, w);
            t_pair src = t_uniform((size_t)c * n, 1, -1.0f, 1.0f);
            t_pair wei = t_uniform((size_t)c * 9, 2, -0.5f, 0.5f), dst = t_result(n);
            infer_map map = infer_map_make(c, h, w, src.f);
            drae__ref_infer_out(c, h, w, src.d, wei.d, 0.125, dst.d);
            kernels->out(c, &map.g, map.at, wei.f, 0.125f, dst.f);
            /* The sum's rounding, times the slope 1/4 of the sigmoid, and the sigmoid's own. */
            (void)t_within_all("recon", dst, 0.25 * 9 * c * T_EPS * 9 * c * 0.5 + 4.0 * T_EPS);
            t_end();
        }
    }
}
END_TEST

/* One pixel, weights 0: the sigmoid of the bias. */
static float sigmoid_of(const drae__infer_kernels *kernels, float bias) {
    infer_map map = infer_map_make(8, 1, 1, NULL);
    memset(map.buffer, 0, drae__map_floats(&map.g, 8) * sizeof(float));
    float wei[72] = {0}, dst;
    kernels->out(8, &map.g, map.at, wei, bias, &dst);
    return dst;
}

START_TEST(sigmoid) {
    const drae__infer_kernels *kernels;
    for (size_t t = 0; (kernels = infer_table(t)) != NULL; t++) {
        for (int k = -200; k <= 200; k++) {
            float v = (float)k * 0.43f;
            t_begin("%s sigmoid(%g)", kernels->name, (double)v);
            double exact = 1.0 / (1.0 + exp(-(double)v));
            t_near("sigmoid", (double)sigmoid_of(kernels, v), exact, 6.0 * T_EPS * exact);
            t_end();
        }
        t_begin("%s sigmoid at the ends", kernels->name);
        ck_assert(sigmoid_of(kernels, 1e30f) == 1.0f);
        ck_assert(sigmoid_of(kernels, INFINITY) == 1.0f);
        ck_assert(sigmoid_of(kernels, -1e30f) < 1e-37f && sigmoid_of(kernels, -1e30f) >= 0.0f);
        ck_assert(isnan(sigmoid_of(kernels, NAN)));
        t_end();
    }
}
END_TEST

START_TEST(residual_and_its_range) {
    const drae__infer_kernels *kernels;
    for (size_t t = 0; (kernels = infer_table(t)) != NULL; t++) {
        for (int size = 1; size <= 50; size += 7) {
            size_t n = (size_t)size * (size_t)size;
            int x_stride = size + 5;
            t_begin("%s residual %d", kernels->name, size);
            t_pair x = t_uniform((size_t)size * (size_t)x_stride, 1, 0.0f, 1.0f);
            t_pair y = t_uniform(n, 2, 0.0f, 1.0f);
            float *dst = t_f32(n), lo, hi, least = INFINITY, greatest = 0.0f;
            kernels->residual(size, x.f, x_stride, y.f, size, dst, &lo, &hi);
            for (size_t i = 0; i < n; i++) {
                float d =
                    fabsf(x.f[i / (size_t)size * (size_t)x_stride + i % (size_t)size] - y.f[i]);
                least = fminf(least, d);
                greatest = fmaxf(greatest, d);
                ck_assert_msg(dst[i] == d, "%s: pixel %zu is %g, not %g", t_name(), i,
                              (double)dst[i], (double)d);
            }
            ck_assert(lo == least && hi == greatest);
            t_end();
        }
    }
}
END_TEST

START_TEST(bytes_of_a_map) {
    static const float src[] = {-1.0f, 0.0f, 0.1f, 0.25f, 0.5f, 0.75f, 1.0f, 2.0f, NAN, INFINITY};
    /* (src - 0.25) * 2, clamped, times 255, halves up */
    static const uint8_t scaled[] = {0, 0, 0, 0, 128, 255, 255, 255, 0, 255};
    const drae__infer_kernels *kernels;
    for (size_t t = 0; (kernels = infer_table(t)) != NULL; t++) {
        t_begin("%s to_u8", kernels->name);
        unsigned char *dst = t_bytes(A(src));
        kernels->to_u8(A(src), src, 0.25f, 2.0f, dst);
        for (size_t i = 0; i < A(src); i++) {
            ck_assert_msg(dst[i] == scaled[i], "%s: element %zu is %d, not %d", t_name(), i, dst[i],
                          scaled[i]);
        }
        kernels->to_u8(A(src) - 2, src, 0.25f, 0.0f, dst); /* flat: all zero */
        for (size_t i = 0; i + 2 < A(src); i++) {
            ck_assert_int_eq(dst[i], 0);
        }
        t_end();
    }
}
END_TEST

Suite *suite_infer_image(void) {
    Suite *suite = suite_create("infer_image");
    TCase *tc = tcase_create("image");
    tcase_add_test(tc, grey_levels);
    tcase_add_test(tc, reconstruction);
    tcase_add_test(tc, sigmoid);
    tcase_add_test(tc, residual_and_its_range);
    tcase_add_test(tc, bytes_of_a_map);
    suite_add_tcase(suite, tc);
    return suite;
}
