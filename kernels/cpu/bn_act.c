/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Batch normalisation and LeakyReLU in f32, bound by memory: one read for the statistics, one read
 * and one write for the result.
 *
 * Rows of few channels are joined until they fill a vector register or four ("lanes"): c = 8 is
 * treated as m/8 rows of 64 lanes, lane l being channel l mod 8. Many channels are cut into slabs
 * of SLAB, one after the other, so that per-channel tables fit on the stack.
 *
 * Statistics: lanes are summed in f32 over BLOCK_ROWS rows, relative to the block's first row (no
 * cancellation whatever the mean is), then merged in double after Chan, Golub, LeVeque (1983): the
 * rows in DRAE__CHUNKS chunks whose bounds depend on m and c alone, chunks merged in order.
 */
#include "kernels/bn_act.h"

#include "kernels/cpu/isa.h"

#include <math.h>
#include <string.h>

#define SLAB       256
#define LANES_MAX  64
#define BLOCK_ROWS 256

/* How a slab of channels is walked: `rows` rows of `lanes` lanes, `stride` elements apart, then
 * `rest` (< rep) single rows of c lanes that did not fill one. */
typedef struct walk {
    size_t c;      /* channels of the slab */
    size_t rep;    /* rows of the tensor in a row of lanes */
    size_t lanes;  /* rep * c */
    size_t stride; /* elements between rows of lanes */
    size_t rows;
    size_t rest;
} walk;

static walk walk_of(size_t m, size_t c_all, size_t c) {
    walk k = {.c = c, .rep = 1, .lanes = c, .stride = c_all, .rows = m, .rest = 0};
    if (c == c_all && c <= LANES_MAX / 2) {
        k.rep = LANES_MAX / c;
        k.lanes = k.rep * c;
        k.stride = k.lanes;
        k.rows = m / k.rep;
        k.rest = m % k.rep;
    }
    return k;
}

/* A slab row has at most SLAB lanes: joined rows have at most LANES_MAX. */
static void spread(const walk *k, const float *channel, float *lane) {
    for (size_t r = 0; r < k->rep; r++) {
        memcpy(lane + r * k->c, channel, k->c * sizeof *lane);
    }
}

/* ---- statistics ---- */

/* sum[l] = sum (src - first row), sq[l] = sum (src - first row)^2 over rows >= 1. */
DRAE__BODY void shifted_sums_body(size_t rows, size_t lanes, size_t stride, const float *src,
                                  float *sum, float *sq) {
    size_t l = 0;
    for (; l + 64 <= lanes; l += 64) {
        drae__v16 s[4] = {0}, q[4] = {0}, first[4];
        for (int v = 0; v < 4; v++) {
            first[v] = DRAE__LOAD16(src + l + 16 * v);
        }
        for (size_t r = 0; r < rows; r++) {
            for (int v = 0; v < 4; v++) {
                drae__v16 d = DRAE__LOAD16(src + r * stride + l + 16 * v) - first[v];
                s[v] += d;
                q[v] += d * d;
            }
        }
        for (int v = 0; v < 4; v++) {
            DRAE__STORE16(sum + l + 16 * v, s[v]);
            DRAE__STORE16(sq + l + 16 * v, q[v]);
        }
    }
    for (; l + 8 <= lanes; l += 8) {
        drae__v8 s = {0}, q = {0}, first = DRAE__LOAD8(src + l);
        for (size_t r = 0; r < rows; r++) {
            drae__v8 d = DRAE__LOAD8(src + r * stride + l) - first;
            s += d;
            q += d * d;
        }
        DRAE__STORE8(sum + l, s);
        DRAE__STORE8(sq + l, q);
    }
    for (; l < lanes; l++) {
        float s = 0.0f, q = 0.0f;
        for (size_t r = 0; r < rows; r++) {
            float d = src[r * stride + l] - src[l];
            s += d;
            q += d * d;
        }
        sum[l] = s;
        sq[l] = q;
    }
}
DRAE__CLONES(shifted_sums,
             (size_t rows, size_t lanes, size_t stride, const float *src, float *sum, float *sq),
             (rows, lanes, stride, src, sum, sq))

