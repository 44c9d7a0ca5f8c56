/* SPDX-License-Identifier: Apache-2.0 */
/*
 * matched: the score m by matched filters, from e that out_score left in the first plane.
 *
 * computes    kernels/matched.h, with zeros outside the image in e, c2 and c3:
 *                 matched_planes   c2 = B_2 e, c3 = B_4 c2
 *                 matched_lines    c4 = B_8 c3; r_0 = e, r_1 = e - c2, r_2 = c2 - c3,
 *                                  r_3 = c3 - c4; 12 sums of r_1 along lines; m, and the
 *                                  largest of the tile, or, where there is a head, m / 8 as the
 *                                  last four planes of its input
 *             two launches: in one the margins of e, 28 pixels for a tile of 32, would cost more
 *             than c2 and c3 do on their way through L2, and 86 KB of shared memory
 *
 * mapping     block (32 x 32 pixels) of one patch; patches without filters leave at once. A blur
 *             goes down the columns, then along the rows. Where its results serve again a thread
 *             makes 4 of them, a step of the blur apart: 8 loads instead of 20
 *
 *                 planes   e, margin 12 --down--> 48 x 56 --along--> c2 48 x 48
 *                          --down--> 32 x 48 --along--> c3 32 x 32
 *                 lines    c3, margin 16 --down--> 32 x 64 --along--> c4; r_1 48 x 48
 *
 * shared      planes  48 x 57 and 48 x 49 f32 (20 KB), the first again for 32 x 49
 *             lines   48 x 49, 32 x 65 f32 and 16 x 64 inverse scales (21 KB)
 *             odd pitches: lanes of different rows meet different banks
 * needs       size a multiple of 16
 * numerics    f32, the sums of the CPU's kernels in their order; the largest are chosen by their
 *             bits
 * measured    not on a device
 */
#include "kernels/cuda/head.cuh"
#include "kernels/cuda/reduce.cuh"

extern "C" {
#include "kernels/infer.h"
#include "kernels/matched.h"
}

