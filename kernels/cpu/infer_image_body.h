/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From grey levels to the first map, and what is made of the reconstruction: score and maps.
 */
#ifndef DRAE_KERNELS_CPU_INFER_IMAGE_BODY_H
#define DRAE_KERNELS_CPU_INFER_IMAGE_BODY_H

#include "kernels/cpu/infer_out_body.h"

static void kernel_load_u8(const uint8_t *src, const drae__map_geometry *map, float *dst) {
    for (int y = 0; y < map->h; y++) {
        const uint8_t *from = src + (size_t)y * (size_t)map->w;
        float *to = dst + y * map->stride;
        int x = 0;
        for (; x + VL <= map->w; x += VL) {
            vf_store(to + x, vf_from_u8(from + x) / vf_set(255.0f));
        }
        for (; x < map->w; x++) {
            to[x] = (float)from[x] / 255.0f;
        }
    }
}

/* ---- phi ---- */

#define PHI_TILE 32                               /* positions a side */
#define PHI_IN   (PHI_TILE + DRAE__SSIM_SIDE - 1) /* pixels a side */
#define PHI_ROW  ((ptrdiff_t)48)                  /* floats a row, PHI_IN rounded up to VL */
#define PHI_MAPS 4                                /* a, b, a^2, b^2; a = x + y, b = x - y */

_Static_assert(PHI_ROW % VL == 0 && PHI_TILE % VL == 0 && PHI_ROW >= PHI_IN, "tiles fit vectors");
_Static_assert(PHI_ROW *(PHI_IN + 1) * PHI_MAPS + VL + DRAE__SSIM_SIDE <= DRAE__INFER_PHI_SCRATCH,
               "scratch holds a tile");

typedef struct phi_images {
    const float *x, *y;
    ptrdiff_t x_stride, y_stride;
    int size;
} phi_images;

/* Sums and differences of the pixels from (row, column) on into maps 0 and 1, pixels outside are 0;
 * then both less their mean over the tile, and the squares. mean[0..1] are the two means. */
INLINE void phi_load(const phi_images *im, int row, int column, float *maps, float mean[2]) {
    float *a = maps, *b = maps + PHI_IN * PHI_ROW;
    float *aa = b + PHI_IN * PHI_ROW, *bb = aa + PHI_IN * PHI_ROW;
    vf sum_a = vf_set(0.0f), sum_b = vf_set(0.0f);
    int count = 0;
    for (int i = 0; i < PHI_IN; i++) {
        ptrdiff_t at = i * PHI_ROW;
        int y = row + i;
        memset(a + at, 0, PHI_ROW * sizeof *a);
        memset(b + at, 0, PHI_ROW * sizeof *b);
        if (y < 0 || y >= im->size) {
            continue;
        }
        int lo = column < 0 ? -column : 0;
        int hi = im->size - column < PHI_IN ? im->size - column : PHI_IN;
        const float *px = im->x + y * im->x_stride + column;
        const float *py = im->y + y * im->y_stride + column;
        for (int k = lo; k < hi; k++) {
            a[at + k] = px[k] + py[k];
            b[at + k] = px[k] - py[k];
        }
        for (int k = 0; k < PHI_ROW; k += VL) {
            sum_a += vf_load(a + at + k);
            sum_b += vf_load(b + at + k);
        }
        count += hi - lo;
    }
    mean[0] = mean[1] = 0.0f;
    for (int lane = 0; lane < VL; lane++) {
        mean[0] += sum_a[lane];
        mean[1] += sum_b[lane];
    }
    mean[0] /= (float)count;
    mean[1] /= (float)count;
    vf mean_a = vf_set(mean[0]), mean_b = vf_set(mean[1]);
    for (ptrdiff_t at = 0; at < PHI_IN * PHI_ROW; at += VL) {
        vf va = vf_load(a + at) - mean_a, vb = vf_load(b + at) - mean_b;
        vf_store(a + at, va);
        vf_store(b + at, vb);
        vf_store(aa + at, va * va);
        vf_store(bb + at, vb * vb);
    }
}

/* 1 - SSIM at VL positions from the four filtered maps. */
INLINE vf phi_positions(vf a, vf b, vf aa, vf bb, const float mean[2]) {
    const vf zero = vf_set(0.0f), half = vf_set(0.5f);
    vf var_a = vf_max(zero, aa - a * a), var_b = vf_max(zero, bb - b * b);
    vf ma = a + vf_set(mean[0]), mb = b + vf_set(mean[1]);
    vf ma2 = ma * ma, mb2 = mb * mb;
    vf levels = half * (ma2 + mb2) + vf_set((float)DRAE__SSIM_C1);
    vf cross = half * (ma2 - mb2) + vf_set((float)DRAE__SSIM_C1);
    vf spread = half * (var_a + var_b) + vf_set((float)DRAE__SSIM_C2);
    return (mb2 * spread + cross * var_b) / (levels * spread);
}

