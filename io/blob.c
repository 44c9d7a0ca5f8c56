/* SPDX-License-Identifier: Apache-2.0 */
#include "io/blob.h"

#include "base/size.h"
#include "io/h5_out.h"
#include "io/scan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

_Static_assert(DRAE__BLOB_RANK == DRAE__SCAN_RANK && (int)DRAE__BLOB_TEXT == DRAE__VALUE_TEXT &&
                   (int)DRAE__BLOB_F64 == DRAE__VALUE_F64 &&
                   (int)DRAE__BLOB_F32 == DRAE__VALUE_F32 &&
                   (int)DRAE__BLOB_U64 == DRAE__VALUE_U64 &&
                   (int)DRAE__BLOB_I64 == DRAE__VALUE_I64 && (int)DRAE__BLOB_U8 == DRAE__VALUE_U8,
               "blobs are handed over as the scan brings them");

#define FORMAT    1
#define TEXTS_MAX 4096u

size_t drae__blob_count(const drae__blob *blob) {
    size_t count = 1;
    for (int i = 0; i < blob->rank; i++) {
        count *= blob->dims[i];
    }
    return count;
}

/* ---- writing ---- */

struct drae__blob_writer {
    drae__h5_out out;
};

typedef struct type_pair {
    hid_t file;
    hid_t memory;
} type_pair;

static type_pair types_of(drae__blob_type type) {
    switch (type) {
    case DRAE__BLOB_U8:
        return (type_pair){H5T_STD_U8LE, H5T_NATIVE_UINT8};
    case DRAE__BLOB_I64:
        return (type_pair){H5T_STD_I64LE, H5T_NATIVE_INT64};
    case DRAE__BLOB_U64:
        return (type_pair){H5T_STD_U64LE, H5T_NATIVE_UINT64};
    case DRAE__BLOB_F32:
        return (type_pair){H5T_IEEE_F32LE, H5T_NATIVE_FLOAT};
    case DRAE__BLOB_F64:
        return (type_pair){H5T_IEEE_F64LE, H5T_NATIVE_DOUBLE};
    default:
        return (type_pair){-1, -1};
    }
}

drae_status drae__blob_create(const char *path, const char *kind, drae__blob_writer **writer,
                              drae__err *err) {
    drae__blob_writer *w = calloc(1, sizeof *w);
    if (w == NULL) {
        return drae__fail(err, DRAE_ERROR_MEMORY, "%s: no memory", path);
    }
    drae_status status = drae__h5_enter(err);
    if (status != DRAE_OK) {
        free(w);
        return status;
    }
    const int32_t format = FORMAT;
    status = drae__h5_out_create(&w->out, path, err);
    if (status == DRAE_OK && (drae__h5_out_attribute(&w->out, "/", "format", H5T_STD_I32LE,
                                                     H5T_NATIVE_INT32, 1, &format) < 0 ||
                              drae__h5_out_text(&w->out, "/", "kind", 1, &kind) < 0)) {
        status = drae__h5_out_failed(&w->out, "/", err);
        drae__h5_out_discard(&w->out);
    }
    drae__h5_leave();
    if (status != DRAE_OK) {
        free(w);
        return status;
    }
    *writer = w;
    return DRAE_OK;
}

static int put_texts(drae__h5_out *out, const char *object, const char *name,
                     const drae__blob *blob) {
    const char *texts[TEXTS_MAX];
    size_t n = drae__blob_count(blob);
    const char *text = blob->data;
    if (n == 0 || n > TEXTS_MAX) {
        return -1;
    }
    for (size_t i = 0; i < n; i++) {
        texts[i] = text;
        text += strlen(text) + 1;
    }
    return drae__h5_out_text(out, object, name, n, texts);
}

static int put_attribute(drae__h5_out *out, const drae__blob *blob, const char *at) {
    char object[1024];
    if (blob->rank > 1 || (size_t)(at - blob->path) >= sizeof object) {
        return -1;
    }
    (void)snprintf(object, sizeof object, "%.*s", (int)(at - blob->path), blob->path);
    if (blob->type == DRAE__BLOB_TEXT) {
        return put_texts(out, object, at + 1, blob);
    }
    type_pair types = types_of(blob->type);
    return drae__h5_out_attribute(out, object, at + 1, types.file, types.memory,
                                  drae__blob_count(blob), blob->data);
}

static int put_array(drae__h5_out *out, const drae__blob *blob, int deflate) {
    hsize_t dims[DRAE__BLOB_RANK];
    type_pair types = types_of(blob->type);
    if (types.file < 0 || blob->rank < 0 || blob->rank > DRAE__BLOB_RANK) {
        return -1;
    }
    for (int i = 0; i < blob->rank; i++) {
        dims[i] = blob->dims[i];
    }
    return drae__h5_out_array(out, blob->path, types.file, types.memory, blob->rank, dims,
                              blob->data, deflate);
}

drae_status drae__blob_put(drae__blob_writer *writer, const drae__blob *blob, int deflate,
                           drae__err *err) {
    drae_status status = drae__h5_enter(err);
    if (status != DRAE_OK) {
        return status;
    }
    const char *at = strrchr(blob->path, '@');
    int result =
        at != NULL ? put_attribute(&writer->out, blob, at) : put_array(&writer->out, blob, deflate);
    status = result < 0 ? drae__h5_out_failed(&writer->out, blob->path, err)
                        : drae__h5_out_check(&writer->out, err);
    drae__h5_leave();
    return status;
}

