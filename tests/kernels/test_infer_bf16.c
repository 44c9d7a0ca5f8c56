/* SPDX-License-Identifier: Apache-2.0 */
/* bf16 convolutions of inference: exact on small integers, within derived bounds on random data,
 * the same bits from every table and however the rows are divided. */
#include "tests/kernels/infer_conv_case.h"

#include "kernels/infer_bf16.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define A(a) (sizeof(a) / sizeof((a)[0]))

/* Of rounding to so many bf16, relative: half of the last bit of 8, 16 or 24; and of the products
 * of parts that are left out. */
static double rounding_of(int parts) {
    return parts == 1 ? 0x1p-8 : parts == 2 ? 0x1p-16 : 0x1p-23;
}

typedef struct shape {
    drae__infer_conv_kind kind;
    int c_in, c_out;
    int h, w; /* of the source */
    int proj_c_in, proj_stride;
    bool residual, raw, act;
    int parts; /* 0: 1 */
} shape;

typedef struct map16 {
    drae__bf16_map g;
    int c;
    drae__bf16 *buffer, *at;
} map16;

/* Zeros but for the pixels: values [c,h,w], or poison where NULL. */
static map16 map_make(int c, int h, int w, int parts, const float *values) {
    map16 m = {.g = drae__bf16_map_of(h, w, c, parts), .c = c};
    size_t n = drae__bf16_map_elems(&m.g);
    m.buffer = (drae__bf16 *)(void *)t_bytes(n * sizeof(drae__bf16));
    memset(m.buffer, 0, n * sizeof(drae__bf16));
    m.at = m.buffer + drae__bf16_map_origin(&m.g);
    for (int y = 0; y < h; y++) {
        for (int x = 0; x < w; x++) {
            drae__bf16 *pixel = m.at + y * m.g.stride + x * m.g.c;
            for (int ch = 0; ch < m.g.c; ch++) {
                if (values == NULL) {
                    drae__bf16_split(NAN, parts, m.g.plane, pixel + ch);
                } else if (ch < c) {
                    drae__bf16_split(values[(ch * h + y) * w + x], parts, m.g.plane, pixel + ch);
                }
            }
        }
    }
    return m;
}

/* The pixels into dst [c,h,w]; fails where a zero around them or a channel of padding is not 0. */
static void map_take(const map16 *m, float *dst) {
    size_t n = drae__bf16_map_elems(&m->g);
    for (ptrdiff_t i = 0; i < (ptrdiff_t)n; i++) {
        ptrdiff_t rel = i % m->g.plane - (ptrdiff_t)drae__bf16_map_origin(&m->g);
        ptrdiff_t y = rel < 0 ? -1 : rel / m->g.stride, e = rel < 0 ? 0 : rel % m->g.stride;
        int ch = (int)(e % m->g.c);
        ptrdiff_t x = e / m->g.c;
        float v = drae__bf16_to_float(m->buffer[i]);
        if (y >= 0 && y < m->g.h && x < m->g.w && ch < m->c) {
            if (i < m->g.plane) {
                dst[(ch * m->g.h + y) * m->g.w + x] =
                    drae__bf16_join(m->buffer + i, m->g.parts, m->g.plane);
            }
        } else {
            ck_assert_msg(v == 0.0f, "%s: the zero at element %td became %g", t_name(), rel,
                          (double)v);
        }
    }
}

/* Values that so many parts hold. */
static t_pair values(size_t n, uint64_t seed, int limit, int parts) {
    t_pair p = limit > 0 ? t_integers(n, seed, limit) : t_uniform(n, seed, -1.0f, 1.0f);
    for (size_t i = 0; i < n; i++) {
        drae__bf16 split[DRAE__BF16_PARTS_MAX];
        drae__bf16_split(p.f[i], parts, 1, split);
        p.f[i] = drae__bf16_join(split, parts, 1);
        p.d[i] = (double)p.f[i];
    }
    return p;
}

