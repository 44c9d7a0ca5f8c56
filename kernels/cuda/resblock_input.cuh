/* SPDX-License-Identifier: Apache-2.0 */
/* resblock_stream: rows of p into the ring, copied or made from the image by the stem. */
#ifndef DRAE_KERNELS_CUDA_RESBLOCK_INPUT_CUH
#define DRAE_KERNELS_CUDA_RESBLOCK_INPUT_CUH

#include "kernels/cuda/resblock_stream.cuh"

template <class B>
__device__ __forceinline__ void resblock_stream<B>::copy_rows(int first, int last) {
    constexpr int CHUNKS = B::CIN / 8;
    const drae__cuda_block &op = a.op;
    for (int y = first; y <= last; y++) {
        const bool inside = static_cast<unsigned>(y) < static_cast<unsigned>(op.h);
        const uint16_t *src =
            op.src + (static_cast<ptrdiff_t>(n) * op.h + (inside ? y : 0)) * op.w * B::CIN;
        unsigned char *row = p_ring + p_row(y);
        for (int i = static_cast<int>(threadIdx.x); i < op.w * CHUNKS; i += B::THREADS) {
            const int place = place_of<B::S>(i / CHUNKS + 1, a.p_columns);
            ptx::cp_async_16(row + pixel_at<B::CIN>(place, i % CHUNKS), src + 8 * i, inside);
        }
    }
    ptx::cp_async_commit();
}

/* Two neighbouring bytes of the image as f16, which holds them exactly. */
template <class B>
__device__ __forceinline__ uint32_t resblock_stream<B>::bytes_at(int y, int x) const {
    const unsigned columns = static_cast<unsigned>(a.image_columns);
    const bool row = static_cast<unsigned>(y) < static_cast<unsigned>(a.op.h);
    const uint8_t *from =
        a.op.image + (static_cast<ptrdiff_t>(n) * a.op.h + y) * a.image_columns + x;
    const float lo = row && static_cast<unsigned>(x) < columns ? from[0] : 0.0f;
    const float hi = row && static_cast<unsigned>(x + 1) < columns ? from[1] : 0.0f;
    return ptx::pack_f16x2(lo, hi);
}

/* Weight of tap k of channel c of p, 3 rows of 4 columns: the second pixel of a pair lies a
 * column further on, a single one has zeros in the last. */
template <class B>
__device__ __forceinline__ uint32_t resblock_stream<B>::stem_tap(int c, int k) const {
    const int column = k % 4 - (B::PAIR ? c / 8 : 0);
    return k < 12 && column >= 0 && column < 3
               ? a.op.stem_wei[9 * (c & (a.vector_in - 1)) + 3 * (k / 4) + column]
               : 0;
}

/* The stem's weights as a fragment for each 16 channels: columns are taps, zeros up to 16. */
template <class B> __device__ __forceinline__ void resblock_stream<B>::keep_stem() {
    const int g = resblock_lane() / 4, t = resblock_lane() % 4;
    DRAE_UNROLL
    for (int s = 0; s < B::K1; s++) {
        DRAE_UNROLL
        for (int i = 0; i < 4; i++) {
            const int c = 16 * s + 4 * (g / 2) + g % 2 + 2 * (i % 2), k = 2 * t + 8 * (i / 2);
            stem[s][i] = stem_tap(c, k) | stem_tap(c, k + 1) << 16;
        }
    }
}

/* p = act(stem(image)) into the ring: all taps are one fragment. */
template <class B>
__device__ __forceinline__ void resblock_stream<B>::make_rows(int first, int last) {
    const drae__cuda_block &op = a.op;
    const int g = resblock_lane() / 4, t = resblock_lane() % 4;
    const int tiles = drae__ceil_div(op.w, 8);
    for (int y = first; y <= last; y++) {
        const bool inside = static_cast<unsigned>(y) < static_cast<unsigned>(op.h);
        unsigned char *row = p_ring + p_row(y);
        for (int tile = resblock_warp(); tile < tiles; tile += B::WARPS) {
            const int x = 8 * tile + g, column = (B::PAIR ? 2 : 1) * x - 1 + t % 2 * 2;
            const uint32_t b[2] = {bytes_at(y - 1 + t / 2, column), bytes_at(y + 1, column)};
            DRAE_UNROLL
            for (int k = 0; k < B::K1; k++) {
                const affine bn_stem = load_affine(op.stem_scale, op.stem_shift, k, a.vector_in);
                float sum[4] = {0.0f, 0.0f, 0.0f, 0.0f};
                ptx::mma_m16n8k16_f16(sum, stem[k], b);
                uint2 v = activate(sum, bn_stem, op.slope);
                v.x = inside && x < op.w ? v.x : 0;
                v.y = inside && x < op.w ? v.y : 0;
                *reinterpret_cast<uint2 *>(row + quad_at<B::CIN>(k) + tile * (8 * B::CIN * 2)) = v;
            }
        }
    }
}

template <class B>
__device__ __forceinline__ void resblock_stream<B>::bring_rows(int first, int last) {
    if constexpr (B::IMAGE) {
        make_rows(first, last);
    } else {
        copy_rows(first, last);
    }
}

#endif
