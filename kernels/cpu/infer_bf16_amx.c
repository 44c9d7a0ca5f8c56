/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bf16 convolutions on AMX: TDPBF16PS multiplies a tile of 16 rows x 32 terms by 32 x 16 weights
 * (Intel SDM volume 2, "AMX-BF16"). Tile registers:
 *
 *     0..3  sums        4, 5  source        6, 7  weights        (one column: 4, 5, 6 in turn)
 *
 * A product takes 16 cycles, a load 8; two by two, four products (64) cover four loads (32). Where
 * one column of tiles has few terms, all its weights stay in registers (infer_bf16_amx_few.h).
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

/* Register 1 holds rows of so many bytes of terms, 0 rows of so many bytes of columns, the others
 * weights to match; or whole tiles all. */
static void configure(int term_bytes, int column_bytes) {
    tile_config config = {.palette = 1};
    for (int i = 0; i < REGISTERS; i++) {
        config.row_bytes[i] = (uint16_t)(i == 1 ? term_bytes : column_bytes);
        config.rows[i] = (uint8_t)(i < 2 ? DRAE__BF16_ROWS : term_bytes / 4);
    }
    /* The intrinsic tells GCC 12 of the first 8 bytes alone. */
    __asm__ volatile("" : : "r"(&config) : "memory");
    _tile_loadconfig(&config);
}

static void tiles_begin(void) {
    configure(ROW_BYTES, ROW_BYTES);
}

static void tiles_end(void) {
    _tile_release();
}

INLINE __m512 widen(const drae__bf16 *p) {
    __m256i v = _mm256_loadu_si256((const __m256i *)(const void *)p);
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(v), 16));
}

INLINE void narrow(drae__bf16 *p, __m512 v) {
    _mm256_storeu_si256((__m256i *)(void *)p, (__m256i)_mm512_cvtneps_pbh(v));
}

/* What follows the sums, in registers. */
typedef struct epilogue {
    __m512 scale[2], shift[2], slope; /* of either half of a pair */
    const drae__bf16 *residual;
    drae__bf16 *raw, *act;
    bool joined; /* the halves of a pair are neighbours in memory */
} epilogue;

INLINE epilogue epilogue_of(const drae__bf16_conv *op, int column, int block) {
    epilogue e = {.slope = _mm512_set1_ps(op->slope),
                  .residual = op->residual,
                  .raw = op->raw,
                  .act = op->act,
                  .joined = block == 2 || op->shape.pixels * op->dst_map.c == 16};
    for (int t = 0; t < 2 && op->act != NULL; t++) {
        int c = column + (block == 2 ? 16 * t : 0);
        e.scale[t] = _mm512_loadu_ps(op->scale + c);
        e.shift[t] = _mm512_loadu_ps(op->shift + c);
    }
    return e;
}

INLINE __m512 activate(const epilogue *e, int t, __m512 v) {
    __m512 u = _mm512_add_ps(_mm512_mul_ps(e->scale[t], v), e->shift[t]);
    return vf_leaky(u, e->slope);
}

INLINE void finish_one(const epilogue *e, int form, int t, ptrdiff_t at, const float *sums) {
    __m512 v = _mm512_load_ps(sums);
    if ((form & FORM_RESIDUAL) != 0) {
        v = _mm512_add_ps(v, widen(e->residual + at));
    }
    if ((form & FORM_RAW) != 0) {
        narrow(e->raw + at, v);
    }
    if ((form & FORM_ACT) != 0) {
        narrow(e->act + at, activate(e, t, v));
    }
}

INLINE void finish_pair(const epilogue *e, int form, ptrdiff_t at_lo, ptrdiff_t at_hi,
                        const float *lo, const float *hi) {
    if (!e->joined) {
        finish_one(e, form, 0, at_lo, lo);
        finish_one(e, form, 1, at_hi, hi);
        return;
    }
    __m512 a = _mm512_load_ps(lo), b = _mm512_load_ps(hi);
    if ((form & FORM_RESIDUAL) != 0) {
        a = _mm512_add_ps(a, widen(e->residual + at_lo));
        b = _mm512_add_ps(b, widen(e->residual + at_hi));
    }
    if ((form & FORM_RAW) != 0) {
        _mm512_storeu_si512(e->raw + at_lo, (__m512i)_mm512_cvtne2ps_pbh(b, a));
    }
    if ((form & FORM_ACT) != 0) {
        a = activate(e, 0, a);
        b = activate(e, 1, b);
        _mm512_storeu_si512(e->act + at_lo, (__m512i)_mm512_cvtne2ps_pbh(b, a));
    }
}

#include "kernels/cpu/infer_bf16_finish.h"

/* Terms `from` to `to`, all of one source. Between them the chunks of the step before: the unit
 * multiplies while the vector ports finish. */
INLINE const char *multiply_some(const schedule *terms, int from, int to,
                                 const drae__bf16 *const src[4], ptrdiff_t unit_step, int form,
                                 int block, const char *w, const epilogue *e, finishing *before) {
    size_t step = (size_t)unit_step * sizeof(drae__bf16);
    const drae__bf16 *a = src[0], *b = src[1];
    const drae__bf16 *c = block == 2 ? NULL : src[2], *d = block == 2 ? NULL : src[3];
    for (int t = from; t < to; t++) {
        ptrdiff_t k = terms->offset[t];
        if (block == 2) {
            _tile_loadd(6, w, ROW_BYTES);
            _tile_loadd(4, a + k, step);
            _tile_dpbf16ps(0, 4, 6);
            _tile_loadd(7, w + TILE_BYTES, ROW_BYTES);
            _tile_dpbf16ps(1, 4, 7);
            _tile_loadd(5, b + k, step);
            _tile_dpbf16ps(2, 5, 6);
            _tile_dpbf16ps(3, 5, 7);
        } else {
            _tile_loadd(7, w, ROW_BYTES);
            _tile_loadd(4, a + k, step);
            _tile_dpbf16ps(0, 4, 7);
            _tile_loadd(5, b + k, step);
            _tile_dpbf16ps(1, 5, 7);
            _tile_loadd(6, c + k, step);
            _tile_dpbf16ps(2, 6, 7);
            _tile_loadd(4, d + k, step);
            _tile_dpbf16ps(3, 4, 7);
        }
        w += block * TILE_BYTES;
        while (before->next < terms->finished[t]) {
            finish_chunk(e, form, block, before);
        }
    }
    return w;
}

INLINE void multiply(const schedule *terms, const operands *o, int form, int block,
                     const drae__bf16 *wei, float *sums, const epilogue *e, finishing *before) {
    const char *w = (const char *)wei;
    int n = terms->terms[0] + terms->terms[1];
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    w = multiply_some(terms, 0, terms->terms[0], o->src[0], terms->unit_step[0], form, block, w, e,
                      before);
    (void)multiply_some(terms, terms->terms[0], n, o->src[1], terms->unit_step[1], form, block, w,
                        e, before);
    _tile_stored(0, sums, ROW_BYTES);
    _tile_stored(1, sums + TILE_SUMS, ROW_BYTES);
    _tile_stored(2, sums + 2 * TILE_SUMS, ROW_BYTES);
    _tile_stored(3, sums + 3 * TILE_SUMS, ROW_BYTES);
}

INLINE void multiply_alone(const schedule *terms, const operands *o, const drae__bf16 *wei,
                           float *sums) {
    const epilogue none = {.joined = true};
    finishing idle = {.next = CHUNKS};
    multiply(terms, o, FORM_ACT, 1, wei, sums, &none, &idle);
}

#include "kernels/cpu/infer_bf16_amx_few.h"

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