typedef struct moments {
    double count;
    double mean[SLAB];
    double m2[SLAB]; /* sum of squared distances from the mean */
} moments;

/* Adds to `into` what c channels with the given moments contribute. */
static void merge(moments *into, size_t c, double count, const double *mean, const double *m2) {
    double total = into->count + count;
    double share = count / total;
    double cross = into->count * share;
    for (size_t i = 0; i < c; i++) {
        double delta = mean[i] - into->mean[i];
        into->mean[i] += delta * share;
        into->m2[i] += m2[i] + delta * delta * cross;
    }
    into->count = total;
}

static void add_rows(moments *into, const walk *k, size_t rows, size_t rep, const float *src) {
    float sum[SLAB], sq[SLAB];
    double mean[SLAB], m2[SLAB];
    size_t lanes = rep * k->c;
    double count = (double)rows, inverse = 1.0 / count;
    shifted_sums(rows, lanes, k->stride, src, sum, sq);
    for (size_t l = 0; l < lanes; l++) {
        double shift = (double)sum[l] * inverse;
        double rest = (double)sq[l] - (double)sum[l] * shift;
        mean[l] = (double)src[l] + shift;
        m2[l] = rest > 0.0 ? rest : rest != rest ? rest : 0.0;
    }
    for (size_t r = 0; r < rep; r++) {
        merge(into, k->c, count, mean + r * k->c, m2 + r * k->c);
    }
}

static void chunk_moments(const walk *k, int chunk, const float *src, moments *into) {
    memset(into, 0, sizeof *into);
    size_t end = drae__chunk_begin(k->rows, chunk + 1);
    for (size_t r = drae__chunk_begin(k->rows, chunk); r < end; r += BLOCK_ROWS) {
        add_rows(into, k, end - r < BLOCK_ROWS ? end - r : BLOCK_ROWS, k->rep, src + r * k->stride);
    }
    if (chunk == DRAE__CHUNKS - 1 && k->rest > 0) {
        const float *tail = src + k->rows * k->stride;
        for (size_t r = 0; r < k->rest; r++) {
            add_rows(into, k, 1, 1, tail + r * k->c);
        }
    }
}

static void slab_moments(const walk *k, const float *src, moments *total) {
    moments parts[DRAE__CHUNKS];
#pragma omp parallel for schedule(static)
    for (int i = 0; i < DRAE__CHUNKS; i++) {
        chunk_moments(k, i, src, &parts[i]);
    }
    memset(total, 0, sizeof *total);
    for (int i = 0; i < DRAE__CHUNKS; i++) {
        if (parts[i].count > 0.0) {
            merge(total, k->c, parts[i].count, parts[i].mean, parts[i].m2);
        }
    }
}

_Static_assert(2 * SLAB == DRAE__BN_GATHER, "one gather carries two numbers a channel of a slab");

/* The moments of all processes' rows; `total` holds this one's m. */
static void moments_across(const drae__across *across, size_t m, size_t c, moments *total) {
    double mine[DRAE__BN_GATHER];
    memcpy(mine, total->mean, c * sizeof *mine);
    memcpy(mine + c, total->m2, c * sizeof *mine);
    const double *all = across->gather(across->user, mine, 2 * c);
    memset(total, 0, sizeof *total);
    for (size_t r = 0; r < across->ranks; r++) {
        merge(total, c, (double)m, all + r * 2 * c, all + r * 2 * c + c);
    }
}

/* ---- forward ---- */

/* Per-lane tables of a slab: u = (src - mean) * scale + beta. */
typedef struct tables {
    float mean[SLAB];
    float scale[SLAB];
    float beta[SLAB];
    float k1[SLAB]; /* backward: dbeta / m */
    float k2[SLAB]; /* backward: rstd * dgamma / m */
} tables;

