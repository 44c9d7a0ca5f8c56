/* SPDX-License-Identifier: Apache-2.0 */
/*
 * out_score: the last layer and every score in one pass; X^ never leaves the chip unless asked for.
 *
 * computes    y = 1 / (1 + exp(-(bias + conv3x3(src)))), the reconstruction; x = image / 255
 *             phi = mean over positions of 1 - SSIM, summed as
 *                 (md^2 (sxx + syy + C2) + (2 mx my + C1) sdd) /
 *                 ((mx^2 + my^2 + C1) (sxx + syy + C2)),    sdd the variance of d = x - y:
 *             every term positive, no digits lost where x and y agree; moments about a constant of
 *             the tile (the mean of its x), so none lost where the tile is flat and bright
 *             least and greatest |x - y|; z (kernels/infer.h) and the mean of its 8 largest, or,
 *             by matched filters, what those start from (matched.cu), and twelve of the 16 planes
 *             that the head starts from (head.cu); the verdict
 * mapping     block (32 x 32 pixels) of one patch, with a margin of 5 on each side; every score
 *             belongs to the pixel at the middle of its window
 *               out      9 warps, 3 x 3, each 14 x 14 pixels of the 42 x 42: 16 pixels of a row are
 *                        the rows of an mma, out_tile.cuh
 *               z        5 taps down, then along, from d
 *               ssim     11 taps along, then down, on four maps
 *               u, d, u^2 + v^2, d^2 with v = y - m = u - d
 * shared      u, d  42 x 42 f32 | four maps 42 x 32 f32, before that 32 x 36 of z
 * needs       c a multiple of 8; size at least 11
 * numerics    f32; sums in a fixed order: a thread's positions, the warp, the warps, then the
 *             tiles. The largest z are chosen by their bits: the same whatever the order
 * measured    not on a device
 */
#include "kernels/cuda/head.cuh"
#include "kernels/cuda/out_tile.cuh"
#include "kernels/cuda/reduce.cuh"

extern "C" {
#include "kernels/infer.h"
}

