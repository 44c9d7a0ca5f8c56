/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The two dense layers of the bottleneck. Both are bound by the weights (w = 16: 8 MB each), so a
 * unit of work is a slice of the weights for all patches of the batch; a register holds
 * neighbouring outputs, features are broadcast.
 */
#ifndef DRAE_KERNELS_CPU_INFER_DENSE_BODY_H
#define DRAE_KERNELS_CPU_INFER_DENSE_BODY_H

#include "kernels/cpu/infer_body.h"

/* acc[p][v] = sum over k of src[p * src_stride + k] * wei[k * wei_stride + v * VL ..], rows rows.
 */
INLINE void dense_tile(int rows, size_t terms, const float *src, size_t src_stride,
                       const float *wei, size_t wei_stride, vf acc[NP][NVD]) {
    UNROLL
    for (int p = 0; p < rows; p++) {
        UNROLL
        for (int v = 0; v < NVD; v++) {
            acc[p][v] = vf_set(0.0f);
        }
    }
    for (size_t k = 0; k < terms; k++) {
        vf w[NVD];
        UNROLL
        for (int v = 0; v < NVD; v++) {
            w[v] = vf_load(wei + k * wei_stride + (size_t)v * VL);
        }
        UNROLL
        for (int p = 0; p < rows; p++) {
            vf s = vf_set(src[(size_t)p * src_stride + k]);
            UNROLL
            for (int v = 0; v < NVD; v++) {
                acc[p][v] = vf_fma(s, w[v], acc[p][v]);
            }
        }
    }
}

INLINE void down_rows(int rows, size_t elems, size_t latent_padded, size_t begin, size_t end,
                      const float *src, const float *wei, float *partial) {
    for (size_t j = 0; j < latent_padded; j += (size_t)NVD * VL) {
        vf acc[NP][NVD];
        dense_tile(rows, end - begin, src + begin, elems, wei + begin * latent_padded + j,
                   latent_padded, acc);
        for (int p = 0; p < rows; p++) {
            for (int v = 0; v < NVD; v++) {
                vf_store(partial + (size_t)p * latent_padded + j + (size_t)v * VL, acc[p][v]);
            }
        }
    }
}

static void kernel_down(size_t n, size_t elems, size_t latent_padded, size_t begin, size_t end,
                        const float *src, const float *wei, float *partial) {
    size_t p = 0;
    for (; p + NP <= n; p += NP) {
        down_rows(NP, elems, latent_padded, begin, end, src + p * elems, wei,
                  partial + p * latent_padded);
    }
    for (; p < n; p++) {
        down_rows(1, elems, latent_padded, begin, end, src + p * elems, wei,
                  partial + p * latent_padded);
    }
}

typedef struct up_epilogue {
    const float *bias, *scale, *shift;
    float slope;
} up_epilogue;

INLINE void up_rows(int rows, size_t elems, size_t latent, size_t latent_padded, size_t begin,
                    const float *src, const float *wei, const up_epilogue *e, float *dst) {
    vf slope = vf_set(e->slope);
    for (size_t i = 0; i < DRAE__INFER_UP_BLOCK; i += (size_t)NVD * VL) {
        vf acc[NP][NVD];
        dense_tile(rows, latent, src, latent_padded, wei + begin * latent + i, DRAE__INFER_UP_BLOCK,
                   acc);
        for (int v = 0; v < NVD; v++) {
            size_t at = begin + i + (size_t)v * VL;
            vf bias = vf_load(e->bias + at), scale = vf_load(e->scale + at);
            vf shift = vf_load(e->shift + at);
            for (int p = 0; p < rows; p++) {
                vf up = vf_leaky(acc[p][v] + bias, slope);
                vf_store(dst + (size_t)p * elems + at, vf_leaky(vf_fma(scale, up, shift), slope));
            }
        }
    }
}

static void kernel_up(size_t n, size_t elems, size_t latent, size_t latent_padded, size_t begin,
                      const float *src, const float *wei, const float *bias, const float *scale,
                      const float *shift, float slope, float *dst) {
    const up_epilogue e = {bias, scale, shift, slope};
    size_t p = 0;
    for (; p + NP <= n; p += NP) {
        up_rows(NP, elems, latent, latent_padded, begin, src + p * latent_padded, wei, &e,
                dst + p * elems);
    }
    for (; p < n; p++) {
        up_rows(1, elems, latent, latent_padded, begin, src + p * latent_padded, wei, &e,
                dst + p * elems);
    }
}

#endif