typedef struct conv_data {
    shape s;
    int h_out, w_out;
    infer_conv_operands o;
    map16 src_map, proj_map, residual_map;
} conv_data;

static size_t count(int c, int h, int w) {
    return (size_t)c * (size_t)h * (size_t)w;
}

static conv_data make(const shape *s, int limit) {
    conv_data d = {.s = *s};
    if (d.s.parts == 0) {
        d.s.parts = 1;
    }
    const int parts = d.s.parts, src_parts = s->c_in == 1 ? 1 : parts;
    bool up = s->kind == DRAE__INFER_CONVT4;
    d.h_out = up ? 2 * s->h : s->kind == DRAE__INFER_CONV3S2 ? s->h / 2 : s->h;
    d.w_out = up ? 2 * s->w : s->kind == DRAE__INFER_CONV3S2 ? s->w / 2 : s->w;
    size_t out = count(s->c_out, d.h_out, d.w_out);
    d.o.src = values(count(s->c_in, s->h, s->w), 1, limit, src_parts);
    d.o.wei = values((size_t)s->c_in * (size_t)s->c_out * (up ? 16 : 9), 2, limit, parts);
    d.src_map = map_make(s->c_in, s->h, s->w, src_parts, d.o.src.f);
    if (s->proj_c_in > 0) {
        int h = up ? s->h : d.h_out * s->proj_stride, w = up ? s->w : d.w_out * s->proj_stride;
        d.o.proj = values(count(s->proj_c_in, h, w), 3, limit, parts);
        d.o.proj_wei =
            values((size_t)s->proj_c_in * (size_t)s->c_out * (up ? 4 : 1), 4, limit, parts);
        d.proj_map = map_make(s->proj_c_in, h, w, parts, d.o.proj.f);
    }
    if (s->residual) {
        d.o.residual = values(out, 5, limit, parts);
        d.residual_map = map_make(s->c_out, d.h_out, d.w_out, parts, d.o.residual.f);
    }
    d.o.scale = values((size_t)s->c_out, 6, limit, 1);
    d.o.shift = values((size_t)s->c_out, 7, limit, 1);
    d.o.raw = t_result(out);
    d.o.act = t_result(out);
    return d;
}

static infer_conv_shape conv_of(const shape *s) {
    return (infer_conv_shape){.kind = s->kind,
                              .c_in = s->c_in,
                              .c_out = s->c_out,
                              .h = s->h,
                              .w = s->w,
                              .proj_c_in = s->proj_c_in,
                              .proj_stride = s->proj_stride,
                              .residual = s->residual};
}

static void expect(const conv_data *d) {
    const infer_conv_shape conv = conv_of(&d->s);
    infer_conv_expect(&conv, &d->o);
}

/* As for f32 (infer_conv_case.c), and the rounding to bf16 of what comes out. */
static void bounds(conv_data *d, double *raw_bound, double *act_bound) {
    const shape *s = &d->s;
    const infer_conv_shape conv = conv_of(s);
    size_t plane = d->o.raw.n / (size_t)s->c_out;
    double *sums = t_f64(d->o.raw.n), terms = 9.0 * s->c_in + s->proj_c_in + 2.0;
    infer_conv_sums(&conv, &d->o, sums);
    for (size_t i = 0; i < d->o.raw.n; i++) {
        double scale = fabs(d->o.scale.d[i / plane]), shift = fabs(d->o.shift.d[i / plane]);
        /* 1, 3 or 6 products of parts a term, and what those left out would add. */
        double sum =
            (12.0 * terms * T_EPS + (s->parts > 1 ? 4.0 * rounding_of(s->parts) : 0.0)) * sums[i];
        double u = scale * sum + 4.0 * T_EPS * (scale * sums[i] + shift);
        raw_bound[i] = sum + rounding_of(s->parts) * (fabs(d->o.raw.d[i]) + sum);
        act_bound[i] = u + rounding_of(s->parts) * (fabs(d->o.act.d[i]) + u);
    }
}

