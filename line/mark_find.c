/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finding one mark.
 *
 *   coarse   the search window is averaged down by `decimate`; the template, turned by a few angles
 *            and averaged down alike, is correlated at every position. The best local maxima go on.
 *   fine     each is correlated at full resolution, frame turned back by the candidate's angle, at
 *            the few pixels around it.
 *   refine   least squares on the gray values (Lucas and Kanade 1981, template side): with the
 *            template's slopes S, delta = (S^T S)^-1 S^T (t - g f'), g the gain that fits best. At
 *            the true place the residual is zero and nothing moves; the vertex of a parabola
 * through three scores lies beside it (docs/recipe.md has the figures).
 */
#include "line/mark.h"

#include "line/correlate.h"

#include <math.h>
#include <string.h>

#define MOVE_MAX 1.0 /* pixels, of one least-squares step */

/* ---- coarse ---- */

/* The piece of the frame that the search looks at, averaged down, less 128: near zero keeps the
 * float sums exact. Rows are padded with zeros to the stride. */
static void decimate_window(const drae__plane *frame, int left, int top, int decimate, int w, int h,
                            int stride, float *dst) {
    float scale = 1.0f / (float)(decimate * decimate);
    memset(dst, 0, (size_t)stride * (size_t)h * sizeof *dst);
    for (int j = 0; j < h; j++) {
        for (int i = 0; i < w; i++) {
            int sum = 0;
            for (int y = 0; y < decimate; y++) {
                size_t from = (size_t)(top + j * decimate + y) * frame->stride;
                const uint8_t *row = frame->pixels + from + (size_t)(left + i * decimate);
                for (int x = 0; x < decimate; x++) {
                    sum += row[x];
                }
            }
            dst[j * stride + i] = (float)sum * scale - 128.0f;
        }
    }
}

/* Where the upper left pixel of a whole, unturned mark may lie along one axis. */
static int first_position(double center, int side, int search) {
    int first = (int)ceil(center - 0.5 * (side - 1) - search);
    return first > 0 ? first : 0;
}

static int last_position(double center, int side, int search, int frame_side) {
    int last = (int)floor(center - 0.5 * (side - 1) + search);
    return last < frame_side - side ? last : frame_side - side;
}

static bool is_peak(const float *score, int n_x, int n_y, int x, int y) {
    float value = score[y * n_x + x];
    for (int v = y - 1; v <= y + 1; v++) {
        for (int u = x - 1; u <= x + 1; u++) {
            if (u < 0 || v < 0 || u >= n_x || v >= n_y || (u == x && v == y)) {
                continue;
            }
            float other = score[v * n_x + u];
            bool earlier = v < y || (v == y && u < x); /* of a plateau the first counts */
            if (earlier ? other >= value : other > value) {
                return false;
            }
        }
    }
    return true;
}

static bool better(const drae__mark *mark, const drae__mark_place *a, const drae__mark_place *b) {
    if (a->score > b->score || a->score < b->score) {
        return a->score > b->score;
    }
    return hypot(a->x - mark->x, a->y - mark->y) < hypot(b->x - mark->x, b->y - mark->y);
}

/* Keeps the best in order; what comes later goes behind its equals. */
static int insert(const drae__mark *mark, drae__mark_place *places, int n,
                  const drae__mark_place *place) {
    int at = n;
    while (at > 0 && better(mark, place, &places[at - 1])) {
        at--;
    }
    if (at == DRAE__MARK_CANDIDATES) {
        return n;
    }
    n = n < DRAE__MARK_CANDIDATES ? n + 1 : n;
    memmove(places + at + 1, places + at, (size_t)(n - 1 - at) * sizeof *places);
    places[at] = *place;
    return n;
}

