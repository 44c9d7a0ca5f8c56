/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Vectors of inference: the compiler's own, 4 floats, any machine. Multiply and add are two
 * roundings (the build forbids contraction), so results are the same bits everywhere; that the
 * compiler may turn these into SSE or NEON changes nothing, since every lane is a chain of its own.
 */
#ifndef DRAE_KERNELS_CPU_INFER_VEC_PORTABLE_H
#define DRAE_KERNELS_CPU_INFER_VEC_PORTABLE_H

#include <stdint.h>

#define VL 4

typedef float vf __attribute__((vector_size(16)));
typedef int32_t vi __attribute__((vector_size(16)));
typedef float vf_u __attribute__((vector_size(16), aligned(4), may_alias));

#define CO  4
#define NV  3
#define COT 2
#define NVT 3
#define NVO 6
#define NP  3
#define NVD 4

static inline vf vf_fma(vf a, vf b, vf c) {
    return a * b + c;
}

static inline __attribute__((always_inline)) void vf_acc(vf *acc, vf a, vf b) {
    *acc = a * b + *acc;
}

static inline vf vf_select(vi mask, vf a, vf b) {
    return (vf)((mask & (vi)a) | (~mask & (vi)b));
}

static inline vf vf_max(vf a, vf b) {
    return vf_select(a > b, a, b);
}

static inline vf vf_min(vf a, vf b) {
    return vf_select(a < b, a, b);
}

static inline vf vf_set(float a) {
    return (vf){a, a, a, a};
}

static inline vf vf_load_even(const float *p) {
    return (vf){p[0], p[2], p[4], p[6]};
}

static inline vf vf_zip_lo(vf a, vf b) {
    return (vf){a[0], b[0], a[1], b[1]};
}

static inline vf vf_zip_hi(vf a, vf b) {
    return (vf){a[2], b[2], a[3], b[3]};
}

static inline vf vf_from_u8(const uint8_t *p) {
    return (vf){(float)p[0], (float)p[1], (float)p[2], (float)p[3]};
}

#endif
