/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernels among which a plan chooses for a convolution on CUDA, and what each needs: known
 * without nvcc, driver or device, so that a model is compiled for a card on any machine. Numbers
 * are frozen (engine files carry them); a new kernel gets the next one. tests/simt holds the shapes
 * and shared memory that are told here equal to what the launchers do.
 */
#ifndef DRAE_KERNELS_CUDA_VARIANTS_H
#define DRAE_KERNELS_CUDA_VARIANTS_H

#include "kernels/infer_cuda.h"

typedef enum drae__cuda_variant {
    DRAE__CUDA_NONE = 0,     /* computed by the kernel of a later operation, or no convolution */
    DRAE__CUDA_STEM = 1,     /* the stem on its own */
    DRAE__CUDA_BLOCK_R1 = 2, /* resblock, rows of t a step */
    DRAE__CUDA_BLOCK_R2 = 3,
    DRAE__CUDA_IGEMM_N16 = 4, /* conv_igemm, output channels of a tile of 128 pixels */
    DRAE__CUDA_IGEMM_N32 = 5,
    DRAE__CUDA_IGEMM_N64 = 6,
    DRAE__CUDA_IGEMM_N128 = 7,
    DRAE__CUDA_VARIANTS
} drae__cuda_variant;

/* "resblock-r2"; "-" for NONE. */
const char *drae__cuda_variant_name(drae__cuda_variant variant);
/* The variant of a name of length n, DRAE__CUDA_VARIANTS where there is none. */
drae__cuda_variant drae__cuda_variant_find(const char *name, size_t n);

/* Rows a step of a resblock, output channels of a tile of conv_igemm; 0 for the other kinds. */
int drae__cuda_variant_rows(drae__cuda_variant variant);
int drae__cuda_variant_tile(drae__cuda_variant variant);

/* Dynamic shared memory of resblock for a block with so many rows a step; 0 where it does not take
 * the block's channels. Only shapes and whether image and residual are there count. */
size_t drae__cuda_block_shared(const drae__cuda_block *block, int rows);

/* The same of conv_igemm's tile. */
size_t drae__cuda_igemm_shared(int tile_n);

#endif
