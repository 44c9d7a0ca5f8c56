/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/cuda_variants.h"

#include <string.h>

/* resblock.cu */
#define UNIT           16 /* pixels of a warp at a time */
#define FRAGMENT_BYTES 512

/* gemm_tile.cuh, conv_igemm.cu */
#define TILE_M     128
#define STAGES     4
#define STAGE_ROW  64 /* bytes: 32 f16 of K */
#define F16_BYTES  2
#define ROW_BORDER 2 /* pixels beside a row */

static const struct {
    const char *name;
    int rows, tile;
} variants[DRAE__CUDA_VARIANTS] = {
    [DRAE__CUDA_NONE] = {"-", 0, 0},
    [DRAE__CUDA_STEM] = {"stem", 0, 0},
    [DRAE__CUDA_BLOCK_R1] = {"resblock-r1", 1, 0},
    [DRAE__CUDA_BLOCK_R2] = {"resblock-r2", 2, 0},
    [DRAE__CUDA_IGEMM_N16] = {"igemm-128x16", 0, 16},
    [DRAE__CUDA_IGEMM_N32] = {"igemm-128x32", 0, 32},
    [DRAE__CUDA_IGEMM_N64] = {"igemm-128x64", 0, 64},
    [DRAE__CUDA_IGEMM_N128] = {"igemm-128x128", 0, 128},
};

const char *drae__cuda_variant_name(drae__cuda_variant variant) {
    return variants[variant].name;
}

drae__cuda_variant drae__cuda_variant_find(const char *name, size_t n) {
    int v = 0;
    while (v < DRAE__CUDA_VARIANTS &&
           (strlen(variants[v].name) != n || memcmp(variants[v].name, name, n) != 0)) {
        v++;
    }
    return (drae__cuda_variant)v;
}

int drae__cuda_variant_rows(drae__cuda_variant variant) {
    return variants[variant].rows;
}

int drae__cuda_variant_tile(drae__cuda_variant variant) {
    return variants[variant].tile;
}

/* Instances of resblock.cu: 16 and 32 channels, a change between them only in a plain A. */
static bool block_there(const drae__cuda_block *b) {
    bool known = (b->c_in == 16 || b->c_in == 32) && (b->c == 16 || b->c == 32);
    bool plain = !b->halve && !b->up && b->image == NULL && b->residual == NULL;
    int forms = b->halve + b->up + (b->image != NULL) + (b->residual != NULL);
    return known && forms <= 1 && (plain || b->c_in == b->c);
}

size_t drae__cuda_block_shared(const drae__cuda_block *block, int rows) {
    if (!block_there(block) || rows < 1 || rows > 2 || block->h <= 0 || block->w <= 0 ||
        (block->halve && (block->h % 2 != 0 || block->w % 2 != 0))) {
        return 0;
    }
    size_t c_in = (size_t)block->c_in, c = (size_t)block->c, stride = block->halve ? 2 : 1;
    size_t units = ((size_t)block->w / stride + UNIT - 1) / UNIT, n_rows = (size_t)rows;
    size_t p_columns = stride * UNIT * units + ROW_BORDER, t_columns = UNIT * units + ROW_BORDER;
    size_t rings = (2 * stride * n_rows + 2) * p_columns * c_in * F16_BYTES +
                   (n_rows + 2) * t_columns * c * F16_BYTES;
    size_t slices = c / 16, taps2 = block->up ? 16 : 9;
    size_t fragments = slices * 9 * (c_in / 16) + slices * taps2 * slices;
    /* 16 channels keep their weights in registers. */
    return rings + (c == 16 && c_in == 16 ? 0 : fragments * FRAGMENT_BYTES);
}

size_t drae__cuda_igemm_shared(int tile_n) {
    return (size_t)STAGES * (size_t)(TILE_M + tile_n) * STAGE_ROW;
}
