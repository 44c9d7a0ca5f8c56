/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The part of a scan that runs in the child: walks a foreign file with libhdf5 and puts nodes into
 * the sink. It may die at any H5 call; what it must not do is run for ever on little input or fill
 * the memory, hence the limits.
 */
#include "io/scan.h"

#include "base/size.h"
#include "io/h5.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEPTH_MAX      12
#define NODES_MAX      20000u
#define LINKS_MAX      4096u
#define ATTRIBUTES_MAX 1024u
#define PATH_MAX_BYTES 1024u
#define TEXT_MAX_BYTES ((size_t)1 << 20) /* of one attribute */
#define ATTRIBUTE_MAX  65536u            /* elements */
#define BEAT_EVERY     1024u             /* chunks between two signs of life */
/* deflate makes at most 1032 bytes of one; with what a chunk of constants costs in its index no
 * honest array is longer than this many times its storage. */
#define EXPANSION_MAX 1100u
/* A chunk takes more than this in the index of its array. */
#define CHUNK_INDEX_BYTES 8u

typedef struct walker {
    drae__scan_task *task;
    drae__h5_device device;
    hid_t file;
    drae__sink *sink;
    drae__err *err;
    uint64_t n_nodes;
    uint64_t value_bytes; /* handed over so far */
} walker;

/* What a visit to a path with children carries along. */
typedef struct name_list {
    char **names;
    size_t n;
} name_list;

static drae_status damaged(walker *w, const char *path, const char *what) {
    return drae__fail(w->err, DRAE_ERROR_FILE, "%s: HDF5 cannot read %s (file damaged or hostile)",
                      path, what);
}

static drae_status put_node(walker *w, drae__node *node, const char *path, const void *payload) {
    if (++w->n_nodes > NODES_MAX) {
        return drae__fail(w->err, DRAE_ERROR_FILE, "holds more than %u objects", NODES_MAX);
    }
    node->path_bytes = (uint32_t)strlen(path);
    drae__sink_put(w->sink, node, sizeof *node);
    drae__sink_put(w->sink, path, node->path_bytes + 1);
    drae__sink_align(w->sink);
    if (node->payload_bytes > 0) {
        drae__sink_put(w->sink, payload, (size_t)node->payload_bytes);
        drae__sink_align(w->sink);
    }
    drae__sink_beat(w->sink);
    return DRAE_OK;
}

/* ---- types and extents ---- */

/* Says how values of a file's type are handed over, and in which type libhdf5 delivers them. */
static hid_t classify(hid_t type, drae__node *node) {
    size_t n_bytes = H5Tget_size(type);
    node->type_bytes = n_bytes <= UINT32_MAX ? (uint32_t)n_bytes : UINT32_MAX;
    node->type = DRAE__VALUE_OTHER;
    H5T_class_t class = H5Tget_class(type);
    if (class == H5T_FLOAT && n_bytes <= 16) {
        node->type = n_bytes <= 4 ? DRAE__VALUE_F32 : DRAE__VALUE_F64;
        return n_bytes <= 4 ? H5T_NATIVE_FLOAT : H5T_NATIVE_DOUBLE;
    }
    if ((class == H5T_INTEGER || class == H5T_ENUM) && n_bytes <= 8) {
        hid_t base = class == H5T_ENUM ? H5Tget_super(type) : H5Tcopy(type);
        bool is_unsigned = H5Tget_sign(base) == H5T_SGN_NONE;
        drae__h5_close(base);
        if (is_unsigned && n_bytes == 1) {
            node->type = DRAE__VALUE_U8;
            return H5T_NATIVE_UINT8;
        }
        node->type = is_unsigned && n_bytes == 8 ? DRAE__VALUE_U64 : DRAE__VALUE_I64;
        return node->type == DRAE__VALUE_U64 ? H5T_NATIVE_UINT64 : H5T_NATIVE_INT64;
    }
    if (class == H5T_STRING) {
        node->type = DRAE__VALUE_TEXT;
    }
    return -1;
}

static size_t value_bytes_of(uint32_t type) {
    switch (type) {
    case DRAE__VALUE_U8:
        return 1;
    case DRAE__VALUE_F32:
        return 4;
    case DRAE__VALUE_I64:
    case DRAE__VALUE_U64:
    case DRAE__VALUE_F64:
        return 8;
    default:
        return 0;
    }
}

