/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TIFF through libtiff, from memory. Gray and RGB of 8 and 16 bits are read sample by sample, in
 * strips or tiles; whatever else libtiff can show (palettes, 1 and 4 bits, YCbCr) as 8-bit colour.
 */
#include "io/image_private.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tiffio.h>

#define PIECE_BYTES_MAX ((tmsize_t)1 << 28) /* one row or tile, and one allocation of libtiff */

/* ---- a file in memory, as libtiff sees it ---- */

typedef struct memory_file {
    const uint8_t *data;
    size_t n;
    size_t at;
} memory_file;

static tmsize_t memory_read(thandle_t handle, void *dst, tmsize_t n) {
    memory_file *file = handle;
    size_t left = file->at < file->n ? file->n - file->at : 0;
    size_t take = n < 0 ? 0 : (size_t)n < left ? (size_t)n : left;
    memcpy(dst, file->data + (take > 0 ? file->at : 0), take);
    file->at += take;
    return (tmsize_t)take;
}

static tmsize_t memory_write(thandle_t handle, void *src, tmsize_t n) {
    (void)handle;
    (void)src;
    (void)n;
    return -1;
}

static toff_t memory_seek(thandle_t handle, toff_t offset, int whence) {
    memory_file *file = handle;
    size_t base = whence == SEEK_CUR ? file->at : whence == SEEK_END ? file->n : 0;
    file->at = base + (size_t)offset;
    return file->at;
}

static int memory_close(thandle_t handle) {
    (void)handle;
    return 0;
}

static toff_t memory_size(thandle_t handle) {
    return ((memory_file *)handle)->n;
}

/* Keeps the first complaint instead of printing it. */
static int keep_error(TIFF *tiff, void *data, const char *module, const char *format,
                      va_list list) {
    (void)tiff;
    (void)module;
    drae__err *said = data;
    if (said->text[0] == '\0') {
        char text[200];
        (void)vsnprintf(text, sizeof text, format, list);
        (void)drae__fail(said, DRAE_ERROR_FILE, "%s", text);
    }
    return 1;
}

static int drop_warning(TIFF *tiff, void *data, const char *module, const char *format,
                        va_list list) {
    (void)tiff;
    (void)data;
    (void)module;
    (void)format;
    (void)list;
    return 1;
}

static TIFF *open_memory(memory_file *file, drae__err *said) {
    TIFFOpenOptions *options = TIFFOpenOptionsAlloc();
    if (options == NULL) {
        return NULL;
    }
    TIFFOpenOptionsSetErrorHandlerExtR(options, keep_error, said);
    TIFFOpenOptionsSetWarningHandlerExtR(options, drop_warning, NULL);
    TIFFOpenOptionsSetMaxSingleMemAlloc(options, 4 * PIECE_BYTES_MAX);
    /* "m": no mapping of files, "h": only the head is read now. */
    TIFF *tiff = TIFFClientOpenExt("image", "rm", file, memory_read, memory_write, memory_seek,
                                   memory_close, memory_size, NULL, NULL, options);
    TIFFOpenOptionsFree(options);
    return tiff;
}

/* ---- samples ---- */

typedef struct layout {
    uint32_t width;
    uint32_t height;
    uint16_t bits;
    uint16_t samples;
    uint16_t photometric;
    uint16_t planar;
    uint16_t format;
} layout;

static void get_layout(TIFF *tiff, layout *l) {
    memset(l, 0, sizeof *l);
    (void)TIFFGetField(tiff, TIFFTAG_IMAGEWIDTH, &l->width);
    (void)TIFFGetField(tiff, TIFFTAG_IMAGELENGTH, &l->height);
    (void)TIFFGetFieldDefaulted(tiff, TIFFTAG_BITSPERSAMPLE, &l->bits);
    (void)TIFFGetFieldDefaulted(tiff, TIFFTAG_SAMPLESPERPIXEL, &l->samples);
    (void)TIFFGetFieldDefaulted(tiff, TIFFTAG_PLANARCONFIG, &l->planar);
    (void)TIFFGetFieldDefaulted(tiff, TIFFTAG_SAMPLEFORMAT, &l->format);
    if (TIFFGetField(tiff, TIFFTAG_PHOTOMETRIC, &l->photometric) == 0) {
        l->photometric = PHOTOMETRIC_MINISBLACK;
    }
}

static bool is_plain(const layout *l) {
    bool gray =
        l->photometric == PHOTOMETRIC_MINISBLACK || l->photometric == PHOTOMETRIC_MINISWHITE;
    bool rgb = l->photometric == PHOTOMETRIC_RGB && l->samples >= 3;
    return (l->bits == 8 || l->bits == 16) && (gray || rgb) && l->samples >= 1 && l->samples <= 8 &&
           (l->samples == 1 || l->planar == PLANARCONFIG_CONTIG);
}

