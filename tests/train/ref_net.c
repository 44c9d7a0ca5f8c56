/* SPDX-License-Identifier: Apache-2.0 */
#include "ref_net.h"

#include "kernels/bn_act.h"
#include "kernels/conv.h"
#include "kernels/linear.h"
#include "kernels/loss.h"
#include "kernels/pointwise.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

/* ---- memory ---- */

static double **pool;
static size_t pool_n;

static double *room(size_t n) {
    pool = realloc(pool, (pool_n + 1) * sizeof *pool);
    double *values = calloc(n, sizeof *values);
    ck_assert(pool != NULL && values != NULL);
    return pool[pool_n++] = values;
}

static void release_from(size_t mark) {
    while (pool_n > mark) {
        free(pool[--pool_n]);
    }
}

void r_release(void) {
    release_from(0);
    free(pool);
    pool = NULL;
}

static double *doubles(const float *values, size_t n) {
    double *copy = room(n);
    for (size_t i = 0; i < n; i++) {
        copy[i] = (double)values[i];
    }
    return copy;
}

r_nets r_nets_of(const drae__trainer *t) {
    r_nets nets = {
        .arch = t->model.arch, .at = t->at, .sigmoid_slope = t->config.loss.sigmoid_slope};
    for (int net = 0; net < DRAE__NETS; net++) {
        nets.total[net] = t->model.params[net].total;
        nets.params[net] = doubles(t->model.data[net], nets.total[net]);
        nets.grads[net] = room(nets.total[net]);
    }
    return nets;
}

r_batch r_batch_of(const drae__batch *b, int size) {
    size_t count = b->n * (size_t)size * (size_t)size;
    return (r_batch){.n = b->n,
                     .x = doubles(b->x, count),
                     .x_star = doubles(b->x_star, count),
                     .mask = doubles(b->mask, count),
                     .noise = doubles(b->noise, count),
                     .beta = doubles(b->beta, b->n)};
}

/* ---- layers ---- */

typedef struct graph {
    const drae__arch *arch;
    double sigmoid_slope; /* loss.sigmoid_slope */
    int n;
    const double *params;
    double *grads; /* NULL: not wanted */
} graph;

typedef struct bn {
    double *mean, *rstd;
} bn;

static double *bn_act(const graph *g, size_t m, size_t c, const drae__bn_at *at, const double *src,
                      bn *stats) {
    double *dst = room(m * c);
    stats->mean = room(c);
    stats->rstd = room(c);
    drae__ref_bn_act_fwd(m, c, (double)g->arch->bn_eps, (double)g->arch->slope, 0.0, src,
                         g->params + at->gamma, g->params + at->beta, stats->mean, stats->rstd,
                         NULL, NULL, dst);
    return dst;
}

static double *bn_act_back(const graph *g, size_t m, size_t c, const drae__bn_at *at,
                           const double *src, const bn *stats, const double *ddst) {
    double *dsrc = room(m * c);
    drae__ref_bn_act_bwd(m, c, (double)g->arch->slope, src, g->params + at->gamma,
                         g->params + at->beta, stats->mean, stats->rstd, ddst, NULL, dsrc,
                         g->grads == NULL ? NULL : g->grads + at->gamma,
                         g->grads == NULL ? NULL : g->grads + at->beta);
    return dsrc;
}

static size_t rows_out(const drae__conv_shape *s) {
    return (size_t)s->n * (size_t)drae__conv_out(s, s->h_in) * (size_t)drae__conv_out(s, s->w_in);
}

static double *conv(const graph *g, const drae__conv_shape *s, size_t wei, const double *src) {
    double *dst = room(rows_out(s) * (size_t)s->c_out);
    drae__ref_conv_fwd(s, src, g->params + wei, NULL, dst);
    return dst;
}

static double *conv_back(const graph *g, const drae__conv_shape *s, size_t wei, const double *src,
                         const double *ddst) {
    double *dsrc = room((size_t)(s->n * s->h_in * s->w_in * s->c_in));
    drae__ref_conv_bwd_data(s, ddst, g->params + wei, dsrc);
    if (g->grads != NULL) {
        drae__ref_conv_bwd_weights(s, src, ddst, g->grads + wei, NULL);
    }
    return dsrc;
}

