/* SPDX-License-Identifier: Apache-2.0 */
/*
 * resblock_f16_nhwc: a whole residual block for 16 and 32 channels, rows streaming.
 *
 * computes    kernels/infer_cuda.h, drae__cuda_block: t = leaky(scale1 conv1(p) + shift1), then
 *             conv2(t) + shortcut, as raw and as leaky(scale2 . + shift2)
 * layout      p, residual, raw, act NHWC f16; weights "a16"
 * mapping     block (band of rows, patch): whole rows pass from top to bottom, ROWS of t a step.
 *             Weights are the A operand of mma (16 output channels x 16 input channels of one tap
 * is one fragment), pixels the B operand (8 pixels x 16 channels, straight from a row by ldmatrix;
 *             the shift by kx is an address). A warp takes 16 pixels of all ROWS rows and all
 *             channels, so that a fragment of pixels serves up to three ky.
 *
 *                  step j:   p rows  S(r-1)-1 .. S(r+ROWS-2)+1      r = r0 + ROWS j
 *                            t rows  r-1 .. r+ROWS-2                 made from them
 *                            o rows  r-2 .. r+ROWS-3                 made from t o-1 .. o+1
 *                            copies of the p rows of step j + 1 under way meanwhile
 *
 * shared      p ring (2 S ROWS + 2) rows x (S 16 units + 2) pixels | t ring (ROWS + 2) rows x (16
 * units
 *             + 2) pixels | weights of conv1, conv2 (32 channels only; at 16 they stay in
 * registers). Chunk q of pixel x lies at place q ^ (x / 4 % 2), or q ^ (x / 2 % 4) at 32 channels:
 * 8 neighbouring pixels of an ldmatrix fall into different banks results     rows of a fragment
 * stand for channels 4 (i / 2) + i % 2 (+ 2 from row 8 on): after movmatrix a lane holds 4
 * neighbouring channels of a pixel and stores 8 bytes needs       c_in, c in {16, 32}; maps below
 * 2^31 elements numerics    f32 sums, t and results rounded to f16; pixels outside the image are
 * zero in p and in t. Any batch and any band, same bits measured    not on a device
 */
#include "kernels/cuda/ptx.cuh"

extern "C" {
#include "kernels/infer_cuda.h"
}

