/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Forward and backward data, row by row. A thread keeps three planar rows of src:
 *
 *     rows y-1, y, y+1 (planes of c_in channels)      packed weights [c_out/8][3][c_in][3][8]
 *            |  16 pixels a load, shifted by kx                |  broadcast
 *            +---------------> 8 channels x 2 vectors <--------+
 *                              (16 sums in registers)
 *                                     |  8 x 16 transposed
 *                              NHWC row y of dst
 *
 * A tile costs 9 c_in (2 loads + 8 broadcasts + 16 FMAs): bound by FMAs. Sums run over ky, then ci,
 * then kx, for every pixel alike.
 */
#include "kernels/cpu/conv_direct.h"

#include "kernels/cpu/planar.h"

#include <omp.h>
#include <string.h>

/* Rows that one task computes: enough to make the two rows of overlap cheap. */
#define TASK_ROWS 32

bool drae__cpu_direct_usable(void) {
    return drae__isa() == DRAE__ISA_AVX512;
}

#if defined(__x86_64__)

static void pack(int c_in, int c_out, bool turned, const float *wei, float *packed) {
    for (int co = 0; co < c_out; co++) {
        for (int ci = 0; ci < c_in; ci++) {
            for (int t = 0; t < 9; t++) {
                int ky = t / 3, kx = t % 3;
                int from = turned ? (ci * c_out + co) * 9 + 8 - t : (co * c_in + ci) * 9 + t;
                int to = (((co / 8 * 3 + ky) * c_in + ci) * 3 + kx) * 8 + co % 8;
                packed[to] = wei[from];
            }
        }
    }
}

/* 8 output channels of `vectors` (1 or 2) times 16 pixels. row: planes at pixel x - 1. */
DRAE__TARGET_AVX512 static inline __attribute__((always_inline)) void
tile(int vectors, const float *const row[3], size_t stride, size_t c_in, const float *packed,
     __m512 acc[2][8]) {
    for (int o = 0; o < 8; o++) {
        acc[0][o] = acc[1][o] = _mm512_setzero_ps();
    }
    const float *k = packed;
    for (int ky = 0; ky < 3; ky++) {
        const float *p = row[ky];
        for (size_t ci = 0; ci < c_in; ci++, p += stride) {
            for (int kx = 0; kx < 3; kx++, k += 8) {
                __m512 s0 = _mm512_loadu_ps(p + kx);
                __m512 s1 = vectors == 2 ? _mm512_loadu_ps(p + kx + 16) : _mm512_setzero_ps();
                for (int o = 0; o < 8; o++) {
                    __m512 w = _mm512_set1_ps(k[o]);
                    acc[0][o] = _mm512_fmadd_ps(s0, w, acc[0][o]);
                    if (vectors == 2) {
                        acc[1][o] = _mm512_fmadd_ps(s1, w, acc[1][o]);
                    }
                }
            }
        }
    }
}

/* Stores 16 pixels of 8 channels, or the first `count` of them. */
DRAE__TARGET_AVX512 static inline void store(__m512 acc[8], int count, float *dst, size_t c) {
    if (count >= 16) {
        drae__planar_store16(acc, dst, c);
        return;
    }
    float whole[16 * 8];
    drae__planar_store16(acc, whole, 8);
    for (size_t p = 0; p < (size_t)count; p++) {
        memcpy(dst + p * c, whole + p * 8, 8 * sizeof(float));
    }
}

/* 32 pixels of c channels towards the cache; the hardware does not see far enough, because a row is
 * read in one go and then computed on. */
DRAE__TARGET_AVX512 static inline void fetch(const float *row, size_t c) {
    for (size_t i = 0; i < 32 * c; i += 16) {
        _mm_prefetch((const char *)(row + i), _MM_HINT_T0);
    }
}

