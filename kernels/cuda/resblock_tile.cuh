/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pixels in shared memory and tiles in registers, for resblock.
 *
 * A row is `columns` pixels of 16, 32 or 64 channels, chunks of 16 bytes; chunk q of place x lies
 * at q ^ (x / 4 % 2), q ^ (x / 2 % 4) or q ^ (x % 8), so that the 8 neighbouring places of an
 * ldmatrix fall into different banks. Where a map is halved the even columns come first, then the
 * odd ones: places that are read together are neighbours again.
 *
 * Rows of a fragment stand for channels 4 (i / 2) + i % 2 (+ 2 from row 8 on): after movmatrix a
 * lane holds 4 neighbouring channels of pixel lane / 4 and stores 8 bytes. The same order of the
 * columns makes 8 bytes of a pixel a B operand, which the shortcut's fragments use.
 */
#ifndef DRAE_KERNELS_CUDA_RESBLOCK_TILE_CUH
#define DRAE_KERNELS_CUDA_RESBLOCK_TILE_CUH

#include "kernels/cuda/resblock.cuh"

constexpr int RESBLOCK_UNIT = 16; /* pixels of a warp at a time */

static __device__ __forceinline__ int resblock_lane() {
    return static_cast<int>(threadIdx.x) % 32;
}

static __device__ __forceinline__ int resblock_warp() {
    return static_cast<int>(threadIdx.x) / 32;
}

/* Byte of chunk q of place x of a row of CH channels. */
template <int CH> static __device__ __forceinline__ int pixel_at(int x, int q) {
    static_assert(CH == 16 || CH == 32 || CH == 64, "a swizzle for each");
    const int swizzle = CH == 16 ? x >> 2 & 1 : CH == 32 ? x >> 1 & 3 : x & 7;
    return x * (2 * CH) + ((q ^ swizzle) << 4);
}

/* Place of a column of a row that steps of S read. */
template <int S> static __device__ __forceinline__ int place_of(int column, int columns) {
    return S == 1 ? column : (column >> 1) + (column & 1) * (columns / 2);
}

/* Where this lane reads 16 pixels' chunks of 16 channels, column + S (0..15); ^ 32 k for channels
 * 16 k on; 16 places on is as many bytes on. */
template <int CH, int S> static __device__ __forceinline__ int lane_at(int column, int columns) {
    const int lane = resblock_lane();
    return pixel_at<CH>(place_of<S>(column, columns) + lane / 16 * 8 + lane % 8, lane / 8 % 2);
}

/* The B operands of two tiles of 8 pixels. */
static __device__ __forceinline__ void load_pixels(uint32_t (&b)[2][2], const unsigned char *from) {
    uint32_t r[4];
    ptx::ldmatrix_x4(r, from);
    b[0][0] = r[0];
    b[0][1] = r[1];
    b[1][0] = r[2];
    b[1][1] = r[3];
}

typedef float tile_pair[2][4]; /* sums of 16 channels x 16 pixels */

static __device__ __forceinline__ void multiply(tile_pair &acc, const uint32_t (&wei)[4],
                                                const uint32_t (&b)[2][2]) {
    ptx::mma_m16n8k16_f16(acc[0], wei, b[0]);
    ptx::mma_m16n8k16_f16(acc[1], wei, b[1]);
}

static __device__ __forceinline__ void clear(tile_pair &t) {
    DRAE_UNROLL
    for (int i = 0; i < 8; i++) {
        t[i / 4][i % 4] = 0.0f;
    }
}

/* Scale and shift of this lane's channels of a slice: rows lane / 4 and 8 more. length, of the
 * vectors, is a power of two: those of pairs repeat. */
struct affine {
    float scale[2], shift[2];
};

static __device__ __forceinline__ affine load_affine(const float *scale, const float *shift,
                                                     int slice, int length) {
    const int g = resblock_lane() / 4, c = 16 * slice + 4 * (g / 2) + g % 2;
    affine a = {{scale[c & (length - 1)], scale[(c + 2) & (length - 1)]},
                {shift[c & (length - 1)], shift[(c + 2) & (length - 1)]}};
    return a;
}

/* leaky(affine(.)), slope at most 1. */
static __device__ __forceinline__ float leaky(float v, float scale, float shift, float slope) {
    const float u = scale * v + shift;
    return fmaxf(u, slope * u);
}

/* A tile as f16, transposed: 4 neighbouring channels of pixel lane / 4. */
static __device__ __forceinline__ uint2 transpose(float v0, float v1, float v2, float v3) {
    return make_uint2(ptx::movmatrix_trans(ptx::pack_f16x2(v0, v1)),
                      ptx::movmatrix_trans(ptx::pack_f16x2(v2, v3)));
}

static __device__ __forceinline__ uint2 activate(const float (&v)[4], const affine &a,
                                                 float slope) {
    return transpose(
        leaky(v[0], a.scale[0], a.shift[0], slope), leaky(v[1], a.scale[0], a.shift[0], slope),
        leaky(v[2], a.scale[1], a.shift[1], slope), leaky(v[3], a.scale[1], a.shift[1], slope));
}

/* The way back: 4 channels of a pixel a lane to sums. */
static __device__ __forceinline__ void untranspose(float (&v)[4], uint2 r) {
    const float2 lo = ptx::unpack_f16x2(ptx::movmatrix_trans(r.x));
    const float2 hi = ptx::unpack_f16x2(ptx::movmatrix_trans(r.y));
    v[0] = lo.x;
    v[1] = lo.y;
    v[2] = hi.x;
    v[3] = hi.y;
}

#endif
