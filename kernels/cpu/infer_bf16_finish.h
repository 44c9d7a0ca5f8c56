/* SPDX-License-Identifier: Apache-2.0 */
/* Finishing sums, a chunk at a time; the including file has defined finish_pair and finish_one. */
#ifndef DRAE_KERNELS_CPU_INFER_BF16_FINISH_H
#define DRAE_KERNELS_CPU_INFER_BF16_FINISH_H

#include "kernels/cpu/infer_bf16_operands.h"

INLINE void finish_chunk(const epilogue *e, int form, int block, finishing *f) {
    int chunk = f->next++;
    if (block == 2) {
        int j = chunk / 4, u = chunk % 4 * CHUNK_PAIRS;
        const float *lo = f->sums + 2 * j * TILE_SUMS + 16 * u;
        ptrdiff_t at = f->at[j] + u * f->step;
        UNROLL
        for (int i = 0; i < CHUNK_PAIRS; i++) {
            finish_pair(e, form, at, at + 16, lo, lo + TILE_SUMS);
            at += f->step;
            lo += 16;
        }
    } else {
        int j = chunk / 2, u = chunk % 2 * 2 * CHUNK_PAIRS;
        const float *lo = f->sums + j * TILE_SUMS + 16 * u;
        ptrdiff_t at = f->at[j] + u * f->step;
        UNROLL
        for (int i = 0; i < CHUNK_PAIRS; i++) {
            finish_pair(e, form, at, at + f->step, lo, lo + 16);
            at += 2 * f->step;
            lo += 32;
        }
    }
}

/* What multiply has not finished, and tiles that are kept in part. */
INLINE void finish_rest(const epilogue *e, int form, int block, finishing *f) {
    while (f->next < CHUNKS) {
        finish_chunk(e, form, block, f);
    }
    for (int j = 0; !f->whole && j < 4 / block; j++) {
        for (int u = 0; u < f->n[j]; u++) {
            for (int t = 0; t < block; t++) {
                finish_one(e, form, t, f->at[j] + u * f->step + 16 * t,
                           f->sums + (j * block + t) * TILE_SUMS + 16 * u);
            }
        }
    }
}

#endif
