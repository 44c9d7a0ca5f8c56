/* SPDX-License-Identifier: Apache-2.0 */
/* Arrays, in the child: their values, or the table of where their bytes lie. */
#include "io/scan_walker.h"

#include "base/size.h"

#include <stdlib.h>
#include <string.h>

#define BEAT_EVERY 1024u /* chunks between two signs of life */
/* deflate makes at most 1032 bytes of one; with what a chunk of constants costs in its index no
 * honest array is longer than this many times its storage. */
#define EXPANSION_MAX 1100u
/* A chunk takes more than this in the index of its array. */
#define CHUNK_INDEX_BYTES 8u

static bool get_layout(hid_t data, hid_t list, drae__node *node) {
    hsize_t chunk[H5S_MAX_RANK];
    H5D_layout_t layout = H5Pget_layout(list);
    node->chunked = layout == H5D_CHUNKED;
    node->stored_bytes = H5Dget_storage_size(data);
    if (node->chunked != 0) {
        int rank = H5Pget_chunk(list, H5S_MAX_RANK, chunk);
        if (rank != (int)node->rank) {
            return false;
        }
        for (int i = 0; i < rank; i++) {
            node->chunk[i] = chunk[i];
        }
    }
    int n = H5Pget_nfilters(list);
    if (n < 0 || n > DRAE__SCAN_FILTERS) {
        return false;
    }
    node->n_filters = (uint32_t)n;
    for (int i = 0; i < n; i++) {
        unsigned flags;
        size_t n_values = 0;
        H5Z_filter_t filter =
            H5Pget_filter2(list, (unsigned)i, &flags, &n_values, NULL, 0, NULL, NULL);
        if (filter < 0) {
            return false;
        }
        node->filters[i] = (uint32_t)filter;
    }
    /* Nothing of an array may lie in other files. */
    return (layout == H5D_CHUNKED || layout == H5D_CONTIGUOUS || layout == H5D_COMPACT) &&
           H5Pget_external_count(list) == 0;
}

static drae_status check_filters(drae__walker *w, const char *path, const drae__node *node) {
    for (uint32_t i = 0; i < node->n_filters; i++) {
        uint32_t filter = node->filters[i];
        if (filter != H5Z_FILTER_DEFLATE && filter != H5Z_FILTER_SHUFFLE &&
            filter != H5Z_FILTER_FLETCHER32) {
            return drae__fail(w->err, DRAE_ERROR_FILE,
                              "%s: compressed by filter %u, only deflate is read (repack it: "
                              "h5repack -f GZIP=1)",
                              path, (unsigned)filter);
        }
    }
    return DRAE_OK;
}

static drae_status chunk_table(drae__walker *w, hid_t data, const char *path,
                               const drae__node *node, drae__extent **table, size_t *n_extents) {
    hsize_t grid[DRAE__SCAN_RANK];
    hsize_t at[DRAE__SCAN_RANK] = {0};
    size_t n = 1;
    for (uint32_t i = 0; i < node->rank; i++) {
        grid[i] = node->chunk[i] == 0 ? 0 : (node->dims[i] + node->chunk[i] - 1) / node->chunk[i];
        if (!drae__size_mul(n, (size_t)grid[i], &n)) {
            n = SIZE_MAX;
        }
    }
    if (n > w->task->file_bytes / CHUNK_INDEX_BYTES) {
        return drae__fail(w->err, DRAE_ERROR_FILE,
                          "%s: claims %zu chunks, more than the file can hold", path, n);
    }
    drae__extent *extents = calloc(n + 1, sizeof *extents);
    if (extents == NULL) {
        return DRAE_ERROR_MEMORY;
    }
    w->device.note_raw = true;
    for (size_t k = 0; k < n; k++) {
        uint8_t nothing[1];
        uint32_t mask = 0;
        w->device.raw_bytes = 0;
        if (H5Dread_chunk(data, H5P_DEFAULT, at, &mask, nothing) >= 0 &&
            w->device.raw_bytes <= UINT32_MAX) {
            extents[k].at = w->device.raw_at;
            extents[k].bytes = (uint32_t)w->device.raw_bytes;
            extents[k].mask = mask;
        }
        for (uint32_t i = node->rank; i-- > 0;) {
            at[i] += node->chunk[i];
            if (at[i] < node->dims[i]) {
                break;
            }
            at[i] = 0;
        }
        if (k % BEAT_EVERY == 0) {
            drae__sink_beat(w->sink);
        }
    }
    w->device.note_raw = false;
    *table = extents;
    *n_extents = n;
    return DRAE_OK;
}

