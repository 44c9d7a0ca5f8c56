/* SPDX-License-Identifier: Apache-2.0 */
#include "io/jsonl.h"

#include "base/file.h"
#include "base/utf8.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BUFFER_BYTES   ((size_t)1 << 16)
#define DEPTH_MAX      32
#define LOG_BYTES_MAX  ((size_t)1 << 32)
#define TAIL_BYTES_MAX ((off_t)1 << 20) /* longest line that a crash can have cut */

struct drae__jsonl {
    char path[DRAE__PATH_BYTES];
    char temporary[DRAE__PATH_BYTES]; /* "" in append mode */
    int fd;
    int error; /* errno of the first failure */
    char *buffer;
    size_t used;
    char closers[DEPTH_MAX]; /* what closes each open bracket */
    int depth;
    bool first; /* no comma before the next value */
};

/* ---- opening ---- */

static drae_status make(const char *path, drae__jsonl **lines, drae__err *err) {
    drae__jsonl *l = calloc(1, sizeof *l);
    if (l == NULL || (l->buffer = malloc(BUFFER_BYTES)) == NULL) {
        free(l);
        return drae__fail(err, DRAE_ERROR_MEMORY, "%s: no memory", path);
    }
    if (strlen(path) >= sizeof l->path) {
        free(l->buffer);
        free(l);
        return drae__fail(err, DRAE_ERROR_ARGUMENT, "%.80s...: the path is too long", path);
    }
    memcpy(l->path, path, strlen(path) + 1);
    l->fd = -1;
    *lines = l;
    return DRAE_OK;
}

static void release(drae__jsonl *l) {
    if (l->fd >= 0) {
        (void)close(l->fd);
    }
    free(l->buffer);
    free(l);
}

