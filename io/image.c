/* SPDX-License-Identifier: Apache-2.0 */
#include "io/image_private.h"

#include "base/file.h"

#include <stdlib.h>
#include <string.h>

#define FILE_BYTES_MAX ((size_t)1 << 31)

drae_status drae__gray_make(const char *path, const char *format, long long width, long long height,
                            int bits, drae__gray *image, drae__err *err) {
    if (width < 1 || height < 1 || width > DRAE__IMAGE_SIDE_MAX || height > DRAE__IMAGE_SIDE_MAX) {
        return drae__fail(err, DRAE_ERROR_FILE,
                          "%s: %s of %lld x %lld pixels, 1 to %d a side are read", path, format,
                          width, height, DRAE__IMAGE_SIDE_MAX);
    }
    image->width = (int)width;
    image->height = (int)height;
    image->bits = bits;
    image->pixels = malloc((size_t)width * (size_t)height * sizeof *image->pixels);
    if (image->pixels == NULL) {
        return drae__fail(err, DRAE_ERROR_MEMORY, "%s: no memory for %lld x %lld pixels", path,
                          width, height);
    }
    return DRAE_OK;
}

void drae__luma_row8(const uint8_t *src, size_t samples, size_t n, uint16_t *dst) {
    for (size_t i = 0; i < n; i++, src += samples) {
        dst[i] = drae__luma(src[0], src[1], src[2]);
    }
}

drae_status drae__gray_read(const char *path, drae__gray *image, drae__err *err) {
    static const uint8_t png[8] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};
    uint8_t *data = NULL;
    size_t n = 0;
    drae__gray read = {0, 0, 0, NULL};
    drae_status status = drae__file_read(path, FILE_BYTES_MAX, &data, &n, err);
    if (status != DRAE_OK) {
        return status;
    }
    if (n == 0) {
        status = drae__fail(err, DRAE_ERROR_FILE, "%s: the file is empty", path);
    } else if (n >= 8 && memcmp(data, png, 8) == 0) {
        status = drae__gray_from_png(path, data, n, &read, err);
    } else if (n >= 3 && data[0] == 0xff && data[1] == 0xd8 && data[2] == 0xff) {
        status = drae__gray_from_jpeg(path, data, n, &read, err);
    } else if (n >= 8 && ((data[0] == 'I' && data[1] == 'I' && data[3] == 0) ||
                          (data[0] == 'M' && data[1] == 'M' && data[2] == 0))) {
        status = drae__gray_from_tiff(path, data, n, &read, err);
    } else {
        status = drae__fail(err, DRAE_ERROR_FILE, "%s: neither PNG, TIFF nor JPEG", path);
    }
    free(data);
    if (status != DRAE_OK) {
        drae__gray_free(&read);
        return status;
    }
    *image = read;
    return DRAE_OK;
}

void drae__gray_free(drae__gray *image) {
    free(image->pixels);
    memset(image, 0, sizeof *image);
}
