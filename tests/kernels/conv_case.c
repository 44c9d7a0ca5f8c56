/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/kernels/conv_case.h"

#include <math.h>

void conv_begin(const char *word, const drae__conv_shape *s) {
    t_begin("%s %s %dx%dx%dx%d->%d k%d s%d p%d", word, s->transposed ? "convT" : "conv", s->n,
            s->h_in, s->w_in, s->c_in, s->c_out, s->k, s->stride, s->pad);
}

static t_pair fill(size_t n, uint64_t seed, int limit) {
    return limit > 0 ? t_integers(n, seed, limit) : t_uniform(n, seed, -1.0f, 1.0f);
}

conv_case conv_make(const drae__conv_shape *s, int limit) {
    conv_case c = {.s = *s};
    c.h_out = drae__conv_out(s, s->h_in);
    c.w_out = drae__conv_out(s, s->w_in);
    size_t n_src = (size_t)s->n * (size_t)s->h_in * (size_t)s->w_in * (size_t)s->c_in;
    size_t n_dst = (size_t)s->n * (size_t)c.h_out * (size_t)c.w_out * (size_t)s->c_out;
    size_t n_wei = (size_t)s->c_in * (size_t)s->c_out * (size_t)(s->k * s->k);
    c.src = fill(n_src, 1, limit);
    c.wei = fill(n_wei, 2, limit);
    c.bias = fill((size_t)s->c_out, 3, limit);
    c.ddst = fill(n_dst, 4, limit);
    c.dst = t_result(n_dst);
    c.dsrc = t_result(n_src);
    c.dwei = t_result(n_wei);
    c.dbias = t_result((size_t)s->c_out);
    return c;
}

void conv_expect(conv_case *c) {
    drae__ref_conv_fwd(&c->s, c->src.d, c->wei.d, c->bias.d, c->dst.d);
    drae__ref_conv_bwd_data(&c->s, c->ddst.d, c->wei.d, c->dsrc.d);
    drae__ref_conv_bwd_weights(&c->s, c->src.d, c->ddst.d, c->dwei.d, c->dbias.d);
}

static double *absolute(t_pair p) {
    double *copy = t_f64(p.n);
    for (size_t i = 0; i < p.n; i++) {
        copy[i] = fabs(p.d[i]);
    }
    return copy;
}

static void scale(double *bound, size_t n, double factor) {
    for (size_t i = 0; i < n; i++) {
        bound[i] *= factor;
    }
}

void conv_bounds(conv_case *c, double operand_error) {
    double *src = absolute(c->src), *wei = absolute(c->wei), *bias = absolute(c->bias);
    double *ddst = absolute(c->ddst);
    c->dst_bound = t_f64(c->dst.n);
    c->dsrc_bound = t_f64(c->dsrc.n);
    c->dwei_bound = t_f64(c->dwei.n);
    c->dbias_bound = t_f64(c->dbias.n);
    drae__ref_conv_fwd(&c->s, src, wei, bias, c->dst_bound);
    drae__ref_conv_bwd_data(&c->s, ddst, wei, c->dsrc_bound);
    drae__ref_conv_bwd_weights(&c->s, src, ddst, c->dwei_bound, c->dbias_bound);
    double taps = (double)(c->s.k * c->s.k), twice = 2.0 * operand_error;
    double pixels = (double)c->s.n * (double)c->h_out * (double)c->w_out;
    scale(c->dst_bound, c->dst.n, T_EPS * (taps * c->s.c_in + 2.0) + twice);
    scale(c->dsrc_bound, c->dsrc.n, T_EPS * (taps * c->s.c_out + 2.0) + twice);
    scale(c->dwei_bound, c->dwei.n, T_EPS * (pixels + 2.0) + twice);
    scale(c->dbias_bound, c->dbias.n, T_EPS * 2.0);
}