DRAE__BODY void normalise_lanes(size_t rows, size_t lanes, size_t stride, float slope,
                                const tables *t, const float *restrict src, float *restrict dst) {
    for (size_t r = 0; r < rows; r++) {
        const float *s = src + r * stride;
        float *d = dst + r * stride;
#pragma omp simd
        for (size_t l = 0; l < lanes; l++) {
            float u = (s[l] - t->mean[l]) * t->scale[l] + t->beta[l];
            d[l] = u > 0.0f ? u : slope * u;
        }
    }
}

DRAE__BODY void normalise_body(size_t rows, size_t lanes, size_t stride, float slope,
                               const tables *t, const float *src, float *dst) {
    if (lanes == LANES_MAX) {
        normalise_lanes(rows, LANES_MAX, stride, slope, t, src, dst);
    } else {
        normalise_lanes(rows, lanes, stride, slope, t, src, dst);
    }
}
DRAE__CLONES(normalise,
             (size_t rows, size_t lanes, size_t stride, float slope, const tables *t,
              const float *src, float *dst),
             (rows, lanes, stride, slope, t, src, dst))

void drae__cpu_bn_act_fwd(size_t m, size_t c, float eps, float slope, float momentum,
                          const float *src, const float *gamma, const float *beta, float *mean,
                          float *rstd, float *running_mean, float *running_var, float *dst) {
    drae__cpu_bn_act_fwd_across(NULL, m, c, eps, slope, momentum, src, gamma, beta, mean, rstd,
                                running_mean, running_var, dst);
}

void drae__cpu_bn_act_fwd_across(const drae__across *across, size_t m, size_t c, float eps,
                                 float slope, float momentum, const float *src, const float *gamma,
                                 const float *beta, float *mean, float *rstd, float *running_mean,
                                 float *running_var, float *dst) {
    size_t m_all = across == NULL ? m : m * across->ranks;
    for (size_t c0 = 0; c0 < c; c0 += SLAB) {
        walk k = walk_of(m, c, c - c0 < SLAB ? c - c0 : SLAB);
        moments stats;
        slab_moments(&k, src + c0, &stats);
        if (across != NULL) {
            moments_across(across, m, k.c, &stats);
        }
        tables t;
        float scale[SLAB];
        for (size_t i = 0; i < k.c; i++) {
            size_t ch = c0 + i;
            double var = stats.m2[i] / (double)m_all;
            double inverse = 1.0 / sqrt(var + (double)eps);
            mean[ch] = (float)stats.mean[i];
            rstd[ch] = (float)inverse;
            scale[i] = gamma[ch] * rstd[ch];
            if (running_mean != NULL) {
                running_mean[ch] += momentum * (mean[ch] - running_mean[ch]);
            }
            if (running_var != NULL) {
                double unbiased = m_all > 1 ? stats.m2[i] / (double)(m_all - 1) : var;
                running_var[ch] += momentum * ((float)unbiased - running_var[ch]);
            }
        }
        spread(&k, mean + c0, t.mean);
        spread(&k, scale, t.scale);
        spread(&k, beta + c0, t.beta);
#pragma omp parallel for schedule(static)
        for (int i = 0; i < DRAE__CHUNKS; i++) {
            size_t r0 = drae__chunk_begin(k.rows, i), r1 = drae__chunk_begin(k.rows, i + 1);
            normalise(r1 - r0, k.lanes, k.stride, slope, &t, src + c0 + r0 * k.stride,
                      dst + c0 + r0 * k.stride);
        }
        size_t done = k.rows * k.stride;
        normalise(k.rest, k.c, k.c, slope, &t, src + c0 + done, dst + c0 + done);
    }
}

/* ---- backward ---- */

