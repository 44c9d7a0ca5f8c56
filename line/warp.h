/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sampling a frame on a turned and shifted grid by six taps an axis. Two kernels: marks and edges
 * are read by an interpolator (Lanczos, three lobes), patches of a part that was found by the same
 * window with a lower cutoff, which looks alike at every fraction of a pixel. Private to line/.
 */
#ifndef DRAE_LINE_WARP_H
#define DRAE_LINE_WARP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A gray picture that somebody else owns. */
typedef struct drae__plane {
    const uint8_t *pixels;
    size_t stride; /* bytes from row to row */
    int width, height;
} drae__plane;

static inline double drae__radians(double degrees) {
    return degrees * (3.14159265358979323846 / 180.0);
}

static inline double drae__degrees(double radians) {
    return radians * (180.0 / 3.14159265358979323846);
}

/* Nominal to frame coordinates (line/frame.h). */
typedef struct drae__pose {
    double center_x, center_y;
    double shift_x, shift_y;
    double cos_a, sin_a;
} drae__pose;

void drae__pose_apply(const drae__pose *pose, double x, double y, double *frame_x, double *frame_y);

/* Interpolation weights by phase: row k holds the taps for a fraction of k / PHASES, the first at
 * two pixels before, then zeros to fill two vectors. Row 0 is (0,0,1,0,0,0) and row PHASES
 * (0,0,0,1,0,0), exactly: whole pixels are copied as they are. */
#define DRAE__WARP_PHASES 256
#define DRAE__WARP_TAPS   6
typedef struct drae__warp_taps {
    float weight[DRAE__WARP_PHASES + 1][8];
} drae__warp_taps;

void drae__warp_taps_init(drae__warp_taps *taps);

/* The same with a cutoff of DRAE__WARP_CUTOFF of the highest frequency that pixels can hold. An
 * interpolator copies at whole pixels and takes 40 % of the noise's power at half ones: a score
 * that hears noise, as SSIM does, then depends on where between two pixels the part happens to lie.
 * Here next to nothing passes beyond the highest frequency, so noise and detail come out the same
 * at every phase, whole pixels included (docs/recipe.md has the figures). */
#define DRAE__WARP_CUTOFF 0.66
void drae__warp_taps_init_even(drae__warp_taps *taps);

/* A grid of n_columns x n_rows points: p(i,j) = origin + i * u + j * v, in frame pixels. */
typedef struct drae__grid {
    double origin_x, origin_y;
    double u_x, u_y;
    double v_x, v_y;
    int n_columns, n_rows;
} drae__grid;

/* Floats of scratch that sampling such a grid needs, for any origin, |u| = step_u along x and
 * |v| = step_v along y (or the other way round) up to max_angle (radians) of turning. */
size_t drae__warp_scratch_floats(int n_columns, int n_rows, double step_u, double step_v,
                                 double max_angle);

/* dst [n_rows, n_columns] = the frame at the grid's points; outside the frame its border pixels
 * continue. scratch as above. */
void drae__warp_sample(const drae__plane *frame, const drae__warp_taps *taps,
                       const drae__grid *grid, float *scratch, float *dst);

#endif
