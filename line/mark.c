/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Preparing a mark: template without mean, slopes and their 2x2 matrix for least squares, and the
 * turned, averaged-down templates of the coarse search.
 */
#include "line/mark.h"

#include "line/correlate.h"

#include <math.h>
#include <string.h>

/* Multiplications that a coarse search should cost; the least decimation that keeps below is
 * taken, because averaging down loses detail. */
#define COARSE_WORK     4000000.0
#define COARSE_SIDE_MIN 6    /* coarse pixels a side */
#define COARSE_KEEP     0.5  /* share of its spread that a template must keep when averaged down */
#define COARSE_BLUR     0.75 /* coarse pixels that a corner may be off between two angles */

double drae__mark_spread(const drae__fixture_mark *source) {
    double sum = 0.0, square = 0.0;
    size_t n = (size_t)source->width * (size_t)source->height;
    for (size_t i = 0; i < n; i++) {
        sum += source->pixels[i];
        square += (double)source->pixels[i] * source->pixels[i];
    }
    double mean = sum / (double)n;
    return sqrt(fmax(0.0, square / (double)n - mean * mean));
}

/* ---- preparation ---- */

static int crop_margin(int side, double max_angle) {
    return (int)ceil(0.5 * side * sin(max_angle));
}

/* Sizes of the coarse template at a decimation; false when it becomes too small. */
static bool coarse_size(const drae__plane *source, double max_angle, int decimate, int *w, int *h) {
    *w = (source->width - 2 * crop_margin(source->height, max_angle)) / decimate;
    *h = (source->height - 2 * crop_margin(source->width, max_angle)) / decimate;
    return *w >= COARSE_SIDE_MIN && *h >= COARSE_SIDE_MIN;
}

static int coarse_angles(int w, int h, double max_angle) {
    double swing = 0.5 * hypot(w, h) * max_angle;
    int n = swing <= COARSE_BLUR ? 1 : 1 + 2 * (int)ceil((swing - COARSE_BLUR) / (2 * COARSE_BLUR));
    return n > DRAE__MARK_ANGLES_MAX ? DRAE__MARK_ANGLES_MAX : n;
}

static int coarse_positions(int search, int decimate) {
    return 2 * search / decimate + 1;
}

/* The turned coarse templates at most: full size, rows padded. */
static size_t coarse_bytes(const drae__fixture_mark *source) {
    return (size_t)drae__lane_stride(source->width) * (size_t)source->height * sizeof(float) *
           DRAE__MARK_ANGLES_MAX;
}

bool drae__mark_book(const drae__fixture_mark *source, size_t *total) {
    size_t bytes = (size_t)source->width * (size_t)source->height * sizeof(float);
    bool fits = drae__arena_book(total, coarse_bytes(source));
    for (int i = 0; i < 3; i++) { /* template and slopes */
        fits = fits && drae__arena_book(total, bytes);
    }
    return fits;
}

size_t drae__mark_scratch_floats(const drae__fixture_mark *source, const drae__fixture *fixture) {
    double max_angle = drae__radians(fixture->max_angle_deg) + DRAE__MARK_ANGLE_SLACK;
    int side_w = source->width + 2 * DRAE__MARK_DECIMATE_MAX;
    int side_h = source->height + 2 * DRAE__MARK_DECIMATE_MAX;
    size_t fine = (size_t)side_w * (size_t)side_h +
                  drae__warp_scratch_floats(side_w, side_h, 1.0, 1.0, max_angle);
    size_t coarse = 0;
    for (int decimate = 1; decimate <= DRAE__MARK_DECIMATE_MAX; decimate *= 2) {
        size_t n = (size_t)coarse_positions(fixture->search_px, decimate);
        size_t w = n + (size_t)drae__lane_stride(source->width / decimate);
        size_t h = n + (size_t)(source->height / decimate);
        size_t floats = 4 * w + w * h + 2 * n * n; /* column sums, window, scores and angles */
        coarse = floats > coarse ? floats : coarse;
    }
    return fine > coarse ? fine : coarse;
}

/* The template turned by `angle`, its middle averaged down to w x h, mean taken off, rows
 * padded; returns the sum of squares. A turned picture is the picture read at places turned back.
 */
static double make_coarse(const drae__plane *source, const drae__warp_taps *taps, int decimate,
                          int w, int h, double angle, float *scratch, float *dst) {
    int full_w = w * decimate, full_h = h * decimate;
    int crop_x = (source->width - full_w) / 2, crop_y = (source->height - full_h) / 2;
    double dx = crop_x - 0.5 * (source->width - 1), dy = crop_y - 0.5 * (source->height - 1);
    double c = cos(angle), s = sin(angle);
    drae__grid grid = {.origin_x = 0.5 * (source->width - 1) + c * dx + s * dy,
                       .origin_y = 0.5 * (source->height - 1) - s * dx + c * dy,
                       .u_x = c,
                       .u_y = -s,
                       .v_x = s,
                       .v_y = c,
                       .n_columns = full_w,
                       .n_rows = full_h};
    float *turned = scratch;
    drae__warp_sample(source, taps, &grid, scratch + (size_t)full_w * (size_t)full_h, turned);
    for (int j = 0; j < h; j++) {
        for (int i = 0; i < w; i++) {
            float sum = 0.0f;
            for (int k = 0; k < decimate * decimate; k++) {
                sum += turned[(j * decimate + k / decimate) * full_w + i * decimate + k % decimate];
            }
            turned[j * w + i] = sum / (float)(decimate * decimate); /* behind what is read next */
        }
    }
    double power = drae__center(turned, (size_t)w * (size_t)h);
    size_t stride = (size_t)drae__lane_stride(w);
    memset(dst, 0, stride * (size_t)h * sizeof *dst);
    for (int j = 0; j < h; j++) {
        memcpy(dst + (size_t)j * stride, turned + (size_t)j * (size_t)w, (size_t)w * sizeof *dst);
    }
    return power;
}