static drae_status array_table(drae__walker *w, hid_t data, const char *path, drae__node *node,
                               void **payload) {
    drae__extent *table = NULL;
    size_t n = 0;
    drae_status status = check_filters(w, path, node);
    if (status != DRAE_OK) {
        return status;
    }
    if (node->chunked != 0) {
        status = chunk_table(w, data, path, node, &table, &n);
    } else {
        haddr_t at = H5Dget_offset(data);
        table = calloc(1, sizeof *table);
        status = table == NULL ? DRAE_ERROR_MEMORY : DRAE_OK;
        n = 1;
        if (status == DRAE_OK && at != HADDR_UNDEF && node->stored_bytes > 0) {
            table->at = at;
            table->bytes = 1;
        }
    }
    if (status == DRAE_OK) {
        node->payload = DRAE__PAYLOAD_TABLE;
        node->payload_bytes = n * sizeof *table;
        *payload = table;
    }
    return status;
}

/* Reads the values where they are wanted, really stored, and not out of proportion. */
static drae_status array_values(drae__walker *w, hid_t data, const char *path, hid_t memory_type,
                                drae__node *node, void **payload) {
    size_t n_bytes;
    size_t each = drae__scan_value_bytes(node->type);
    if (each == 0 || !drae__size_mul((size_t)node->count, each, &n_bytes) || n_bytes == 0 ||
        n_bytes > w->task->request->value_bytes || node->stored_bytes == 0) {
        return DRAE_OK;
    }
    drae_status status = check_filters(w, path, node);
    if (status != DRAE_OK) {
        return status;
    }
    uint64_t file_bytes = w->task->file_bytes;
    bool packed = node->chunked != 0 && node->n_filters > 0;
    uint64_t expansion = 8u * (packed ? EXPANSION_MAX : 1u); /* 8: a byte becomes an int64 */
    if (node->stored_bytes > file_bytes || n_bytes / expansion > node->stored_bytes ||
        w->value_bytes / (2u * 8u * EXPANSION_MAX) > file_bytes) {
        return drae__fail(w->err, DRAE_ERROR_FILE,
                          "%s: claims %llu elements, more than the file can hold", path,
                          (unsigned long long)node->count);
    }
    w->value_bytes += n_bytes;
    void *values = malloc(n_bytes);
    if (values == NULL) {
        return drae__fail(w->err, DRAE_ERROR_MEMORY, "%s: no memory for %zu bytes", path, n_bytes);
    }
    if (H5Dread(data, memory_type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values) < 0) {
        free(values);
        return drae__walk_damaged(w, path, "its values");
    }
    node->payload = DRAE__PAYLOAD_VALUES;
    node->payload_bytes = n_bytes;
    *payload = values;
    return DRAE_OK;
}

static bool wants_table(const drae__walker *w, const char *path) {
    const drae__scan_request *request = w->task->request;
    for (size_t i = 0; i < request->n_tables; i++) {
        if (strcmp(request->tables[i], path) == 0) {
            return true;
        }
    }
    return false;
}

drae_status drae__walk_array(drae__walker *w, hid_t data, const char *path) {
    drae_status status = DRAE_OK;
    drae__node node = {.kind = DRAE__NODE_ARRAY};
    void *payload = NULL;
    hid_t type = H5Dget_type(data);
    hid_t space = H5Dget_space(data);
    hid_t list = H5Dget_create_plist(data);
    if (type < 0 || space < 0 || list < 0 || !drae__walk_extents(space, &node) ||
        !get_layout(data, list, &node)) {
        status = drae__walk_damaged(w, path, "the array, or it has external or virtual parts");
        goto done;
    }
    hid_t memory_type = drae__walk_type(type, &node);
    if (wants_table(w, path)) {
        DRAE__TRY(array_table(w, data, path, &node, &payload));
    } else {
        DRAE__TRY(array_values(w, data, path, memory_type, &node, &payload));
    }
    DRAE__TRY(drae__walk_put(w, &node, path, payload));
    status = drae__walk_attributes(w, data, path);
done:
    free(payload);
    drae__h5_close(list);
    drae__h5_close(space);
    drae__h5_close(type);
    return status;
}
