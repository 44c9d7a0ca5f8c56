/* SPDX-License-Identifier: Apache-2.0 */
/* resblock_stream: the second convolution, the shortcut, and what is stored. */
#ifndef DRAE_KERNELS_CUDA_RESBLOCK_RESULT_CUH
#define DRAE_KERNELS_CUDA_RESBLOCK_RESULT_CUH

#include "kernels/cuda/resblock_stream.cuh"

/* Element, within the patch, of this lane's 4 channels of unit u of row y of a result, columns
 * BY x + plus; the next tile is 8 BY C further. */
template <class B>
__device__ __forceinline__ int resblock_stream<B>::result_at(int y, int u, int plus) const {
    const int x = RESBLOCK_UNIT * u + resblock_lane() / 4;
    return (y * (BY * a.w_mid) + BY * x + plus) * B::C + 16 * slice + 4 * (resblock_lane() % 4);
}

/* Columns that are left from this lane's pixel of unit u on; none in a row outside. */
template <class B>
__device__ __forceinline__ int resblock_stream<B>::left(int u, bool row_inside) const {
    return row_inside ? a.w_mid - RESBLOCK_UNIT * u - resblock_lane() / 4 : 0;
}

template <class B> __device__ __forceinline__ ptrdiff_t resblock_stream<B>::patch_at() const {
    return static_cast<ptrdiff_t>(n) * (BY * a.h_mid) * (BY * a.w_mid) * B::C;
}

/* The B operands of pixels of p under row y of t, tap of the shortcut, 16 channels from 16 k
 * on: from the ring where p is made here, else from memory, where it still is in L2. */
template <class B>
__device__ __forceinline__ void resblock_stream<B>::load_shortcut(uint32_t (&b)[2][2], int y, int u,
                                                                  int tap, int k) const {
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
                p_ring +
                (p_row(y) + quad_at<B::CIN>(k) + (RESBLOCK_UNIT * u + 8 * tile) * (B::CIN * 2)));
        } else if (8 * tile < end) {
            v = *reinterpret_cast<const uint2 *>(from + tile * (8 * B::S * B::CIN));
        }
        b[tile][0] = v.x;
        b[tile][1] = v.y;
    }
}

/* The residual where there is one, else the projection of p. */
template <class B>
__device__ __forceinline__ void resblock_stream<B>::start(tile_pair (&acc)[B::ROWS], int y, int u) {
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
template <class B>
__device__ __forceinline__ void resblock_stream<B>::store_out(const tile_pair &v, int y, int u,
                                                              int plus, bool row_inside) const {
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
template <class B>
template <int COUNT>
__device__ __forceinline__ void resblock_stream<B>::open_t(int (&rows)[COUNT], int (&at)[3],
                                                           int y) const {
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
template <class B> __device__ __forceinline__ void resblock_stream<B>::make_out(int y) {
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
template <class B> __device__ __forceinline__ void resblock_stream<B>::make_out_double(int y) {
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

template <class B>
__device__ __forceinline__ void resblock_stream<B>::start_double(tile_pair (&acc)[2][B::ROWS],
                                                                 int y, int u) {
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

#endif
