/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Augmentation of one patch (paper.md, "Perturbation"). Serial per patch: the trainer runs many
 * patches in parallel, so results cannot depend on threads. Random numbers are drawn by the caller
 * (train/augment), which owns the order of the Philox stream; these functions are pure.
 */
#ifndef DRAE_KERNELS_AUGMENT_H
#define DRAE_KERNELS_AUGMENT_H

#include <stdbool.h>
#include <stddef.h>

/* Rotates by angle (radians, counter-clockwise as seen) about the centre (size-1)/2 and, if flip,
 * mirrors top to bottom first; bilinear, borders replicated. src, dst [size,size], no alias.
 * angle 0 copies (or flips) exactly. */
void drae__ref_rotate_flip(int size, double angle, bool flip, const double *src, double *dst);
void drae__cpu_rotate_flip(int size, float angle, bool flip, const float *src, float *dst);

/* One octave of Perlin gradient noise (Perlin 2002 fade 6t^5-15t^4+10t^3) over a lattice of
 * ry x rx cells: gradients holds (ry+1)*(rx+1) angles in radians, row-major; the field is scaled by
 * sqrt(2), about [-1,1]. size need not be a multiple of the lattice. */
void drae__ref_perlin(int size, int ry, int rx, const double *angles, double *dst);
void drae__cpu_perlin(int size, int ry, int rx, const float *angles, float *dst);

/* M = (field > threshold) as 0/1 and N = field min-max scaled to [0,1] (0 where flat). Returns the
 * number of pixels set. */
size_t drae__ref_perlin_mask(size_t pixels, double threshold, const double *field, double *mask,
                             double *noise);
size_t drae__cpu_perlin_mask(size_t pixels, float threshold, const float *field, float *mask,
                             float *noise);

/* X* = clip((1-M) X + (1-beta) M X + beta M N + gauss, 0, 1); gauss (may be NULL) is the additive
 * noise already scaled by sigma. leak: beta N instead of beta M N (the author's code). */
void drae__ref_blend(size_t pixels, const double *x, const double *mask, const double *noise,
                     double beta, bool leak, const double *gauss, double *x_star);
void drae__cpu_blend(size_t pixels, const float *x, const float *mask, const float *noise,
                     float beta, bool leak, const float *gauss, float *x_star);

#endif
