/* SPDX-License-Identifier: Apache-2.0 */
/* The matched filters; kernels/matched.h has the formulas. Planes are padded by zeros, so no filter
 * asks where the border is. Sizes are multiples of 16, so no vector is cut. */
#ifndef DRAE_KERNELS_CPU_INFER_MATCHED_BODY_H
#define DRAE_KERNELS_CPU_INFER_MATCHED_BODY_H

#include "kernels/cpu/infer_score_body.h"
#include "kernels/matched.h"

#define M_TAPS (2 * DRAE__M_REACH + 1)

_Static_assert(DRAE__M_PAD % VL == 0, "rows of planes begin at whole vectors");

static const signed char m_steps[DRAE__M_LINES][DRAE__M_REACH][2] = DRAE__M_STEPS;

typedef struct m_work {
    ptrdiff_t pitch;                     /* floats from a row of a plane to the next */
    float *plane[DRAE__M_PLANES];        /* at pixel (0,0); r_0 .. r_3 in the end */
    float *other;                        /* a plane: X - X^, later c4 */
    float *line;                         /* a row between two passes, at pixel 0 */
    float *inverse;                      /* [FILTERS,size]: one over the scales of a block row */
    float *blocks;                       /* [size / 4] of one filter */
    ptrdiff_t at[DRAE__M_LINES][M_TAPS]; /* where the values of a line lie */
} m_work;

static float *m_plane(const m_work *m, int size, float *at) {
    for (int row = -DRAE__M_PAD; row < size + DRAE__M_PAD; row++) {
        float *p = at + row * m->pitch;
        bool inside = row >= 0 && row < size;
        memset(p - DRAE__M_PAD, 0, (size_t)(inside ? DRAE__M_PAD : m->pitch) * sizeof *p);
        if (inside) {
            memset(p + size, 0, DRAE__M_PAD * sizeof *p);
        }
    }
    return at;
}

static void m_lay_out(int size, float *scratch, m_work *m) {
    m->pitch = size + 2 * DRAE__M_PAD;
    const ptrdiff_t n = m->pitch * m->pitch, origin = DRAE__M_PAD * (m->pitch + 1);
    for (int i = 0; i < DRAE__M_PLANES; i++) {
        m->plane[i] = m_plane(m, size, scratch + i * n + origin);
    }
    m->other = m_plane(m, size, scratch + DRAE__M_PLANES * n + origin);
    m->line = scratch + (DRAE__M_PLANES + 1) * n + DRAE__M_PAD;
    memset(m->line - DRAE__M_PAD, 0, (size_t)m->pitch * sizeof *m->line);
    m->inverse = m->line - DRAE__M_PAD + m->pitch;
    m->blocks = m->inverse + (ptrdiff_t)DRAE__M_FILTERS * size;
    for (int d = 0; d < DRAE__M_LINES; d++) {
        for (int j = -DRAE__M_REACH; j <= DRAE__M_REACH; j++) {
            int k = j < 0 ? -j : j;
            ptrdiff_t to = k == 0 ? 0 : m_steps[d][k - 1][1] * m->pitch + m_steps[d][k - 1][0];
            m->at[d][j + DRAE__M_REACH] = j < 0 ? -to : to;
        }
    }
}

/* dst = B_step src, both planes. */
static void m_blur(const m_work *m, int size, int step, const float *src, float *dst) {
    const ptrdiff_t down = step * m->pitch;
    for (int row = 0; row < size; row++) {
        const float *from = src + row * m->pitch;
        float *to = dst + row * m->pitch;
        for (int k = 0; k < size; k += VL) {
            vf acc = vf_set(0.0f);
            UNROLL
            for (int t = -DRAE__Z_RADIUS; t <= DRAE__Z_RADIUS; t++) {
                acc = vf_fma(vf_set(z_taps[t + DRAE__Z_RADIUS]), vf_load(from + t * down + k), acc);
            }
            vf_store(m->line + k, acc);
        }
        for (int k = 0; k < size; k += VL) {
            vf acc = vf_set(0.0f);
            UNROLL
            for (int t = -DRAE__Z_RADIUS; t <= DRAE__Z_RADIUS; t++) {
                acc = vf_fma(vf_set(z_taps[t + DRAE__Z_RADIUS]), vf_load(m->line + k + t * step),
                             acc);
            }
            vf_store(to + k, acc);
        }
    }
}

/* dst = a - b, rows of strides of their own; dst may be a. */
static void m_subtract(int size, const float *a, ptrdiff_t a_stride, const float *b,
                       ptrdiff_t b_stride, float *dst, ptrdiff_t stride) {
    for (int row = 0; row < size; row++) {
        for (int k = 0; k < size; k += VL) {
            vf_store(dst + row * stride + k,
                     vf_load(a + row * a_stride + k) - vf_load(b + row * b_stride + k));
        }
    }
}

