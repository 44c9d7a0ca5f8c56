/* SPDX-License-Identifier: Apache-2.0 */
/* The head's training: its gradient against the oracle's, its defects, and what a fit promises. */
#include "base/philox.h"
#include "kernels/infer.h"
#include "kernels/matched.h"
#include "tests/kernels/testutil.h"
#include "train/head.h"
#include "train/head_defects.h"
#include "train/head_net.h"
#include "tests/run.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { SIZE = 128, PIXELS = SIZE * SIZE, PATCHES = 6 };

START_TEST(gradient_against_the_oracle) {
    enum { SIDE = 32, HALVES = SIDE * SIDE, N = DRAE__H_PLANES * HALVES };
    t_begin("head gradient");
    t_pair input = t_uniform(N, 1, -1.0f, 1.0f), d_o = t_uniform(HALVES, 3, -1.0f, 1.0f);
    t_pair w = t_uniform(DRAE__H_WEIGHTS, 2, -0.08f, 0.08f), dst = t_result(DRAE__H_WEIGHTS);
    double *o = t_f64(HALVES), *spare = t_f64(DRAE__REF_HEAD_PLANES * N);
    drae__head_net net;
    size_t n = drae__head_net_floats(SIDE);
    float *buffers = t_f32(n);
    memset(buffers, 0, n * sizeof *buffers);
    drae__head_net_lay_out(&net, SIDE, drae__infer_kernels_find("auto")->head, buffers);
    drae__ref_head(SIDE, input.d, w.d, o, d_o.d, dst.d, spare);
    for (int i = 0; i < N; i++) {
        net.t[0][i / HALVES * drae__h_plane(SIDE) + drae__h_origin(SIDE) +
                 i % HALVES / SIDE * drae__h_pitch(SIDE) + i % SIDE] = input.f[i];
    }
    drae__head_net_forward(&net, w.f);
    memcpy(net.d_o, d_o.f, HALVES * sizeof(float));
    drae__head_net_backward(&net, w.f, dst.f);
    double squares = 0.0, off = 0.0;
    for (int i = 0; i < DRAE__H_WEIGHTS; i++) {
        squares += dst.d[i] * dst.d[i];
        off += ((double)dst.f[i] - dst.d[i]) * ((double)dst.f[i] - dst.d[i]);
    }
    /* Where a convolution is nearer to 0 than its rounding, L' may be the other one's. One such
     * pixel of 98,304 moves the gradient by 0.003 of its norm; with these seeds there is one. */
    ck_assert_msg(sqrt(off) <= 1e-2 * sqrt(squares), "off by %g of %g", sqrt(off), sqrt(squares));
    for (int i = 0; i < HALVES; i++) {
        ck_assert_msg(fabs((double)net.o[i] - o[i]) <= 1e-4, "o %d: %g, %g", i, (double)net.o[i],
                      o[i]);
    }
    t_end();
}
END_TEST

START_TEST(defects_change_what_their_mask_says) {
    float crop[DRAE__HEAD_PIXELS], before[DRAE__HEAD_PIXELS], other[DRAE__HEAD_PIXELS];
    float scratch[DRAE__HEAD_PIXELS];
    uint8_t mask[DRAE__HEAD_PIXELS];
    int empty = 0;
    for (uint64_t n = 0; n < 400; n++) {
        drae__rng rng;
        drae__rng_init(&rng, 0, DRAE__PURPOSE_TEST, n);
        for (int i = 0; i < DRAE__HEAD_PIXELS; i++) {
            before[i] = crop[i] = drae__rng_range(&rng, 0.4f, 0.6f);
            other[i] = drae__rng_range(&rng, 0.2f, 0.8f);
        }
        drae__head_defect(&rng, other, crop, mask, scratch);
        int marked = 0;
        for (int i = 0; i < DRAE__HEAD_PIXELS; i++) {
            ck_assert(crop[i] >= 0.0f && crop[i] <= 1.0f && mask[i] <= 1);
            ck_assert(mask[i] == 0 || fabsf(crop[i] - before[i]) > 0.011f);
            marked += mask[i];
        }
        ck_assert_int_lt(marked, DRAE__HEAD_PIXELS / 2);
        empty += marked == 0;
    }
    ck_assert_int_lt(empty, 40);
}
END_TEST

/* Patches whose reconstruction is smooth and whose image has noise: what differs is the defect. */
typedef struct made {
    uint8_t image[PATCHES][PIXELS];
    uint16_t recon[PATCHES][PIXELS];
    float maps[2 * PIXELS + DRAE__M_FILTERS * PIXELS / 16];
    drae__head_patch patches[PATCHES];
} made;

