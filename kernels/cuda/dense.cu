/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dense_down_f16, dense_latents, dense_up_f16: the bottleneck.
 *
 * computes    partial[k,p,j] = sum over the k-th 256 features of src[p,i] wei_down[j,i]
 *             latents[p,j]   = leaky(sum of k in order partial[k,p,j] + bias_down[j])
 *             dst[p,i]       = leaky(scale[i] leaky(sum_j latents[p,j] wei_up[i,j] + bias_up[i]) +
 * shift[i]) layout      src, dst [n,elems] in H,W,C order; weights [latent_padded,elems],
 * [elems,latent_padded] mapping     tiles of 64 patches; down: block (chunk of K, patches,
 * latents): split K over the whole card, each weight read once for 64 patches; up: block (128
 * outputs, patches) shared      gemm_tile.cuh numerics    f32; the chunk is a constant, so the
 * order depends on elems alone measured    not on a device
 */
#include "kernels/cuda/gemm_tile.cuh"

extern "C" {
#include "kernels/infer_cuda.h"
}

namespace {

constexpr int GROUP = 8;
constexpr int LATENTS_THREADS = 64;

typedef gemm_tile<64, 64, 4, 2, 4> tile_down;
typedef gemm_tile<64, 128, 4, 2, 3> tile_up;

struct dense_args {
    drae__cuda_dense op;
    int padded; /* latents */
    int k;      /* of a row of src and wei: elems or padded */
};

/* Rows of two matrices with K contiguous; rows behind the last and K behind the end are zeros. */
template <class T> struct loader {
    static constexpr int ROWS_B = T::BN / T::ROWS_A_ROUND;
    const uint16_t *src, *wei;
    ptrdiff_t k;
    int n, m0, n0, k0, k_end, columns;

    __device__ __forceinline__ void operator()(unsigned char *stage, int step) const {
        const int chunk = static_cast<int>(threadIdx.x) % T::CHUNKS;
        const int row = static_cast<int>(threadIdx.x) / T::CHUNKS;
        const int at = k0 + step * T::BK + chunk * GROUP;
        DRAE_UNROLL
        for (int i = 0; i < T::BM / T::ROWS_A_ROUND; i++) {
            int r = row + i * T::ROWS_A_ROUND;
            bool valid = m0 + r < n && at < k_end;
            ptx::cp_async_16(stage + gemm_chunk_at(r, chunk), valid ? src + (m0 + r) * k + at : src,
                             valid);
        }
        DRAE_UNROLL
        for (int i = 0; i < ROWS_B; i++) {
            int r = row + i * T::ROWS_A_ROUND;
            bool valid = n0 + r < columns && at < k_end;
            ptx::cp_async_16(stage + T::BM * T::ROW_BYTES + gemm_chunk_at(r, chunk),
                             valid ? wei + (n0 + r) * k + at : wei, valid);
        }
    }
};

/* The four sums of a fragment: f(row, column, v0, v1) for two neighbouring columns. */
template <class T, class F>
__device__ __forceinline__ void each_pair(const float (&acc)[T::MI][T::NI][4], int m0, int n0,
                                          F f) {
    const int lane = static_cast<int>(threadIdx.x) % 32, warp = static_cast<int>(threadIdx.x) / 32;
    const int row = m0 + warp / T::WARPS_N * T::WM + lane / 4;
    const int column = n0 + warp % T::WARPS_N * T::WN + lane % 4 * 2;
    DRAE_UNROLL
    for (int i = 0; i < 2 * T::MI; i++) {
        DRAE_UNROLL
        for (int j = 0; j < T::NI; j++) {
            const float *v = acc[i / 2][j] + i % 2 * 2;
            f(row + 8 * i, column + 8 * j, v[0], v[1]);
        }
    }
}

__device__ __forceinline__ float leaky(float v, float slope) {
    return v > 0.0f ? v : slope * v;
}

__global__ void __launch_bounds__(tile_down::THREADS) dense_down_f16(const dense_args a) {
    typedef tile_down T;
    DRAE_SHARED_DYNAMIC(shared);
    const int chunk = static_cast<int>(blockIdx.x);
    const int m0 = static_cast<int>(blockIdx.y) * T::BM, n0 = static_cast<int>(blockIdx.z) * T::BN;
    loader<T> load = {a.op.src, a.op.wei_down, a.k, a.op.n, m0, n0, chunk * DRAE__CUDA_DOWN_CHUNK,
                      a.k,      a.padded};
    float acc[T::MI][T::NI][4];
    gemm_loop<T>(acc, shared, DRAE__CUDA_DOWN_CHUNK / T::BK, load);
    float *partial = a.op.partial + static_cast<ptrdiff_t>(chunk) * a.op.n * a.padded;
    each_pair<T>(acc, m0, n0, [&](int row, int column, float v0, float v1) {
        if (row < a.op.n) {
            *reinterpret_cast<float2 *>(partial + row * a.padded + column) = make_float2(v0, v1);
        }
    });
}

__global__ void __launch_bounds__(LATENTS_THREADS) dense_latents(const dense_args a, int chunks) {
    const int p = static_cast<int>(blockIdx.x);
    const int j = static_cast<int>(blockIdx.y) * LATENTS_THREADS + static_cast<int>(threadIdx.x);
    const float *at = a.op.partial + p * a.padded + j;
    float sum = 0.0f;
    for (int k = 0; k < chunks; k++) {
        sum += at[static_cast<ptrdiff_t>(k) * a.op.n * a.padded];
    }
    float v = leaky(sum + a.op.bias_down[j], a.op.slope);
    a.op.latents[p * a.padded + j] = static_cast<uint16_t>(ptx::pack_f16x2(v, 0.0f) & 0xFFFFu);
}

__global__ void __launch_bounds__(tile_up::THREADS) dense_up_f16(const dense_args a) {
    typedef tile_up T;
    DRAE_SHARED_DYNAMIC(shared);
    const int n0 = static_cast<int>(blockIdx.x) * T::BN, m0 = static_cast<int>(blockIdx.y) * T::BM;
    const int elems = static_cast<int>(a.op.elems);
    loader<T> load = {a.op.latents, a.op.wei_up, a.padded, a.op.n, m0, n0, 0, a.padded, elems};
    float acc[T::MI][T::NI][4];
    gemm_loop<T>(acc, shared, a.padded / T::BK, load);
    each_pair<T>(acc, m0, n0, [&](int row, int i, float v0, float v1) {
        if (row < a.op.n && i < elems) {
            float u0 = leaky(v0 + a.op.bias_up[i], a.op.slope);
            float u1 = leaky(v1 + a.op.bias_up[i + 1], a.op.slope);
            u0 = leaky(a.op.scale[i] * u0 + a.op.shift[i], a.op.slope);
            u1 = leaky(a.op.scale[i + 1] * u1 + a.op.shift[i + 1], a.op.slope);
            *reinterpret_cast<uint32_t *>(a.op.dst + static_cast<ptrdiff_t>(row) * elems + i) =
                ptx::pack_f16x2(u0, u1);
        }
    });
}

drae_status check(const drae__cuda_dense *op, drae__err *err) {
    if (op->n <= 0 || op->latent <= 0 || op->elems == 0 || op->elems % 64 != 0 ||
        op->elems > (size_t)1 << 30 || op->n > 65535) {
        return drae__fail(
            err, DRAE_ERROR_UNSUPPORTED,
            "dense: %d patches of %zu features, %d latents: features in multiples of 64", op->n,
            op->elems, op->latent);
    }
    return DRAE_OK;
}

} // namespace

