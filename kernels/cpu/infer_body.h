/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the bodies of the inference kernels share. A body is written once over the vectors of
 * infer_vec_<name>.h (VL lanes, vf, vf_fma, ...) and compiled once per instruction set by
 * infer_<name>.c, which includes exactly one of those headers, the bodies, and makes the table.
 */
#ifndef DRAE_KERNELS_CPU_INFER_BODY_H
#define DRAE_KERNELS_CPU_INFER_BODY_H

#include "kernels/infer.h"

#include <string.h>

#define INLINE   static inline __attribute__((always_inline))
#define NOINLINE static __attribute__((noinline))

/* Accumulators live in arrays that must become registers: every loop over them is unrolled. */
#if defined(__clang__)
#define UNROLL _Pragma("unroll")
#else
#define UNROLL _Pragma("GCC unroll 16")
#endif

INLINE vf vf_load(const float *p) {
    return (vf) * (const vf_u *)(const void *)p;
}

INLINE void vf_store(float *p, vf v) {
    *(vf_u *)(void *)p = (vf_u)v;
}

/* The first n <= VL lanes. */
INLINE void vf_store_n(float *p, vf v, int n) {
    if (n == VL) {
        vf_store(p, v);
    } else if (n > 0) {
        memcpy(p, &v, (size_t)n * sizeof(float));
    }
}

/* u > 0 ? u : slope u, for 0 < slope <= 1; NaN stays. */
INLINE vf vf_leaky(vf u, vf slope) {
    return vf_max(u * slope, u);
}

/* Zeros; not a number where v is not finite. */
INLINE vf vf_doubt(vf v) {
    const vf same = v;
    return v - same;
}

/* v with zeros in the lanes from n on. */
INLINE vf vf_keep(vf v, int n) {
    float lanes[VL];
    vf_store(lanes, v);
    for (int i = n; i < VL; i++) {
        lanes[i] = 0.0f;
    }
    return vf_load(lanes);
}

/* What one element of a map is: a float, or two channels in bf16, multiplied and added together. */
#ifndef PAIRS
#define PAIRS      0
#define vf_product vf_acc
#endif
#define PLANES(c) (((c) + PAIRS) >> PAIRS)

typedef void (*product_of)(vf *acc, vf a, vf b);

INLINE int lanes_left(int w, int x) {
    return w - x < VL ? w - x : VL;
}

#endif
