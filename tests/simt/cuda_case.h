/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What every suite of a CUDA kernel needs: f16 data in NHWC beside the oracle's doubles in NCHW,
 * and the comparison. The suites call the extern "C" launchers; here they run under the
 * interpreter, tests/cuda builds the same files for a device.
 */
#ifndef DRAE_TESTS_SIMT_CUDA_CASE_H
#define DRAE_TESTS_SIMT_CUDA_CASE_H

#include "kernels/infer.h"
#include "kernels/infer_cuda.h"
#include "tests/kernels/testutil.h"

#include <check.h>
#include <math.h>

/* Half an ulp of 1 in f16, and half of the least f16. */
#define T_EPS_F16  4.8828125e-4
#define T_TINY_F16 2.98023223876953125e-8

/* n maps [c,h,w]: d in NCHW for the oracle, the same values as f16 in NHWC on the device. */
typedef struct cuda_map {
    int n, c, h, w;
    double *d;
    uint16_t *host; /* NHWC */
    uint16_t *device;
} cuda_map;

/* limit > 0: integers of at most limit; 0: uniform in [-1, 1), rounded to f16. */
cuda_map cuda_map_values(int n, int c, int h, int w, uint64_t seed, int limit);
/* For results: NaN everywhere. */
cuda_map cuda_map_result(int n, int c, int h, int w);
/* Weights and vectors: f32 values that f16 holds exactly. */
t_pair cuda_values(size_t n, uint64_t seed, int limit);

/* Device copies of host memory, with guards that t_end checks, and the way back. */
void *cuda_upload(const void *host, size_t n_bytes);
void *cuda_empty(size_t n_bytes); /* poisoned */
void cuda_download(void *host, const void *device, size_t n_bytes);

/* Status OK and no error of the device. */
void cuda_done(drae_status status, const drae__err *err);

/* bound NULL: the f16 nearest to m->d, exactly; else |result - d| <= bound + rounding to f16. */
void cuda_map_check(const char *what, cuda_map *m, const double *bound);

#endif