/* Integers too are rounded on the way out. */
static void round_expected(t_pair p, int parts) {
    for (size_t i = 0; i < p.n; i++) {
        drae__bf16 split[DRAE__BF16_PARTS_MAX];
        drae__bf16_split((float)p.d[i], parts, 1, split);
        p.d[i] = (double)drae__bf16_join(split, parts, 1);
    }
}

static void run(const drae__bf16_kernels *kernels, const conv_data *d, int pieces) {
    const shape *s = &d->s;
    map16 raw = map_make(s->c_out, d->h_out, d->w_out, s->parts, NULL);
    map16 act = map_make(s->c_out, d->h_out, d->w_out, s->parts, NULL);
    drae__bf16_conv op = {
        .shape =
            drae__bf16_shape_of(s->kind, s->c_in, s->c_out, s->proj_c_in, s->proj_stride, s->parts),
        .src_map = d->src_map.g,
        .dst_map = raw.g,
        .proj_map = d->proj_map.g,
        .src = d->src_map.at,
        .proj = d->proj_map.at,
        .residual = d->residual_map.at,
        .slope = (float)INFER_CONV_SLOPE,
        .raw = s->raw ? raw.at : NULL,
        .act = s->act ? act.at : NULL,
    };
    size_t n = drae__bf16_packed_elems(&op.shape), columns = (size_t)drae__bf16_columns(&op.shape);
    drae__bf16 *wei = (drae__bf16 *)(void *)t_bytes(n * sizeof *wei);
    float *scale = t_f32(columns), *shift = t_f32(columns);
    drae__bf16_pack(&op.shape, s->c_in, s->c_out, d->o.wei.f, 1.0, s->proj_c_in, s->proj_stride,
                    d->o.proj_wei.f, wei);
    drae__bf16_pack_affine(&op.shape, s->c_out, d->o.scale.f, scale);
    drae__bf16_pack_affine(&op.shape, s->c_out, d->o.shift.f, shift);
    op.wei = wei;
    op.scale = scale;
    op.shift = shift;
    int rows = s->kind == DRAE__INFER_CONVT4 ? s->h : d->h_out;
    for (int i = 0; i < pieces; i++) {
        kernels->conv(&op, rows * i / pieces, rows * (i + 1) / pieces);
    }
    if (s->raw) {
        map_take(&raw, d->o.raw.f);
    }
    if (s->act) {
        map_take(&act, d->o.act.f);
    }
}

static void check(const shape *s, int limit) {
    const drae__bf16_kernels *kernels;
    size_t n;
    const drae__bf16_kernels *const *list = drae__bf16_kernels_list(&n);
    float *first_raw = NULL, *first_act = NULL;
    t_begin("bf16 kind=%d c=%d>%d h=%d w=%d proj=%d/%d residual=%d parts=%d limit=%d", (int)s->kind,
            s->c_in, s->c_out, s->h, s->w, s->proj_c_in, s->proj_stride, s->residual, s->parts,
            limit);
    conv_data d = make(s, limit);
    double *raw_bound = t_f64(d.o.raw.n), *act_bound = t_f64(d.o.raw.n);
    expect(&d);
    bounds(&d, raw_bound, act_bound);
    if (limit > 0) {
        round_expected(d.o.raw, d.s.parts);
        round_expected(d.o.act, d.s.parts);
    }
    for (size_t t = 0; t < n; t++) {
        kernels = list[t];
        if (!drae__bf16_kernels_supported(kernels)) {
            continue;
        }
        run(kernels, &d, 1 + (int)t);
        if (s->raw && limit > 0) {
            t_equal(kernels->name, d.o.raw);
        } else if (s->raw) {
            (void)t_within(kernels->name, d.o.raw, raw_bound);
        }
        if (s->act && limit > 0) {
            t_equal(kernels->name, d.o.act);
        } else if (s->act) {
            (void)t_within(kernels->name, d.o.act, act_bound);
        }
        if (first_raw == NULL) {
            first_raw = t_f32(d.o.raw.n);
            first_act = t_f32(d.o.raw.n);
            memcpy(first_raw, d.o.raw.f, d.o.raw.n * sizeof(float));
            memcpy(first_act, d.o.act.f, d.o.act.n * sizeof(float));
        }
        if (s->raw) {
            t_equal_f32(kernels->name, d.o.raw.n, d.o.raw.f, first_raw);
        }
        if (s->act) {
            t_equal_f32(kernels->name, d.o.act.n, d.o.act.f, first_act);
        }
    }
    t_end();
}

