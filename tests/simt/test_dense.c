/* SPDX-License-Identifier: Apache-2.0 */
/* The bottleneck on the device against sums in double. */
#include "tests/simt/cuda_case.h"
#include "tests/simt/suites.h"

#include <string.h>

#define SLOPE 0.25

static double leaky(double v) {
    return v > 0.0 ? v : SLOPE * v;
}

/* f16 of n values. */
static uint16_t *halves(size_t n) {
    return (uint16_t *)(void *)t_bytes(n * sizeof(uint16_t));
}

typedef struct shape {
    int n, c, h, latent;
} shape;

/* elems = c * h * h; src and dst are maps of c channels, h x h. */
static void check(const shape *s, int limit) {
    t_begin("dense %d patches %dx%dx%d latent %d limit %d", s->n, s->c, s->h, s->h, s->latent,
            limit);
    int pixels = s->h * s->h;
    size_t elems = (size_t)s->c * (size_t)pixels, n = (size_t)s->n, latent = (size_t)s->latent;
    size_t padded = drae__cuda_latent_padded(s->latent);
    cuda_map src = cuda_map_values(s->n, s->c, s->h, s->h, 1, limit);
    cuda_map dst = cuda_map_result(s->n, s->c, s->h, s->h);
    /* Latents in rows of their own: a map of one pixel. */
    cuda_map latents = cuda_map_result(s->n, (int)padded, 1, 1);
    t_pair wei_down = cuda_values(latent * elems, 2, limit),
           bias_down = cuda_values(padded, 3, limit);
    t_pair wei_up = cuda_values(latent * elems, 4, limit), bias_up = cuda_values(elems, 5, limit);
    t_pair scale = cuda_values(elems, 6, limit), shift = cuda_values(elems, 7, limit);
    for (size_t j = latent; j < padded; j++) {
        bias_down.f[j] = 0.0f;
    }
    uint16_t *down = halves(padded * elems), *up = halves(padded * elems);
    drae__cuda_down_pack(s->c, pixels, s->latent, wei_down.f, down);
    drae__cuda_up_pack(s->c, pixels, s->latent, wei_up.f, up);
    float *vectors[3];
    const t_pair *from[3] = {&bias_up, &scale, &shift};
    for (int i = 0; i < 3; i++) {
        float *v = t_f32(elems);
        drae__cuda_vector_pack(s->c, pixels, from[i]->f, v);
        vectors[i] = cuda_upload(v, elems * sizeof *v);
    }
    const drae__cuda_dense op = {
        .n = s->n,
        .latent = s->latent,
        .elems = elems,
        .src = src.device,
        .wei_down = cuda_upload(down, padded * elems * sizeof *down),
        .wei_up = cuda_upload(up, padded * elems * sizeof *up),
        .bias_down = cuda_upload(bias_down.f, padded * sizeof(float)),
        .bias_up = vectors[0],
        .scale = vectors[1],
        .shift = vectors[2],
        .slope = (float)SLOPE,
        .partial = cuda_empty(drae__cuda_dense_partial(s->n, elems, s->latent) * sizeof(float)),
        .latents = latents.device,
        .dst = dst.device,
    };
    drae__err err = {{0}};
    cuda_done(drae__cuda_down(&op, NULL, &err), &err);

    double *bound = t_f64(n * padded);
    for (size_t p = 0; p < n; p++) {
        for (size_t j = 0; j < padded; j++) {
            double sum = j < latent ? bias_down.d[j] : 0.0, abs = fabs(sum);
            for (size_t i = 0; j < latent && i < elems; i++) {
                double v = src.d[p * elems + i] * wei_down.d[j * elems + i];
                sum += v;
                abs += fabs(v);
            }
            latents.d[p * padded + j] = leaky(sum);
            bound[p * padded + j] = 2.0 * (double)elems * T_EPS * abs;
        }
    }
    cuda_map_check("latents", &latents, limit > 0 ? NULL : bound);

    /* Up from the latents as they are on the device: its own error alone. */
    cuda_done(drae__cuda_up(&op, NULL, &err), &err);
    double *dst_bound = t_f64(n * elems);
    for (size_t p = 0; p < n; p++) {
        for (size_t i = 0; i < elems; i++) {
            double sum = bias_up.d[i], abs = fabs(sum);
            for (size_t j = 0; j < latent; j++) {
                double v = (double)drae__f16_value(latents.host[p * padded + j]) *
                           wei_up.d[i * latent + j];
                sum += v;
                abs += fabs(v);
            }
            dst.d[p * elems + i] = leaky(scale.d[i] * leaky(sum) + shift.d[i]);
            dst_bound[p * elems + i] =
                (2.0 * (double)latent + 8.0) * T_EPS * (fabs(scale.d[i]) * abs + fabs(shift.d[i]));
        }
    }
    cuda_map_check("features", &dst, limit > 0 ? NULL : dst_bound);
    t_end();
}

static const shape shapes[] = {
    {1, 64, 2, 64}, {3, 8, 8, 16}, {65, 16, 4, 64}, {2, 64, 3, 100}, {5, 128, 2, 7},
};

START_TEST(exact) {
    check(&shapes[_i], 1);
}
END_TEST

START_TEST(bounded) {
    check(&shapes[_i], 0);
}
END_TEST

START_TEST(refusals) {
    drae__err err;
    drae__cuda_dense op = {.n = 1, .latent = 64, .elems = 100};
    ck_assert_int_eq(drae__cuda_down(&op, NULL, &err), DRAE_ERROR_UNSUPPORTED);
    ck_assert_int_eq(drae__cuda_up(&op, NULL, &err), DRAE_ERROR_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(err.text, "multiples of 64"));
}
END_TEST

Suite *suite_dense(void) {
    Suite *suite = suite_create("dense");
    TCase *tc = tcase_create("dense");
    suite_add_tcase(suite, tc);
    int n = (int)(sizeof shapes / sizeof shapes[0]);
    tcase_add_loop_test(tc, exact, 0, n);
    tcase_add_loop_test(tc, bounded, 0, n);
    tcase_add_test(tc, refusals);
    return suite;
}
