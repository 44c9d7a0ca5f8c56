/* SPDX-License-Identifier: Apache-2.0 */
/* First layer, last layer, score and maps on the device against the oracle. */
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
    {1, 1, 1, 8}, {2, 5, 33, 8}, {1, 34, 31, 16}, {1, 16, 16, 40}, {3, 32, 32, 16},
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

START_TEST(out) {
    const shape *s = &shapes[_i];
    t_begin("out %dx%dx%dx%d", s->n, s->h, s->w, s->c);
    size_t pixels = (size_t)s->n * (size_t)s->h * (size_t)s->w, c = (size_t)s->c;
    cuda_map src = cuda_map_values(s->n, s->c, s->h, s->w, 1, 0);
    t_pair wei = cuda_values(9 * c, 2, 0), bias = cuda_values(1, 3, 0), recon = t_result(pixels);
    float *packed = taps_first(&wei, c);
    float *device = cuda_empty(pixels * sizeof(float));
    const drae__cuda_out op = {
        .n = s->n,
        .h = s->h,
        .w = s->w,
        .c = s->c,
        .src = src.device,
        .wei = cuda_upload(packed, 9 * c * sizeof(float)),
        .bias = cuda_upload(bias.f, sizeof(float)),
        .recon = device,
    };
    drae__err err = {{0}};
    cuda_done(drae__cuda_out_sigmoid(&op, NULL, &err), &err);
    cuda_download(recon.f, device, pixels * sizeof(float));
    size_t plane = (size_t)s->h * (size_t)s->w;
    for (size_t i = 0; i < (size_t)s->n; i++) {
        drae__ref_infer_out(s->c, s->h, s->w, src.d + i * plane * c, wei.d, bias.d[0],
                            recon.d + i * plane);
    }
    /* 9 c terms up to 1 through a slope of at most 1/4. */
    double terms = 9.0 * (double)c + 1.0;
    (void)t_within_all("recon", recon, 0.5 * terms * terms * T_EPS + 8.0 * T_EPS);
    t_end();
}
END_TEST

/* What the scores are made of. */
typedef enum picture { PICTURE_RANDOM, PICTURE_NEAR, PICTURE_FLAT, PICTURE_SAME } picture;

static void fill_recon(picture kind, const uint8_t *image, t_pair *recon) {
    t_pair noise = t_uniform(recon->n, 9, -0.5f, 0.5f);
    for (size_t i = 0; i < recon->n; i++) {
        double x = image[i] / 255.0, by = kind == PICTURE_RANDOM ? 1.0 : 0.01;
        double v = kind == PICTURE_SAME ? x : x + by * noise.d[i];
        v = v < 0.0 ? 0.0 : v > 1.0 ? 1.0 : v;
        recon->f[i] = (float)v;
        recon->d[i] = (double)recon->f[i];
    }
}

