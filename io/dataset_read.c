/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading data sets. Everything that libhdf5 is asked about a file is asked in a child process
 * (io/scan.h); here the answer is judged, and patches are read by position and unpacked without
 * libhdf5, so that threads do so side by side.
 */
#include "io/dataset.h"

#include "base/sha256.h"
#include "base/size.h"
#include "io/chunk.h"
#include "io/scan.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SIZE_LO        16
#define SIZE_HI        4096
#define FORMAT         1
#define COLUMN_BYTES   ((uint64_t)1 << 34)
#define SLAB_BYTES_MAX ((size_t)1 << 28) /* patches that share a chunk, unpacked */
#define DEFECTS_MAX    256

enum {
#define COLUMN_NUMBER(name, type) COLUMN_##name,
    DRAE__RECORD_COLUMNS(COLUMN_NUMBER)
#undef COLUMN_NUMBER
        COLUMNS
};

static const char *const column_names[COLUMNS] = {
#define COLUMN_NAME(name, type) #name,
    DRAE__RECORD_COLUMNS(COLUMN_NAME)
#undef COLUMN_NAME
};

#define BYTE_u8  true
#define BYTE_i32 false
static const bool column_is_byte[COLUMNS] = {
#define COLUMN_BYTE(name, type) BYTE_##type,
    DRAE__RECORD_COLUMNS(COLUMN_BYTE)
#undef COLUMN_BYTE
};

/* The record's fields are the columns in order, all int32_t. */
_Static_assert(sizeof(drae__record) == COLUMNS * sizeof(int32_t), "record.h has padding");

/* An [n,size,size] array of bytes in a file. */
typedef struct stack {
    const drae__node *node; /* NULL: absent */
    const drae__extent *table;
    size_t per_slab; /* patches along the first dimension of a chunk; 1 when contiguous */
    size_t ch, cw;   /* chunk sides */
    size_t grid_h, grid_w;
    size_t raw_max; /* longest stored chunk */
} stack;

typedef struct part {
    char *path;
    int fd;
    uint64_t file_bytes;
    drae__scan scan; /* owns the tables */
    size_t first;    /* index of its first patch in the data set */
    size_t count;
    stack patches;
    stack masks;
} part;

struct drae__dataset {
    part *parts;
    size_t n_parts;
    size_t count;
    int size;
    drae__record *records;
    bool has[COLUMNS];
    bool has_masks;
    const char *defect_names[DEFECTS_MAX]; /* in the scan of the first file that names them */
};

/* ---- opening ---- */

/* Takes a table of chunks or a contiguous extent apart; everything that reading relies on is
 * checked here once. */
