/* SPDX-License-Identifier: Apache-2.0 */
/* The dense layers of inference: exact on integers, bounded on random data, and independent of how
 * many patches run together. */
#include "tests/kernels/infer_suites.h"

#include <math.h>
#include <string.h>

#define A(a)  (sizeof(a) / sizeof((a)[0]))
#define SLOPE 0.25

static const size_t rows[] = {1, 2, 3, 5, 6, 7, 13};
static const size_t latents[] = {1, 5, 64, 65};
static const size_t features[] = {64, 576, 1088};

static t_pair values(size_t n, uint64_t seed, int limit) {
    return limit > 0 ? t_integers(n, seed, limit) : t_uniform(n, seed, -1.0f, 1.0f);
}

/* Chunk by chunk as the engine does, partial sums added in order, against the sum in double. */
static void check_down(const drae__infer_kernels *kernels, size_t n, size_t elems, size_t latent,
                       int limit) {
    t_begin("%s down n %zu elems %zu latent %zu limit %d", kernels->name, n, elems, latent, limit);
    size_t padded = drae__infer_latent_padded((int)latent);
    size_t chunks = drae__infer_down_chunks(elems);
    t_pair src = values(n * elems, 1, limit), wei = values(latent * elems, 2, limit);
    t_pair dst = t_result(n * latent);
    float *packed = t_f32(elems * padded), *partial = t_f32(chunks * n * padded);
    double *bound = t_f64(n * latent);
    drae__infer_pack_down(latent, elems, wei.f, packed);
    for (size_t k = 0; k < chunks; k++) {
        size_t begin = k * DRAE__INFER_DOWN_CHUNK, end = begin + DRAE__INFER_DOWN_CHUNK;
        kernels->down(n, elems, padded, begin, end < elems ? end : elems, src.f, packed,
                      partial + k * n * padded);
    }
    for (size_t p = 0; p < n; p++) {
        for (size_t j = 0; j < padded; j++) {
            float sum = 0.0f;
            for (size_t k = 0; k < chunks; k++) {
                sum += partial[(k * n + p) * padded + j];
            }
            if (j >= latent) {
                ck_assert_msg(sum == 0.0f, "%s: padding %zu is %g", t_name(), j, (double)sum);
                continue;
            }
            double exact = 0.0, absolute = 0.0;
            for (size_t i = 0; i < elems; i++) {
                exact += src.d[p * elems + i] * wei.d[j * elems + i];
                absolute += fabs(src.d[p * elems + i] * wei.d[j * elems + i]);
            }
            dst.f[p * latent + j] = sum;
            dst.d[p * latent + j] = exact;
            bound[p * latent + j] = 2.0 * T_EPS * (double)elems * absolute;
        }
    }
    if (limit > 0) {
        t_equal("latent", dst);
    } else {
        (void)t_within("latent", dst, bound);
    }
    t_end();
}

static double leaky(double u) {
    return u > 0.0 ? u : SLOPE * u;
}

static void check_up(const drae__infer_kernels *kernels, size_t n, size_t elems, size_t latent,
                     int limit) {
    t_begin("%s up n %zu elems %zu latent %zu limit %d", kernels->name, n, elems, latent, limit);
    size_t padded = drae__infer_latent_padded((int)latent);
    t_pair src = values(n * padded, 1, limit), wei = values(latent * elems, 2, limit);
    t_pair bias = values(elems, 3, limit), scale = values(elems, 4, limit);
    t_pair shift = values(elems, 5, limit), dst = t_result(n * elems);
    float *packed = t_f32(elems * latent);
    double *bound = t_f64(n * elems);
    drae__infer_pack_up(latent, elems, wei.f, packed);
    for (size_t begin = 0; begin < elems; begin += DRAE__INFER_UP_BLOCK) {
        kernels->up(n, elems, latent, padded, begin, src.f, packed, bias.f, scale.f, shift.f,
                    (float)SLOPE, dst.f);
    }
    for (size_t at = 0; at < n * elems; at++) {
        size_t p = at / elems, i = at % elems;
        double sum = bias.d[i], absolute = fabs(bias.d[i]);
        for (size_t j = 0; j < latent; j++) {
            sum += src.d[p * padded + j] * wei.d[i * latent + j];
            absolute += fabs(src.d[p * padded + j] * wei.d[i * latent + j]);
        }
        dst.d[at] = leaky(scale.d[i] * leaky(sum) + shift.d[i]);
        bound[at] = 2.0 * T_EPS *
                    (fabs(scale.d[i]) * ((double)latent + 4.0) * absolute + 2.0 * fabs(shift.d[i]));
    }
    if (limit > 0) {
        t_equal("features", dst);
    } else {
        (void)t_within("features", dst, bound);
    }
    t_end();
}

START_TEST(against_the_sum) {
    const drae__infer_kernels *kernels;
    for (size_t t = 0; (kernels = infer_table(t)) != NULL; t++) {
        for (size_t i = 0; i < A(rows); i++) {
            for (size_t k = 0; k < A(latents); k++) {
                for (size_t f = 0; f < A(features); f++) {
                    for (int limit = 0; limit <= 3; limit += 3) {
                        check_down(kernels, rows[i], features[f], latents[k], limit);
                        check_up(kernels, rows[i], features[f], latents[k], limit);
                    }
                }
            }
        }
    }
}
END_TEST

START_TEST(alone_or_together) {
    const drae__infer_kernels *kernels;
    enum { N = 13, ELEMS = 576, LATENT = 64 };
    for (size_t t = 0; (kernels = infer_table(t)) != NULL; t++) {
        t_begin("%s alone or together", kernels->name);
        t_pair src = t_uniform(N * ELEMS, 1, -1.0f, 1.0f);
        t_pair wei = t_uniform(LATENT * ELEMS, 2, -1.0f, 1.0f);
        t_pair vec = t_uniform(ELEMS, 3, -1.0f, 1.0f);
        float *down = t_f32(LATENT * ELEMS), *up = t_f32(LATENT * ELEMS);
        float *together = t_f32(N * LATENT), *alone = t_f32(N * LATENT);
        float *together_up = t_f32(N * ELEMS), *alone_up = t_f32(N * ELEMS);
        drae__infer_pack_down(LATENT, ELEMS, wei.f, down);
        drae__infer_pack_up(LATENT, ELEMS, wei.f, up);
        kernels->down(N, ELEMS, LATENT, 0, 512, src.f, down, together);
        for (size_t p = 0; p < N; p++) {
            kernels->down(1, ELEMS, LATENT, 0, 512, src.f + p * ELEMS, down, alone + p * LATENT);
        }
        t_equal_f32("down", N * LATENT, together, alone);
        for (size_t begin = 0; begin < ELEMS; begin += DRAE__INFER_UP_BLOCK) {
            kernels->up(N, ELEMS, LATENT, LATENT, begin, together, up, vec.f, vec.f, vec.f, 0.2f,
                        together_up);
            for (size_t p = 0; p < N; p++) {
                kernels->up(1, ELEMS, LATENT, LATENT, begin, alone + p * LATENT, up, vec.f, vec.f,
                            vec.f, 0.2f, alone_up + p * ELEMS);
            }
        }
        t_equal_f32("up", N * ELEMS, together_up, alone_up);
        t_end();
    }
}
END_TEST

Suite *suite_infer_dense(void) {
    Suite *suite = suite_create("infer_dense");
    TCase *tc = tcase_create("dense");
    tcase_add_test(tc, against_the_sum);
    tcase_add_test(tc, alone_or_together);
    suite_add_tcase(suite, tc);
    return suite;
}
