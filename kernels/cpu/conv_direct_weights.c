/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Backward weights. The rows of all images are cut into CHUNKS chunks, a chunk into steps of
 * a few rows of one image whose src rows (two more) and ddst rows are made planar. Then, for each
 * ky and ci and each 8 output channels,
 *
 *     sum[kx][o] += src[ci](x + kx - 1) * ddst[o](x)      3 x 8 registers, 16 pixels a lane each
 *
 * over the step's pixels: 11 loads for 24 FMAs. The registers rest in memory between steps; lanes
 * are folded, in double, once a chunk, and chunks are added in order.
 */
#include "kernels/cpu/conv_direct.h"

#include "kernels/cpu/planar.h"

#include <omp.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#if defined(__x86_64__)

/* Fewer than DRAE__CHUNKS: folding a chunk costs as much as some rows. Bounds the useful threads.
 */
#define CHUNKS 16
/* Pixels of a step: enough to pay for loading and storing 24 sums. */
#define STEP_PIXELS   512
#define STEP_ROWS_MAX 8
#define SUMS          24 /* registers: 3 kx times 8 output channels */

static int step_rows(int w) {
    int rows = STEP_PIXELS / w;
    return rows < 2 ? 2 : rows > STEP_ROWS_MAX ? STEP_ROWS_MAX : rows;
}

typedef struct task {
    int h, w, rows; /* rows of a step */
    size_t c_in, c_out, stride;
    const float *src, *ddst;
} task;

/* A thread's share of scratch. */
typedef struct room {
    float *sums; /* [c_out/8][c_in][3 ky][3 kx][8][16] */
    float *src;  /* planar rows y - 1 .. y + rows */
    float *ddst; /* planar rows y .. y + rows - 1 */
} room;

static size_t sums_elems(size_t c_in, size_t c_out) {
    return 9 * c_in * c_out * DRAE__LANES;
}

static size_t room_elems(const task *t) {
    size_t rows = (size_t)t->rows;
    return sums_elems(t->c_in, t->c_out) + t->stride * ((rows + 2) * t->c_in + rows * t->c_out);
}

DRAE__TARGET_AVX512 static void add_products(int rows, int vectors, size_t src_row, size_t ddst_row,
                                             size_t stride, const float *src, const float *ddst,
                                             float *sums) {
    __m512 acc[SUMS];
    DRAE__UNROLL
    for (int i = 0; i < SUMS; i++) {
        acc[i] = _mm512_loadu_ps(sums + i * DRAE__LANES);
    }
    for (int r = 0; r < rows; r++, src += src_row, ddst += ddst_row) {
        for (int x = 0; x < vectors * DRAE__LANES; x += DRAE__LANES) {
            __m512 s[3];
            DRAE__UNROLL
            for (int kx = 0; kx < 3; kx++) {
                s[kx] = _mm512_loadu_ps(src + x + kx - 1);
            }
            DRAE__UNROLL
            for (size_t o = 0; o < 8; o++) {
                __m512 d = _mm512_loadu_ps(ddst + o * stride + x);
                DRAE__HOLD(d);
                DRAE__UNROLL
                for (size_t kx = 0; kx < 3; kx++) {
                    acc[kx * 8 + o] = _mm512_fmadd_ps(s[kx], d, acc[kx * 8 + o]);
                }
            }
        }
    }
    DRAE__UNROLL
    for (int i = 0; i < SUMS; i++) {
        _mm512_storeu_ps(sums + i * DRAE__LANES, acc[i]);
    }
}

/* Floats begin .. end of data towards the second-level cache. */
DRAE__TARGET_AVX512 static inline void fetch(const float *data, size_t begin, size_t end) {
    for (size_t i = begin; i < end; i += DRAE__LANES) {
        _mm_prefetch((const char *)(data + i), _MM_HINT_T1);
    }
}

/* Planar rows of a step: src rows y - 1 .. y + count, of which the first two are there already when
 * the step before ended at y (`follows`), and ddst rows y .. y + count - 1. */
DRAE__TARGET_AVX512 static void load_rows(const task *t, const room *r, int y, int count,
                                          bool follows, const float *src, const float *ddst) {
    size_t src_row = t->stride * t->c_in, ddst_row = t->stride * t->c_out;
    size_t row_in = (size_t)t->w * t->c_in, row_out = (size_t)t->w * t->c_out;
    if (follows) { /* only a full step is followed by another one */
        memcpy(r->src, r->src + (size_t)t->rows * src_row, 2 * src_row * sizeof *r->src);
    }
    for (int i = follows ? 1 : -1; i <= count; i++) {
        float *planes = r->src + (size_t)(i + 1) * src_row;
        if (y + i < 0 || y + i >= t->h) {
            memset(planes, 0, src_row * sizeof *planes);
        } else {
            drae__planar_row(src + (size_t)(y + i) * row_in, t->w, t->c_in, planes, t->stride);
        }
    }
    for (int i = 0; i < count; i++) {
        drae__planar_row(ddst + (size_t)(y + i) * row_out, t->w, t->c_out,
                         r->ddst + (size_t)i * ddst_row, t->stride);
    }
}