static drae_status open_stack(const part *p, const char *name, stack *s, drae__err *err) {
    char what[160];
    const drae__found *found = drae__scan_find(&p->scan, name);
    if (found == NULL) {
        return DRAE_OK;
    }
    const drae__node *node = found->node;
    if (node->kind != DRAE__NODE_ARRAY) {
        return drae__fail(err, DRAE_ERROR_FILE, "%s: %s is not an array (links are not followed)",
                          p->path, name);
    }
    drae__node_describe(node, what);
    bool is_byte = node->type_bytes == 1 && (node->type == DRAE__VALUE_U8 ||
                                             (node->type == DRAE__VALUE_I64 && s == &p->masks));
    if (!is_byte || node->rank != 3 || node->dims[1] != node->dims[2]) {
        return drae__fail(err, DRAE_ERROR_FILE, "%s: %s is %s, uint8 [N,size,size] is expected",
                          p->path, name, what);
    }
    if (node->count == 0) {
        return drae__fail(err, DRAE_ERROR_FILE, "%s: %s is empty, %s", p->path, name, what);
    }
    if (node->dims[1] < SIZE_LO || node->dims[1] > SIZE_HI) {
        return drae__fail(err, DRAE_ERROR_FILE, "%s: %s is %s, the side must be %d..%d", p->path,
                          name, what, SIZE_LO, SIZE_HI);
    }
    size_t side = (size_t)node->dims[1];
    s->node = node;
    s->table = found->payload;
    s->per_slab = node->chunked != 0 ? (size_t)node->chunk[0] : 1;
    s->ch = node->chunked != 0 ? (size_t)node->chunk[1] : side;
    s->cw = node->chunked != 0 ? (size_t)node->chunk[2] : side;
    size_t slab_bytes = 0;
    bool fits = s->ch <= SIZE_HI && s->cw <= SIZE_HI &&
                drae__size_mul(s->per_slab, side * side, &slab_bytes) &&
                drae__size_mul(s->per_slab, s->ch * s->cw, &slab_bytes) &&
                slab_bytes <= SLAB_BYTES_MAX && s->per_slab * side * side <= SLAB_BYTES_MAX;
    if (!fits) {
        return drae__fail(err, DRAE_ERROR_FILE,
                          "%s: the chunks of %s are too large (one patch a chunk is best)", p->path,
                          name);
    }
    s->grid_h = (side + s->ch - 1) / s->ch;
    s->grid_w = (side + s->cw - 1) / s->cw;
    size_t slabs = ((size_t)node->dims[0] + s->per_slab - 1) / s->per_slab;
    size_t n_extents = node->chunked != 0 ? slabs * s->grid_h * s->grid_w : 1;
    if (node->payload != DRAE__PAYLOAD_TABLE ||
        found->node->payload_bytes / sizeof(drae__extent) != n_extents) {
        return drae__fail(err, DRAE_ERROR_FILE, "%s: %s: its chunks do not match its extents",
                          p->path, name);
    }
    for (size_t i = 0; i < n_extents; i++) {
        const drae__extent *e = &s->table[i];
        uint64_t n_bytes = node->chunked != 0 ? e->bytes : node->count;
        if (e->bytes == 0) {
            return drae__fail(err, DRAE_ERROR_FILE,
                              "%s: %s: patch %zu was never written or its index is damaged",
                              p->path, name, i / (s->grid_h * s->grid_w) * s->per_slab);
        }
        if (e->at > p->file_bytes || n_bytes > p->file_bytes - e->at ||
            (node->chunked != 0 && n_bytes > 2 * slab_bytes + 1024)) {
            return drae__fail(err, DRAE_ERROR_FILE, "%s: %s: patch %zu lies outside the file",
                              p->path, name, i / (s->grid_h * s->grid_w) * s->per_slab);
        }
        if (node->chunked != 0 && e->bytes > s->raw_max) {
            s->raw_max = e->bytes;
        }
    }
    return DRAE_OK;
}

static drae_status open_part(part *p, const char *path, drae__err *err) {
    static const char *const tables[] = {"/patches", "/mask"};
    static const char *const paths[] = {"/patches", "/mask", "/strip",
#define COLUMN_PATH(name, type) "/" #name,
                                        DRAE__RECORD_COLUMNS(COLUMN_PATH)
#undef COLUMN_PATH
    };
    drae_status status = DRAE_OK;
    const drae__scan_request request = {.paths = paths,
                                        .n_paths = sizeof paths / sizeof *paths,
                                        .tables = tables,
                                        .n_tables = 2,
                                        .value_bytes = COLUMN_BYTES};
    p->path = strdup(path);
    if (p->path == NULL) {
        return drae__fail(err, DRAE_ERROR_MEMORY, "%s: no memory", path);
    }
    DRAE__TRY(drae__scan_open(path, &p->fd, &p->file_bytes, err));
    DRAE__TRY(drae__scan_run(path, p->fd, p->file_bytes, &request, &p->scan, err));
    int64_t format = FORMAT;
    status = drae__scan_integer(&p->scan, "/@format", 0, INT64_MAX, &format, NULL, err);
    if (status != DRAE_OK) {
        status = drae__err_prefix(err, status, "%s", path);
        goto done;
    }
    if (format != FORMAT) {
        status = drae__fail(err, DRAE_ERROR_FILE, "%s: format %" PRId64 ", this program reads %d",
                            path, format, FORMAT);
        goto done;
    }
    DRAE__TRY(open_stack(p, "/patches", &p->patches, err));
    if (p->patches.node == NULL) {
        status = drae__fail(err, DRAE_ERROR_FILE, "%s: has no /patches: not a data set", path);
        goto done;
    }
    DRAE__TRY(open_stack(p, "/mask", &p->masks, err));
    if (p->masks.node != NULL &&
        memcmp(p->masks.node->dims, p->patches.node->dims, 3 * sizeof(uint64_t)) != 0) {
        status = drae__fail(err, DRAE_ERROR_FILE, "%s: /mask and /patches differ in shape", path);
        goto done;
    }
    p->count = (size_t)p->patches.node->dims[0];
done:
    return status;
}