/* sum_du[l] = sum du, sum_dx[l] = sum du (src - mean), with du = ddst * (u > 0 ? 1 : slope). */
DRAE__BODY void gradient_sums_body(size_t rows, size_t lanes, size_t stride, float slope,
                                   const tables *t, const float *src, const float *ddst,
                                   float *sum_du, float *sum_dx) {
    size_t l = 0;
    for (; l + 32 <= lanes; l += 32) {
        drae__v16 s[2] = {0}, q[2] = {0}, mean[2], scale[2], beta[2];
        for (int v = 0; v < 2; v++) {
            mean[v] = DRAE__LOAD16(t->mean + l + 16 * v);
            scale[v] = DRAE__LOAD16(t->scale + l + 16 * v);
            beta[v] = DRAE__LOAD16(t->beta + l + 16 * v);
        }
        for (size_t r = 0; r < rows; r++) {
            for (int v = 0; v < 2; v++) {
                drae__v16 x = DRAE__LOAD16(src + r * stride + l + 16 * v) - mean[v];
                drae__v16 g = DRAE__LOAD16(ddst + r * stride + l + 16 * v);
                drae__v16i positive = x * scale[v] + beta[v] > 0.0f;
                drae__v16 low = g * slope;
                drae__v16 du =
                    (drae__v16)(((drae__v16i)g & positive) | ((drae__v16i)low & ~positive));
                s[v] += du;
                q[v] += du * x;
            }
        }
        for (int v = 0; v < 2; v++) {
            DRAE__STORE16(sum_du + l + 16 * v, s[v]);
            DRAE__STORE16(sum_dx + l + 16 * v, q[v]);
        }
    }
    for (; l < lanes; l++) {
        float s = 0.0f, q = 0.0f;
        for (size_t r = 0; r < rows; r++) {
            float x = src[r * stride + l] - t->mean[l];
            float g = ddst[r * stride + l];
            float du = x * t->scale[l] + t->beta[l] > 0.0f ? g : g * slope;
            s += du;
            q += du * x;
        }
        sum_du[l] = s;
        sum_dx[l] = q;
    }
}
DRAE__CLONES(gradient_sums,
             (size_t rows, size_t lanes, size_t stride, float slope, const tables *t,
              const float *src, const float *ddst, float *sum_du, float *sum_dx),
             (rows, lanes, stride, slope, t, src, ddst, sum_du, sum_dx))

typedef struct gradients {
    double du[SLAB];
    double dx[SLAB];
} gradients;

static void add_gradients(gradients *into, const walk *k, size_t rows, size_t rep, float slope,
                          const tables *t, const float *src, const float *ddst) {
    float du[SLAB], dx[SLAB];
    gradient_sums(rows, rep * k->c, k->stride, slope, t, src, ddst, du, dx);
    for (size_t r = 0; r < rep; r++) {
        for (size_t i = 0; i < k->c; i++) {
            into->du[i] += (double)du[r * k->c + i];
            into->dx[i] += (double)dx[r * k->c + i];
        }
    }
}

static void chunk_gradients(const walk *k, int chunk, float slope, const tables *t,
                            const float *src, const float *ddst, gradients *into) {
    memset(into, 0, sizeof *into);
    size_t end = drae__chunk_begin(k->rows, chunk + 1);
    for (size_t r = drae__chunk_begin(k->rows, chunk); r < end; r += BLOCK_ROWS) {
        size_t at = r * k->stride;
        add_gradients(into, k, end - r < BLOCK_ROWS ? end - r : BLOCK_ROWS, k->rep, slope, t,
                      src + at, ddst + at);
    }
    if (chunk == DRAE__CHUNKS - 1) {
        for (size_t r = 0; r < k->rest; r++) {
            size_t at = k->rows * k->stride + r * k->c;
            add_gradients(into, k, 1, 1, slope, t, src + at, ddst + at);
        }
    }
}

