/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a block finds of its threads' values: a sum with least and greatest, in a fixed order, and
 * the largest of many. Results are thread 0's; scratch may be used again after a barrier.
 */
#ifndef DRAE_KERNELS_CUDA_REDUCE_CUH
#define DRAE_KERNELS_CUDA_REDUCE_CUH

#include "kernels/cuda/launch.cuh"

namespace reduce {

struct sums {
    float sum, least, greatest;
};

__device__ __forceinline__ float larger(float a, float b) {
    return a > b ? a : b;
}
__device__ __forceinline__ float smaller(float a, float b) {
    return a < b ? a : b;
}
__device__ __forceinline__ sums nothing() {
    return {0.0f, 3.0e38f, -3.0e38f};
}

/* Of the warp, in lane 0. */
__device__ __forceinline__ sums sums_of_warp(sums s) {
    for (int by = 16; by > 0; by /= 2) {
        const unsigned down = static_cast<unsigned>(by);
        s.sum += __shfl_down_sync(0xffffffffu, s.sum, down);
        s.least = smaller(s.least, __shfl_down_sync(0xffffffffu, s.least, down));
        s.greatest = larger(s.greatest, __shfl_down_sync(0xffffffffu, s.greatest, down));
    }
    return s;
}

template <int WARPS> __device__ __forceinline__ sums sums_of_block(sums s, sums *scratch) {
    s = sums_of_warp(s);
    const int lane = static_cast<int>(threadIdx.x) % 32, warp = static_cast<int>(threadIdx.x) / 32;
    __syncthreads();
    if (lane == 0) {
        scratch[warp] = s;
    }
    __syncthreads();
    if (threadIdx.x == 0) {
        for (int i = 1; i < WARPS; i++) {
            s.sum += scratch[i].sum;
            s.least = smaller(s.least, scratch[i].least);
            s.greatest = larger(s.greatest, scratch[i].greatest);
        }
    }
    return s;
}

constexpr int KEYS = 4; /* values of a thread */

/* The TOP largest keys of a warp, largest first, into dst; 0 where there are fewer. A key that two
 * hold is taken twice, from the lower lane first: which lane gives it changes nothing. */
template <int TOP>
__device__ __forceinline__ void top_of_warp(uint32_t (&keys)[KEYS], uint32_t *dst) {
    const int lane = static_cast<int>(threadIdx.x) % 32;
    for (int k = 0; k < TOP; k++) {
        uint32_t own = keys[0];
        DRAE_UNROLL
        for (int i = 1; i < KEYS; i++) {
            own = own > keys[i] ? own : keys[i];
        }
        const uint32_t most = __reduce_max_sync(0xffffffffu, own);
        const unsigned holders = __ballot_sync(0xffffffffu, own == most);
        bool mine = lane == __ffs(static_cast<int>(holders)) - 1;
        DRAE_UNROLL
        for (int i = 0; i < KEYS; i++) {
            const bool here = mine && keys[i] == most;
            keys[i] = here ? 0u : keys[i];
            mine = mine && !here;
        }
        if (lane == 0) {
            dst[k] = most;
        }
    }
}

/* Of the block: scratch[0..TOP) in the end, for the first warp; WARPS TOP keys of it are used. Bits
 * of floats that are not negative are in the order of the floats; NaN without a sign is above all.
 */
template <int WARPS, int TOP>
__device__ __forceinline__ void top_of_block(uint32_t (&keys)[KEYS], uint32_t *scratch) {
    static_assert(WARPS * TOP <= 32 * KEYS, "one warp holds what the warps found");
    const int thread = static_cast<int>(threadIdx.x);
    top_of_warp<TOP>(keys, scratch + thread / 32 * TOP);
    __syncthreads();
    if (thread < 32) {
        DRAE_UNROLL
        for (int i = 0; i < KEYS; i++) {
            const int k = i * 32 + thread;
            keys[i] = k < WARPS * TOP ? scratch[k] : 0u;
        }
        __syncwarp();
        top_of_warp<TOP>(keys, scratch);
    }
}

} // namespace reduce

#endif
