/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bf16 convolutions on AMX: TDPBF16PS multiplies a tile of 16 rows x 32 terms by 32 x 16 weights
 * (Intel SDM volume 2, "AMX-BF16"). Tile registers:
 *
 *     0..3  sums        4, 5  source        6, 7  weights        (one column: 4, 5, 6 in turn)
 *
 * A product takes 16 cycles, a load 8; two by two, four products (64) cover four loads (32).
 */
#include "kernels/cpu/infer_vec_avx512.h"

#include "kernels/cpu/infer_body.h"

#include "kernels/cpu/infer_bf16_operands.h"
#include "kernels/cpu/infer_bf16_tables.h"
#include "kernels/cpu/infer_sigmoid.h"

#define ROW_BYTES  64
#define TILE_BYTES 1024
#define REGISTERS  8

typedef struct tile_config {
    uint8_t palette, start_row, reserved[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
} tile_config;

static void tiles_begin(void) {
    tile_config config = {.palette = 1};
    for (int i = 0; i < REGISTERS; i++) {
        config.row_bytes[i] = ROW_BYTES;
        config.rows[i] = DRAE__BF16_ROWS;
    }
    _tile_loadconfig(&config);
}

static void tiles_end(void) {
    _tile_release();
}

INLINE void multiply_2x2(const operand *o, const char **weights) {
    const char *w = *weights;
    size_t step = (size_t)o->unit_step * sizeof(drae__bf16);
    const drae__bf16 *a = o->src[0], *b = o->src[1];
    for (int row = 0; row < o->rows; row++) {
        for (int k = 0; k < o->k_tiles * DRAE__BF16_TERMS; k += DRAE__BF16_TERMS) {
            _tile_loadd(6, w, ROW_BYTES);
            _tile_loadd(4, a + k, step);
            _tile_dpbf16ps(0, 4, 6);
            _tile_loadd(7, w + TILE_BYTES, ROW_BYTES);
            _tile_dpbf16ps(1, 4, 7);
            _tile_loadd(5, b + k, step);
            _tile_dpbf16ps(2, 5, 6);
            _tile_dpbf16ps(3, 5, 7);
            w += 2 * TILE_BYTES;
        }
        a += o->row_step;
        b += o->row_step;
    }
    *weights = w;
}

INLINE void multiply_4x1(const operand *o, const char **weights) {
    const char *w = *weights;
    size_t step = (size_t)o->unit_step * sizeof(drae__bf16);
    const drae__bf16 *a = o->src[0], *b = o->src[1], *c = o->src[2], *d = o->src[3];
    for (int row = 0; row < o->rows; row++) {
        for (int k = 0; k < o->k_tiles * DRAE__BF16_TERMS; k += DRAE__BF16_TERMS) {
            _tile_loadd(7, w, ROW_BYTES);
            _tile_loadd(4, a + k, step);
            _tile_dpbf16ps(0, 4, 7);
            _tile_loadd(5, b + k, step);
            _tile_dpbf16ps(1, 5, 7);
            _tile_loadd(6, c + k, step);
            _tile_dpbf16ps(2, 6, 7);
            _tile_loadd(4, d + k, step);
            _tile_dpbf16ps(3, 4, 7);
            w += TILE_BYTES;
        }
        a += o->row_step;
        b += o->row_step;
        c += o->row_step;
        d += o->row_step;
    }
    *weights = w;
}

INLINE void multiply(const operand operands[2], int block, const drae__bf16 *wei,
                     float sums[4][DRAE__BF16_ROWS * 16]) {
    const char *w = (const char *)wei;
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    if (block == 2) {
        multiply_2x2(&operands[0], &w);
        multiply_2x2(&operands[1], &w);
    } else {
        multiply_4x1(&operands[0], &w);
        multiply_4x1(&operands[1], &w);
    }
    _tile_stored(0, sums[0], ROW_BYTES);
    _tile_stored(1, sums[1], ROW_BYTES);
    _tile_stored(2, sums[2], ROW_BYTES);
    _tile_stored(3, sums[3], ROW_BYTES);
}

INLINE __m512 widen(const drae__bf16 *p) {
    __m256i v = _mm256_loadu_si256((const __m256i *)(const void *)p);
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(v), 16));
}

INLINE void narrow(drae__bf16 *p, int n, __m512 lo, __m512 hi) {
    if (n == 32) {
        _mm512_storeu_si512(p, (__m512i)_mm512_cvtne2ps_pbh(hi, lo));
    } else {
        _mm256_storeu_si256((__m256i *)(void *)p, (__m256i)_mm512_cvtneps_pbh(lo));
    }
}

INLINE __m512 activate(const drae__bf16_conv *op, int column, __m512 v) {
    __m512 u = _mm512_add_ps(_mm512_mul_ps(_mm512_loadu_ps(op->scale + column), v),
                             _mm512_loadu_ps(op->shift + column));
    return vf_leaky(u, vf_set(op->slope));
}

/* n (16 or 32) sums of neighbouring elements: lo[16] of `column` on, hi[16] of column + hi_column
 * on. */
INLINE void finish_pair(const drae__bf16_conv *op, int column, int hi_column, ptrdiff_t at, int n,
                        const float *lo, const float *hi) {
    __m512 a = _mm512_load_ps(lo), b = _mm512_load_ps(hi);
    if (op->residual != NULL) {
        a = _mm512_add_ps(a, widen(op->residual + at));
        b = n == 32 ? _mm512_add_ps(b, widen(op->residual + at + 16)) : a;
    }
    if (op->raw != NULL) {
        narrow(op->raw + at, n, a, b);
    }
    if (op->act != NULL) {
        narrow(op->act + at, n, activate(op, column, a), activate(op, column + hi_column, b));
    }
}

static double kernel_peak(size_t rounds, float *sink) {
    static const drae__bf16 zeros[DRAE__BF16_TILE] __attribute__((aligned(64)));
    float sums[DRAE__BF16_ROWS * 16] __attribute__((aligned(64)));
    tiles_begin();
    _tile_loadd(4, zeros, ROW_BYTES);
    _tile_loadd(6, zeros, ROW_BYTES);
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    for (size_t i = 0; i < rounds; i++) {
        _tile_dpbf16ps(0, 4, 6);
        _tile_dpbf16ps(1, 4, 6);
        _tile_dpbf16ps(2, 4, 6);
        _tile_dpbf16ps(3, 4, 6);
    }
    _tile_stored(0, sums, ROW_BYTES);
    tiles_end();
    *sink = sums[0];
    return (double)rounds * 4.0 * 2.0 * DRAE__BF16_TILE * 16;
}

#include "kernels/cpu/infer_bf16_body.h"

const drae__bf16_kernels drae__bf16_kernels_amx = {
    .name = "amx",
    .conv = kernel_conv,
    .out = kernel_out,
    .load_u8 = kernel_load_u8,
    .peak = kernel_peak,
};