/* Fills one column of the records of a part; *there says whether the file has it. */
static drae_status read_column(const part *p, int column, drae__record *records, bool *there,
                               drae__err *err) {
    char path[32];
    char what[160];
    (void)snprintf(path, sizeof path, "/%s", column_names[column]);
    const drae__found *found = drae__scan_find(&p->scan, path);
    if (found == NULL && column == COLUMN_product) {
        (void)snprintf(path, sizeof path, "/strip");
        found = drae__scan_find(&p->scan, path);
    }
    *there = found != NULL;
    bool zero = column == COLUMN_region || column == COLUMN_label || column == COLUMN_defect;
    int32_t *dst = (int32_t *)(void *)records + column;
    if (found == NULL) {
        for (size_t i = 0; i < p->count; i++) {
            dst[i * COLUMNS] = zero ? 0 : DRAE__UNRECORDED;
        }
        return DRAE_OK;
    }
    int64_t value;
    if (found->node->kind != DRAE__NODE_ARRAY) {
        return drae__fail(err, DRAE_ERROR_FILE, "%s: %s is not an array (links are not followed)",
                          p->path, path);
    }
    if (found->node->rank != 1 || found->node->dims[0] != p->count ||
        (found->payload != NULL && !drae__found_integer(found, 0, &value) &&
         found->node->type != DRAE__VALUE_U64)) {
        drae__node_describe(found->node, what);
        return drae__fail(err, DRAE_ERROR_FILE, "%s: %s is %s, an integer [%zu] is expected",
                          p->path, path, what, p->count);
    }
    if (found->payload == NULL || found->node->payload != DRAE__PAYLOAD_VALUES) {
        return drae__fail(err, DRAE_ERROR_FILE, "%s: %s was never written", p->path, path);
    }
    int64_t lo = column_is_byte[column] ? 0 : INT32_MIN;
    int64_t hi = column_is_byte[column] ? UINT8_MAX : INT32_MAX;
    for (size_t i = 0; i < p->count; i++) {
        if (!drae__found_integer(found, i, &value) || value < lo || value > hi) {
            return drae__fail(err, DRAE_ERROR_FILE,
                              "%s: %s: entry %zu is outside %" PRId64 "..%" PRId64, p->path, path,
                              i, lo, hi);
        }
        dst[i * COLUMNS] = (int32_t)value;
    }
    return DRAE_OK;
}

static drae_status read_defect_names(drae__dataset *dataset, const part *p, drae__err *err) {
    const drae__found *found = drae__scan_find(&p->scan, "/@defect_names");
    if (found == NULL || dataset->defect_names[0] != NULL) {
        return DRAE_OK;
    }
    if (found->node->type != DRAE__VALUE_TEXT || found->node->count > DEFECTS_MAX) {
        return drae__fail(err, DRAE_ERROR_FILE,
                          "%s: attribute 'defect_names' of /: at most %d texts are expected",
                          p->path, DEFECTS_MAX);
    }
    const char *text = found->payload;
    for (uint64_t i = 0; i < found->node->count && text != NULL; i++) {
        dataset->defect_names[i] = text;
        text += strlen(text) + 1;
    }
    return DRAE_OK;
}