drae_status drae__blob_finish(drae__blob_writer *writer, drae__err *err) {
    drae_status status = drae__h5_enter(err);
    if (status == DRAE_OK) {
        status = drae__h5_out_commit(&writer->out, err);
        drae__h5_leave();
    }
    free(writer);
    return status;
}

void drae__blob_abandon(drae__blob_writer *writer) {
    if (writer == NULL || drae__h5_enter(NULL) != DRAE_OK) {
        return;
    }
    drae__h5_out_discard(&writer->out);
    drae__h5_leave();
    free(writer);
}

/* ---- reading ---- */

struct drae__blob_file {
    char *path;
    drae__scan scan;
    drae__blob *blobs;
    size_t n;
};

static void take_node(const drae__found *found, drae__blob *blob) {
    const drae__node *node = found->node;
    memset(blob, 0, sizeof *blob);
    blob->path = found->path;
    blob->rank = (int)node->rank;
    for (uint32_t i = 0; i < node->rank; i++) {
        blob->dims[i] = (size_t)node->dims[i];
    }
    if (node->count == 0 && blob->rank == 0) { /* a null space: nothing, and no scalar */
        blob->rank = 1;
        blob->dims[0] = 0;
    }
    blob->type = (drae__blob_type)node->type;
    blob->data = node->payload == DRAE__PAYLOAD_VALUES ? found->payload : NULL;
}

drae_status drae__blob_open(const char *path, const char *const *paths, size_t n_paths,
                            size_t max_bytes, drae__blob_file **file, drae__err *err) {
    int fd = -1;
    uint64_t file_bytes = 0;
    const drae__scan_request request = {
        .paths = paths, .n_paths = n_paths, .value_bytes = max_bytes};
    drae__blob_file *f = calloc(1, sizeof *f);
    if (f == NULL || (f->path = strdup(path)) == NULL) {
        free(f);
        return drae__fail(err, DRAE_ERROR_MEMORY, "%s: no memory", path);
    }
    drae_status status = DRAE_OK;
    DRAE__TRY(drae__scan_open(path, &fd, &file_bytes, err));
    DRAE__TRY(drae__scan_run(path, fd, file_bytes, &request, &f->scan, err));
    f->blobs = calloc(f->scan.n + 1, sizeof *f->blobs);
    if (f->blobs == NULL) {
        status = drae__fail(err, DRAE_ERROR_MEMORY, "%s: no memory", path);
        goto done;
    }
    for (size_t i = 0; i < f->scan.n; i++) {
        if (f->scan.items[i].node->kind != DRAE__NODE_GROUP) {
            take_node(&f->scan.items[i], &f->blobs[f->n++]);
        }
    }
    *file = f;
    f = NULL;
done:
    if (fd >= 0) {
        (void)close(fd);
    }
    drae__blob_close(f);
    return status;
}

void drae__blob_close(drae__blob_file *file) {
    if (file == NULL) {
        return;
    }
    drae__scan_free(&file->scan);
    free(file->blobs);
    free(file->path);
    free(file);
}

size_t drae__blob_number(const drae__blob_file *file) {
    return file->n;
}

const drae__blob *drae__blob_at(const drae__blob_file *file, size_t i) {
    return &file->blobs[i];
}

const drae__blob *drae__blob_find(const drae__blob_file *file, const char *path) {
    for (size_t i = 0; i < file->n; i++) {
        if (strcmp(file->blobs[i].path, path) == 0) {
            return &file->blobs[i];
        }
    }
    return NULL;
}

const char *drae__blob_file_path(const drae__blob_file *file) {
    return file->path;
}

void drae__blob_describe(const drae__blob *blob, char text[160]) {
    static const char *const names[] = {"another type", "uint8",   "an integer", "uint64",
                                        "float32",      "float64", "text"};
    size_t type = (size_t)blob->type < sizeof names / sizeof *names ? (size_t)blob->type : 0;
    int n = snprintf(text, 160, "%s [", names[type]);
    for (int i = 0; i < blob->rank && n < 140; i++) {
        n += snprintf(text + n, (size_t)(160 - n), "%s%zu", i == 0 ? "" : ",", blob->dims[i]);
    }
    (void)snprintf(text + n, (size_t)(160 - n), "]");
}

drae_status drae__blob_need(const drae__blob_file *file, const char *path, drae__blob_type type,
                            size_t count, const drae__blob **blob, drae__err *err) {
    static const char *const names[] = {"",        "uint8",   "integer", "uint64",
                                        "float32", "float64", "text"};
    const drae__blob *found = drae__blob_find(file, path);
    char what[160];
    if (found == NULL) {
        return drae__fail(err, DRAE_ERROR_FILE, "%s: has no %s", file->path, path);
    }
    if (found->type != type || found->data == NULL ||
        (count != 0 && drae__blob_count(found) != count)) {
        drae__blob_describe(found, what);
        return drae__fail(err, DRAE_ERROR_FILE, "%s: %s is %s, %s [%zu] is expected", file->path,
                          path, what, names[type], count);
    }
    *blob = found;
    return DRAE_OK;
}
