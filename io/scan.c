/* SPDX-License-Identifier: Apache-2.0 */
#include "io/scan.h"

#include "base/file.h"
#include "base/size.h"
#include "io/h5.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- opening ---- */

/* The signature stands at 0, 512, 1024, 2048, ...: a user block may lie before it. */
static bool has_signature(int fd, uint64_t file_bytes) {
    static const uint8_t signature[8] = {0x89, 'H', 'D', 'F', '\r', '\n', 0x1a, '\n'};
    uint8_t bytes[8];
    for (uint64_t at = 0; at + 8 <= file_bytes; at = at == 0 ? 512 : at * 2) {
        if (pread(fd, bytes, 8, (off_t)at) == 8 && memcmp(bytes, signature, 8) == 0) {
            return true;
        }
    }
    return false;
}

drae_status drae__scan_open(const char *path, int *fd, uint64_t *file_bytes, drae__err *err) {
    struct stat state;
    /* Not blocking: opening a pipe must not wait for a writer. */
    int opened = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (opened < 0) {
        return drae__fail(err, DRAE_ERROR_FILE, "%s: cannot open: %s", path, strerror(errno));
    }
    drae_status status = DRAE_OK;
    if (fstat(opened, &state) != 0 || !S_ISREG(state.st_mode)) {
        const char *hint = S_ISDIR(state.st_mode) ? drae__file_hint(path) : NULL;
        status = drae__fail(err, DRAE_ERROR_FILE, "%s: not a regular file%s%s", path,
                            hint != NULL ? ": " : "", hint != NULL ? hint : "");
    } else if (state.st_size == 0) {
        status = drae__fail(err, DRAE_ERROR_FILE, "%s: the file is empty", path);
    } else if (!has_signature(opened, (uint64_t)state.st_size)) {
        const char *hint = drae__file_hint(path);
        status = drae__fail(err, DRAE_ERROR_FILE, "%s: not an HDF5 file%s%s", path,
                            hint != NULL ? ": " : "", hint != NULL ? hint : "");
    }
    if (status != DRAE_OK) {
        (void)close(opened);
        return status;
    }
    *fd = opened;
    *file_bytes = (uint64_t)state.st_size;
    return DRAE_OK;
}

/* ---- the child's answer ---- */

static size_t padded(size_t n) {
    return (n + 7) & ~(size_t)7;
}

size_t drae__scan_value_bytes(uint32_t type) {
    static const size_t bytes[] = {
        [DRAE__VALUE_U8] = 1,  [DRAE__VALUE_I64] = 8, [DRAE__VALUE_U64] = 8,
        [DRAE__VALUE_F32] = 4, [DRAE__VALUE_F64] = 8, [DRAE__VALUE_TEXT] = 0};
    return type < sizeof bytes / sizeof *bytes ? bytes[type] : 0;
}

/* A child that a file has turned is not trusted either: what the rest of io relies on is checked.
 */
static bool is_sound(const drae__node *node, const char *path, const uint8_t *payload) {
    size_t count = 1;
    size_t n_bytes;
    if (node->kind < DRAE__NODE_GROUP || node->kind > DRAE__NODE_OTHER ||
        node->type > DRAE__VALUE_TEXT || node->rank > DRAE__SCAN_RANK ||
        node->n_filters > DRAE__SCAN_FILTERS || path[node->path_bytes] != '\0' ||
        strlen(path) != node->path_bytes) {
        return false;
    }
    for (uint32_t i = 0; i < node->rank; i++) {
        if (!drae__size_mul(count, (size_t)node->dims[i], &count) ||
            (node->chunked != 0 && node->chunk[i] == 0)) {
            return false;
        }
    }
    if (node->count != count && node->count != 0) {
        return false;
    }
    if (node->payload == DRAE__PAYLOAD_TABLE) {
        return node->kind == DRAE__NODE_ARRAY && node->type != DRAE__VALUE_TEXT &&
               node->payload_bytes % sizeof(drae__extent) == 0;
    }
    if (node->payload != DRAE__PAYLOAD_VALUES || node->payload_bytes == 0) {
        return node->payload == DRAE__PAYLOAD_NONE && node->payload_bytes == 0;
    }
    if (node->type == DRAE__VALUE_TEXT) {
        uint64_t n = 0;
        for (uint64_t i = 0; i < node->payload_bytes; i++) {
            n += payload[i] == 0;
        }
        return n == node->count && payload[node->payload_bytes - 1] == 0;
    }
    return drae__size_mul((size_t)node->count, drae__scan_value_bytes(node->type), &n_bytes) &&
           n_bytes > 0 && n_bytes == node->payload_bytes;
}