namespace {

constexpr int TILE = DRAE__CUDA_SCORE_TILE, WARPS = 8, THREADS = 32 * WARPS;
constexpr int TOP = DRAE__Z_TOP, PARTIAL = DRAE__CUDA_SCORE_PARTIAL, SUMS = PARTIAL - TOP;
constexpr int RADIUS = DRAE__Z_RADIUS, TAPS = DRAE__Z_TAPS;
constexpr int LINE = 8;                      /* pixels that a line reaches */
constexpr int WIDE = TILE + 2 * LINE;        /* of c2 that c3 wants, and of r_1 that lines want */
constexpr int E_SIDE = WIDE + 4 * RADIUS;    /* columns of e that c2 wants */
constexpr int C3_SIDE = TILE + 16 * RADIUS;  /* columns of c3 that c4 wants */
constexpr int QUAD = 4;                      /* results of a thread */
constexpr int BLOCKS = TILE / DRAE__M_BLOCK; /* that share a scale, a side */
constexpr int INVERSES = DRAE__M_FILTERS * BLOCKS * BLOCKS;
constexpr int ROUNDS = TILE * TILE / THREADS;

static_assert(LINE == 4 * RADIUS, "one margin serves B_4 and lines");
static_assert(ROUNDS == reduce::KEYS, "a thread's m are its keys");
static_assert(WIDE % (QUAD * 2) == 0 && TILE % (QUAD * 4) == 0 && TILE % (QUAD * 8) == 0,
              "runs of B_2, B_4 and B_8 are whole");

/* A tile of a patch whose region has filters. */
struct work {
    int x0, y0, size; /* first pixel */
    const float *e, *c2, *c3;
    float *to_c2, *to_c3;
    uint16_t *to_head; /* the map of its input; nullptr: z is m */
};

/* Pixel of a plane, zero outside. */
__device__ __forceinline__ float pixel(const float *plane, int size, int y, int x) {
    const bool inside = static_cast<unsigned>(y) < static_cast<unsigned>(size) &&
                        static_cast<unsigned>(x) < static_cast<unsigned>(size);
    return inside ? plane[y * size + x] : 0.0f;
}

/* Scales of the patch's region, nullptr without; where the tile lies. */
__device__ __forceinline__ const float *open_tile(const drae__cuda_out_score &op, work *w) {
    const int region = op.regions[blockIdx.z];
    const int filters = region < 0 ? -1 : op.table[region].filters;
    if (filters < 0 || op.table[region].maps < 0) {
        return nullptr;
    }
    const ptrdiff_t pixels = static_cast<ptrdiff_t>(op.size) * op.size, all = op.n * pixels;
    const ptrdiff_t blocks = op.size / DRAE__M_BLOCK;
    w->x0 = static_cast<int>(blockIdx.x) * TILE;
    w->y0 = static_cast<int>(blockIdx.y) * TILE;
    w->size = op.size;
    w->e = op.planes + blockIdx.z * pixels;
    w->c2 = w->to_c2 = op.planes + all + blockIdx.z * pixels;
    w->c3 = w->to_c3 = op.planes + 2 * all + blockIdx.z * pixels;
    w->to_head = head::decides(op, op.table[region])
                     ? op.head_maps[0] + blockIdx.z * pixels / head::PHASES * head::PLANES
                     : nullptr;
    return op.filters + filters * (DRAE__M_FILTERS * blocks * blocks);
}

/* Four sums of 5 taps from 8 values, all STEP apart: load(j), j = 0..7, put(j, sum), j = 0..3. */
template <class Load, class Put>
__device__ __forceinline__ void blur_quad(const Load &load, const Put &put) {
    constexpr float taps[TAPS] = DRAE__Z_WEIGHTS;
    float v[QUAD + 2 * RADIUS];
    DRAE_UNROLL
    for (int j = 0; j < QUAD + 2 * RADIUS; j++) {
        v[j] = load(j);
    }
    DRAE_UNROLL
    for (int j = 0; j < QUAD; j++) {
        float sum = 0.0f;
        DRAE_UNROLL
        for (int k = 0; k < TAPS; k++) {
            sum = fmaf(taps[k], v[j + k], sum);
        }
        put(j, sum);
    }
}

/* ROWS x COLUMNS of a blur by STEP down the columns: load(row, column), row from -2 STEP on;
 * dst [ROWS][PITCH]. Lanes take neighbouring columns. */
template <int STEP, int ROWS, int COLUMNS, int PITCH, class Load>
__device__ __forceinline__ void blur_down(const Load &load, float *dst) {
    for (int i = static_cast<int>(threadIdx.x); i < COLUMNS * (ROWS / QUAD); i += THREADS) {
        const int q = i % COLUMNS, run = i / COLUMNS;
        const int r = run / STEP * (QUAD * STEP) + run % STEP;
        blur_quad([&](int j) { return load(r + (j - RADIUS) * STEP, q); },
                  [&](int j, float sum) { dst[(r + j * STEP) * PITCH + q] = sum; });
    }
}

/* One value of a blur by STEP along a row whose column 0 is src. */
template <int STEP> __device__ __forceinline__ float blur_along(const float *src) {
    constexpr float taps[TAPS] = DRAE__Z_WEIGHTS;
    float sum = 0.0f;
    DRAE_UNROLL
    for (int k = 0; k < TAPS; k++) {
        sum = fmaf(taps[k], src[(k - RADIUS) * STEP], sum);
    }
    return sum;
}

constexpr int DOWN_PITCH = E_SIDE + 1, WIDE_PITCH = WIDE + 1, C3_PITCH = C3_SIDE + 1;

/* c2 of the tile and its margin, zeros outside the image; lanes take neighbouring rows. */
__device__ __forceinline__ void make_c2(const work &w, const float *rows, float *c2) {
    for (int i = static_cast<int>(threadIdx.x); i < WIDE * (WIDE / QUAD); i += THREADS) {
        const int r = i % WIDE, run = i / WIDE, q = run / 2 * (QUAD * 2) + run % 2;
        const bool row = static_cast<unsigned>(w.y0 - LINE + r) < static_cast<unsigned>(w.size);
        blur_quad([&](int j) { return rows[r * DOWN_PITCH + q + 2 * j]; },
                  [&](int j, float sum) {
                      const int x = w.x0 - LINE + q + 2 * j;
                      const bool in =
                          row && static_cast<unsigned>(x) < static_cast<unsigned>(w.size);
                      c2[r * WIDE_PITCH + q + 2 * j] = in ? sum : 0.0f;
                  });
    }
}

__global__ void __launch_bounds__(THREADS) matched_planes(const drae__cuda_out_score op) {
    DRAE_SHARED(float, rows, WIDE *DOWN_PITCH);
    DRAE_SHARED(float, c2, WIDE *WIDE_PITCH);
    work w;
    if (open_tile(op, &w) == nullptr) {
        return;
    }
    blur_down<2, WIDE, E_SIDE, DOWN_PITCH>(
        [&](int r, int q) {
            return pixel(w.e, w.size, w.y0 - LINE + r, w.x0 - LINE - 2 * RADIUS + q);
        },
        rows);
    __syncthreads();
    make_c2(w, rows, c2);
    __syncthreads();
    blur_down<4, TILE, WIDE, WIDE_PITCH>(
        [&](int r, int q) { return c2[(r + LINE) * WIDE_PITCH + q]; }, rows);
    __syncthreads();
    for (int i = static_cast<int>(threadIdx.x); i < TILE * TILE; i += THREADS) {
        const int r = i / TILE, q = i % TILE, y = w.y0 + r, x = w.x0 + q;
        if (y < w.size && x < w.size) {
            w.to_c2[y * w.size + x] = c2[(r + LINE) * WIDE_PITCH + q + LINE];
            w.to_c3[y * w.size + x] = blur_along<4>(rows + r * WIDE_PITCH + q + LINE);
        }
    }
}

/* ---- lines, and the greatest of all filters ---- */

/* One over the scales of the tile's blocks; those outside the image are not used. */
__device__ __forceinline__ void invert_scales(const work &w, const float *scales, float *inverse) {
    const int n = w.size / DRAE__M_BLOCK;
    for (int i = static_cast<int>(threadIdx.x); i < INVERSES; i += THREADS) {
        const int f = i / (BLOCKS * BLOCKS);
        const int y = w.y0 / DRAE__M_BLOCK + i / BLOCKS % BLOCKS,
                  x = w.x0 / DRAE__M_BLOCK + i % BLOCKS;
        inverse[i] = y < n && x < n ? 1.0f / scales[(f * n + y) * n + x] : 0.0f;
    }
}

/* What is not a number is not greater. */
__device__ __forceinline__ void take(float r, float inverse, float &most) {
    const float v = fabsf(r) * inverse;
    most = v > most ? v : most;
}

/* Sum of r_1 along a line through the pixel at r1. */
template <int DIRECTION> __device__ __forceinline__ float line_sum(const float *r1) {
    constexpr int steps[DRAE__M_LINES][DRAE__M_REACH][2] = DRAE__M_STEPS;
    float sum = 0.0f;
    DRAE_UNROLL
    for (int j = -DRAE__M_REACH; j <= DRAE__M_REACH; j++) {
        const int k = j < 0 ? -j : j, sign = j < 0 ? -1 : 1;
        const int to =
            k == 0 ? 0
                   : sign * (steps[DIRECTION][k - 1][1] * WIDE_PITCH + steps[DIRECTION][k - 1][0]);
        sum = j == -DRAE__M_REACH ? r1[to] : sum + r1[to];
    }
    return sum;
}

template <int DIRECTION>
__device__ __forceinline__ void take_lines(const float *r1, const float *inverse, float &most) {
    take(line_sum<DIRECTION>(r1), inverse[(DRAE__M_PLANES + DIRECTION) * (BLOCKS * BLOCKS)], most);
    if constexpr (DIRECTION + 1 < DRAE__M_LINES) {
        take_lines<DIRECTION + 1>(r1, inverse, most);
    }
}

__global__ void __launch_bounds__(THREADS) matched_lines(const drae__cuda_out_score op) {
    DRAE_SHARED(float, r1, WIDE *WIDE_PITCH);
    DRAE_SHARED(float, rows, TILE *C3_PITCH);
    DRAE_SHARED(float, inverse, INVERSES);
    DRAE_SHARED(uint32_t, top, WARPS * TOP);
    work w;
    const float *scales = open_tile(op, &w);
    if (scales == nullptr) {
        return;
    }
    for (int i = static_cast<int>(threadIdx.x); i < WIDE * WIDE; i += THREADS) {
        const int r = i / WIDE, q = i % WIDE, y = w.y0 - LINE + r, x = w.x0 - LINE + q;
        r1[r * WIDE_PITCH + q] = pixel(w.e, w.size, y, x) - pixel(w.c2, w.size, y, x);
    }
    /* A run of B_8 down the tile takes all its rows: every pixel of c3 is loaded once. */
    blur_down<8, TILE, C3_SIDE, C3_PITCH>(
        [&](int r, int q) { return pixel(w.c3, w.size, w.y0 + r, w.x0 - 8 * RADIUS + q); }, rows);
    invert_scales(w, scales, inverse);
    __syncthreads();
    uint32_t keys[reduce::KEYS] = {};
    DRAE_UNROLL
    for (int round = 0; round < ROUNDS; round++) {
        const int i = round * THREADS + static_cast<int>(threadIdx.x), r = i / TILE, q = i % TILE;
        const int y = w.y0 + r, x = w.x0 + q, at = y * w.size + x;
        if (y < w.size && x < w.size) {
            const float e = w.e[at], c2 = w.c2[at], c3 = w.c3[at];
            const float c4 = blur_along<8>(rows + r * C3_PITCH + q + 8 * RADIUS);
            const float *own = r1 + (r + LINE) * WIDE_PITCH + q + LINE;
            const float *over = inverse + r / DRAE__M_BLOCK * BLOCKS + q / DRAE__M_BLOCK;
            float most = 0.0f;
            take(e, over[0], most);
            take(own[0], over[BLOCKS * BLOCKS], most);
            take(c2 - c3, over[2 * BLOCKS * BLOCKS], most);
            take(c3 - c4, over[3 * BLOCKS * BLOCKS], most);
            take_lines<0>(own, over, most);
            /* The greatest of numbers and NaN need not be NaN: what e lost is not found again. */
            const float m = most + (e - e);
            if (w.to_head != nullptr) {
                const int plane = 3 * head::PHASES + 2 * (y % 2) + x % 2;
                w.to_head[head::place(w.size, y, x) + plane] =
                    static_cast<uint16_t>(head::pack(0.125f * m, 0.0f));
            } else if (op.z != nullptr) {
                op.z[static_cast<ptrdiff_t>(blockIdx.z) * w.size * w.size + at] = m;
            }
            keys[round] = __float_as_uint(m);
        }
    }
    if (w.to_head != nullptr) {
        return; /* the largest are those of h */
    }
    reduce::top_of_block<WARPS, TOP>(keys, top);
    const ptrdiff_t tile =
        (static_cast<ptrdiff_t>(blockIdx.z) * gridDim.y + blockIdx.y) * gridDim.x + blockIdx.x;
    for (int k = 0; threadIdx.x == 0 && k < TOP; k++) {
        op.partial[tile * PARTIAL + SUMS + k] = __uint_as_float(top[k]);
    }
}

} // namespace

extern "C" drae_status drae__cuda_matched(const drae__cuda_out_score *op, drae__cuda_stream stream,
                                          drae__err *err) {
    if (op->n <= 0 || op->n > 65535 || op->size <= 0 || op->size > 4096 || op->size % 16 != 0) {
        return drae__fail(err, DRAE_ERROR_UNSUPPORTED,
                          "matched filters: %d images of size %d: use a multiple of 16", op->n,
                          op->size);
    }
    const unsigned tiles = static_cast<unsigned>(drae__ceil_div(op->size, TILE));
    const dim3 grid(tiles, tiles, static_cast<unsigned>(op->n));
    cudaStream_t s = reinterpret_cast<cudaStream_t>(stream);
    drae_status status = DRAE_LAUNCH(err, matched_planes, grid, dim3(THREADS), 0, s, *op);
    if (status != DRAE_OK) {
        return status;
    }
    return DRAE_LAUNCH(err, matched_lines, grid, dim3(THREADS), 0, s, *op);
}