static drae_status gather_records(drae__dataset *dataset, drae__err *err) {
    dataset->records = calloc(dataset->count, sizeof *dataset->records);
    if (dataset->records == NULL) {
        return drae__fail(err, DRAE_ERROR_MEMORY, "no memory for the columns of %zu patches",
                          dataset->count);
    }
    memset(dataset->has, 1, sizeof dataset->has);
    dataset->has_masks = true;
    for (size_t k = 0; k < dataset->n_parts; k++) {
        const part *p = &dataset->parts[k];
        for (int column = 0; column < COLUMNS; column++) {
            bool there;
            drae_status status = read_column(p, column, dataset->records + p->first, &there, err);
            if (status != DRAE_OK) {
                return status;
            }
            dataset->has[column] = dataset->has[column] && there;
        }
        dataset->has_masks = dataset->has_masks && p->masks.node != NULL;
        drae_status status = read_defect_names(dataset, p, err);
        if (status != DRAE_OK) {
            return status;
        }
    }
    return DRAE_OK;
}

drae_status drae__dataset_open(const char *const *paths, size_t n_paths, int expect_size,
                               drae__dataset **dataset, drae__err *err) {
    drae_status status = DRAE_OK;
    if (n_paths == 0) {
        return drae__fail(err, DRAE_ERROR_ARGUMENT, "no data set is named");
    }
    drae__dataset *d = calloc(1, sizeof *d);
    if (d == NULL || (d->parts = calloc(n_paths, sizeof *d->parts)) == NULL) {
        free(d);
        return drae__fail(err, DRAE_ERROR_MEMORY, "no memory to open a data set");
    }
    for (size_t k = 0; k < n_paths; k++) {
        part *p = &d->parts[k];
        p->fd = -1;
        d->n_parts = k + 1;
        DRAE__TRY(open_part(p, paths[k], err));
        int size = (int)p->patches.node->dims[1];
        if (expect_size != 0 && size != expect_size) {
            status = drae__fail(err, DRAE_ERROR_FILE,
                                "%s: patches are %d pixels a side, %d are expected", paths[k], size,
                                expect_size);
            goto done;
        }
        if (k > 0 && size != d->size) {
            status = drae__fail(err, DRAE_ERROR_FILE,
                                "%s: patches are %d pixels a side, those of %s are %d", paths[k],
                                size, paths[0], d->size);
            goto done;
        }
        d->size = size;
        p->first = d->count;
        if (!drae__size_add(d->count, p->count, &d->count)) {
            status = drae__fail(err, DRAE_ERROR_FILE, "%s: too many patches", paths[k]);
            goto done;
        }
    }
    DRAE__TRY(gather_records(d, err));
    *dataset = d;
    d = NULL;
done:
    drae__dataset_close(d);
    return status;
}

void drae__dataset_close(drae__dataset *dataset) {
    if (dataset == NULL) {
        return;
    }
    for (size_t k = 0; k < dataset->n_parts; k++) {
        part *p = &dataset->parts[k];
        if (p->fd >= 0) {
            (void)close(p->fd);
        }
        drae__scan_free(&p->scan);
        free(p->path);
    }
    free(dataset->parts);
    free(dataset->records);
    free(dataset);
}

/* ---- asking ---- */

size_t drae__dataset_count(const drae__dataset *dataset) {
    return dataset->count;
}

int drae__dataset_size(const drae__dataset *dataset) {
    return dataset->size;
}

const drae__record *drae__dataset_records(const drae__dataset *dataset) {
    return dataset->records;
}

bool drae__dataset_has(const drae__dataset *dataset, const char *column) {
    if (strcmp(column, "mask") == 0) {
        return dataset->has_masks;
    }
    for (int i = 0; i < COLUMNS; i++) {
        if (strcmp(column, column_names[i]) == 0) {
            return dataset->has[i];
        }
    }
    return false;
}

const char *drae__dataset_defect_name(const drae__dataset *dataset, int defect) {
    if (defect < 0 || defect >= DEFECTS_MAX || dataset->defect_names[defect] == NULL) {
        return "";
    }
    return dataset->defect_names[defect];
}

/* ---- pixels ---- */

