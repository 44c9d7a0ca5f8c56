/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/kernels/infer_conv_case.h"

#include <math.h>
#include <stdio.h>

typedef struct conv_data {
    infer_conv_shape s;
    int h_out, w_out, h_proj, w_proj;
    infer_conv_operands o;
} conv_data;

static size_t count(int c, int h, int w) {
    return (size_t)c * (size_t)h * (size_t)w;
}

static t_pair values(size_t n, uint64_t seed, int limit) {
    return limit > 0 ? t_integers(n, seed, limit) : t_uniform(n, seed, -1.0f, 1.0f);
}

/* Multiples of three stay exact through the thirds of convolutions by strips. */
static t_pair weights(size_t n, uint64_t seed, int limit) {
    t_pair p = limit > 0 ? t_integers(n, seed, 1) : t_uniform(n, seed, -1.0f, 1.0f);
    for (size_t i = 0; limit > 0 && i < n; i++) {
        p.f[i] *= 3.0f;
        p.d[i] *= 3.0;
    }
    return p;
}

static conv_data make(const infer_conv_shape *s, int limit) {
    conv_data d = {.s = *s};
    bool up = s->kind == DRAE__INFER_CONVT4;
    size_t taps = up ? 16 : 9, proj_taps = up ? 4 : 1;
    d.h_out = up ? 2 * s->h : s->kind == DRAE__INFER_CONV3S2 ? s->h / 2 : s->h;
    d.w_out = up ? 2 * s->w : s->kind == DRAE__INFER_CONV3S2 ? s->w / 2 : s->w;
    d.h_proj = s->h * (up ? 1 : s->proj_stride);
    d.w_proj = s->w * (up ? 1 : s->proj_stride);
    size_t out = count(s->c_out, d.h_out, d.w_out);
    d.o.src = values(count(s->c_in, s->h, s->w), 1, limit);
    d.o.wei = weights((size_t)s->c_in * (size_t)s->c_out * taps, 2, limit);
    if (s->proj_c_in > 0) {
        d.o.proj = values(count(s->proj_c_in, d.h_proj, d.w_proj), 3, limit);
        d.o.proj_wei = values((size_t)s->proj_c_in * (size_t)s->c_out * proj_taps, 4, limit);
    }
    if (s->residual) {
        d.o.residual = values(out, 5, limit);
    }
    d.o.scale = values((size_t)s->c_out, 6, limit);
    d.o.shift = values((size_t)s->c_out, 7, limit);
    d.o.raw = t_result(out);
    d.o.act = t_result(out);
    return d;
}

void infer_conv_expect(const infer_conv_shape *s, const infer_conv_operands *o) {
    const drae__ref_infer_op op = {
        .kind = s->kind,
        .c_in = s->c_in,
        .c_out = s->c_out,
        .h_in = s->h,
        .w_in = s->w,
        .src = o->src.d,
        .wei = o->wei.d,
        .proj = {.c_in = s->proj_c_in,
                 .stride = s->proj_stride,
                 .src = s->proj_c_in > 0 ? o->proj.d : NULL,
                 .wei = s->proj_c_in > 0 ? o->proj_wei.d : NULL},
        .residual = s->residual ? o->residual.d : NULL,
        .scale = o->scale.d,
        .shift = o->shift.d,
        .slope = INFER_CONV_SLOPE,
        .raw = o->raw.d,
        .act = o->act.d,
    };
    drae__ref_infer_conv(&op);
}

static void absolute(t_pair p) {
    for (size_t i = 0; i < p.n; i++) {
        p.d[i] = fabs(p.d[i]);
    }
}

void infer_conv_sums(const infer_conv_shape *s, infer_conv_operands *o, double *sums) {
    absolute(o->src);
    absolute(o->wei);
    absolute(o->proj);
    absolute(o->proj_wei);
    absolute(o->residual);
    infer_conv_operands of_sums = *o;
    of_sums.raw.d = sums;
    of_sums.act.d = t_f64(o->act.n);
    infer_conv_expect(s, &of_sums);
}

