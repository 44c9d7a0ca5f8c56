/* SPDX-License-Identifier: Apache-2.0 */
/* Types, extents and attributes, in the child. */
#include "io/scan_walker.h"

#include "base/size.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ATTRIBUTES_MAX 1024u
#define ATTRIBUTE_MAX  65536u            /* elements */
#define TEXT_MAX_BYTES ((size_t)1 << 20) /* of one attribute */

hid_t drae__walk_type(hid_t type, drae__node *node) {
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

bool drae__walk_extents(hid_t space, drae__node *node) {
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

static drae_status read_texts(drae__walker *w, hid_t attribute, hid_t type, hid_t space,
                              const char *path, drae__node *node) {
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
        status = drae__walk_damaged(w, path, "its text");
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
    status = drae__walk_put(w, node, path, text);
done:
    free(raw);
    free(text);
    return status;
}

static drae_status visit_attribute(drae__walker *w, hid_t attribute, const char *path) {
    drae_status status = DRAE_OK;
    drae__node node = {.kind = DRAE__NODE_ATTRIBUTE};
    void *values = NULL;
    hid_t type = H5Aget_type(attribute);
    hid_t space = H5Aget_space(attribute);
    if (type < 0 || space < 0 || !drae__walk_extents(space, &node) || node.count > ATTRIBUTE_MAX) {
        status = drae__walk_damaged(w, path, "the attribute");
        goto done;
    }
    hid_t memory_type = drae__walk_type(type, &node);
    if (node.type == DRAE__VALUE_TEXT && node.count > 0) {
        status = read_texts(w, attribute, type, space, path, &node);
        goto done;
    }
    if (node.type == DRAE__VALUE_F32) {
        node.type = DRAE__VALUE_F64; /* numbers of attributes are few: one kind is enough */
        memory_type = H5T_NATIVE_DOUBLE;
    }
    size_t n_bytes = (size_t)node.count * drae__scan_value_bytes(node.type);
    if (n_bytes > 0) {
        values = malloc(n_bytes);
        if (values == NULL) {
            status = DRAE_ERROR_MEMORY;
            goto done;
        }
        if (H5Aread(attribute, memory_type, values) < 0) {
            status = drae__walk_damaged(w, path, "the attribute");
            goto done;
        }
        node.payload = DRAE__PAYLOAD_VALUES;
        node.payload_bytes = n_bytes;
    }
    status = drae__walk_put(w, &node, path, values);
done:
    free(values);
    drae__h5_close(space);
    drae__h5_close(type);
    return status;
}

drae_status drae__walk_attributes(drae__walker *w, hid_t object, const char *path) {
    H5O_info_t info;
    if (H5Oget_info2(object, &info, H5O_INFO_NUM_ATTRS) < 0 || info.num_attrs > ATTRIBUTES_MAX) {
        return drae__walk_damaged(w, path, "its list of attributes");
    }
    for (hsize_t i = 0; i < info.num_attrs; i++) {
        char name[DRAE__WALK_PATH_BYTES];
        char full[2 * DRAE__WALK_PATH_BYTES];
        hid_t attribute =
            H5Aopen_by_idx(object, ".", H5_INDEX_NAME, H5_ITER_INC, i, H5P_DEFAULT, H5P_DEFAULT);
        ssize_t n = attribute < 0 ? -1 : H5Aget_name(attribute, sizeof name, name);
        drae_status status = DRAE_OK;
        if (n < 0 || n >= (ssize_t)sizeof name) {
            status = drae__walk_damaged(w, path, "an attribute");
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
