/* SPDX-License-Identifier: Apache-2.0 */
/* labels.csv beside frames: one line "file,vial,region,label,defect" per patch that is known. */
#include "base/file.h"
#include "io/frames.h"

#include <stdlib.h>
#include <string.h>

#define LABELS_BYTES_MAX ((size_t)1 << 30)
#define HEADER           "file,vial,region,label,defect"

typedef struct row {
    const char *file;
    int vial, region, label, defect;
    size_t line; /* of the text, from 1 */
} row;

struct drae__frame_labels {
    char *text; /* the whole file; names point into it */
    row *rows;  /* in order of file, vial, region */
    size_t n;
};

static int compare(const void *a, const void *b) {
    const row *x = a, *y = b;
    int order = strcmp(x->file, y->file);
    order = order != 0 ? order : (x->vial > y->vial) - (x->vial < y->vial);
    return order != 0 ? order : (x->region > y->region) - (x->region < y->region);
}

/* Cuts the next field off at the separator; NULL when there is none. */
static char *next_field(char **at, char separator) {
    char *start = *at;
    char *end = strchr(start, separator);
    if (end == NULL) {
        return NULL;
    }
    *end = '\0';
    *at = end + 1;
    return start;
}

/* Up to nine digits within 0..most. */
static bool parse_number(const char *text, int most, int *value) {
    size_t n = strspn(text, "0123456789");
    if (n == 0 || n > 9 || text[n] != '\0') {
        return false;
    }
    *value = (int)strtol(text, NULL, 10);
    return *value <= most;
}

static drae_status parse_row(const char *path, size_t line, char *text, row *out, drae__err *err) {
    char *at = text, *fields[4];
    const char *const names[] = {"vial", "region", "label", "defect"};
    const int most[] = {255, 255, 1, 255};
    int *const values[] = {&out->vial, &out->region, &out->label, &out->defect};
    out->line = line;
    out->file = next_field(&at, ',');
    for (int i = 0; i < 3; i++) {
        fields[i] = next_field(&at, ',');
    }
    fields[3] = at;
    if (out->file == NULL || fields[2] == NULL || strchr(at, ',') != NULL) {
        return drae__fail(err, DRAE_ERROR_FILE, "%s:%zu: expected five fields, " HEADER, path,
                          line);
    }
    if (out->file[0] == '\0') {
        return drae__fail(err, DRAE_ERROR_FILE, "%s:%zu: the file's name is empty", path, line);
    }
    for (int i = 0; i < 4; i++) {
        if (!parse_number(fields[i], most[i], values[i])) {
            return drae__fail(err, DRAE_ERROR_FILE,
                              "%s:%zu: %s is \"%.20s\", expected a number in 0..%d", path, line,
                              names[i], fields[i], most[i]);
        }
    }
    return DRAE_OK;
}

/* Cuts the line off, with a carriage return before its end if there is one. */
static char *next_line(char **at) {
    if (**at == '\0') {
        return NULL;
    }
    char *line = *at;
    size_t n = strcspn(line, "\n");
    *at = line + n + (line[n] == '\n' ? 1 : 0);
    line[n] = '\0';
    if (n > 0 && line[n - 1] == '\r') {
        line[n - 1] = '\0';
    }
    return line;
}

static size_t count_lines(const char *text) {
    size_t n = 1;
    for (; *text != '\0'; text++) {
        n += *text == '\n';
    }
    return n;
}

static drae_status parse(const char *path, drae__frame_labels *labels, drae__err *err) {
    drae_status status = DRAE_OK;
    char *at = labels->text;
    size_t number = 1;
    const char *header = next_line(&at);
    if (header == NULL || strcmp(header, HEADER) != 0) {
        return drae__fail(err, DRAE_ERROR_FILE, "%s:1: the first line must be " HEADER, path);
    }
    for (char *line; (line = next_line(&at)) != NULL;) {
        number++;
        if (*line != '\0') {
            DRAE__TRY(parse_row(path, number, line, &labels->rows[labels->n], err));
            labels->n++;
        }
    }
    qsort(labels->rows, labels->n, sizeof *labels->rows, compare);
    for (size_t i = 1; i < labels->n; i++) {
        const row *a = &labels->rows[i - 1], *b = &labels->rows[i];
        if (compare(a, b) == 0) {
            status =
                drae__fail(err, DRAE_ERROR_FILE, "%s:%zu: %s vial %d region %d stands twice", path,
                           a->line > b->line ? a->line : b->line, b->file, b->vial, b->region);
            goto done;
        }
    }
done:
    return status;
}

drae_status drae__frame_labels_load(const char *path, drae__frame_labels **labels, drae__err *err) {
    drae_status status;
    uint8_t *text = NULL;
    size_t n_bytes = 0;
    drae__frame_labels *made = NULL;
    DRAE__TRY(drae__file_read(path, LABELS_BYTES_MAX, &text, &n_bytes, err));
    if (memchr(text, '\0', n_bytes) != NULL) {
        status = drae__fail(err, DRAE_ERROR_FILE, "%s: a zero byte; this is no text", path);
        goto done;
    }
    made = calloc(1, sizeof *made);
    if (made != NULL) {
        made->text = (char *)text;
        text = NULL;
        made->rows = calloc(count_lines(made->text), sizeof *made->rows);
    }
    if (made == NULL || made->rows == NULL) {
        status = drae__fail(err, DRAE_ERROR_MEMORY, "%s: no memory for the labels", path);
        goto done;
    }
    DRAE__TRY(parse(path, made, err));
    *labels = made;
    made = NULL;
done:
    free(text);
    drae__frame_labels_free(made);
    return status;
}

void drae__frame_labels_free(drae__frame_labels *labels) {
    if (labels != NULL) {
        free(labels->rows);
        free(labels->text);
        free(labels);
    }
}

bool drae__frame_labels_find(const drae__frame_labels *labels, const char *file, int vial,
                             int region, int *label, int *defect) {
    const row key = {.file = file, .vial = vial, .region = region};
    const row *found = bsearch(&key, labels->rows, labels->n, sizeof *labels->rows, compare);
    if (found == NULL) {
        return false;
    }
    *label = found->label;
    *defect = found->defect;
    return true;
}
