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

    /* ---- rows of p (resblock_input.cuh) ---- */

    __device__ __forceinline__ void copy_rows(int first, int last);
    __device__ __forceinline__ uint32_t bytes_at(int y, int x) const;
    __device__ __forceinline__ uint32_t stem_tap(int c, int k) const;
    __device__ __forceinline__ void keep_stem();
    __device__ __forceinline__ void make_rows(int first, int last);
    __device__ __forceinline__ void bring_rows(int first, int last);

    /* ---- first convolution (resblock_mid.cuh) ---- */

    __device__ __forceinline__ void make_t(int y);
    __device__ __forceinline__ void store_t(int y, int u, const tile_pair &acc) const;

    /* ---- second convolution, shortcut, results (resblock_result.cuh) ---- */

    __device__ __forceinline__ int result_at(int y, int u, int plus) const;
    __device__ __forceinline__ int left(int u, bool row_inside) const;
    __device__ __forceinline__ ptrdiff_t patch_at() const;
    __device__ __forceinline__ void load_shortcut(uint32_t (&b)[2][2], int y, int u, int tap,
                                                  int k) const;
    __device__ __forceinline__ void start(tile_pair (&acc)[B::ROWS], int y, int u);
    __device__ __forceinline__ void store_out(const tile_pair &v, int y, int u, int plus,
                                              bool row_inside) const;
    template <int COUNT>
    __device__ __forceinline__ void open_t(int (&rows)[COUNT], int (&at)[3], int y) const;
    __device__ __forceinline__ void make_out(int y);
    __device__ __forceinline__ void make_out_double(int y);
    __device__ __forceinline__ void start_double(tile_pair (&acc)[2][B::ROWS], int y, int u);

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

#include "kernels/cuda/resblock_input.cuh"
#include "kernels/cuda/resblock_mid.cuh"
#include "kernels/cuda/resblock_result.cuh"

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