static bool get_extents(hid_t space, drae__node *node) {
    H5S_class_t class = H5Sget_simple_extent_type(space);
    hsize_t dims[H5S_MAX_RANK];
    node->rank = 0;
    node->count = class == H5S_NULL ? 0 : 1;
    if (class == H5S_SIMPLE) {
        int rank = H5Sget_simple_extent_ndims(space);
        if (rank < 0 || rank > DRAE__SCAN_RANK ||
            H5Sget_simple_extent_dims(space, dims, NULL) != rank) {
            return false;
        }
        node->rank = (uint32_t)rank;
        size_t count = 1;
        for (int i = 0; i < rank; i++) {
            node->dims[i] = dims[i];
            if (!drae__size_mul(count, (size_t)dims[i], &count)) {
                return false;
            }
        }
        node->count = count;
    }
    return class == H5S_SIMPLE || class == H5S_SCALAR || class == H5S_NULL;
}

/* ---- attributes ---- */

/* Appends one string of a fixed or variable type, terminated. */
static bool add_text(char *dst, size_t *used, const char *src, size_t n_max, H5T_str_t pad) {
    size_t n = src == NULL ? 0 : strnlen(src, n_max);
    while (pad == H5T_STR_SPACEPAD && n > 0 && src[n - 1] == ' ') {
        n--;
    }
    if (n >= TEXT_MAX_BYTES - *used) {
        return false;
    }
    if (n > 0) {
        memcpy(dst + *used, src, n);
    }
    dst[*used + n] = '\0';
    *used += n + 1;
    return true;
}

static drae_status read_texts(walker *w, hid_t attribute, hid_t type, hid_t space, const char *path,
                              drae__node *node) {
    drae_status status = DRAE_OK;
    bool variable = H5Tis_variable_str(type) > 0;
    size_t each = variable ? sizeof(char *) : node->type_bytes;
    char *raw = NULL;
    char *text = malloc(TEXT_MAX_BYTES);
    size_t used = 0;
    size_t n_bytes;
    if (text == NULL || !drae__size_mul((size_t)node->count, each, &n_bytes) ||
        n_bytes > TEXT_MAX_BYTES || (raw = calloc(1, n_bytes + 1)) == NULL) {
        status = drae__fail(w->err, DRAE_ERROR_FILE, "%s: text is too long", path);
        goto done;
    }
    hid_t memory_type = H5Tcopy(type);
    herr_t got = memory_type < 0 ? -1 : H5Aread(attribute, memory_type, raw);
    if (got < 0) {
        drae__h5_close(memory_type);
        status = damaged(w, path, "its text");
        goto done;
    }
    H5T_str_t pad = H5Tget_strpad(type);
    bool fits = true;
    for (size_t i = 0; i < node->count && fits; i++) {
        const char *src = raw + i * each;
        if (variable) {
            memcpy(&src, raw + i * each, sizeof src);
        }
        fits = add_text(text, &used, src, variable ? TEXT_MAX_BYTES : each, pad);
    }
    if (variable) {
        (void)H5Dvlen_reclaim(memory_type, space, H5P_DEFAULT, raw);
    }
    drae__h5_close(memory_type);
    if (!fits) {
        status = drae__fail(w->err, DRAE_ERROR_FILE, "%s: text is too long", path);
        goto done;
    }
    node->payload = DRAE__PAYLOAD_VALUES;
    node->payload_bytes = used;
    status = put_node(w, node, path, text);
done:
    free(raw);
    free(text);
    return status;
}

static drae_status visit_attribute(walker *w, hid_t attribute, const char *path) {
    drae_status status = DRAE_OK;
    drae__node node = {.kind = DRAE__NODE_ATTRIBUTE};
    void *values = NULL;
    hid_t type = H5Aget_type(attribute);
    hid_t space = H5Aget_space(attribute);
    if (type < 0 || space < 0 || !get_extents(space, &node) || node.count > ATTRIBUTE_MAX) {
        status = damaged(w, path, "the attribute");
        goto done;
    }
    hid_t memory_type = classify(type, &node);
    if (node.type == DRAE__VALUE_TEXT && node.count > 0) {
        status = read_texts(w, attribute, type, space, path, &node);
        goto done;
    }
    if (node.type == DRAE__VALUE_F32) {
        node.type = DRAE__VALUE_F64; /* numbers of attributes are few: one kind is enough */
        memory_type = H5T_NATIVE_DOUBLE;
    }
    size_t n_bytes = (size_t)node.count * value_bytes_of(node.type);
    if (n_bytes > 0) {
        values = malloc(n_bytes);
        if (values == NULL) {
            status = DRAE_ERROR_MEMORY;
            goto done;
        }
        if (H5Aread(attribute, memory_type, values) < 0) {
            status = damaged(w, path, "the attribute");
            goto done;
        }
        node.payload = DRAE__PAYLOAD_VALUES;
        node.payload_bytes = n_bytes;
    }
    status = put_node(w, &node, path, values);
done:
    free(values);
    drae__h5_close(space);
    drae__h5_close(type);
    return status;
}

