/* SPDX-License-Identifier: Apache-2.0 */
#include "io/canvas.h"

#include "io/image.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

static int clamp(int value, int lo, int hi) {
    return value < lo ? lo : value > hi ? hi : value;
}

static uint8_t *pixel(drae__canvas *canvas, int x, int y) {
    return canvas->rgb + ((size_t)y * (size_t)canvas->width + (size_t)x) * 3;
}

static void put(drae__canvas *canvas, int x, int y, drae__color color) {
    if (x >= 0 && x < canvas->width && y >= 0 && y < canvas->height) {
        uint8_t *p = pixel(canvas, x, y);
        p[0] = color.r;
        p[1] = color.g;
        p[2] = color.b;
    }
}

void drae__canvas_fill(drae__canvas *canvas, int x, int y, int width, int height,
                       drae__color color) {
    int x1 = clamp(x + width, 0, canvas->width);
    int y1 = clamp(y + height, 0, canvas->height);
    for (int j = clamp(y, 0, canvas->height); j < y1; j++) {
        for (int i = clamp(x, 0, canvas->width); i < x1; i++) {
            put(canvas, i, j, color);
        }
    }
}

void drae__canvas_frame(drae__canvas *canvas, int x, int y, int width, int height, int thick,
                        drae__color color) {
    drae__canvas_fill(canvas, x, y, width, thick, color);
    drae__canvas_fill(canvas, x, y + height - thick, width, thick, color);
    drae__canvas_fill(canvas, x, y, thick, height, color);
    drae__canvas_fill(canvas, x + width - thick, y, thick, height, color);
}

void drae__canvas_hatch(drae__canvas *canvas, int x, int y, int width, int height, drae__color a,
                        drae__color b) {
    for (int j = 0; j < height; j++) {
        for (int i = 0; i < width; i++) {
            put(canvas, x + i, y + j, (i + j) / 8 % 2 == 0 ? a : b);
        }
    }
}

void drae__canvas_text(drae__canvas *canvas, int x, int y, int scale, drae__color color,
                       const char *text) {
    const uint8_t rgb[3] = {color.r, color.g, color.b};
    drae__draw_text(canvas->rgb, canvas->width, canvas->height, x, y, scale, rgb, text);
}

int drae__text_width(int scale, const char *text) {
    return (int)strlen(text) * DRAE__CHAR_WIDTH * scale;
}

void drae__text_fit(int scale, int width, const char *src, char *dst, int capacity) {
    int room = clamp(width / (DRAE__CHAR_WIDTH * scale), 0, capacity - 1);
    size_t length = strlen(src);
    size_t keep = length <= (size_t)room ? length : (size_t)room;
    memmove(dst, src, keep); /* src may be dst */
    dst[keep] = '\0';
    if (keep < length && keep >= 2) {
        dst[keep - 1] = dst[keep - 2] = '.';
    }
}

/* ---- images ---- */

/* The source pixels that one of `side` target pixels covers: [first, last], never empty. */
static void covered(int i, int side, int size, int *first, int *last) {
    *first = (int)((long)i * size / side);
    int end = (int)(((long)(i + 1) * size + side - 1) / side);
    *last = clamp(end - 1, *first, size - 1);
    if (side >= size) {
        *last = *first;
    }
}

static uint8_t sample(const uint8_t *image, int size, int side, int i, int j, bool largest) {
    int x0, x1, y0, y1;
    if (side == size) {
        return image[(size_t)j * (size_t)size + (size_t)i];
    }
    covered(i, side, size, &x0, &x1);
    covered(j, side, size, &y0, &y1);
    unsigned sum = 0;
    unsigned top = 0;
    for (int y = y0; y <= y1; y++) {
        const uint8_t *row = image + (size_t)y * (size_t)size;
        for (int x = x0; x <= x1; x++) {
            sum += row[x];
            top = row[x] > top ? row[x] : top;
        }
    }
    unsigned n = (unsigned)((x1 - x0 + 1) * (y1 - y0 + 1));
    return (uint8_t)(largest ? top : (sum + n / 2) / n);
}

static drae__color heat_color(uint8_t heat) {
    uint8_t rgb[3];
    drae__heat_color((float)heat / 255.0f, rgb);
    return (drae__color){rgb[0], rgb[1], rgb[2]};
}

void drae__canvas_gray(drae__canvas *canvas, int x, int y, int side, const uint8_t *gray,
                       int size) {
    for (int j = 0; j < side; j++) {
        for (int i = 0; i < side; i++) {
            uint8_t g = sample(gray, size, side, i, j, false);
            put(canvas, x + i, y + j, (drae__color){g, g, g});
        }
    }
}

void drae__canvas_heat(drae__canvas *canvas, int x, int y, int side, const uint8_t *heat,
                       int size) {
    drae__color table[256];
    for (int t = 0; t < 256; t++) {
        table[t] = heat_color((uint8_t)t);
    }
    for (int j = 0; j < side; j++) {
        for (int i = 0; i < side; i++) {
            put(canvas, x + i, y + j, table[sample(heat, size, side, i, j, true)]);
        }
    }
}

static uint8_t mix(uint8_t a, uint8_t b, float alpha) {
    return (uint8_t)((float)a + alpha * ((float)b - (float)a) + 0.5f);
}

void drae__canvas_blend(drae__canvas *canvas, int x, int y, int side, const uint8_t *gray,
                        const uint8_t *heat, int size) {
    drae__color table[256];
    float alpha[256];
    for (int t = 0; t < 256; t++) {
        float level = ((float)t / 255.0f - DRAE__BLEND_FLOOR) / (1.0f - DRAE__BLEND_FLOOR);
        table[t] = heat_color((uint8_t)t);
        alpha[t] = level > 0.0f ? 0.8f * level : 0.0f;
    }
    for (int j = 0; j < side; j++) {
        for (int i = 0; i < side; i++) {
            uint8_t g = sample(gray, size, side, i, j, false);
            uint8_t t = sample(heat, size, side, i, j, true);
            put(canvas, x + i, y + j,
                (drae__color){mix(g, table[t].r, alpha[t]), mix(g, table[t].g, alpha[t]),
                              mix(g, table[t].b, alpha[t])});
        }
    }
}

void drae__canvas_bar(drae__canvas *canvas, int x, int y, int width, int height) {
    for (int j = 0; j < height; j++) {
        int level = height > 1 ? 255 - 255 * j / (height - 1) : 255;
        drae__canvas_fill(canvas, x, y + j, width, 1, heat_color((uint8_t)level));
    }
}