/* The best score over all angles at one position, given the sums of the window below it. */
static void score_position(const drae__mark *mark, const float *at, size_t stride, double f,
                           double ff, float *score, float *turn) {
    double n = (double)mark->coarse_w * mark->coarse_h;
    *score = -2.0f;
    for (int k = 0; k < mark->n_angles; k++) {
        double tf =
            drae__dot(drae__mark_coarse(mark, k), mark->coarse_stride, at, stride, mark->coarse_h);
        float value = (float)drae__score(mark->coarse_power[k], n, tf, f, ff);
        if (value > *score) {
            *score = value;
            *turn = (float)k;
        }
    }
}

/* Scores of n_x x n_y positions. Sums of the window run along in doubles; averages of bytes over
 * 1, 4, 16 or 64 pixels and their squares are exact there, so nothing drifts. */
static void score_window(const drae__mark *mark, const float *window, size_t stride, int n_x,
                         int n_y, double *column_f, double *column_ff, float *score, float *turn) {
    int w = mark->coarse_w, h = mark->coarse_h, columns = n_x - 1 + w;
    memset(column_f, 0, (size_t)columns * sizeof *column_f);
    memset(column_ff, 0, (size_t)columns * sizeof *column_ff);
    for (int y = 1 - h; y < n_y; y++) {
        for (int x = 0; x < columns; x++) { /* row y + h - 1 comes in, row y - 1 goes out */
            double in = (double)window[(size_t)(y + h - 1) * stride + (size_t)x];
            double out = y > 0 ? (double)window[(size_t)(y - 1) * stride + (size_t)x] : 0.0;
            column_f[x] += in - out;
            column_ff[x] += in * in - out * out;
        }
        double f = 0.0, ff = 0.0;
        for (int x = 1 - w; x < n_x && y >= 0; x++) {
            f += column_f[x + w - 1] - (x > 0 ? column_f[x - 1] : 0.0);
            ff += column_ff[x + w - 1] - (x > 0 ? column_ff[x - 1] : 0.0);
            if (x >= 0) {
                score_position(mark, window + (size_t)y * stride + x, stride, f, ff,
                               &score[y * n_x + x], &turn[y * n_x + x]);
            }
        }
    }
}

static int search_coarse(const drae__mark *mark, const drae__plane *frame, float *scratch,
                         drae__mark_place places[DRAE__MARK_CANDIDATES]) {
    int d = mark->decimate, w = mark->coarse_w, h = mark->coarse_h;
    int left = first_position(mark->x, mark->width, mark->search);
    int top = first_position(mark->y, mark->height, mark->search);
    int n_x = (last_position(mark->x, mark->width, mark->search, frame->width) - left) / d + 1;
    int n_y = (last_position(mark->y, mark->height, mark->search, frame->height) - top) / d + 1;
    int stride = n_x - 1 + mark->coarse_stride, window_h = n_y - 1 + h;
    double *column_f = (double *)(void *)scratch, *column_ff = column_f + stride;
    float *window = scratch + 4 * (size_t)stride;
    float *score = window + (size_t)stride * (size_t)window_h;
    float *turn = score + (size_t)n_x * (size_t)n_y;
    decimate_window(frame, left + (mark->width - w * d) / 2, top + (mark->height - h * d) / 2, d,
                    n_x - 1 + w, window_h, stride, window);
    score_window(mark, window, (size_t)stride, n_x, n_y, column_f, column_ff, score, turn);
    int n = 0;
    for (int y = 0; y < n_y; y++) {
        for (int x = 0; x < n_x; x++) {
            if (is_peak(score, n_x, n_y, x, y)) {
                drae__mark_place place = {.x = left + x * d + 0.5 * (mark->width - 1),
                                          .y = top + y * d + 0.5 * (mark->height - 1),
                                          .angle = mark->angle[(int)turn[y * n_x + x]],
                                          .score = (double)score[y * n_x + x]};
                n = insert(mark, places, n, &place);
            }
        }
    }
    return n;
}

/* ---- fine ---- */

/* The frame around a place, turned back, `reach` pixels more than the template on every side, less
 * 128. */
