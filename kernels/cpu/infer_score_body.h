/* SPDX-License-Identifier: Apache-2.0 */
/* The normalised residual and the mean of its largest values; kernels/infer.h has the formulas. */
#ifndef DRAE_KERNELS_CPU_INFER_SCORE_BODY_H
#define DRAE_KERNELS_CPU_INFER_SCORE_BODY_H

#include "kernels/cpu/infer_body.h"

/* ---- z ---- */

static const float z_taps[DRAE__Z_TAPS] = DRAE__Z_WEIGHTS;

INLINE vf vf_abs(vf v) {
    return vf_max(v, vf_set(0.0f) - v);
}

/* X - X^ into rows of `stride` floats, DRAE__Z_RADIUS rows of zeros above and below. */
INLINE void z_difference(int size, const float *x, ptrdiff_t x_stride, const float *y,
                         ptrdiff_t y_stride, ptrdiff_t stride, float *diff) {
    memset(diff, 0, (size_t)stride * DRAE__Z_RADIUS * sizeof *diff);
    float *to = diff + stride * DRAE__Z_RADIUS;
    for (int row = 0; row < size; row++) {
        const float *px = x + row * x_stride, *py = y + row * y_stride;
        int k = 0;
        for (; k + VL <= size; k += VL) {
            vf_store(to + k, vf_load(px + k) - vf_load(py + k));
        }
        for (; k < size; k++) {
            to[k] = px[k] - py[k];
        }
        memset(to + size, 0, (size_t)(stride - size) * sizeof *to);
        to += stride;
    }
    memset(to, 0, (size_t)stride * DRAE__Z_RADIUS * sizeof *to);
}

static void kernel_z(int size, const float *x, ptrdiff_t x_stride, const float *y,
                     ptrdiff_t y_stride, const float *mean, const float *scale, float *dst,
                     float *scratch) {
    ptrdiff_t stride = drae__infer_z_stride(size);
    float *diff = scratch;
    /* One row after the blur down the columns, with zeros on either side. */
    float *line = diff + stride * (size + 2 * DRAE__Z_RADIUS) + DRAE__Z_PAD;
    z_difference(size, x, x_stride, y, y_stride, stride, diff);
    memset(line - DRAE__Z_PAD, 0, DRAE__Z_PAD * sizeof *line);
    memset(line + stride, 0, DRAE__Z_PAD * sizeof *line);
    for (int row = 0; row < size; row++) {
        const float *from = diff + row * stride;
        for (ptrdiff_t k = 0; k < stride; k += VL) {
            vf acc = vf_set(0.0f);
            UNROLL
            for (int t = 0; t < DRAE__Z_TAPS; t++) {
                acc = vf_fma(vf_set(z_taps[t]), vf_load(from + t * stride + k), acc);
            }
            vf_store(line + k, acc);
        }
        ptrdiff_t at = (ptrdiff_t)row * size;
        for (int k = 0; k < size; k += VL) {
            vf acc = vf_set(0.0f);
            UNROLL
            for (int t = 0; t < DRAE__Z_TAPS; t++) {
                acc = vf_fma(vf_set(z_taps[t]), vf_load(line + k + t - DRAE__Z_RADIUS), acc);
            }
            int n = lanes_left(size, k);
            if (n == VL) {
                vf_store(dst + at + k,
                         vf_abs(acc - vf_load(mean + at + k)) / vf_load(scale + at + k));
            } else {
                for (int lane = 0; lane < n; lane++) {
                    float v = acc[lane] - mean[at + k + lane];
                    dst[at + k + lane] = __builtin_fabsf(v) / scale[at + k + lane];
                }
            }
        }
    }
}

/* ---- the k largest ---- */

#define TOP_BLOCK 16 /* values whose maximum stands for them; a multiple of VL */
#define TOP_BITS  11 /* of a key that one pass looks at */
#define TOP_BINS  (1 << TOP_BITS)

_Static_assert(TOP_BLOCK % VL == 0, "a block is whole vectors");

