/* SPDX-License-Identifier: Apache-2.0 */
/* What the readers of the three image formats share; private to io/image*.c. */
#ifndef DRAE_IO_IMAGE_PRIVATE_H
#define DRAE_IO_IMAGE_PRIVATE_H

#include "io/image.h"

#include <stddef.h>

/* Checks the sides against DRAE__IMAGE_SIDE_MAX and allocates the pixels. format is "PNG". */
drae_status drae__gray_make(const char *path, const char *format, long long width, long long height,
                            int bits, drae__gray *image, drae__err *err);

/* Rec. 601 luma of three values of up to 16 bits, rounded half up. */
static inline uint16_t drae__luma(uint32_t r, uint32_t g, uint32_t b) {
    return (uint16_t)((299u * r + 587u * g + 114u * b + 500u) / 1000u);
}

/* n pixels of `samples` 8-bit values each -> luma of the first three. */
void drae__luma_row8(const uint8_t *src, size_t samples, size_t n, uint16_t *dst);

/* Each decodes a whole file that is in memory. On failure image is to be freed by the caller. */
drae_status drae__gray_from_png(const char *path, const uint8_t *data, size_t n, drae__gray *image,
                                drae__err *err);
drae_status drae__gray_from_jpeg(const char *path, const uint8_t *data, size_t n, drae__gray *image,
                                 drae__err *err);
drae_status drae__gray_from_tiff(const char *path, const uint8_t *data, size_t n, drae__gray *image,
                                 drae__err *err);

#endif
