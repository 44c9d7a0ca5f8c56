/* SPDX-License-Identifier: Apache-2.0 */
/* The head; kernels/head.h has the formulas. All layers are one convolution of 16 planes, whose
 * padding is zero, so no window asks where the border is. Sides are multiples of 16. */
#ifndef DRAE_KERNELS_CPU_INFER_HEAD_BODY_H
#define DRAE_KERNELS_CPU_INFER_HEAD_BODY_H

#include "kernels/cpu/infer_body.h"
#include "kernels/head.h"

#define H_CO 4 /* planes and */
#define H_NV 2 /* vectors of one tile of the convolution */

/* a = C_step src + bias in rows [row, row + 1) of four planes from co on. wei: of the layer. */
INLINE void h_tile(int side, int step, const float *src, const float *wei, int co, ptrdiff_t at,
                   float *dst) {
    const ptrdiff_t pitch = drae__h_pitch(side), plane = drae__h_plane(side);
    vf acc[H_CO][H_NV];
    UNROLL
    for (int i = 0; i < H_CO; i++) {
        UNROLL
        for (int v = 0; v < H_NV; v++) {
            acc[i][v] = vf_set(wei[DRAE__H_PLANES * DRAE__H_PLANES * 9 + co + i]);
        }
    }
    for (int ci = 0; ci < DRAE__H_PLANES; ci++) {
        const float *from = src + ci * plane + at;
        const float *w = wei + ((ptrdiff_t)co * DRAE__H_PLANES + ci) * 9;
        UNROLL
        for (int t = 0; t < 9; t++) {
            const float *p = from + (t / 3 - 1) * step * pitch + (t % 3 - 1) * step;
            vf v0 = vf_load(p), v1 = vf_load(p + VL);
            UNROLL
            for (int i = 0; i < H_CO; i++) {
                vf c = vf_set(w[i * DRAE__H_PLANES * 9 + t]);
                acc[i][0] = vf_fma(c, v0, acc[i][0]);
                acc[i][1] = vf_fma(c, v1, acc[i][1]);
            }
        }
    }
    UNROLL
    for (int i = 0; i < H_CO; i++) {
        vf_store(dst + (co + i) * plane + at, acc[i][0]);
        vf_store(dst + (co + i) * plane + at + VL, acc[i][1]);
    }
}

static void kernel_head_conv(int side, int step, const float *src, const float *weights,
                             float *dst) {
    const ptrdiff_t pitch = drae__h_pitch(side), origin = drae__h_origin(side);
    for (int row = 0; row < side; row++) {
        for (int co = 0; co < DRAE__H_PLANES; co += H_CO) {
            /* A side that is no multiple of two vectors is finished by one that overlaps. */
            for (int k = 0; k < side; k += H_NV * VL) {
                int from = k + H_NV * VL <= side ? k : side - H_NV * VL;
                h_tile(side, step, src, weights, co, origin + row * pitch + from, dst);
            }
        }
    }
}

/* Sums over pixels of four planes of d_a times three columns of a plane of src. */
INLINE void h_sums(int side, const float *src, const float *d_a, int step, vf sums[H_CO][3]) {
    const ptrdiff_t pitch = drae__h_pitch(side), plane = drae__h_plane(side);
    UNROLL
    for (int i = 0; i < H_CO; i++) {
        UNROLL
        for (int t = 0; t < 3; t++) {
            sums[i][t] = vf_set(0.0f);
        }
    }
    for (int row = 0; row < side; row++) {
        const float *s = src + row * pitch, *d = d_a + row * pitch;
        for (int k = 0; k < side; k += VL) {
            vf v[3] = {vf_load(s + k - step), vf_load(s + k), vf_load(s + k + step)};
            UNROLL
            for (int i = 0; i < H_CO; i++) {
                vf g = vf_load(d + i * plane + k);
                UNROLL
                for (int t = 0; t < 3; t++) {
                    sums[i][t] = vf_fma(g, v[t], sums[i][t]);
                }
            }
        }
    }
}

INLINE float h_sum(vf v) {
    float sum = 0.0f;
    for (int i = 0; i < VL; i++) {
        sum += v[i];
    }
    return sum;
}

static void kernel_head_gradient(int side, int step, const float *src, const float *d_a,
                                 float *gradient) {
    const ptrdiff_t pitch = drae__h_pitch(side), plane = drae__h_plane(side);
    const ptrdiff_t origin = drae__h_origin(side);
    for (int co = 0; co < DRAE__H_PLANES; co += H_CO) {
        const float *d = d_a + co * plane + origin;
        for (int ci = 0; ci < DRAE__H_PLANES; ci++) {
            for (int ky = 0; ky < 3; ky++) {
                vf sums[H_CO][3];
                h_sums(side, src + ci * plane + origin + (ky - 1) * step * pitch, d, step, sums);
                for (int i = 0; i < H_CO; i++) {
                    float *to = gradient + ((co + i) * DRAE__H_PLANES + ci) * 9 + 3 * ky;
                    for (int t = 0; t < 3; t++) {
                        to[t] = h_sum(sums[i][t]);
                    }
                }
            }
        }
        for (int i = 0; i < H_CO; i++) {
            vf sum = vf_set(0.0f);
            for (int row = 0; row < side; row++) {
                for (int k = 0; k < side; k += VL) {
                    sum = sum + vf_load(d + i * plane + row * pitch + k);
                }
            }
            gradient[DRAE__H_PLANES * DRAE__H_PLANES * 9 + co + i] = h_sum(sum);
        }
    }
}

