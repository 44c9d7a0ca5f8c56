/* SPDX-License-Identifier: Apache-2.0 */
/*
 * score_phi, score_finish, maps_write: image against reconstruction.
 *
 * computes    phi = mean of 1 - SSIM over the window's positions, as
 *                 ((mx - my)^2 (sxx + syy + C2) + (2 mx my + C1) sdd) /
 *                 ((mx^2 + my^2 + C1) (sxx + syy + C2)),    sdd the variance of d = x - y:
 *             every term positive, no digits lost where x and y agree; moments about a constant of
 *             the tile (the mean of its x), so none lost where the tile is flat and bright
 *             least and greatest |x - y|
 * mapping     block (32 x 32 positions) of one patch; a separable window: rows, then columns, on
 * four maps u = x - m, d, u^2 + v^2, d^2 (v = y - m = u - d) shared      u, d  42 x 42 f32 | four
 * maps  42 x 32 f32 | reductions numerics    f32; sums in a fixed order: a thread's positions, the
 * warp, the warps, then the tiles measured    not on a device
 */
#include "kernels/cuda/ptx.cuh"

extern "C" {
#include "kernels/infer_cuda.h"
}

namespace {

constexpr int SIDE = DRAE__SSIM_SIDE, TILE = DRAE__CUDA_SCORE_TILE, INPUT = TILE + SIDE - 1;
constexpr int THREADS = 256, WARPS = THREADS / 32, MAPS = 4;
constexpr int RESULT = DRAE__CUDA_SCORE_RESULT; /* floats of a patch's result, and of a tile's */

struct map_set {
    float u[INPUT][INPUT];
    float d[INPUT][INPUT];
    float rows[MAPS][INPUT][TILE];
};

struct tile_sums {
    float phi, least, greatest;
};

__device__ __forceinline__ float larger(float a, float b) {
    return a > b ? a : b;
}
__device__ __forceinline__ float smaller(float a, float b) {
    return a < b ? a : b;
}

/* Of the warp, in lane 0. */
__device__ __forceinline__ tile_sums reduce_warp(tile_sums s) {
    for (int by = 16; by > 0; by /= 2) {
        s.phi += __shfl_down_sync(0xffffffffu, s.phi, static_cast<unsigned>(by));
        s.least =
            smaller(s.least, __shfl_down_sync(0xffffffffu, s.least, static_cast<unsigned>(by)));
        s.greatest = larger(s.greatest,
                            __shfl_down_sync(0xffffffffu, s.greatest, static_cast<unsigned>(by)));
    }
    return s;
}

/* Of the block, in thread 0. */
__device__ __forceinline__ tile_sums reduce_block(tile_sums s, tile_sums *scratch) {
    s = reduce_warp(s);
    const int lane = static_cast<int>(threadIdx.x) % 32, warp = static_cast<int>(threadIdx.x) / 32;
    __syncthreads();
    if (lane == 0) {
        scratch[warp] = s;
    }
    __syncthreads();
    if (threadIdx.x == 0) {
        for (int i = 1; i < WARPS; i++) {
            s.phi += scratch[i].phi;
            s.least = smaller(s.least, scratch[i].least);
            s.greatest = larger(s.greatest, scratch[i].greatest);
        }
    }
    return s;
}

/* How many of the INPUT pixels from x0 on lie in the image. */
__device__ __forceinline__ int inside_of(int x0, int size) {
    const int begin = x0 < 0 ? 0 : x0, end = x0 + INPUT < size ? x0 + INPUT : size;
    return end - begin;
}

/* Pixels of the tile and its margin; least and greatest residual of its own pixels. */
__device__ __forceinline__ tile_sums load(const drae__cuda_score &op, map_set *maps,
                                          tile_sums *scratch, float *mean) {
    const int lead = op.window == DRAE__SSIM_GAUSSIAN ? 0 : SIDE / 2;
    const int x0 = static_cast<int>(blockIdx.x) * TILE - lead;
    const int y0 = static_cast<int>(blockIdx.y) * TILE - lead;
    const ptrdiff_t patch = static_cast<ptrdiff_t>(blockIdx.z) * op.size * op.size;
    tile_sums s = {0.0f, 3.0e38f, -3.0e38f};
    for (int i = static_cast<int>(threadIdx.x); i < INPUT * INPUT; i += THREADS) {
        const int r = i / INPUT, q = i % INPUT, y = y0 + r, x = x0 + q;
        const bool inside = static_cast<unsigned>(y) < static_cast<unsigned>(op.size) &&
                            static_cast<unsigned>(x) < static_cast<unsigned>(op.size);
        float u = 0.0f, d = 0.0f;
        if (inside) {
            const ptrdiff_t at = patch + static_cast<ptrdiff_t>(y) * op.size + x;
            u = static_cast<float>(op.image[at]) / 255.0f;
            d = u - op.recon[at];
            const bool own = r >= lead && r < lead + TILE && q >= lead && q < lead + TILE;
            if (own) {
                const float residual = fabsf(d);
                s.least = smaller(s.least, residual);
                s.greatest = larger(s.greatest, residual);
            }
        }
        maps->u[r][q] = u;
        maps->d[r][q] = d;
        s.phi += u;
    }
    const tile_sums all = reduce_block(s, scratch);
    if (threadIdx.x == 0) {
        *mean = all.phi / static_cast<float>(inside_of(y0, op.size) * inside_of(x0, op.size));
    }
    __syncthreads();
    return all;
}

__device__ __forceinline__ void filter_rows(const drae__cuda_score &op, map_set *maps, float mean) {
    for (int i = static_cast<int>(threadIdx.x); i < INPUT * TILE; i += THREADS) {
        const int r = i / TILE, q = i % TILE;
        float sums[MAPS] = {0.0f, 0.0f, 0.0f, 0.0f};
        DRAE_UNROLL
        for (int k = 0; k < SIDE; k++) {
            const float w = op.weights[k];
            const float u = maps->u[r][q + k] - mean, d = maps->d[r][q + k], v = u - d;
            sums[0] += w * u;
            sums[1] += w * d;
            sums[2] += w * (u * u + v * v);
            sums[3] += w * (d * d);
        }
        DRAE_UNROLL
        for (int m = 0; m < MAPS; m++) {
            maps->rows[m][r][q] = sums[m];
        }
    }
    __syncthreads();
}

/* 1 - SSIM at one position of the tile. */
__device__ __forceinline__ float dissimilarity(const drae__cuda_score &op, const map_set *maps,
                                               float mean, int r, int q) {
    constexpr float C1 = static_cast<float>(DRAE__SSIM_C1), C2 = static_cast<float>(DRAE__SSIM_C2);
    float sums[MAPS] = {0.0f, 0.0f, 0.0f, 0.0f};
    DRAE_UNROLL
    for (int k = 0; k < SIDE; k++) {
        DRAE_UNROLL
        for (int m = 0; m < MAPS; m++) {
            sums[m] += op.weights[k] * maps->rows[m][r + k][q];
        }
    }
    const float mu = sums[0], md = sums[1], mv = mu - md;
    const float mx = mu + mean, my = mv + mean;
    const float both = larger(sums[2] - mu * mu - mv * mv, 0.0f) + C2;
    const float sdd = larger(sums[3] - md * md, 0.0f);
    return (md * md * both + (2.0f * mx * my + C1) * sdd) / ((mx * mx + my * my + C1) * both);
}

__global__ void __launch_bounds__(THREADS) score_phi(const drae__cuda_score op, int side) {
    DRAE_SHARED(map_set, maps, 1);
    DRAE_SHARED(tile_sums, scratch, WARPS);
    DRAE_SHARED(float, mean, 1);
    const tile_sums range = load(op, maps, scratch, mean);
    filter_rows(op, maps, *mean);
    tile_sums s = {0.0f, 0.0f, 0.0f};
    for (int i = static_cast<int>(threadIdx.x); i < TILE * TILE; i += THREADS) {
        const int r = i / TILE, q = i % TILE;
        if (static_cast<int>(blockIdx.y) * TILE + r < side &&
            static_cast<int>(blockIdx.x) * TILE + q < side) {
            s.phi += dissimilarity(op, maps, *mean, r, q);
        }
    }
    s = reduce_block(s, scratch);
    if (threadIdx.x == 0) {
        const ptrdiff_t tile =
            (static_cast<ptrdiff_t>(blockIdx.z) * gridDim.y + blockIdx.y) * gridDim.x + blockIdx.x;
        *reinterpret_cast<float4 *>(op.partial + tile * RESULT) =
            make_float4(s.phi, range.least, range.greatest, 0.0f);
    }
}

/* A warp a patch: lane i takes tiles i, i + 32, ... in order, then the lanes. */
__global__ void __launch_bounds__(32)
    score_finish(const drae__cuda_score op, int tiles, float positions) {
    tile_sums s = {0.0f, 3.0e38f, -3.0e38f};
    for (int i = static_cast<int>(threadIdx.x); i < tiles; i += 32) {
        const float4 tile = *reinterpret_cast<const float4 *>(
            op.partial + (static_cast<ptrdiff_t>(blockIdx.x) * tiles + i) * RESULT);
        s.phi += tile.x;
        s.least = smaller(s.least, tile.y);
        s.greatest = larger(s.greatest, tile.z);
    }
    s = reduce_warp(s);
    if (threadIdx.x == 0) {
        *reinterpret_cast<float4 *>(op.result + static_cast<ptrdiff_t>(blockIdx.x) * RESULT) =
            make_float4(s.phi / positions, s.least, s.greatest, 0.0f);
    }
}

} // namespace

extern "C" drae_status drae__cuda_score_phi(const drae__cuda_score *op, drae__cuda_stream stream,
                                            drae__err *err) {
    if (op->n <= 0 || op->n > 65535 || op->size < SIDE || op->size > 4096) {
        return drae__fail(err, DRAE_ERROR_UNSUPPORTED, "score: %d images of size %d", op->n,
                          op->size);
    }
    const int side = drae__ssim_map_side(op->window, op->size);
    const int tiles = drae__ceil_div(op->size, TILE);
    cudaStream_t s = reinterpret_cast<cudaStream_t>(stream);
    dim3 grid(static_cast<unsigned>(tiles), static_cast<unsigned>(tiles),
              static_cast<unsigned>(op->n));
    drae_status status = DRAE_LAUNCH(err, score_phi, grid, dim3(THREADS), 0, s, *op, side);
    if (status != DRAE_OK) {
        return status;
    }
    return DRAE_LAUNCH(err, score_finish, dim3(static_cast<unsigned>(op->n)), dim3(32), 0, s, *op,
                       tiles * tiles, static_cast<float>(side) * static_cast<float>(side));
}