/* Chooses the decimation: the least whose search is cheap, as long as the template keeps its size
 * and its contrast. Returns the multiplications of the search, -1 where no template remains. */
static double choose_coarse(drae__mark *mark, const drae__plane *source,
                            const drae__warp_taps *taps, double max_angle, double spread,
                            float *scratch) {
    double work = -1.0;
    for (int decimate = 1; decimate <= DRAE__MARK_DECIMATE_MAX; decimate *= 2) {
        int w, h;
        if (!coarse_size(source, max_angle, decimate, &w, &h)) {
            break;
        }
        double power = make_coarse(source, taps, decimate, w, h, 0.0, scratch, mark->coarse);
        if (sqrt(power / ((double)w * h)) < COARSE_KEEP * spread) {
            break;
        }
        mark->decimate = decimate;
        mark->coarse_w = w;
        mark->coarse_stride = drae__lane_stride(w);
        mark->coarse_h = h;
        mark->n_angles = coarse_angles(w, h, max_angle);
        double n = coarse_positions(mark->search, decimate);
        work = n * n * w * h * mark->n_angles;
        if (work <= COARSE_WORK) {
            break;
        }
    }
    return work;
}

static void make_slopes(drae__mark *mark) {
    int w = mark->width, h = mark->height;
    for (int y = 0; y < h; y++) {
        for (int x = 0; x < w; x++) {
            int x0 = x > 0 ? x - 1 : 0, x1 = x + 1 < w ? x + 1 : x;
            int y0 = y > 0 ? y - 1 : 0, y1 = y + 1 < h ? y + 1 : y;
            mark->slope_x[y * w + x] =
                (mark->tmpl[y * w + x1] - mark->tmpl[y * w + x0]) / (float)(x1 - x0);
            mark->slope_y[y * w + x] =
                (mark->tmpl[y1 * w + x] - mark->tmpl[y0 * w + x]) / (float)(y1 - y0);
        }
    }
    size_t n = (size_t)w * (size_t)h;
    double xx = drae__center(mark->slope_x, n), yy = drae__center(mark->slope_y, n), xy = 0.0;
    for (size_t i = 0; i < n; i++) {
        xy += (double)mark->slope_x[i] * (double)mark->slope_y[i];
    }
    double det = xx * yy - xy * xy;
    mark->texture = xx + yy > 0.0 ? 4.0 * det / ((xx + yy) * (xx + yy)) : 0.0;
    mark->xx = yy / det;
    mark->xy = -xy / det;
    mark->yy = xx / det;
}

double drae__mark_prepare(const drae__fixture_mark *source, const drae__fixture *fixture,
                          const drae__warp_taps *taps, drae__arena *arena, float *scratch,
                          drae__mark *mark) {
    drae__plane plane = {source->pixels, (size_t)source->width, source->width, source->height};
    double max_angle = drae__radians(fixture->max_angle_deg);
    size_t n = (size_t)source->width * (size_t)source->height;
    *mark = (drae__mark){.width = source->width,
                         .height = source->height,
                         .search = fixture->search_px,
                         .x = source->x,
                         .y = source->y};
    mark->tmpl = drae__arena_take(arena, n * sizeof(float));
    mark->slope_x = drae__arena_take(arena, n * sizeof(float));
    mark->slope_y = drae__arena_take(arena, n * sizeof(float));
    mark->coarse = drae__arena_take(arena, coarse_bytes(source));
    for (size_t i = 0; i < n; i++) {
        mark->tmpl[i] = (float)source->pixels[i] - 128.0f; /* as the frame is read, bit for bit */
    }
    mark->power = drae__center(mark->tmpl, n);
    make_slopes(mark);
    double work =
        choose_coarse(mark, &plane, taps, max_angle, sqrt(mark->power / (double)n), scratch);
    for (int k = 0; k < mark->n_angles; k++) {
        int middle = mark->n_angles / 2;
        mark->angle[k] = middle == 0 ? 0.0 : max_angle * (k - middle) / middle;
        mark->coarse_power[k] =
            make_coarse(&plane, taps, mark->decimate, mark->coarse_w, mark->coarse_h,
                        mark->angle[k], scratch, drae__mark_coarse(mark, k));
    }
    return work;
}
