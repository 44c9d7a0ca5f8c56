/* SPDX-License-Identifier: Apache-2.0 */
/*
 * maps_write: residual and heatmaps, where they were asked for.
 *
 * computes    the maps of drae__cuda_maps
 * mapping     block (256 pixels of one patch), a thread a pixel
 * numerics    f32, rounded once to a byte
 * measured    not on a device; bound by its bytes: 5 in (9 with z), 1 a heatmap and 4 of residual
 * out
 */
#include "kernels/cuda/launch.cuh"

extern "C" {
#include "kernels/infer_cuda.h"
}

namespace {

constexpr int THREADS = 256;
constexpr int RESULT = DRAE__CUDA_RESULT;

/* 0 where v is not a number. */
__device__ __forceinline__ uint8_t byte_of(float v) {
    v = v > 0.0f ? v : 0.0f;
    v = v < 1.0f ? v : 1.0f;
    return static_cast<uint8_t>(v * 255.0f + 0.5f);
}

__global__ void __launch_bounds__(THREADS) maps_write(const drae__cuda_maps op) {
    const int pixels = op.size * op.size;
    const int i = static_cast<int>(blockIdx.x) * THREADS + static_cast<int>(threadIdx.x);
    if (i >= pixels) {
        return;
    }
    const ptrdiff_t at = static_cast<ptrdiff_t>(blockIdx.y) * pixels + i;
    const float r = fabsf(static_cast<float>(op.image[at]) / 255.0f - op.recon[at]);
    if (op.residual != nullptr) {
        op.residual[at] = r;
    }
    if (op.heat != nullptr) {
        const float lo = op.result[blockIdx.y * RESULT + 1],
                    hi = op.result[blockIdx.y * RESULT + 2];
        op.heat[at] = byte_of((r - lo) * (hi > lo ? 1.0f / (hi - lo) : 0.0f));
    }
    if (op.heat_fixed != nullptr) {
        const bool by_z = op.by_z != nullptr && op.by_z[blockIdx.y] != 0;
        op.heat_fixed[at] = byte_of((by_z ? op.z[at] : r) * (1.0f / op.anchors[blockIdx.y]));
    }
}

} // namespace

extern "C" drae_status drae__cuda_maps_write(const drae__cuda_maps *op, drae__cuda_stream stream,
                                             drae__err *err) {
    if (op->n <= 0 || op->n > 65535 || op->size <= 0 || op->size > 4096) {
        return drae__fail(err, DRAE_ERROR_UNSUPPORTED, "maps: %d images of size %d", op->n,
                          op->size);
    }
    dim3 grid(static_cast<unsigned>(drae__ceil_div(op->size * op->size, THREADS)),
              static_cast<unsigned>(op->n));
    return DRAE_LAUNCH(err, maps_write, grid, dim3(THREADS), 0,
                       reinterpret_cast<cudaStream_t>(stream), *op);
}
