/* SPDX-License-Identifier: Apache-2.0 */
/*
 * resblock_f16_nhwc: a whole residual block, rows streaming, weights in registers.
 *
 * computes    kernels/infer_cuda.h, drae__cuda_block: t = leaky(scale1 conv1(p) + shift1), then
 *             conv2(t) + shortcut, as raw and as leaky(scale2 . + shift2)
 * layout      p, residual, raw, act NHWC f16; weights "a16"
 * mapping     block (band of rows, patch): whole rows pass from top to bottom, ROWS of t a step.
 *             Weights are the A operand of mma (16 output channels x 16 input channels of one tap
 *             is one fragment), pixels the B operand (8 pixels x 16 channels, straight from a row
 *             by ldmatrix; the shift by kx is an address). A warp belongs to one convolution and
 *             16 of its output channels (and, where the map is doubled, to even or odd rows of it):
 *             its weights stay in registers for the whole launch. Warps of a team share the units
 *             of 16 pixels of all ROWS rows; a fragment of pixels serves up to three ky.
 *
 *                 step j, r = r0 + ROWS j, between two barriers, all at the same time:
 *                     copies   p rows of step j + 1
 *                     conv1    t rows  r - 1        .. r + ROWS - 2     from p S(r-2) ..
 *                     conv2    o rows  r - 2 - ROWS .. r - 3            from t, all made before
 *
 * shared      p ring (resblock_config::P_ROWS) rows x (S 16 units + 2) pixels |
 *             t ring (2 ROWS + 2) rows x (16 units + 2) pixels; borders zero
 * registers   4 a fragment: 40 at 16 channels, 80 at 32, 160 at 64, and about 60 more
 * needs       an instance for c_in, c and mode; maps below 2^31 elements
 * numerics    f32 sums, t and results rounded to f16; pixels outside the image are zero in p and in
 *             t. Any batch and any band, same bits
 * measured    not on a device; docs/performance.md has the counts
 */
#ifndef DRAE_KERNELS_CUDA_RESBLOCK_STREAM_CUH
#define DRAE_KERNELS_CUDA_RESBLOCK_STREAM_CUH

#include "kernels/cuda/resblock_tile.cuh"