static made *make(void) {
    made *d = calloc(1, sizeof *d);
    ck_assert_ptr_nonnull(d);
    for (int p = 0; p < PATCHES; p++) {
        drae__rng rng;
        drae__rng_init(&rng, 1, DRAE__PURPOSE_TEST, (uint64_t)p);
        float map[PIXELS];
        for (int i = 0; i < PIXELS; i++) {
            float value = 0.5f + 0.2f * sinf(0.05f * (float)(i % SIZE) + (float)p);
            d->recon[p][i] = (uint16_t)(65535.0f * value);
            d->image[p][i] = (uint8_t)(255.0f * (value + 0.004f * drae__rng_normal(&rng)));
            map[i] = drae__rng_uniform(&rng);
        }
        d->patches[p].image = d->image[p];
        d->patches[p].recon = d->recon[p];
        d->patches[p].maps = d->maps;
        drae__head_peaks(SIZE, map, &d->patches[p]);
    }
    for (size_t i = PIXELS; i < sizeof d->maps / sizeof d->maps[0]; i++) {
        d->maps[i] = 0.01f;
    }
    return d;
}

static bool keep(void *context, int step, double loss) {
    ((double *)context)[step] = loss;
    return true;
}

#if defined(__SANITIZE_ADDRESS__)
enum { STEPS = 2, LEARNS = 0 }; /* every line once and again; the rest is said in release */
#else
enum { STEPS = 16, LEARNS = 1 };
#endif

START_TEST(fit_learns_and_threads_change_no_bit) {
    made *d = make();
    double loss[2][STEPS];
    float *w[2];
    drae__err err = {{0}};
    for (int t = 0; t < 2; t++) {
        w[t] = malloc(DRAE__H_WEIGHTS * sizeof(float));
        ck_assert_ptr_nonnull(w[t]);
        drae_status status =
            drae__head_fit(SIZE, PATCHES, d->patches, t + 1, STEPS, keep, loss[t], w[t], &err);
        ck_assert_msg(status == DRAE_OK, "%s", err.text);
    }
    ck_assert_int_eq(memcmp(w[0], w[1], DRAE__H_WEIGHTS * sizeof(float)), 0);
    ck_assert_int_eq(memcmp(loss[0], loss[1], sizeof loss[0]), 0);
    ck_assert_msg(!LEARNS || loss[0][STEPS - 1] < 0.7 * loss[0][0], "loss %g at first, %g at last",
                  loss[0][0], loss[0][STEPS - 1]);
    free(w[0]);
    free(w[1]);
    free(d);
}
END_TEST

static bool stop(void *context, int step, double loss) {
    (void)context, (void)loss;
    return step + 1 < STEPS / 2;
}

START_TEST(fit_stops_and_refuses) {
    made *d = make();
    float w[DRAE__H_WEIGHTS];
    drae__err err = {{0}};
    ck_assert_int_eq(drae__head_fit(SIZE, PATCHES, d->patches, 1, 9, stop, NULL, w, &err),
                     DRAE_ERROR_INTERRUPTED);
    ck_assert_int_eq(drae__head_fit(64, PATCHES, d->patches, 1, 9, NULL, NULL, w, &err),
                     DRAE_ERROR_ARGUMENT);
    ck_assert_int_eq(drae__head_fit(SIZE, 0, d->patches, 1, 9, NULL, NULL, w, &err),
                     DRAE_ERROR_ARGUMENT);
    free(d);
}
END_TEST

START_TEST(peaks_are_the_largest_of_their_squares) {
    static float m[PIXELS];
    drae__head_patch patch;
    memset(m, 0, sizeof m);
    for (int i = 0; i < 40; i++) {
        m[(3 + 9 * (i % 14)) * SIZE + 5 + 30 * (i / 14)] = 1.0f + (float)i;
    }
    m[(3 + 9 * (39 % 14)) * SIZE + 6 + 30 * 2] = 39.5f; /* in the square of the largest */
    drae__head_peaks(SIZE, m, &patch);
    for (int k = 0; k < DRAE__HEAD_PEAKS; k++) {
        int i = 39 - k;
        ck_assert_int_eq(patch.row[k], 3 + 9 * (i % 14));
        ck_assert_int_eq(patch.column[k], 5 + 30 * (i / 14));
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("head");
    TCase *tc = tcase_create("head");
    tcase_set_timeout(tc, 300);
    tcase_add_test(tc, gradient_against_the_oracle);
    tcase_add_test(tc, defects_change_what_their_mask_says);
    tcase_add_test(tc, fit_learns_and_threads_change_no_bit);
    tcase_add_test(tc, fit_stops_and_refuses);
    tcase_add_test(tc, peaks_are_the_largest_of_their_squares);
    suite_add_tcase(suite, tc);
    return drae_run_suite(suite);
}
