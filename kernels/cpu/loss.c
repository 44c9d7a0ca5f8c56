/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The losses in f32 with sums in double. A range is cut into DRAE__CHUNKS chunks whose bounds
 * depend on n alone; a chunk sums blocks of BLOCK elements, its f32 terms gathered on the way in a
 * small buffer so that the term loop vectorises whatever it computes.
 */
#include "kernels/loss.h"

#include "kernels/cpu/isa.h"

#include <math.h>

#define BLOCK 1024
/* Below this a parallel region costs more than it saves. */
#define PARALLEL_MIN 16384

/* Sum of n <= BLOCK terms in 8 double lanes. */
DRAE__BODY double sum_terms(size_t n, const float *term) {
    drae__v8d acc = {0};
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        acc += __builtin_convertvector(DRAE__LOAD8(term + i), drae__v8d);
    }
    double sum = 0.0;
    for (; i < n; i++) {
        sum += (double)term[i];
    }
    for (int l = 0; l < 8; l++) {
        sum += acc[l];
    }
    return sum;
}

static double sum_parts(const double parts[DRAE__CHUNKS]) {
    double sum = 0.0;
    for (int i = 0; i < DRAE__CHUNKS; i++) {
        sum += parts[i];
    }
    return sum;
}

/* Elements begin .. end of a chunk, NULL-safe offsets. */
#define AT(p, i) ((p) != NULL ? (p) + (i) : NULL)

/* ---- Huber ---- */

DRAE__BODY void huber_body(size_t n, float delta, const float *x, const float *y, float scale,
                           float *dy, double *result) {
    double sum = 0.0;
    for (size_t b = 0; b < n; b += BLOCK) {
        float term[BLOCK];
        size_t count = n - b < BLOCK ? n - b : BLOCK;
        const float *xb = x + b, *yb = y + b;
        float half = 0.5f * delta;
#pragma omp simd
        for (size_t i = 0; i < count; i++) {
            float d = yb[i] - xb[i];
            float a = fabsf(d);
            term[i] = a > delta ? delta * (a - half) : 0.5f * d * d;
        }
        sum += sum_terms(count, term);
        if (dy != NULL) {
            float *g = dy + b;
#pragma omp simd
            for (size_t i = 0; i < count; i++) {
                float d = yb[i] - xb[i];
                float low = d < -delta ? -delta : d;
                g[i] += scale * (low > delta ? delta : low);
            }
        }
    }
    *result = sum;
}
DRAE__CLONES(huber,
             (size_t n, float delta, const float *x, const float *y, float scale, float *dy,
              double *result),
             (n, delta, x, y, scale, dy, result))

double drae__cpu_huber(size_t n, float delta, const float *x, const float *y, float scale,
                       float *dy) {
    double parts[DRAE__CHUNKS];
    float each = (float)((double)scale / (double)n);
#pragma omp parallel for schedule(static) if (n > PARALLEL_MIN)
    for (int i = 0; i < DRAE__CHUNKS; i++) {
        size_t at = drae__chunk_begin(n, i), count = drae__chunk_begin(n, i + 1) - at;
        huber(count, delta, x + at, y + at, each, AT(dy, at), &parts[i]);
    }
    return sum_parts(parts) / (double)n;
}

/* ---- mean square ---- */

DRAE__BODY void mse_body(size_t n, const float *x, const float *y, float scale, float *dy,
                         double *result) {
    double sum = 0.0;
    for (size_t b = 0; b < n; b += BLOCK) {
        float term[BLOCK];
        size_t count = n - b < BLOCK ? n - b : BLOCK;
        const float *xb = x + b, *yb = y + b;
        if (dy != NULL) {
            float *g = dy + b;
#pragma omp simd
            for (size_t i = 0; i < count; i++) {
                float d = yb[i] - xb[i];
                term[i] = d * d;
                g[i] = scale * d;
            }
        } else {
#pragma omp simd
            for (size_t i = 0; i < count; i++) {
                float d = yb[i] - xb[i];
                term[i] = d * d;
            }
        }
        sum += sum_terms(count, term);
    }
    *result = sum;
}
DRAE__CLONES(mse,
             (size_t n, const float *x, const float *y, float scale, float *dy, double *result),
             (n, x, y, scale, dy, result))