template <class B> struct resblock_stream {
    static constexpr int BY = B::MODE == DOUBLE ? 2 : 1;

    const resblock_args &a;
    unsigned char *p_ring, *t_ring;
    int n, r0, r1;             /* patch; rows of t that belong to the band */
    int member, slice, parity; /* in the team; of channels; of the rows of a doubled map */
    affine bn;
    uint32_t wei[B::KEPT][4];
    uint32_t stem[B::IMAGE ? B::K1 : 1][4];

    /* Bytes from the first row of a ring to row y. */
    __device__ __forceinline__ int p_row(int y) const {
        return (y + 2 * B::P_ROWS) % B::P_ROWS * (a.p_columns * B::CIN * 2);
    }
    __device__ __forceinline__ int t_row(int y) const {
        return (y + 2 * B::T_ROWS) % B::T_ROWS * (a.t_columns * B::C * 2);
    }
    /* This lane's 8 bytes of a tile of 16 channels of CH: of pixel lane / 4 + 8 x, border counted.
     */
    template <int CH> __device__ __forceinline__ int quad_at(int of) const {
        const int t = resblock_lane() % 4;
        return pixel_at<CH>(resblock_lane() / 4 + 1, 2 * of + t / 2) + t % 2 * 8;
    }
    /* First row of p of step j that the step before did not have, and the last one. */
    __device__ __forceinline__ int p_first(int j) const {
        return j == 0 ? B::S * (r0 - 1) - 1 : p_last(j - 1) + 1;
    }
    __device__ __forceinline__ int p_last(int j) const {
        return B::S * (r0 - 2 + B::ROWS * (j + 1)) + 1;
    }

    /* ---- load ---- */

    /* Fragment i of a set: those of conv1 lie first, set by set. */
    __device__ __forceinline__ void load_weight(uint32_t (&w)[4], int first, int i) const {
        const uint4 v =
            reinterpret_cast<const uint4 *>(a.op.wei)[32 * (first + i) + resblock_lane()];
        w[0] = v.x;
        w[1] = v.y;
        w[2] = v.z;
        w[3] = v.w;
    }
    __device__ __forceinline__ void keep_weights(int first, int count) {
        DRAE_UNROLL
        for (int i = 0; i < B::KEPT; i++) {
            load_weight(wei[i], first, i < count ? i : 0);
        }
    }
    /* First fragment of a set of conv2. */
    static __device__ __forceinline__ int second_at(int set) {
        return B::N1 * B::SLICES + (B::N2 + B::NP) * set;
    }

    __device__ __forceinline__ void copy_rows(int first, int last) {
        constexpr int CHUNKS = B::CIN / 8;
        const drae__cuda_block &op = a.op;
        for (int y = first; y <= last; y++) {
            const bool inside = static_cast<unsigned>(y) < static_cast<unsigned>(op.h);
            const uint16_t *src =
                op.src + (static_cast<ptrdiff_t>(n) * op.h + (inside ? y : 0)) * op.w * B::CIN;
            unsigned char *row = p_ring + p_row(y);
            for (int i = static_cast<int>(threadIdx.x); i < op.w * CHUNKS; i += B::THREADS) {
                const int place = place_of<B::S>(i / CHUNKS + 1, a.p_columns);
                ptx::cp_async_16(row + pixel_at<B::CIN>(place, i % CHUNKS), src + 8 * i, inside);
            }
        }
        ptx::cp_async_commit();
    }

    /* Two neighbouring bytes of the image as f16, which holds them exactly. */
    __device__ __forceinline__ uint32_t bytes_at(int y, int x) const {
        const unsigned columns = static_cast<unsigned>(a.image_columns);
        const bool row = static_cast<unsigned>(y) < static_cast<unsigned>(a.op.h);
        const uint8_t *from =
            a.op.image + (static_cast<ptrdiff_t>(n) * a.op.h + y) * a.image_columns + x;
        const float lo = row && static_cast<unsigned>(x) < columns ? from[0] : 0.0f;
        const float hi = row && static_cast<unsigned>(x + 1) < columns ? from[1] : 0.0f;
        return ptx::pack_f16x2(lo, hi);
    }

    /* Weight of tap k of channel c of p, 3 rows of 4 columns: the second pixel of a pair lies a
     * column further on, a single one has zeros in the last. */
    __device__ __forceinline__ uint32_t stem_tap(int c, int k) const {
        const int column = k % 4 - (B::PAIR ? c / 8 : 0);
        return k < 12 && column >= 0 && column < 3
                   ? a.op.stem_wei[9 * (c & (a.vector_in - 1)) + 3 * (k / 4) + column]
                   : 0;
    }

    /* The stem's weights as a fragment for each 16 channels: columns are taps, zeros up to 16. */
    __device__ __forceinline__ void keep_stem() {
        const int g = resblock_lane() / 4, t = resblock_lane() % 4;
        DRAE_UNROLL
        for (int s = 0; s < B::K1; s++) {
            DRAE_UNROLL
            for (int i = 0; i < 4; i++) {
                const int c = 16 * s + 4 * (g / 2) + g % 2 + 2 * (i % 2), k = 2 * t + 8 * (i / 2);
                stem[s][i] = stem_tap(c, k) | stem_tap(c, k + 1) << 16;
            }
        }
    }

    /* p = act(stem(image)) into the ring: all taps are one fragment. */
    __device__ __forceinline__ void make_rows(int first, int last) {
        const drae__cuda_block &op = a.op;
        const int g = resblock_lane() / 4, t = resblock_lane() % 4;
        const int tiles = drae__ceil_div(op.w, 8);
        for (int y = first; y <= last; y++) {
            const bool inside = static_cast<unsigned>(y) < static_cast<unsigned>(op.h);
            unsigned char *row = p_ring + p_row(y);
            for (int tile = resblock_warp(); tile < tiles; tile += B::WARPS) {
                const int x = 8 * tile + g, column = (B::PAIR ? 2 : 1) * x - 1 + t % 2 * 2;
                const uint32_t b[2] = {bytes_at(y - 1 + t / 2, column), bytes_at(y + 1, column)};
                DRAE_UNROLL
                for (int k = 0; k < B::K1; k++) {
                    const affine bn_stem =
                        load_affine(op.stem_scale, op.stem_shift, k, a.vector_in);
                    float sum[4] = {0.0f, 0.0f, 0.0f, 0.0f};
                    ptx::mma_m16n8k16_f16(sum, stem[k], b);
                    uint2 v = activate(sum, bn_stem, op.slope);
                    v.x = inside && x < op.w ? v.x : 0;
                    v.y = inside && x < op.w ? v.y : 0;
                    *reinterpret_cast<uint2 *>(row + quad_at<B::CIN>(k) + tile * (8 * B::CIN * 2)) =
                        v;
                }
            }
        }
    }

    __device__ __forceinline__ void bring_rows(int first, int last) {
        if constexpr (B::IMAGE) {
            make_rows(first, last);
        } else {
            copy_rows(first, last);
        }
    }

    /* ---- first convolution: ROWS rows of t from y on ---- */

    __device__ __forceinline__ void make_t(int y) {
        int rows[B::P_READ], at[3];
        DRAE_UNROLL
        for (int i = 0; i < B::P_READ; i++) {
            rows[i] = p_row(B::S * y - 1 + i);
            ptx::settle(rows[i]);
        }
        DRAE_UNROLL
        for (int kx = 0; kx < 3; kx++) {
            at[kx] = lane_at<B::CIN, B::S>(kx, a.p_columns);
        }
        for (int u = member; u < a.units; u += B::TEAM1) {
            const int unit = u * (RESBLOCK_UNIT * B::CIN * 2);
            tile_pair acc[B::ROWS];
            DRAE_UNROLL
            for (int row = 0; row < B::ROWS; row++) {
                clear(acc[row]);
            }
            DRAE_UNROLL
            for (int k = 0; k < B::K1; k++) {
                DRAE_UNROLL
                for (int kx = 0; kx < 3; kx++) {
                    DRAE_UNROLL
                    for (int i = 0; i < B::P_READ; i++) {
                        uint32_t b[2][2];
                        load_pixels(b, p_ring + (rows[i] + (unit + (at[kx] ^ k << 5))));
                        DRAE_UNROLL
                        for (int row = 0; row < B::ROWS; row++) {
                            const int ky = i - B::S * row;
                            if (ky >= 0 && ky < 3) {
                                multiply(acc[row], wei[(3 * ky + kx) * B::K1 + k], b);
                            }
                        }
                    }
                }
            }
            DRAE_UNROLL
            for (int row = 0; row < B::ROWS; row++) {
                store_t(y + row, u, acc[row]);
            }
        }
    }

    /* What lies outside the image is stored as zeros, without a branch. */
    __device__ __forceinline__ void store_t(int y, int u, const tile_pair &acc) const {
        const bool inside = static_cast<unsigned>(y) < static_cast<unsigned>(a.h_mid);
        const int end = inside ? a.w_mid - RESBLOCK_UNIT * u - resblock_lane() / 4 : 0;
        unsigned char *to =
            t_ring + (t_row(y) + u * (RESBLOCK_UNIT * B::C * 2) + quad_at<B::C>(slice));
        DRAE_UNROLL
        for (int tile = 0; tile < 2; tile++) {
            uint2 v = activate(acc[tile], bn, a.op.slope);
            v.x = 8 * tile < end ? v.x : 0;
            v.y = 8 * tile < end ? v.y : 0;
            *reinterpret_cast<uint2 *>(to + tile * (8 * B::C * 2)) = v;
        }
    }

    /* ---- second convolution, shortcut, results ---- */

    /* Element, within the patch, of this lane's 4 channels of unit u of row y of a result, columns
     * BY x + plus; the next tile is 8 BY C further. */
    __device__ __forceinline__ int result_at(int y, int u, int plus) const {
        const int x = RESBLOCK_UNIT * u + resblock_lane() / 4;
        return (y * (BY * a.w_mid) + BY * x + plus) * B::C + 16 * slice + 4 * (resblock_lane() % 4);
    }
    /* Columns that are left from this lane's pixel of unit u on; none in a row outside. */
    __device__ __forceinline__ int left(int u, bool row_inside) const {
        return row_inside ? a.w_mid - RESBLOCK_UNIT * u - resblock_lane() / 4 : 0;
    }
    __device__ __forceinline__ ptrdiff_t patch_at() const {
        return static_cast<ptrdiff_t>(n) * (BY * a.h_mid) * (BY * a.w_mid) * B::C;
    }

    /* The B operands of pixels of p under row y of t, tap of the shortcut, 16 channels from 16 k
     * on: from the ring where p is made here, else from memory, where it still is in L2. */
    __device__ __forceinline__ void load_shortcut(uint32_t (&b)[2][2], int y, int u, int tap,
                                                  int k) const {
        const drae__cuda_block &op = a.op;
        const int end = left(u, y < r1), x = RESBLOCK_UNIT * u + resblock_lane() / 4;
        const uint16_t *from =
            op.src + static_cast<ptrdiff_t>(n) * op.h * op.w * B::CIN +
            ((B::S * y * op.w + B::S * x + tap) * B::CIN + 16 * k + 4 * (resblock_lane() % 4));
        DRAE_UNROLL
        for (int tile = 0; tile < 2; tile++) {
            uint2 v = make_uint2(0, 0);
            if (B::IMAGE) {
                v = *reinterpret_cast<const uint2 *>(
                    p_ring + (p_row(y) + quad_at<B::CIN>(k) +
                              (RESBLOCK_UNIT * u + 8 * tile) * (B::CIN * 2)));
            } else if (8 * tile < end) {
                v = *reinterpret_cast<const uint2 *>(from + tile * (8 * B::S * B::CIN));
            }
            b[tile][0] = v.x;
            b[tile][1] = v.y;
        }
    }

    /* The residual where there is one, else the projection of p. */
    __device__ __forceinline__ void start(tile_pair (&acc)[B::ROWS], int y, int u) {
        DRAE_UNROLL
        for (int row = 0; row < B::ROWS; row++) {
            clear(acc[row]);
            if (B::MODE == IDENTITY) {
                const int end = left(u, y + row < r1);
                const uint16_t *from = a.op.residual + patch_at() + result_at(y + row, u, 0);
                DRAE_UNROLL
                for (int tile = 0; tile < 2; tile++) {
                    uint2 r = make_uint2(0, 0);
                    if (8 * tile < end) {
                        r = *reinterpret_cast<const uint2 *>(from + tile * (8 * B::C));
                    }
                    untranspose(acc[row][tile], r);
                }
            } else {
                DRAE_UNROLL
                for (int i = 0; i < B::NP; i++) {
                    uint32_t b[2][2];
                    load_shortcut(b, y + row, u, i / B::K1, i % B::K1);
                    multiply(acc[row], wei[B::N2 + i], b);
                }
            }
        }
    }

    /* 16 channels x 16 pixels of row y of the result, columns BY x + plus. */
    __device__ __forceinline__ void store_out(const tile_pair &v, int y, int u, int plus,
                                              bool row_inside) const {
        const drae__cuda_block &op = a.op;
        const int end = left(u, row_inside);
        const ptrdiff_t at = patch_at() + result_at(y, u, plus);
        if (op.raw != nullptr) {
            DRAE_UNROLL
            for (int tile = 0; tile < 2; tile++) {
                const uint2 raw = transpose(v[tile][0], v[tile][1], v[tile][2], v[tile][3]);
                if (8 * tile < end) {
                    *reinterpret_cast<uint2 *>(op.raw + at + tile * (8 * BY * B::C)) = raw;
                }
            }
        }
        if (op.act != nullptr) {
            DRAE_UNROLL
            for (int tile = 0; tile < 2; tile++) {
                const uint2 act = activate(v[tile], bn, op.slope);
                if (8 * tile < end) {
                    *reinterpret_cast<uint2 *>(op.act + at + tile * (8 * BY * B::C)) = act;
                }
            }
        }
    }

    /* COUNT rows of t from y on, and where a lane reads in them. */
    template <int COUNT>
    __device__ __forceinline__ void open_t(int (&rows)[COUNT], int (&at)[3], int y) const {
        DRAE_UNROLL
        for (int i = 0; i < COUNT; i++) {
            rows[i] = t_row(y + i);
            ptx::settle(rows[i]);
        }
        DRAE_UNROLL
        for (int kx = 0; kx < 3; kx++) {
            at[kx] = lane_at<B::C, 1>(kx, a.t_columns);
        }
    }

    /* Rows y .. y + ROWS - 1 of the block's output, at the size of t. */
    __device__ __forceinline__ void make_out(int y) {
        int rows[B::ROWS + 2], at[3];
        open_t(rows, at, y - 1);
        for (int u = member; u < a.units; u += B::TEAM2) {
            const int unit = u * (RESBLOCK_UNIT * B::C * 2);
            tile_pair acc[B::ROWS];
            start(acc, y, u);
            DRAE_UNROLL
            for (int k = 0; k < B::K2; k++) {
                DRAE_UNROLL
                for (int kx = 0; kx < 3; kx++) {
                    DRAE_UNROLL
                    for (int i = 0; i < B::ROWS + 2; i++) {
                        uint32_t b[2][2];
                        load_pixels(b, t_ring + (rows[i] + (unit + (at[kx] ^ k << 5))));
                        DRAE_UNROLL
                        for (int row = 0; row < B::ROWS; row++) {
                            const int ky = i - row;
                            if (ky >= 0 && ky < 3) {
                                multiply(acc[row], wei[(3 * ky + kx) * B::K2 + k], b);
                            }
                        }
                    }
                }
            }
            DRAE_UNROLL
            for (int row = 0; row < B::ROWS; row++) {
                store_out(acc[row], y + row, u, 0, y + row < r1);
            }
        }
    }

    /*
     * The transposed convolution: rows 2y and 2y + 1, columns 2x and 2x + 1 are four phases, each a
     * 2x2 convolution of t. Even rows see t rows y - 1 and y, odd ones y and y + 1, the upper one
     * first in the weights; even columns x and x - 1, odd ones x and x + 1, x first. A warp makes
     * the rows of its parity, both phases of the columns.
     */
    __device__ __forceinline__ void make_out_double(int y) {
        int rows[B::ROWS + 1], at[3];
        open_t(rows, at, y - 1 + parity);
        for (int u = member; u < a.units; u += B::TEAM2) {
            const int unit = u * (RESBLOCK_UNIT * B::C * 2);
            tile_pair acc[2][B::ROWS];
            start_double(acc, y, u);
            DRAE_UNROLL
            for (int k = 0; k < B::K2; k++) {
                DRAE_UNROLL
                for (int dx = 0; dx < 3; dx++) {
                    DRAE_UNROLL
                    for (int i = 0; i <= B::ROWS; i++) {
                        uint32_t b[2][2];
                        load_pixels(b, t_ring + (rows[i] + (unit + (at[dx] ^ k << 5))));
                        DRAE_UNROLL
                        for (int both = 0; both < 4; both++) {
                            const int phase = both / 2, lower = both % 2, row = i - lower;
                            const int tap = dx == 1 ? 0 : 1;
                            if (row >= 0 && row < B::ROWS && (dx == 1 || dx == 2 * phase)) {
                                multiply(acc[phase][row],
                                         wei[(4 * phase + 2 * lower + tap) * B::K2 + k], b);
                            }
                        }
                    }
                }
            }
            DRAE_UNROLL
            for (int i = 0; i < 2 * B::ROWS; i++) {
                const int row = i / 2, phase = i % 2;
                store_out(acc[phase][row], 2 * (y + row) + parity, u, phase, y + row < r1);
            }
        }
    }

    __device__ __forceinline__ void start_double(tile_pair (&acc)[2][B::ROWS], int y, int u) {
        DRAE_UNROLL
        for (int row = 0; row < B::ROWS; row++) {
            clear(acc[0][row]);
            clear(acc[1][row]);
        }
        DRAE_UNROLL
        for (int k = 0; k < B::K1; k++) {
            uint32_t b[B::ROWS][2][2];
            DRAE_UNROLL
            for (int row = 0; row < B::ROWS; row++) {
                load_shortcut(b[row], y + row, u, 0, k);
            }
            DRAE_UNROLL
            for (int phase = 0; phase < 2; phase++) {
                const int i = B::N2 + phase * B::K1 + k;
                uint32_t again[4];
                if constexpr (!B::NP_KEPT) {
                    load_weight(again, second_at(parity * B::SLICES + slice), i);
                }
                DRAE_UNROLL
                for (int row = 0; row < B::ROWS; row++) {
                    if constexpr (B::NP_KEPT) {
                        multiply(acc[phase][row], wei[i], b[row]);
                    } else {
                        multiply(acc[phase][row], again, b[row]);
                    }
                }
            }
        }
    }

    /* Both teams meet at the one barrier of a step. */
    __device__ __forceinline__ void run(bool first) {
        const int steps = drae__ceil_div(r1 - r0 + 2, B::ROWS);
        bring_rows(p_first(0), p_last(0));
        for (int j = 0; j <= steps; j++) {
            ptx::cp_async_wait<0>();
            __syncthreads();
            if (j + 1 < steps) {
                bring_rows(p_first(j + 1), p_last(j + 1));
            }
            const int y = r0 - 2 + B::ROWS * (j - 1);
            if (first) {
                if (j < steps) {
                    make_t(r0 - 1 + B::ROWS * j);
                }
            } else if (y >= r0) {
                if constexpr (B::MODE == DOUBLE) {
                    make_out_double(y);
                } else {
                    make_out(y);
                }
            }
        }
    }
};

