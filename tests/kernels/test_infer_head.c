/* SPDX-License-Identifier: Apache-2.0 */
/* The head: its layers on whole numbers, where every result is exact, and its map on random ones.
 */
#include "kernels/head.h"
#include "kernels/matched.h"
#include "tests/kernels/infer_suites.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define A(a) (sizeof(a) / sizeof((a)[0]))
#define C    DRAE__H_PLANES

static const int sides[] = {32, 48};

/* Values [16,side,side] as padded planes; poison in the padding where it must not be read or hold
 * anything. */
static float *planes_of(int side, const float *values, float padding) {
    const ptrdiff_t plane = drae__h_plane(side), pitch = drae__h_pitch(side);
    float *planes = t_f32((size_t)(C * plane));
    for (ptrdiff_t i = 0; i < C * plane; i++) {
        planes[i] = padding;
    }
    for (int i = 0; values != NULL && i < C * side * side; i++) {
        planes[i / (side * side) * plane + drae__h_origin(side) + i / side % side * pitch +
               i % side] = values[i];
    }
    return planes;
}

/* The inside into dst [16,side,side]; the padding must still hold what was put there. */
static void take(int side, const float *planes, float padding, float *dst) {
    const ptrdiff_t plane = drae__h_plane(side), pitch = drae__h_pitch(side);
    size_t n = 0;
    for (ptrdiff_t i = 0; i < C * plane; i++) {
        ptrdiff_t row = i % plane / pitch - DRAE__H_PAD, column = i % pitch - DRAE__H_PAD;
        if (row >= 0 && row < side && column >= 0 && column < side) {
            dst[n++] = planes[i];
        } else {
            ck_assert_msg(memcmp(&planes[i], &padding, sizeof padding) == 0,
                          "%s: padding written at %td", t_name(), i);
        }
    }
}

/* One layer of the oracle by itself: a network whose other layers add nothing is not needed, its
 * sums are written out here. */
static double sum_at(int side, int step, const double *src, const double *w, int co, int row,
                     int column) {
    double sum = w[C * C * 9 + co];
    for (int i = 0; i < C * 9; i++) {
        int y = row + (i % 9 / 3 - 1) * step, x = column + (i % 3 - 1) * step;
        if (y >= 0 && y < side && x >= 0 && x < side) {
            sum += w[co * C * 9 + i] * src[(i / 9 * side + y) * side + x];
        }
    }
    return sum;
}

START_TEST(layers_are_exact_on_whole_numbers) {
    const drae__infer_kernels *kernels;
    for (size_t t = 0; (kernels = infer_table(t)) != NULL; t++) {
        for (size_t s = 0; s < A(sides); s++) {
            for (int step = 1; step <= DRAE__H_PAD; step *= 2) {
                const int side = sides[s];
                const size_t n = (size_t)(C * side * side);
                t_begin("%s head conv side %d step %d", kernels->name, side, step);
                t_pair src = t_integers(n, 1, 3), w = t_integers(DRAE__H_LAYER, 2, 2);
                t_pair dst = t_result(n);
                float *from = planes_of(side, src.f, 0.0f), *to = planes_of(side, NULL, NAN);
                for (size_t i = 0; i < n; i++) {
                    dst.d[i] = sum_at(side, step, src.d, w.d, (int)i / (side * side),
                                      (int)i / side % side, (int)i % side);
                }
                kernels->head->conv(side, step, from, w.f, to);
                take(side, to, NAN, dst.f);
                t_equal("conv", dst);
                t_end();
            }
        }
    }
}
END_TEST

