/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stem_u8_f16: the first layer on its own (resblock.cu makes it on the way into block A).
 *
 * computes    act[n,y,x,c] = leaky(scale[c] sum wei[ky,kx,c] image[n,y+ky-1,x+kx-1] / 255 +
 * shift[c]) mapping     a thread makes 8 channels of one pixel; neighbouring threads the next 8
 * channels needs       c a multiple of 8 numerics    f32, one result rounded to f16 measured    not
 * on a device; bound by the 2 c bytes it writes a pixel
 */
#include "kernels/cuda/ptx.cuh"

extern "C" {
#include "kernels/infer_cuda.h"
}

namespace {

constexpr int GROUP = 8, THREADS = 256;

__device__ __forceinline__ float leaky(float v, float slope) {
    return v > 0.0f ? v : slope * v;
}

__global__ void __launch_bounds__(THREADS) stem_u8_f16(const drae__cuda_stem op, int groups) {
    const int64_t pixels = static_cast<int64_t>(op.n) * op.h * op.w;
    const int64_t i = static_cast<int64_t>(blockIdx.x) * THREADS + threadIdx.x;
    if (i >= pixels * groups) {
        return;
    }
    const int64_t pixel = i / groups;
    const int c0 = static_cast<int>(i % groups) * GROUP;
    const int x = static_cast<int>(pixel % op.w), y = static_cast<int>(pixel / op.w % op.h);
    float sum[GROUP] = {0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f};
    DRAE_UNROLL
    for (int tap = 0; tap < 9; tap++) {
        int dy = tap / 3 - 1, dx = tap % 3 - 1;
        bool inside = static_cast<unsigned>(y + dy) < static_cast<unsigned>(op.h) &&
                      static_cast<unsigned>(x + dx) < static_cast<unsigned>(op.w);
        float v = inside ? static_cast<float>(op.image[pixel + dy * op.w + dx]) / 255.0f : 0.0f;
        DRAE_UNROLL
        for (int c = 0; c < GROUP; c++) {
            sum[c] += op.wei[tap * op.c + c0 + c] * v;
        }
    }
    DRAE_UNROLL
    for (int c = 0; c < GROUP; c++) {
        sum[c] = leaky(op.scale[c0 + c] * sum[c] + op.shift[c0 + c], op.slope);
    }
    *reinterpret_cast<uint4 *>(op.act + pixel * op.c + c0) =
        make_uint4(ptx::pack_f16x2(sum[0], sum[1]), ptx::pack_f16x2(sum[2], sum[3]),
                   ptx::pack_f16x2(sum[4], sum[5]), ptx::pack_f16x2(sum[6], sum[7]));
}

} // namespace

extern "C" drae_status drae__cuda_stem_u8(const drae__cuda_stem *op, drae__cuda_stream stream,
                                          drae__err *err) {
    double work = static_cast<double>(op->n) * op->h * op->w * op->c / GROUP;
    if (op->n <= 0 || op->h <= 0 || op->w <= 0 || op->c <= 0 || op->c % GROUP != 0 ||
        work > 2147483000.0) {
        return drae__fail(err, DRAE_ERROR_UNSUPPORTED,
                          "stem: %d images of %dx%d to %d channels: use multiples of 8", op->n,
                          op->h, op->w, op->c);
    }
    unsigned blocks = (static_cast<unsigned>(work) + THREADS - 1) / THREADS;
    return DRAE_LAUNCH(err, stem_u8_f16, dim3(blocks), dim3(THREADS), 0,
                       reinterpret_cast<cudaStream_t>(stream), *op, op->c / GROUP);
}