static void check_score(drae__ssim_window window, int n, int size, picture kind) {
    t_begin("score window %d, %d of %d, picture %d", (int)window, n, size, (int)kind);
    size_t plane = (size_t)size * (size_t)size, pixels = (size_t)n * plane;
    uint8_t *image = bytes(pixels, 5);
    for (size_t i = 0; kind == PICTURE_FLAT && i < pixels; i++) {
        image[i] = 240;
    }
    t_pair recon = t_result(pixels);
    fill_recon(kind, image, &recon);
    float anchors_host[8] = {0.05f, 0.1f, 0.2f, 0.4f, 0.1f, 0.1f, 0.1f, 0.1f};
    float *result = cuda_empty((size_t)n * 4 * sizeof(float));
    drae__cuda_score op = {
        .n = n,
        .size = size,
        .window = window,
        .image = cuda_upload(image, pixels),
        .recon = cuda_upload(recon.f, pixels * sizeof(float)),
        .partial = cuda_empty(drae__cuda_score_partial(n, size) * sizeof(float)),
        .result = result,
    };
    double weights[DRAE__SSIM_SIDE];
    drae__ssim_weights(window, weights);
    for (int i = 0; i < DRAE__SSIM_SIDE; i++) {
        op.weights[i] = (float)weights[i];
    }
    drae__err err = {{0}};
    cuda_done(drae__cuda_score_phi(&op, NULL, &err), &err);
    float *got = t_f32((size_t)n * 4);
    cuda_download(got, result, (size_t)n * 4 * sizeof(float));

    const drae__cuda_maps maps = {
        .n = n,
        .size = size,
        .image = op.image,
        .recon = op.recon,
        .result = result,
        .anchors = cuda_upload(anchors_host, sizeof anchors_host),
        .residual = cuda_empty(pixels * sizeof(float)),
        .heat = cuda_empty(pixels),
        .heat_fixed = cuda_empty(pixels),
    };
    cuda_done(drae__cuda_maps_write(&maps, NULL, &err), &err);
    float *residual = t_f32(pixels);
    uint8_t *heat = t_bytes(pixels), *heat_fixed = t_bytes(pixels);
    cuda_download(residual, maps.residual, pixels * sizeof(float));
    cuda_download(heat, maps.heat, pixels);
    cuda_download(heat_fixed, maps.heat_fixed, pixels);

    double *x = t_f64(plane);
    for (size_t p = 0; p < (size_t)n; p++) {
        double least = 1e9, greatest = -1e9;
        for (size_t i = 0; i < plane; i++) {
            x[i] = image[p * plane + i] / 255.0;
            double r = fabs(x[i] - recon.d[p * plane + i]);
            t_near("residual", (double)residual[p * plane + i], r, 2e-7);
            least = r < least ? r : least;
            greatest = r > greatest ? r : greatest;
        }
        double phi = drae__ref_infer_phi(window, size, x, recon.d + p * plane);
        t_near("phi", (double)got[4 * p], phi, 2e-6 + 2e-5 * phi);
        t_near("least", (double)got[4 * p + 1], least, 2e-7);
        t_near("greatest", (double)got[4 * p + 2], greatest, 2e-7);
        float lo = got[4 * p + 1], hi = got[4 * p + 2];
        for (size_t i = 0; i < plane; i++) {
            float r = residual[p * plane + i];
            double h = hi > lo ? 255.0 * (double)((r - lo) / (hi - lo)) : 0.0;
            double f = 255.0 * fmin((double)r / (double)anchors_host[p], 1.0);
            t_near("heat", (double)heat[p * plane + i], h, 0.5 + 1e-4);
            t_near("heat_fixed", (double)heat_fixed[p * plane + i], f, 0.5 + 1e-4);
        }
    }
    t_end();
}

START_TEST(score) {
    static const int sizes[] = {11, 16, 32, 48};
    int size = sizes[_i % 4];
    picture kind = (picture)(_i / 4);
    check_score(DRAE__SSIM_GAUSSIAN, size == 16 ? 3 : 1, size, kind);
    check_score(DRAE__SSIM_UNIFORM, size == 16 ? 3 : 1, size, kind);
}
END_TEST

START_TEST(refusals) {
    drae__err err;
    drae__cuda_stem stem_op = {.n = 1, .h = 4, .w = 4, .c = 12};
    ck_assert_int_eq(drae__cuda_stem_u8(&stem_op, NULL, &err), DRAE_ERROR_UNSUPPORTED);
    drae__cuda_out out_op = {.n = 1, .h = 4, .w = 4, .c = 12};
    ck_assert_int_eq(drae__cuda_out_sigmoid(&out_op, NULL, &err), DRAE_ERROR_UNSUPPORTED);
    drae__cuda_score score_op = {.n = 1, .size = 10};
    ck_assert_int_eq(drae__cuda_score_phi(&score_op, NULL, &err), DRAE_ERROR_UNSUPPORTED);
    drae__cuda_maps maps_op = {.n = 0, .size = 32};
    ck_assert_int_eq(drae__cuda_maps_write(&maps_op, NULL, &err), DRAE_ERROR_UNSUPPORTED);
}
END_TEST

Suite *suite_image(void) {
    Suite *suite = suite_create("image");
    TCase *tc = tcase_create("image");
    suite_add_tcase(suite, tc);
    int n = (int)(sizeof shapes / sizeof shapes[0]);
    tcase_add_loop_test(tc, stem, 0, n);
    tcase_add_loop_test(tc, out, 0, n);
    tcase_add_loop_test(tc, score, 0, 16);
    tcase_add_test(tc, refusals);
    return suite;
}
