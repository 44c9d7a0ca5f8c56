/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The two worlds of a kernel file: compiled by nvcc for a device, or as plain C++ against the
 * interpreter of tests/simt (DRAE_SIMT). Kernels are launched and shared memory is declared through
 * these macros and nothing else; all else is written once.
 */
#ifndef DRAE_KERNELS_CUDA_LAUNCH_CUH
#define DRAE_KERNELS_CUDA_LAUNCH_CUH

#include <stddef.h>
#include <stdint.h>

extern "C" {
#include "base/error.h"
}

#if defined(DRAE_SIMT)

#include <drae_simt.h>

#define DRAE_UNROLL
#define DRAE_SHARED_DYNAMIC(name) unsigned char *const name = simt::shared_dynamic()
#define DRAE_SHARED(type, name, count)                                                             \
    static const char name##_site = 0;                                                             \
    type *const name = static_cast<type *>(                                                        \
        simt::shared_static(&name##_site, sizeof(type) * (count), alignof(type)))
#define DRAE_LAUNCH(err, kernel, grid, block, n_bytes, stream, ...)                                \
    ((void)(stream), drae__simt_launch(                                                            \
                         err, #kernel, grid, block, n_bytes,                                       \
                         [=](auto... args_) { kernel(args_...); }, __VA_ARGS__))

extern "C" const char *drae_simt_error(void);

/* Arguments are copied as by a launch: the kernel may run later, as part of a graph. */
template <class F, class... A>
static drae_status drae__simt_launch(drae__err *err, const char *name, dim3 grid, dim3 block,
                                     size_t n_bytes, F f, A... args) {
    auto bound = [=]() { f(args...); };
    using Bound = decltype(bound);
    int taken = 0;
    if (simt::on_launch != nullptr) {
        simt::deferred later = {name,
                                grid,
                                block,
                                n_bytes,
                                [](void *p) { (*static_cast<Bound *>(p))(); },
                                new Bound(bound),
                                [](void *p) { delete static_cast<Bound *>(p); }};
        taken = simt::on_launch(later);
        if (taken != 1) {
            later.drop(later.arg);
        }
    }
    if (taken == 1 || (taken == 0 && simt::launch_call(name, grid, block, n_bytes, bound))) {
        return DRAE_OK;
    }
    return drae__fail(err, DRAE_ERROR_DEVICE, "%s: %s", name,
                      taken == 0 ? drae_simt_error() : "launch refused");
}

#else

#include <cuda_fp16.h>
#include <cuda_runtime.h>

#define DRAE_UNROLL                    _Pragma("unroll")
#define DRAE_SHARED_DYNAMIC(name)      extern __shared__ __align__(128) unsigned char name[]
#define DRAE_SHARED(type, name, count) __shared__ type name[count]
#define DRAE_LAUNCH(err, kernel, grid, block, n_bytes, stream, ...)                                \
    drae__cuda_launch(err, #kernel, reinterpret_cast<const void *>(&kernel), n_bytes,              \
                      [&]() { kernel<<<grid, block, n_bytes, stream>>>(__VA_ARGS__); })

/* More than this much dynamic shared memory wants an attribute of the kernel. */
static constexpr size_t DRAE__SHARED_PLAIN_BYTES = 48 * 1024;

template <class F>
static drae_status drae__cuda_launch(drae__err *err, const char *name, const void *kernel,
                                     size_t n_bytes, F f) {
    cudaError_t e = cudaSuccess;
    if (n_bytes > DRAE__SHARED_PLAIN_BYTES) {
        e = cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                                 static_cast<int>(n_bytes));
    }
    if (e == cudaSuccess) {
        f();
    }
    const cudaError_t last = cudaGetLastError(); /* which forgets it */
    e = e == cudaSuccess ? last : e;
    if (e != cudaSuccess) {
        return drae__fail(err, DRAE_ERROR_DEVICE, "%s with %zu bytes of shared memory: %s", name,
                          n_bytes, cudaGetErrorString(e));
    }
    return DRAE_OK;
}

#endif

static inline __host__ __device__ constexpr int drae__ceil_div(int a, int b) {
    return (a + b - 1) / b;
}

#endif