static void h_clear(int side, float *planes) {
    memset(planes, 0, (size_t)(DRAE__H_PLANES * drae__h_plane(side)) * sizeof *planes);
}

static void kernel_head_input(int size, const float *x, ptrdiff_t x_stride, const float *y,
                              ptrdiff_t y_stride, const float *mean, const float *scale,
                              ptrdiff_t map_stride, const float *m, float *planes) {
    const int side = size / 2;
    const ptrdiff_t pitch = drae__h_pitch(side), plane = drae__h_plane(side);
    h_clear(side, planes);
    for (int row = 0; row < size; row++) {
        const float *px = x + row * x_stride, *py = y + row * y_stride;
        const float *pm = mean + row * map_stride, *ps = scale + row * map_stride;
        const float *filtered = m + (ptrdiff_t)row * size;
        float *to = planes + drae__h_origin(side) + row / 2 * pitch + 2 * (row & 1) * plane;
        for (int half = 0; half < 2; half++) {
            float *p = to + half * plane;
            for (int k = 0; k < side; k++) {
                const int i = 2 * k + half;
                float d = px[i] - py[i];
                p[k] = 20.0f * d;
                p[4 * plane + k] = (d - pm[i]) / ps[i];
                p[8 * plane + k] = 2.0f * py[i] - 1.0f;
                p[12 * plane + k] = 0.125f * filtered[i];
            }
        }
    }
}

/* t = L(a), or t + L(a), inside; the padding of t stays zero. */
static void kernel_head_rectify(int side, bool add, const float *a, float *t) {
    const ptrdiff_t pitch = drae__h_pitch(side), plane = drae__h_plane(side);
    for (int c = 0; c < DRAE__H_PLANES; c++) {
        for (int row = 0; row < side; row++) {
            const ptrdiff_t at = c * plane + drae__h_origin(side) + row * pitch;
            for (int k = 0; k < side; k += VL) {
                vf v = vf_load(a + at + k);
                v = vf_max(v, vf_set(DRAE__H_SLOPE) * v);
                if (add) {
                    v = vf_load(t + at + k) + v;
                }
                vf_store(t + at + k, v);
            }
        }
    }
}

static void kernel_head_out(int side, const float *t, const float *weights, float *o) {
    const ptrdiff_t pitch = drae__h_pitch(side), plane = drae__h_plane(side);
    for (int row = 0; row < side; row++) {
        const float *from = t + drae__h_origin(side) + row * pitch;
        for (int k = 0; k < side; k += VL) {
            vf acc = vf_set(weights[DRAE__H_PLANES]);
            for (int c = 0; c < DRAE__H_PLANES; c++) {
                acc = vf_fma(vf_set(weights[c]), vf_load(from + c * plane + k), acc);
            }
            vf_store(o + (ptrdiff_t)row * side + k, acc);
        }
    }
}

static void kernel_head_map(int size, const float *x, ptrdiff_t x_stride, const float *y,
                            ptrdiff_t y_stride, const float *mean, const float *scale,
                            const float *m, const float *weights, float *dst, float *scratch) {
    static const int steps[DRAE__H_LAYERS] = DRAE__H_STEPS;
    const int side = size / 2;
    float *t = scratch, *a = t + DRAE__H_PLANES * drae__h_plane(side);
    kernel_head_input(size, x, x_stride, y, y_stride, mean, scale, size, m, t);
    for (int l = 0; l < DRAE__H_LAYERS; l++) {
        kernel_head_conv(side, steps[l], t, weights + (ptrdiff_t)l * DRAE__H_LAYER, a);
        kernel_head_rectify(side, l > 0, a, t);
    }
    kernel_head_out(side, t, weights + (ptrdiff_t)DRAE__H_LAYERS * DRAE__H_LAYER, a);
    for (int row = 0; row < size; row++) {
        for (int k = 0; k < size; k++) {
            float o = a[(ptrdiff_t)(row / 2) * side + k / 2];
            dst[(ptrdiff_t)row * size + k] = o > 0.0f ? 1.0f + o : 1.0f / (1.0f - o);
        }
    }
}

static const drae__head_kernels head_table = {.map = kernel_head_map,
                                              .input = kernel_head_input,
                                              .conv = kernel_head_conv,
                                              .rectify = kernel_head_rectify,
                                              .out = kernel_head_out,
                                              .gradient = kernel_head_gradient};

#endif