/*
 * What the four rows of a strip add up at most, whatever the signs are: for output row r of a strip
 *     sum over channels, columns and parts k of |A_rk| (|B| |d|)_k (|G| |g|)_k.
 * d and wei hold absolute values.
 */
static double strip_sum(const conv_data *d, int co, int y, int x) {
    static const double A[4][6] = {{1, 1, 1, 1, 1, 0},
                                   {0, 1, 1, 0.5, 0.5, 0},
                                   {0, 1, 1, 0.25, 0.25, 0},
                                   {0, 1, 1, 0.125, 0.125, 1}};
    static const double B[6][6] = {{0.25, 0, 1.25, 0, 1, 0}, {0, 0.25, 0.25, 1, 1, 0},
                                   {0, 0.25, 0.25, 1, 1, 0}, {0, 0.5, 1, 0.5, 1, 0},
                                   {0, 0.5, 1, 0.5, 1, 0},   {0, 0.25, 0, 1.25, 0, 1}};
    static const double G[6][3] = {{4, 0, 0},
                                   {2 / 3.0, 2 / 3.0, 2 / 3.0},
                                   {2 / 3.0, 2 / 3.0, 2 / 3.0},
                                   {8 / 3.0, 4 / 3.0, 2 / 3.0},
                                   {8 / 3.0, 4 / 3.0, 2 / 3.0},
                                   {0, 0, 1}};
    const infer_conv_shape *s = &d->s;
    double sum = 0.0;
    for (int ci = 0; ci < s->c_in; ci++) {
        for (int column = 0; column < 3; column++) {
            int at = x + column - 1;
            for (int k = 0; at >= 0 && at < s->w && k < 6; k++) {
                double v = 0.0, u = 0.0;
                for (int i = 0; i < 6; i++) {
                    int row = y / 4 * 4 - 1 + i;
                    if (row >= 0 && row < s->h) {
                        v += B[k][i] * d->o.src.d[count(ci * s->h + row, s->w, 1) + (size_t)at];
                    }
                }
                for (int t = 0; t < 3; t++) {
                    u += G[k][t] * d->o.wei.d[(co * s->c_in + ci) * 9 + 3 * t + column];
                }
                sum += A[y % 4][k] * v * u;
            }
        }
    }
    return sum;
}

/* Bounds of convolutions by strips from those of direct ones; absolute values as above. */
static void strip_bounds(const conv_data *d, const double *raw, const double *act,
                         double *raw_strip, double *act_strip) {
    const infer_conv_shape *s = &d->s;
    for (size_t i = 0; i < d->o.raw.n; i++) {
        int x = (int)i % s->w, y = (int)i / s->w % s->h, co = (int)i / s->w / s->h;
        /* A chain of 3 c_in terms, the transforms before and after it. */
        double more = 2.0 * (3.0 * s->c_in + 12.0) * T_EPS * strip_sum(d, co, y, x);
        raw_strip[i] = raw[i] + more;
        act_strip[i] = act[i] + fabs(d->o.scale.d[co]) * more;
    }
}

/* The rounding of a chain of that length, times the sums of absolute values. */
static void bounds(conv_data *d, double *raw_bound, double *act_bound) {
    const infer_conv_shape *s = &d->s;
    size_t out = d->o.raw.n, plane = out / (size_t)s->c_out;
    double *sums = t_f64(out), terms = 9.0 * s->c_in + s->proj_c_in + 2.0;
    infer_conv_sums(s, &d->o, sums);
    for (size_t i = 0; i < out; i++) {
        double scale = fabs(d->o.scale.d[i / plane]), shift = fabs(d->o.shift.d[i / plane]);
        raw_bound[i] = 2.0 * terms * T_EPS * sums[i];
        act_bound[i] = scale * raw_bound[i] + 4.0 * T_EPS * (scale * sums[i] + shift);
    }
}

/* One table: packs, runs, takes the results. src, proj and residual are shared by all tables. */
typedef struct conv_maps {
    infer_map src, proj, residual;
} conv_maps;

