/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The last layer on tensor cores: a 3x3 convolution to one channel, on 42 x 42 pixels.
 *
 * A warp makes 14 x 14 pixels. 16 neighbouring pixels of a row, 14 and one on either side, are the
 * 16 rows of A, 16 channels its columns; B holds the taps of one row of the window:
 *
 *     column   0    1    2    3    4    5    6  7
 *              kx=0      kx=1      kx=2      0  0      even: weight rounded to f16, odd: what that
 *              hi   lo   hi   lo   hi   lo             left, rounded; products are exact, so the
 *                                                      sums are those of f32 weights to 2^-22
 *
 * The three rows of the window add into one accumulator, so lane 4g + t ends with the sums of tap
 * column kx = t at pixels g and g + 8. Pixel p wants kx = t from pixel p + t - 1: one shuffle each
 * for g and g + 8, then the quad adds up. Channels of a lane's fragment are 4t..4t+3, not PTX's 2t,
 * 2t+1, 2t+8, 2t+9: the order of a sum's terms is free, and so a lane loads 8 bytes at once.
 * Rows above stay in registers: a pixel is read once by a warp, and by its neighbours at the seams.
 *
 * Where src is not finite neither is the sum.
 */
#ifndef DRAE_KERNELS_CUDA_OUT_TILE_CUH
#define DRAE_KERNELS_CUDA_OUT_TILE_CUH

#include "kernels/cuda/ptx.cuh"

