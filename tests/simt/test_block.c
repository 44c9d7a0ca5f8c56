/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whole residual blocks on the device. The oracle rounds where the device does: the stem's result
 * and t become f16 before they are used. Where the data is integers that is exact; on random data a
 * sum that differs in its last bits may round t to the neighbouring f16, so the bound counts one
 * ulp of f16 of every t that a result sees.
 */
#include "tests/simt/cuda_case.h"
#include "tests/simt/suites.h"

#include <string.h>

#define SLOPE 0.25

typedef enum block_kind { BLOCK_A, BLOCK_B, BLOCK_C, BLOCK_UP, BLOCK_STEM } block_kind;

typedef struct shape {
    block_kind kind;
    int n, h, w, c_in, c;
    bool raw, act;
    size_t shared_max; /* 0: all that there is */
    int sm_count;
} shape;

static size_t elems_of(const cuda_map *m) {
    return (size_t)m->n * (size_t)m->c * (size_t)m->h * (size_t)m->w;
}

static void round_map(cuda_map *m) {
    for (size_t i = 0; i < elems_of(m); i++) {
        m->d[i] = (double)drae__f16_value(drae__f16_of((float)m->d[i]));
    }
}

typedef struct block_data {
    shape s;
    int h_mid, w_mid, h_out, w_out;
    cuda_map p, residual, t, raw, act, image;
    uint8_t *bytes;
    t_pair wei1, wei2, proj, stem_wei;
    t_pair bn[6]; /* scale and shift of stem, 1, 2 */
} block_data;

/* Values small enough that integer results stay exact in f16. */
static t_pair sparse(size_t n, uint64_t seed, int limit) {
    t_pair p = cuda_values(n, seed, limit);
    for (size_t i = 0; limit > 0 && i < n; i++) {
        if (i % 3 != seed % 3) {
            p.f[i] = 0.0f;
            p.d[i] = 0.0;
        }
    }
    return p;
}

static block_data make(const shape *s, int limit) {
    block_data d = {.s = *s};
    bool up = s->kind == BLOCK_UP, halve = s->kind == BLOCK_C;
    size_t c = (size_t)s->c, c_in = (size_t)s->c_in;
    d.h_mid = halve ? s->h / 2 : s->h;
    d.w_mid = halve ? s->w / 2 : s->w;
    d.h_out = up ? 2 * s->h : d.h_mid;
    d.w_out = up ? 2 * s->w : d.w_mid;
    if (s->kind == BLOCK_STEM) {
        size_t pixels = (size_t)s->n * (size_t)s->h * (size_t)s->w;
        t_pair v = limit > 0 ? t_integers(pixels, 11, 1) : t_uniform(pixels, 11, 0.0f, 255.0f);
        d.bytes = t_bytes(pixels);
        d.image = cuda_map_result(s->n, 1, s->h, s->w);
        for (size_t i = 0; i < pixels; i++) {
            d.bytes[i] = (uint8_t)(limit > 0 ? v.f[i] + 1.0f : v.f[i]);
            d.image.d[i] = d.bytes[i];
        }
        d.stem_wei = cuda_values(9 * c_in, 12, limit > 0 ? 1 : 0);
        d.p = cuda_map_result(s->n, s->c_in, s->h, s->w);
    } else {
        d.p = cuda_map_values(s->n, s->c_in, s->h, s->w, 1, limit);
    }
    d.wei1 = sparse(c * c_in * 9, 2, limit);
    d.wei2 = sparse(c * c * (up ? 16 : 9), 3, limit);
    if (s->kind == BLOCK_B) {
        d.residual = cuda_map_values(s->n, s->c, d.h_out, d.w_out, 4, limit);
    } else {
        d.proj = sparse(c * c_in * (up ? 4 : 1), 5, limit);
    }
    for (int i = 0; i < 6; i++) {
        d.bn[i] = cuda_values(i < 2 ? c_in : c, (uint64_t)(20 + i), limit > 0 ? 1 : 0);
        for (size_t k = 0; limit == 0 && i == 0 && k < c_in; k++) {
            d.bn[i].d[k] /= 255.0;
            d.bn[i].f[k] = (float)d.bn[i].d[k];
            d.bn[i].d[k] = (double)d.bn[i].f[k];
        }
    }
    d.t = cuda_map_result(s->n, s->c, d.h_mid, d.w_mid);
    d.raw = cuda_map_result(s->n, s->c, d.h_out, d.w_out);
    d.act = cuda_map_result(s->n, s->c, d.h_out, d.w_out);
    return d;
}