/* Rows x columns of output: pieces of a tile, one tile and its neighbours, several. */
static const int sides[][2] = {{1, 2},  {3, 6},  {5, 14}, {2, 16}, {3, 18}, {4, 30},
                               {2, 32}, {5, 34}, {7, 62}, {3, 64}, {2, 66}, {1, 130}};
static const int channels[][2] = {{1, 8},   {8, 8},   {8, 16},  {16, 8},  {16, 16}, {1, 16},
                                  {16, 32}, {32, 16}, {24, 24}, {40, 64}, {64, 32}, {1, 24}};

/* A sanitizer makes this five times slower: there each size takes every third depth, in turn. */
#if defined(__SANITIZE_ADDRESS__)
#define EVERY 3
#else
#define EVERY 1
#endif

START_TEST(plain_and_strided) {
    for (size_t i = 0; i < A(sides); i++) {
        for (size_t c = i % EVERY; c < A(channels); c += EVERY) {
            shape s = {DRAE__INFER_CONV3, channels[c][0], channels[c][1],
                       sides[i][0],       sides[i][1],    .act = true};
            check(&s, (i + c) % 2 == 0 ? 3 : 0);
            s.kind = DRAE__INFER_CONV3S2;
            s.h *= 2;
            s.w *= 2;
            check(&s, (i + c) % 2 == 0 ? 0 : 3);
        }
    }
}
END_TEST

START_TEST(transposed) {
    static const int both[] = {8, 16, 24, 32, 64};
    for (size_t i = 0; i < A(sides); i++) {
        for (size_t c = i % EVERY; c < A(both); c += EVERY) {
            shape s = {DRAE__INFER_CONVT4, both[c],         both[c],
                       sides[i][0],        sides[i][1] / 2, .act = true};
            check(&s, (i + c) % 2 == 0 ? 3 : 0);
            s.proj_c_in = s.c_in;
            s.raw = i % 2 == 0;
            check(&s, (i + c) % 2 == 0 ? 0 : 3);
        }
    }
}
END_TEST

START_TEST(projections_and_residual) {
    static const int from[] = {8, 16, 24, 64};
    for (size_t i = 0; i < A(sides); i++) {
        for (int stride = 0; stride <= 2; stride++) {
            for (size_t c = i % EVERY; c < A(from); c += EVERY) {
                shape s = {.kind = DRAE__INFER_CONV3,
                           .c_in = from[(c + 1) % A(from)],
                           .c_out = from[(c + i) % A(from)],
                           .h = sides[i][0],
                           .w = sides[i][1],
                           .proj_c_in = stride > 0 ? from[c] : 0,
                           .proj_stride = stride,
                           .residual = stride != 1,
                           .raw = stride != 2,
                           .act = (i + c) % 3 != 0 || stride == 2};
                check(&s, (i + c) % 2 == 0 ? 3 : 0);
            }
        }
    }
}
END_TEST

