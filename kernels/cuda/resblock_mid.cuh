/* SPDX-License-Identifier: Apache-2.0 */
/* resblock_stream: the first convolution, ROWS rows of t from y on. */
#ifndef DRAE_KERNELS_CUDA_RESBLOCK_MID_CUH
#define DRAE_KERNELS_CUDA_RESBLOCK_MID_CUH

#include "kernels/cuda/resblock_stream.cuh"

template <class B> __device__ __forceinline__ void resblock_stream<B>::make_t(int y) {
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
template <class B>
__device__ __forceinline__ void resblock_stream<B>::store_t(int y, int u,
                                                            const tile_pair &acc) const {
    const bool inside = static_cast<unsigned>(y) < static_cast<unsigned>(a.h_mid);
    const int end = inside ? a.w_mid - RESBLOCK_UNIT * u - resblock_lane() / 4 : 0;
    unsigned char *to = t_ring + (t_row(y) + u * (RESBLOCK_UNIT * B::C * 2) + quad_at<B::C>(slice));
    DRAE_UNROLL
    for (int tile = 0; tile < 2; tile++) {
        uint2 v = activate(acc[tile], bn, a.op.slope);
        v.x = 8 * tile < end ? v.x : 0;
        v.y = 8 * tile < end ? v.y : 0;
        *reinterpret_cast<uint2 *>(to + tile * (8 * B::C * 2)) = v;
    }
}

#endif