extern "C" drae_status drae__cuda_down(const drae__cuda_dense *op, drae__cuda_stream stream,
                                       drae__err *err) {
    drae_status status = check(op, err);
    if (status != DRAE_OK) {
        return status;
    }
    cudaStream_t s = reinterpret_cast<cudaStream_t>(stream);
    dense_args a = {*op, static_cast<int>(drae__cuda_latent_padded(op->latent)),
                    static_cast<int>(op->elems)};
    int chunks = static_cast<int>(drae__cuda_down_chunks(op->elems));
    dim3 grid(static_cast<unsigned>(chunks),
              static_cast<unsigned>(drae__ceil_div(op->n, tile_down::BM)),
              static_cast<unsigned>(a.padded / tile_down::BN));
    status = DRAE_LAUNCH(err, dense_down_f16, grid, dim3(tile_down::THREADS),
                         tile_down::SHARED_BYTES, s, a);
    if (status != DRAE_OK) {
        return status;
    }
    dim3 rows(static_cast<unsigned>(op->n), static_cast<unsigned>(a.padded / LATENTS_THREADS));
    return DRAE_LAUNCH(err, dense_latents, rows, dim3(LATENTS_THREADS), 0, s, a, chunks);
}

extern "C" drae_status drae__cuda_up(const drae__cuda_dense *op, drae__cuda_stream stream,
                                     drae__err *err) {
    drae_status status = check(op, err);
    if (status != DRAE_OK) {
        return status;
    }
    dense_args a = {*op, static_cast<int>(drae__cuda_latent_padded(op->latent)), 0};
    dim3 grid(static_cast<unsigned>(drae__ceil_div(static_cast<int>(op->elems), tile_up::BN)),
              static_cast<unsigned>(drae__ceil_div(op->n, tile_up::BM)));
    return DRAE_LAUNCH(err, dense_up_f16, grid, dim3(tile_up::THREADS), tile_up::SHARED_BYTES,
                       reinterpret_cast<cudaStream_t>(stream), a);
}