template <class B>
__global__ void __launch_bounds__(B::THREADS, 1) resblock_f16_nhwc(const resblock_args a) {
    DRAE_SHARED_DYNAMIC(shared);
    const int p_bytes = B::P_ROWS * a.p_columns * B::CIN * 2;
    const int t_bytes = B::T_ROWS * a.t_columns * B::C * 2;
    /* Borders stay zero from here on. */
    for (int i = static_cast<int>(threadIdx.x); i < (p_bytes + t_bytes) / 16; i += B::THREADS) {
        reinterpret_cast<uint4 *>(shared)[i] = make_uint4(0, 0, 0, 0);
    }
    __syncthreads();
    const int warp = resblock_warp(), second = warp - B::WARPS1;
    const bool first = second < 0;
    const int set = first ? warp / B::TEAM1 : second / B::TEAM2;
    const int slice = first ? set : set % B::SLICES;
    const int r0 = static_cast<int>(blockIdx.x) * a.band;
    const int r1 = r0 + a.band < a.h_mid ? r0 + a.band : a.h_mid;
    resblock_stream<B> s = {a,
                            shared,
                            shared + p_bytes,
                            static_cast<int>(blockIdx.y),
                            r0,
                            r1,
                            first ? warp % B::TEAM1 : second % B::TEAM2,
                            slice,
                            first ? 0 : set / B::SLICES,
                            load_affine(first ? a.op.scale1 : a.op.scale2,
                                        first ? a.op.shift1 : a.op.shift2, slice, a.vector_c),
                            {},
                            {}};
    if constexpr (B::IMAGE) {
        s.keep_stem();
    }
    if (first) {
        s.keep_weights(B::N1 * set, B::N1);
    } else {
        s.keep_weights(resblock_stream<B>::second_at(set), B::N2 + B::NP);
    }
    s.run(first);
}

#endif