namespace {

constexpr int SIDE = DRAE__SSIM_SIDE, MARGIN = SIDE / 2, TILE = DRAE__CUDA_SCORE_TILE;
constexpr int INPUT = TILE + SIDE - 1;
constexpr int WARPS = out_tile::WARPS, THREADS = 32 * WARPS, MAPS = 4;
constexpr int RESULT = DRAE__CUDA_RESULT;
constexpr int TOP = DRAE__Z_TOP, PARTIAL = DRAE__CUDA_SCORE_PARTIAL, SUMS = PARTIAL - TOP;
static_assert(SUMS == 4, "a tile leaves its sums as one float4, then its largest z");
constexpr int BLUR = TILE + 2 * DRAE__Z_RADIUS;
constexpr int Z_ROUNDS = (TILE * TILE + THREADS - 1) / THREADS;

static_assert(INPUT == out_tile::SIDE, "nine warps make the tile and its margin");
static_assert(MARGIN >= DRAE__Z_RADIUS, "the margin serves z as well");
static_assert(Z_ROUNDS <= reduce::KEYS, "a thread's z fit into its keys");

struct map_set {
    float u[INPUT][INPUT];
    float d[INPUT][INPUT];
    union {
        float rows[MAPS][INPUT][TILE];
        float blur[TILE][BLUR];
    };
};

/* Where a tile lies. */
struct place {
    int x0, y0; /* of its first own pixel */
    ptrdiff_t patch;
};

__device__ __forceinline__ place place_of(int size) {
    return {static_cast<int>(blockIdx.x) * TILE, static_cast<int>(blockIdx.y) * TILE,
            static_cast<ptrdiff_t>(blockIdx.z) * size * size};
}

/* How many of the INPUT pixels from x0 on lie in the image. */
__device__ __forceinline__ int inside_of(int x0, int size) {
    const int begin = x0 < 0 ? 0 : x0, end = x0 + INPUT < size ? x0 + INPUT : size;
    return end - begin;
}

/* u = x and d = x - y of the tile and its margin, zeros outside the image; returns the sum of x,
 * and least and greatest residual of its own pixels. */
__device__ __forceinline__ reduce::sums make_tile(const drae__cuda_out_score &op, const place &at,
                                                  map_set *maps) {
    const out_tile::source src = {op.src + at.patch * op.c, op.wei, op.size, op.c};
    const int x0 = at.x0 - MARGIN, y0 = at.y0 - MARGIN;
    reduce::sums s = reduce::nothing();
    const float bias = op.bias[0];
    out_tile::run(src, x0, y0, [&](int r, int q, float sum) {
        const int y = y0 + r, x = x0 + q;
        float u = 0.0f, d = 0.0f;
        if (static_cast<unsigned>(y) < static_cast<unsigned>(op.size) &&
            static_cast<unsigned>(x) < static_cast<unsigned>(op.size)) {
            const ptrdiff_t pixel = at.patch + static_cast<ptrdiff_t>(y) * op.size + x;
            const float recon = 1.0f / (1.0f + expf(-(bias + sum)));
            u = static_cast<float>(op.image[pixel]) / 255.0f;
            d = u - recon;
            if (r >= MARGIN && r < MARGIN + TILE && q >= MARGIN && q < MARGIN + TILE) {
                s.least = reduce::smaller(s.least, fabsf(d));
                s.greatest = reduce::larger(s.greatest, fabsf(d));
                if (op.recon != nullptr) {
                    op.recon[pixel] = recon;
                }
            }
        }
        maps->u[r][q] = u;
        maps->d[r][q] = d;
        s.sum += u;
    });
    return s;
}

/* Rows of B d, B the blur of z, into maps->blur. */
__device__ __forceinline__ void blur_rows(map_set *maps) {
    constexpr float taps[DRAE__Z_TAPS] = DRAE__Z_WEIGHTS;
    constexpr int SKIP = MARGIN - DRAE__Z_RADIUS;
    for (int i = static_cast<int>(threadIdx.x); i < TILE * BLUR; i += THREADS) {
        const int r = i / BLUR, q = i % BLUR;
        float sum = 0.0f;
        DRAE_UNROLL
        for (int k = 0; k < DRAE__Z_TAPS; k++) {
            sum = fmaf(taps[k], maps->d[r + SKIP + k][q + SKIP], sum);
        }
        maps->blur[r][q] = sum;
    }
    __syncthreads();
}

/* Calls use(round, pixel of the patch, e) for each own pixel of this thread, e = B d - mean. */
template <class Use>
__device__ __forceinline__ void for_each_e(const drae__cuda_out_score &op, const place &at,
                                           const float *mean, const map_set *maps, const Use &use) {
    constexpr float taps[DRAE__Z_TAPS] = DRAE__Z_WEIGHTS;
    DRAE_UNROLL
    for (int round = 0; round < Z_ROUNDS; round++) {
        const int i = round * THREADS + static_cast<int>(threadIdx.x), r = i / TILE, q = i % TILE;
        const int y = at.y0 + r, x = at.x0 + q;
        if (i < TILE * TILE && y < op.size && x < op.size) {
            float sum = 0.0f;
            DRAE_UNROLL
            for (int k = 0; k < DRAE__Z_TAPS; k++) {
                sum = fmaf(taps[k], maps->blur[r][q + k], sum);
            }
            const ptrdiff_t pixel = static_cast<ptrdiff_t>(y) * op.size + x;
            use(round, pixel, sum - mean[pixel]);
        }
    }
}

/* z of the own pixels; the bits of the TOP largest, largest first, in top[0..TOP) for thread 0. */
__device__ __forceinline__ void make_z(const drae__cuda_out_score &op, const place &at,
                                       const float *mean, const map_set *maps, uint32_t *top) {
    const float *scale = mean + static_cast<ptrdiff_t>(op.size) * op.size;
    uint32_t keys[reduce::KEYS] = {};
    for_each_e(op, at, mean, maps, [&](int round, ptrdiff_t pixel, float e) {
        const float z = fabsf(e) / scale[pixel];
        if (op.z != nullptr) {
            op.z[at.patch + pixel] = z;
        }
        keys[round] = __float_as_uint(z);
    });
    reduce::top_of_block<WARPS, TOP>(keys, top);
}

/* Planes of the head's input that need no filters: 20 d, the normalised residual, 2 X^ - 1. Sizes
 * with a head are whole tiles. */
__device__ __forceinline__ void make_head_input(const drae__cuda_out_score &op, const place &at,
                                                const float *mean, const map_set *maps) {
    constexpr int HALF = TILE / 2, KINDS = 3;
    const float *scale = mean + static_cast<ptrdiff_t>(op.size) * op.size;
    uint16_t *dst = op.head_maps[0] + at.patch / head::PHASES * head::PLANES;
    for (int i = static_cast<int>(threadIdx.x); i < HALF * HALF; i += THREADS) {
        const int r = 2 * (i / HALF), q = 2 * (i % HALF);
        float v[KINDS][head::PHASES];
        DRAE_UNROLL
        for (int phase = 0; phase < head::PHASES; phase++) {
            const int row = r + phase / 2, column = q + phase % 2;
            const int pixel = (at.y0 + row) * op.size + at.x0 + column;
            const float d = maps->d[row + MARGIN][column + MARGIN];
            v[0][phase] = 20.0f * d;
            v[1][phase] = (d - mean[pixel]) / scale[pixel];
            v[2][phase] = 2.0f * (maps->u[row + MARGIN][column + MARGIN] - d) - 1.0f;
        }
        uint16_t *to = dst + head::place(op.size, at.y0 + r, at.x0 + q);
        DRAE_UNROLL
        for (int kind = 0; kind < KINDS; kind++) {
            *reinterpret_cast<uint2 *>(to + kind * head::PHASES) =
                make_uint2(head::pack(v[kind][0], v[kind][1]), head::pack(v[kind][2], v[kind][3]));
        }
    }
}

/* What the region of a patch says; without one no maps and no threshold. */
__device__ __forceinline__ drae__cuda_region region_of(const drae__cuda_out_score &op,
                                                       unsigned patch) {
    const int region = op.regions == nullptr ? -1 : op.regions[patch];
    return region >= 0 ? op.table[region]
                       : drae__cuda_region{-1, -1, -1, DRAE__CUDA_BY_PHI, nanf(""), 0.0f};
}

__device__ __forceinline__ void filter_rows(const drae__cuda_out_score &op, map_set *maps,
                                            float mean) {
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

/* 1 - SSIM of the window about an own pixel. */
__device__ __forceinline__ float dissimilarity(const drae__cuda_out_score &op, const map_set *maps,
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
    const float both = reduce::larger(sums[2] - mu * mu - mv * mv, 0.0f) + C2;
    const float sdd = reduce::larger(sums[3] - md * md, 0.0f);
    return (md * md * both + (2.0f * mx * my + C1) * sdd) / ((mx * mx + my * my + C1) * both);
}

/* Windows of the own pixels from `skip` to the far side less `skip`: those that count. */
__device__ __forceinline__ float sum_phi(const drae__cuda_out_score &op, const place &at,
                                         const map_set *maps, float mean, int skip) {
    float phi = 0.0f;
    for (int i = static_cast<int>(threadIdx.x); i < TILE * TILE; i += THREADS) {
        const int r = i / TILE, q = i % TILE, y = at.y0 + r, x = at.x0 + q;
        if (y >= skip && y < op.size - skip && x >= skip && x < op.size - skip) {
            phi += dissimilarity(op, maps, mean, r, q);
        }
    }
    return phi;
}

__global__ void __launch_bounds__(THREADS, 2) out_score(const drae__cuda_out_score op, int skip) {
    DRAE_SHARED(map_set, maps, 1);
    DRAE_SHARED(reduce::sums, scratch, WARPS);
    DRAE_SHARED(uint32_t, top, WARPS * TOP);
    DRAE_SHARED(float, mean, 1);
    const place at = place_of(op.size);
    const reduce::sums range = reduce::sums_of_block<WARPS>(make_tile(op, at, maps), scratch);
    if (threadIdx.x == 0) {
        *mean = range.sum / static_cast<float>(inside_of(at.y0 - MARGIN, op.size) *
                                               inside_of(at.x0 - MARGIN, op.size));
    }
    __syncthreads();
    const drae__cuda_region region = region_of(op, blockIdx.z);
    const bool points = region.maps >= 0 && region.filters < 0;
    if (region.maps >= 0) {
        const float *usual = op.maps + 2 * static_cast<ptrdiff_t>(op.size) * op.size * region.maps;
        blur_rows(maps);
        if (points) {
            make_z(op, at, usual, maps, top);
        } else {
            for_each_e(op, at, usual, maps,
                       [&](int, ptrdiff_t pixel, float e) { op.planes[at.patch + pixel] = e; });
            if (head::decides(op, region)) {
                make_head_input(op, at, usual, maps);
            }
            __syncthreads(); /* blurred rows are read */
        }
    }
    filter_rows(op, maps, *mean);
    reduce::sums s = reduce::nothing();
    s.sum = sum_phi(op, at, maps, *mean, skip);
    s = reduce::sums_of_block<WARPS>(s, scratch);
    if (threadIdx.x == 0) {
        const ptrdiff_t tile =
            (static_cast<ptrdiff_t>(blockIdx.z) * gridDim.y + blockIdx.y) * gridDim.x + blockIdx.x;
        float *to = op.partial + tile * PARTIAL;
        *reinterpret_cast<float4 *>(to) = make_float4(s.sum, range.least, range.greatest, 0.0f);
        for (int k = 0; points && k < TOP; k++) {
            to[SUMS + k] = __uint_as_float(top[k]);
        }
    }
}

/* The TOP largest of the tiles: what was found so far, and the next KEYS - 1 a thread. */
__device__ __forceinline__ float top_mean(const float *partial, int tiles, uint32_t *top) {
    constexpr int STEP = (reduce::KEYS - 1) * THREADS;
    uint32_t keys[reduce::KEYS] = {};
    for (int begin = 0; begin < tiles * TOP; begin += STEP) {
        const int thread = static_cast<int>(threadIdx.x);
        keys[0] = begin > 0 && thread < TOP ? top[thread] : 0u;
        DRAE_UNROLL
        for (int k = 1; k < reduce::KEYS; k++) {
            const int i = begin + (k - 1) * THREADS + thread;
            keys[k] =
                i < tiles * TOP ? __float_as_uint(partial[i / TOP * PARTIAL + SUMS + i % TOP]) : 0u;
        }
        __syncthreads();
        reduce::top_of_block<WARPS, TOP>(keys, top);
        __syncthreads();
    }
    double sum = 0.0;
    for (int k = 0; k < TOP; k++) {
        sum += static_cast<double>(__uint_as_float(top[k]));
    }
    /* Infinity less itself is not a number; the largest bits come first. */
    const float first = __uint_as_float(top[0]);
    return static_cast<float>(sum / TOP) + (first - first);
}

/* As the session judges (engine/session.c): what is not finite is never good. */
__device__ __forceinline__ int verdict_of(const drae__cuda_region &region, float score) {
    const bool finite = (__float_as_uint(score) >> 23 & 255u) != 255u;
    const bool known = region.threshold == region.threshold;
    const bool below = score <= region.threshold;
    const bool banded = region.undecided > 0.0f && score > region.undecided && below;
    return !finite            ? DRAE__CUDA_REJECT
           : !known || banded ? DRAE__CUDA_UNDECIDED
           : below            ? DRAE__CUDA_GOOD
                              : DRAE__CUDA_REJECT;
}

/* A block a patch: thread i takes tiles i, i + THREADS, ... in order, then the threads. */
__global__ void __launch_bounds__(THREADS)
    out_score_finish(const drae__cuda_out_score op, int tiles, float positions) {
    DRAE_SHARED(reduce::sums, scratch, WARPS);
    DRAE_SHARED(uint32_t, top, WARPS * TOP);
    const float *partial = op.partial + static_cast<ptrdiff_t>(blockIdx.x) * tiles * PARTIAL;
    reduce::sums s = reduce::nothing();
    for (int i = static_cast<int>(threadIdx.x); i < tiles; i += THREADS) {
        const float4 tile =
            *reinterpret_cast<const float4 *>(partial + static_cast<ptrdiff_t>(i) * PARTIAL);
        s.sum += tile.x;
        s.least = reduce::smaller(s.least, tile.y);
        s.greatest = reduce::larger(s.greatest, tile.z);
    }
    s = reduce::sums_of_block<WARPS>(s, scratch);
    const drae__cuda_region region = region_of(op, blockIdx.x);
    float z = nanf("");
    if (region.maps >= 0) {
        const int across = drae__ceil_div(op.size / 2, DRAE__CUDA_HEAD_TILE);
        z = top_mean(partial, head::decides(op, region) ? across * across : tiles, top);
    }
    if (threadIdx.x == 0) {
        const float phi = s.sum / positions;
        float *to = op.result + static_cast<ptrdiff_t>(blockIdx.x) * RESULT;
        to[0] = phi;
        to[1] = s.least;
        to[2] = s.greatest;
        to[3] = z;
        to[4] = static_cast<float>(verdict_of(region, region.kind == DRAE__CUDA_BY_Z ? z : phi));
    }
}

} // namespace

extern "C" drae_status drae__cuda_out_score_run(const drae__cuda_out_score *op,
                                                drae__cuda_stream stream, drae__err *err) {
    if (op->n <= 0 || op->n > 65535 || op->size < SIDE || op->size > 4096 || op->c <= 0 ||
        op->c % 8 != 0 || static_cast<int64_t>(op->size) * op->size * op->c > INT32_MAX) {
        return drae__fail(err, DRAE_ERROR_UNSUPPORTED,
                          "score: %d images of size %d, %d channels: use multiples of 8", op->n,
                          op->size, op->c);
    }
    if (op->heads != nullptr && (op->filters == nullptr || !drae__h_takes(op->size))) {
        return drae__fail(err, DRAE_ERROR_UNSUPPORTED,
                          "score: a head for images of size %d, %s filters: use a multiple of 32, "
                          "from %d on, with filters",
                          op->size, op->filters == nullptr ? "without" : "with", DRAE__H_LEAST);
    }
    const int side = drae__ssim_map_side(op->window, op->size);
    const int tiles = drae__ceil_div(op->size, TILE);
    cudaStream_t s = reinterpret_cast<cudaStream_t>(stream);
    dim3 grid(static_cast<unsigned>(tiles), static_cast<unsigned>(tiles),
              static_cast<unsigned>(op->n));
    drae_status status =
        DRAE_LAUNCH(err, out_score, grid, dim3(THREADS), 0, s, *op, (op->size - side) / 2);
    if (status == DRAE_OK && op->filters != nullptr) {
        status = drae__cuda_matched(op, stream, err);
    }
    for (int l = 0; status == DRAE_OK && op->heads != nullptr && l < DRAE__H_LAYERS; l++) {
        status = drae__cuda_head_layer(op, l, stream, err);
    }
    if (status != DRAE_OK) {
        return status;
    }
    return DRAE_LAUNCH(err, out_score_finish, dim3(static_cast<unsigned>(op->n)), dim3(THREADS), 0,
                       s, *op, tiles * tiles, static_cast<float>(side) * static_cast<float>(side));
}
