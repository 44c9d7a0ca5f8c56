/* SPDX-License-Identifier: Apache-2.0 */
/* Convolutions on the device against the oracle: exact on small integers, then within a bound. */
#include "tests/simt/cuda_case.h"
#include "tests/simt/suites.h"

#include <string.h>

#define SLOPE 0.25

typedef struct shape {
    drae__cuda_conv_kind kind;
    int n, h, w, c_in, c_out;
    int proj_c_in, proj_stride;
    bool residual, raw, act;
} shape;

typedef struct conv_data {
    shape s;
    int h_out, w_out;
    cuda_map src, proj, residual, raw, act;
    t_pair wei, proj_wei, scale, shift;
} conv_data;

static conv_data make(const shape *s, int limit) {
    conv_data d = {.s = *s};
    bool up = s->kind == DRAE__CUDA_CONVT4;
    d.h_out = up ? 2 * s->h : s->kind == DRAE__CUDA_CONV3S2 ? s->h / 2 : s->h;
    d.w_out = up ? 2 * s->w : s->kind == DRAE__CUDA_CONV3S2 ? s->w / 2 : s->w;
    size_t pairs = (size_t)s->c_in * (size_t)s->c_out;
    d.src = cuda_map_values(s->n, s->c_in, s->h, s->w, 1, limit);
    d.wei = cuda_values(pairs * (up ? 16 : 9), 2, limit);
    if (s->proj_c_in > 0) {
        int by = up ? 1 : s->proj_stride;
        d.proj = cuda_map_values(s->n, s->proj_c_in, s->h * by, s->w * by, 3, limit);
        d.proj_wei = cuda_values((size_t)s->proj_c_in * (size_t)s->c_out * (up ? 4 : 1), 4, limit);
    }
    if (s->residual) {
        d.residual = cuda_map_values(s->n, s->c_out, d.h_out, d.w_out, 5, limit);
    }
    d.scale = cuda_values((size_t)s->c_out, 6, limit);
    d.shift = cuda_values((size_t)s->c_out, 7, limit);
    d.raw = cuda_map_result(s->n, s->c_out, d.h_out, d.w_out);
    d.act = cuda_map_result(s->n, s->c_out, d.h_out, d.w_out);
    return d;
}

/* The oracle, map by map. */
static void expect(conv_data *d) {
    const shape *s = &d->s;
    size_t src = (size_t)s->c_in * (size_t)s->h * (size_t)s->w;
    size_t proj = (size_t)d->proj.c * (size_t)d->proj.h * (size_t)d->proj.w;
    size_t out = (size_t)s->c_out * (size_t)d->h_out * (size_t)d->w_out;
    for (size_t i = 0; i < (size_t)s->n; i++) {
        const drae__ref_infer_op op = {
            .kind = (drae__infer_conv_kind)s->kind,
            .c_in = s->c_in,
            .c_out = s->c_out,
            .h_in = s->h,
            .w_in = s->w,
            .src = d->src.d + i * src,
            .wei = d->wei.d,
            .proj = {.c_in = s->proj_c_in,
                     .stride = s->proj_stride,
                     .src = s->proj_c_in > 0 ? d->proj.d + i * proj : NULL,
                     .wei = s->proj_c_in > 0 ? d->proj_wei.d : NULL},
            .residual = s->residual ? d->residual.d + i * out : NULL,
            .scale = d->scale.d,
            .shift = d->shift.d,
            .slope = SLOPE,
            .raw = d->raw.d + i * out,
            .act = d->act.d + i * out,
        };
        drae__ref_infer_conv(&op);
    }
}

static void absolute(double *d, size_t n) {
    for (size_t i = 0; d != NULL && i < n; i++) {
        d[i] = fabs(d[i]);
    }
}

static size_t elems_of(const cuda_map *m) {
    return (size_t)m->n * (size_t)m->c * (size_t)m->h * (size_t)m->w;
}

/* f32 sums of that many terms: their number times eps times the sum of absolute values. */
static void bounds(conv_data *d, double *raw_bound, double *act_bound) {
    size_t out = elems_of(&d->raw), plane = (size_t)d->h_out * (size_t)d->w_out;
    double *raw = t_f64(out), *act = t_f64(out);
    memcpy(raw, d->raw.d, out * sizeof *raw);
    memcpy(act, d->act.d, out * sizeof *act);
    absolute(d->src.d, elems_of(&d->src));
    absolute(d->proj.d, elems_of(&d->proj));
    absolute(d->residual.d, elems_of(&d->residual));
    absolute(d->wei.d, d->wei.n);
    absolute(d->proj_wei.d, d->proj_wei.n);
    expect(d);
    double terms = 9.0 * d->s.c_in + d->s.proj_c_in + 2.0;
    for (size_t i = 0; i < out; i++) {
        size_t c = i / plane % (size_t)d->s.c_out;
        double scale = fabs(d->scale.d[c]), shift = fabs(d->shift.d[c]);
        raw_bound[i] = 2.0 * terms * T_EPS * d->raw.d[i];
        act_bound[i] = scale * raw_bound[i] + 4.0 * T_EPS * (scale * d->raw.d[i] + shift);
        d->raw.d[i] = raw[i];
        d->act.d[i] = act[i];
    }
}

