/* SPDX-License-Identifier: Apache-2.0 */
/* Text of unknown length into a buffer of known length: what does not fit is counted. */
#ifndef DRAE_ENGINE_TEXT_H
#define DRAE_ENGINE_TEXT_H

#include <stddef.h>
#include <stdio.h>
#include <string.h>

typedef struct drae__text {
    char *text;
    size_t n_bytes;
    size_t used; /* of the whole text, without the terminator */
} drae__text;

static inline void drae__text_append(drae__text *out, const char *line) {
    if (out->used < out->n_bytes) {
        (void)snprintf(out->text + out->used, out->n_bytes - out->used, "%s", line);
    }
    out->used += strlen(line);
}

#endif