bool drae__scan_index(drae__scan *scan) {
    const uint8_t *bytes = scan->reply.bytes;
    size_t left = scan->reply.n_bytes;
    size_t capacity = 0;
    while (left > 0) {
        const drae__node *node = (const drae__node *)(const void *)bytes;
        if (left < sizeof *node) {
            return false;
        }
        left -= sizeof *node;
        bytes += sizeof *node;
        size_t path_bytes = padded((size_t)node->path_bytes + 1);
        if (path_bytes > left || node->payload_bytes > left - path_bytes ||
            padded((size_t)node->payload_bytes) > left - path_bytes) {
            return false;
        }
        const char *path = (const char *)bytes;
        const uint8_t *payload = bytes + path_bytes;
        if (!is_sound(node, path, payload)) {
            return false;
        }
        if (scan->n == capacity) {
            capacity = capacity == 0 ? 64 : capacity * 2;
            drae__found *grown = realloc(scan->items, capacity * sizeof *grown);
            if (grown == NULL) {
                return false;
            }
            scan->items = grown;
        }
        scan->items[scan->n++] = (drae__found){
            .node = node, .path = path, .payload = node->payload_bytes > 0 ? payload : NULL};
        size_t step = path_bytes + padded((size_t)node->payload_bytes);
        bytes += step;
        left -= step;
    }
    return true;
}

drae_status drae__scan_run(const char *name, int fd, uint64_t file_bytes,
                           const drae__scan_request *request, drae__scan *scan, drae__err *err) {
    drae__scan_task task = {.fd = fd, .file_bytes = file_bytes, .request = request};
    memset(scan, 0, sizeof *scan);
    drae_status status = drae__h5_enter(err);
    if (status != DRAE_OK) {
        return status;
    }
    status = drae__isolate(name, file_bytes, drae__scan_child, &task, &scan->reply, err);
    drae__h5_leave();
    if (status == DRAE_OK && !drae__scan_index(scan)) {
        status = drae__fail(err, DRAE_ERROR_FILE,
                            "%s: its reader gave no sound answer (file "
                            "damaged or hostile, or memory short)",
                            name);
    }
    if (status != DRAE_OK) {
        drae__scan_free(scan);
    }
    return status;
}

void drae__scan_free(drae__scan *scan) {
    drae__reply_free(&scan->reply);
    free(scan->items);
    memset(scan, 0, sizeof *scan);
}

/* ---- looking things up ---- */

const drae__found *drae__scan_find(const drae__scan *scan, const char *path) {
    for (size_t i = 0; i < scan->n; i++) {
        if (strcmp(scan->items[i].path, path) == 0) {
            return &scan->items[i];
        }
    }
    return NULL;
}

bool drae__found_integer(const drae__found *found, uint64_t i, int64_t *value) {
    switch (found->node->type) {
    case DRAE__VALUE_U8:
        *value = ((const uint8_t *)found->payload)[i];
        return true;
    case DRAE__VALUE_I64:
        *value = ((const int64_t *)found->payload)[i];
        return true;
    case DRAE__VALUE_U64: {
        uint64_t wide = ((const uint64_t *)found->payload)[i];
        *value = (int64_t)(wide & INT64_MAX);
        return wide <= INT64_MAX;
    }
    default:
        return false;
    }
}