/* Buffers of one call, so that threads share nothing. */
typedef struct workspace {
    uint8_t *raw;   /* a stored chunk */
    uint8_t *chunk; /* unpacked */
    uint8_t *spare;
    uint8_t *slab;      /* [per_slab,size,size] */
    const stack *owner; /* what slab holds: slab number `number` of owner */
    size_t number;
} workspace;

static void workspace_free(workspace *work) {
    free(work->raw);
    free(work->chunk);
    free(work->spare);
    free(work->slab);
    memset(work, 0, sizeof *work);
}

static bool workspace_make(workspace *work, const stack *s, size_t side) {
    size_t chunk_bytes = s->per_slab * s->ch * s->cw;
    workspace_free(work);
    work->raw = malloc(s->raw_max + 1);
    work->chunk = malloc(chunk_bytes);
    work->spare = malloc(chunk_bytes + 64);
    work->slab = malloc(s->per_slab * side * side);
    work->owner = s;
    work->number = SIZE_MAX;
    return work->raw != NULL && work->chunk != NULL && work->spare != NULL && work->slab != NULL;
}

static drae_status read_at(const part *p, uint64_t at, uint8_t *dst, size_t n_bytes,
                           drae__err *err) {
    while (n_bytes > 0) {
        ssize_t n = pread(p->fd, dst, n_bytes, (off_t)at);
        if (n > 0) {
            dst += n;
            at += (uint64_t)n;
            n_bytes -= (size_t)n;
        } else if (n == 0) {
            return drae__fail(err, DRAE_ERROR_FILE, "%s: the file shrank while it was read",
                              p->path);
        } else if (errno != EINTR) {
            return drae__fail(err, DRAE_ERROR_IO, "%s: cannot read: %s", p->path, strerror(errno));
        }
    }
    return DRAE_OK;
}

/* Unpacks slab `number`: all chunks that hold patches number * per_slab and the following. */
static drae_status read_slab(const part *p, const stack *s, const char *name, size_t side,
                             size_t number, workspace *work, drae__err *err) {
    size_t tiles = s->grid_h * s->grid_w;
    for (size_t t = 0; t < tiles; t++) {
        const drae__extent *e = &s->table[number * tiles + t];
        drae_status status = read_at(p, e->at, work->raw, e->bytes, err);
        if (status != DRAE_OK) {
            return status;
        }
        bool whole = tiles == 1 && s->ch == side && s->cw == side;
        uint8_t *dst = whole ? work->slab : work->chunk;
        if (!drae__chunk_decode(s->node->filters, s->node->n_filters, e->mask, work->raw, e->bytes,
                                dst, s->per_slab * s->ch * s->cw, work->spare)) {
            return drae__fail(err, DRAE_ERROR_FILE, "%s: %s: patch %zu is damaged", p->path, name,
                              number * s->per_slab);
        }
        if (whole) {
            continue;
        }
        size_t y0 = t / s->grid_w * s->ch;
        size_t x0 = t % s->grid_w * s->cw;
        size_t rows = side - y0 < s->ch ? side - y0 : s->ch;
        size_t columns = side - x0 < s->cw ? side - x0 : s->cw;
        for (size_t i = 0; i < s->per_slab; i++) {
            for (size_t y = 0; y < rows; y++) {
                memcpy(work->slab + (i * side + y0 + y) * side + x0,
                       work->chunk + (i * s->ch + y) * s->cw, columns);
            }
        }
    }
    work->number = number;
    return DRAE_OK;
}

static const part *part_of(const drae__dataset *dataset, size_t index) {
    size_t lo = 0;
    size_t hi = dataset->n_parts;
    while (hi - lo > 1) {
        size_t middle = (lo + hi) / 2;
        if (dataset->parts[middle].first <= index) {
            lo = middle;
        } else {
            hi = middle;
        }
    }
    return &dataset->parts[lo];
}

