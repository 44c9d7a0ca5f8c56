/* SPDX-License-Identifier: Apache-2.0 */
/* Convolutions over pairs of channels in bf16: exact on integers, within the rounding of f32 sums
 * and of bf16 results on random data. Nothing to do where the processor has no AVX512-BF16. */
#include "tests/kernels/infer_conv_case.h"

#include "kernels/infer_bf16.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define A(a) (sizeof(a) / sizeof((a)[0]))

static const drae__infer_kernels *pairs(void) {
    const drae__infer_kernels *kernels = drae__infer_kernels_in_pairs();
    return kernels != NULL && drae__infer_kernels_supported(kernels) ? kernels : NULL;
}

static float rounded(float v) {
    return drae__bf16_to_float(drae__bf16_of(v));
}

static void round_pair(t_pair p) {
    for (size_t i = 0; i < p.n; i++) {
        p.f[i] = rounded(p.f[i]);
        p.d[i] = (double)p.f[i];
    }
}

/* A map of c channels in planes of pairs, NaN without values; its rows. */
static infer_map paired(int c, int h, int w, const float *values) {
    infer_map map = infer_map_make((c + 1) / 2, h, w, NULL);
    if (values != NULL) {
        drae__infer_pack_map(&map.g, c, values, map.at);
    }
    return map;
}

static void take(const infer_map *map, int c, float *dst) {
    infer_map_take(map, t_f32((size_t)map->c * (size_t)map->g.h * (size_t)map->g.w));
    drae__infer_unpack_map(&map->g, c, map->at, dst);
}

static bool of_image(const infer_conv_shape *s) {
    return s->kind == DRAE__INFER_CONV3 && s->c_in == 1;
}

static void run(const drae__infer_kernels *kernels, const infer_conv_data *d) {
    const infer_conv_shape *s = &d->s;
    infer_map src = of_image(s) ? infer_map_make(1, s->h, s->w, d->o.src.f)
                                : paired(s->c_in, s->h, s->w, d->o.src.f);
    infer_map raw = paired(s->c_out, d->h_out, d->w_out, NULL);
    infer_map act = paired(s->c_out, d->h_out, d->w_out, NULL);
    float *wei = t_f32(drae__infer_conv_weights(kernels, s->kind, s->c_in, s->c_out));
    drae__infer_pack_conv(kernels, s->kind, s->c_in, s->c_out, d->o.wei.f, wei);
    drae__infer_conv op = {
        .kind = s->kind,
        .c_in = s->c_in,
        .c_out = s->c_out,
        .src_map = src.g,
        .dst_map = raw.g,
        .src = src.at,
        .wei = wei,
        .scale = d->o.scale.f,
        .shift = d->o.shift.f,
        .slope = (float)INFER_CONV_SLOPE,
        .raw = s->raw ? raw.at : NULL,
        .act = s->act ? act.at : NULL,
        .scratch = t_f32(drae__infer_conv_scratch(kernels, s->c_in)),
    };
    if (s->residual) {
        op.residual = paired(s->c_out, d->h_out, d->w_out, d->o.residual.f).at;
    }
    if (s->proj_c_in > 0) {
        float *proj_wei = t_f32(d->o.proj_wei.n);
        drae__infer_pack_proj(kernels, s->kind, s->proj_c_in, s->c_out, d->o.proj_wei.f, proj_wei);
        infer_map proj = paired(s->proj_c_in, d->h_proj, d->w_proj, d->o.proj.f);
        op.proj.c_in = s->proj_c_in;
        op.proj.map = proj.g;
        op.proj.src = proj.at;
        op.proj.wei = proj_wei;
    }
    kernels->conv(&op);
    take(&raw, s->c_out, d->o.raw.f);
    take(&act, s->c_out, d->o.act.f);
}

/* Bound NULL: the oracle's value, rounded; else bf16's rounding on top of it. */
static void compare(const char *what, t_pair result, double *bound) {
    for (size_t i = 0; i < result.n; i++) {
        if (bound == NULL) {
            result.d[i] = (double)rounded((float)result.d[i]);
        } else {
            bound[i] += (fabs(result.d[i]) + bound[i]) / 256.0;
        }
    }
    if (bound == NULL) {
        t_equal(what, result);
    } else {
        (void)t_within(what, result, bound);
    }
}

static void check(const drae__infer_kernels *kernels, const infer_conv_shape *s, int limit) {
    t_begin("%s kind %d %dx%dx%d->%d proj %d/%d%s%s%s limit %d", kernels->name, (int)s->kind,
            s->c_in, s->h, s->w, s->c_out, s->proj_c_in, s->proj_stride,
            s->residual ? " residual" : "", s->raw ? " raw" : "", s->act ? " act" : "", limit);
    infer_conv_data d = infer_conv_make(s, limit);
    double *bound[2] = {NULL, NULL};
    if (!of_image(s)) {
        round_pair(d.o.src);
        round_pair(d.o.wei);
    }
    round_pair(d.o.proj);
    round_pair(d.o.proj_wei);
    round_pair(d.o.residual);
    infer_conv_expect(s, &d.o);
    if (limit == 0) {
        bound[0] = t_f64(d.o.raw.n);
        bound[1] = t_f64(d.o.raw.n);
        infer_conv_bounds(&d, bound[0], bound[1]);
    }
    run(kernels, &d);
    if (s->raw) {
        compare("raw", d.o.raw, bound[0]);
    }
    if (s->act) {
        compare("act", d.o.act, bound[1]);
    }
    t_end();
}

