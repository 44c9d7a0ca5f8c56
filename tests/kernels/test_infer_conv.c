/* SPDX-License-Identifier: Apache-2.0 */
/* Fused convolutions of inference: exact on integers, within derived bounds on random data, on
 * shapes that straddle the tiles of every instruction set. */
#include "tests/kernels/infer_conv_case.h"

#include <math.h>
#include <string.h>

#define A(a) (sizeof(a) / sizeof((a)[0]))

/* Rows x columns: single pixels, one register and its neighbours, several registers, tall, wide. */
static const int sides[][2] = {{1, 1},  {2, 2},   {1, 3},  {3, 7},   {5, 8},   {4, 9},
                               {2, 15}, {16, 16}, {3, 17}, {12, 12}, {24, 24}, {7, 31},
                               {2, 48}, {5, 47},  {3, 49}, {33, 6},  {1, 100}};
static const int channels[][2] = {{1, 8}, {8, 8}, {3, 16}, {16, 8}, {24, 24}, {5, 40}};

static void both(const infer_conv_shape *s) {
    infer_conv_check(s, 3);
    infer_conv_check(s, 0);
}

/* Exact or bounded in turn: every side and every number of channels meets both. */
static void either(const infer_conv_shape *s, size_t turn) {
    infer_conv_check(s, turn % 2 == 0 ? 3 : 0);
}

START_TEST(plain_and_strided) {
    for (size_t i = 0; i < A(sides); i++) {
        for (size_t c = 0; c < A(channels); c++) {
            infer_conv_shape s = {.kind = DRAE__INFER_CONV3,
                                  .c_in = channels[c][0],
                                  .c_out = channels[c][1],
                                  .h = sides[i][0],
                                  .w = sides[i][1],
                                  .act = true};
            either(&s, i + c);
            s.kind = DRAE__INFER_CONV3S2;
            s.h *= 2;
            s.w *= 2;
            either(&s, i + c + 1);
        }
    }
}
END_TEST

START_TEST(transposed) {
    for (size_t i = 0; i < A(sides); i++) {
        for (size_t c = 0; c < A(channels); c++) {
            infer_conv_shape s = {.kind = DRAE__INFER_CONVT4,
                                  .c_in = channels[c][0],
                                  .c_out = channels[c][1],
                                  .h = sides[i][0],
                                  .w = sides[i][1],
                                  .act = true};
            either(&s, i + c);
            s.proj_c_in = channels[A(channels) - 1 - c][0];
            s.proj_stride = 1;
            either(&s, i + c + 1);
        }
    }
}
END_TEST

START_TEST(projections_and_residual) {
    for (size_t i = 0; i < A(sides); i++) {
        for (int stride = 0; stride <= 2; stride++) {
            infer_conv_shape s = {.kind = DRAE__INFER_CONV3,
                                  .c_in = 8,
                                  .c_out = 16,
                                  .h = sides[i][0],
                                  .w = sides[i][1],
                                  .proj_c_in = stride > 0 ? 11 : 0,
                                  .proj_stride = stride,
                                  .residual = stride != 1,
                                  .raw = stride != 2,
                                  .act = true};
            both(&s);
            s.raw = true;
            s.act = false;
            both(&s);
        }
    }
}
END_TEST

/* A deep sum, where order and fusing of multiply and add show most. */
START_TEST(deep) {
    both(&infer_conv_deep);
}
END_TEST