/* `count` (<= t->rows) rows from row y of one image. */
DRAE__TARGET_AVX512 static void step(const task *t, const room *r, int y, int count, bool follows,
                                     const float *src, const float *ddst) {
    load_rows(t, r, y, count, follows, src, ddst);
    size_t src_row = t->stride * t->c_in, ddst_row = t->stride * t->c_out;
    int vectors = (t->w + DRAE__LANES - 1) / DRAE__LANES;
    float *sums = r->sums;
    /* What the next step will read, a little in every round. */
    size_t next = (size_t)(y + count) * (size_t)t->w, pixels = (size_t)(t->rows * t->w);
    bool more = y + count + t->rows < t->h;
    for (size_t co = 0; co < t->c_out; co += 8) {
        const float *d = r->ddst + co * t->stride + DRAE__PLANAR_MARGIN;
        for (size_t ci = 0; ci < t->c_in; ci++) {
            if (more && co == 0) {
                fetch(src + next * t->c_in, ci * pixels, (ci + 1) * pixels);
                fetch(ddst + next * t->c_out, ci * pixels * t->c_out / t->c_in,
                      (ci + 1) * pixels * t->c_out / t->c_in);
            }
            for (size_t ky = 0; ky < 3; ky++, sums += SUMS * DRAE__LANES) {
                const float *s = r->src + ky * src_row + ci * t->stride + DRAE__PLANAR_MARGIN;
                add_products(count, vectors, src_row, ddst_row, t->stride, s, d, sums);
            }
        }
    }
}

/* The 16 lanes of every sum (as a tree, in f32), into the model's layout. */
DRAE__TARGET_AVX512 static void fold(size_t c_in, size_t c_out, const float *sums, float *dwei) {
    for (size_t co = 0; co < c_out; co += 8) {
        for (size_t ci = 0; ci < c_in; ci++) {
            for (size_t ky = 0; ky < 3; ky++) {
                for (size_t i = 0; i < SUMS; i++, sums += DRAE__LANES) {
                    size_t kx = i / 8, o = i % 8;
                    dwei[((co + o) * c_in + ci) * 9 + ky * 3 + kx] =
                        _mm512_reduce_add_ps(_mm512_loadu_ps(sums));
                }
            }
        }
    }
}

static void chunk(const task *t, const room *r, size_t begin, size_t end, float *dwei) {
    size_t h = (size_t)t->h, w = (size_t)t->w;
    memset(r->sums, 0, room_elems(t) * sizeof *r->sums); /* the planar rows' margins too */
    size_t last_end = SIZE_MAX;                          /* where a full step of this chunk ended */
    while (begin < end) {
        size_t image = begin / h;
        int y = (int)(begin % h);
        size_t left = end - begin, in_image = h - (size_t)y;
        size_t count = left < in_image ? left : in_image;
        count = count < (size_t)t->rows ? count : (size_t)t->rows;
        step(t, r, y, (int)count, begin == last_end && y > 0, t->src + image * h * w * t->c_in,
             t->ddst + image * h * w * t->c_out);
        begin += count;
        last_end = begin;
    }
    fold(t->c_in, t->c_out, r->sums, dwei);
}

static task task_of(int h, int w, int c_in, int c_out, const float *src, const float *ddst) {
    task t = {.h = h, .w = w, .rows = step_rows(w), .src = src, .ddst = ddst};
    t.c_in = (size_t)c_in;
    t.c_out = (size_t)c_out;
    t.stride = drae__planar_stride(w);
    return t;
}

/* Scratch: a result of every chunk, then a room for every thread. */
size_t drae__cpu_direct_weights_scratch_bytes(int w, int c_in, int c_out, int threads) {
    task t = task_of(1, w, c_in, c_out, NULL, NULL);
    size_t parts = (size_t)CHUNKS * 9 * t.c_in * t.c_out;
    return (parts + (size_t)threads * room_elems(&t)) * sizeof(float);
}

void drae__cpu_direct_weights(int n, int h, int w, int c_in, int c_out, const float *src,
                              const float *ddst, float *dwei, void *scratch, int threads) {
    task t = task_of(h, w, c_in, c_out, src, ddst);
    size_t elems = 9 * t.c_in * t.c_out, rows = (size_t)n * (size_t)h;
    float *parts = scratch, *rooms = parts + (size_t)CHUNKS * elems;
#pragma omp parallel for schedule(static) num_threads(threads)
    for (int i = 0; i < CHUNKS; i++) {
        float *base = rooms + (size_t)omp_get_thread_num() * room_elems(&t);
        room r = {.sums = base, .src = base + sums_elems(t.c_in, t.c_out)};
        r.ddst = r.src + t.stride * (size_t)(t.rows + 2) * t.c_in;
        chunk(&t, &r, rows * (size_t)i / CHUNKS, rows * (size_t)(i + 1) / CHUNKS,
              parts + (size_t)i * elems);
    }
    for (size_t k = 0; k < elems; k++) {
        double total = 0.0;
        for (size_t i = 0; i < CHUNKS; i++) {
            total += (double)parts[i * elems + k];
        }
        dwei[k] = (float)total;
    }
}

#endif
