/* SPDX-License-Identifier: Apache-2.0 */
/*
 * head_layer: a layer of the head (kernels/head.h), an implicit matrix product on tensor cores.
 *
 * computes    t_0 = L(C_1 input + b), t_l = t_(l-1) + L(C_d t_(l-1) + b); the last layer keeps its
 *             t: o = sum of w t_5 + b, h of it, the 8 largest h of the tile (which are 32 of the
 *             map), and the map where it is asked for
 * layout      maps NHWC f16, 16 channels, so that a tap is exactly one K of an mma; weights "h16"
 *
 * mapping     block (32 x 32 pixels) of one patch; patches without a head leave at once. A warp
 *             makes 4 rows, a step of the layer apart, 16 pixels at a time:
 *
 *                 step 1         2              4              8
 *                 w0  0 1 2 3    w0  0 2 4 6    w0  0 4 8 12   w0  0 8 16 24
 *                 w1  4 5 6 7    w1  1 3 5 7    w1  1 5 9 13   w1  1 9 17 25    rows of warps
 *                 w2  8 ..       w2  8 ..       w2  2 ..       w2  2 ..
 *
 *             so that a row of the source, once in registers, serves three rows of the result
 *             whatever the step is. Lane 4g + t holds channels 4t .. 4t + 3 of pixels g and g + 8
 *             (A, as out_tile.cuh) and ends with the same ones (columns of B are permuted): what
 *             was loaded as the middle tap is what the layer adds, and stores are 8 bytes a lane,
 *             32 a pixel. Sources are not staged: the other taps of a row, and the rows that other
 *             warps share, come from L1
 * registers   weights 36, sums 24, rows of pixels 12 each: two blocks on an SM
 * shared      the last layer: what each lane's planes add to o, 32 x 32 x 4 f32 (16 KB), a warp its
 *             own rows
 * needs       a size that drae__h_takes; rows and columns outside are zeros
 * numerics    f32 sums, tap by tap; kernels/infer_cuda.h says what is rounded. The largest are
 *             chosen by their bits, the sum over planes has a fixed order: same bits every time
 * measured    not on a device; docs/performance.md has bytes, operations and a prediction
 */
#include "kernels/cuda/head.cuh"
#include "kernels/cuda/reduce.cuh"

extern "C" {
#include "kernels/infer.h"
}