static void add(size_t n, double *a, const double *b) {
    drae__ref_add(n, a, b, a);
}

/* ---- a block, straight from the description ---- */

typedef struct block_tape {
    const double *x;
    double *p, *y, *q;
    bn bn1, bn2;
} block_tape;

typedef struct block_plan {
    drae__conv_shape conv1, conv2, proj;
    size_t m_in, m_mid, c_in, c_out, count_in, count_out;
    bool identity;
} block_plan;

static block_plan plan_of(const drae__block *b, int n) {
    bool c = b->role == DRAE__ROLE_C, encoder = b->half == DRAE__HALF_ENCODER;
    drae__conv_shape base = {.n = n,
                             .h_in = b->h_in,
                             .w_in = b->h_in,
                             .c_in = b->c_in,
                             .c_out = b->c_out,
                             .k = 3,
                             .stride = 1,
                             .pad = 1};
    block_plan p = {
        .conv1 = base, .conv2 = base, .proj = base, .identity = b->role == DRAE__ROLE_B};
    p.conv1.stride = c && encoder ? 2 : 1;
    p.conv2.h_in = p.conv2.w_in = drae__conv_out(&p.conv1, b->h_in);
    p.conv2.c_in = b->c_out;
    p.proj.k = 1;
    p.proj.pad = 0;
    p.proj.stride = c ? 2 : 1;
    if (c && !encoder) {
        p.conv2.k = 4;
        p.conv2.stride = 2;
        p.conv2.transposed = true;
        p.proj.k = 2;
        p.proj.transposed = true;
    }
    p.m_in = (size_t)(n * b->h_in * b->h_in);
    p.m_mid = rows_out(&p.conv1);
    p.c_in = (size_t)b->c_in;
    p.c_out = (size_t)b->c_out;
    p.count_in = p.m_in * p.c_in;
    p.count_out = rows_out(&p.conv2) * p.c_out;
    return p;
}

static double *block(const graph *g, const drae__block *b, const drae__block_at *at,
                     const double *x, block_tape *tape) {
    block_plan p = plan_of(b, g->n);
    tape->x = x;
    tape->p = bn_act(g, p.m_in, p.c_in, &at->bn1, x, &tape->bn1);
    tape->y = conv(g, &p.conv1, at->conv1, tape->p);
    tape->q = bn_act(g, p.m_mid, p.c_out, &at->bn2, tape->y, &tape->bn2);
    double *dst = conv(g, &p.conv2, at->conv2, tape->q);
    add(p.count_out, dst, p.identity ? x : conv(g, &p.proj, at->proj, tape->p));
    return dst;
}

static double *block_back(const graph *g, const drae__block *b, const drae__block_at *at,
                          const block_tape *tape, const double *d) {
    block_plan p = plan_of(b, g->n);
    double *dq = conv_back(g, &p.conv2, at->conv2, tape->q, d);
    double *dy = bn_act_back(g, p.m_mid, p.c_out, &at->bn2, tape->y, &tape->bn2, dq);
    double *dp = conv_back(g, &p.conv1, at->conv1, tape->p, dy);
    if (!p.identity) {
        add(p.count_in, dp, conv_back(g, &p.proj, at->proj, tape->p, d));
    }
    double *dx = bn_act_back(g, p.m_in, p.c_in, &at->bn1, tape->x, &tape->bn1, dp);
    if (p.identity) {
        add(p.count_in, dx, d);
    }
    return dx;
}

/* ---- halves ---- */

typedef struct half_tape {
    const double *image;
    block_tape blocks[DRAE__BLOCKS];
    double *top;
    bn last;
    double *feat; /* act(bn(top)) */
    double *flat; /* encoder: C,H,W order; decoder: act(up) in that order */
} half_tape;