static drae_status read_one(const part *p, const stack *s, const char *name, size_t side,
                            size_t local, workspace *work, uint8_t *dst, drae__err *err) {
    size_t n = side * side;
    if (s->node->chunked == 0) {
        return read_at(p, s->table->at + (uint64_t)local * n, dst, n, err);
    }
    if (work->owner != s && !workspace_make(work, s, side)) {
        return drae__fail(err, DRAE_ERROR_MEMORY, "%s: no memory to read patches", p->path);
    }
    if (work->number != local / s->per_slab) {
        work->number = SIZE_MAX;
        drae_status status = read_slab(p, s, name, side, local / s->per_slab, work, err);
        if (status != DRAE_OK) {
            return status;
        }
    }
    memcpy(dst, work->slab + local % s->per_slab * n, n);
    return DRAE_OK;
}

static drae_status read_stack(const drae__dataset *dataset, bool masks, const size_t *indices,
                              size_t n, uint8_t *dst, drae__err *err) {
    drae_status status = DRAE_OK;
    workspace work;
    memset(&work, 0, sizeof work);
    size_t side = (size_t)dataset->size;
    for (size_t i = 0; i < n; i++, dst += side * side) {
        if (indices[i] >= dataset->count) {
            status = drae__fail(err, DRAE_ERROR_ARGUMENT, "patch %zu of %zu", indices[i],
                                dataset->count);
            goto done;
        }
        const part *p = part_of(dataset, indices[i]);
        const stack *s = masks ? &p->masks : &p->patches;
        if (s->node == NULL) {
            memset(dst, 0, side * side);
            continue;
        }
        DRAE__TRY(read_one(p, s, masks ? "/mask" : "/patches", side, indices[i] - p->first, &work,
                           dst, err));
        for (size_t k = 0; masks && k < side * side; k++) {
            dst[k] = dst[k] != 0;
        }
    }
done:
    workspace_free(&work);
    return status;
}

drae_status drae__dataset_read(drae__dataset *dataset, const size_t *indices, size_t n,
                               uint8_t *dst, drae__err *err) {
    return read_stack(dataset, false, indices, n, dst, err);
}

drae_status drae__dataset_read_masks(drae__dataset *dataset, const size_t *indices, size_t n,
                                     uint8_t *dst, drae__err *err) {
    return read_stack(dataset, true, indices, n, dst, err);
}

/* ---- identity ---- */

static void put_le64(drae__sha256 *hash, uint64_t value) {
    uint8_t bytes[8];
    for (int i = 0; i < 8; i++) {
        bytes[i] = (uint8_t)(value >> (8 * i));
    }
    drae__sha256_update(hash, bytes, sizeof bytes);
}

drae_status drae__dataset_hash(drae__dataset *dataset, uint8_t digest[32], drae__err *err) {
    static const char title[] = "drae data 1\n";
    drae_status status = DRAE_OK;
    drae__sha256 hash;
    workspace work;
    memset(&work, 0, sizeof work);
    size_t side = (size_t)dataset->size;
    uint8_t *pixels = malloc(side * side);
    if (pixels == NULL) {
        status = drae__fail(err, DRAE_ERROR_MEMORY, "no memory to hash a data set");
        goto done;
    }
    drae__sha256_init(&hash);
    drae__sha256_update(&hash, title, sizeof title - 1);
    put_le64(&hash, side);
    put_le64(&hash, dataset->count);
    for (size_t k = 0; k < dataset->n_parts; k++) {
        const part *p = &dataset->parts[k];
        for (size_t i = 0; i < p->count; i++) {
            DRAE__TRY(read_one(p, &p->patches, "/patches", side, i, &work, pixels, err));
            drae__sha256_update(&hash, pixels, side * side);
        }
    }
    for (size_t i = 0; i < dataset->count; i++) {
        const int32_t *fields = (const int32_t *)(const void *)&dataset->records[i];
        uint8_t bytes[4 * COLUMNS];
        for (int k = 0; k < COLUMNS; k++) {
            uint32_t value = (uint32_t)fields[k];
            for (int b = 0; b < 4; b++) {
                bytes[4 * k + b] = (uint8_t)(value >> (8 * b));
            }
        }
        drae__sha256_update(&hash, bytes, sizeof bytes);
    }
    drae__sha256_final(&hash, digest);
done:
    workspace_free(&work);
    free(pixels);
    return status;
}
