/* SPDX-License-Identifier: Apache-2.0 */
/* What the walk over the tiles hands to the product of tiles. */
#ifndef DRAE_KERNELS_CPU_INFER_BF16_OPERANDS_H
#define DRAE_KERNELS_CPU_INFER_BF16_OPERANDS_H

#include "kernels/infer_bf16.h"

/* One source of terms for up to 4 tiles of rows: src[j] is the first term of the first row of tile
 * j; `rows` rows of the window, each of k_tiles * 32 terms. */
typedef struct operand {
    const drae__bf16 *src[4];
    int rows, k_tiles;
    ptrdiff_t row_step;  /* elements to the window's next row */
    ptrdiff_t unit_step; /* elements to the tile's next row */
} operand;

#endif