static drae__conv_shape edge_conv(const graph *g, int c_in, int c_out) {
    return (drae__conv_shape){.n = g->n,
                              .h_in = g->arch->size,
                              .w_in = g->arch->size,
                              .c_in = c_in,
                              .c_out = c_out,
                              .k = 3,
                              .stride = 1,
                              .pad = 1};
}

static size_t small_channels(const graph *g) {
    return (size_t)drae__arch_channels(g->arch, DRAE__STAGES - 1);
}

static size_t small_pixels(const graph *g) {
    return drae__arch_small_elems(g->arch) / small_channels(g);
}

/* [n,hw,c] -> [n,c,hw]; the other way round with hw and c exchanged. */
static double *turn(size_t n, size_t hw, size_t c, const double *src) {
    double *dst = room(n * hw * c);
    for (size_t i = 0; i < n; i++) {
        for (size_t p = 0; p < hw; p++) {
            for (size_t k = 0; k < c; k++) {
                dst[(i * c + k) * hw + p] = src[(i * hw + p) * c + k];
            }
        }
    }
    return dst;
}

static void encoder(const graph *g, const drae__offsets *at, const double *image, half_tape *t) {
    drae__block blocks[DRAE__BLOCKS];
    drae__arch_blocks(g->arch, DRAE__HALF_ENCODER, blocks);
    drae__conv_shape stem = edge_conv(g, 1, g->arch->width);
    t->image = image;
    double *x = conv(g, &stem, at->stem, image);
    for (int i = 0; i < DRAE__BLOCKS; i++) {
        x = block(g, &blocks[i], &at->blocks[DRAE__HALF_ENCODER][i], x, &t->blocks[i]);
    }
    size_t n = (size_t)g->n;
    t->top = x;
    t->feat = bn_act(g, n * small_pixels(g), small_channels(g), &at->head, x, &t->last);
    t->flat = turn(n, small_pixels(g), small_channels(g), t->feat);
}

static double *encoder_back(const graph *g, const drae__offsets *at, const half_tape *t,
                            const double *d_feat) {
    drae__block blocks[DRAE__BLOCKS];
    drae__arch_blocks(g->arch, DRAE__HALF_ENCODER, blocks);
    drae__conv_shape stem = edge_conv(g, 1, g->arch->width);
    double *d = bn_act_back(g, (size_t)g->n * small_pixels(g), small_channels(g), &at->head, t->top,
                            &t->last, d_feat);
    for (int i = DRAE__BLOCKS - 1; i >= 0; i--) {
        d = block_back(g, &blocks[i], &at->blocks[DRAE__HALF_ENCODER][i], &t->blocks[i], d);
    }
    return conv_back(g, &stem, at->stem, t->image, d);
}

static double *dense(const graph *g, size_t in, size_t out, const drae__dense_at *at,
                     const double *src, bool act) {
    double *dst = room((size_t)g->n * out);
    drae__ref_linear_fwd((size_t)g->n, in, out, src, g->params + at->weight, g->params + at->bias,
                         dst);
    if (act) {
        drae__ref_leaky_fwd((size_t)g->n * out, (double)g->arch->slope, dst, dst);
    }
    return dst;
}

/* dst: the forward result, whose sign is that of its argument. */
static double *dense_back(const graph *g, size_t in, size_t out, const drae__dense_at *at,
                          const double *src, const double *dst, double *ddst) {
    double *dsrc = room((size_t)g->n * in);
    if (dst != NULL) {
        drae__ref_leaky_bwd((size_t)g->n * out, (double)g->arch->slope, dst, ddst, ddst);
    }
    drae__ref_linear_bwd((size_t)g->n, in, out, src, g->params + at->weight, ddst, dsrc,
                         g->grads == NULL ? NULL : g->grads + at->weight,
                         g->grads == NULL ? NULL : g->grads + at->bias);
    return dsrc;
}

