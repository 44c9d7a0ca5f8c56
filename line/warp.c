/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The part of the frame under the grid is copied into a float tile with its border continued, so
 * that the inner loop neither converts nor clamps. Positions are 32.32 fixed point: the steps are
 * exact and the result does not depend on how a loop is cut.
 */
#include "line/warp.h"

#include <math.h>
#include <string.h>

#define FIXED_ONE   4294967296.0
#define PHASE_BITS  8
#define PHASE_SHIFT (32 - PHASE_BITS)

_Static_assert((1 << PHASE_BITS) == DRAE__WARP_PHASES, "phases are a power of two");

/* Taps are read from two pixels before to five behind, the last two with weight zero; one more for
 * the rounding of the bounds. */
#define TAPS_BEFORE 2
#define TILE_BEFORE (TAPS_BEFORE + 1)
#define TILE_BEHIND 6

void drae__pose_apply(const drae__pose *pose, double x, double y, double *frame_x,
                      double *frame_y) {
    double dx = x - pose->center_x, dy = y - pose->center_y;
    *frame_x = pose->center_x + pose->shift_x + pose->cos_a * dx - pose->sin_a * dy;
    *frame_y = pose->center_y + pose->shift_y + pose->sin_a * dx + pose->cos_a * dy;
}

static double sinc(double x) {
    double a = 3.14159265358979323846 * x;
    return x == 0.0 ? 1.0 : sin(a) / a;
}

/* sinc(cutoff x) sinc(x / 3), every row scaled to a sum of 1. */
static void fill_taps(drae__warp_taps *taps, double cutoff) {
    memset(taps, 0, sizeof *taps);
    for (int k = 0; k <= DRAE__WARP_PHASES; k++) {
        double t = (double)k / DRAE__WARP_PHASES, weight[DRAE__WARP_TAPS], sum = 0.0;
        for (int i = 0; i < DRAE__WARP_TAPS; i++) {
            double x = t - (i - TAPS_BEFORE);
            weight[i] = fabs(x) < 3.0 ? sinc(cutoff * x) * sinc(x / 3.0) : 0.0;
            sum += weight[i];
        }
        for (int i = 0; i < DRAE__WARP_TAPS; i++) {
            taps->weight[k][i] = (float)(weight[i] / sum);
        }
    }
}

void drae__warp_taps_init(drae__warp_taps *taps) {
    fill_taps(taps, 1.0);
    for (int i = 0; i < DRAE__WARP_TAPS; i++) { /* exactly, where sin(pi) would leave a rest */
        taps->weight[0][i] = i == TAPS_BEFORE ? 1.0f : 0.0f;
        taps->weight[DRAE__WARP_PHASES][i] = i == TAPS_BEFORE + 1 ? 1.0f : 0.0f;
    }
}

void drae__warp_taps_init_even(drae__warp_taps *taps) {
    fill_taps(taps, DRAE__WARP_CUTOFF);
}

/* The extent of the grid in frame pixels, taps included. */
static void tile_bounds(const drae__grid *grid, int64_t *left, int64_t *top, int64_t *width,
                        int64_t *height) {
    double i = grid->n_columns - 1, j = grid->n_rows - 1;
    double iu_x = i * grid->u_x, iu_y = i * grid->u_y;
    double jv_x = j * grid->v_x, jv_y = j * grid->v_y;
    double lo_x = grid->origin_x + fmin(0.0, iu_x) + fmin(0.0, jv_x);
    double hi_x = grid->origin_x + fmax(0.0, iu_x) + fmax(0.0, jv_x);
    double lo_y = grid->origin_y + fmin(0.0, iu_y) + fmin(0.0, jv_y);
    double hi_y = grid->origin_y + fmax(0.0, iu_y) + fmax(0.0, jv_y);
    *left = (int64_t)floor(lo_x) - TILE_BEFORE;
    *top = (int64_t)floor(lo_y) - TILE_BEFORE;
    *width = (int64_t)floor(hi_x) + TILE_BEHIND - *left + 1;
    *height = (int64_t)floor(hi_y) + TILE_BEHIND - *top + 1;
}