/* Sums of two and three bf16, in all kinds; fewer shapes, the walk is the same. */
START_TEST(in_parts) {
    for (int parts = 2; parts <= DRAE__BF16_PARTS_MAX; parts++) {
        for (size_t i = 0; i < A(sides); i += 3) {
            for (size_t c = i % 2; c < A(channels); c += 2) {
                shape s = {
                    DRAE__INFER_CONV3, channels[c][0], channels[c][1],    sides[i][0],
                    sides[i][1],       .act = true,    .raw = c % 4 == 0, .residual = c % 3 == 0,
                    .parts = parts};
                check(&s, (i + c) % 2 == 0 ? 3 : 0);
                if (channels[c][0] == channels[c][1]) {
                    s.kind = DRAE__INFER_CONVT4;
                    s.proj_c_in = s.c_in;
                    check(&s, 0);
                    check(&s, 3);
                }
                s.kind = DRAE__INFER_CONV3S2;
                s.h *= 2;
                s.w *= 2;
                s.proj_c_in = 0;
                check(&s, (i + c) % 2 == 0 ? 0 : 3);
            }
            shape s = {.kind = DRAE__INFER_CONV3,
                       .c_in = 16,
                       .c_out = 16,
                       .h = sides[i][0],
                       .w = sides[i][1],
                       .proj_c_in = 16,
                       .proj_stride = 2,
                       .act = true,
                       .raw = true,
                       .residual = true,
                       .parts = parts};
            check(&s, 3);
            check(&s, 0);
        }
    }
}
END_TEST

/* A deep sum: the order of the additions shows most. */
START_TEST(deep) {
    const shape s = {.kind = DRAE__INFER_CONV3,
                     .c_in = 320,
                     .c_out = 32,
                     .h = 4,
                     .w = 18,
                     .proj_c_in = 64,
                     .proj_stride = 1,
                     .raw = true,
                     .act = true};
    check(&s, 3);
    check(&s, 0);
}
END_TEST

START_TEST(residual_in_place) {
    size_t n;
    const drae__bf16_kernels *const *list = drae__bf16_kernels_list(&n);
    for (size_t t = 0; t < n; t++) {
        if (!drae__bf16_kernels_supported(list[t])) {
            continue;
        }
        shape s = {DRAE__INFER_CONV3, 16, 16, 5, 38, .residual = true, .raw = true};
        t_begin("%s residual in place", list[t]->name);
        conv_data d = make(&s, 3);
        expect(&d);
        round_expected(d.o.raw, d.s.parts);
        drae__bf16_conv op = {.shape = drae__bf16_shape_of(s.kind, s.c_in, s.c_out, 0, 0, 1),
                              .src_map = d.src_map.g,
                              .dst_map = d.residual_map.g,
                              .src = d.src_map.at,
                              .residual = d.residual_map.at,
                              .raw = d.residual_map.at};
        drae__bf16 *wei = (drae__bf16 *)(void *)t_bytes(drae__bf16_packed_elems(&op.shape) * 2);
        drae__bf16_pack(&op.shape, s.c_in, s.c_out, d.o.wei.f, 1.0, 0, 0, NULL, wei);
        op.wei = wei;
        list[t]->conv(&op, 0, s.h);
        map_take(&d.residual_map, d.o.raw.f);
        t_equal("raw", d.o.raw);
        t_end();
    }
}
END_TEST

START_TEST(last_layer) {
    static const int c_in[] = {8, 16, 24, 64};
    size_t n;
    const drae__bf16_kernels *const *list = drae__bf16_kernels_list(&n);
    for (size_t i = 0; i < A(sides) * A(c_in); i++) {
        int c = c_in[i % A(c_in)], h = sides[i / A(c_in)][0], w = sides[i / A(c_in)][1];
        const int parts = 1 + (int)(i / A(c_in)) % 3;
        float *first = NULL;
        t_begin("bf16 out c=%d h=%d w=%d parts=%d", c, h, w, parts);
        t_pair src = values(count(c, h, w), 1, 0, parts), wei = values((size_t)c * 9, 2, 0, parts);
        t_pair dst = t_result((size_t)h * (size_t)w);
        map16 map = map_make(c, h, w, parts, src.f);
        drae__bf16_conv op = {.shape = drae__bf16_shape_of(DRAE__INFER_CONV3, c, 1, 0, 0, parts),
                              .src_map = map.g,
                              .src = map.at};
        drae__bf16 *packed = (drae__bf16 *)(void *)t_bytes(drae__bf16_packed_elems(&op.shape) * 2);
        drae__bf16_pack(&op.shape, c, 1, wei.f, 1.0, 0, 0, NULL, packed);
        op.wei = packed;
        drae__ref_infer_out(c, h, w, src.d, wei.d, 0.125, dst.d);
        for (size_t t = 0; t < n; t++) {
            if (!drae__bf16_kernels_supported(list[t])) {
                continue;
            }
            list[t]->out(&op, 0.125f, dst.f, 0, h / 2);
            list[t]->out(&op, 0.125f, dst.f, h / 2, h);
            (void)t_within_all(list[t]->name, dst, 0.25 * 9 * c * T_EPS * 9 * c + 4.0 * T_EPS);
            if (first == NULL) {
                first = t_f32(dst.n);
                memcpy(first, dst.f, dst.n * sizeof *first);
            }
        }
        t_end();
    }
}
END_TEST

