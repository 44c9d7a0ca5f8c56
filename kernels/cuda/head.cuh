/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What those kernels share that make the head's input: out_score its first twelve planes, matched
 * the last four; head.cu does the rest.
 *
 * A map of the head is NHWC f16, [n,size/2,size/2,16]. The normalised residual of its input has no
 * bound: scale may be as small as it likes. Beyond the range of f16 a value becomes the greatest
 * there is. The network is a few leaky ramps behind one another, so h grows as its input does; an
 * input of 65504 spreads is beyond any threshold either way, where an infinite one would turn into
 * what is not a number as soon as two weights have different signs.
 */
#ifndef DRAE_KERNELS_CUDA_HEAD_CUH
#define DRAE_KERNELS_CUDA_HEAD_CUH

#include "kernels/cuda/ptx.cuh"

extern "C" {
#include "kernels/infer_cuda.h"
}

namespace head {

constexpr int PLANES = DRAE__H_PLANES;
constexpr int PHASES = 4; /* pixels of an image in one of the maps, 2 x 2; planes of a kind */

/* Whether z of a patch of the region is h. */
__device__ __forceinline__ bool decides(const drae__cuda_out_score &op,
                                        const drae__cuda_region &region) {
    return op.heads != nullptr && region.maps >= 0 && region.filters >= 0 && region.head >= 0;
}

/* Two values as a map holds them: NaN stays. */
__device__ __forceinline__ uint32_t pack(float lo, float hi) {
    constexpr uint32_t MOST = 0x7BFF7BFFu, LEAST = 0xFBFFFBFFu;
    return ptx::max_f16x2(ptx::min_f16x2(ptx::pack_f16x2(lo, hi), MOST), LEAST);
}

/* Where the 16 planes of pixel (y, x) of the image lie in a patch's map; y and x are even, or
 * rounded down. */
__device__ __forceinline__ int place(int size, int y, int x) {
    return (y / 2 * (size / 2) + x / 2) * PLANES;
}

} // namespace head

#endif