static void sample_around(const drae__mark *mark, const drae__plane *frame,
                          const drae__warp_taps *taps, const drae__mark_place *place, int reach,
                          float *scratch, float *dst) {
    double c = cos(place->angle), s = sin(place->angle);
    int w = mark->width + 2 * reach, h = mark->height + 2 * reach;
    double dx = -0.5 * (w - 1), dy = -0.5 * (h - 1);
    drae__grid grid = {.origin_x = place->x + c * dx - s * dy,
                       .origin_y = place->y + s * dx + c * dy,
                       .u_x = c,
                       .u_y = s,
                       .v_x = -s,
                       .v_y = c,
                       .n_columns = w,
                       .n_rows = h};
    drae__warp_sample(frame, taps, &grid, scratch, dst);
    for (size_t i = 0; i < (size_t)w * (size_t)h; i++) {
        dst[i] -= 128.0f;
    }
}

static void search_fine(const drae__mark *mark, const drae__plane *frame,
                        const drae__warp_taps *taps, float *scratch, drae__mark_place *place) {
    int reach = mark->decimate;
    int w = mark->width + 2 * reach, n = 2 * reach + 1;
    float *around = scratch;
    sample_around(mark, frame, taps, place, reach,
                  scratch + (size_t)w * (size_t)(mark->height + 2 * reach), around);
    double best = -2.0;
    int best_x = 0, best_y = 0;
    for (int y = 0; y < n; y++) {
        for (int x = 0; x < n; x++) {
            double value =
                drae__correlate(mark->tmpl, mark->power, around + (size_t)y * (size_t)w + x,
                                (size_t)w, mark->width, mark->height);
            if (value > best) {
                best = value;
                best_x = x - reach;
                best_y = y - reach;
            }
        }
    }
    double c = cos(place->angle), s = sin(place->angle);
    place->x += c * best_x - s * best_y;
    place->y += s * best_x + c * best_y;
    place->score = best;
}

int drae__mark_search(const drae__mark *mark, const drae__plane *frame, const drae__warp_taps *taps,
                      float *scratch, drae__mark_place places[DRAE__MARK_CANDIDATES]) {
    drae__mark_place coarse[DRAE__MARK_CANDIDATES];
    int n_coarse = search_coarse(mark, frame, scratch, coarse), n = 0;
    for (int i = 0; i < n_coarse; i++) {
        search_fine(mark, frame, taps, scratch, &coarse[i]);
        n = insert(mark, places, n, &coarse[i]);
    }
    return n;
}

/* ---- refine ---- */

double drae__mark_refine(const drae__mark *mark, const drae__plane *frame,
                         const drae__warp_taps *taps, float *scratch, drae__mark_place *place) {
    size_t n = (size_t)mark->width * (size_t)mark->height;
    float *here = scratch;
    sample_around(mark, frame, taps, place, 0, scratch + n, here);
    double variation = drae__center(here, n), tf = 0.0;
    for (size_t i = 0; i < n; i++) {
        tf += (double)mark->tmpl[i] * (double)here[i];
    }
    if (variation < (double)n * DRAE__FLAT_SPREAD * DRAE__FLAT_SPREAD) {
        place->score = 0.0;
        return 0.0;
    }
    place->score = tf / sqrt(mark->power * variation);
    double gain = tf / variation, sum_x = 0.0, sum_y = 0.0;
    for (size_t i = 0; i < n; i++) {
        double rest = (double)mark->tmpl[i] - gain * (double)here[i];
        sum_x += (double)mark->slope_x[i] * rest;
        sum_y += (double)mark->slope_y[i] * rest;
    }
    double move_x = mark->xx * sum_x + mark->xy * sum_y;
    double move_y = mark->xy * sum_x + mark->yy * sum_y;
    move_x = fmin(fmax(move_x, -MOVE_MAX), MOVE_MAX);
    move_y = fmin(fmax(move_y, -MOVE_MAX), MOVE_MAX);
    double c = cos(place->angle), s = sin(place->angle);
    place->x += c * move_x - s * move_y;
    place->y += s * move_x + c * move_y;
    return hypot(move_x, move_y);
}