/* Integers in the order of the floats. */
INLINE uint32_t top_key(float v) {
    uint32_t bits;
    memcpy(&bits, &v, sizeof bits);
    return bits >> 31 != 0 ? ~bits : bits | 0x80000000u;
}

/*
 * The k-th largest of values[n], 1 <= k <= n: the bin of its leading bits, then within the bin the
 * next bits, then the rest: three counts whatever the values are. Keeps the values of the bin at
 * the front of values, so what it leaves there is of no use to the caller.
 */
static float top_select(size_t n, float *values, size_t k) {
    uint32_t counts[TOP_BINS];
    for (int shift = 32 - TOP_BITS; n > 1; shift = shift > TOP_BITS ? shift - TOP_BITS : 0) {
        memset(counts, 0, sizeof counts);
        for (size_t i = 0; i < n; i++) {
            counts[top_key(values[i]) >> shift & (TOP_BINS - 1)]++;
        }
        uint32_t bin = TOP_BINS - 1;
        while (counts[bin] < k) {
            k -= counts[bin--];
        }
        size_t kept = 0;
        for (size_t i = 0; i < n; i++) {
            if ((top_key(values[i]) >> shift & (TOP_BINS - 1)) == bin) {
                values[kept++] = values[i];
            }
        }
        n = kept;
        if (shift == 0) {
            break;
        }
    }
    return values[0];
}

static float kernel_top_mean(size_t n, const float *src, int k, float *scratch) {
    size_t blocks = n / TOP_BLOCK, want = (size_t)k;
    float *maxima = scratch, *ranked = scratch + blocks;
    vf doubt = vf_set(0.0f);
    for (size_t b = 0; b < blocks; b++) {
        const float *p = src + b * TOP_BLOCK;
        vf most = vf_load(p);
        doubt += vf_doubt(most);
        for (int i = VL; i < TOP_BLOCK; i += VL) {
            vf v = vf_load(p + i);
            doubt += vf_doubt(v);
            most = vf_max(most, v);
        }
        float greatest = most[0];
        for (int lane = 1; lane < VL; lane++) {
            greatest = most[lane] > greatest ? most[lane] : greatest;
        }
        maxima[b] = greatest;
    }
    float rest = 0.0f;
    for (int lane = 0; lane < VL; lane++) {
        rest += doubt[lane];
    }
    for (size_t i = blocks * TOP_BLOCK; i < n; i++) {
        rest += src[i] - src[i];
    }
    if (rest != 0.0f) {
        return __builtin_nanf("");
    }
    /* The k-th largest maximum: at least k values reach it, so the k-th largest value does. */
    float least = -__builtin_inff();
    if (blocks >= want) {
        memcpy(ranked, maxima, blocks * sizeof *ranked);
        least = top_select(blocks, ranked, want);
    }
    size_t m = 0;
    for (size_t b = 0; b < blocks; b++) {
        for (int i = 0; maxima[b] >= least && i < TOP_BLOCK; i++) {
            float v = src[b * TOP_BLOCK + (size_t)i];
            if (v >= least) {
                ranked[m++] = v;
            }
        }
    }
    for (size_t i = blocks * TOP_BLOCK; i < n; i++) {
        if (src[i] >= least) {
            ranked[m++] = src[i];
        }
    }
    /* Those above the k-th, in descending order by insertion, then the k-th itself. */
    float top[DRAE__TOP_MAX];
    float *copy = ranked + m;
    memcpy(copy, ranked, m * sizeof *copy);
    float last = top_select(m, copy, want);
    size_t n_top = 0;
    for (size_t i = 0; i < m; i++) {
        float v = ranked[i];
        if (v > last) {
            size_t at = n_top++;
            for (; at > 0 && top[at - 1] < v; at--) {
                top[at] = top[at - 1];
            }
            top[at] = v;
        }
    }
    double sum = 0.0;
    for (size_t i = 0; i < want; i++) {
        sum += (double)(i < n_top ? top[i] : last);
    }
    return (float)(sum / (double)k);
}

#endif