double drae__cpu_mse(size_t n, const float *x, const float *y, float scale, float *dy) {
    double parts[DRAE__CHUNKS];
    float each = (float)(2.0 * (double)scale / (double)n);
#pragma omp parallel for schedule(static) if (n > PARALLEL_MIN)
    for (int i = 0; i < DRAE__CHUNKS; i++) {
        size_t at = drae__chunk_begin(n, i), count = drae__chunk_begin(n, i + 1) - at;
        mse(count, x + at, y + at, each, AT(dy, at), &parts[i]);
    }
    return sum_parts(parts) / (double)n;
}

/* ---- L1: as many elements as latent units, serial ---- */

double drae__cpu_l1(size_t n, const float *a, const float *b, float scale, float *da, float *db) {
    double sum = 0.0;
    float each = (float)((double)scale / (double)n);
    for (size_t i = 0; i < n; i++) {
        float d = a[i] - b[i];
        float g = d > 0.0f ? each : d < 0.0f ? -each : 0.0f;
        sum += fabs((double)d);
        if (da != NULL) {
            da[i] = g;
        }
        if (db != NULL) {
            db[i] = -g;
        }
    }
    return sum / (double)n;
}

/* ---- noise loss ---- */

typedef struct noise_args {
    const float *y, *x_star, *mask, *noise;
    float beta, scale;
    float *dy; /* or NULL */
} noise_args;

DRAE__BODY void noise_terms_body(size_t n, const noise_args *k, double *result) {
    double sum = 0.0;
    const float beta = k->beta, rest = 1.0f - beta, scale = k->scale * rest;
    for (size_t b = 0; b < n; b += BLOCK) {
        float term[BLOCK], gradient[BLOCK];
        size_t count = n - b < BLOCK ? n - b : BLOCK;
        const float *y = k->y + b, *s = k->x_star + b, *m = k->mask + b, *z = k->noise + b;
#pragma omp simd
        for (size_t i = 0; i < count; i++) {
            float a = rest * (m[i] * y[i]) - m[i] * s[i];
            float r = fabsf(a) - beta * (m[i] * z[i]);
            float signed_r = a > 0.0f ? r : a < 0.0f ? -r : 0.0f;
            term[i] = r * r;
            gradient[i] = scale * (m[i] * signed_r);
        }
        sum += sum_terms(count, term);
        if (k->dy != NULL) {
            float *g = k->dy + b;
#pragma omp simd
            for (size_t i = 0; i < count; i++) {
                g[i] += gradient[i];
            }
        }
    }
    *result = sum;
}
DRAE__CLONES(noise_terms, (size_t n, const noise_args *k, double *result), (n, k, result))

double drae__cpu_noise_loss(size_t n, size_t pixels, const float *y, const float *x_star,
                            const float *mask, const float *noise, const float *beta, float scale,
                            float *dy) {
    double count = (double)n * (double)pixels;
    float each = (float)(2.0 * (double)scale / count);
    double parts[DRAE__CHUNKS];
    /* Chunks of all elements, cut where images meet, because beta changes there. */
#pragma omp parallel for schedule(static) if (n * pixels > PARALLEL_MIN)
    for (int i = 0; i < DRAE__CHUNKS; i++) {
        size_t at = drae__chunk_begin(n * pixels, i), end = drae__chunk_begin(n * pixels, i + 1);
        double sum = 0.0;
        while (at < end) {
            size_t image = at / pixels;
            size_t stop = (image + 1) * pixels < end ? (image + 1) * pixels : end;
            noise_args k = {y + at,      x_star + at, mask + at, noise + at,
                            beta[image], each,        AT(dy, at)};
            double part;
            noise_terms(stop - at, &k, &part);
            sum += part;
            at = stop;
        }
        parts[i] = sum;
    }
    return sum_parts(parts) / count;
}

/* ---- BCE: one logit a sample, serial, in double ---- */

double drae__cpu_bce_logits(size_t n, const float *logit, float target, float scale,
                            float *dlogit) {
    double sum = 0.0;
    for (size_t i = 0; i < n; i++) {
        double l = (double)logit[i];
        double e = exp(-fabs(l));
        sum += (l > 0.0 ? l : l < 0.0 ? 0.0 : l) - l * (double)target + log1p(e);
        if (dlogit != NULL) {
            double sigmoid = l > 0.0 ? 1.0 / (1.0 + e) : e / (1.0 + e);
            dlogit[i] = (float)((double)scale / (double)n * (sigmoid - (double)target));
        }
    }
    return sum / (double)n;
}
