/* SPDX-License-Identifier: Apache-2.0 */
#include "io/manual.h"

#include "base/file.h"
#include "model/record.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FILE_BYTES_MAX ((size_t)1 << 26)

enum { PRODUCT, VIAL, INSPECTIONS, REJECTS, N_COLUMNS };

static const char *const names[N_COLUMNS] = {"product", "vial", "inspections", "rejects"};

/* Cuts the field at *at off its line and moves on; NULL behind the last. */
static char *next_field(char **at) {
    char *field = *at;
    if (field == NULL) {
        return NULL;
    }
    char *end = strchr(field, ',');
    if (end != NULL) {
        *end = '\0';
        *at = end + 1;
    } else {
        *at = NULL;
    }
    field += strspn(field, " \t\"");
    size_t length = strlen(field);
    while (length > 0 && strchr(" \t\"", field[length - 1]) != NULL) {
        field[--length] = '\0';
    }
    return field;
}

static drae_status read_head(const char *path, char *line, int place[N_COLUMNS], drae__err *err) {
    char *at = line;
    int column = 0;
    for (int c = 0; c < N_COLUMNS; c++) {
        place[c] = -1;
    }
    for (char *field = next_field(&at); field != NULL; field = next_field(&at), column++) {
        for (int c = 0; c < N_COLUMNS; c++) {
            if (strcmp(field, names[c]) == 0) {
                place[c] = column;
            }
        }
    }
    for (int c = 0; c < N_COLUMNS; c++) {
        if (place[c] < 0 && c != VIAL) {
            return drae__fail(err, DRAE_ERROR_FILE,
                              "%s: line 1 names no column %s; expected product,vial,inspections,"
                              "rejects",
                              path, names[c]);
        }
    }
    return DRAE_OK;
}

static drae_status read_row(const char *path, size_t number, char *line, const int place[N_COLUMNS],
                            drae__manual_row *row, drae__err *err) {
    long long values[N_COLUMNS] = {0, DRAE__UNRECORDED, 0, 0};
    bool seen[N_COLUMNS] = {false};
    char *at = line;
    int column = 0;
    for (char *field = next_field(&at); field != NULL; field = next_field(&at), column++) {
        for (int c = 0; c < N_COLUMNS; c++) {
            if (place[c] == column) {
                char *end = NULL;
                errno = 0;
                values[c] = strtoll(field, &end, 10);
                seen[c] = errno == 0 && end != field && *end == '\0' &&
                          values[c] > DRAE__UNRECORDED && values[c] <= INT32_MAX;
            }
        }
    }
    for (int c = 0; c < N_COLUMNS; c++) {
        if (place[c] >= 0 && !seen[c]) {
            return drae__fail(err, DRAE_ERROR_FILE, "%s: line %zu has no whole number in column %s",
                              path, number, names[c]);
        }
    }
    if (values[INSPECTIONS] < 1 || values[REJECTS] < 0 || values[REJECTS] > values[INSPECTIONS]) {
        return drae__fail(err, DRAE_ERROR_FILE, "%s: line %zu: %lld rejects of %lld inspections",
                          path, number, values[REJECTS], values[INSPECTIONS]);
    }
    *row = (drae__manual_row){.product = (int32_t)values[PRODUCT],
                              .vial = (int32_t)values[VIAL],
                              .inspections = (uint32_t)values[INSPECTIONS],
                              .rejects = (uint32_t)values[REJECTS]};
    return DRAE_OK;
}

drae_status drae__manual_read(const char *path, drae__manual_row **rows, size_t *n, bool *vials,
                              drae__err *err) {
    drae_status status = DRAE_OK;
    uint8_t *bytes = NULL;
    drae__manual_row *fresh = NULL;
    size_t n_bytes = 0;
    size_t n_lines = 1;
    size_t count = 0;
    size_t number = 0;
    int place[N_COLUMNS] = {-1, -1, -1, -1};
    DRAE__TRY(drae__file_read(path, FILE_BYTES_MAX, &bytes, &n_bytes, err));
    if (memchr(bytes, '\0', n_bytes) != NULL) {
        status = drae__fail(err, DRAE_ERROR_FILE, "%s: is no text", path);
        goto done;
    }
    for (size_t i = 0; i < n_bytes; i++) {
        n_lines += bytes[i] == '\n' ? 1 : 0;
    }
    fresh = calloc(n_lines, sizeof *fresh);
    if (fresh == NULL) {
        status = drae__fail(err, DRAE_ERROR_MEMORY, "%s: no memory for %zu lines", path, n_lines);
        goto done;
    }
    for (char *line = (char *)bytes; line != NULL;) {
        char *end = strpbrk(line, "\r\n");
        char *next = end == NULL ? NULL : end + (end[0] == '\r' && end[1] == '\n' ? 2 : 1);
        if (end != NULL) {
            *end = '\0';
        }
        number++;
        if (number == 1) {
            DRAE__TRY(read_head(path, line, place, err));
        } else if (line[strspn(line, " \t")] != '\0') {
            if (count == n_lines) {
                status = drae__fail(err, DRAE_ERROR_FILE, "%s: lines end in CR alone", path);
                goto done;
            }
            DRAE__TRY(read_row(path, number, line, place, &fresh[count], err));
            count++;
        }
        line = next;
    }
    if (count == 0) {
        status = drae__fail(err, DRAE_ERROR_FILE, "%s: has no unit", path);
        goto done;
    }
    *rows = fresh;
    *n = count;
    *vials = place[VIAL] >= 0;
    fresh = NULL;
done:
    free(bytes);
    free(fresh);
    return status;
}