/* r_0 .. r_3 from e in plane 0. */
static void m_bands(const m_work *m, int size) {
    float *const *r = m->plane;
    const ptrdiff_t pitch = m->pitch;
    m_blur(m, size, 2, r[0], r[2]);
    m_blur(m, size, 4, r[2], r[3]);
    m_blur(m, size, 8, r[3], m->other);
    m_subtract(size, r[0], pitch, r[2], pitch, r[1], pitch);
    m_subtract(size, r[2], pitch, r[3], pitch, r[2], pitch);
    m_subtract(size, r[3], pitch, m->other, pitch, r[3], pitch);
}

/* r_f of VL pixels, `at` floats from pixel (0,0). */
INLINE vf m_line(const float *r1, const ptrdiff_t at[M_TAPS], ptrdiff_t pixel) {
    vf sum = vf_load(r1 + at[0] + pixel);
    UNROLL
    for (int t = 1; t < M_TAPS; t++) {
        sum += vf_load(r1 + at[t] + pixel);
    }
    return sum;
}

/* One over the scales of a row of blocks, a value for every column. */
static void m_invert(const m_work *m, int size, const float *scales, int block_row) {
    const int n = size / DRAE__M_BLOCK;
    for (int f = 0; f < DRAE__M_FILTERS; f++) {
        const float *from = scales + ((ptrdiff_t)f * n + block_row) * n;
        float *to = m->inverse + (ptrdiff_t)f * size;
        for (int k = 0; k < n; k += 4) { /* n is a multiple of 4 */
            for (int i = 0; i < 4; i++) {
                m->blocks[k + i] = 1.0f / from[k + i];
            }
        }
        for (int k = 0; k < n; k++) {
            for (int i = 0; i < DRAE__M_BLOCK; i++) {
                to[DRAE__M_BLOCK * k + i] = m->blocks[k];
            }
        }
    }
}

static void kernel_m(int size, const float *x, ptrdiff_t x_stride, const float *y,
                     ptrdiff_t y_stride, const float *mean, const float *scales, float *dst,
                     float *scratch) {
    m_work m;
    m_lay_out(size, scratch, &m);
    float *e = m.plane[0];
    m_subtract(size, x, x_stride, y, y_stride, m.other, m.pitch);
    m_blur(&m, size, 1, m.other, e);
    m_subtract(size, e, m.pitch, mean, size, e, m.pitch);
    m_bands(&m, size);
    for (int row = 0; row < size; row++) {
        if (row % DRAE__M_BLOCK == 0) {
            m_invert(&m, size, scales, row / DRAE__M_BLOCK);
        }
        for (int k = 0; k < size; k += VL) {
            const ptrdiff_t pixel = row * m.pitch + k;
            const float *inverse = m.inverse + k;
            vf most = vf_set(0.0f);
            UNROLL
            for (int f = 0; f < DRAE__M_PLANES; f++) {
                vf r = vf_abs(vf_load(m.plane[f] + pixel));
                most = vf_max(r * vf_load(inverse + (ptrdiff_t)f * size), most);
            }
            for (int d = 0; d < DRAE__M_LINES; d++) {
                vf r = vf_abs(m_line(m.plane[1], m.at[d], pixel));
                most = vf_max(r * vf_load(inverse + (ptrdiff_t)(DRAE__M_PLANES + d) * size), most);
            }
            /* The greatest of numbers and NaN need not be NaN: what e lost is not found again. */
            vf_store(dst + (ptrdiff_t)row * size + k, most + vf_doubt(vf_load(e + pixel)));
        }
    }
}

static void kernel_m_filters(int size, const float *e, float *dst, float *scratch) {
    const ptrdiff_t pixels = (ptrdiff_t)size * size;
    m_work m;
    m_lay_out(size, scratch, &m);
    for (int row = 0; row < size; row++) {
        memcpy(m.plane[0] + row * m.pitch, e + (ptrdiff_t)row * size, (size_t)size * sizeof *e);
    }
    m_bands(&m, size);
    for (int row = 0; row < size; row++) {
        for (int k = 0; k < size; k += VL) {
            const ptrdiff_t pixel = row * m.pitch + k;
            float *to = dst + (ptrdiff_t)row * size + k;
            for (int f = 0; f < DRAE__M_PLANES; f++) {
                vf_store(to + f * pixels, vf_load(m.plane[f] + pixel));
            }
            for (int d = 0; d < DRAE__M_LINES; d++) {
                vf_store(to + (DRAE__M_PLANES + d) * pixels, m_line(m.plane[1], m.at[d], pixel));
            }
        }
    }
}

#endif
