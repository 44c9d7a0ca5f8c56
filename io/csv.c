/* SPDX-License-Identifier: Apache-2.0 */
#include "io/csv.h"

#include "base/file.h"
#include "base/sha256.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* 4 million patches of scores.csv. */
#define FILE_BYTES_MAX ((size_t)1 << 30)

/* Behind the end of the line at `at`; NULL at the end of the text. */
static char *next_line(drae__csv *csv, char *at) {
    if (*at == '\0') {
        return NULL;
    }
    csv->n_lines++;
    return at + (at[0] == '\r' && at[1] == '\n' ? 2 : 1);
}

/* Moves what stands between quotes to where the first one is, and returns its end; *rest is behind
 * the last one. NULL where it stays open. */
static char *unquote(drae__csv *csv, char *at, char **rest) {
    char *to = at;
    for (const char *from = at + 1; *from != '\0'; from++) {
        if (*from == '"' && *++from != '"') {
            *rest = at + (from - at);
            return to;
        }
        csv->n_lines += *from == '\n' || (*from == '\r' && from[1] != '\n') ? 1 : 0;
        *to++ = *from;
    }
    return NULL;
}

/* Cuts off the field at csv->at, which moves on; *more: another one follows. NULL where a quote
 * stays open. */
static char *cut_field(drae__csv *csv, bool *more) {
    char *field = csv->at + strspn(csv->at, " \t");
    char *rest = field;
    const bool quoted = *field == '"';
    char *end = quoted ? unquote(csv, field, &rest) : NULL;
    if (quoted && end == NULL) {
        return NULL;
    }
    rest += strcspn(rest, ",\r\n");
    if (end == NULL) {
        for (end = rest; end > field && (end[-1] == ' ' || end[-1] == '\t'); end--) {
        }
    }
    *more = *rest == ',';
    csv->at = *more ? rest + 1 : next_line(csv, rest);
    *end = '\0';
    return field;
}

drae_status drae__csv_next(drae__csv *csv, drae__err *err) {
    for (csv->n = 0; csv->n == 0 && csv->at != NULL;) {
        bool more = true;
        csv->line = csv->n_lines;
        while (more) {
            char *field = cut_field(csv, &more);
            if (field == NULL) {
                return drae__fail(err, DRAE_ERROR_FILE, "%s: line %zu: a quote stays open",
                                  csv->path, csv->line);
            }
            if (csv->n == DRAE__CSV_FIELDS) {
                return drae__fail(err, DRAE_ERROR_FILE, "%s: line %zu has more than %d fields",
                                  csv->path, csv->line, DRAE__CSV_FIELDS);
            }
            csv->fields[csv->n++] = field;
        }
        csv->n = csv->n == 1 && csv->fields[0][0] == '\0' ? 0 : csv->n;
    }
    return DRAE_OK;
}

drae_status drae__csv_open(const char *path, drae__csv *csv, drae__err *err) {
    drae_status status = DRAE_OK;
    uint8_t *bytes = NULL;
    size_t n_bytes = 0;
    *csv = (drae__csv){.path = path, .n_lines = 1};
    DRAE__TRY(drae__file_read(path, FILE_BYTES_MAX, &bytes, &n_bytes, err));
    drae__sha256 hash;
    drae__sha256_init(&hash);
    drae__sha256_update(&hash, bytes, n_bytes);
    drae__sha256_final(&hash, csv->digest);
    csv->text = (char *)bytes;
    /* Spreadsheets put a byte order mark first. */
    csv->at = csv->text + (strncmp(csv->text, "\xEF\xBB\xBF", 3) == 0 ? 3 : 0);
    if (memchr(bytes, '\0', n_bytes) != NULL) {
        status = drae__fail(err, DRAE_ERROR_FILE, "%s: is no text", path);
        goto done;
    }
    DRAE__TRY(drae__csv_next(csv, err));
    if (csv->n == 0) {
        status = drae__fail(err, DRAE_ERROR_FILE, "%s: is empty", path);
        goto done;
    }
    memcpy(csv->names, csv->fields, sizeof csv->names);
    csv->n_names = csv->n;
done:
    return status;
}

void drae__csv_close(drae__csv *csv) {
    free(csv->text);
    *csv = (drae__csv){.path = NULL};
}

int drae__csv_column(const drae__csv *csv, const char *name) {
    for (size_t i = 0; i < csv->n_names; i++) {
        if (strcmp(csv->names[i], name) == 0) {
            return (int)i;
        }
    }
    return -1;
}

const char *drae__csv_text(const drae__csv *csv, int column) {
    return column >= 0 && (size_t)column < csv->n ? csv->fields[column] : "";
}

bool drae__csv_integer(const drae__csv *csv, int column, int64_t lo, int64_t hi, int64_t *value) {
    const char *text = drae__csv_text(csv, column);
    char *end = NULL;
    errno = 0;
    long long found = strtoll(text, &end, 10);
    *value = found;
    return errno == 0 && end != text && *end == '\0' && found >= lo && found <= hi;
}
