/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Convolution and transposed convolution, the oracle. Every pass is the same sum over (input pixel,
 * output pixel, tap) triples that touch each other, written from the side that is computed:
 *   convolution   y_in = stride y_out - pad + ky,   weights [c_out,c_in,k,k]
 *   transposed    y_out = stride y_in - pad + ky,   weights [c_in,c_out,k,k]
 */
#include "kernels/conv.h"

/* Index of weight (c_out, c_in, ky, kx) in the model's layout. */
static size_t wei_at(const drae__conv_shape *s, int co, int ci, int ky, int kx) {
    size_t k = (size_t)s->k;
    size_t row = s->transposed ? (size_t)ci * (size_t)s->c_out + (size_t)co
                               : (size_t)co * (size_t)s->c_in + (size_t)ci;
    return (row * k + (size_t)ky) * k + (size_t)kx;
}

static size_t pixel(int n, int y, int x, int h, int w, int c) {
    return (((size_t)n * (size_t)h + (size_t)y) * (size_t)w + (size_t)x) * (size_t)c;
}

/* The input coordinate that tap k of output coordinate o reads, or -1 where there is none. */
static int input_of(const drae__conv_shape *s, int o, int k, int size_in) {
    int i;
    if (s->transposed) {
        int t = o + s->pad - k;
        if (t < 0 || t % s->stride != 0) {
            return -1;
        }
        i = t / s->stride;
    } else {
        i = o * s->stride - s->pad + k;
    }
    return i >= 0 && i < size_in ? i : -1;
}

typedef struct triple {
    size_t in, out; /* first channel of the two pixels */
    int ky, kx;
} triple;

typedef void (*visit)(const drae__conv_shape *s, const triple *t, const double *a, const double *b,
                      double *result);

/* Calls f for every triple, output pixels in order, taps in order. */
static void walk(const drae__conv_shape *s, visit f, const double *a, const double *b,
                 double *result) {
    int h_out = drae__conv_out(s, s->h_in), w_out = drae__conv_out(s, s->w_in);
    for (int n = 0; n < s->n; n++) {
        for (int y = 0; y < h_out; y++) {
            for (int x = 0; x < w_out; x++) {
                for (int ky = 0; ky < s->k; ky++) {
                    for (int kx = 0; kx < s->k; kx++) {
                        int iy = input_of(s, y, ky, s->h_in), ix = input_of(s, x, kx, s->w_in);
                        if (iy < 0 || ix < 0) {
                            continue;
                        }
                        triple t = {pixel(n, iy, ix, s->h_in, s->w_in, s->c_in),
                                    pixel(n, y, x, h_out, w_out, s->c_out), ky, kx};
                        f(s, &t, a, b, result);
                    }
                }
            }
        }
    }
}

static void zero(size_t n, double *dst) {
    for (size_t i = 0; i < n; i++) {
        dst[i] = 0.0;
    }
}

static size_t src_elems(const drae__conv_shape *s) {
    return pixel(s->n, 0, 0, s->h_in, s->w_in, s->c_in);
}

static size_t dst_elems(const drae__conv_shape *s) {
    return pixel(s->n, 0, 0, drae__conv_out(s, s->h_in), drae__conv_out(s, s->w_in), s->c_out);
}

static void visit_fwd(const drae__conv_shape *s, const triple *t, const double *src,
                      const double *wei, double *dst) {
    for (int co = 0; co < s->c_out; co++) {
        for (int ci = 0; ci < s->c_in; ci++) {
            dst[t->out + (size_t)co] +=
                src[t->in + (size_t)ci] * wei[wei_at(s, co, ci, t->ky, t->kx)];
        }
    }
}

void drae__ref_conv_fwd(const drae__conv_shape *shape, const double *src, const double *wei,
                        const double *bias, double *dst) {
    size_t n = dst_elems(shape);
    zero(n, dst);
    walk(shape, visit_fwd, src, wei, dst);
    for (size_t i = 0; bias != NULL && i < n; i++) {
        dst[i] += bias[i % (size_t)shape->c_out];
    }
}

static void visit_bwd_data(const drae__conv_shape *s, const triple *t, const double *ddst,
                           const double *wei, double *dsrc) {
    for (int co = 0; co < s->c_out; co++) {
        for (int ci = 0; ci < s->c_in; ci++) {
            dsrc[t->in + (size_t)ci] +=
                ddst[t->out + (size_t)co] * wei[wei_at(s, co, ci, t->ky, t->kx)];
        }
    }
}

void drae__ref_conv_bwd_data(const drae__conv_shape *shape, const double *ddst, const double *wei,
                             double *dsrc) {
    zero(src_elems(shape), dsrc);
    walk(shape, visit_bwd_data, ddst, wei, dsrc);
}

static void visit_bwd_weights(const drae__conv_shape *s, const triple *t, const double *src,
                              const double *ddst, double *dwei) {
    for (int co = 0; co < s->c_out; co++) {
        for (int ci = 0; ci < s->c_in; ci++) {
            dwei[wei_at(s, co, ci, t->ky, t->kx)] +=
                src[t->in + (size_t)ci] * ddst[t->out + (size_t)co];
        }
    }
}

void drae__ref_conv_bwd_weights(const drae__conv_shape *shape, const double *src,
                                const double *ddst, double *dwei, double *dbias) {
    zero((size_t)shape->c_out * (size_t)shape->c_in * (size_t)(shape->k * shape->k), dwei);
    walk(shape, visit_bwd_weights, src, ddst, dwei);
    if (dbias != NULL) {
        zero((size_t)shape->c_out, dbias);
        size_t n = dst_elems(shape);
        for (size_t i = 0; i < n; i++) {
            dbias[i % (size_t)shape->c_out] += ddst[i];
        }
    }
}