DRAE__BODY void gradient_lanes(size_t rows, size_t lanes, size_t stride, float slope,
                               const tables *t, const float *src, const float *ddst,
                               const float *add, float *dsrc) {
    for (size_t r = 0; r < rows; r++) {
        const float *s = src + r * stride;
        const float *g = ddst + r * stride;
        float *d = dsrc + r * stride;
        if (add != NULL) {
            const float *a = add + r * stride;
#pragma omp simd
            for (size_t l = 0; l < lanes; l++) {
                float x = s[l] - t->mean[l];
                float du = x * t->scale[l] + t->beta[l] > 0.0f ? g[l] : g[l] * slope;
                d[l] = t->scale[l] * ((du - t->k1[l]) - x * t->k2[l]) + a[l];
            }
        } else {
#pragma omp simd
            for (size_t l = 0; l < lanes; l++) {
                float x = s[l] - t->mean[l];
                float du = x * t->scale[l] + t->beta[l] > 0.0f ? g[l] : g[l] * slope;
                d[l] = t->scale[l] * ((du - t->k1[l]) - x * t->k2[l]);
            }
        }
    }
}

DRAE__BODY void gradient_body(size_t rows, size_t lanes, size_t stride, float slope,
                              const tables *t, const float *src, const float *ddst,
                              const float *add, float *dsrc) {
    if (lanes == LANES_MAX) {
        gradient_lanes(rows, LANES_MAX, stride, slope, t, src, ddst, add, dsrc);
    } else {
        gradient_lanes(rows, lanes, stride, slope, t, src, ddst, add, dsrc);
    }
}
DRAE__CLONES(gradient,
             (size_t rows, size_t lanes, size_t stride, float slope, const tables *t,
              const float *src, const float *ddst, const float *add, float *dsrc),
             (rows, lanes, stride, slope, t, src, ddst, add, dsrc))

/* Sums of this process's rows become those of all. */
static void gradients_across(const drae__across *across, size_t c, double *du, double *dx) {
    double mine[DRAE__BN_GATHER];
    memcpy(mine, du, c * sizeof *mine);
    memcpy(mine + c, dx, c * sizeof *mine);
    const double *all = across->gather(across->user, mine, 2 * c);
    for (size_t i = 0; i < c; i++) {
        du[i] = all[i];
        dx[i] = all[c + i];
        for (size_t r = 1; r < across->ranks; r++) {
            du[i] += all[r * 2 * c + i];
            dx[i] += all[r * 2 * c + c + i];
        }
    }
}

void drae__cpu_bn_act_bwd(size_t m, size_t c, float slope, const float *src, const float *gamma,
                          const float *beta, const float *mean, const float *rstd,
                          const float *ddst, const float *add, float *dsrc, float *dgamma,
                          float *dbeta) {
    drae__cpu_bn_act_bwd_across(NULL, m, c, slope, src, gamma, beta, mean, rstd, ddst, add, dsrc,
                                dgamma, dbeta);
}