static drae__ref_infer_op op_of(drae__infer_conv_kind kind, const cuda_map *src, int c_out,
                                const t_pair *wei, size_t i) {
    drae__ref_infer_op op = {.kind = kind,
                             .c_in = src->c,
                             .c_out = c_out,
                             .h_in = src->h,
                             .w_in = src->w,
                             .src = src->d + i * elems_of(src) / (size_t)src->n,
                             .wei = wei->d,
                             .slope = SLOPE};
    return op;
}

static void expect(block_data *d, bool rounding) {
    const shape *s = &d->s;
    for (size_t i = 0; i < (size_t)s->n && s->kind == BLOCK_STEM; i++) {
        drae__ref_infer_op op = op_of(DRAE__INFER_CONV3, &d->image, s->c_in, &d->stem_wei, i);
        op.scale = d->bn[0].d;
        op.shift = d->bn[1].d;
        op.act = d->p.d + i * elems_of(&d->p) / (size_t)s->n;
        drae__ref_infer_conv(&op);
    }
    if (rounding) {
        round_map(&d->p);
    }
    for (size_t i = 0; i < (size_t)s->n; i++) {
        drae__ref_infer_op op = op_of(s->kind == BLOCK_C ? DRAE__INFER_CONV3S2 : DRAE__INFER_CONV3,
                                      &d->p, s->c, &d->wei1, i);
        op.scale = d->bn[2].d;
        op.shift = d->bn[3].d;
        op.act = d->t.d + i * elems_of(&d->t) / (size_t)s->n;
        drae__ref_infer_conv(&op);
    }
    if (rounding) {
        round_map(&d->t);
    }
    for (size_t i = 0; i < (size_t)s->n; i++) {
        drae__ref_infer_op op = op_of(s->kind == BLOCK_UP ? DRAE__INFER_CONVT4 : DRAE__INFER_CONV3,
                                      &d->t, s->c, &d->wei2, i);
        size_t out = i * elems_of(&d->raw) / (size_t)s->n;
        if (s->kind == BLOCK_B) {
            op.residual = d->residual.d + out;
        } else {
            op.proj.c_in = s->c_in;
            op.proj.stride = s->kind == BLOCK_C ? 2 : 1;
            op.proj.src = d->p.d + i * elems_of(&d->p) / (size_t)s->n;
            op.proj.wei = d->proj.d;
        }
        op.scale = d->bn[4].d;
        op.shift = d->bn[5].d;
        op.raw = d->raw.d + out;
        op.act = d->act.d + out;
        drae__ref_infer_conv(&op);
    }
}

static void absolute(double *d, size_t n) {
    for (size_t i = 0; d != NULL && i < n; i++) {
        d[i] = fabs(d[i]);
    }
}

/* With every number absolute a result is the sum of all |terms|: a relative error of t, or of p
 * where the stem makes it, comes through as no more than that part of the sum. */
static void bounds(block_data *d, double *raw_bound, double *act_bound) {
    size_t out = elems_of(&d->raw), plane = (size_t)d->h_out * (size_t)d->w_out;
    double *raw = t_f64(out), *act = t_f64(out);
    memcpy(raw, d->raw.d, out * sizeof *raw);
    memcpy(act, d->act.d, out * sizeof *act);
    absolute(d->p.d, elems_of(&d->p));
    absolute(d->residual.d, d->s.kind == BLOCK_B ? out : 0);
    absolute(d->wei1.d, d->wei1.n);
    absolute(d->wei2.d, d->wei2.n);
    absolute(d->proj.d, d->proj.n);
    absolute(d->stem_wei.d, d->stem_wei.n);
    for (int i = 0; i < 6; i++) {
        absolute(d->bn[i].d, d->bn[i].n);
    }
    expect(d, false);
    /* t (and the stem's p) may each round to the neighbour, one ulp of f16 away. */
    double by = (d->s.kind == BLOCK_STEM ? 4.0 : 2.0) * T_EPS_F16 +
                2.0 * (9.0 * d->s.c + d->s.c_in + 2.0) * T_EPS;
    for (size_t i = 0; i < out; i++) {
        size_t c = i / plane % (size_t)d->s.c;
        raw_bound[i] = by * d->raw.d[i];
        act_bound[i] = fabs(d->bn[4].d[c]) * raw_bound[i] + 4.0 * T_EPS * d->act.d[i];
        d->raw.d[i] = raw[i];
        d->act.d[i] = act[i];
    }
}

static void fill(t_pair *p, float value) {
    for (size_t i = 0; i < p->n; i++) {
        p->f[i] = value;
        p->d[i] = (double)value;
    }
}

