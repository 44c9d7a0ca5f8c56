/* SPDX-License-Identifier: Apache-2.0 */
/* What the benches of training operations share: data, the machine's peak and bandwidth, timing. */
#ifndef DRAE_BENCH_MEASURE_H
#define DRAE_BENCH_MEASURE_H

#include "model/arch.h"

#include <stddef.h>

typedef struct bench_settings {
    long width, size, batch, threads;
    double peak; /* multiply-add flops a second, all threads */
} bench_settings;

/* Aligned, zeroed or uniform in [lo, hi); doubles for the oracles, zero where src is NULL. No
 * memory ends the program. */
float *bench_take(size_t n);
float *bench_random(size_t n, float lo, float hi);
double *bench_doubles(const float *src, size_t n);

/* Largest difference, relative to the largest value. */
double bench_error(const float *got, const double *want, size_t n);

double bench_peak(long threads);

typedef struct bench_operation {
    const char *name;
    char shape[64];
    double flops, bytes; /* that it needs at least */
    double error, bound; /* found, allowed */
    void (*run)(void *work);
    void *work;
} bench_operation;

/* Ends the program where the error is beyond its bound; else times it and prints its line. The
 * floor is flops over the peak, or bytes over the bandwidth of a + s b -> c on that many bytes,
 * whichever is longer: what fits into a cache is measured against the cache. */
void bench_time(const bench_settings *s, const bench_operation *op);

/* Every convolution of the network once, all three passes (train_convs.c). */
void bench_convs(const bench_settings *s, const drae__arch *arch);

#endif
