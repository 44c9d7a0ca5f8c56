/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/onednn/bf16.h"

#include "kernels/cpu/isa.h"

#include <string.h>

#define PIECE 16384

DRAE__BODY void round_piece_body(size_t n, const float *src, uint16_t *dst) {
    for (size_t i = 0; i < n; i++) {
        uint32_t bits;
        memcpy(&bits, &src[i], sizeof bits);
        uint32_t odd = bits >> 16 & 1u;
        uint32_t rounded = (bits + 0x7fffu + odd) >> 16;
        uint32_t quiet = bits >> 16 | 0x40u;
        dst[i] = (uint16_t)((bits & 0x7fffffffu) > 0x7f800000u ? quiet : rounded);
    }
}
DRAE__CLONES(round_piece, (size_t n, const float *src, uint16_t *dst), (n, src, dst))

void drae__bf16_from_f32(size_t n, const float *src, uint16_t *dst) {
#pragma omp parallel for schedule(static) if (n > PIECE)
    for (size_t i = 0; i < n; i += PIECE) {
        round_piece(n - i < PIECE ? n - i : PIECE, src + i, dst + i);
    }
}