/* Every grey level is a bf16 number. */
START_TEST(grey_levels) {
    size_t n;
    const drae__bf16_kernels *const *list = drae__bf16_kernels_list(&n);
    for (size_t t = 0; t < n; t++) {
        enum { H = 3, W = 90 };
        if (!drae__bf16_kernels_supported(list[t])) {
            continue;
        }
        t_begin("%s bf16 load_u8", list[t]->name);
        unsigned char *src = t_bytes(H * W);
        float *dst = t_f32(H * W);
        for (int i = 0; i < H * W; i++) {
            src[i] = (unsigned char)i;
        }
        map16 map = map_make(1, H, W, 1, NULL);
        list[t]->load_u8(src, &map.g, map.at);
        map_take(&map, dst);
        for (int i = 0; i < H * W; i++) {
            ck_assert_msg(dst[i] == (float)src[i], "%s: pixel %d is %g", t_name(), i,
                          (double)dst[i]);
        }
        t_end();
    }
}
END_TEST

START_TEST(rounding) {
    static const struct {
        float v;
        drae__bf16 expected;
    } cases[] = {{0.0f, 0},
                 {-0.0f, 0x8000},
                 {1.0f, 0x3f80},
                 {1.00390625f, 0x3f80} /* tie to even */,
                 {1.01171875f, 0x3f82} /* tie */,
                 {1.0039064f, 0x3f81},
                 {3.4e38f, 0x7f80},
                 {INFINITY, 0x7f80},
                 {-INFINITY, 0xff80},
                 {1e-39f, 0},
                 {-1e-39f, 0x8000}};
    for (size_t i = 0; i < A(cases); i++) {
        ck_assert_msg(drae__bf16_of(cases[i].v) == cases[i].expected, "case %zu: %g becomes 0x%04x",
                      i, (double)cases[i].v, drae__bf16_of(cases[i].v));
    }
    ck_assert(isnan(drae__bf16_to_float(drae__bf16_of(NAN))));
}
END_TEST

START_TEST(tables) {
    size_t n;
    const drae__bf16_kernels *const *list = drae__bf16_kernels_list(&n);
    ck_assert_str_eq(list[n - 1]->name, "portable");
    ck_assert(drae__bf16_kernels_supported(list[n - 1]));
    for (size_t i = 0; i < n; i++) {
        ck_assert_ptr_eq(drae__bf16_kernels_find(list[i]->name), list[i]);
    }
    ck_assert(drae__bf16_kernels_supported(drae__bf16_kernels_find("auto")));
    ck_assert_ptr_null(drae__bf16_kernels_find("sse9"));
}
END_TEST

Suite *suite_infer_bf16(void) {
    Suite *suite = suite_create("infer_bf16");
    TCase *tc = tcase_create("bf16");
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, tables);
    tcase_add_test(tc, rounding);
    tcase_add_test(tc, plain_and_strided);
    tcase_add_test(tc, transposed);
    tcase_add_test(tc, projections_and_residual);
    tcase_add_test(tc, in_parts);
    tcase_add_test(tc, deep);
    tcase_add_test(tc, residual_in_place);
    tcase_add_test(tc, last_layer);
    tcase_add_test(tc, grey_levels);
    suite_add_tcase(suite, tc);
    return suite;
}
