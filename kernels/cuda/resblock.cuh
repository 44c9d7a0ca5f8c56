/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of resblock share: an instance's constants and arguments. The kernel is in
 * resblock_stream.cuh, which also says how it works; pixels and tiles are in resblock_tile.cuh.
 *
 * Maps of 8 channels are taken as maps of 16 with half the columns: the same memory, two pixels in
 * one. A window of 3 columns stays one, its weights half zeros (kernels/cuda/block_pack.c makes
 * them); vectors of c values repeat. PAIR instances are those where that is not all: the stem, and
 * a halving shortcut, which takes both pixels of a pair.
 */
#ifndef DRAE_KERNELS_CUDA_RESBLOCK_CUH
#define DRAE_KERNELS_CUDA_RESBLOCK_CUH

#include "kernels/cuda/ptx.cuh"

extern "C" {
#include "kernels/cuda_variants.h"
}

enum resblock_mode { KEEP, IDENTITY, HALVE, DOUBLE }; /* A, B, C of the encoder, C of the decoder */

/* TEAM1, TEAM2: warps that share the units of a row, for each fragment set of conv1 and conv2. */
template <int CIN_, int C_, resblock_mode MODE_, int ROWS_, int TEAM1_, int TEAM2_,
          bool IMAGE_ = false, bool PAIR_ = false>
struct resblock_config {
    static constexpr int CIN = CIN_, C = C_, ROWS = ROWS_, TEAM1 = TEAM1_, TEAM2 = TEAM2_;
    static constexpr resblock_mode MODE = MODE_;
    static constexpr bool IMAGE = IMAGE_, PAIR = PAIR_;
    static constexpr int S = MODE == HALVE ? 2 : 1;
    static constexpr int SLICES = C / 16, K1 = CIN / 16, K2 = C / 16;
    /* Rows of results of each parity are one set where the map is doubled. */
    static constexpr int SETS2 = SLICES * (MODE == DOUBLE ? 2 : 1);
    static constexpr int WARPS1 = SLICES * TEAM1, WARPS = WARPS1 + SETS2 * TEAM2;
    static constexpr int THREADS = 32 * WARPS;
    /* Fragments of weights that a warp keeps: of conv1, or of conv2 and of the shortcut. */
    static constexpr int N1 = 9 * K1, N2 = (MODE == DOUBLE ? 8 : 9) * K2;
    static constexpr int PROJ_TAPS = MODE == IDENTITY                            ? 0
                                     : MODE == DOUBLE || (MODE == HALVE && PAIR) ? 2
                                                                                 : 1;
    static constexpr int NP = PROJ_TAPS * K1;
    /* Those of the shortcut are read again each time where registers are short. */
    static constexpr bool NP_KEPT = MODE != DOUBLE || C == 16;
    static constexpr int N2_KEPT = N2 + (NP_KEPT ? NP : 0), KEPT = N1 > N2_KEPT ? N1 : N2_KEPT;
    static constexpr int P_ROWS = IMAGE ? 3 * ROWS + 2 : 2 * S * ROWS + 3 - S;
    static constexpr int T_ROWS = 2 * ROWS + 2;
    static constexpr int P_READ = S * (ROWS - 1) + 3; /* rows of p that a step's t needs */
    static_assert(C % 16 == 0 && CIN % 16 == 0, "fragments are 16 channels");
    static_assert(2 % ROWS == 0, "results lag t by whole steps");
    static_assert(!IMAGE || S == 1, "p is made from the image at its own size");
};

struct resblock_args {
    drae__cuda_block op;     /* pairs: as maps of twice the channels, half the columns */
    int h_mid, w_mid, units; /* of t */
    int band;                /* rows of t of a block */
    int p_columns, t_columns;
    int image_columns;
    int vector_in, vector_c; /* lengths of the vectors */
    size_t shared_bytes;
};

/* The instances of one file; a.op is of the channels that they take. */
extern "C" {
drae_status drae__resblock_16(const resblock_args *a, const drae__cuda_device *device,
                              drae__cuda_stream stream, drae__err *err);
drae_status drae__resblock_pair(const resblock_args *a, const drae__cuda_device *device,
                                drae__cuda_stream stream, drae__err *err);
drae_status drae__resblock_32(const resblock_args *a, const drae__cuda_device *device,
                              drae__cuda_stream stream, drae__err *err);
drae_status drae__resblock_64(const resblock_args *a, const drae__cuda_device *device,
                              drae__cuda_stream stream, drae__err *err);
}

#endif
