/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Structural similarity (Wang, Bovik, Sheikh, Simoncelli 2004) of images in [0,1], data range 1,
 * K1 = 0.01, K2 = 0.03, with its gradient (paper.md "Losses"):
 *   GAUSSIAN  11x11 window, sigma 1.5, normalised, valid positions: (size-10)^2 of them, their mean
 *   UNIFORM   11x11 box of weight 1/121, zero padding, size^2 positions, their mean
 * The map at a position:
 *   (2 mx my + C1)(2 sxy + C2) / ((mx^2 + my^2 + C1)(sxx + syy + C2))
 * with central second moments. In f32 they are computed in a numerically safe form: a constant near
 * the local level is subtracted first, never raw E[x^2] - E[x]^2 (design.md, kernels.md).
 */
#ifndef DRAE_KERNELS_SSIM_H
#define DRAE_KERNELS_SSIM_H

#include <stddef.h>

#define DRAE__SSIM_SIDE  11
#define DRAE__SSIM_SIGMA 1.5
#define DRAE__SSIM_C1    (0.01 * 0.01)
#define DRAE__SSIM_C2    (0.03 * 0.03)

typedef enum drae__ssim_window {
    DRAE__SSIM_GAUSSIAN = 0,
    DRAE__SSIM_UNIFORM = 1
} drae__ssim_window;

/* The 11 weights of one axis, summing to 1. */
void drae__ssim_weights(drae__ssim_window window, double weights[DRAE__SSIM_SIDE]);

/* Side of the map: size - 10 (GAUSSIAN) or size (UNIFORM). */
static inline int drae__ssim_map_side(drae__ssim_window window, int size) {
    return window == DRAE__SSIM_GAUSSIAN ? size - (DRAE__SSIM_SIDE - 1) : size;
}

/* ---- ref ---- mean SSIM of one image pair [size,size]; map (may be NULL) [side,side]. Direct
 * two-dimensional windows, two-pass moments. */
double drae__ref_ssim(drae__ssim_window window, int size, const double *x, const double *y,
                      double *map);
/* dy = d(mean SSIM)/dy. */
void drae__ref_ssim_bwd(drae__ssim_window window, int size, const double *x, const double *y,
                        double *dy);

/* ---- cpu ---- n image pairs; each image's result in fixed order, images in parallel.
 * score[i] = mean SSIM of image i. map (may be NULL) [n,side,side]. scratch: at least
 * drae__cpu_ssim_scratch_bytes(size) times the number of OpenMP threads. */
size_t drae__cpu_ssim_scratch_bytes(int size);
void drae__cpu_ssim(drae__ssim_window window, int n, int size, const float *x, const float *y,
                    float *score, float *map, void *scratch);
/* Forward and backward together, for training: score[i], and dy = scale * d(mean SSIM_i)/dy. */
void drae__cpu_ssim_grad(drae__ssim_window window, int n, int size, float scale, const float *x,
                         const float *y, float *score, float *dy, void *scratch);

#endif