/* d of sum of d_a C_step src by each weight, written out. */
START_TEST(gradients_are_exact_on_whole_numbers) {
    enum { SIDE = 48 };
    const drae__infer_kernels *kernels;
    for (size_t t = 0; (kernels = infer_table(t)) != NULL; t++) {
        for (int step = 1; step <= DRAE__H_PAD; step *= 8) {
            const size_t n = C * SIDE * SIDE;
            t_begin("%s head gradient step %d", kernels->name, step);
            t_pair src = t_integers(n, 1, 3), d_a = t_integers(n, 2, 3);
            t_pair dst = t_result(DRAE__H_LAYER);
            for (int i = 0; i < DRAE__H_LAYER; i++) {
                int bias = i - C * C * 9, co = bias >= 0 ? bias : i / (C * 9);
                dst.d[i] = 0.0;
                for (int p = 0; p < SIDE * SIDE; p++) {
                    int y = p / SIDE + (i % 9 / 3 - 1) * step, x = p % SIDE + (i % 3 - 1) * step;
                    bool inside = y >= 0 && y < SIDE && x >= 0 && x < SIDE;
                    double by = bias >= 0 ? 1.0
                                : inside  ? src.d[(i / 9 % C * SIDE + y) * SIDE + x]
                                          : 0.0;
                    dst.d[i] += d_a.d[co * SIDE * SIDE + p] * by;
                }
            }
            kernels->head->gradient(SIDE, step, planes_of(SIDE, src.f, 0.0f),
                                    planes_of(SIDE, d_a.f, 0.0f), dst.f);
            t_equal("gradient", dst);
            t_end();
        }
    }
}
END_TEST

/* How far rounding can move o: through every layer the greatest error of a plane grows by the
 * largest sum of |w| of an output, and 147 roundings of the sum itself are added. */
static double bound_of_o(int side, const double *input, const double *weights) {
    double error = 0.0, greatest = 0.0;
    for (int i = 0; i < C * side * side; i++) {
        greatest = fmax(greatest, fabs(input[i]));
    }
    error = 8.0 * T_EPS * greatest;
    for (int l = 0; l < DRAE__H_LAYERS; l++) {
        double widest = 0.0, bias = 0.0;
        for (int co = 0; co < C; co++) {
            double sum = 0.0;
            for (int i = 0; i < C * 9; i++) {
                sum += fabs(weights[l * DRAE__H_LAYER + co * C * 9 + i]);
            }
            widest = fmax(widest, sum);
            bias = fmax(bias, fabs(weights[l * DRAE__H_LAYER + C * C * 9 + co]));
        }
        double added = widest * error + 147.0 * T_EPS * (widest * greatest + bias);
        double before = l > 0 ? greatest : 0.0;
        error = (l > 0 ? error : 0.0) + added;
        greatest = before + widest * greatest + bias;
        error += 2.0 * T_EPS * greatest;
    }
    double last = 0.0;
    for (int c = 0; c < C; c++) {
        last += fabs(weights[DRAE__H_LAYERS * DRAE__H_LAYER + c]);
    }
    return last * error + 18.0 * T_EPS * (last * greatest + 1.0);
}

static void check_map(const drae__infer_kernels *kernels, int size) {
    t_begin("%s head map size %d", kernels->name, size);
    const int side = size / 2, x_stride = size + 5;
    const size_t n = (size_t)size * (size_t)size, halves = (size_t)(side * side);
    t_pair x = t_uniform(n, 1, 0.0f, 1.0f), y = t_uniform(n, 2, 0.0f, 1.0f);
    t_pair mean = t_uniform(n, 3, -0.1f, 0.1f), scale = t_uniform(n, 4, 0.05f, 0.5f);
    t_pair m = t_uniform(n, 5, 0.0f, 9.0f), w = t_uniform(DRAE__H_WEIGHTS, 6, -0.02f, 0.02f);
    t_pair dst = t_result(n);
    double *input = t_f64(C * halves), *o = t_f64(halves), *bound = t_f64(n);
    double *spare = t_f64(DRAE__REF_HEAD_PLANES * C * halves);
    float *rows = t_f32((size_t)x_stride * (size_t)size), *scratch = t_f32(drae__h_scratch(size));
    for (size_t i = 0; i < n; i++) {
        rows[i / (size_t)size * (size_t)x_stride + i % (size_t)size] = x.f[i];
    }
    drae__ref_head_input(size, x.d, y.d, mean.d, scale.d, m.d, input);
    drae__ref_head(side, input, w.d, o, NULL, NULL, spare);
    double by = bound_of_o(side, input, w.d);
    int low = 0;
    for (size_t i = 0; i < n; i++) {
        double v = o[i / (size_t)size / 2 * (size_t)side + i % (size_t)size / 2];
        dst.d[i] = v > 0.0 ? 1.0 + v : 1.0 / (1.0 - v);
        bound[i] = by + 2.0 * T_EPS * dst.d[i]; /* h grows at most as fast as o */
        low += v < 0.0;
    }
    ck_assert_msg(low > 0 && low < (int)n, "%s: one branch alone", t_name());
    memcpy(dst.f, m.f, n * sizeof *dst.f); /* m may be dst */
    kernels->head->map(size, rows, x_stride, y.f, size, mean.f, scale.f, dst.f, w.f, dst.f,
                       scratch);
    (void)t_within("map", dst, bound);
    t_end();
}

