/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opening data sets. Everything that libhdf5 is asked about a file is asked in a child process
 * (io/scan.h); here the answer is judged.
 */
#include "io/dataset_private.h"

#include "base/size.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define COLUMN_BYTES   ((uint64_t)1 << 34)
#define SLAB_BYTES_MAX ((size_t)1 << 28) /* patches that share a chunk, unpacked */

#define BYTE_u8            true
#define BYTE_i32           false
#define COLUMN(name, type) {"/" #name, BYTE_##type},
const drae__column drae__columns[DRAE__COLUMNS] = {DRAE__RECORD_COLUMNS(COLUMN)};
#undef COLUMN

/* Takes a table of chunks or a contiguous extent apart; everything that reading relies on is
 * checked here once. */
static drae_status open_stack(const drae__part *p, const char *name, drae__stack *s,
                              drae__err *err) {
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
    if (node->dims[1] < DRAE__DATASET_SIZE_LO || node->dims[1] > DRAE__DATASET_SIZE_HI) {
        return drae__fail(err, DRAE_ERROR_FILE, "%s: %s is %s, the side must be %d..%d", p->path,
                          name, what, DRAE__DATASET_SIZE_LO, DRAE__DATASET_SIZE_HI);
    }
    size_t side = (size_t)node->dims[1];
    s->node = node;
    s->table = found->payload;
    s->per_slab = node->chunked != 0 ? (size_t)node->chunk[0] : 1;
    s->ch = node->chunked != 0 ? (size_t)node->chunk[1] : side;
    s->cw = node->chunked != 0 ? (size_t)node->chunk[2] : side;
    size_t slab_bytes = 0;
    bool fits = s->ch <= DRAE__DATASET_SIZE_HI && s->cw <= DRAE__DATASET_SIZE_HI &&
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

static drae_status open_part(drae__part *p, const char *path, drae__err *err) {
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
    int64_t format = DRAE__DATASET_FORMAT;
    status = drae__scan_integer(&p->scan, "/@format", 0, INT64_MAX, &format, NULL, err);
    if (status != DRAE_OK) {
        status = drae__err_prefix(err, status, "%s", path);
        goto done;
    }
    if (format != DRAE__DATASET_FORMAT) {
        status = drae__fail(err, DRAE_ERROR_FILE, "%s: format %" PRId64 ", this program reads %d",
                            path, format, DRAE__DATASET_FORMAT);
        goto done;
    }
    DRAE__TRY(open_stack(p, "/patches", &p->patches, err));
    if (p->patches.node == NULL) {
        status =
            drae__fail(err, DRAE_ERROR_FILE,
                       "%s: has no /patches: not a data set (drae info says what it is)", path);
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
static drae_status read_column(const drae__part *p, int column, drae__record *records, bool *there,
                               drae__err *err) {
    char path[32];
    char what[160];
    (void)snprintf(path, sizeof path, "%s", drae__columns[column].path);
    const drae__found *found = drae__scan_find(&p->scan, path);
    if (found == NULL && column == DRAE__COLUMN_product) {
        (void)snprintf(path, sizeof path, "/strip");
        found = drae__scan_find(&p->scan, path);
    }
    *there = found != NULL;
    bool zero = column == DRAE__COLUMN_region || column == DRAE__COLUMN_label ||
                column == DRAE__COLUMN_defect;
    int32_t *dst = (int32_t *)(void *)records + column;
    if (found == NULL) {
        for (size_t i = 0; i < p->count; i++) {
            dst[i * DRAE__COLUMNS] = zero ? 0 : DRAE__UNRECORDED;
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
    int64_t lo = drae__columns[column].is_byte ? 0 : INT32_MIN;
    int64_t hi = drae__columns[column].is_byte ? UINT8_MAX : INT32_MAX;
    for (size_t i = 0; i < p->count; i++) {
        if (!drae__found_integer(found, i, &value) || value < lo || value > hi) {
            return drae__fail(err, DRAE_ERROR_FILE,
                              "%s: %s: entry %zu is outside %" PRId64 "..%" PRId64, p->path, path,
                              i, lo, hi);
        }
        dst[i * DRAE__COLUMNS] = (int32_t)value;
    }
    return DRAE_OK;
}

static drae_status read_defect_names(drae__dataset *dataset, const drae__part *p, drae__err *err) {
    const drae__found *found = drae__scan_find(&p->scan, "/@defect_names");
    if (found == NULL || dataset->defect_names[0] != NULL) {
        return DRAE_OK;
    }
    if (found->node->type != DRAE__VALUE_TEXT || found->node->count > DRAE__DATASET_DEFECTS) {
        return drae__fail(err, DRAE_ERROR_FILE,
                          "%s: attribute 'defect_names' of /: at most %d texts are expected",
                          p->path, DRAE__DATASET_DEFECTS);
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
        const drae__part *p = &dataset->parts[k];
        for (int column = 0; column < DRAE__COLUMNS; column++) {
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
        drae__part *p = &d->parts[k];
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
        drae__part *p = &dataset->parts[k];
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
    for (int i = 0; i < DRAE__COLUMNS; i++) {
        if (strcmp(column, drae__columns[i].path + 1) == 0) {
            return dataset->has[i];
        }
    }
    return false;
}

const char *drae__dataset_defect_name(const drae__dataset *dataset, int defect) {
    if (defect < 0 || defect >= DRAE__DATASET_DEFECTS || dataset->defect_names[defect] == NULL) {
        return "";
    }
    return dataset->defect_names[defect];
}

void drae__dataset_storage(const drae__dataset *dataset, uint64_t *stored_bytes, char text[96]) {
    static const char *const filters[] = {"", ", deflate", ", shuffle", ", fletcher32"};
    *stored_bytes = 0;
    for (size_t k = 0; k < dataset->n_parts; k++) {
        *stored_bytes += dataset->parts[k].patches.node->stored_bytes;
    }
    const drae__stack *s = &dataset->parts[0].patches;
    int n = s->node->chunked == 0
                ? snprintf(text, 96, "contiguous")
                : snprintf(text, 96, "chunks of %zu x %zu x %zu", s->per_slab, s->ch, s->cw);
    for (uint32_t i = 0; i < s->node->n_filters && i < 4; i++) {
        uint32_t filter = s->node->filters[i];
        n += snprintf(text + n, (size_t)(96 - n), "%s", filter < 4 ? filters[filter] : "");
    }
}
