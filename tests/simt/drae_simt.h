/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a kernel file includes in place of cuda_runtime.h when it is compiled as plain C++: the
 * vocabulary of device code, served by the interpreter of simt.cpp. A block's threads are fibers on
 * one CPU thread, blocks run one after another. It is a test tool: right, not fast.
 *
 * What it catches, each as an error with kernel, block and thread (drae_simt_error), never a hang:
 *   - a barrier or a warp operation that some thread misses, or meets at another place
 *   - shared memory: races between barriers, reads of what nobody wrote, accesses outside an array
 *   - reads of cp.async data before they were waited for; copies never waited for
 * Races and stray reads need the compiler's access hooks (hooks.cpp), which AddressSanitizer
 * excludes; in that build ASan watches the guards instead.
 */
#ifndef DRAE_SIMT_H
#define DRAE_SIMT_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define __global__ static
#define __device__
#define __host__
#define __forceinline__ inline
#define __restrict__ __restrict
#define __launch_bounds__(...)
#define __align__(n) alignas(n)

struct dim3 {
    unsigned x, y, z;
    constexpr dim3(unsigned x_ = 1, unsigned y_ = 1, unsigned z_ = 1) : x(x_), y(y_), z(z_) {
    }
};
struct uint3 {
    unsigned x, y, z;
};
struct alignas(8) uint2 {
    unsigned x, y;
};
struct alignas(16) uint4 {
    unsigned x, y, z, w;
};
struct alignas(8) float2 {
    float x, y;
};
struct alignas(16) float4 {
    float x, y, z, w;
};
static inline uint2 make_uint2(unsigned x, unsigned y) {
    return uint2{x, y};
}
static inline uint4 make_uint4(unsigned x, unsigned y, unsigned z, unsigned w) {
    return uint4{x, y, z, w};
}
static inline float2 make_float2(float x, float y) {
    return float2{x, y};
}
static inline float4 make_float4(float x, float y, float z, float w) {
    return float4{x, y, z, w};
}

typedef struct CUstream_st *cudaStream_t; /* as of the CUDA runtime */

namespace simt {

/* Where a fiber stands in the grid; the running one's. */
struct position {
    uint3 thread, block;
    dim3 block_dim, grid_dim;
};
extern position *here;

/* f32 <-> f16, rounding to nearest even; subnormals, infinities and NaN as IEEE 754 says. */
uint16_t half_of(float v);
float float_of(uint16_t bits);

/* Runs the grid. call(arg) is the kernel with its arguments bound. False after an error. */
bool launch(const char *kernel, dim3 grid, dim3 block, size_t dynamic_bytes, void (*call)(void *),
            void *arg);

template <class F> bool launch_call(const char *kernel, dim3 grid, dim3 block, size_t n, F f) {
    return launch(
        kernel, grid, block, n, [](void *p) { (*static_cast<F *>(p))(); }, &f);
}

/* A launch with its arguments bound, owned by whoever takes it. */
struct deferred {
    const char *name;
    dim3 grid, block;
    size_t n_bytes;
    void (*call)(void *);
    void *arg;
    void (*drop)(void *);
};
/* Where set, asked before every launch: 1 it took the launch, 0 run it now, -1 it refuses. */
extern int (*on_launch)(const deferred &);

unsigned char *shared_dynamic();
/* The static array of a declaration: site is unique in the kernel. */
void *shared_static(const void *site, size_t n_bytes, size_t align);

void barrier(const char *file, int line);

/* Runs fn once all lanes of the mask have come to the same operation: args[lane] is each one's. */
void warp_op(const char *name, unsigned mask, void *arg, void (*fn)(void **args, unsigned mask));
void warp_sync(unsigned mask); /* orders memory between the lanes, as __syncwarp */

unsigned shuffle(const char *name, unsigned mask, unsigned value, int lane);
unsigned ballot(unsigned mask, bool predicate);
int lane();

/* Accesses made on behalf of the running thread by operations that are not instrumented. */
void touch(const void *p, size_t n_bytes, bool write);

[[noreturn]] void fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

template <class T> unsigned bits32(T v) {
    static_assert(sizeof(T) == 4, "32-bit values only");
    unsigned u;
    memcpy(&u, &v, 4);
    return u;
}
template <class T> T from32(unsigned u) {
    T v;
    memcpy(&v, &u, 4);
    return v;
}
} // namespace simt

#define threadIdx (simt::here->thread)
#define blockIdx  (simt::here->block)
#define blockDim  (simt::here->block_dim)
#define gridDim   (simt::here->grid_dim)

#define __syncthreads() simt::barrier(__FILE__, __LINE__)
static inline void __syncwarp(unsigned mask = 0xffffffffu) {
    simt::warp_sync(mask);
}
template <class T> static inline T __shfl_sync(unsigned mask, T v, int source) {
    return simt::from32<T>(simt::shuffle("__shfl_sync", mask, simt::bits32(v), source & 31));
}
template <class T> static inline T __shfl_xor_sync(unsigned mask, T v, int with) {
    return simt::from32<T>(
        simt::shuffle("__shfl_xor_sync", mask, simt::bits32(v), simt::lane() ^ with));
}
template <class T> static inline T __shfl_down_sync(unsigned mask, T v, unsigned by) {
    int source = simt::lane() + (int)by;
    return simt::from32<T>(simt::shuffle("__shfl_down_sync", mask, simt::bits32(v),
                                         source < 32 ? source : simt::lane()));
}
static inline unsigned __ballot_sync(unsigned mask, int predicate) {
    return simt::ballot(mask, predicate != 0);
}
static inline int __any_sync(unsigned mask, int predicate) {
    return simt::ballot(mask, predicate != 0) != 0;
}
static inline int __all_sync(unsigned mask, int predicate) {
    return simt::ballot(mask, predicate != 0) == mask;
}
/* The lanes of mask only; the largest of their values. */
static inline unsigned __reduce_max_sync(unsigned mask, unsigned v) {
    struct vote {
        unsigned value, most;
    } own = {v, 0};
    simt::warp_op("__reduce_max_sync", mask, &own, [](void **args, unsigned lanes) {
        unsigned most = 0;
        for (int i = 0; i < 32; i++) {
            if ((lanes >> i & 1u) != 0 && static_cast<vote *>(args[i])->value > most) {
                most = static_cast<vote *>(args[i])->value;
            }
        }
        for (int i = 0; i < 32; i++) {
            if ((lanes >> i & 1u) != 0) {
                static_cast<vote *>(args[i])->most = most;
            }
        }
    });
    return own.most;
}
static inline int __ffs(int v) {
    return __builtin_ffs(v);
}
static inline unsigned __float_as_uint(float v) {
    return simt::bits32(v);
}
static inline float __uint_as_float(unsigned v) {
    return simt::from32<float>(v);
}
/* Fibers do not run at the same time: an ordinary update is atomic. */
template <class T> static inline T atomicAdd(T *p, T v) {
    T old = *p;
    *p = old + v;
    return old;
}
template <class T> static inline T __ldg(const T *p) {
    return *p;
}

struct __half {
    uint16_t bits;
};
static inline __half __float2half_rn(float v) {
    return __half{simt::half_of(v)};
}
static inline float __half2float(__half v) {
    return simt::float_of(v.bits);
}

#endif
