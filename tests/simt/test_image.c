/* SPDX-License-Identifier: Apache-2.0 */
/* The first layer on its own on the device against the oracle. */
#include "tests/simt/cuda_case.h"
#include "tests/simt/suites.h"

#include "base/philox.h"

#include <string.h>

#define SLOPE 0.25

static uint8_t *bytes(size_t n, uint64_t seed) {
    uint8_t *p = t_bytes(n);
    drae__rng rng;
    drae__rng_init(&rng, seed, DRAE__PURPOSE_TEST, 1);
    for (size_t i = 0; i < n; i++) {
        p[i] = (uint8_t)drae__rng_below(&rng, 256);
    }
    return p;
}

/* [c_out,9] to [9,c_out], as the kernels want a single channel's window. */
static float *taps_first(const t_pair *wei, size_t c) {
    float *dst = t_f32(9 * c);
    for (size_t i = 0; i < c; i++) {
        for (size_t k = 0; k < 9; k++) {
            dst[k * c + i] = wei->f[i * 9 + k];
        }
    }
    return dst;
}

typedef struct shape {
    int n, h, w, c;
} shape;

static const shape shapes[] = {
    {1, 1, 1, 8},    {2, 5, 33, 8},  {1, 34, 31, 16},  {1, 16, 16, 40},
    {3, 32, 32, 16}, {1, 9, 20, 72}, {1, 17, 16, 128},
};

START_TEST(stem) {
    const shape *s = &shapes[_i];
    t_begin("stem %dx%dx%d->%d", s->n, s->h, s->w, s->c);
    size_t pixels = (size_t)s->n * (size_t)s->h * (size_t)s->w, c = (size_t)s->c;
    uint8_t *image = bytes(pixels, 1);
    t_pair wei = cuda_values(9 * c, 2, 0), scale = cuda_values(c, 3, 0),
           shift = cuda_values(c, 4, 0);
    cuda_map act = cuda_map_result(s->n, s->c, s->h, s->w);
    float *packed = taps_first(&wei, c);
    const drae__cuda_stem op = {
        .n = s->n,
        .h = s->h,
        .w = s->w,
        .c = s->c,
        .image = cuda_upload(image, pixels),
        .wei = cuda_upload(packed, 9 * c * sizeof(float)),
        .scale = cuda_upload(scale.f, c * sizeof(float)),
        .shift = cuda_upload(shift.f, c * sizeof(float)),
        .slope = (float)SLOPE,
        .act = act.device,
    };
    drae__err err = {{0}};
    cuda_done(drae__cuda_stem_u8(&op, NULL, &err), &err);
    double *src = t_f64(pixels);
    for (size_t i = 0; i < pixels; i++) {
        src[i] = image[i] / 255.0;
    }
    size_t plane = (size_t)s->h * (size_t)s->w;
    for (size_t i = 0; i < (size_t)s->n; i++) {
        const drae__ref_infer_op ref = {.kind = DRAE__INFER_CONV3,
                                        .c_in = 1,
                                        .c_out = s->c,
                                        .h_in = s->h,
                                        .w_in = s->w,
                                        .src = src + i * plane,
                                        .wei = wei.d,
                                        .scale = scale.d,
                                        .shift = shift.d,
                                        .slope = SLOPE,
                                        .act = act.d + i * plane * c};
        drae__ref_infer_conv(&ref);
    }
    /* Nine products of numbers up to 1. */
    double *bound = t_f64(pixels * c);
    for (size_t i = 0; i < pixels * c; i++) {
        bound[i] = 200.0 * T_EPS;
    }
    cuda_map_check("act", &act, bound);
    t_end();
}
END_TEST

START_TEST(refusals) {
    drae__err err;
    drae__cuda_stem stem_op = {.n = 1, .h = 4, .w = 4, .c = 12};
    ck_assert_int_eq(drae__cuda_stem_u8(&stem_op, NULL, &err), DRAE_ERROR_UNSUPPORTED);
}
END_TEST

Suite *suite_image(void) {
    Suite *suite = suite_create("image");
    TCase *tc = tcase_create("image");
    suite_add_tcase(suite, tc);
    int n = (int)(sizeof shapes / sizeof shapes[0]);
    tcase_add_loop_test(tc, stem, 0, n);
    tcase_add_test(tc, refusals);
    return suite;
}