/* Sum of 1 - SSIM over rows x columns positions of a loaded tile: down the columns first, then
 * along the row, then lanes in order. */
INLINE double phi_sum(float *maps, const float weights[DRAE__SSIM_SIDE], const float mean[2],
                      int rows, int columns) {
    float *line = maps + PHI_ROW * PHI_IN * PHI_MAPS; /* one row of each map */
    double total = 0.0;
    for (int i = 0; i < rows; i++) {
        for (int m = 0; m < PHI_MAPS; m++) {
            for (int k = 0; k < PHI_ROW; k += VL) {
                const float *p = maps + (m * PHI_IN + i) * PHI_ROW + k;
                vf acc = vf_set(0.0f);
                UNROLL
                for (int t = 0; t < DRAE__SSIM_SIDE; t++) {
                    acc = vf_fma(vf_set(weights[t]), vf_load(p + t * PHI_ROW), acc);
                }
                vf_store(line + m * PHI_ROW + k, acc);
            }
        }
        for (int k = 0; k < columns; k += VL) {
            vf acc[PHI_MAPS];
            UNROLL
            for (int m = 0; m < PHI_MAPS; m++) {
                acc[m] = vf_set(0.0f);
                UNROLL
                for (int t = 0; t < DRAE__SSIM_SIDE; t++) {
                    acc[m] =
                        vf_fma(vf_set(weights[t]), vf_load(line + m * PHI_ROW + k + t), acc[m]);
                }
            }
            vf phi = phi_positions(acc[0], acc[1], acc[2], acc[3], mean);
            int n = lanes_left(columns, k);
            double sum = 0.0;
            for (int lane = 0; lane < n; lane++) {
                sum += (double)phi[lane];
            }
            total += sum;
        }
    }
    return total;
}

static float kernel_phi(drae__ssim_window window, int size, const float *x, ptrdiff_t x_stride,
                        const float *y, ptrdiff_t y_stride, float *scratch) {
    double exact[DRAE__SSIM_SIDE];
    float weights[DRAE__SSIM_SIDE];
    drae__ssim_weights(window, exact);
    for (int t = 0; t < DRAE__SSIM_SIDE; t++) {
        weights[t] = (float)exact[t];
    }
    const phi_images images = {x, y, x_stride, y_stride, size};
    int side = drae__ssim_map_side(window, size);
    int lead = window == DRAE__SSIM_GAUSSIAN ? 0 : DRAE__SSIM_SIDE / 2;
    double total = 0.0;
    for (int row = 0; row < side; row += PHI_TILE) {
        for (int column = 0; column < side; column += PHI_TILE) {
            float mean[2];
            phi_load(&images, row - lead, column - lead, scratch, mean);
            total += phi_sum(scratch, weights, mean, side - row < PHI_TILE ? side - row : PHI_TILE,
                             side - column < PHI_TILE ? side - column : PHI_TILE);
        }
    }
    return (float)(total / ((double)side * side));
}

/* ---- maps ---- */

static void kernel_residual(int size, const float *x, ptrdiff_t x_stride, const float *y,
                            ptrdiff_t y_stride, float *dst, float *lo, float *hi) {
    float least = __builtin_inff(), greatest = 0.0f;
    for (int row = 0; row < size; row++) {
        const float *px = x + row * x_stride, *py = y + row * y_stride;
        float *to = dst + (ptrdiff_t)row * size;
        for (int k = 0; k < size; k++) {
            float d = __builtin_fabsf(px[k] - py[k]);
            to[k] = d;
            least = d < least ? d : least;
            greatest = d > greatest ? d : greatest;
        }
    }
    *lo = least;
    *hi = greatest;
}

static void kernel_to_u8(size_t n, const float *src, float lo, float scale, uint8_t *dst) {
    for (size_t i = 0; i < n; i++) {
        float t = (src[i] - lo) * scale;
        t = t > 0.0f ? t : 0.0f;
        t = t < 1.0f ? t : 1.0f;
        dst[i] = (uint8_t)(t * 255.0f + 0.5f);
    }
}

#endif