void drae__cpu_bn_act_bwd_across(const drae__across *across, size_t m, size_t c, float slope,
                                 const float *src, const float *gamma, const float *beta,
                                 const float *mean, const float *rstd, const float *ddst,
                                 const float *add, float *dsrc, float *dgamma, float *dbeta) {
    size_t m_all = across == NULL ? m : m * across->ranks;
    for (size_t c0 = 0; c0 < c; c0 += SLAB) {
        walk k = walk_of(m, c, c - c0 < SLAB ? c - c0 : SLAB);
        tables t;
        float scale[SLAB], k1[SLAB], k2[SLAB];
        for (size_t i = 0; i < k.c; i++) {
            scale[i] = gamma[c0 + i] * rstd[c0 + i];
        }
        spread(&k, mean + c0, t.mean);
        spread(&k, scale, t.scale);
        spread(&k, beta + c0, t.beta);

        gradients parts[DRAE__CHUNKS];
#pragma omp parallel for schedule(static)
        for (int i = 0; i < DRAE__CHUNKS; i++) {
            chunk_gradients(&k, i, slope, &t, src + c0, ddst + c0, &parts[i]);
        }
        gradients sums;
        for (size_t i = 0; i < k.c; i++) {
            double du = 0.0, dx = 0.0;
            for (int p = 0; p < DRAE__CHUNKS; p++) {
                du += parts[p].du[i];
                dx += parts[p].dx[i];
            }
            if (dgamma != NULL) {
                dgamma[c0 + i] = (float)(dx * (double)rstd[c0 + i]);
            }
            if (dbeta != NULL) {
                dbeta[c0 + i] = (float)du;
            }
            sums.du[i] = du;
            sums.dx[i] = dx;
        }
        if (across != NULL) {
            gradients_across(across, k.c, sums.du, sums.dx);
        }
        for (size_t i = 0; i < k.c; i++) {
            double r = (double)rstd[c0 + i];
            k1[i] = (float)(sums.du[i] / (double)m_all);
            k2[i] = (float)(sums.dx[i] * r * r / (double)m_all);
        }
        spread(&k, k1, t.k1);
        spread(&k, k2, t.k2);

#pragma omp parallel for schedule(static)
        for (int i = 0; i < DRAE__CHUNKS; i++) {
            size_t r0 = drae__chunk_begin(k.rows, i), r1 = drae__chunk_begin(k.rows, i + 1);
            size_t at = c0 + r0 * k.stride;
            gradient(r1 - r0, k.lanes, k.stride, slope, &t, src + at, ddst + at,
                     add != NULL ? add + at : NULL, dsrc + at);
        }
        size_t at = c0 + k.rows * k.stride;
        gradient(k.rest, k.c, k.c, slope, &t, src + at, ddst + at, add != NULL ? add + at : NULL,
                 dsrc + at);
    }
}

/* ---- inference ---- */

DRAE__BODY void affine_lanes(size_t rows, size_t lanes, size_t stride, float slope, const tables *t,
                             const float *src, float *dst) {
    for (size_t r = 0; r < rows; r++) {
        const float *s = src + r * stride;
        float *d = dst + r * stride;
#pragma omp simd
        for (size_t l = 0; l < lanes; l++) {
            float u = s[l] * t->scale[l] + t->beta[l];
            d[l] = u > 0.0f ? u : slope * u;
        }
    }
}

DRAE__BODY void affine_body(size_t rows, size_t lanes, size_t stride, float slope, const tables *t,
                            const float *src, float *dst) {
    if (lanes == LANES_MAX) {
        affine_lanes(rows, LANES_MAX, stride, slope, t, src, dst);
    } else {
        affine_lanes(rows, lanes, stride, slope, t, src, dst);
    }
}
DRAE__CLONES(affine,
             (size_t rows, size_t lanes, size_t stride, float slope, const tables *t,
              const float *src, float *dst),
             (rows, lanes, stride, slope, t, src, dst))

void drae__cpu_affine_act(size_t m, size_t c, float slope, const float *src, const float *scale,
                          const float *shift, float *dst) {
    for (size_t c0 = 0; c0 < c; c0 += SLAB) {
        walk k = walk_of(m, c, c - c0 < SLAB ? c - c0 : SLAB);
        tables t;
        spread(&k, scale + c0, t.scale);
        spread(&k, shift + c0, t.beta);
#pragma omp parallel for schedule(static)
        for (int i = 0; i < DRAE__CHUNKS; i++) {
            size_t r0 = drae__chunk_begin(k.rows, i), r1 = drae__chunk_begin(k.rows, i + 1);
            size_t at = c0 + r0 * k.stride;
            affine(r1 - r0, k.lanes, k.stride, slope, &t, src + at, dst + at);
        }
        size_t at = c0 + k.rows * k.stride;
        affine(k.rest, k.c, k.c, slope, &t, src + at, dst + at);
    }
}
