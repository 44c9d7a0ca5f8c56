/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writing data sets: patches and masks as they come, one chunk each, so that nothing but the
 * columns is held until the end. Chunks are written in the order of the patches whatever the size
 * of the batches, so that the same patches give the same bytes.
 */
#include "io/dataset_private.h"

#include "base/size.h"
#include "io/h5_out.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct drae__dataset_writer {
    drae__h5_out out;
    hid_t patches;
    hid_t masks; /* -1: none */
    int size;
    uint32_t columns;
    size_t count;
    size_t expected; /* 0 unknown */
    drae__record *records;
    size_t capacity;
};

static hid_t create_stack(drae__dataset_writer *w, const char *path, int deflate) {
    hsize_t side = (hsize_t)w->size;
    const hsize_t dims[3] = {0, side, side};
    const hsize_t max[3] = {H5S_UNLIMITED, side, side};
    const hsize_t chunk[3] = {1, side, side};
    hid_t data = -1;
    hid_t space = H5Screate_simple(3, dims, max);
    hid_t layout = drae__h5_out_layout(3, chunk, deflate, false);
    hid_t access = H5Pcreate(H5P_DATASET_ACCESS);
    /* No cache: a chunk is written once, as a whole, at once. */
    if (space >= 0 && layout >= 0 && access >= 0 && H5Pset_chunk_cache(access, 1, 0, 1.0) >= 0) {
        data = H5Dcreate2(w->out.file, path, H5T_STD_U8LE, space, H5P_DEFAULT, layout, access);
    }
    drae__h5_close(access);
    drae__h5_close(layout);
    drae__h5_close(space);
    return data;
}

static bool write_head(drae__dataset_writer *w, const drae__dataset_format *format) {
    const int32_t number = DRAE__DATASET_FORMAT;
    const char *const kind = "patches";
    bool good = drae__h5_out_attribute(&w->out, "/", "format", H5T_STD_I32LE, H5T_NATIVE_INT32, 1,
                                       &number) >= 0 &&
                drae__h5_out_text(&w->out, "/", "kind", 1, &kind) >= 0 &&
                drae__h5_out_attribute(&w->out, "/", "seed", H5T_STD_U64LE, H5T_NATIVE_UINT64, 1,
                                       &format->seed) >= 0;
    if (format->title != NULL) {
        good = good && drae__h5_out_text(&w->out, "/", "title", 1, &format->title) >= 0;
    }
    size_t n = 0;
    while (format->defect_names != NULL && format->defect_names[n] != NULL) {
        n++;
    }
    if (n > 0) {
        good =
            good && drae__h5_out_text(&w->out, "/", "defect_names", n, format->defect_names) >= 0;
    }
    return good;
}

drae_status drae__dataset_create(const char *path, const drae__dataset_format *format,
                                 drae__dataset_writer **writer, drae__err *err) {
    if (format->size < DRAE__DATASET_SIZE_LO || format->size > DRAE__DATASET_SIZE_HI ||
        format->deflate < 0 || format->deflate > 9 || format->columns >> DRAE__COLUMNS != 0) {
        return drae__fail(err, DRAE_ERROR_ARGUMENT,
                          "%s: patches of %d pixels with deflate %d and columns %#x cannot be "
                          "written",
                          path, format->size, format->deflate, (unsigned)format->columns);
    }
    drae__dataset_writer *w = calloc(1, sizeof *w);
    if (w == NULL) {
        return drae__fail(err, DRAE_ERROR_MEMORY, "%s: no memory", path);
    }
    w->patches = -1;
    w->masks = -1;
    w->size = format->size;
    w->columns = format->columns;
    w->expected = format->max_patches;
    drae_status status = drae__h5_enter(err);
    if (status != DRAE_OK) {
        free(w);
        return status;
    }
    status = drae__h5_out_create(&w->out, path, err);
    if (status == DRAE_OK) {
        w->patches = create_stack(w, "/patches", format->deflate);
        w->masks = format->masks ? create_stack(w, "/mask", format->deflate) : -1;
        if (w->patches < 0 || (format->masks && w->masks < 0) || !write_head(w, format)) {
            status = drae__h5_out_failed(&w->out, "the head of a data set", err);
            drae__h5_close(w->patches);
            drae__h5_close(w->masks);
            drae__h5_out_discard(&w->out);
        }
    }
    drae__h5_leave();
    if (status != DRAE_OK) {
        free(w);
        return status;
    }
    *writer = w;
    return DRAE_OK;
}

static drae_status keep_records(drae__dataset_writer *w, size_t n, const drae__record *records,
                                drae__err *err) {
    size_t total;
    size_t n_bytes;
    if (!drae__size_add(w->count, n, &total)) {
        return drae__fail(err, DRAE_ERROR_ARGUMENT, "%s: too many patches", w->out.path);
    }
    for (size_t i = 0; i < n; i++) {
        const int32_t *fields = (const int32_t *)(const void *)&records[i];
        for (size_t k = 0; k < DRAE__COLUMNS; k++) {
            if ((w->columns >> k & 1u) != 0 && drae__columns[k].is_byte &&
                (fields[k] < 0 || fields[k] > UINT8_MAX)) {
                return drae__fail(err, DRAE_ERROR_ARGUMENT, "%s: patch %zu: %s %d is not in 0..255",
                                  w->out.path, w->count + i, drae__columns[k].path + 1, fields[k]);
            }
        }
    }
    if (total > w->capacity) {
        size_t capacity = w->expected > total ? w->expected : total + total / 2;
        drae__record *grown = NULL;
        if (drae__size_mul(capacity, sizeof *grown, &n_bytes)) {
            grown = realloc(w->records, n_bytes);
        }
        if (grown == NULL) {
            return drae__fail(err, DRAE_ERROR_MEMORY,
                              "%s: no memory for the columns of %zu patches", w->out.path,
                              capacity);
        }
        w->records = grown;
        w->capacity = capacity;
    }
    memcpy(w->records + w->count, records, n * sizeof *records);
    return DRAE_OK;
}