START_TEST(map_against_the_oracle) {
    const drae__infer_kernels *kernels;
    for (size_t t = 0; (kernels = infer_table(t)) != NULL; t++) {
        check_map(kernels, 64);
        check_map(kernels, 96);
    }
}
END_TEST

/* The gradient of the oracle, which training is held against, is that of its own outputs. */
START_TEST(oracle_differentiates_itself) {
    enum { SIDE = 16, N = C * SIDE * SIDE };
    t_begin("head oracle");
    t_pair input = t_uniform(N, 1, -1.0f, 1.0f), w = t_uniform(DRAE__H_WEIGHTS, 2, -0.2f, 0.2f);
    t_pair d_o = t_uniform(SIDE * SIDE, 3, -1.0f, 1.0f);
    double *o = t_f64(SIDE * SIDE), *gradient = t_f64(DRAE__H_WEIGHTS);
    double *spare = t_f64(DRAE__REF_HEAD_PLANES * N);
    drae__ref_head(SIDE, input.d, w.d, o, d_o.d, gradient, spare);
    for (int l = 0; l <= DRAE__H_LAYERS; l++) {
        for (int k = 0; k < 4; k++) {
            int at = l * DRAE__H_LAYER + (l < DRAE__H_LAYERS ? k * 771 : 5 * k);
            const double step = 1e-6, kept = w.d[at];
            double side[2] = {0.0, 0.0};
            for (int s = 0; s < 2; s++) {
                w.d[at] = kept + (s == 0 ? step : -step);
                drae__ref_head(SIDE, input.d, w.d, o, NULL, NULL, spare);
                for (int p = 0; p < SIDE * SIDE; p++) {
                    side[s] += d_o.d[p] * o[p];
                }
            }
            w.d[at] = kept;
            double numeric = (side[0] - side[1]) / (2.0 * step);
            ck_assert_msg(fabs(numeric - gradient[at]) <= 1e-4 * (1.0 + fabs(numeric)),
                          "weight %d: %g, by differences %g", at, gradient[at], numeric);
        }
    }
    t_end();
}
END_TEST

START_TEST(head_keeps_not_a_number) {
    enum { SIZE = 64, N = SIZE * SIZE };
    const drae__infer_kernels *kernels;
    for (size_t t = 0; (kernels = infer_table(t)) != NULL; t++) {
        t_begin("%s head of NaN", kernels->name);
        t_pair x = t_uniform(N, 1, 0.0f, 1.0f), y = t_uniform(N, 2, 0.0f, 1.0f);
        t_pair scale = t_uniform(N, 4, 0.05f, 0.5f), w = t_uniform(DRAE__H_WEIGHTS, 6, -0.1f, 0.1f);
        float *dst = t_f32(N), *scratch = t_f32(drae__h_scratch(SIZE));
        y.f[20 * SIZE + 30] = NAN;
        kernels->head->map(SIZE, x.f, SIZE, y.f, SIZE, x.f, scale.f, x.f, w.f, dst, scratch);
        ck_assert_msg(isnan(dst[20 * SIZE + 30]), "%s: %g", t_name(), (double)dst[20 * SIZE + 30]);
        t_end();
    }
}
END_TEST

Suite *suite_infer_head(void) {
    Suite *suite = suite_create("infer head");
    TCase *tc = tcase_create("head");
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, layers_are_exact_on_whole_numbers);
    tcase_add_test(tc, gradients_are_exact_on_whole_numbers);
    tcase_add_test(tc, map_against_the_oracle);
    tcase_add_test(tc, oracle_differentiates_itself);
    tcase_add_test(tc, head_keeps_not_a_number);
    suite_add_tcase(suite, tc);
    return suite;
}