/* n pixels of one row, as libtiff hands them over in native byte order. */
static void convert_row(const layout *l, const uint8_t *src, size_t n, uint16_t *dst) {
    const uint16_t *wide = (const uint16_t *)(const void *)src;
    uint32_t top = l->bits == 16 ? 65535u : 255u;
    for (size_t i = 0; i < n; i++) {
        size_t at = i * l->samples;
        uint32_t v[3] = {0, 0, 0};
        size_t used = l->photometric == PHOTOMETRIC_RGB ? 3 : 1;
        for (size_t k = 0; k < used; k++) {
            v[k] = l->bits == 16 ? wide[at + k] : src[at + k];
        }
        if (used == 3) {
            dst[i] = drae__luma(v[0], v[1], v[2]);
        } else {
            dst[i] = (uint16_t)(l->photometric == PHOTOMETRIC_MINISWHITE ? top - v[0] : v[0]);
        }
    }
}

static bool read_strips(TIFF *tiff, const layout *l, drae__gray *image) {
    tmsize_t n = TIFFScanlineSize(tiff);
    size_t row_bytes = (size_t)l->width * l->samples * (l->bits / 8u);
    if (n <= 0 || n > PIECE_BYTES_MAX || (size_t)n < row_bytes) {
        return false;
    }
    uint8_t *row = malloc((size_t)n);
    bool good = row != NULL;
    for (uint32_t y = 0; y < l->height && good; y++) {
        good = TIFFReadScanline(tiff, row, y, 0) == 1;
        if (good) {
            convert_row(l, row, l->width, image->pixels + (size_t)y * l->width);
        }
    }
    free(row);
    return good;
}

static bool read_tiles(TIFF *tiff, const layout *l, drae__gray *image) {
    uint32_t tw = 0;
    uint32_t th = 0;
    tmsize_t n = TIFFTileSize(tiff);
    (void)TIFFGetField(tiff, TIFFTAG_TILEWIDTH, &tw);
    (void)TIFFGetField(tiff, TIFFTAG_TILELENGTH, &th);
    size_t row_bytes = (size_t)tw * l->samples * (l->bits / 8u);
    if (n <= 0 || n > PIECE_BYTES_MAX || tw == 0 || th == 0 || row_bytes > (size_t)n ||
        (size_t)n / row_bytes < th) {
        return false;
    }
    uint8_t *tile = malloc((size_t)n);
    bool good = tile != NULL;
    for (uint32_t y0 = 0; y0 < l->height && good; y0 += th) {
        for (uint32_t x0 = 0; x0 < l->width && good; x0 += tw) {
            good = TIFFReadTile(tiff, tile, x0, y0, 0, 0) > 0;
            uint32_t rows = l->height - y0 < th ? l->height - y0 : th;
            uint32_t columns = l->width - x0 < tw ? l->width - x0 : tw;
            for (uint32_t y = 0; y < rows && good; y++) {
                convert_row(l, tile + y * row_bytes, columns,
                            image->pixels + (size_t)(y0 + y) * l->width + x0);
            }
        }
    }
    free(tile);
    return good;
}

/* libtiff's own rendering, 8 bits a colour. */
static bool read_rendered(TIFF *tiff, drae__gray *image) {
    size_t n = (size_t)image->width * (size_t)image->height;
    uint32_t *raster = malloc(n * sizeof *raster);
    bool good = raster != NULL &&
                TIFFReadRGBAImageOriented(tiff, (uint32_t)image->width, (uint32_t)image->height,
                                          raster, ORIENTATION_TOPLEFT, 1) == 1;
    for (size_t i = 0; i < n && good; i++) {
        image->pixels[i] =
            drae__luma(TIFFGetR(raster[i]), TIFFGetG(raster[i]), TIFFGetB(raster[i]));
    }
    free(raster);
    return good;
}

drae_status drae__gray_from_tiff(const char *path, const uint8_t *data, size_t n, drae__gray *image,
                                 drae__err *err) {
    drae_status status = DRAE_OK;
    drae__err said = {{0}};
    memory_file file = {.data = data, .n = n, .at = 0};
    TIFF *tiff = open_memory(&file, &said);
    if (tiff == NULL) {
        return drae__fail(err, DRAE_ERROR_FILE, "%s: damaged TIFF: %s", path, said.text);
    }
    layout l;
    get_layout(tiff, &l);
    if (l.format != SAMPLEFORMAT_UINT && l.format != SAMPLEFORMAT_VOID) {
        status = drae__fail(err, DRAE_ERROR_FILE,
                            "%s: TIFF of signed or float samples, unsigned "
                            "integers are read",
                            path);
        goto done;
    }
    bool plain = is_plain(&l);
    if (!plain && l.bits > 8) {
        status =
            drae__fail(err, DRAE_ERROR_FILE,
                       "%s: TIFF of %u bits, %u samples, photometric %u, planes %u is not read",
                       path, l.bits, l.samples, l.photometric, l.planar);
        goto done;
    }
    DRAE__TRY(drae__gray_make(path, "TIFF", l.width, l.height, plain ? l.bits : 8, image, err));
    bool good = !plain                   ? read_rendered(tiff, image)
                : TIFFIsTiled(tiff) != 0 ? read_tiles(tiff, &l, image)
                                         : read_strips(tiff, &l, image);
    if (!good) {
        status = drae__fail(err, DRAE_ERROR_FILE, "%s: damaged TIFF: %s", path,
                            said.text[0] != '\0' ? said.text : "its pieces do not fit");
    }
done:
    TIFFClose(tiff);
    return status;
}
