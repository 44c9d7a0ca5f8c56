/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/kernels/testutil.h"

#include "base/arena.h"
#include "base/philox.h"

#include <check.h>
#include <math.h>
#include <omp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GUARD_BYTES 256
#define GUARD_VALUE 0x5C
#define BLOCKS_MAX  256

typedef struct block {
    unsigned char *base;
    size_t room;    /* bytes between the guards */
    size_t n_total; /* bytes altogether */
} block;

static block blocks[BLOCKS_MAX];
static size_t n_blocks;
static char name[256];

static void release(void) {
    for (size_t i = 0; i < n_blocks; i++) {
        free(blocks[i].base);
    }
    n_blocks = 0;
}

void t_begin(const char *format, ...) {
    release();
    va_list args;
    va_start(args, format);
    (void)vsnprintf(name, sizeof name, format, args);
    va_end(args);
}

const char *t_name(void) {
    return name;
}

void t_end(void) {
    for (size_t i = 0; i < n_blocks; i++) {
        const block *b = &blocks[i];
        for (size_t k = 0; k < b->n_total; k++) {
            bool guard = k < GUARD_BYTES || k >= GUARD_BYTES + b->room;
            if (guard && b->base[k] != GUARD_VALUE) {
                ck_abort_msg("%s: buffer %zu of %zu bytes was written to at byte %td", name, i,
                             b->room, (ptrdiff_t)k - GUARD_BYTES);
            }
        }
    }
    release();
}

static void *take(size_t n_bytes) {
    ck_assert_msg(n_blocks < BLOCKS_MAX, "%s: more than %d buffers", name, BLOCKS_MAX);
    block *b = &blocks[n_blocks];
    b->room = n_bytes;
    b->n_total = n_bytes + 2 * GUARD_BYTES;
    b->base = drae__aligned_alloc(b->n_total);
    ck_assert_ptr_nonnull(b->base);
    n_blocks++;
    memset(b->base, GUARD_VALUE, b->n_total);
    return b->base + GUARD_BYTES;
}

float *t_f32_skewed(size_t n, size_t skew) {
    float *data = (float *)take((n + skew) * sizeof(float)) + skew;
    for (size_t i = 0; i < n; i++) {
        data[i] = NAN;
    }
    return data;
}

float *t_f32(size_t n) {
    return t_f32_skewed(n, 0);
}

double *t_f64(size_t n) {
    double *data = take(n * sizeof(double));
    for (size_t i = 0; i < n; i++) {
        data[i] = (double)NAN;
    }
    return data;
}

unsigned char *t_bytes(size_t n_bytes) {
    unsigned char *data = take(n_bytes);
    memset(data, 0xA5, n_bytes);
    return data;
}

t_pair t_result(size_t n) {
    t_pair p = {t_f32(n), t_f64(n), n};
    return p;
}

t_pair t_integers(size_t n, uint64_t seed, int limit) {
    t_pair p = t_result(n);
    drae__rng rng;
    drae__rng_init(&rng, seed, DRAE__PURPOSE_TEST, 0);
    for (size_t i = 0; i < n; i++) {
        p.d[i] = (double)drae__rng_below(&rng, (uint32_t)(2 * limit + 1)) - (double)limit;
        p.f[i] = (float)p.d[i];
    }
    return p;
}

t_pair t_uniform(size_t n, uint64_t seed, float lo, float hi) {
    t_pair p = t_result(n);
    drae__rng rng;
    drae__rng_init(&rng, seed, DRAE__PURPOSE_TEST, 0);
    for (size_t i = 0; i < n; i++) {
        p.f[i] = drae__rng_range(&rng, lo, hi);
        p.d[i] = (double)p.f[i];
    }
    return p;
}

t_pair t_copy(t_pair p) {
    t_pair copy = t_result(p.n);
    memcpy(copy.f, p.f, p.n * sizeof(float));
    memcpy(copy.d, p.d, p.n * sizeof(double));
    return copy;
}

void t_equal(const char *what, t_pair p) {
    for (size_t i = 0; i < p.n; i++) {
        if (!((double)p.f[i] == p.d[i])) {
            ck_abort_msg("%s: %s[%zu of %zu] is %.9g, exactly %.17g is expected", name, what, i,
                         p.n, (double)p.f[i], p.d[i]);
        }
    }
}

void t_equal_f32(const char *what, size_t n, const float *a, const float *b) {
    for (size_t i = 0; i < n; i++) {
        if (memcmp(&a[i], &b[i], sizeof a[i]) != 0) {
            ck_abort_msg("%s: %s[%zu of %zu] is %.9g, then %.9g", name, what, i, n, (double)a[i],
                         (double)b[i]);
        }
    }
}

static double within(const char *what, t_pair p, const double *bounds, double bound) {
    double worst = 0.0;
    for (size_t i = 0; i < p.n; i++) {
        double error = fabs((double)p.f[i] - p.d[i]);
        double limit = bounds != NULL ? bounds[i] : bound;
        if (!(error <= limit)) {
            ck_abort_msg("%s: %s[%zu of %zu] is %.9g, expected %.17g, error %.3g, bound %.3g", name,
                         what, i, p.n, (double)p.f[i], p.d[i], error, limit);
        }
        worst = error > worst ? error : worst;
    }
    return worst;
}

double t_within(const char *what, t_pair p, const double *bound) {
    return within(what, p, bound, 0.0);
}

double t_within_all(const char *what, t_pair p, double bound) {
    return within(what, p, NULL, bound);
}

void t_near(const char *what, double value, double expected, double bound) {
    if (!(fabs(value - expected) <= bound)) {
        ck_abort_msg("%s: %s is %.17g, expected %.17g, error %.3g, bound %.3g", name, what, value,
                     expected, fabs(value - expected), bound);
    }
}

double t_derivative(t_scalar f, void *context, double *x, size_t i, double step) {
    double at = x[i], side[4];
    static const double offset[4] = {-2.0, -1.0, 1.0, 2.0};
    for (int k = 0; k < 4; k++) {
        x[i] = at + offset[k] * step;
        side[k] = f(x, context);
    }
    x[i] = at;
    return (side[0] - 8.0 * side[1] + 8.0 * side[2] - side[3]) / (12.0 * step);
}

void t_threads(int n, void (*f)(void *), void *context) {
    int before = omp_get_max_threads();
    omp_set_num_threads(n);
    f(context);
    omp_set_num_threads(before);
}
