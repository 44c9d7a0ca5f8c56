/* SPDX-License-Identifier: Apache-2.0 */
/* What the packing of weights for the CUDA kernels shares. */
#ifndef DRAE_KERNELS_CUDA_PACK_H
#define DRAE_KERNELS_CUDA_PACK_H

#include "kernels/infer_cuda.h"

/* Row (or column) of the transposed 4x4 window that tap 0 or 1 of a phase is: output 2 s - 1 + k
 * meets source s for an even output by k = 1 at s and k = 3 at s - 1, for an odd one by k = 2 at s
 * and k = 0 at s + 1. */
static inline int drae__up_window(int odd, int tap) {
    return tap == 0 ? (odd ? 2 : 1) : (odd ? 0 : 3);
}

#endif
