/* SPDX-License-Identifier: Apache-2.0 */
/* The last layer: from the last map to the reconstruction. */
#ifndef DRAE_KERNELS_CPU_INFER_OUT_BODY_H
#define DRAE_KERNELS_CPU_INFER_OUT_BODY_H

#include "kernels/cpu/infer_sigmoid.h"

/* wei: nine elements a plane. */
INLINE void out_rows(int planes, const drae__map_geometry *map, const float *src, const float *wei,
                     float bias, float *dst) {
    for (int y = 0; y < map->h; y++) {
        for (int x = 0; x < map->w; x += NVO * VL) {
            vf acc[NVO];
            UNROLL
            for (int j = 0; j < NVO; j++) {
                acc[j] = vf_set(bias);
            }
            /* Vectors behind the row's end repeat its last one. */
            ptrdiff_t at[NVO];
            for (int j = 0; j < NVO; j++) {
                int column = x + j * VL;
                at[j] = column < map->w ? column : x;
            }
            const float *p = src + (y - 1) * map->stride - 1;
            const float *w = wei;
            for (int i = 0; i < planes; i++) {
                for (int ky = 0; ky < 3; ky++) {
                    UNROLL
                    for (int kx = 0; kx < 3; kx++) {
                        vf tap = vf_set(w[3 * ky + kx]);
                        UNROLL
                        for (int j = 0; j < NVO; j++) {
                            vf_product(&acc[j], tap, vf_load(p + ky * map->stride + kx + at[j]));
                        }
                    }
                }
                p += map->plane;
                w += 9;
            }
            UNROLL
            for (int j = 0; j < NVO; j++) {
                if (x + j * VL < map->w) {
                    vf_store_n(dst + (ptrdiff_t)y * map->w + x + (ptrdiff_t)j * VL,
                               vf_sigmoid(acc[j]), lanes_left(map->w, x + j * VL));
                }
            }
        }
    }
}

#if !PAIRS
static void kernel_out(int c_in, const drae__map_geometry *map, const float *src, const float *wei,
                       float bias, float *dst) {
    out_rows(c_in, map, src, wei, bias, dst);
}
#endif

#endif
