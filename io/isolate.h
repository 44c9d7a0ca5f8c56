/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Work on a hostile file in a child process; private to io/. libhdf5 1.10 can crash, loop or ask
 * for endless memory on crafted metadata, so that no file from outside is opened by it in this
 * process. The child writes what it found into a memory file; if it dies, hangs or overdraws its
 * limits, only the answer is missing. See io/README.md.
 */
#ifndef DRAE_IO_ISOLATE_H
#define DRAE_IO_ISOLATE_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- in the child ---- */

typedef struct drae__sink {
    int fd;
    int beat_fd;
    uint8_t *buffer;
    size_t used;
    uint64_t written;
    bool failed; /* no memory for more: the answer will be refused */
} drae__sink;

/* Appends to the answer; pads to a multiple of 8 bytes where asked. */
void drae__sink_put(drae__sink *sink, const void *data, size_t n_bytes);
void drae__sink_align(drae__sink *sink);

/* Says that the child is alive: at least once in a few seconds of honest work. */
void drae__sink_beat(drae__sink *sink);

typedef drae_status (*drae__isolated_fn)(void *task, drae__sink *sink, drae__err *err);

/* ---- in the parent ---- */

typedef struct drae__reply {
    const uint8_t *bytes; /* 8-byte aligned, read-only */
    size_t n_bytes;
    void *map;
    size_t map_bytes;
} drae__reply;

/*
 * Runs fn(task) in a child that inherits memory and descriptors, with limits on memory and
 * processor time that follow from file_bytes, the size of the file under test. The caller holds the
 * lock of io/h5.h, so that libhdf5 is at rest when the process forks; fn may call it. Returns fn's
 * status and error. ERROR_FILE when the child died or hung, with `name` in the line.
 */
drae_status drae__isolate(const char *name, uint64_t file_bytes, drae__isolated_fn fn, void *task,
                          drae__reply *reply, drae__err *err);

/* Safe on a zeroed reply. */
void drae__reply_free(drae__reply *reply);

#endif