static const int sides[][2] = {{1, 1},   {2, 2},  {3, 7},  {5, 8},  {2, 15}, {16, 16},
                               {12, 12}, {7, 31}, {5, 47}, {3, 49}, {33, 6}, {1, 100}};
static const int channels[][2] = {{1, 8}, {8, 8}, {3, 16}, {16, 8}, {24, 24}, {5, 40}};

START_TEST(all_kinds) {
    const drae__infer_kernels *kernels = pairs();
    for (size_t i = 0; kernels != NULL && i < A(sides) * A(channels); i++) {
        const int *side = sides[i / A(channels)], *c = channels[i % A(channels)];
        for (int kind = 0; kind < (int)DRAE__INFER_KINDS; kind++) {
            for (int proj = 0; proj <= 2; proj++) {
                infer_conv_shape s = {.kind = (drae__infer_conv_kind)kind,
                                      .c_in = c[0],
                                      .c_out = c[1],
                                      .h = side[0] * (kind == DRAE__INFER_CONV3S2 ? 2 : 1),
                                      .w = side[1] * (kind == DRAE__INFER_CONV3S2 ? 2 : 1),
                                      .residual = proj == 2,
                                      .raw = proj != 1,
                                      .act = true};
                if (proj > 0 && kind != DRAE__INFER_CONV3S2) {
                    s.proj_c_in = proj == 1 ? 11 : 8;
                    s.proj_stride = kind == DRAE__INFER_CONVT4 ? 1 : proj;
                }
                check(kernels, &s, (i + (size_t)proj) % 2 == 0 ? 3 : 0);
            }
        }
    }
}
END_TEST

START_TEST(deep) {
    for (int limit = 0; pairs() != NULL && limit <= 3; limit += 3) {
        check(pairs(), &infer_conv_deep, limit);
    }
}
END_TEST

/* A value that is not a number comes out as one; the other channel of its pair meets the same
 * sums. */
START_TEST(nan_spreads) {
    enum { C = 8, S = 20, N = C * S * S };
    const drae__infer_kernels *kernels = pairs();
    if (kernels == NULL) {
        return;
    }
    for (int channel = 2; channel <= 3; channel++) {
        const infer_conv_shape s = {
            .c_in = C, .c_out = C, .h = S, .w = S, .raw = true, .act = true};
        t_begin("%s NaN in channel %d", kernels->name, channel);
        infer_conv_data d = infer_conv_make(&s, 0);
        d.o.src.f[channel * S * S + 10 * S + 17] = NAN;
        run(kernels, &d);
        for (int i = 0; i < N; i++) {
            int y = i / S % S, x = i % S;
            bool near = y >= 9 && y <= 11 && x >= 16 && x <= 18;
            ck_assert_msg(isnan(d.o.raw.f[i]) == near && isnan(d.o.act.f[i]) == near,
                          "%s: element %d is %g", t_name(), i, (double)d.o.act.f[i]);
        }
        t_end();
    }
}
END_TEST

/* The oracle with weights and pixels that are rounded, as those of any layer. */
START_TEST(last_layer) {
    const drae__infer_kernels *kernels = pairs();
    for (size_t i = 0; kernels != NULL && i < A(sides); i++) {
        int h = sides[i][0], w = sides[i][1], c = 8 + 8 * (int)(i % 3);
        size_t n = (size_t)h * (size_t)w;
        t_begin("%s out %dx%dx%d", kernels->name, c, h, w);
        t_pair src = t_uniform((size_t)c * n, 1, -1.0f, 1.0f);
        t_pair wei = t_uniform((size_t)c * 9, 2, -0.5f, 0.5f), dst = t_result(n);
        float *packed = t_f32(wei.n / 2);
        round_pair(src);
        drae__infer_pack_out(kernels, c, wei.f, packed);
        round_pair(wei);
        infer_map map = paired(c, h, w, src.f);
        drae__ref_infer_out(c, h, w, src.d, wei.d, 0.125, dst.d);
        kernels->out(c, &map.g, map.at, packed, 0.125f, dst.f);
        (void)t_within_all("recon", dst, 0.25 * 9 * c * T_EPS * 9 * c * 0.5 + 4.0 * T_EPS);
        t_end();
    }
}
END_TEST

/* Which half is which, everywhere: any processor. */
START_TEST(maps_and_back) {
    for (int c = 1; c <= 5; c++) {
        t_begin("pairs of %d channels", c);
        enum { H = 3, W = 21 };
        const size_t n = (size_t)c * H * W;
        t_pair rows = t_uniform(n, 1, -1.0f, 1.0f), back = t_result(n);
        round_pair(rows);
        infer_map map = paired(c, H, W, rows.f);
        uint32_t bits;
        memcpy(&bits, map.at, sizeof bits);
        ck_assert_uint_eq(bits & 0xffffu, drae__bf16_of(rows.f[0]));
        ck_assert_uint_eq(bits >> 16, c > 1 ? drae__bf16_of(rows.f[(size_t)H * W]) : 0);
        take(&map, c, back.f);
        t_equal_f32("rows", n, back.f, rows.f);
        t_end();
    }
}
END_TEST

Suite *suite_infer_pairs(void) {
    Suite *suite = suite_create("infer_pairs");
    TCase *tc = tcase_create("pairs");
    tcase_add_test(tc, all_kinds);
    tcase_add_test(tc, deep);
    tcase_add_test(tc, nan_spreads);
    tcase_add_test(tc, last_layer);
    tcase_add_test(tc, maps_and_back);
    suite_add_tcase(suite, tc);
    return suite;
}
