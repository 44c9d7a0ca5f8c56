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

#define THREE_PRODUCTS 6 /* of two sums of three parts */

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

INLINE __m512 widen_bits(__m256i v) {
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(v), 16));
}

INLINE __m512 widen(const drae__bf16 *p) {
    return widen_bits(_mm256_loadu_si256((const __m256i *)(const void *)p));
}

/* What follows the sums, in registers. */
typedef struct epilogue {
    __m512 scale[2], shift[2], slope; /* of either half of a pair */
    const drae__bf16 *residual;
    drae__bf16 *raw, *act;
    bool joined; /* the halves of a pair are neighbours in memory */
    int parts;
    ptrdiff_t plane;
} epilogue;

INLINE epilogue epilogue_of(const drae__bf16_conv *op, int column, int block) {
    epilogue e = {.slope = _mm512_set1_ps(op->slope),
                  .residual = op->residual,
                  .raw = op->raw,
                  .act = op->act,
                  .joined = block == 2 || op->shape.pixels * op->dst_map.c == 16,
                  .parts = op->shape.parts,
                  .plane = op->dst_map.plane};
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

INLINE __m512 with_residual(const epilogue *e, ptrdiff_t at, __m512 v) {
    __m512 r = widen(e->residual + (e->parts - 1) * e->plane + at);
    for (int i = e->parts - 2; i >= 0; i--) {
        r = _mm512_add_ps(r, widen(e->residual + i * e->plane + at));
    }
    return _mm512_add_ps(v, r);
}

/* 16 values in parts. */
INLINE void narrow(const epilogue *e, drae__bf16 *p, __m512 v) {
    for (int i = 0;; i++, p += e->plane) {
        __m256i part = (__m256i)_mm512_cvtneps_pbh(v);
        _mm256_storeu_si256((__m256i *)(void *)p, part);
        if (i + 1 >= e->parts) {
            break;
        }
        v = _mm512_sub_ps(v, widen_bits(part));
    }
}

/* 32 neighbours. */
INLINE void narrow_pair(const epilogue *e, drae__bf16 *p, __m512 a, __m512 b) {
    for (int i = 0;; i++, p += e->plane) {
        __m512i part = (__m512i)_mm512_cvtne2ps_pbh(b, a);
        _mm512_storeu_si512(p, part);
        if (i + 1 >= e->parts) {
            break;
        }
        a = _mm512_sub_ps(a, widen_bits(_mm512_castsi512_si256(part)));
        b = _mm512_sub_ps(b, widen_bits(_mm512_extracti64x4_epi64(part, 1)));
    }
}

INLINE void finish_one(const epilogue *e, int form, int t, ptrdiff_t at, const float *sums) {
    __m512 v = _mm512_load_ps(sums);
    if ((form & FORM_RESIDUAL) != 0) {
        v = with_residual(e, at, v);
    }
    if ((form & FORM_RAW) != 0) {
        narrow(e, e->raw + at, v);
    }
    if ((form & FORM_ACT) != 0) {
        narrow(e, e->act + at, activate(e, t, v));
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
        a = with_residual(e, at_lo, a);
        b = with_residual(e, at_hi, b);
    }
    if ((form & FORM_RAW) != 0) {
        narrow_pair(e, e->raw + at_lo, a, b);
    }
    if ((form & FORM_ACT) != 0) {
        narrow_pair(e, e->act + at_lo, activate(e, 0, a), activate(e, 1, b));
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

/* One row tile of a source in three parts by three parts of weights, in registers 4 to 6: six
 * products for three loads. */
#define MULTIPLY_PARTS(sums, from)                                                                 \
    _tile_loadd(7, (from) + terms->offset[t], step);                                               \
    _tile_dpbf16ps(sums, 7, 4);                                                                    \
    _tile_dpbf16ps(sums, 7, 5);                                                                    \
    _tile_dpbf16ps(sums, 7, 6);                                                                    \
    _tile_loadd(7, (from) + terms->offset[t + 3], step);                                           \
    _tile_dpbf16ps(sums, 7, 4);                                                                    \
    _tile_dpbf16ps(sums, 7, 5);                                                                    \
    _tile_loadd(7, (from) + terms->offset[t + 5], step);                                           \
    _tile_dpbf16ps(sums, 7, 4);

#define LOAD_PARTS(n)                                                                              \
    _tile_loadd(4, w + (n)*TILE_BYTES, ROW_BYTES);                                                 \
    _tile_loadd(5, w + (block + (n)) * TILE_BYTES, ROW_BYTES);                                     \
    _tile_loadd(6, w + (2 * block + (n)) * TILE_BYTES, ROW_BYTES);

/* As multiply_some where every 6 terms are the products of three parts: the packed weights hold
 * each part of a tile as often as it is needed, of which the first serves. */
INLINE const char *multiply_three(const schedule *terms, int from, int to,
                                  const drae__bf16 *const src[4], ptrdiff_t unit_step, int form,
                                  int block, const char *w, const epilogue *e, finishing *before) {
    size_t step = (size_t)unit_step * sizeof(drae__bf16);
    for (int t = from; t < to; t += THREE_PRODUCTS) {
        LOAD_PARTS(0)
        if (block == 2) {
            MULTIPLY_PARTS(0, src[0])
            MULTIPLY_PARTS(2, src[1])
            LOAD_PARTS(1)
            MULTIPLY_PARTS(1, src[0])
            MULTIPLY_PARTS(3, src[1])
        } else {
            MULTIPLY_PARTS(0, src[0])
            MULTIPLY_PARTS(1, src[1])
            MULTIPLY_PARTS(2, src[2])
            MULTIPLY_PARTS(3, src[3])
        }
        w += THREE_PRODUCTS * block * TILE_BYTES;
        while (before->next < terms->finished[t + THREE_PRODUCTS - 1]) {
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
    if (terms->three) {
        w = multiply_three(terms, 0, terms->terms[0], o->src[0], terms->unit_step[0], form, block,
                           w, e, before);
        (void)multiply_three(terms, terms->terms[0], n, o->src[1], terms->unit_step[1], form, block,
                             w, e, before);
    } else {
        w = multiply_some(terms, 0, terms->terms[0], o->src[0], terms->unit_step[0], form, block, w,
                          e, before);
        (void)multiply_some(terms, terms->terms[0], n, o->src[1], terms->unit_step[1], form, block,
                            w, e, before);
    }
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
