/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tile of a matrix product that conv_igemm.cu and dense.cu share: D[BM,BN] += A[BM,K]
 * B[BN,K]^T, f16 operands with K contiguous, f32 sums in registers, STAGES buffers filled by
 * cp.async.
 *
 *   shared memory, a stage:   A  BM rows x 64 bytes | B  BN rows x 64 bytes
 *   a row is 32 values of K, four 16-byte chunks; chunk q of row r lies at place q ^ (r / 2 % 4),
 * so that the 8 rows of an ldmatrix matrix fall into different banks.
 *
 *   warps:  WARPS_M x WARPS_N, each (BM / WARPS_M) x (BN / WARPS_N) of D
 */
#ifndef DRAE_KERNELS_CUDA_GEMM_TILE_CUH
#define DRAE_KERNELS_CUDA_GEMM_TILE_CUH

#include "kernels/cuda/ptx.cuh"

template <int BM_, int BN_, int WARPS_M_, int WARPS_N_, int STAGES_> struct gemm_tile {
    static constexpr int BM = BM_, BN = BN_, BK = 32;
    static constexpr int WARPS_M = WARPS_M_, WARPS_N = WARPS_N_, STAGES = STAGES_;
    static constexpr int THREADS = 32 * WARPS_M * WARPS_N;
    static constexpr int WM = BM / WARPS_M, WN = BN / WARPS_N;
    static constexpr int MI = WM / 16, NI = WN / 8;
    static constexpr int CHUNK_BYTES = 16, ROW_BYTES = 2 * BK, CHUNKS = ROW_BYTES / CHUNK_BYTES;
    static constexpr int ROWS_A_ROUND = THREADS / CHUNKS; /* rows that all threads load at once */
    static constexpr int STAGE_BYTES = (BM + BN) * ROW_BYTES;
    static constexpr int SHARED_BYTES = STAGES * STAGE_BYTES;
    static_assert(WM % 16 == 0 && WN % 16 == 0, "a warp's part is made of m16 x n16");
    static_assert(BM % ROWS_A_ROUND == 0, "A is loaded in whole rounds");
    static_assert(STAGES >= 2, "one buffer is read while another is filled");
};

/* Byte of chunk q of row r. */
static __device__ __forceinline__ int gemm_chunk_at(int r, int q) {
    return r * 64 + ((q ^ ((r >> 1) & 3)) << 4);
}

/* One stage into the sums. */
template <class T>
static __device__ __forceinline__ void gemm_multiply(float (&acc)[T::MI][T::NI][4],
                                                     const unsigned char *stage) {
    const int lane = static_cast<int>(threadIdx.x) % 32, warp = static_cast<int>(threadIdx.x) / 32;
    const int row_a = warp / T::WARPS_N * T::WM + lane % 16;
    const int row_b = warp % T::WARPS_N * T::WN + lane / 16 * 8 + lane % 8;
    const unsigned char *tile_b = stage + T::BM * T::ROW_BYTES;
    DRAE_UNROLL
    for (int k = 0; k < T::BK / 16; k++) {
        uint32_t a[T::MI][4], b[T::NI][2];
        DRAE_UNROLL
        for (int i = 0; i < T::MI; i++) {
            ptx::ldmatrix_x4(a[i], stage + gemm_chunk_at(row_a + 16 * i, 2 * k + lane / 16));
        }
        DRAE_UNROLL
        for (int j = 0; j < T::NI; j += 2) {
            uint32_t pair[4];
            ptx::ldmatrix_x4(pair, tile_b + gemm_chunk_at(row_b + 8 * j, 2 * k + lane / 8 % 2));
            b[j][0] = pair[0];
            b[j][1] = pair[1];
            b[j + 1][0] = pair[2];
            b[j + 1][1] = pair[3];
        }
        DRAE_UNROLL
        for (int i = 0; i < T::MI; i++) {
            DRAE_UNROLL
            for (int j = 0; j < T::NI; j++) {
                ptx::mma_m16n8k16_f16(acc[i][j], a[i], b[j]);
            }
        }
    }
}

/*
 * All of K. load(stage, step) issues the copies of one step of 32 values, for every thread the same
 * number of steps from 0 on in order; it does not commit. Ends with every copy waited for and all
 * threads behind a barrier.
 */
template <class T, class Load>
static __device__ __forceinline__ void gemm_loop(float (&acc)[T::MI][T::NI][4],
                                                 unsigned char *shared, int steps, Load load) {
    DRAE_UNROLL
    for (int i = 0; i < T::MI; i++) {
        DRAE_UNROLL
        for (int j = 0; j < T::NI; j++) {
            acc[i][j][0] = acc[i][j][1] = acc[i][j][2] = acc[i][j][3] = 0.0f;
        }
    }
    for (int s = 0; s < T::STAGES - 1; s++) {
        if (s < steps) {
            load(shared + s * T::STAGE_BYTES, s);
        }
        ptx::cp_async_commit();
    }
    int reading = 0, filling = T::STAGES - 1;
    for (int s = 0; s < steps; s++) {
        ptx::cp_async_wait<T::STAGES - 2>();
        __syncthreads(); /* everybody's copies are there, everybody is done with `filling` */
        if (s + T::STAGES - 1 < steps) {
            load(shared + filling * T::STAGE_BYTES, s + T::STAGES - 1);
        }
        ptx::cp_async_commit();
        gemm_multiply<T>(acc, shared + reading * T::STAGE_BYTES);
        reading = reading + 1 == T::STAGES ? 0 : reading + 1;
        filling = filling + 1 == T::STAGES ? 0 : filling + 1;
    }
    ptx::cp_async_wait<0>();
    __syncthreads();
}

#endif
