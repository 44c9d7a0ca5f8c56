/* SPDX-License-Identifier: Apache-2.0 */
/* What the walk over the tiles hands to the product of tiles and to what follows it. */
#ifndef DRAE_KERNELS_CPU_INFER_BF16_OPERANDS_H
#define DRAE_KERNELS_CPU_INFER_BF16_OPERANDS_H

#include "kernels/infer_bf16.h"

#define CHUNKS      8 /* of the sums of 4 tiles, see finishing */
#define CHUNK_PAIRS 4
#define TILE_SUMS   (DRAE__BF16_ROWS * 16)

/* The terms of a sum: the same for every step of a block of columns, in tiles of 32. The window has
 * the first terms[0] of them, the projection the last terms[1]. */
#define TERMS_MAX 8192 /* 512 channels a stage wide, in three parts */

typedef struct schedule {
    int terms[2];
    bool three; /* source and weights are in three parts: every 6 terms share their tiles */
    ptrdiff_t unit_step[2];      /* elements from a row of A to the next */
    ptrdiff_t offset[TERMS_MAX]; /* elements from the first term of a tile's first row */
    uint8_t finished[TERMS_MAX]; /* chunks of the step before that are finished with this term */
} schedule;

/* Where the first term of the first row of up to 4 tiles is: in the source, and in that of the
 * projection. */
typedef struct operands {
    const drae__bf16 *src[2][4];
} operands;

/* Where the sums of 4 tiles go. They are finished in CHUNKS equal parts of 8 rows of 16, in pairs:
 * of two rows of one tile, or of a row of two neighbouring tiles. */
typedef struct finishing {
    const float *sums; /* the tiles, one after another */
    ptrdiff_t at[4];   /* first element of each tile, or of each pair of tiles */
    int n[4];          /* units to keep */
    ptrdiff_t step;    /* elements to the next unit */
    int next;          /* chunk to be finished; CHUNKS: none */
    bool whole;        /* else tiles are kept in part, and not finished in chunks */
} finishing;

/* What follows the sums, known when the code is made. */
#define FORM_RESIDUAL 1
#define FORM_RAW      2
#define FORM_ACT      4

#endif
