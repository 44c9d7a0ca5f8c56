/* SPDX-License-Identifier: Apache-2.0 */
/* CPU twins of the instructions of kernels/cuda/ptx.cuh, under the same names (ptx.cpp). */
#ifndef DRAE_SIMT_PTX_H
#define DRAE_SIMT_PTX_H

#include "drae_simt.h"

namespace simt {
void ldmatrix(uint32_t *r, int matrices, bool trans, const void *row);
void mma_f16(float *d, const uint32_t *a, const uint32_t *b, bool bf16);
void mma_s8(int32_t *d, const uint32_t *a, const uint32_t *b);
uint32_t movmatrix(uint32_t v);
uint32_t larger_halves(uint32_t a, uint32_t b, bool smaller);
void copy_async(void *dst, const void *src, bool valid);
void copy_commit();
void copy_wait(int groups_left);
} // namespace simt

namespace ptx {

static inline void settle(int &) {
}
static inline void ldmatrix_x1(uint32_t (&r)[1], const void *row) {
    simt::ldmatrix(r, 1, false, row);
}
static inline void ldmatrix_x2(uint32_t (&r)[2], const void *row) {
    simt::ldmatrix(r, 2, false, row);
}
static inline void ldmatrix_x4(uint32_t (&r)[4], const void *row) {
    simt::ldmatrix(r, 4, false, row);
}
static inline void ldmatrix_x2_trans(uint32_t (&r)[2], const void *row) {
    simt::ldmatrix(r, 2, true, row);
}
static inline void ldmatrix_x4_trans(uint32_t (&r)[4], const void *row) {
    simt::ldmatrix(r, 4, true, row);
}
static inline void mma_m16n8k16_f16(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
    simt::mma_f16(d, a, b, false);
}
static inline void mma_m16n8k16_bf16(float (&d)[4], const uint32_t (&a)[4],
                                     const uint32_t (&b)[2]) {
    simt::mma_f16(d, a, b, true);
}
static inline void mma_m16n8k32_s8(int32_t (&d)[4], const uint32_t (&a)[4],
                                   const uint32_t (&b)[2]) {
    simt::mma_s8(d, a, b);
}
static inline uint32_t movmatrix_trans(uint32_t v) {
    return simt::movmatrix(v);
}
static inline void cp_async_16(void *dst, const void *src, bool valid) {
    simt::copy_async(dst, src, valid);
}
static inline void cp_async_commit() {
    simt::copy_commit();
}
template <int GROUPS_LEFT> static inline void cp_async_wait() {
    simt::copy_wait(GROUPS_LEFT);
}
static inline uint32_t pack_f16x2(float lo, float hi) {
    return (uint32_t)simt::half_of(lo) | (uint32_t)simt::half_of(hi) << 16;
}
static inline uint32_t max_f16x2(uint32_t a, uint32_t b) {
    return simt::larger_halves(a, b, false);
}
static inline uint32_t min_f16x2(uint32_t a, uint32_t b) {
    return simt::larger_halves(a, b, true);
}
static inline float2 unpack_f16x2(uint32_t v) {
    return make_float2(simt::float_of((uint16_t)(v & 0xFFFFu)),
                       simt::float_of((uint16_t)(v >> 16)));
}
} // namespace ptx

#endif