/* Says which object and attribute, in words: "/@width" is the attribute 'width' of /. */
static drae_status refuse(const char *path, drae__err *err, const char *what) {
    const char *at = strrchr(path, '@');
    return drae__fail(err, DRAE_ERROR_FILE, "attribute '%s' of %.*s: %s", at + 1, (int)(at - path),
                      path, what);
}

static drae_status find_scalar(const drae__scan *scan, const char *path, const drae__found **found,
                               drae__err *err) {
    *found = drae__scan_find(scan, path);
    if (*found != NULL && ((*found)->node->count != 1 || (*found)->payload == NULL)) {
        return refuse(path, err, "one value is expected");
    }
    return DRAE_OK;
}

drae_status drae__scan_integer(const drae__scan *scan, const char *path, int64_t lo, int64_t hi,
                               int64_t *value, bool *given, drae__err *err) {
    const drae__found *found;
    drae_status status = find_scalar(scan, path, &found, err);
    if (status != DRAE_OK || found == NULL) {
        if (given != NULL) {
            *given = false;
        }
        return status;
    }
    int64_t got;
    if (!drae__found_integer(found, 0, &got) && found->node->type != DRAE__VALUE_U64) {
        return refuse(path, err, "an integer is expected");
    }
    if (!drae__found_integer(found, 0, &got) || got < lo || got > hi) {
        char what[128];
        (void)snprintf(what, sizeof what, "the value is outside %" PRId64 "..%" PRId64, lo, hi);
        return refuse(path, err, what);
    }
    *value = got;
    if (given != NULL) {
        *given = true;
    }
    return DRAE_OK;
}

drae_status drae__scan_number(const drae__scan *scan, const char *path, double *value, bool *given,
                              drae__err *err) {
    const drae__found *found;
    drae_status status = find_scalar(scan, path, &found, err);
    if (status != DRAE_OK || found == NULL) {
        if (given != NULL) {
            *given = false;
        }
        return status;
    }
    int64_t integer;
    if (found->node->type == DRAE__VALUE_F64) {
        *value = *(const double *)found->payload;
    } else if (drae__found_integer(found, 0, &integer)) {
        *value = (double)integer;
    } else {
        return refuse(path, err, "a number is expected");
    }
    if (given != NULL) {
        *given = true;
    }
    return DRAE_OK;
}

drae_status drae__scan_text(const drae__scan *scan, const char *path, const char **value,
                            bool *given, drae__err *err) {
    const drae__found *found;
    drae_status status = find_scalar(scan, path, &found, err);
    if (status != DRAE_OK || found == NULL) {
        if (given != NULL) {
            *given = false;
        }
        return status;
    }
    if (found->node->type != DRAE__VALUE_TEXT) {
        return refuse(path, err, "text is expected");
    }
    *value = found->payload;
    if (given != NULL) {
        *given = true;
    }
    return DRAE_OK;
}

void drae__node_describe(const drae__node *node, char text[160]) {
    char type[32];
    unsigned bits = node->type_bytes * 8u;
    switch (node->type) {
    case DRAE__VALUE_U8:
    case DRAE__VALUE_U64:
        (void)snprintf(type, sizeof type, "uint%u", bits);
        break;
    case DRAE__VALUE_I64:
        (void)snprintf(type, sizeof type, "integer of %u bits", bits);
        break;
    case DRAE__VALUE_F32:
    case DRAE__VALUE_F64:
        (void)snprintf(type, sizeof type, "float%u", bits);
        break;
    case DRAE__VALUE_TEXT:
        (void)snprintf(type, sizeof type, "text");
        break;
    default:
        (void)snprintf(type, sizeof type, "another type");
        break;
    }
    int n = snprintf(text, 160, "%s [", type);
    for (uint32_t i = 0; i < node->rank; i++) {
        n += snprintf(text + n, (size_t)(160 - n), "%s%" PRIu64, i == 0 ? "" : ",", node->dims[i]);
        n = n > 150 ? 150 : n;
    }
    (void)snprintf(text + n, (size_t)(160 - n), "]");
}
