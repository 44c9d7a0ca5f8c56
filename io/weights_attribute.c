/* SPDX-License-Identifier: Apache-2.0 */
#include "io/weights_private.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

drae_status drae__attribute_refuse(const drae__head *h, const char *name, const char *expected) {
    return drae__fail(h->err, DRAE_ERROR_FILE, "%s: attribute '%s' must be %s",
                      drae__blob_file_path(h->file), name, expected);
}

/* The attribute of the root, NULL when absent. */
const drae__blob *drae__attribute(const drae__head *h, const char *name) {
    char path[64];
    (void)snprintf(path, sizeof path, "/@%s", name);
    return drae__blob_find(h->file, path);
}

bool drae__blob_integer(const drae__blob *blob, size_t i, int64_t *value) {
    if (blob->data == NULL) {
        return false;
    }
    switch (blob->type) {
    case DRAE__BLOB_U8:
        *value = ((const uint8_t *)blob->data)[i];
        return true;
    case DRAE__BLOB_I64:
        *value = ((const int64_t *)blob->data)[i];
        return true;
    case DRAE__BLOB_U64:
        *value = (int64_t)((const uint64_t *)blob->data)[i];
        return *value >= 0;
    default:
        return false;
    }
}

drae_status drae__attribute_integer(const drae__head *h, const char *name, int64_t lo, int64_t hi,
                                    int64_t *value) {
    const drae__blob *blob = drae__attribute(h, name);
    if (blob == NULL) {
        return DRAE_OK;
    }
    int64_t got;
    if (drae__blob_count(blob) != 1 || !drae__blob_integer(blob, 0, &got) || got < lo || got > hi) {
        char expected[80];
        (void)snprintf(expected, sizeof expected, "one integer from %" PRId64 " to %" PRId64, lo,
                       hi);
        return drae__attribute_refuse(h, name, expected);
    }
    *value = got;
    return DRAE_OK;
}

drae_status drae__attribute_int(const drae__head *h, const char *name, int *value) {
    int64_t wide = *value;
    drae_status status = drae__attribute_integer(h, name, INT32_MIN, INT32_MAX, &wide);
    *value = (int)wide;
    return status;
}

drae_status drae__attribute_number(const drae__head *h, const char *name, double *value) {
    const drae__blob *blob = drae__attribute(h, name);
    int64_t integer;
    if (blob == NULL) {
        return DRAE_OK;
    }
    if (drae__blob_count(blob) == 1 && blob->type == DRAE__BLOB_F64 && blob->data != NULL) {
        *value = *(const double *)blob->data;
        return DRAE_OK;
    }
    if (drae__blob_count(blob) == 1 && drae__blob_integer(blob, 0, &integer)) {
        *value = (double)integer;
        return DRAE_OK;
    }
    return drae__attribute_refuse(h, name, "one number");
}

drae_status drae__attribute_text(const drae__head *h, const char *name, const char **value) {
    const drae__blob *blob = drae__attribute(h, name);
    if (blob == NULL) {
        return DRAE_OK;
    }
    if (drae__blob_count(blob) != 1 || blob->type != DRAE__BLOB_TEXT || blob->data == NULL) {
        return drae__attribute_refuse(h, name, "one text");
    }
    *value = blob->data;
    return DRAE_OK;
}

/* A text that is kept in a field of its own. */
drae_status drae__attribute_short_text(const drae__head *h, const char *name, char *dst, size_t n) {
    const char *text = "";
    drae_status status = drae__attribute_text(h, name, &text);
    if (status != DRAE_OK) {
        return status;
    }
    if (strlen(text) >= n) {
        char expected[48];
        (void)snprintf(expected, sizeof expected, "a text of at most %zu bytes", n - 1);
        return drae__attribute_refuse(h, name, expected);
    }
    memcpy(dst, text, strlen(text) + 1);
    return DRAE_OK;
}