static bool write_patch(hid_t data, hid_t memory, size_t index, size_t side, const uint8_t *src) {
    const hsize_t start[3] = {index, 0, 0};
    const hsize_t count[3] = {1, side, side};
    hid_t space = H5Dget_space(data);
    bool good = space >= 0 &&
                H5Sselect_hyperslab(space, H5S_SELECT_SET, start, NULL, count, NULL) >= 0 &&
                H5Dwrite(data, H5T_NATIVE_UINT8, memory, space, H5P_DEFAULT, src) >= 0;
    drae__h5_close(space);
    return good;
}

drae_status drae__dataset_append(drae__dataset_writer *writer, size_t n, const uint8_t *patches,
                                 const uint8_t *masks, const drae__record *records,
                                 drae__err *err) {
    drae__dataset_writer *w = writer;
    if ((w->masks >= 0) != (masks != NULL)) {
        return drae__fail(err, DRAE_ERROR_ARGUMENT, "%s: masks are %s", w->out.path,
                          masks == NULL ? "missing" : "not expected");
    }
    if (n == 0) {
        return DRAE_OK;
    }
    drae_status status = keep_records(w, n, records, err);
    if (status != DRAE_OK) {
        return status;
    }
    size_t side = (size_t)w->size;
    const hsize_t total[3] = {w->count + n, side, side};
    const hsize_t one[3] = {1, side, side};
    status = drae__h5_enter(err);
    if (status != DRAE_OK) {
        return status;
    }
    hid_t memory = H5Screate_simple(3, one, NULL);
    bool good = memory >= 0 && H5Dset_extent(w->patches, total) >= 0 &&
                (w->masks < 0 || H5Dset_extent(w->masks, total) >= 0);
    for (size_t i = 0; i < n && good; i++) {
        good = write_patch(w->patches, memory, w->count + i, side, patches + i * side * side) &&
               (w->masks < 0 ||
                write_patch(w->masks, memory, w->count + i, side, masks + i * side * side));
    }
    status =
        good ? drae__h5_out_check(&w->out, err) : drae__h5_out_failed(&w->out, "/patches", err);
    drae__h5_close(memory);
    drae__h5_leave();
    if (status == DRAE_OK) {
        w->count += n;
    }
    return status;
}

/* The columns, contiguous; /strip is a second name of /product. */
static drae_status write_columns(drae__dataset_writer *w, drae__err *err) {
    int32_t *values = malloc((w->count + 1) * sizeof *values);
    if (values == NULL) {
        return drae__fail(err, DRAE_ERROR_MEMORY, "%s: no memory for a column", w->out.path);
    }
    drae_status status = DRAE_OK;
    const hsize_t dims = w->count;
    for (size_t k = 0; k < DRAE__COLUMNS && status == DRAE_OK; k++) {
        if ((w->columns >> k & 1u) == 0) {
            continue;
        }
        for (size_t i = 0; i < w->count; i++) {
            values[i] = ((const int32_t *)(const void *)&w->records[i])[k];
        }
        hid_t type = drae__columns[k].is_byte ? H5T_STD_U8LE : H5T_STD_I32LE;
        if (drae__h5_out_array(&w->out, drae__columns[k].path, type, H5T_NATIVE_INT32, 1, &dims,
                               values, 0) < 0 ||
            (strcmp(drae__columns[k].path, "/product") == 0 &&
             H5Lcreate_hard(w->out.file, "/product", w->out.file, "/strip", H5P_DEFAULT,
                            H5P_DEFAULT) < 0)) {
            status = drae__h5_out_failed(&w->out, drae__columns[k].path, err);
        }
    }
    free(values);
    return status;
}

static void release(drae__dataset_writer *w) {
    free(w->records);
    free(w);
}

drae_status drae__dataset_finish(drae__dataset_writer *writer, drae__err *err) {
    drae__dataset_writer *w = writer;
    drae_status status = drae__h5_enter(err);
    if (status != DRAE_OK) {
        release(w);
        return status;
    }
    status = write_columns(w, err);
    drae__h5_close(w->patches);
    drae__h5_close(w->masks);
    if (status == DRAE_OK) {
        status = drae__h5_out_commit(&w->out, err);
    } else {
        drae__h5_out_discard(&w->out);
    }
    drae__h5_leave();
    release(w);
    return status;
}

void drae__dataset_abandon(drae__dataset_writer *writer) {
    if (writer == NULL || drae__h5_enter(NULL) != DRAE_OK) {
        return;
    }
    drae__h5_close(writer->patches);
    drae__h5_close(writer->masks);
    drae__h5_out_discard(&writer->out);
    drae__h5_leave();
    release(writer);
}
