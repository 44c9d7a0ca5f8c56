/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Drawing into an RGB picture: rectangles, frames, patches, heat, text. Everything clips at the
 * borders, so a caller may place things partly or wholly outside. No allocation.
 */
#ifndef DRAE_IO_CANVAS_H
#define DRAE_IO_CANVAS_H

#include <stdint.h>

/* One character of the built-in font at scale 1. */
#define DRAE__CHAR_WIDTH  6
#define DRAE__CHAR_HEIGHT 10

typedef struct drae__color {
    uint8_t r, g, b;
} drae__color;

typedef struct drae__canvas {
    uint8_t *rgb; /* [height,width,3], the caller's */
    int width;
    int height;
} drae__canvas;

void drae__canvas_fill(drae__canvas *canvas, int x, int y, int width, int height,
                       drae__color color);

/* The outline of a rectangle, `thick` pixels inwards. */
void drae__canvas_frame(drae__canvas *canvas, int x, int y, int width, int height, int thick,
                        drae__color color);

/* Diagonal stripes of two colours, for what is not there. */
void drae__canvas_hatch(drae__canvas *canvas, int x, int y, int width, int height, drae__color a,
                        drae__color b);

void drae__canvas_text(drae__canvas *canvas, int x, int y, int scale, drae__color color,
                       const char *text);

/* Pixels that the text is wide. */
int drae__text_width(int scale, const char *text);

/* Copies src to dst and cuts it to at most width pixels at that scale, with ".." in place of what
 * is cut off; at most capacity bytes with the terminator. */
void drae__text_fit(int scale, int width, const char *src, char *dst, int capacity);

/*
 * A square image of `size` pixels drawn as `side` pixels: each pixel repeated where side is larger,
 * else the mean (gray) or the largest value (heat, so that a small defect does not fade) of the
 * pixels that it covers.
 *   gray   gray [size,size] as it is
 *   heat   heat [size,size] as colours of drae__heat_color
 *   blend  gray, over which heat is laid the more opaque the hotter it is: nothing below
 *          DRAE__BLEND_FLOOR of full scale, so that what is normal stays an image
 */
#define DRAE__BLEND_FLOOR 0.5f
void drae__canvas_gray(drae__canvas *canvas, int x, int y, int side, const uint8_t *gray, int size);
void drae__canvas_heat(drae__canvas *canvas, int x, int y, int side, const uint8_t *heat, int size);
void drae__canvas_blend(drae__canvas *canvas, int x, int y, int side, const uint8_t *gray,
                        const uint8_t *heat, int size);

/* A vertical colour bar, hot at the top. */
void drae__canvas_bar(drae__canvas *canvas, int x, int y, int width, int height);

#endif
