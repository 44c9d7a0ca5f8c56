/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/cuda_variants.h"

#include <string.h>

/* resblock_tile.cuh, resblock.cuh */
#define UNIT 16 /* pixels of a warp at a time */

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

/* Instances of resblock (resblock_16.cu and its neighbours), pairs taken as 16 channels and more.
 */
static bool block_there(const drae__cuda_block *b, int c_in, int c) {
    int forms = b->halve + b->up + (b->image != NULL) + (b->residual != NULL);
    int most = c_in > c ? c_in : c, least = c_in > c ? c : c_in;
    bool changes = most == 2 * least && forms == 0;
    bool known = most == 32 || most == 64 || (most == 16 && !changes);
    return known && forms <= 1 && (changes || most == least) &&
           (most < 64 || (!b->up && b->image == NULL));
}

size_t drae__cuda_block_shared(const drae__cuda_block *block, int rows) {
    bool pair = block->c_in == 8 || block->c == 8;
    int by = pair ? 2 : 1, stride = block->halve ? 2 : 1;
    if (!block_there(block, by * block->c_in, by * block->c) || rows < 1 || rows > 2 ||
        block->h <= 0 || block->w <= 0 || block->w % (by * stride) != 0 || block->h % stride != 0) {
        return 0;
    }
    size_t c_in = (size_t)(by * block->c_in), c = (size_t)(by * block->c), s = (size_t)stride;
    size_t units = ((size_t)block->w / (size_t)by / s + UNIT - 1) / UNIT, r = (size_t)rows;
    size_t p_columns = s * UNIT * units + ROW_BORDER, t_columns = UNIT * units + ROW_BORDER;
    size_t p_rows = block->image != NULL ? 3 * r + 2 : 2 * s * r + 3 - s;
    return (p_rows * p_columns * c_in + (2 * r + 2) * t_columns * c) * F16_BYTES;
}

size_t drae__cuda_igemm_shared(int tile_n) {
    return (size_t)STAGES * (size_t)(TILE_M + tile_n) * STAGE_ROW;
}