static double *decoder(const graph *g, const drae__offsets *at, const double *code, half_tape *t) {
    drae__block blocks[DRAE__BLOCKS];
    drae__arch_blocks(g->arch, DRAE__HALF_DECODER, blocks);
    size_t n = (size_t)g->n, small = drae__arch_small_elems(g->arch);
    size_t pixels = n * (size_t)(g->arch->size * g->arch->size);
    drae__conv_shape out = edge_conv(g, g->arch->width, 1);
    t->flat = dense(g, (size_t)g->arch->latent, small, &at->up, code, true);
    double *x = turn(n, small_channels(g), small_pixels(g), t->flat);
    for (int i = 0; i < DRAE__BLOCKS; i++) {
        x = block(g, &blocks[i], &at->blocks[DRAE__HALF_DECODER][i], x, &t->blocks[i]);
    }
    t->top = x;
    t->feat = bn_act(g, pixels, (size_t)g->arch->width, &at->out_bn, x, &t->last);
    double *image = room(pixels);
    drae__ref_conv_fwd(&out, t->feat, g->params + at->out.weight, g->params + at->out.bias, image);
    drae__ref_sigmoid_fwd(pixels, image, image);
    return image;
}

static double *decoder_back(const graph *g, const drae__offsets *at, const half_tape *t,
                            const double *code, const double *image, double *d_image) {
    drae__block blocks[DRAE__BLOCKS];
    drae__arch_blocks(g->arch, DRAE__HALF_DECODER, blocks);
    size_t n = (size_t)g->n, small = drae__arch_small_elems(g->arch);
    size_t pixels = n * (size_t)(g->arch->size * g->arch->size);
    drae__conv_shape out = edge_conv(g, g->arch->width, 1);
    drae__ref_sigmoid_bwd(pixels, g->sigmoid_slope, image, d_image, d_image);
    drae__ref_conv_bwd_weights(&out, t->feat, d_image, g->grads + at->out.weight,
                               g->grads + at->out.bias);
    double *d = room(pixels * (size_t)g->arch->width);
    drae__ref_conv_bwd_data(&out, d_image, g->params + at->out.weight, d);
    d = bn_act_back(g, pixels, (size_t)g->arch->width, &at->out_bn, t->top, &t->last, d);
    for (int i = DRAE__BLOCKS - 1; i >= 0; i--) {
        d = block_back(g, &blocks[i], &at->blocks[DRAE__HALF_DECODER][i], &t->blocks[i], d);
    }
    d = turn(n, small_pixels(g), small_channels(g), d);
    return dense_back(g, (size_t)g->arch->latent, small, &at->up, code, t->flat, d);
}

/* ---- losses ---- */

static graph graph_of(const r_nets *nets, drae__net net, size_t n, bool gradients) {
    return (graph){.arch = &nets->arch,
                   .sigmoid_slope = nets->sigmoid_slope,
                   .n = (int)n,
                   .params = nets->params[net],
                   .grads = gradients ? nets->grads[net] : NULL};
}

double *r_reconstruct(const r_nets *nets, const r_batch *b) {
    graph g = graph_of(nets, DRAE__NET_GENERATOR, b->n, false);
    const drae__offsets *at = &nets->at[DRAE__NET_GENERATOR];
    half_tape e, d;
    encoder(&g, at, b->x_star, &e);
    double *code = dense(&g, drae__arch_small_elems(&nets->arch), (size_t)nets->arch.latent,
                         &at->down, e.flat, true);
    return decoder(&g, at, code, &d);
}

