/* SPDX-License-Identifier: Apache-2.0 */
#include "io/marks.h"

#include <math.h>
#include <stddef.h>

static const drae__color white = {255, 255, 255};
static const drae__color black = {0, 0, 0};
/* None of the heat's colours, nor a verdict's. */
static const drae__color truth = {255, 70, 220};

#define LINE 1.2f /* half the width of a ring's line */
#define RIM  2.3f /* and with its rims */
/* The outline lies between these distances from the mask, on the screen. */
#define OUTLINE_FROM 2
#define OUTLINE_TO   4

drae__spot drae__map_peak(const float *map, int size) {
    size_t n = (size_t)size * (size_t)size;
    size_t at = n;
    for (size_t i = 0; i < n; i++) {
        if (at == n ? !isnan(map[i]) : map[i] > map[at]) {
            at = i;
        }
    }
    return at == n ? DRAE__NO_SPOT
                   : (drae__spot){(int)(at % (size_t)size), (int)(at / (size_t)size)};
}

static void ring(drae__canvas *canvas, const int box[4], float cx, float cy, float radius) {
    int reach = (int)(radius + RIM) + 2;
    for (int j = (int)cy - reach; j <= (int)cy + reach; j++) {
        for (int i = (int)cx - reach; i <= (int)cx + reach; i++) {
            float off = fabsf(hypotf((float)i + 0.5f - cx, (float)j + 0.5f - cy) - radius);
            if (off <= RIM && i >= box[0] && j >= box[1] && i < box[2] && j < box[3]) {
                drae__canvas_fill(canvas, i, j, 1, 1, off <= LINE ? white : black);
            }
        }
    }
}

void drae__canvas_ring(drae__canvas *canvas, int x, int y, int side, drae__spot spot, int size) {
    if (spot.x >= 0) {
        float step = (float)side / (float)size;
        ring(canvas, (const int[4]){x, y, x + side, y + side},
             (float)x + step * ((float)spot.x + 0.5f), (float)y + step * ((float)spot.y + 0.5f),
             DRAE__RING_RADIUS);
    }
}

/* Whether the mask has any of the pixels that (i, j) of `side` shows: a small defect is not lost
 * where a patch is reduced. */
static bool covers(const uint8_t *mask, int size, int side, int i, int j) {
    if (i < 0 || j < 0 || i >= side || j >= side) {
        return false;
    }
    int x0 = (int)((long)i * size / side);
    int y0 = (int)((long)j * size / side);
    int x1 = (int)((long)(i + 1) * size / side);
    int y1 = (int)((long)(j + 1) * size / side);
    for (int y = y0; y < y1 || y == y0; y++) {
        for (int x = x0; x < x1 || x == x0; x++) {
            if (mask[(size_t)y * (size_t)size + (size_t)x] != 0) {
                return true;
            }
        }
    }
    return false;
}

/* Whether any pixel of the mask is shown within `reach` of (i, j). */
static bool near(const uint8_t *mask, int size, int side, int i, int j, int reach) {
    for (int v = -reach; v <= reach; v++) {
        for (int u = -reach; u <= reach; u++) {
            if (u * u + v * v <= reach * reach + 1 && covers(mask, size, side, i + u, j + v)) {
                return true;
            }
        }
    }
    return false;
}

void drae__canvas_outline(drae__canvas *canvas, int x, int y, int side, const uint8_t *mask,
                          int size) {
    /* Only around what is there: most of a mask is empty. */
    int x0 = size, y0 = size, x1 = -1, y1 = -1;
    for (int v = 0; v < size; v++) {
        for (int u = 0; u < size; u++) {
            if (mask[(size_t)v * (size_t)size + (size_t)u] != 0) {
                x0 = u < x0 ? u : x0;
                x1 = u > x1 ? u : x1;
                y0 = v < y0 ? v : y0;
                y1 = v;
            }
        }
    }
    int first[2] = {(int)((long)x0 * side / size), (int)((long)y0 * side / size)};
    int last[2] = {(int)((long)(x1 + 1) * side / size), (int)((long)(y1 + 1) * side / size)};
    for (int j = first[1] - OUTLINE_TO; y1 >= 0 && j <= last[1] + OUTLINE_TO; j++) {
        for (int i = first[0] - OUTLINE_TO; i <= last[0] + OUTLINE_TO; i++) {
            bool inside = i >= 0 && j >= 0 && i < side && j < side;
            if (inside && near(mask, size, side, i, j, OUTLINE_TO) &&
                !near(mask, size, side, i, j, OUTLINE_FROM)) {
                drae__canvas_fill(canvas, x + i, y + j, 1, 1, truth);
            }
        }
    }
}

int drae__canvas_legend(drae__canvas *canvas, int x, int y, int scale, drae__color color,
                        const char *ring_text, const char *outline_text) {
    int side = scale * DRAE__CHAR_HEIGHT;
    int at = x;
    if (ring_text != NULL) {
        ring(canvas, (const int[4]){at, y - 2, at + side + 4, y + side + 2},
             (float)at + 0.5f * (float)side, (float)y + 0.5f * (float)side,
             0.5f * (float)side - RIM);
        at += side + 6;
        drae__canvas_text(canvas, at, y + scale, scale, color, ring_text);
        at += drae__text_width(scale, ring_text) + 3 * DRAE__CHAR_WIDTH * scale;
    }
    if (outline_text != NULL) {
        drae__canvas_frame(canvas, at, y, side, side, OUTLINE_TO - OUTLINE_FROM, truth);
        at += side + 6;
        drae__canvas_text(canvas, at, y + scale, scale, color, outline_text);
        at += drae__text_width(scale, outline_text) + 3 * DRAE__CHAR_WIDTH * scale;
    }
    return at - x;
}
