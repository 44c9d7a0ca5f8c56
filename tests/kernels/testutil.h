/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What every kernel suite needs: buffers with guard zones, reproducible data, and a comparator that
 * names the element, both values and the bound. Buffers belong to the test and are checked and
 * freed together by t_end(), which fails the test when a guard was written to.
 */
#ifndef DRAE_TESTS_KERNELS_TESTUTIL_H
#define DRAE_TESTS_KERNELS_TESTUTIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Half an ulp of 1: the relative error of one rounded f32 operation. */
#define T_EPS 5.9604644775390625e-8

/* Starts a test: frees what a failed one left behind; the words of the reproducer that a failure
 * prints ("conv n=2 h=7 ..."). */
void t_begin(const char *format, ...) __attribute__((format(printf, 1, 2)));
void t_end(void);
const char *t_name(void);

/* n elements between guard zones, poisoned (f32, f64: NaN; bytes: 0xA5), 64-byte aligned plus
 * `skew` elements, so that kernels meet unaligned data too. */
float *t_f32(size_t n);
float *t_f32_skewed(size_t n, size_t skew);
double *t_f64(size_t n);
unsigned char *t_bytes(size_t n_bytes);

/* A pair of the same values in f32 and f64: integers in [-limit, limit] (exact arithmetic), or
 * uniform in [lo, hi). The stream depends on seed alone. */
typedef struct t_pair {
    float *f;
    double *d;
    size_t n;
} t_pair;
t_pair t_integers(size_t n, uint64_t seed, int limit);
t_pair t_uniform(size_t n, uint64_t seed, float lo, float hi);
/* Both poisoned: for results. */
t_pair t_result(size_t n);
/* The same values again (for operations that work in place). */
t_pair t_copy(t_pair p);

/* Every element bitwise equal as a number (0 == -0). */
void t_equal(const char *what, t_pair p);
void t_equal_f32(const char *what, size_t n, const float *a, const float *b);
/* |f - d| <= bound[i], or <= bound; NaN never passes. Returns the largest error. */
double t_within(const char *what, t_pair p, const double *bound);
double t_within_all(const char *what, t_pair p, double bound);
void t_near(const char *what, double value, double expected, double bound);

/* The derivative of f at x[i] by central differences of fourth order, in double. */
typedef double (*t_scalar)(const double *x, void *context);
double t_derivative(t_scalar f, void *context, double *x, size_t i, double step);

/* Runs f with so many OpenMP threads, then restores the number. */
void t_threads(int n, void (*f)(void *), void *context);

#endif
