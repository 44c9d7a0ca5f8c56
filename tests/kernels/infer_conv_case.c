/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/kernels/infer_conv_case.h"

#include <math.h>
#include <stdio.h>

const infer_conv_shape infer_conv_deep = {.kind = DRAE__INFER_CONV3,
                                          .c_in = 320,
                                          .c_out = 16,
                                          .h = 4,
                                          .w = 18,
                                          .proj_c_in = 64,
                                          .proj_stride = 1,
                                          .raw = true,
                                          .act = true};

typedef infer_conv_data conv_data;

static size_t count(int c, int h, int w) {
    return (size_t)c * (size_t)h * (size_t)w;
}

static t_pair values(size_t n, uint64_t seed, int limit) {
    return limit > 0 ? t_integers(n, seed, limit) : t_uniform(n, seed, -1.0f, 1.0f);
}

/* Multiples of six stay exact through the thirds and halves of convolutions by strips. */
static t_pair weights(size_t n, uint64_t seed, int limit) {
    t_pair p = limit > 0 ? t_integers(n, seed, 1) : t_uniform(n, seed, -1.0f, 1.0f);
    for (size_t i = 0; limit > 0 && i < n; i++) {
        p.f[i] *= INFER_CONV_WHOLE;
        p.d[i] *= (double)INFER_CONV_WHOLE;
    }
    return p;
}