double r_generator_loss(const r_nets *nets, const r_batch *b, bool gradients) {
    const drae__train_config weights = drae__train_config_default();
    size_t mark = pool_n;
    size_t n = b->n, small = drae__arch_small_elems(&nets->arch);
    size_t latent = (size_t)nets->arch.latent, size = (size_t)nets->arch.size;
    size_t pixels = size * size;
    graph g = graph_of(nets, DRAE__NET_GENERATOR, n, gradients);
    graph g2 = graph_of(nets, DRAE__NET_ENCODER2, n, gradients);
    graph gd = graph_of(nets, DRAE__NET_DISCRIMINATOR, n, false);
    const drae__offsets *at = &nets->at[DRAE__NET_GENERATOR];
    const drae__offsets *at2 = &nets->at[DRAE__NET_ENCODER2];
    const drae__offsets *atd = &nets->at[DRAE__NET_DISCRIMINATOR];
    half_tape e, d, e2, real, fake;
    encoder(&g, at, b->x_star, &e);
    double *code = dense(&g, small, latent, &at->down, e.flat, true);
    double *image = decoder(&g, at, code, &d);
    encoder(&g2, at2, image, &e2);
    double *code2 = dense(&g2, small, latent, &at2->down, e2.flat, true);
    encoder(&gd, atd, b->x, &real);
    encoder(&gd, atd, image, &fake);

    double *d_image = room(n * pixels), *part = room(pixels);
    double *d_feat = room(n * small), *d_code = room(n * latent), *d_code2 = room(n * latent);
    double ssim = 0.0;
    for (size_t i = 0; i < n; i++) {
        const double *x = b->x + i * pixels, *y = image + i * pixels;
        ssim += (1.0 - drae__ref_ssim(DRAE__SSIM_GAUSSIAN, (int)size, x, y, NULL)) / (double)n;
        if (gradients) {
            drae__ref_ssim_bwd(DRAE__SSIM_GAUSSIAN, (int)size, x, y, part);
            for (size_t k = 0; k < pixels; k++) {
                d_image[i * pixels + k] =
                    -weights.loss.con * weights.loss.ssim / (double)n * part[k];
            }
        }
    }
    double huber = drae__ref_huber(n * pixels, weights.loss.huber_delta, b->x, image,
                                   weights.loss.con * weights.loss.huber, d_image);
    double nse = drae__ref_noise_loss(n, pixels, image, b->x_star, b->mask, b->noise, b->beta,
                                      weights.loss.nse, d_image);
    double adv = drae__ref_mse(n * small, real.feat, fake.feat, weights.loss.adv, d_feat);
    double enc = drae__ref_l1(n * latent, code, code2, weights.loss.enc, d_code, d_code2);
    double loss = weights.loss.adv * adv + weights.loss.enc * enc + weights.loss.nse * nse +
                  weights.loss.con * (weights.loss.huber * huber + weights.loss.ssim * ssim);
    if (gradients) {
        double *d_flat = dense_back(&g2, small, latent, &at2->down, e2.flat, code2, d_code2);
        add(n * pixels, d_image,
            encoder_back(&g2, at2, &e2, turn(n, small_channels(&g), small_pixels(&g), d_flat)));
        add(n * pixels, d_image, encoder_back(&gd, atd, &fake, d_feat));
        add(n * latent, d_code, decoder_back(&g, at, &d, code, image, d_image));
        d_flat = dense_back(&g, small, latent, &at->down, e.flat, code, d_code);
        (void)encoder_back(&g, at, &e, turn(n, small_channels(&g), small_pixels(&g), d_flat));
    }
    release_from(mark);
    return loss;
}

double r_discriminator_loss(const r_nets *nets, const r_batch *b, const double *recon,
                            bool gradients) {
    size_t mark = pool_n;
    drae__net net = DRAE__NET_DISCRIMINATOR;
    const drae__offsets *at = &nets->at[net];
    size_t small = drae__arch_small_elems(&nets->arch);
    const double *const images[2] = {b->x, recon};
    double *sum = room(nets->total[net]);
    double loss = 0.0;
    for (int pass = 0; pass < 2; pass++) {
        graph g = graph_of(nets, net, b->n, gradients);
        half_tape t;
        encoder(&g, at, images[pass], &t);
        double *logit = dense(&g, small, 1, &at->down, t.flat, false);
        double *d_logit = room(b->n);
        loss += 0.5 * drae__ref_bce_logits(b->n, logit, pass == 0 ? 1.0 : 0.0, 0.5, d_logit);
        if (gradients) {
            double *d_flat = dense_back(&g, small, 1, &at->down, t.flat, NULL, d_logit);
            (void)encoder_back(&g, at, &t,
                               turn(b->n, small_channels(&g), small_pixels(&g), d_flat));
            add(nets->total[net], sum, g.grads);
        }
    }
    if (gradients) {
        memcpy(nets->grads[net], sum, nets->total[net] * sizeof *sum);
    }
    release_from(mark);
    return loss;
}