static void run(const drae__infer_kernels *kernels, const conv_data *d, const conv_maps *maps) {
    const infer_conv_shape *s = &d->s;
    infer_map raw = infer_map_make(s->c_out, d->h_out, d->w_out, NULL);
    infer_map act = infer_map_make(s->c_out, d->h_out, d->w_out, NULL);
    float *wei = t_f32(drae__infer_conv_weights(kernels, s->kind, s->c_in, s->c_out));
    size_t scratch = drae__infer_conv_scratch(kernels, s->c_in);
    drae__infer_pack_conv(kernels, s->kind, s->c_in, s->c_out, d->o.wei.f, wei);
    drae__infer_conv op = {
        .kind = s->kind,
        .c_in = s->c_in,
        .c_out = s->c_out,
        .src_map = maps->src.g,
        .dst_map = raw.g,
        .src = maps->src.at,
        .wei = wei,
        .residual = maps->residual.at,
        .scale = d->o.scale.f,
        .shift = d->o.shift.f,
        .slope = (float)INFER_CONV_SLOPE,
        .raw = s->raw ? raw.at : NULL,
        .act = s->act ? act.at : NULL,
        .scratch = scratch > 0 ? t_f32(scratch) : NULL,
    };
    if (s->proj_c_in > 0) {
        float *proj_wei = t_f32(d->o.proj_wei.n);
        drae__infer_pack_proj(kernels, s->kind, s->proj_c_in, s->c_out, d->o.proj_wei.f, proj_wei);
        op.proj.c_in = s->proj_c_in;
        op.proj.map = maps->proj.g;
        op.proj.src = maps->proj.at;
        op.proj.wei = proj_wei;
    }
    kernels->conv(&op);
    infer_map_take(&raw, d->o.raw.f);
    infer_map_take(&act, d->o.act.f);
}

static void compare(const char *kernels, const char *what, t_pair result, const double *bound) {
    char text[64];
    (void)snprintf(text, sizeof text, "%s: %s", kernels, what);
    if (bound == NULL) {
        t_equal(text, result);
    } else {
        (void)t_within(text, result, bound);
    }
}

void infer_conv_check(const infer_conv_shape *s, int limit) {
    t_begin("conv kind %d %dx%dx%d->%d proj %d/%d%s%s%s limit %d", (int)s->kind, s->c_in, s->h,
            s->w, s->c_out, s->proj_c_in, s->proj_stride, s->residual ? " residual" : "",
            s->raw ? " raw" : "", s->act ? " act" : "", limit);
    conv_data d = make(s, limit);
    conv_maps maps = {.src = infer_map_make(s->c_in, s->h, s->w, d.o.src.f)};
    if (s->proj_c_in > 0) {
        maps.proj = infer_map_make(s->proj_c_in, d.h_proj, d.w_proj, d.o.proj.f);
    }
    if (s->residual) {
        maps.residual = infer_map_make(s->c_out, d.h_out, d.w_out, d.o.residual.f);
    }
    /* [0] of direct sums, [1] of those by strips */
    double *raw_bound[2] = {NULL, NULL}, *act_bound[2] = {NULL, NULL};
    infer_conv_expect(s, &d.o);
    if (limit == 0) {
        for (int i = 0; i < 2; i++) {
            raw_bound[i] = t_f64(d.o.raw.n);
            act_bound[i] = t_f64(d.o.raw.n);
        }
        bounds(&d, raw_bound[0], act_bound[0]);
        if (s->kind == DRAE__INFER_CONV3) {
            strip_bounds(&d, raw_bound[0], act_bound[0], raw_bound[1], act_bound[1]);
        }
    }
    const drae__infer_kernels *kernels;
    for (size_t t = 0; (kernels = infer_table(t)) != NULL; t++) {
        int strips = drae__infer_by_strips(kernels, s->kind, s->c_in);
        run(kernels, &d, &maps);
        if (s->raw) {
            compare(kernels->name, "raw", d.o.raw, raw_bound[strips]);
        }
        if (s->act) {
            compare(kernels->name, "act", d.o.act, act_bound[strips]);
        }
    }
    t_end();
}
