/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Text written as it comes, whole or not at all: a temporary file, renamed when finished. Failures
 * are kept and reported by finish. For CSV and for self-contained HTML.
 */
#ifndef DRAE_IO_TEXT_FILE_H
#define DRAE_IO_TEXT_FILE_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

typedef struct drae__text_file drae__text_file;

drae_status drae__text_create(const char *path, drae__text_file **file, drae__err *err);

void drae__text_put(drae__text_file *file, const char *text);
void drae__text_print(drae__text_file *file, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Text from outside within HTML or SVG: & < > " ' escaped, control characters and bytes that are
 * not UTF-8 as U+FFFD. */
void drae__text_html(drae__text_file *file, const char *text);

/* A field of CSV (RFC 4180): quoted where it must be, control characters replaced by '?'. */
void drae__text_csv(drae__text_file *file, const char *text);

void drae__text_base64(drae__text_file *file, const uint8_t *bytes, size_t n);

/* Sync, rename, free in every case; on failure nothing is there. NULL is accepted by both. */
drae_status drae__text_finish(drae__text_file *file, drae__err *err);
void drae__text_abandon(drae__text_file *file);

#endif