/* A block B writes its sum over the tensor that it adds. */
START_TEST(residual_in_place) {
    const drae__infer_kernels *kernels;
    for (size_t t = 0; (kernels = infer_table(t)) != NULL; t++) {
        t_begin("%s residual in place", kernels->name);
        enum { C = 8, H = 5, W = 21, N = C * H * W };
        t_pair src = t_integers(N, 1, 3), wei = t_integers(C * C * 9, 2, 1);
        for (size_t i = 0; i < wei.n; i++) {
            wei.f[i] *= INFER_CONV_WHOLE;
            wei.d[i] *= (double)INFER_CONV_WHOLE;
        }
        t_pair add = t_integers(N, 3, 3), raw = t_result(N);
        const drae__ref_infer_op ref = {.c_in = C,
                                        .c_out = C,
                                        .h_in = H,
                                        .w_in = W,
                                        .src = src.d,
                                        .wei = wei.d,
                                        .residual = add.d,
                                        .raw = raw.d};
        drae__ref_infer_conv(&ref);
        infer_map from = infer_map_make(C, H, W, src.f), to = infer_map_make(C, H, W, add.f);
        float *packed = t_f32(drae__infer_conv_weights(kernels, DRAE__INFER_CONV3, C, C));
        drae__infer_pack_conv(kernels, DRAE__INFER_CONV3, C, C, wei.f, packed);
        const drae__infer_conv op = {.c_in = C,
                                     .c_out = C,
                                     .src_map = from.g,
                                     .dst_map = to.g,
                                     .src = from.at,
                                     .wei = packed,
                                     .residual = to.at,
                                     .raw = to.at,
                                     .scratch = t_f32(drae__infer_conv_scratch(kernels, C))};
        kernels->conv(&op);
        infer_map_take(&to, raw.f);
        t_equal("raw", raw);
        t_end();
    }
}
END_TEST

/* A value that is not a number must come out as one, or a broken sensor would pass as good. */
START_TEST(nan_spreads) {
    const drae__infer_kernels *kernels;
    for (size_t t = 0; (kernels = infer_table(t)) != NULL; t++) {
        t_begin("%s NaN", kernels->name);
        enum { C = 8, S = 20, N = C * S * S };
        t_pair src = t_uniform(N, 1, -1.0f, 1.0f), wei = t_uniform(C * C * 9, 2, 0.5f, 1.0f);
        src.f[3 * S * S + 10 * S + 17] = NAN;
        float ones[C], *act = t_f32(N);
        float *packed = t_f32(drae__infer_conv_weights(kernels, DRAE__INFER_CONV3, C, C));
        for (int c = 0; c < C; c++) {
            ones[c] = 1.0f;
        }
        infer_map from = infer_map_make(C, S, S, src.f), to = infer_map_make(C, S, S, NULL);
        drae__infer_pack_conv(kernels, DRAE__INFER_CONV3, C, C, wei.f, packed);
        const drae__infer_conv op = {.c_in = C,
                                     .c_out = C,
                                     .src_map = from.g,
                                     .dst_map = to.g,
                                     .src = from.at,
                                     .wei = packed,
                                     .scale = ones,
                                     .shift = ones,
                                     .slope = 0.2f,
                                     .act = to.at,
                                     .scratch = t_f32(drae__infer_conv_scratch(kernels, C))};
        kernels->conv(&op);
        infer_map_take(&to, act);
        /* Strips of four rows, which end at 11, spread it over the whole strip. */
        int top = drae__infer_by_strips(kernels, DRAE__INFER_CONV3, C) ? 8 : 9;
        for (int i = 0; i < N; i++) {
            int y = i / S % S, x = i % S;
            bool near = y >= top && y <= 11 && x >= 16 && x <= 18;
            ck_assert_msg(isnan(act[i]) == near, "%s: element %d is %g", t_name(), i,
                          (double)act[i]);
        }
        t_end();
    }
}
END_TEST

START_TEST(tables) {
    size_t n;
    const drae__infer_kernels *const *list = drae__infer_kernels_list(&n);
    ck_assert_uint_ge(n, 1);
    ck_assert_str_eq(list[n - 1]->name, "portable");
    ck_assert(drae__infer_kernels_supported(list[n - 1]));
    for (size_t i = 0; i < n; i++) {
        ck_assert_ptr_eq(drae__infer_kernels_find(list[i]->name), list[i]);
    }
    ck_assert_ptr_eq(drae__infer_kernels_find("auto"), infer_table(0));
    ck_assert_ptr_null(drae__infer_kernels_find("sse9"));
}
END_TEST

Suite *suite_infer_conv(void) {
    Suite *suite = suite_create("infer_conv");
    TCase *tc = tcase_create("conv");
    tcase_add_test(tc, tables);
    tcase_add_test(tc, plain_and_strided);
    tcase_add_test(tc, transposed);
    tcase_add_test(tc, projections_and_residual);
    tcase_add_test(tc, deep);
    tcase_add_test(tc, residual_in_place);
    tcase_add_test(tc, nan_spreads);
    suite_add_tcase(suite, tc);
    return suite;
}