static drae_status visit_attributes(walker *w, hid_t object, const char *path) {
    H5O_info_t info;
    if (H5Oget_info2(object, &info, H5O_INFO_NUM_ATTRS) < 0 || info.num_attrs > ATTRIBUTES_MAX) {
        return damaged(w, path, "its list of attributes");
    }
    for (hsize_t i = 0; i < info.num_attrs; i++) {
        char name[PATH_MAX_BYTES];
        char full[2 * PATH_MAX_BYTES];
        hid_t attribute =
            H5Aopen_by_idx(object, ".", H5_INDEX_NAME, H5_ITER_INC, i, H5P_DEFAULT, H5P_DEFAULT);
        ssize_t n = attribute < 0 ? -1 : H5Aget_name(attribute, sizeof name, name);
        drae_status status = DRAE_OK;
        if (n < 0 || n >= (ssize_t)sizeof name) {
            status = damaged(w, path, "an attribute");
        } else {
            (void)snprintf(full, sizeof full, "%s@%s", path, name);
            status = visit_attribute(w, attribute, full);
        }
        drae__h5_close(attribute);
        if (status != DRAE_OK) {
            return status;
        }
    }
    return DRAE_OK;
}

/* ---- arrays ---- */

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

static drae_status check_filters(walker *w, const char *path, const drae__node *node) {
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

static drae_status chunk_table(walker *w, hid_t data, const char *path, const drae__node *node,
                               drae__extent **table, size_t *n_extents) {
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

static drae_status array_table(walker *w, hid_t data, const char *path, drae__node *node,
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
static drae_status array_values(walker *w, hid_t data, const char *path, hid_t memory_type,
                                drae__node *node, void **payload) {
    size_t n_bytes;
    size_t each = value_bytes_of(node->type);
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
        return damaged(w, path, "its values");
    }
    node->payload = DRAE__PAYLOAD_VALUES;
    node->payload_bytes = n_bytes;
    *payload = values;
    return DRAE_OK;
}

static bool wants_table(const walker *w, const char *path) {
    const drae__scan_request *request = w->task->request;
    for (size_t i = 0; i < request->n_tables; i++) {
        if (strcmp(request->tables[i], path) == 0) {
            return true;
        }
    }
    return false;
}

static drae_status visit_array(walker *w, hid_t data, const char *path) {
    drae_status status = DRAE_OK;
    drae__node node = {.kind = DRAE__NODE_ARRAY};
    void *payload = NULL;
    hid_t type = H5Dget_type(data);
    hid_t space = H5Dget_space(data);
    hid_t list = H5Dget_create_plist(data);
    if (type < 0 || space < 0 || list < 0 || !get_extents(space, &node) ||
        !get_layout(data, list, &node)) {
        status = damaged(w, path, "the array, or it has external or virtual parts");
        goto done;
    }
    hid_t memory_type = classify(type, &node);
    if (wants_table(w, path)) {
        DRAE__TRY(array_table(w, data, path, &node, &payload));
    } else {
        DRAE__TRY(array_values(w, data, path, memory_type, &node, &payload));
    }
    DRAE__TRY(put_node(w, &node, path, payload));
    status = visit_attributes(w, data, path);
done:
    free(payload);
    drae__h5_close(list);
    drae__h5_close(space);
    drae__h5_close(type);
    return status;
}

/* ---- groups and links ---- */

static herr_t collect_name(hid_t group, const char *name, const H5L_info_t *info, void *data) {
    (void)group;
    (void)info;
    name_list *list = data;
    if (list->n == LINKS_MAX || strlen(name) >= PATH_MAX_BYTES / 2) {
        return -1;
    }
    list->names[list->n] = strdup(name);
    return list->names[list->n++] == NULL ? -1 : 0;
}

static drae_status visit(walker *w, const char *path, int depth);

static drae_status visit_group(walker *w, hid_t group, const char *path, int depth) {
    drae_status status = DRAE_OK;
    drae__node node = {.kind = DRAE__NODE_GROUP};
    name_list list = {.names = calloc(LINKS_MAX, sizeof(char *)), .n = 0};
    if (list.names == NULL) {
        return DRAE_ERROR_MEMORY;
    }
    DRAE__TRY(put_node(w, &node, path, NULL));
    DRAE__TRY(visit_attributes(w, group, path));
    if (H5Literate(group, H5_INDEX_NAME, H5_ITER_INC, NULL, collect_name, &list) < 0) {
        status = damaged(w, path, "the group");
        goto done;
    }
    for (size_t i = 0; i < list.n; i++) {
        char child[2 * PATH_MAX_BYTES];
        int n = snprintf(child, sizeof child, "%s/%s", path[1] == '\0' ? "" : path, list.names[i]);
        if (depth + 1 > DEPTH_MAX || n >= (int)PATH_MAX_BYTES) {
            status =
                drae__fail(w->err, DRAE_ERROR_FILE,
                           "%.80s...: groups nested deeper than %d (a cycle?)", path, DEPTH_MAX);
            goto done;
        }
        DRAE__TRY(visit(w, child, depth + 1));
    }
done:
    for (size_t i = 0; i < list.n; i++) {
        free(list.names[i]);
    }
    free(list.names);
    return status;
}

/* Visits what a path names; its parents have been checked. A path that is absent is passed over. */
static drae_status visit(walker *w, const char *path, int depth) {
    drae__node node = {.kind = DRAE__NODE_LINK};
    if (path[1] != '\0') {
        H5L_info_t link;
        htri_t there = H5Lexists(w->file, path, H5P_DEFAULT);
        if (there == 0) {
            return DRAE_OK;
        }
        if (there < 0 || H5Lget_info(w->file, path, &link, H5P_DEFAULT) < 0) {
            return damaged(w, path, "the link");
        }
        if (link.type != H5L_TYPE_HARD) {
            return put_node(w, &node, path, NULL);
        }
    }
    hid_t object = H5Oopen(w->file, path, H5P_DEFAULT);
    if (object < 0) {
        return damaged(w, path, "the object");
    }
    drae_status status;
    switch (H5Iget_type(object)) {
    case H5I_GROUP:
        status = visit_group(w, object, path, depth);
        break;
    case H5I_DATASET:
        status = visit_array(w, object, path);
        break;
    default:
        node.kind = DRAE__NODE_OTHER;
        status = put_node(w, &node, path, NULL);
        break;
    }
    drae__h5_close(object);
    return status;
}

/* A requested path: its parents must be groups reached by hard links. */
static drae_status visit_request(walker *w, const char *path) {
    char part[PATH_MAX_BYTES];
    for (const char *slash = strchr(path + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        H5L_info_t link;
        (void)snprintf(part, sizeof part, "%.*s", (int)(slash - path), path);
        if (H5Lexists(w->file, part, H5P_DEFAULT) <= 0) {
            return DRAE_OK;
        }
        if (H5Lget_info(w->file, part, &link, H5P_DEFAULT) < 0 || link.type != H5L_TYPE_HARD) {
            return damaged(w, part, "the link (soft and external links are not followed)");
        }
    }
    return visit(w, path, 0);
}

drae_status drae__scan_child(void *task, drae__sink *sink, drae__err *err) {
    walker w = {.task = task, .sink = sink, .err = err, .file = -1};
    w.device.fd = w.task->fd;
    drae_status status = DRAE_OK;
    const drae__scan_request *request = w.task->request;
    hid_t root = -1;
    hid_t access = drae__h5_access(&w.device);
    if (access >= 0) {
        w.file = H5Fopen("file", H5F_ACC_RDONLY, access);
    }
    if (w.file < 0) {
        status =
            drae__fail(err, DRAE_ERROR_FILE, "HDF5 cannot open it (truncated, damaged or hostile)");
        goto done;
    }
    if (request->n_paths == 0) {
        status = visit(&w, "/", 0);
        goto done;
    }
    root = H5Gopen2(w.file, "/", H5P_DEFAULT);
    if (root < 0) {
        status = damaged(&w, "/", "the root");
        goto done;
    }
    DRAE__TRY(visit_attributes(&w, root, "/"));
    for (size_t i = 0; i < request->n_paths; i++) {
        DRAE__TRY(visit_request(&w, request->paths[i]));
    }
done:
    drae__h5_close(root);
    drae__h5_close(w.file);
    drae__h5_close(access);
    return status;
}
