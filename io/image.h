/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Images from and to files: PNG (spng), TIFF (libtiff), JPEG (libturbojpeg). Every reader checks
 * the header before it allocates and refuses more than DRAE__IMAGE_SIDE_MAX pixels a side.
 */
#ifndef DRAE_IO_IMAGE_H
#define DRAE_IO_IMAGE_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

#define DRAE__IMAGE_SIDE_MAX 16384

/* Gray, 8 or 16 bit values held as uint16 (bits says which), row-major, no padding. */
typedef struct drae__gray {
    int width;
    int height;
    int bits; /* 8 or 16 */
    uint16_t *pixels;
} drae__gray;

/* Reads by content, not by name. Colour becomes gray by Rec. 601 luma (0.299, 0.587, 0.114),
 * rounded; alpha is ignored. ERROR_FILE for what is empty, corrupt, unknown or too large. */
drae_status drae__gray_read(const char *path, drae__gray *image, drae__err *err);
void drae__gray_free(drae__gray *image);

/* Writes 8-bit gray or RGB PNG, whole or not at all. stride in bytes. */
drae_status drae__png_write_gray(const char *path, const uint8_t *pixels, int width, int height,
                                 int stride, drae__err *err);
drae_status drae__png_write_rgb(const char *path, const uint8_t *pixels, int width, int height,
                                int stride, drae__err *err);

/* The same RGB PNG into a fresh block of memory (free() it). */
drae_status drae__png_encode_rgb(const uint8_t *pixels, int width, int height, int stride,
                                 uint8_t **bytes, size_t *n_bytes, drae__err *err);

/* Text in a built-in bitmap font for captions in pictures: draws into RGB at (x, y) = upper left,
 * scale 1 is 6x10 pixels a character (so that tables line up). Clips at the borders. */
void drae__draw_text(uint8_t *rgb, int width, int height, int x, int y, int scale,
                     const uint8_t color[3], const char *text);

/* The heat colour map (dark blue - green - yellow, perceptually even) for t in [0,1]. */
void drae__heat_color(float t, uint8_t rgb[3]);

#endif