static void check(const shape *s, int limit) {
    t_begin("conv_igemm kind %d %dx%dx%dx%d->%d proj %d/%d%s%s%s limit %d", (int)s->kind, s->n,
            s->h, s->w, s->c_in, s->c_out, s->proj_c_in, s->proj_stride,
            s->residual ? " residual" : "", s->raw ? " raw" : "", s->act ? " act" : "", limit);
    conv_data d = make(s, limit);
    size_t packed = drae__cuda_conv_packed(s->kind, s->c_in, s->c_out, s->proj_c_in);
    uint16_t *wei = (uint16_t *)(void *)t_bytes(packed * sizeof *wei);
    drae__cuda_conv_pack(s->kind, s->c_in, s->c_out, s->proj_c_in, d.wei.f, d.proj_wei.f, wei);
    const drae__cuda_conv op = {
        .kind = s->kind,
        .n = s->n,
        .h = s->h,
        .w = s->w,
        .c_in = s->c_in,
        .c_out = s->c_out,
        .proj_c_in = s->proj_c_in,
        .proj_stride = s->proj_stride,
        .src = d.src.device,
        .proj = d.proj.device,
        .wei = cuda_upload(wei, packed * sizeof *wei),
        .residual = d.residual.device,
        .scale = cuda_upload(d.scale.f, d.scale.n * sizeof(float)),
        .shift = cuda_upload(d.shift.f, d.shift.n * sizeof(float)),
        .slope = (float)SLOPE,
        .raw = s->raw ? d.raw.device : NULL,
        .act = s->act ? d.act.device : NULL,
    };
    drae__err err = {{0}};
    cuda_done(drae__cuda_conv_igemm(&op, NULL, &err), &err);
    double *raw_bound = NULL, *act_bound = NULL;
    expect(&d);
    if (limit == 0) {
        raw_bound = t_f64(elems_of(&d.raw));
        act_bound = t_f64(elems_of(&d.raw));
        bounds(&d, raw_bound, act_bound);
    }
    if (s->raw) {
        cuda_map_check("raw", &d.raw, raw_bound);
    }
    if (s->act) {
        cuda_map_check("act", &d.act, act_bound);
    }
    t_end();
}

static const shape shapes[] = {
    /* every width of tile, one pixel, odd sides, tiles that end within a map */
    {DRAE__CUDA_CONV3, 1, 1, 1, 8, 8, 0, 0, false, true, true},
    {DRAE__CUDA_CONV3, 2, 9, 7, 8, 16, 8, 1, false, false, true},
    {DRAE__CUDA_CONV3, 1, 13, 11, 16, 16, 0, 0, true, true, true},
    {DRAE__CUDA_CONV3, 3, 8, 8, 16, 24, 16, 1, false, true, false},
    {DRAE__CUDA_CONV3, 1, 5, 6, 24, 40, 8, 2, false, false, true},
    {DRAE__CUDA_CONV3, 1, 6, 5, 40, 72, 40, 1, false, true, true},
    {DRAE__CUDA_CONV3, 2, 4, 4, 64, 136, 0, 0, true, false, true},
    {DRAE__CUDA_CONV3, 1, 4, 4, 32, 32, 32, 2, false, true, true},
    {DRAE__CUDA_CONV3S2, 2, 8, 10, 8, 8, 0, 0, false, false, true},
    {DRAE__CUDA_CONV3S2, 1, 22, 26, 16, 16, 0, 0, false, true, true},
    {DRAE__CUDA_CONV3S2, 1, 2, 2, 64, 64, 0, 0, false, false, true},
    {DRAE__CUDA_CONVT4, 1, 1, 1, 8, 8, 8, 1, false, true, true},
    {DRAE__CUDA_CONVT4, 2, 5, 7, 16, 16, 16, 1, false, false, true},
    {DRAE__CUDA_CONVT4, 1, 4, 3, 40, 64, 24, 1, false, true, true},
    {DRAE__CUDA_CONVT4, 1, 3, 2, 128, 128, 128, 1, false, false, true},
};

START_TEST(exact) {
    check(&shapes[_i], 2);
}
END_TEST

START_TEST(bounded) {
    check(&shapes[_i], 0);
}
END_TEST

START_TEST(refusals) {
    uint16_t nothing[8] = {0};
    drae__err err;
    drae__cuda_conv op = {.n = 1, .h = 4, .w = 4, .c_in = 12, .c_out = 16, .act = nothing};
    ck_assert_int_eq(drae__cuda_conv_igemm(&op, NULL, &err), DRAE_ERROR_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(err.text, "multiples of 8"));
    op.c_in = 16;
    op.kind = DRAE__CUDA_CONV3S2;
    op.h = 5;
    ck_assert_int_eq(drae__cuda_conv_igemm(&op, NULL, &err), DRAE_ERROR_UNSUPPORTED);
    op.kind = DRAE__CUDA_CONV3;
    op.n = 60000;
    op.h = op.w = 1024;
    ck_assert_int_eq(drae__cuda_conv_igemm(&op, NULL, &err), DRAE_ERROR_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(err.text, "smaller batch"));
}
END_TEST

Suite *suite_conv(void) {
    Suite *suite = suite_create("conv_igemm");
    TCase *tc = tcase_create("conv_igemm");
    suite_add_tcase(suite, tc);
    int n = (int)(sizeof shapes / sizeof shapes[0]);
    tcase_add_loop_test(tc, exact, 0, n);
    tcase_add_loop_test(tc, bounded, 0, n);
    tcase_add_test(tc, refusals);
    return suite;
}
