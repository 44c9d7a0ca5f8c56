/* SPDX-License-Identifier: Apache-2.0 */
#include "io/import_sink.h"

#include "io/image.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SIZE_LO 16
#define SIZE_HI 4096

typedef struct job {
    const drae__import_options *options;
    drae__import_sink sink;
    bool masks;
    int width, height; /* of the first image */
    uint8_t *patch;    /* [size,size] */
    uint8_t *mask;     /* [size,size] */
    uint64_t *scratch; /* [size] */
} job;

static drae_status check_options(const char *path, const drae__import_options *options,
                                 drae__err *err) {
    if (options->size < SIZE_LO || options->size > SIZE_HI) {
        return drae__fail(err, DRAE_ERROR_ARGUMENT, "%s: patches of %d pixels, %d to %d are made",
                          path, options->size, SIZE_LO, SIZE_HI);
    }
    if (options->region < 0 || options->region >= DRAE__REGIONS_MAX) {
        return drae__fail(err, DRAE_ERROR_ARGUMENT, "%s: region %d is not in 0..%d", path,
                          options->region, DRAE__REGIONS_MAX - 1);
    }
    if (options->levels_given &&
        (options->levels.white > UINT16_MAX || options->levels.black >= options->levels.white)) {
        return drae__fail(err, DRAE_ERROR_ARGUMENT,
                          "%s: black %u must be less than white %u, and that at most 65535", path,
                          options->levels.black, options->levels.white);
    }
    return DRAE_OK;
}

static drae__levels levels_of(const drae__import_options *options, const drae__gray *image) {
    if (options->levels_given) {
        return options->levels;
    }
    return (drae__levels){0, image->bits == 16 ? UINT16_MAX : UINT8_MAX};
}

/* One patch from the rectangle (x, y, w, h) of the image; mask may be empty (pixels NULL). */
static drae_status put_patch(job *j, const drae__picture *picture, const drae__gray *image,
                             const drae__gray *mask, int x, int y, int w, int h, int product,
                             int tile, drae__err *err) {
    int size = j->options->size;
    size_t at = (size_t)y * (size_t)image->width + (size_t)x;
    drae__resize_area(image->pixels + at, (size_t)image->width, w, h, levels_of(j->options, image),
                      j->patch, size, size, j->scratch);
    drae__record record = {.region = j->options->region,
                           .label = picture->label,
                           .defect = picture->defect,
                           .product = product,
                           .frame = tile};
    memset(j->mask, 0, (size_t)size * (size_t)size);
    if (mask->pixels != NULL) {
        drae__resize_mask(mask->pixels + at, (size_t)mask->width, w, h, j->mask, size, size,
                          j->scratch);
        if (j->options->tile && memchr(j->mask, 1, (size_t)size * (size_t)size) == NULL) {
            record.label = 0;
            record.defect = 0;
        }
    }
    return drae__import_put(&j->sink, j->patch, j->masks ? j->mask : NULL, &record, err);
}

/* Where tile k of n begins along a side. */
static int tile_start(int side, int size, int n, int k) {
    return n == 1 ? 0 : (int)(((long long)(side - size) * k + (n - 1) / 2) / (n - 1));
}

static drae_status put_tiles(job *j, const drae__picture *picture, const drae__gray *image,
                             const drae__gray *mask, int product, drae__err *err) {
    int size = j->options->size;
    int columns = (image->width + size - 1) / size;
    int rows = (image->height + size - 1) / size;
    for (int r = 0; r < rows; r++) {
        for (int c = 0; c < columns; c++) {
            drae_status status =
                put_patch(j, picture, image, mask, tile_start(image->width, size, columns, c),
                          tile_start(image->height, size, rows, r), size, size, product,
                          r * columns + c, err);
            if (status != DRAE_OK) {
                return status;
            }
        }
    }
    return DRAE_OK;
}

static drae_status check_size(job *j, const drae__picture *picture, const drae__gray *image,
                              drae__err *err) {
    if (j->options->tile && (image->width < j->options->size || image->height < j->options->size)) {
        return drae__fail(err, DRAE_ERROR_FILE, "%s: %d x %d pixels are less than a tile of %d",
                          picture->path, image->width, image->height, j->options->size);
    }
    if (j->width == 0) {
        j->width = image->width;
        j->height = image->height;
    }
    if (!j->options->any_size && (image->width != j->width || image->height != j->height)) {
        return drae__fail(err, DRAE_ERROR_FILE,
                          "%s: %d x %d pixels, the first image has %d x %d (--any-size takes both)",
                          picture->path, image->width, image->height, j->width, j->height);
    }
    return DRAE_OK;
}

static drae_status put_picture(job *j, const drae__picture *picture, int product, drae__err *err) {
    drae_status status = DRAE_OK;
    drae__gray image = {0, 0, 0, NULL};
    drae__gray mask = {0, 0, 0, NULL};
    DRAE__TRY(drae__gray_read(picture->path, &image, err));
    DRAE__TRY(check_size(j, picture, &image, err));
    if (picture->mask_path != NULL) {
        DRAE__TRY(drae__gray_read(picture->mask_path, &mask, err));
        if (mask.width != image.width || mask.height != image.height) {
            status =
                drae__fail(err, DRAE_ERROR_FILE, "%s: %d x %d pixels, its image has %d x %d",
                           picture->mask_path, mask.width, mask.height, image.width, image.height);
            goto done;
        }
    }
    status = j->options->tile ? put_tiles(j, picture, &image, &mask, product, err)
                              : put_patch(j, picture, &image, &mask, 0, 0, image.width,
                                          image.height, product, DRAE__UNRECORDED, err);
done:
    drae__gray_free(&image);
    drae__gray_free(&mask);
    return status;
}

drae_status drae__import_pictures(const char *path, const drae__pictures *list,
                                  const drae__import_options *options, drae__import_counts *counts,
                                  drae__err *err) {
    drae_status status = check_options(path, options, err);
    if (status != DRAE_OK) {
        return status;
    }
    memset(counts, 0, sizeof *counts);
    size_t side = (size_t)options->size;
    job j = {.options = options,
             .masks = list->masks,
             .sink = {.options = options, .counts = counts},
             .patch = malloc(side * side),
             .mask = malloc(side * side),
             .scratch = malloc(side * sizeof(uint64_t))};
    drae__dataset_format format = {.size = options->size,
                                   .masks = list->masks,
                                   .columns = DRAE__IMPORT_BIT(region) | DRAE__IMPORT_BIT(label) |
                                              DRAE__IMPORT_BIT(defect) | DRAE__IMPORT_BIT(product) |
                                              (options->tile ? DRAE__IMPORT_BIT(frame) : 0u),
                                   .deflate = options->deflate,
                                   .title = "imported images",
                                   .defect_names = (const char *const *)list->classes,
                                   .max_patches = options->tile ? 0 : list->n};
    if (j.patch == NULL || j.mask == NULL || j.scratch == NULL) {
        status = drae__fail(err, DRAE_ERROR_MEMORY, "%s: no memory for a patch", path);
        goto done;
    }
    DRAE__TRY(drae__dataset_create(path, &format, &j.sink.writer, err));
    for (size_t i = 0; i < list->n && status == DRAE_OK; i++) {
        status = put_picture(&j, &list->items[i], (int)i, err);
        status = drae__import_next(&j.sink, status, err);
    }
    status = drae__import_end(&j.sink, status, err);
done:
    free(j.patch);
    free(j.mask);
    free(j.scratch);
    return status;
}