namespace {

constexpr int THREADS = 256, WARPS = THREADS / 32;
constexpr int UNIT = 16; /* pixels of a warp at a time */
constexpr int FRAGMENT_BYTES = 512;

enum block_mode { KEEP, IDENTITY, HALVE, DOUBLE }; /* A, B, C of the encoder, C of the decoder */

template <int CIN_, int C_, block_mode MODE_, int ROWS_, bool IMAGE_> struct block_config {
    static constexpr int CIN = CIN_, C = C_, ROWS = ROWS_;
    static constexpr block_mode MODE = MODE_;
    static constexpr bool IMAGE = IMAGE_;
    static constexpr int S = MODE == HALVE ? 2 : 1;
    static constexpr int SLICES = C / 16, K1 = CIN / 16, K2 = C / 16;
    static constexpr int TAPS2 = MODE == DOUBLE ? 16 : 9;
    static constexpr int PHASES = MODE == DOUBLE ? 4 : 1;
    static constexpr int N1 = SLICES * 9 * K1, N2 = SLICES * TAPS2 * K2;
    static constexpr int NP = MODE == IDENTITY ? 0 : SLICES * PHASES * K1;
    static constexpr bool IN_REGISTERS = C == 16 && CIN == 16;
    static constexpr int P_ROWS = 2 * S * ROWS + 2, T_ROWS = ROWS + 2;
    static constexpr int P_READ = S * (ROWS - 1) + 3; /* rows of p that a step's t needs */
    static_assert(C % 16 == 0 && CIN % 16 == 0, "fragments are 16 channels");
    static_assert(2 % ROWS == 0, "o lags t by whole steps");
};

struct block_args {
    drae__cuda_block op;
    int h_mid, w_mid, units, band; /* of t; rows of a band */
    int p_columns, t_columns;
};

__device__ __forceinline__ float leaky(float v, float slope) {
    return v > 0.0f ? v : slope * v;
}

/* Byte of chunk q of pixel x of a row of c channels. */
template <int CH> __device__ __forceinline__ int pixel_at(int x, int q) {
    return CH == 16 ? x * 32 + ((q ^ (x >> 2 & 1)) << 4) : x * 64 + ((q ^ (x >> 1 & 3)) << 4);
}

/* Weights of one convolution: in registers, or in shared (or global) memory. */
template <int N, bool IN_REGISTERS> struct fragments {
    uint4 kept[IN_REGISTERS ? N : 1];
    const uint4 *from;

    __device__ __forceinline__ void open(const void *base) {
        from = static_cast<const uint4 *>(base) + threadIdx.x % 32;
        if (IN_REGISTERS) {
            DRAE_UNROLL
            for (int i = 0; i < N; i++) {
                kept[i] = from[32 * i];
            }
        }
    }
    __device__ __forceinline__ void get(int i, uint32_t (&a)[4]) const {
        const uint4 v = IN_REGISTERS ? kept[IN_REGISTERS ? i : 0] : from[32 * i];
        a[0] = v.x;
        a[1] = v.y;
        a[2] = v.z;
        a[3] = v.w;
    }
};

/* Pixels x0 + S (0..15), 16 channels from 16 k on, of a row: the B operands of two tiles. */
template <int CH, int S>
__device__ __forceinline__ void load_pixels(uint32_t (&b)[2][2], const unsigned char *row, int x0,
                                            int k) {
    const int lane = static_cast<int>(threadIdx.x) % 32;
    uint32_t r[4];
    ptx::ldmatrix_x4(r,
                     row + pixel_at<CH>(x0 + S * (lane / 16 * 8 + lane % 8), 2 * k + lane / 8 % 2));
    b[0][0] = r[0];
    b[0][1] = r[1];
    b[1][0] = r[2];
    b[1][1] = r[3];
}

typedef float tile_pair[2][4]; /* sums of 16 channels x 16 pixels */

__device__ __forceinline__ void clear(tile_pair &t) {
    DRAE_UNROLL
    for (int i = 0; i < 8; i++) {
        t[i / 4][i % 4] = 0.0f;
    }
}

/* Per-lane scale and shift of a slice: channels of rows g and g + 8. */
struct affine {
    float scale[2], shift[2];
};

__device__ __forceinline__ affine load_affine(const float *scale, const float *shift, int slice) {
    const int g = static_cast<int>(threadIdx.x) % 32 / 4, c = 16 * slice + 4 * (g / 2) + g % 2;
    affine a = {{scale[c], scale[c + 2]}, {shift[c], shift[c + 2]}};
    return a;
}

/* act(affine(.)) of a tile, transposed: 4 neighbouring channels of pixel lane / 4. */
__device__ __forceinline__ uint2 activate(const float (&v)[4], const affine &a, float slope) {
    uint32_t lo = ptx::pack_f16x2(leaky(a.scale[0] * v[0] + a.shift[0], slope),
                                  leaky(a.scale[0] * v[1] + a.shift[0], slope));
    uint32_t hi = ptx::pack_f16x2(leaky(a.scale[1] * v[2] + a.shift[1], slope),
                                  leaky(a.scale[1] * v[3] + a.shift[1], slope));
    return make_uint2(ptx::movmatrix_trans(lo), ptx::movmatrix_trans(hi));
}

template <class B> struct streamer {
    const block_args &a;
    unsigned char *p_ring, *t_ring;
    int n, r0, r1; /* patch; rows of t that belong to the band */
    fragments<B::N1, B::IN_REGISTERS> wei1;
    fragments<B::N2, B::IN_REGISTERS> wei2;
    fragments<B::NP == 0 ? 1 : B::NP, B::IN_REGISTERS> proj;

    __device__ __forceinline__ int warp() const {
        return static_cast<int>(threadIdx.x) / 32;
    }
    __device__ __forceinline__ int lane() const {
        return static_cast<int>(threadIdx.x) % 32;
    }
    __device__ __forceinline__ unsigned char *p_row(int y) const {
        return p_ring + (y + B::P_ROWS) % B::P_ROWS * (a.p_columns * B::CIN * 2);
    }
    __device__ __forceinline__ unsigned char *t_row(int y) const {
        return t_ring + (y + B::T_ROWS) % B::T_ROWS * (a.t_columns * B::C * 2);
    }
    /* First row of p of step j that the step before did not have. */
    __device__ __forceinline__ int p_first(int j) const {
        return j == 0 ? B::S * (r0 - 1) - 1 : B::S * (r0 - 2 + B::ROWS * j) + 2;
    }
    __device__ __forceinline__ int p_last(int j) const {
        return B::S * (r0 - 2 + B::ROWS * (j + 1)) + 1;
    }

    /* ---- load ---- */

    __device__ __forceinline__ void copy_rows(int first, int last) {
        constexpr int CHUNKS = B::CIN / 8;
        const drae__cuda_block &op = a.op;
        for (int y = first; y <= last; y++) {
            const bool inside = static_cast<unsigned>(y) < static_cast<unsigned>(op.h);
            const uint16_t *src =
                op.src + (static_cast<ptrdiff_t>(n) * op.h + (inside ? y : 0)) * op.w * B::CIN;
            unsigned char *row = p_row(y);
            for (int i = static_cast<int>(threadIdx.x); i < op.w * CHUNKS; i += THREADS) {
                ptx::cp_async_16(row + pixel_at<B::CIN>(i / CHUNKS + 1, i % CHUNKS), src + 8 * i,
                                 inside);
            }
        }
        ptx::cp_async_commit();
    }

    __device__ __forceinline__ float byte_at(int y, int x) const {
        const drae__cuda_block &op = a.op;
        const bool inside = static_cast<unsigned>(y) < static_cast<unsigned>(op.h) &&
                            static_cast<unsigned>(x) < static_cast<unsigned>(op.w);
        return inside
                   ? static_cast<float>(op.image[(static_cast<ptrdiff_t>(n) * op.h + y) * op.w + x])
                   : 0.0f;
    }

    /* Weights of the stem as one fragment: 16 channels x 9 taps, zeros up to 16. */
    __device__ __forceinline__ void stem_fragment(int slice, uint32_t (&f)[4]) const {
        const int g = lane() / 4, t = lane() % 4;
        DRAE_UNROLL
        for (int i = 0; i < 4; i++) {
            const int c = 16 * slice + 4 * (g / 2) + g % 2 + 2 * (i % 2), k = 2 * t + 8 * (i / 2);
            const uint32_t lo = k < 9 ? a.op.stem_wei[9 * c + k] : 0;
            const uint32_t hi = k + 1 < 9 ? a.op.stem_wei[9 * c + k + 1] : 0;
            f[i] = lo | hi << 16;
        }
    }

    /* p = act(stem(image)) into the ring: bytes are exact in f16, nine taps are one fragment. */
    __device__ __forceinline__ void make_rows(int first, int last) {
        const drae__cuda_block &op = a.op;
        const int g = lane() / 4, t = lane() % 4, tiles = drae__ceil_div(op.w, 8);
        const int tap0 = 2 * t, tap1 = 2 * t + 1;
        for (int slice = 0; slice < B::CIN / 16; slice++) {
            uint32_t wei[4];
            stem_fragment(slice, wei);
            const affine bn = load_affine(op.stem_scale, op.stem_shift, slice);
            for (int i = warp(); i < (last - first + 1) * tiles; i += WARPS) {
                const int y = first + i / tiles, x = i % tiles * 8 + g;
                const bool inside = static_cast<unsigned>(y) < static_cast<unsigned>(op.h);
                float sum[4] = {0.0f, 0.0f, 0.0f, 0.0f};
                const uint32_t b[2] = {
                    ptx::pack_f16x2(byte_at(y + tap0 / 3 - 1, x + tap0 % 3 - 1),
                                    byte_at(y + tap1 / 3 - 1, x + tap1 % 3 - 1)),
                    ptx::pack_f16x2(t == 0 ? byte_at(y + 1, x + 1) : 0.0f, 0.0f)};
                ptx::mma_m16n8k16_f16(sum, wei, b);
                uint2 v = activate(sum, bn, op.slope);
                if (!inside) {
                    v = make_uint2(0, 0);
                }
                if (x < op.w) {
                    *reinterpret_cast<uint2 *>(
                        p_row(y) + pixel_at<B::CIN>(x + 1, 2 * slice + t / 2) + t % 2 * 8) = v;
                }
            }
        }
    }

    __device__ __forceinline__ void bring_rows(int first, int last) {
        if (B::IMAGE) {
            make_rows(first, last);
        } else {
            copy_rows(first, last);
        }
    }

    /* ---- first convolution: ROWS rows of t from y on ---- */

    __device__ __forceinline__ void make_t(int y, const affine (&bn)[B::SLICES]) {
        for (int u = warp(); u < a.units; u += WARPS) {
            tile_pair acc[B::SLICES][B::ROWS];
            DRAE_UNROLL
            for (int i = 0; i < B::SLICES * B::ROWS; i++) {
                clear(acc[i / B::ROWS][i % B::ROWS]);
            }
            DRAE_UNROLL
            for (int k = 0; k < B::K1; k++) {
                DRAE_UNROLL
                for (int kx = 0; kx < 3; kx++) {
                    DRAE_UNROLL
                    for (int i = 0; i < B::P_READ; i++) {
                        uint32_t b[2][2];
                        load_pixels<B::CIN, B::S>(b, p_row(B::S * y - 1 + i), B::S * UNIT * u + kx,
                                                  k);
                        DRAE_UNROLL
                        for (int row = 0; row < B::ROWS; row++) {
                            const int ky = i - B::S * row;
                            if (ky >= 0 && ky < 3) {
                                multiply(acc, row, wei1, (3 * ky + kx) * B::K1 + k, 9 * B::K1, b);
                            }
                        }
                    }
                }
            }
            DRAE_UNROLL
            for (int row = 0; row < B::ROWS; row++) {
                store_t(y + row, u, acc, row, bn);
            }
        }
    }

    /* Adds fragment i of every slice (step fragments apart) times the pixels. */
    template <class W, int R>
    __device__ __forceinline__ void multiply(tile_pair (&acc)[B::SLICES][R], int row, const W &wei,
                                             int i, int step, const uint32_t (&b)[2][2]) const {
        DRAE_UNROLL
        for (int s = 0; s < B::SLICES; s++) {
            uint32_t f[4];
            wei.get(s * step + i, f);
            ptx::mma_m16n8k16_f16(acc[s][row][0], f, b[0]);
            ptx::mma_m16n8k16_f16(acc[s][row][1], f, b[1]);
        }
    }

    template <int R>
    __device__ __forceinline__ void store_t(int y, int u, const tile_pair (&acc)[B::SLICES][R],
                                            int row, const affine (&bn)[B::SLICES]) {
        const bool inside = static_cast<unsigned>(y) < static_cast<unsigned>(a.h_mid);
        unsigned char *to = t_row(y);
        DRAE_UNROLL
        for (int s = 0; s < B::SLICES; s++) {
            DRAE_UNROLL
            for (int tile = 0; tile < 2; tile++) {
                uint2 v = activate(acc[s][row][tile], bn[s], a.op.slope);
                const int x = UNIT * u + 8 * tile + lane() / 4, t = lane() % 4;
                if (!inside) {
                    v = make_uint2(0, 0);
                }
                if (x < a.w_mid) {
                    *reinterpret_cast<uint2 *>(to + pixel_at<B::C>(x + 1, 2 * s + t / 2) +
                                               t % 2 * 8) = v;
                }
            }
        }
    }

    /* ---- second convolution, shortcut, results ---- */

    /* The residual of a tile in the layout of its sums. */
    __device__ __forceinline__ void add_residual(float (&v)[4], ptrdiff_t at, bool inside) const {
        uint2 r = make_uint2(0, 0);
        if (inside) {
            r = *reinterpret_cast<const uint2 *>(a.op.residual + at);
        }
        const float2 lo = ptx::unpack_f16x2(ptx::movmatrix_trans(r.x));
        const float2 hi = ptx::unpack_f16x2(ptx::movmatrix_trans(r.y));
        v[0] += lo.x;
        v[1] += lo.y;
        v[2] += hi.x;
        v[3] += hi.y;
    }

    /* 16 channels x 16 pixels of row y; pixel x of the unit lies at column by * x + plus. */
    __device__ __forceinline__ void store_out(tile_pair &v, int slice, int y, int u, int by,
                                              int plus, bool row_inside, const affine &bn) {
        const drae__cuda_block &op = a.op;
        const int t = lane() % 4, h = by * a.h_mid, w = by * a.w_mid;
        DRAE_UNROLL
        for (int tile = 0; tile < 2; tile++) {
            const int x = UNIT * u + 8 * tile + lane() / 4;
            const bool inside = row_inside && x < a.w_mid;
            const ptrdiff_t at = ((static_cast<ptrdiff_t>(n) * h + y) * w + by * x + plus) * B::C +
                                 16 * slice + 4 * t;
            if (B::MODE == IDENTITY) {
                add_residual(v[tile], at, inside);
            }
            if (op.raw != nullptr) {
                const uint2 raw =
                    make_uint2(ptx::movmatrix_trans(ptx::pack_f16x2(v[tile][0], v[tile][1])),
                               ptx::movmatrix_trans(ptx::pack_f16x2(v[tile][2], v[tile][3])));
                if (inside) {
                    *reinterpret_cast<uint2 *>(op.raw + at) = raw;
                }
            }
            if (op.act != nullptr) {
                const uint2 act = activate(v[tile], bn, op.slope);
                if (inside) {
                    *reinterpret_cast<uint2 *>(op.act + at) = act;
                }
            }
        }
    }

    /* Rows y .. y + ROWS - 1 of the block's output, at the size of t. */
    __device__ __forceinline__ void make_out(int y, const affine (&bn)[B::SLICES]) {
        for (int u = warp(); u < a.units; u += WARPS) {
            tile_pair acc[B::SLICES][B::ROWS];
            DRAE_UNROLL
            for (int i = 0; i < B::SLICES * B::ROWS; i++) {
                clear(acc[i / B::ROWS][i % B::ROWS]);
            }
            DRAE_UNROLL
            for (int k = 0; k < B::K2; k++) {
                DRAE_UNROLL
                for (int kx = 0; kx < 3; kx++) {
                    DRAE_UNROLL
                    for (int i = 0; i < B::ROWS + 2; i++) {
                        uint32_t b[2][2];
                        load_pixels<B::C, 1>(b, t_row(y - 1 + i), UNIT * u + kx, k);
                        DRAE_UNROLL
                        for (int row = 0; row < B::ROWS; row++) {
                            const int ky = i - row;
                            if (ky >= 0 && ky < 3) {
                                multiply(acc, row, wei2, (3 * ky + kx) * B::K2 + k, 9 * B::K2, b);
                            }
                        }
                    }
                }
            }
            DRAE_UNROLL
            for (int row = 0; row < B::ROWS; row++) {
                if (B::MODE != IDENTITY) {
                    DRAE_UNROLL
                    for (int k = 0; k < B::K1; k++) {
                        uint32_t b[2][2];
                        load_pixels<B::CIN, B::S>(b, p_row(B::S * (y + row)), B::S * UNIT * u + 1,
                                                  k);
                        multiply(acc, row, proj, k, B::K1, b);
                    }
                }
                DRAE_UNROLL
                for (int s = 0; s < B::SLICES; s++) {
                    store_out(acc[s][row], s, y + row, u, 1, 0, y + row < r1, bn[s]);
                }
            }
        }
    }

    /*
     * The transposed convolution: rows 2y and 2y + 1, columns 2x and 2x + 1 are four phases, each a
     * 2x2 convolution of t; the t at (dy, dx) belongs to tap 0 of every phase where dy = dx = 0, to
     * tap 1 of the phases on its side. One pixel fragment serves up to four phases.
     */
    __device__ __forceinline__ void make_out_double(int y, const affine (&bn)[B::SLICES]) {
        for (int u = warp(); u < a.units; u += WARPS) {
            tile_pair acc[B::SLICES][4];
            DRAE_UNROLL
            for (int i = 0; i < B::SLICES * 4; i++) {
                clear(acc[i / 4][i % 4]);
            }
            DRAE_UNROLL
            for (int k = 0; k < B::K2; k++) {
                DRAE_UNROLL
                for (int at = 0; at < 9; at++) {
                    const int dy = at / 3 - 1, dx = at % 3 - 1;
                    uint32_t b[2][2];
                    load_pixels<B::C, 1>(b, t_row(y + dy), UNIT * u + 1 + dx, k);
                    DRAE_UNROLL
                    for (int phase = 0; phase < 4; phase++) {
                        const bool meets_y = dy == 0 || (dy > 0) == (phase / 2 == 1);
                        const bool meets_x = dx == 0 || (dx > 0) == (phase % 2 == 1);
                        if (meets_y && meets_x) {
                            const int tap = (dy == 0 ? 0 : 2) + (dx == 0 ? 0 : 1);
                            multiply(acc, phase, wei2, (4 * phase + tap) * B::K2 + k, 16 * B::K2,
                                     b);
                        }
                    }
                }
            }
            DRAE_UNROLL
            for (int k = 0; k < B::K1; k++) {
                uint32_t b[2][2];
                load_pixels<B::CIN, 1>(b, p_row(y), UNIT * u + 1, k);
                DRAE_UNROLL
                for (int phase = 0; phase < 4; phase++) {
                    multiply(acc, phase, proj, phase * B::K1 + k, 4 * B::K1, b);
                }
            }
            DRAE_UNROLL
            for (int phase = 0; phase < 4; phase++) {
                DRAE_UNROLL
                for (int s = 0; s < B::SLICES; s++) {
                    store_out(acc[s][phase], s, 2 * y + phase / 2, u, 2, phase % 2, y < r1, bn[s]);
                }
            }
        }
    }

    __device__ __forceinline__ void run(const affine (&bn1)[B::SLICES],
                                        const affine (&bn2)[B::SLICES]) {
        const int steps = drae__ceil_div(r1 - r0 + 2, B::ROWS);
        bring_rows(p_first(0), p_last(0));
        for (int j = 0; j < steps; j++) {
            ptx::cp_async_wait<0>();
            __syncthreads(); /* p of this step is there; t and p of the step before are done with */
            if (j + 1 < steps) {
                bring_rows(p_first(j + 1), p_last(j + 1));
            }
            make_t(r0 - 1 + B::ROWS * j, bn1);
            __syncthreads();
            const int y = r0 - 2 + B::ROWS * j;
            if (y >= r0) {
                if (B::MODE == DOUBLE) {
                    for (int row = 0; row < B::ROWS; row++) {
                        make_out_double(y + row, bn2);
                    }
                } else {
                    make_out(y, bn2);
                }
            }
        }
    }
};

template <class B>
__global__ void __launch_bounds__(THREADS, 1) resblock_f16_nhwc(const block_args a) {
    DRAE_SHARED_DYNAMIC(shared);
    const int p_bytes = B::P_ROWS * a.p_columns * B::CIN * 2;
    const int t_bytes = B::T_ROWS * a.t_columns * B::C * 2;
    /* Borders stay zero from here on. */
    for (int i = static_cast<int>(threadIdx.x); i < (p_bytes + t_bytes) / 16; i += THREADS) {
        reinterpret_cast<uint4 *>(shared)[i] = make_uint4(0, 0, 0, 0);
    }
    const uint4 *wei = reinterpret_cast<const uint4 *>(a.op.wei);
    uint4 *kept = reinterpret_cast<uint4 *>(shared + p_bytes + t_bytes);
    for (int i = static_cast<int>(threadIdx.x); !B::IN_REGISTERS && i < (B::N1 + B::N2) * 32;
         i += THREADS) {
        kept[i] = wei[i];
    }
    __syncthreads();
    const int r0 = static_cast<int>(blockIdx.x) * a.band;
    const int r1 = r0 + a.band < a.h_mid ? r0 + a.band : a.h_mid;
    streamer<B> s = {a, shared, shared + p_bytes, static_cast<int>(blockIdx.y), r0, r1, {}, {}, {}};
    const uint4 *from = B::IN_REGISTERS ? wei : kept;
    s.wei1.open(from);
    s.wei2.open(from + B::N1 * 32);
    if (B::NP > 0) {
        s.proj.open(wei + (B::N1 + B::N2) * 32);
    }
    affine bn1[B::SLICES], bn2[B::SLICES];
    DRAE_UNROLL
    for (int i = 0; i < B::SLICES; i++) {
        bn1[i] = load_affine(a.op.scale1, a.op.shift1, i);
        bn2[i] = load_affine(a.op.scale2, a.op.shift2, i);
    }
    s.run(bn1, bn2);
}

/* ---- launching ---- */

template <class B> size_t shared_bytes(const block_args &a) {
    return static_cast<size_t>(B::P_ROWS) * a.p_columns * B::CIN * 2 +
           static_cast<size_t>(B::T_ROWS) * a.t_columns * B::C * 2 +
           (B::IN_REGISTERS ? 0 : static_cast<size_t>(B::N1 + B::N2) * FRAGMENT_BYTES);
}

/* Rows of a band that give the shortest run: waves of blocks times the steps of each, two rows of t
 * made twice a band. */
int band_rows(int n, int h_mid, int slots) {
    int best = h_mid;
    double least = 1e30;
    for (int bands = 1; bands <= h_mid / 4 || bands == 1; bands++) {
        const int rows = drae__ceil_div(drae__ceil_div(h_mid, bands), 2) * 2;
        const int blocks = n * drae__ceil_div(h_mid, rows);
        const double time = static_cast<double>(drae__ceil_div(blocks, slots)) * (rows + 4);
        if (time < least) {
            least = time;
            best = rows;
        }
    }
    return best;
}

/* check only where stream is not asked for */
template <class B>
drae_status launch(block_args a, const drae__cuda_device *device, bool check_only,
                   cudaStream_t stream, drae__err *err) {
    a.h_mid = a.op.h / B::S;
    a.w_mid = a.op.w / B::S;
    a.units = drae__ceil_div(a.w_mid, UNIT);
    a.p_columns = B::S * UNIT * a.units + 2;
    a.t_columns = UNIT * a.units + 2;
    const size_t n_bytes = shared_bytes<B>(a);
    if (n_bytes > device->shared_max) {
        return drae__fail(err, DRAE_ERROR_UNSUPPORTED,
                          "resblock: rows of %d pixels, %d to %d channels want %zu bytes of shared "
                          "memory, the device has %zu",
                          a.op.w, B::CIN, B::C, n_bytes, device->shared_max);
    }
    if (check_only) {
        return DRAE_OK;
    }
    /* Registers let one block run on an SM at a time. */
    a.band = band_rows(a.op.n, a.h_mid, device->sm_count);
    dim3 grid(static_cast<unsigned>(drae__ceil_div(a.h_mid, a.band)),
              static_cast<unsigned>(a.op.n));
    return DRAE_LAUNCH(err, resblock_f16_nhwc<B>, grid, dim3(THREADS), n_bytes, stream, a);
}

/* As many rows a step as asked for, else two where they fit. */
template <int CIN, int C, block_mode MODE, bool IMAGE>
drae_status launch_rows(const block_args &a, const drae__cuda_device *device, bool check_only,
                        cudaStream_t stream, drae__err *err) {
    if (a.op.rows == 2 || (a.op.rows == 0 && launch<block_config<CIN, C, MODE, 2, IMAGE>>(
                                                 a, device, true, stream, err) == DRAE_OK)) {
        return launch<block_config<CIN, C, MODE, 2, IMAGE>>(a, device, check_only, stream, err);
    }
    return launch<block_config<CIN, C, MODE, 1, IMAGE>>(a, device, check_only, stream, err);
}

drae_status dispatch(const drae__cuda_block *op, const drae__cuda_device *device, bool check_only,
                     drae__cuda_stream stream, drae__err *err) {
    const double elems = static_cast<double>(op->n) * op->h * op->w * (op->up ? 4.0 : 1.0) * 32.0;
    if (op->n <= 0 || op->n > 65535 || op->h <= 0 || op->w <= 0 || elems > 9e15 ||
        (op->halve && (op->h % 2 != 0 || op->w % 2 != 0)) || (op->halve && op->up) ||
        op->rows < 0 || op->rows > 2) {
        return drae__fail(err, DRAE_ERROR_UNSUPPORTED, "resblock: %d maps of %dx%d, %d rows a step",
                          op->n, op->h, op->w, op->rows);
    }
    block_args a = {};
    a.op = *op;
    cudaStream_t s = reinterpret_cast<cudaStream_t>(stream);
    const bool image = op->image != nullptr, plain = !op->halve && !op->up;
    const bool identity = op->residual != nullptr;
    const int key = op->c_in * 100 + op->c;
    if (!image && !identity && plain) {
        switch (key) {
        case 1616:
            return launch_rows<16, 16, KEEP, false>(a, device, check_only, s, err);
        case 1632:
            return launch_rows<16, 32, KEEP, false>(a, device, check_only, s, err);
        case 3216:
            return launch_rows<32, 16, KEEP, false>(a, device, check_only, s, err);
        case 3232:
            return launch_rows<32, 32, KEEP, false>(a, device, check_only, s, err);
        default:
            break;
        }
    }
    if (image && !identity && plain) {
        if (key == 1616) {
            return launch_rows<16, 16, KEEP, true>(a, device, check_only, s, err);
        }
        if (key == 3232) {
            return launch_rows<32, 32, KEEP, true>(a, device, check_only, s, err);
        }
    }
    if (!image && identity && plain) {
        if (key == 1616) {
            return launch_rows<16, 16, IDENTITY, false>(a, device, check_only, s, err);
        }
        if (key == 3232) {
            return launch_rows<32, 32, IDENTITY, false>(a, device, check_only, s, err);
        }
    }
    if (!image && !identity && op->halve) {
        if (key == 1616) {
            return launch_rows<16, 16, HALVE, false>(a, device, check_only, s, err);
        }
        if (key == 3232) {
            return launch_rows<32, 32, HALVE, false>(a, device, check_only, s, err);
        }
    }
    if (!image && !identity && op->up) {
        if (key == 1616) {
            return launch_rows<16, 16, DOUBLE, false>(a, device, check_only, s, err);
        }
        if (key == 3232) {
            return launch_rows<32, 32, DOUBLE, false>(a, device, check_only, s, err);
        }
    }
    return drae__fail(err, DRAE_ERROR_UNSUPPORTED,
                      "resblock: %d to %d channels%s%s%s%s: it takes 16 and 32", op->c_in, op->c,
                      image ? ", from an image" : "", identity ? ", identity" : "",
                      op->halve ? ", halving" : "", op->up ? ", doubling" : "");
}

} // namespace

extern "C" drae_status drae__cuda_block_stream(const drae__cuda_block *op,
                                               const drae__cuda_device *device,
                                               drae__cuda_stream stream, drae__err *err) {
    return dispatch(op, device, false, stream, err);
}

extern "C" drae_status drae__cuda_block_check(const drae__cuda_block *op,
                                              const drae__cuda_device *device, drae__err *err) {
    return dispatch(op, device, true, nullptr, err);
}