namespace {

constexpr int PLANES = head::PLANES, TAPS = 9, LAYERS = DRAE__H_LAYERS;
constexpr int TILE = DRAE__CUDA_HEAD_TILE, WARPS = 8, THREADS = 32 * WARPS;
constexpr int UNIT = 16; /* pixels of an mma */
constexpr int ROWS = 4;  /* of a warp */
constexpr int QUAD = 4;  /* lanes that share a pixel, and channels of a lane */
constexpr int TOP = DRAE__Z_TOP, PARTIAL = DRAE__CUDA_SCORE_PARTIAL, SUMS = PARTIAL - TOP;
constexpr int STEPS[LAYERS] = DRAE__H_STEPS;

constexpr bool steps_fit() {
    for (int l = 0; l < LAYERS; l++) {
        if (WARPS % STEPS[l] != 0) {
            return false;
        }
    }
    return true;
}
static_assert(steps_fit(), "warps share out the rows of a step");
static_assert(WARPS * ROWS == TILE && ROWS == reduce::KEYS, "a tile, and a thread's h its keys");
static_assert(TILE % UNIT == 0 && TILE == 32, "units of a row, and a lane a column of it");
static_assert(TOP * head::PHASES == DRAE__H_TOP, "every o is four pixels of the map");
static_assert(PLANES == 16 && sizeof(drae__cuda_head) % 16 == 0, "K of an mma; 16-byte loads");

enum part { FIRST, MIDDLE, LAST };

/* Weights of a layer as this lane holds them: B of two tiles of 8 channels, and what is added. */
struct weights {
    uint32_t of[TAPS][2][2];
    float4 bias;
};

__device__ __forceinline__ int lane_of() {
    return static_cast<int>(threadIdx.x) % 32;
}

__device__ __forceinline__ void load_weights(const drae__cuda_head &own, int layer, weights *w) {
    DRAE_UNROLL
    for (int tap = 0; tap < TAPS; tap++) {
        const uint4 v = *reinterpret_cast<const uint4 *>(own.wei[layer][tap][lane_of()]);
        w->of[tap][0][0] = v.x;
        w->of[tap][0][1] = v.y;
        w->of[tap][1][0] = v.z;
        w->of[tap][1][1] = v.w;
    }
    w->bias = *reinterpret_cast<const float4 *>(own.bias[layer] + QUAD * (lane_of() % QUAD));
}

/* Channels 4t .. 4t + 3 of pixels g and g + 8. */
struct pixels {
    uint2 low, high;
};

/* 16 pixels of a row of a map, and a step to either side. */
struct unit {
    const uint16_t *from; /* this lane's channels of pixel g of row 0 */
    int side, step;
    bool low[3], high[3]; /* whether pixels g and g + 8 of each column of taps are inside */
};

__device__ __forceinline__ unit unit_of(const uint16_t *map, int side, int step, int x) {
    unit u = {map + (x * PLANES + QUAD * (lane_of() % QUAD)), side, step, {}, {}};
    DRAE_UNROLL
    for (int kx = 0; kx < 3; kx++) {
        const int at = x + (kx - 1) * step;
        u.low[kx] = static_cast<unsigned>(at) < static_cast<unsigned>(side);
        u.high[kx] = static_cast<unsigned>(at + 8) < static_cast<unsigned>(side);
    }
    return u;
}

__device__ __forceinline__ void load_row(const unit &u, int y, pixels (&row)[3]) {
    const bool there = static_cast<unsigned>(y) < static_cast<unsigned>(u.side);
    DRAE_UNROLL
    for (int kx = 0; kx < 3; kx++) {
        const int at = (y * u.side + (kx - 1) * u.step) * PLANES;
        row[kx].low = row[kx].high = make_uint2(0u, 0u);
        if (there && u.low[kx]) {
            row[kx].low = *reinterpret_cast<const uint2 *>(u.from + at);
        }
        if (there && u.high[kx]) {
            row[kx].high = *reinterpret_cast<const uint2 *>(u.from + at + 8 * PLANES);
        }
    }
}

/* Sums of 16 pixels: tiles of channels 4t, 4t + 1 and 4t + 2, 4t + 3. */
typedef float sums[2][4];

__device__ __forceinline__ void start(const weights &w, sums &s) {
    s[0][0] = s[0][2] = w.bias.x;
    s[0][1] = s[0][3] = w.bias.y;
    s[1][0] = s[1][2] = w.bias.z;
    s[1][1] = s[1][3] = w.bias.w;
}

/* Row ky of the window. */
__device__ __forceinline__ void multiply(const weights &w, int ky, const pixels (&row)[3],
                                         sums &s) {
    DRAE_UNROLL
    for (int kx = 0; kx < 3; kx++) {
        const uint32_t a[4] = {row[kx].low.x, row[kx].high.x, row[kx].low.y, row[kx].high.y};
        ptx::mma_m16n8k16_f16(s[0], a, w.of[3 * ky + kx][0]);
        ptx::mma_m16n8k16_f16(s[1], a, w.of[3 * ky + kx][1]);
    }
}

__device__ __forceinline__ float rectify(float v) {
    return v > 0.0f ? v : DRAE__H_SLOPE * v;
}

/* L of the sums of pixel g (half 0) or g + 8, with what was there before but for the first layer;
 * channels 4t .. 4t + 3. */
template <int PART>
__device__ __forceinline__ float4 result_of(const sums &s, const pixels &before, int half) {
    float4 v = make_float4(rectify(s[0][2 * half]), rectify(s[0][2 * half + 1]),
                           rectify(s[1][2 * half]), rectify(s[1][2 * half + 1]));
    if (PART != FIRST) {
        const uint2 bits = half == 0 ? before.low : before.high;
        const float2 a = ptx::unpack_f16x2(bits.x), b = ptx::unpack_f16x2(bits.y);
        v = make_float4(a.x + v.x, a.y + v.y, b.x + v.z, b.y + v.w);
    }
    return v;
}

/* Makes COUNT rows of 16 pixels and calls finish(j, t of pixel g, t of pixel g + 8) for each. */
template <int PART, int COUNT, class Finish>
__device__ __forceinline__ void make_rows(const unit &u, const weights &w, int first,
                                          const Finish &finish) {
    pixels row[3], middle[COUNT];
    sums s[COUNT];
    /* Row i - 1 of these: the last that row i - 2 wants, the first of row i. */
    DRAE_UNROLL
    for (int i = 0; i < COUNT + 2; i++) {
        load_row(u, first + (i - 1) * u.step, row);
        if (i < COUNT) {
            start(w, s[i]);
        }
        DRAE_UNROLL
        for (int ky = 0; ky < 3; ky++) {
            if (i - ky >= 0 && i - ky < COUNT) {
                multiply(w, ky, row, s[i - ky]);
            }
        }
        if (i >= 1 && i <= COUNT) {
            middle[i - 1] = row[1];
        }
        if (i >= 2) {
            finish(i - 2, result_of<PART>(s[i - 2], middle[i - 2], 0),
                   result_of<PART>(s[i - 2], middle[i - 2], 1));
        }
    }
}

/* to: this lane's channels of pixel g of row y. */
__device__ __forceinline__ void store(uint16_t *to, const float4 &low, const float4 &high) {
    *reinterpret_cast<uint2 *>(to) = make_uint2(head::pack(low.x, low.y), head::pack(low.z, low.w));
    *reinterpret_cast<uint2 *>(to + 8 * PLANES) =
        make_uint2(head::pack(high.x, high.y), head::pack(high.z, high.w));
}

/* What this lane's planes add to o of both pixels, to[0] and to[8 QUAD]. */
__device__ __forceinline__ void keep_part(const drae__cuda_head &own, const float4 &low,
                                          const float4 &high, float *to) {
    const float4 w = *reinterpret_cast<const float4 *>(own.out + QUAD * (lane_of() % QUAD));
    to[0] = fmaf(w.w, low.w, fmaf(w.z, low.z, fmaf(w.y, low.y, w.x * low.x)));
    to[8 * QUAD] = fmaf(w.w, high.w, fmaf(w.z, high.z, fmaf(w.y, high.y, w.x * high.x)));
}

/* h of the warp's rows, a lane a column: the map where it is asked for, the largest of the tile.
 * parts: [ROWS][TILE] of the warp. */
__device__ __forceinline__ void finish_tile(const drae__cuda_out_score &op, const float4 *parts,
                                            float bias, int first, int step, uint32_t *top) {
    const int side = op.size / 2, x = static_cast<int>(blockIdx.x) * TILE + lane_of();
    const ptrdiff_t patch = static_cast<ptrdiff_t>(blockIdx.z) * op.size * op.size;
    uint32_t keys[reduce::KEYS] = {};
    __syncwarp();
    DRAE_UNROLL
    for (int j = 0; j < ROWS; j++) {
        const int y = first + j * step;
        if (x < side && y < side) {
            const float4 part = parts[j * TILE + lane_of()];
            const float o = ((part.x + part.y) + (part.z + part.w)) + bias;
            const float h = o > 0.0f ? 1.0f + o : 1.0f / (1.0f - o);
            if (op.z != nullptr) {
                float *to = op.z + patch + (2 * y * op.size + 2 * x);
                *reinterpret_cast<float2 *>(to) = make_float2(h, h);
                *reinterpret_cast<float2 *>(to + op.size) = make_float2(h, h);
            }
            keys[j] = __float_as_uint(h);
        }
    }
    reduce::top_of_block<WARPS, TOP>(keys, top);
    const int tiles = op.size / DRAE__CUDA_SCORE_TILE * (op.size / DRAE__CUDA_SCORE_TILE);
    const ptrdiff_t tile =
        static_cast<ptrdiff_t>(blockIdx.z) * tiles + (blockIdx.y * gridDim.x + blockIdx.x);
    for (int k = 0; threadIdx.x == 0 && k < TOP; k++) {
        op.partial[tile * PARTIAL + SUMS + k] = __uint_as_float(top[k]);
    }
}

template <int PART>
__global__ void __launch_bounds__(THREADS, 2)
    head_layer(const drae__cuda_out_score op, int layer, int step) {
    DRAE_SHARED(uint32_t, top, WARPS * TOP);
    DRAE_SHARED(float4, parts, PART == LAST ? TILE * TILE : 1); /* of o, four lanes a pixel */
    const int of_patch = op.regions[blockIdx.z], side = op.size / 2;
    if (of_patch < 0 || !head::decides(op, op.table[of_patch])) {
        return;
    }
    const drae__cuda_head &own = op.heads[op.table[of_patch].head];
    const ptrdiff_t map = static_cast<ptrdiff_t>(blockIdx.z) * side * side * PLANES;
    const uint16_t *src = op.head_maps[layer % 2] + map;
    uint16_t *dst = op.head_maps[(layer + 1) % 2] + map;
    const int warp = static_cast<int>(threadIdx.x) / 32;
    const int first =
        static_cast<int>(blockIdx.y) * TILE + warp / step * (ROWS * step) + warp % step;
    const int x = static_cast<int>(blockIdx.x) * TILE + lane_of() / QUAD;
    float *const kept = &parts[PART == LAST ? warp * (ROWS * TILE) : 0].x;
    weights w;
    load_weights(own, layer, &w);
    /* Nothing is stored between the rows of the last layer: all loads of a pass come first, and
     * those of two rows are what registers hold. */
    constexpr int COUNT = PART == LAST ? ROWS / 2 : ROWS, TIMES = ROWS / COUNT;
    const int left = side - static_cast<int>(blockIdx.x) * TILE;
    const int passes = (left < TILE ? left : TILE) / UNIT * TIMES;
    for (int pass = 0; pass < passes; pass++) {
        const int k = pass / TIMES * UNIT, r = pass % TIMES * COUNT;
        const int at = (x + k) * PLANES + QUAD * (lane_of() % QUAD);
        const unit u = unit_of(src, side, step, x + k);
        make_rows<PART, COUNT>(
            u, w, first + r * step, [&](int j, const float4 &low, const float4 &high) {
                const int y = first + (r + j) * step;
                if (PART == LAST) {
                    keep_part(own, low, high, &kept[((r + j) * TILE + k) * QUAD + lane_of()]);
                } else if (y < side) {
                    store(dst + (y * side * PLANES + at), low, high);
                }
            });
    }
    if (PART == LAST) {
        finish_tile(op, parts + warp * (ROWS * TILE), own.out_bias, first, step, top);
    }
}

} // namespace