/* next: the src row that will be needed after this one, or NULL. */
DRAE__TARGET_AVX512 static void map_row(const float *const planes[3], size_t stride, int w,
                                        size_t c_in, size_t c_out, const float *packed,
                                        const float *next, float *dst) {
    for (int x = 0; x < w; x += 32) {
        if (next != NULL && w - x >= 32) {
            fetch(next + (size_t)x * c_in, c_in);
            fetch(dst + (size_t)x * c_out, c_out);
        }
        const float *row[3];
        for (int ky = 0; ky < 3; ky++) {
            row[ky] = planes[ky] + DRAE__PLANAR_MARGIN + x - 1;
        }
        for (size_t co = 0; co < c_out; co += 8) {
            __m512 acc[2][8];
            float *to = dst + (size_t)x * c_out + co;
            if (w - x > 16) {
                tile(2, row, stride, c_in, packed + co * 9 * c_in, acc);
                store(acc[0], 16, to, c_out);
                store(acc[1], w - x - 16, to + 16 * c_out, c_out);
            } else {
                tile(1, row, stride, c_in, packed + co * 9 * c_in, acc);
                store(acc[0], w - x, to, c_out);
            }
        }
    }
}

typedef struct map {
    int h, w;
    size_t c_in, c_out, stride;
    const float *src, *packed;
    float *dst;
} map;

/* Rows y0 .. y1 of one image; room: four planar rows, cleared, the fourth never written. */
DRAE__TARGET_AVX512 static void map_rows(const map *m, int y0, int y1, const float *src, float *dst,
                                         float *room) {
    size_t row_elems = m->stride * m->c_in;
    const float *zeros = room + 3 * row_elems;
    for (int y = y0 - 1; y <= y1; y++) {
        if (y >= 0 && y < m->h) {
            drae__planar_row(src + (size_t)y * (size_t)m->w * m->c_in, m->w, m->c_in,
                             room + (size_t)((y + 3) % 3) * row_elems, m->stride);
        }
        int out = y - 1; /* its three rows are there now */
        if (out < y0) {
            continue;
        }
        const float *planes[3];
        for (int ky = 0; ky < 3; ky++) {
            int iy = out + ky - 1;
            planes[ky] = iy >= 0 && iy < m->h ? room + (size_t)((iy + 3) % 3) * row_elems : zeros;
        }
        const float *next = y + 1 < m->h ? src + (size_t)(y + 1) * (size_t)m->w * m->c_in : NULL;
        map_row(planes, m->stride, m->w, m->c_in, m->c_out, m->packed, next,
                dst + (size_t)out * (size_t)m->w * m->c_out);
    }
}

/* Scratch: packed weights, then four planar rows a thread. */
static size_t packed_elems(int c_in, int c_out) {
    return ((size_t)c_in * (size_t)c_out * 9 + 15) / 16 * 16;
}

size_t drae__cpu_direct_map_scratch_bytes(int w, int c_in, int c_out, int threads) {
    size_t rooms = (size_t)threads * 4 * drae__planar_stride(w) * (size_t)c_in;
    return (packed_elems(c_in, c_out) + rooms) * sizeof(float);
}

void drae__cpu_direct_map(int n, int h, int w, int c_in, int c_out, bool turned, const float *src,
                          const float *wei, float *dst, void *scratch, int threads) {
    float *packed = scratch;
    map m = {.h = h, .w = w, .c_in = (size_t)c_in, .c_out = (size_t)c_out};
    m.stride = drae__planar_stride(w);
    m.packed = packed;
    pack(c_in, c_out, turned, wei, packed);
    size_t pixels = (size_t)h * (size_t)w, room_elems = 4 * m.stride * m.c_in;
    float *rooms = packed + packed_elems(c_in, c_out);
    int bands = (h + TASK_ROWS - 1) / TASK_ROWS;
#pragma omp parallel for schedule(static) num_threads(threads)
    for (int t = 0; t < n * bands; t++) {
        int y0 = t % bands * TASK_ROWS, y1 = y0 + TASK_ROWS < h ? y0 + TASK_ROWS : h;
        size_t image = (size_t)(t / bands) * pixels;
        float *room = rooms + (size_t)omp_get_thread_num() * room_elems;
        memset(room, 0, room_elems * sizeof *room);
        map_rows(&m, y0, y1, src + image * m.c_in, dst + image * m.c_out, room);
    }
}

#endif
