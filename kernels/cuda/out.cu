/* SPDX-License-Identifier: Apache-2.0 */
/*
 * out_f16_sigmoid: the last layer, to one channel.
 *
 * computes    recon[n,y,x] = 1 / (1 + exp(-(bias + sum wei[ky,kx,c] src[n,y+ky-1,x+kx-1,c])))
 * mapping     block (32 x 32 pixels); a thread makes ROWS pixels of one column, so that each of the
 *             ROWS + 2 rows that it reads serves up to three of them; 8 channels a load
 * shared      the weights, 9 x c f32
 * needs       c a multiple of 8, at most 1024
 * numerics    f32, the window's rows in order, 8 channels at a time
 * measured    not on a device; bound by reading src once from memory, three times through L1
 */
#include "kernels/cuda/ptx.cuh"

extern "C" {
#include "kernels/infer_cuda.h"
}

namespace {

constexpr int GROUP = 8, COLUMNS = 32, ROWS = 4, THREAD_ROWS = 8, TILE_ROWS = ROWS * THREAD_ROWS;
constexpr int THREADS = COLUMNS * THREAD_ROWS, CHANNELS_MAX = 1024;

__device__ __forceinline__ void unpack(const uint4 &v, float (&f)[GROUP]) {
    const uint32_t words[4] = {v.x, v.y, v.z, v.w};
    DRAE_UNROLL
    for (int i = 0; i < 4; i++) {
        const float2 pair = ptx::unpack_f16x2(words[i]);
        f[2 * i] = pair.x;
        f[2 * i + 1] = pair.y;
    }
}

__global__ void __launch_bounds__(THREADS) out_f16_sigmoid(const drae__cuda_out op) {
    DRAE_SHARED_DYNAMIC(shared);
    float *wei = reinterpret_cast<float *>(shared);
    for (int i = static_cast<int>(threadIdx.x); i < 9 * op.c; i += THREADS) {
        wei[i] = op.wei[i];
    }
    __syncthreads();
    const int x = static_cast<int>(blockIdx.x) * COLUMNS + static_cast<int>(threadIdx.x) % COLUMNS;
    const int y0 =
        static_cast<int>(blockIdx.y) * TILE_ROWS + static_cast<int>(threadIdx.x) / COLUMNS * ROWS;
    if (x >= op.w) {
        return;
    }
    const uint16_t *map =
        op.src + static_cast<ptrdiff_t>(blockIdx.z) * op.h * op.w * static_cast<ptrdiff_t>(op.c);
    float sum[ROWS];
    DRAE_UNROLL
    for (int r = 0; r < ROWS; r++) {
        sum[r] = op.bias[0];
    }
    for (int c = 0; c < op.c; c += GROUP) {
        for (int kx = 0; kx < 3; kx++) {
            int sx = x + kx - 1;
            if (sx < 0 || sx >= op.w) {
                continue;
            }
            DRAE_UNROLL
            for (int row = -1; row <= ROWS; row++) {
                int sy = y0 + row;
                if (sy < 0 || sy >= op.h) {
                    continue;
                }
                float v[GROUP];
                unpack(*reinterpret_cast<const uint4 *>(
                           map + (static_cast<ptrdiff_t>(sy) * op.w + sx) * op.c + c),
                       v);
                DRAE_UNROLL
                for (int ky = 0; ky < 3; ky++) {
                    int r = row + 1 - ky;
                    if (r >= 0 && r < ROWS) {
                        const float *w = wei + (3 * ky + kx) * op.c + c;
                        DRAE_UNROLL
                        for (int i = 0; i < GROUP; i++) {
                            sum[r] += w[i] * v[i];
                        }
                    }
                }
            }
        }
    }
    DRAE_UNROLL
    for (int r = 0; r < ROWS; r++) {
        if (y0 + r < op.h) {
            op.recon[(static_cast<ptrdiff_t>(blockIdx.z) * op.h + y0 + r) * op.w + x] =
                1.0f / (1.0f + expf(-sum[r]));
        }
    }
}

} // namespace

extern "C" drae_status drae__cuda_out_sigmoid(const drae__cuda_out *op, drae__cuda_stream stream,
                                              drae__err *err) {
    if (op->n <= 0 || op->n > 65535 || op->h <= 0 || op->w <= 0 || op->c <= 0 ||
        op->c % GROUP != 0 || op->c > CHANNELS_MAX) {
        return drae__fail(err, DRAE_ERROR_UNSUPPORTED,
                          "out: %d maps of %dx%d with %d channels: use multiples of 8 up to %d",
                          op->n, op->h, op->w, op->c, CHANNELS_MAX);
    }
    dim3 grid(static_cast<unsigned>(drae__ceil_div(op->w, COLUMNS)),
              static_cast<unsigned>(drae__ceil_div(op->h, TILE_ROWS)),
              static_cast<unsigned>(op->n));
    return DRAE_LAUNCH(err, out_f16_sigmoid, grid, dim3(THREADS), 9 * sizeof(float) * op->c,
                       reinterpret_cast<cudaStream_t>(stream), *op);
}