extern "C" drae_status drae__cuda_head_layer(const drae__cuda_out_score *op, int layer,
                                             drae__cuda_stream stream, drae__err *err) {
    if (op->n <= 0 || op->n > 65535 || op->size > 4096 || !drae__h_takes(op->size) || layer < 0 ||
        layer >= LAYERS) {
        return drae__fail(
            err, DRAE_ERROR_UNSUPPORTED,
            "head: layer %d of %d images of size %d: use a multiple of 32, from %d on", layer,
            op->n, op->size, DRAE__H_LEAST);
    }
    const unsigned tiles = static_cast<unsigned>(drae__ceil_div(op->size / 2, TILE));
    const dim3 grid(tiles, tiles, static_cast<unsigned>(op->n));
    const int step = STEPS[layer];
    cudaStream_t s = reinterpret_cast<cudaStream_t>(stream);
    if (layer == 0) {
        return DRAE_LAUNCH(err, head_layer<FIRST>, grid, dim3(THREADS), 0, s, *op, layer, step);
    }
    if (layer < LAYERS - 1) {
        return DRAE_LAUNCH(err, head_layer<MIDDLE>, grid, dim3(THREADS), 0, s, *op, layer, step);
    }
    return DRAE_LAUNCH(err, head_layer<LAST>, grid, dim3(THREADS), 0, s, *op, layer, step);
}