/* t is 1 in the image and zero around it, and a result counts what it sees of it: a t that is
 * leaky(shift1) outside too, in a border row, a border column or at the seam of two bands, shows in
 * whole numbers. */
static void count_borders(block_data *d) {
    fill(&d->wei1, 0.0f);
    fill(&d->bn[3], 1.0f);
    fill(&d->wei2, 1.0f);
}

static const float *vector(const t_pair *p) {
    return cuda_upload(p->f, p->n * sizeof(float));
}

static void check(const shape *s, int limit, bool borders) {
    t_begin("resblock kind %d %dx%dx%dx%d->%d%s%s shared %zu limit %d%s", (int)s->kind, s->n, s->h,
            s->w, s->c_in, s->c, s->raw ? " raw" : "", s->act ? " act" : "", s->shared_max, limit,
            borders ? " borders" : "");
    block_data d = make(s, limit);
    if (borders) {
        count_borders(&d);
    }
    drae__cuda_block op = {
        .halve = s->kind == BLOCK_C,
        .up = s->kind == BLOCK_UP,
        .n = s->n,
        .h = s->h,
        .w = s->w,
        .c_in = s->c_in,
        .c = s->c,
        .src = d.p.device,
        .residual = d.residual.device,
        .scale1 = vector(&d.bn[2]),
        .shift1 = vector(&d.bn[3]),
        .scale2 = vector(&d.bn[4]),
        .shift2 = vector(&d.bn[5]),
        .slope = (float)SLOPE,
        .raw = s->raw ? d.raw.device : NULL,
        .act = s->act ? d.act.device : NULL,
    };
    if (s->kind == BLOCK_STEM) {
        uint16_t *stem = (uint16_t *)(void *)t_bytes(d.stem_wei.n * sizeof(uint16_t));
        for (size_t i = 0; i < d.stem_wei.n; i++) {
            stem[i] = drae__f16_of(d.stem_wei.f[i]);
        }
        op.src = NULL;
        op.image = cuda_upload(d.bytes, (size_t)s->n * (size_t)s->h * (size_t)s->w);
        op.stem_wei = cuda_upload(stem, d.stem_wei.n * sizeof(uint16_t));
        op.stem_scale = vector(&d.bn[0]);
        op.stem_shift = vector(&d.bn[1]);
    }
    size_t packed = drae__cuda_block_packed(&op);
    uint16_t *wei = (uint16_t *)(void *)t_bytes(packed * sizeof *wei);
    drae__cuda_block_pack(&op, d.wei1.f, d.wei2.f, d.proj.f, wei);
    op.wei = cuda_upload(wei, packed * sizeof *wei);
    const drae__cuda_device device = {.sm_count = s->sm_count,
                                      .shared_max = s->shared_max > 0 ? s->shared_max : 227 * 1024};
    drae__err err = {{0}};
    cuda_done(drae__cuda_block_stream(&op, &device, NULL, &err), &err);
    double *raw_bound = NULL, *act_bound = NULL;
    expect(&d, true);
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

/* Widths around the 16 pixels of a unit (32 where pixels are pairs), rows that end within a band,
 * one pixel; many bands and one; little shared memory forces one row a step. */
static const shape shapes[] = {
    {BLOCK_A, 1, 1, 1, 16, 16, true, true, 0, 1},
    {BLOCK_A, 2, 9, 17, 16, 16, false, true, 0, 64},
    {BLOCK_A, 1, 12, 16, 16, 32, true, false, 0, 1},
    {BLOCK_A, 1, 7, 33, 32, 16, true, true, 0, 8},
    {BLOCK_A, 1, 8, 15, 32, 32, false, true, 0, 8},
    {BLOCK_A, 1, 7, 40, 16, 16, true, true, 16000, 4},
    {BLOCK_A, 1, 6, 24, 16, 32, false, true, 16000, 4},
    {BLOCK_A, 1, 5, 17, 32, 64, false, true, 0, 2},
    {BLOCK_A, 1, 4, 9, 64, 32, true, false, 0, 2},
    {BLOCK_A, 1, 4, 16, 64, 64, false, true, 20000, 2},
    {BLOCK_A, 2, 5, 14, 8, 16, true, true, 0, 4},
    {BLOCK_A, 1, 6, 36, 16, 8, false, true, 0, 4},
    {BLOCK_B, 2, 10, 31, 16, 16, true, true, 0, 16},
    {BLOCK_B, 1, 32, 8, 16, 16, false, true, 0, 132},
    {BLOCK_B, 1, 5, 18, 32, 32, true, true, 0, 1},
    {BLOCK_B, 1, 8, 16, 32, 32, false, true, 10000, 4},
    {BLOCK_B, 1, 6, 18, 64, 64, true, true, 0, 2},
    {BLOCK_B, 1, 8, 34, 8, 8, true, true, 0, 4},
    {BLOCK_C, 1, 2, 2, 16, 16, false, true, 0, 1},
    {BLOCK_C, 2, 18, 34, 16, 16, true, true, 0, 64},
    {BLOCK_C, 1, 12, 30, 32, 32, false, true, 0, 2},
    {BLOCK_C, 1, 14, 32, 16, 16, false, true, 10000, 4},
    {BLOCK_C, 1, 8, 10, 64, 64, false, true, 0, 2},
    {BLOCK_C, 1, 10, 36, 8, 8, true, true, 0, 4},
    {BLOCK_C, 1, 6, 64, 8, 8, false, true, 10000, 4},
    {BLOCK_UP, 1, 1, 1, 16, 16, false, true, 0, 1},
    {BLOCK_UP, 2, 9, 17, 16, 16, true, true, 0, 64},
    {BLOCK_UP, 1, 8, 12, 32, 32, false, true, 0, 2},
    {BLOCK_UP, 1, 5, 32, 16, 16, false, true, 13000, 4},
    {BLOCK_UP, 1, 7, 34, 8, 8, true, true, 0, 2},
    {BLOCK_STEM, 2, 9, 17, 16, 16, false, true, 0, 64},
    {BLOCK_STEM, 1, 16, 32, 16, 16, true, true, 0, 1},
    {BLOCK_STEM, 1, 6, 20, 32, 32, false, true, 0, 2},
    {BLOCK_STEM, 1, 7, 20, 16, 16, false, true, 12000, 2},
    {BLOCK_STEM, 2, 7, 34, 8, 8, true, true, 0, 4},
};

START_TEST(exact) {
    check(&shapes[_i], 1, false);
}
END_TEST

START_TEST(borders) {
    check(&shapes[_i], 1, true);
}
END_TEST

START_TEST(bounded) {
    check(&shapes[_i], 0, false);
}
END_TEST

START_TEST(refusals) {
    const drae__cuda_device device = {.sm_count = 1, .shared_max = 99 * 1024};
    drae__err err;
    drae__cuda_block op = {.n = 1, .h = 16, .w = 16, .c_in = 24, .c = 24};
    ck_assert_int_eq(drae__cuda_block_check(&op, &device, &err), DRAE_ERROR_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(err.text, "24 to 24 channels"));
    ck_assert_int_eq(drae__cuda_block_stream(&op, &device, NULL, &err), DRAE_ERROR_UNSUPPORTED);
    op.c_in = op.c = 32;
    op.w = 256;
    ck_assert_int_eq(drae__cuda_block_check(&op, &device, &err), DRAE_ERROR_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(err.text, "shared memory"));
    op.c_in = op.c = 16;
    ck_assert_int_eq(drae__cuda_block_check(&op, &device, &err), DRAE_OK);
    op.c_in = op.c = 8;
    op.w = 17; /* pairs of pixels */
    ck_assert_int_eq(drae__cuda_block_check(&op, &device, &err), DRAE_ERROR_UNSUPPORTED);
    op.w = 18;
    ck_assert_int_eq(drae__cuda_block_check(&op, &device, &err), DRAE_OK);
    op.halve = true;
    ck_assert_int_eq(drae__cuda_block_check(&op, &device, &err), DRAE_ERROR_UNSUPPORTED);
    op.w = 16;
    ck_assert_int_eq(drae__cuda_block_check(&op, &device, &err), DRAE_OK);
    op.up = true;
    ck_assert_int_eq(drae__cuda_block_check(&op, &device, &err), DRAE_ERROR_UNSUPPORTED);
    op.up = false;
    op.h = 17;
    ck_assert_int_eq(drae__cuda_block_check(&op, &device, &err), DRAE_ERROR_UNSUPPORTED);
}
END_TEST

Suite *suite_block(void) {
    Suite *suite = suite_create("resblock");
    TCase *tc = tcase_create("resblock");
    suite_add_tcase(suite, tc);
    int n = (int)(sizeof shapes / sizeof shapes[0]);
    tcase_add_loop_test(tc, exact, 0, n);
    tcase_add_loop_test(tc, borders, 0, n);
    tcase_add_loop_test(tc, bounded, 0, n);
    tcase_add_test(tc, refusals);
    return suite;
}