namespace out_tile {

constexpr int CELL = 14, CELLS = 3, WARPS = CELLS * CELLS, SIDE = CELLS * CELL;
constexpr int CHUNK = 16; /* channels of an mma */
constexpr int QUAD = 4;   /* lanes that share a pixel, and channels of a lane */

struct source {
    const uint16_t *src; /* [size,size,c] f16, of one patch */
    const float *wei;    /* [9,c] */
    int size, c;
};

struct fragment {
    uint2 low, high; /* pixels g and g + 8 */
};

__device__ __forceinline__ int lane_of() {
    return static_cast<int>(threadIdx.x) % 32;
}

/* Channels `from` to from + 3 of both pixels; zeros outside the image and behind c. */
__device__ __forceinline__ fragment load(const source &s, int x, int y, int from) {
    fragment f = {make_uint2(0u, 0u), make_uint2(0u, 0u)};
    if (static_cast<unsigned>(y) < static_cast<unsigned>(s.size) && from < s.c) {
        const int at = (y * s.size + x) * s.c + from;
        if (static_cast<unsigned>(x) < static_cast<unsigned>(s.size)) {
            f.low = *reinterpret_cast<const uint2 *>(s.src + at);
        }
        if (static_cast<unsigned>(x + 8) < static_cast<unsigned>(s.size)) {
            f.high = *reinterpret_cast<const uint2 *>(s.src + at + 8 * s.c);
        }
    }
    return f;
}

/* B of window row ky: column lane / 4, channels from .. from + 3. */
__device__ __forceinline__ void load_taps(const source &s, int ky, int from, uint32_t (&b)[2]) {
    const int column = lane_of() / QUAD, kx = column / 2;
    b[0] = b[1] = 0u;
    if (kx < 3 && from < s.c) {
        const float4 w = *reinterpret_cast<const float4 *>(s.wei + (3 * ky + kx) * s.c + from);
        b[0] = ptx::pack_f16x2(w.x, w.y);
        b[1] = ptx::pack_f16x2(w.z, w.w);
        if (column % 2 != 0) {
            const float2 first = ptx::unpack_f16x2(b[0]), second = ptx::unpack_f16x2(b[1]);
            b[0] = ptx::pack_f16x2(w.x - first.x, w.y - first.y);
            b[1] = ptx::pack_f16x2(w.z - second.x, w.w - second.y);
        }
    }
}

__device__ __forceinline__ void multiply(float (&d)[4], const fragment &a, const uint32_t (&b)[2]) {
    const uint32_t rows[4] = {a.low.x, a.high.x, a.low.y, a.high.y};
    ptx::mma_m16n8k16_f16(d, rows, b);
}

/* What lane t's taps give for pixels p = g and p = g + 8. */
__device__ __forceinline__ float2 shift(const float (&d)[4]) {
    const int g = lane_of() / QUAD, t = lane_of() % QUAD;
    const float low = d[0] + d[1], high = d[2] + d[3];
    const int from = ((g + t - 1) & 7) * QUAD + t;
    const float to_low = __shfl_sync(0xffffffffu, t == 2 && g == 0 ? high : low, from);
    const float to_high = __shfl_sync(0xffffffffu, t == 0 && g == 7 ? low : high, from);
    return t == 3 ? make_float2(0.0f, 0.0f) : make_float2(to_low, to_high);
}

/* Adds up the quad: lanes 0 and 1 get pixels g and g + 8 of the first row, 2 and 3 of the second.
 */
__device__ __forceinline__ float add_quad(const float2 &first, const float2 &second) {
    const int t = lane_of() % QUAD;
    const bool odd = t % 2 != 0;
    float a = odd ? first.y : first.x, b = odd ? second.y : second.x;
    a += __shfl_xor_sync(0xffffffffu, odd ? first.x : first.y, 1);
    b += __shfl_xor_sync(0xffffffffu, odd ? second.x : second.y, 1);
    return (t < 2 ? a : b) + __shfl_xor_sync(0xffffffffu, t < 2 ? b : a, 2);
}

/* ROWS rows of a warp's pixels, the first of which is row `row` of the tile: x, y are where lane
 * 0's pixel g and the first row lie in the image. */
template <int ROWS, class Store>
__device__ __forceinline__ void make_rows(const source &s, int x, int y, int row, int column,
                                          const Store &store) {
    static_assert(ROWS % 2 == 0, "rows are finished two at a time");
    const int g = lane_of() / QUAD, t = lane_of() % QUAD;
    float d[ROWS][4] = {};
    for (int chunk = 0; chunk < s.c; chunk += CHUNK) {
        const int from = chunk + QUAD * t;
        uint32_t b[3][2];
        DRAE_UNROLL
        for (int ky = 0; ky < 3; ky++) {
            load_taps(s, ky, from, b[ky]);
        }
        fragment a[3];
        a[0] = load(s, x, y - 1, from);
        a[1] = load(s, x, y, from);
        DRAE_UNROLL
        for (int r = 0; r < ROWS; r++) {
            a[(r + 2) % 3] = load(s, x, y + r + 1, from);
            DRAE_UNROLL
            for (int ky = 0; ky < 3; ky++) {
                multiply(d[r], a[(r + ky) % 3], b[ky]);
            }
        }
    }
    const int p = t % 2 == 0 ? g : g + 8;
    DRAE_UNROLL
    for (int r = 0; r < ROWS; r += 2) {
        const float sum = add_quad(shift(d[r]), shift(d[r + 1]));
        if (p >= 1 && p <= CELL) {
            store(row + r + t / 2, column + p - 1, sum);
        }
    }
}

/* Calls store(row, column, sum) once for each of SIDE x SIDE pixels, the first of which is (y0, x0)
 * of the image. All WARPS warps call it. In two passes: the rows
 * of one are what registers hold. */
template <class Store>
__device__ __forceinline__ void run(const source &s, int x0, int y0, const Store &store) {
    constexpr int FIRST = 8;
    const int warp = static_cast<int>(threadIdx.x) / 32;
    const int column = warp % CELLS * CELL, row = warp / CELLS * CELL;
    const int x = x0 + column - 1 + lane_of() / QUAD;
    make_rows<FIRST>(s, x, y0 + row, row, column, store);
    make_rows<CELL - FIRST>(s, x, y0 + row + FIRST, row + FIRST, column, store);
}

} // namespace out_tile

#endif
