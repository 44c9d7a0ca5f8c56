/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How one C loop becomes code for three instruction sets. A kernel is written once as
 * `name_body`, always inlined; DRAE__CLONES compiles it for AVX-512, for AVX2 with FMA and for
 * baseline x86-64 (or whatever the machine is), and `name` picks by CPUID. No file needs -march.
 *
 * OpenMP stays outside: the compiler outlines a parallel region for the baseline before it inlines,
 * so a public function splits the work and calls the cloned serial kernel on each piece.
 *
 * DRAE__ISA_LIMIT (0 baseline, 1 AVX2, 2 AVX-512) lowers the ceiling at compile time: the tests
 * build the same sources with it, so that every clone runs on one machine.
 */
#ifndef DRAE_KERNELS_CPU_ISA_H
#define DRAE_KERNELS_CPU_ISA_H

#include <stddef.h>

#ifndef DRAE__ISA_LIMIT
#define DRAE__ISA_LIMIT 2
#endif

enum { DRAE__ISA_BASE = 0, DRAE__ISA_AVX2 = 1, DRAE__ISA_AVX512 = 2 };

#define DRAE__BODY static inline __attribute__((always_inline))

#if defined(__x86_64__)
#define DRAE__TARGET_AVX512 __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")))
#define DRAE__TARGET_AVX2   __attribute__((target("avx2,fma")))
#else
#define DRAE__TARGET_AVX512
#define DRAE__TARGET_AVX2
#endif

static inline int drae__isa(void) {
#if defined(__x86_64__)
    if (DRAE__ISA_LIMIT >= DRAE__ISA_AVX512 && __builtin_cpu_supports("avx512f") &&
        __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512vl")) {
        return DRAE__ISA_AVX512;
    }
    if (DRAE__ISA_LIMIT >= DRAE__ISA_AVX2 && __builtin_cpu_supports("avx2") &&
        __builtin_cpu_supports("fma")) {
        return DRAE__ISA_AVX2;
    }
#endif
    return DRAE__ISA_BASE;
}

/* params: the parenthesised parameter list of name_body, args: the parenthesised names in it. */
#define DRAE__CLONES(name, params, args)                                                           \
    DRAE__TARGET_AVX512 static void name##_avx512 params {                                         \
        name##_body args;                                                                          \
    }                                                                                              \
    DRAE__TARGET_AVX2 static void name##_avx2 params {                                             \
        name##_body args;                                                                          \
    }                                                                                              \
    static void name##_base params {                                                               \
        name##_body args;                                                                          \
    }                                                                                              \
    static void name params {                                                                      \
        switch (drae__isa()) {                                                                     \
        case DRAE__ISA_AVX512:                                                                     \
            name##_avx512 args;                                                                    \
            break;                                                                                 \
        case DRAE__ISA_AVX2:                                                                       \
            name##_avx2 args;                                                                      \
            break;                                                                                 \
        default:                                                                                   \
            name##_base args;                                                                      \
            break;                                                                                 \
        }                                                                                          \
    }

/* Vectors by the compiler's extension: 16 floats are one, two or four registers. */
#define DRAE__LANES 16
typedef float drae__v16 __attribute__((vector_size(64)));
typedef int drae__v16i __attribute__((vector_size(64)));
typedef float drae__v16u __attribute__((vector_size(64), aligned(4), may_alias));
typedef float drae__v8 __attribute__((vector_size(32)));
typedef float drae__v8u __attribute__((vector_size(32), aligned(4), may_alias));
typedef double drae__v8d __attribute__((vector_size(64)));

#define DRAE__LOAD16(p)     (*(const drae__v16u *)(p))
#define DRAE__STORE16(p, v) (*(drae__v16u *)(p) = (v))
#define DRAE__LOAD8(p)      (*(const drae__v8u *)(p))
#define DRAE__STORE8(p, v)  (*(drae__v8u *)(p) = (v))

/* Reductions that must not depend on threads split their range into so many chunks, always; a
 * chunk's bounds depend on the size of the range alone, and chunks are added up in order. */
#define DRAE__CHUNKS 64

/* First unit of chunk i when n units are split (i = DRAE__CHUNKS gives n). */
static inline size_t drae__chunk_begin(size_t n, int i) {
    size_t each = n / DRAE__CHUNKS, more = n % DRAE__CHUNKS, at = (size_t)i;
    return each * at + (at < more ? at : more);
}

#endif
