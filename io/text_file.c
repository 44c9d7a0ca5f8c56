/* SPDX-License-Identifier: Apache-2.0 */
#include "io/text_file.h"

#include "base/file.h"
#include "base/utf8.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct drae__text_file {
    FILE *stream;
    int error; /* errno of the first failure */
    char path[DRAE__PATH_BYTES];
    char temporary[DRAE__PATH_BYTES];
};

drae_status drae__text_create(const char *path, drae__text_file **file, drae__err *err) {
    drae_status status = DRAE_OK;
    *file = NULL;
    drae__text_file *f = calloc(1, sizeof *f);
    if (f == NULL) {
        return drae__fail(err, DRAE_ERROR_MEMORY, "%s: no memory", path);
    }
    DRAE__TRY(drae__file_temporary(path, f->temporary, err));
    memcpy(f->path, path, strlen(path) + 1); /* shorter than its temporary name */
    f->stream = fopen(f->temporary, "wbe");
    if (f->stream == NULL) {
        status = drae__fail(err, DRAE_ERROR_IO, "%s: cannot create: %s", path, strerror(errno));
        goto done;
    }
    *file = f;
    f = NULL;
done:
    free(f);
    return status;
}

static void note(drae__text_file *file, int failed) {
    if (failed && file->error == 0) {
        file->error = errno != 0 ? errno : EIO;
    }
}

void drae__text_put(drae__text_file *file, const char *text) {
    note(file, fputs(text, file->stream) < 0);
}

void drae__text_print(drae__text_file *file, const char *format, ...) {
    va_list args;
    va_start(args, format);
    note(file, vfprintf(file->stream, format, args) < 0);
    va_end(args);
}

void drae__text_html(drae__text_file *file, const char *text) {
    while (*text != '\0') {
        size_t n = drae__utf8_length(text);
        unsigned char c = (unsigned char)*text;
        const char *escaped = c == '&'    ? "&amp;"
                              : c == '<'  ? "&lt;"
                              : c == '>'  ? "&gt;"
                              : c == '"'  ? "&quot;"
                              : c == '\'' ? "&#39;"
                                          : NULL;
        if (escaped != NULL) {
            drae__text_put(file, escaped);
        } else if (n == 0 || (n == 1 && (c < 0x20 || c == 0x7f))) {
            drae__text_put(file, "\xef\xbf\xbd");
            n = 1;
        } else {
            note(file, fwrite(text, 1, n, file->stream) != n);
        }
        text += n;
    }
}

void drae__text_csv(drae__text_file *file, const char *text) {
    if (strpbrk(text, ",\"\r\n") == NULL) {
        drae__text_put(file, text);
        return;
    }
    note(file, fputc('"', file->stream) == EOF);
    for (; *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text;
        if (c == '"') {
            note(file, fputc('"', file->stream) == EOF);
        }
        note(file, fputc(c < 0x20 ? '?' : c, file->stream) == EOF);
    }
    note(file, fputc('"', file->stream) == EOF);
}

void drae__text_base64(drae__text_file *file, const uint8_t *bytes, size_t n) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < n; i += 3) {
        uint32_t group = (uint32_t)bytes[i] << 16;
        group |= i + 1 < n ? (uint32_t)bytes[i + 1] << 8 : 0;
        group |= i + 2 < n ? (uint32_t)bytes[i + 2] : 0;
        const char text[5] = {digits[group >> 18], digits[group >> 12 & 63],
                              i + 1 < n ? digits[group >> 6 & 63] : '=',
                              i + 2 < n ? digits[group & 63] : '=', '\0'};
        drae__text_put(file, text);
    }
}

drae_status drae__text_finish(drae__text_file *file, drae__err *err) {
    drae_status status = DRAE_OK;
    if (file == NULL) {
        return DRAE_OK;
    }
    errno = 0;
    note(file, fclose(file->stream) != 0);
    if (file->error != 0) {
        (void)unlink(file->temporary);
        status = drae__fail(err, DRAE_ERROR_IO, "%s: cannot write: %s", file->path,
                            strerror(file->error));
    } else {
        status = drae__file_commit(file->temporary, file->path, err);
    }
    free(file);
    return status;
}

void drae__text_abandon(drae__text_file *file) {
    if (file != NULL) {
        (void)fclose(file->stream);
        (void)unlink(file->temporary);
        free(file);
    }
}