size_t drae__warp_scratch_floats(int n_columns, int n_rows, double step_u, double step_v,
                                 double max_angle) {
    double s = fabs(sin(max_angle));
    double along_u = n_columns * step_u, along_v = n_rows * step_v;
    double slack = TILE_BEFORE + TILE_BEHIND + 3;
    return (size_t)ceil(along_u + s * along_v + slack) *
           (size_t)ceil(along_v + s * along_u + slack);
}

static int64_t clamp(int64_t v, int64_t lo, int64_t hi) {
    return v < lo ? lo : v > hi ? hi : v;
}

static void load_tile(const drae__plane *frame, int64_t left, int64_t top, int64_t width,
                      int64_t height, float *tile) {
    /* columns: [0, inner_lo) repeat the first pixel, [inner_lo, inner_hi) lie inside */
    int64_t inner_lo = clamp(-left, 0, width);
    int64_t inner_hi = clamp(frame->width - left, inner_lo, width);
    for (int64_t y = 0; y < height; y++) {
        const uint8_t *row =
            frame->pixels + (size_t)clamp(top + y, 0, frame->height - 1) * frame->stride;
        float *dst = tile + y * width;
        for (int64_t x = 0; x < inner_lo; x++) {
            dst[x] = row[0];
        }
        const uint8_t *src = row + (inner_hi > inner_lo ? left + inner_lo : 0);
        for (int64_t x = 0; x < inner_hi - inner_lo; x++) {
            dst[inner_lo + x] = src[x];
        }
        for (int64_t x = inner_hi; x < width; x++) {
            dst[x] = row[frame->width - 1];
        }
    }
}

/* Four floats at a time, unaligned: the compilers' own vectors, which every target has. */
typedef float quad __attribute__((vector_size(16)));

static inline quad load(const float *src) {
    quad value;
    memcpy(&value, src, sizeof value);
    return value;
}

/* One row of points; x, y are fixed point in tile coordinates. */
static void sample_row(const float *tile, int64_t tile_width, const drae__warp_taps *taps,
                       int64_t x, int64_t y, int64_t u_x, int64_t u_y, int n, float *dst) {
    const int64_t half_phase = (int64_t)1 << (PHASE_SHIFT - 1);
    const uint64_t fraction = 0xffffffffu;
    for (int i = 0; i < n; i++) {
        const float *wx =
            taps->weight[(((uint64_t)x & fraction) + (uint64_t)half_phase) >> PHASE_SHIFT];
        const float *wy =
            taps->weight[(((uint64_t)y & fraction) + (uint64_t)half_phase) >> PHASE_SHIFT];
        const float *row =
            tile + ((y >> 32) - TAPS_BEFORE) * tile_width + ((x >> 32) - TAPS_BEFORE);
        quad first = load(row) * wy[0], second = load(row + 4) * wy[0];
        for (int k = 1; k < DRAE__WARP_TAPS; k++) {
            row += tile_width;
            first += load(row) * wy[k];
            second += load(row + 4) * wy[k];
        }
        quad sum = first * load(wx) + second * load(wx + 4);
        dst[i] = (sum[0] + sum[1]) + (sum[2] + sum[3]);
        x += u_x;
        y += u_y;
    }
}

void drae__warp_sample(const drae__plane *frame, const drae__warp_taps *taps,
                       const drae__grid *grid, float *scratch, float *dst) {
    int64_t left, top, width, height;
    tile_bounds(grid, &left, &top, &width, &height);
    load_tile(frame, left, top, width, height, scratch);
    int64_t x = llrint((grid->origin_x - (double)left) * FIXED_ONE);
    int64_t y = llrint((grid->origin_y - (double)top) * FIXED_ONE);
    int64_t u_x = llrint(grid->u_x * FIXED_ONE), u_y = llrint(grid->u_y * FIXED_ONE);
    int64_t v_x = llrint(grid->v_x * FIXED_ONE), v_y = llrint(grid->v_y * FIXED_ONE);
    for (int j = 0; j < grid->n_rows; j++) {
        sample_row(scratch, width, taps, x + j * v_x, y + j * v_y, u_x, u_y, grid->n_columns,
                   dst + (size_t)j * (size_t)grid->n_columns);
    }
}