infer_conv_data infer_conv_make(const infer_conv_shape *s, int limit) {
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
 * What a result by strips adds up at most, whatever the signs are: for row r of a strip and column
 * c of a pair sum over channels and parts k, l of |A_rk| |P_cl| (|B| |d| |Q|)_kl (|G| |g| |H|)_kl,
 * A, B, G down the columns, P, Q, H along the rows. d and the weights hold absolute values.
 */
enum { DOWN = 6, ALONG = 4, PARTS = DOWN * ALONG };

/* [c_in][strip][pair][PARTS] */
static double *strip_source(const conv_data *d, int strips, int pairs) {
    static const double B[DOWN][6] = {{0.25, 0, 1.25, 0, 1, 0}, {0, 0.25, 0.25, 1, 1, 0},
                                      {0, 0.25, 0.25, 1, 1, 0}, {0, 0.5, 1, 0.5, 1, 0},
                                      {0, 0.5, 1, 0.5, 1, 0},   {0, 0.25, 0, 1.25, 0, 1}};
    static const int Q[ALONG][2] = {{0, 2}, {1, 2}, {1, 2}, {1, 3}};
    const infer_conv_shape *s = &d->s;
    double *v = t_f64(count(s->c_in, strips, pairs) * PARTS), *to = v;
    for (int i = 0; i < s->c_in * strips * pairs; i++) {
        const int ci = i / pairs / strips, y = i / pairs % strips * 4 - 1, x = i % pairs * 2 - 1;
        double rows[6][4] = {{0}};
        for (int t = 0; t < 24; t++) {
            int row = y + t / 4, column = x + t % 4;
            if (row >= 0 && row < s->h && column >= 0 && column < s->w) {
                rows[t / 4][t % 4] = d->o.src.d[count(ci * s->h + row, s->w, 1) + (size_t)column];
            }
        }
        for (int k = 0; k < PARTS; k++) {
            const int *q = Q[k % ALONG];
            double sum = 0.0;
            for (int row = 0; row < 6; row++) {
                sum += B[k / ALONG][row] * (rows[row][q[0]] + rows[row][q[1]]);
            }
            *to++ = sum;
        }
    }
    return v;
}

/* [c_out][c_in][PARTS] of the windows 3x3 that give results of a phase; CONV3 has phase 0 alone. */
static double *strip_weights(const conv_data *d, int phase) {
    static const double G[DOWN][3] = {{4, 0, 0},
                                      {2 / 3.0, 2 / 3.0, 2 / 3.0},
                                      {2 / 3.0, 2 / 3.0, 2 / 3.0},
                                      {8 / 3.0, 4 / 3.0, 2 / 3.0},
                                      {8 / 3.0, 4 / 3.0, 2 / 3.0},
                                      {0, 0, 1}};
    static const double H[ALONG][3] = {{1, 0, 0}, {0.5, 0.5, 0.5}, {0.5, 0.5, 0.5}, {0, 0, 1}};
    static const int tap[2][3] = {{3, 1, -1}, {-1, 2, 0}};
    const infer_conv_shape *s = &d->s;
    double *u = t_f64((size_t)(s->c_out * s->c_in) * PARTS), *to = u;
    for (int i = 0; i < s->c_out * s->c_in; i++) {
        const int co = i / s->c_in, ci = i % s->c_in;
        double g[9];
        for (int t = 0; t < 9; t++) {
            int ky = tap[phase / 2][t / 3], kx = tap[phase % 2][t % 3];
            g[t] = s->kind == DRAE__INFER_CONV3 ? d->o.wei.d[(size_t)i * 9 + (size_t)t]
                   : ky < 0 || kx < 0           ? 0.0
                                      : d->o.wei.d[(ci * s->c_out + co) * 16 + 4 * ky + kx];
        }
        for (int k = 0; k < PARTS; k++) {
            double sum = 0.0;
            for (int t = 0; t < 9; t++) {
                sum += G[k / ALONG][t / 3] * H[k % ALONG][t % 3] * g[t];
            }
            *to++ = sum;
        }
    }
    return u;
}

/* Bounds of convolutions by strips from those of direct ones; absolute values as above. */
static void strip_bounds(const conv_data *d, const double *raw, const double *act,
                         double *raw_strip, double *act_strip) {
    static const double A[4][DOWN] = {{1, 1, 1, 1, 1, 0},
                                      {0, 1, 1, 0.5, 0.5, 0},
                                      {0, 1, 1, 0.25, 0.25, 0},
                                      {0, 1, 1, 0.125, 0.125, 1}};
    const infer_conv_shape *s = &d->s;
    const int up = s->kind == DRAE__INFER_CONVT4 ? 2 : 1;
    const int strips = (s->h + 3) / 4, pairs = (s->w + 1) / 2;
    const double *v = strip_source(d, strips, pairs);
    const double *u[4] = {NULL, NULL, NULL, NULL};
    for (int phase = 0; phase < up * up; phase++) {
        u[phase] = strip_weights(d, phase);
    }
    for (size_t i = 0; i < d->o.raw.n; i++) {
        const int column = (int)i % d->w_out, row = (int)i / d->w_out % d->h_out;
        const int co = (int)i / d->w_out / d->h_out, y = row / up, x = column / up;
        const int phase = up == 1 ? 0 : 2 * (row % 2) + column % 2;
        double sum = 0.0;
        for (int ci = 0; ci < s->c_in; ci++) {
            const double *pv =
                v + count(ci * strips + y / 4, pairs, PARTS) + (size_t)(x / 2) * PARTS;
            const double *pu = u[phase] + (size_t)(co * s->c_in + ci) * PARTS;
            for (int k = 0; k < PARTS; k++) {
                bool counts = k % ALONG != (x % 2 == 0 ? 3 : 0);
                sum += counts ? A[y % 4][k / ALONG] * pv[k] * pu[k] : 0.0;
            }
        }
        /* A chain of c_in terms, the transforms before and after it. */
        double more = 2.0 * (s->c_in + 16.0) * T_EPS * sum;
        raw_strip[i] = raw[i] + more;
        act_strip[i] = act[i] + fabs(d->o.scale.d[co]) * more;
    }
}

/* Times the sums of absolute values. */
void infer_conv_bounds(infer_conv_data *d, double *raw_bound, double *act_bound) {
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
    int most = s->c_in > s->c_out ? s->c_in : s->c_out;
    size_t scratch = drae__infer_conv_scratch(kernels, most > s->proj_c_in ? most : s->proj_c_in);
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
    conv_data d = infer_conv_make(s, limit);
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
        infer_conv_bounds(&d, raw_bound[0], act_bound[0]);
        if (s->kind != DRAE__INFER_CONV3S2) {
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