drae_status drae__jsonl_create(const char *path, drae__jsonl **lines, drae__err *err) {
    drae__jsonl *l = NULL;
    drae_status status = make(path, &l, err);
    if (status != DRAE_OK) {
        return status;
    }
    DRAE__TRY(drae__file_temporary(path, l->temporary, err));
    l->fd = open(l->temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (l->fd < 0) {
        status = drae__fail(err, DRAE_ERROR_IO, "%s: cannot create: %s", path, strerror(errno));
        goto done;
    }
    *lines = l;
    l = NULL;
done:
    if (l != NULL) {
        release(l);
    }
    return status;
}

/* Cuts an unfinished last line off, so that the next begins on a line of its own. */
static int cut_tail(int fd) {
    struct stat state;
    if (fstat(fd, &state) != 0) {
        return errno;
    }
    if (!S_ISREG(state.st_mode)) {
        return EINVAL;
    }
    off_t end = state.st_size;
    char c = '\n';
    for (off_t back = 0; end > 0 && back < TAIL_BYTES_MAX; back++) {
        if (pread(fd, &c, 1, end - 1) != 1) {
            return errno != 0 ? errno : EIO;
        }
        if (c == '\n') {
            break;
        }
        end--;
    }
    return end != state.st_size && ftruncate(fd, end) != 0 ? errno : 0;
}

drae_status drae__jsonl_append(const char *path, drae__jsonl **lines, drae__err *err) {
    drae__jsonl *l = NULL;
    drae_status status = make(path, &l, err);
    if (status != DRAE_OK) {
        return status;
    }
    l->fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    int code = l->fd < 0 ? errno : cut_tail(l->fd);
    if (code != 0) {
        release(l);
        return drae__fail(err, DRAE_ERROR_IO, "%s: cannot append: %s", path, strerror(code));
    }
    *lines = l;
    return DRAE_OK;
}

/* ---- writing ---- */

static void drain(drae__jsonl *l) {
    const char *src = l->buffer;
    while (l->used > 0 && l->error == 0) {
        ssize_t n = write(l->fd, src, l->used);
        if (n > 0) {
            src += n;
            l->used -= (size_t)n;
        } else if (n == 0 || errno != EINTR) {
            l->error = n == 0 ? ENOSPC : errno;
        }
    }
    l->used = 0;
}

static void put(drae__jsonl *l, const char *text, size_t n) {
    while (n > 0) {
        size_t room = BUFFER_BYTES - l->used;
        size_t step = n < room ? n : room;
        memcpy(l->buffer + l->used, text, step);
        l->used += step;
        text += step;
        n -= step;
        if (l->used == BUFFER_BYTES) {
            drain(l);
        }
    }
}

static void put_name(drae__jsonl *l, const char *name) {
    if (!l->first) {
        put(l, ",", 1);
    }
    l->first = false;
    if (name != NULL) {
        put(l, "\"", 1);
        put(l, name, strlen(name));
        put(l, "\":", 2);
    }
}

static void put_value(drae__jsonl *l, const char *name, const char *value) {
    put_name(l, name);
    put(l, value, strlen(value));
}

static void open_bracket(drae__jsonl *l, char opener, char closer) {
    put(l, &opener, 1);
    if (l->depth < DEPTH_MAX) {
        l->closers[l->depth++] = closer;
    } else if (l->error == 0) {
        l->error = EOVERFLOW;
    }
    l->first = true;
}

void drae__jsonl_begin(drae__jsonl *lines) {
    lines->depth = 0;
    open_bracket(lines, '{', '}');
}

void drae__jsonl_open_object(drae__jsonl *lines, const char *name) {
    put_name(lines, name);
    open_bracket(lines, '{', '}');
}

void drae__jsonl_open_array(drae__jsonl *lines, const char *name) {
    put_name(lines, name);
    open_bracket(lines, '[', ']');
}

void drae__jsonl_close(drae__jsonl *lines) {
    if (lines->depth > 0) {
        put(lines, &lines->closers[--lines->depth], 1);
    }
    lines->first = false;
}

void drae__jsonl_end(drae__jsonl *lines) {
    while (lines->depth > 0) {
        drae__jsonl_close(lines);
    }
    put(lines, "\n", 1);
}

void drae__jsonl_int(drae__jsonl *lines, const char *name, int64_t value) {
    char text[32];
    (void)snprintf(text, sizeof text, "%" PRId64, value);
    put_value(lines, name, text);
}

void drae__jsonl_uint(drae__jsonl *lines, const char *name, uint64_t value) {
    char text[32];
    (void)snprintf(text, sizeof text, "%" PRIu64, value);
    put_value(lines, name, text);
}

static void put_number(drae__jsonl *l, const char *name, double value, int digits) {
    char text[48];
    if (!isfinite(value)) {
        put_value(l, name, "null");
        return;
    }
    (void)snprintf(text, sizeof text, "%.*g", digits, value);
    put_value(l, name, text);
}

void drae__jsonl_float(drae__jsonl *lines, const char *name, float value) {
    put_number(lines, name, (double)value, 9);
}

void drae__jsonl_double(drae__jsonl *lines, const char *name, double value) {
    put_number(lines, name, value, 17);
}

void drae__jsonl_bool(drae__jsonl *lines, const char *name, bool value) {
    put_value(lines, name, value ? "true" : "false");
}

void drae__jsonl_null(drae__jsonl *lines, const char *name) {
    put_value(lines, name, "null");
}

void drae__jsonl_text(drae__jsonl *lines, const char *name, const char *value) {
    put_name(lines, name);
    put(lines, "\"", 1);
    for (const char *s = value; *s != '\0';) {
        size_t n = drae__utf8_length(s);
        if (n == 0) {
            put(lines, "\xef\xbf\xbd", 3);
            n = 1;
        } else if (*s == '"' || *s == '\\') {
            put(lines, "\\", 1);
            put(lines, s, 1);
        } else if ((unsigned char)*s < 0x20 || *s == 0x7f) {
            char escape[8];
            (void)snprintf(escape, sizeof escape, "\\u%04x", (unsigned)(unsigned char)*s);
            put(lines, escape, 6);
        } else {
            put(lines, s, n);
        }
        s += n;
    }
    put(lines, "\"", 1);
}

/* ---- ending ---- */

drae_status drae__jsonl_flush(drae__jsonl *lines, bool sync, drae__err *err) {
    drain(lines);
    if (sync && lines->error == 0 && fdatasync(lines->fd) != 0 && errno != EINVAL) {
        lines->error = errno;
    }
    if (lines->error != 0) {
        return drae__fail(err, DRAE_ERROR_IO, "%s: cannot write: %s", lines->path,
                          strerror(lines->error));
    }
    return DRAE_OK;
}

drae_status drae__jsonl_finish(drae__jsonl *lines, drae__err *err) {
    if (lines == NULL) {
        return DRAE_OK;
    }
    drae_status status = drae__jsonl_flush(lines, lines->temporary[0] == '\0', err);
    if (lines->temporary[0] != '\0') {
        if (status == DRAE_OK) {
            status = drae__file_commit(lines->temporary, lines->path, err);
        } else {
            (void)unlink(lines->temporary);
        }
    }
    release(lines);
    return status;
}

void drae__jsonl_abandon(drae__jsonl *lines) {
    if (lines == NULL) {
        return;
    }
    if (lines->temporary[0] != '\0') {
        (void)unlink(lines->temporary);
    }
    release(lines);
}

/* ---- cutting back ---- */

/* Whether a line of n bytes stays: an object whose field is absent, no integer, or at most max. */
static bool line_stays(const char *line, size_t n, const char *name, int64_t max) {
    json_t *object = json_loadb(line, n, 0, NULL);
    bool stays = json_is_object(object);
    if (stays) {
        const json_t *field = json_object_get(object, name);
        stays = !json_is_integer(field) || json_integer_value(field) <= max;
    }
    json_decref(object);
    return stays;
}

drae_status drae__jsonl_truncate(const char *path, const char *name, int64_t max, size_t *kept,
                                 drae__err *err) {
    struct stat state;
    if (kept != NULL) {
        *kept = 0;
    }
    if (stat(path, &state) != 0 && errno == ENOENT) {
        return DRAE_OK;
    }
    uint8_t *data = NULL;
    size_t n_bytes = 0;
    drae_status status = drae__file_read(path, LOG_BYTES_MAX, &data, &n_bytes, err);
    if (status != DRAE_OK) {
        return status;
    }
    size_t end = 0;
    size_t n_lines = 0;
    while (end < n_bytes) {
        const char *line = (const char *)data + end;
        const char *stop = memchr(line, '\n', n_bytes - end);
        if (stop == NULL || !line_stays(line, (size_t)(stop - line), name, max)) {
            break;
        }
        end += (size_t)(stop - line) + 1;
        n_lines++;
    }
    if (end < n_bytes) {
        status = drae__file_write(path, data, end, err);
    }
    free(data);
    if (status == DRAE_OK && kept != NULL) {
        *kept = n_lines;
    }
    return status;
}
