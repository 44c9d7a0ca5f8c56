/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files that are whole or not there: written under a temporary name beside the target, synced,
 * renamed over it. The temporary name carries the process id; a crash leaves the old file intact.
 */
#ifndef DRAE_BASE_FILE_H
#define DRAE_BASE_FILE_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

#define DRAE__PATH_BYTES 4096

/* The temporary name for path: "<path>.<pid>.tmp". Fails with ERROR_ARGUMENT when it does not fit.
 */
drae_status drae__file_temporary(const char *path, char temporary[DRAE__PATH_BYTES],
                                 drae__err *err);

/* Syncs temporary, renames it to path and syncs the folder. On failure temporary is removed. */
drae_status drae__file_commit(const char *temporary, const char *path, drae__err *err);

/* Writes n_bytes as the whole of path, by the two steps above. */
drae_status drae__file_write(const char *path, const void *data, size_t n_bytes, drae__err *err);

/* Reads the whole of a regular file of at most max_bytes into a fresh block (free() it) with a
 * terminating zero behind it. ERROR_FILE when absent, not regular, or too large. */
drae_status drae__file_read(const char *path, size_t max_bytes, uint8_t **data, size_t *n_bytes,
                            drae__err *err);

/* What lies at path by its first bytes, with what to do, as part of a sentence: "this is a PNG
 * image; drae import makes a data set of it". NULL where that is not known. */
const char *drae__file_hint(const char *path);

/* Creates the folder and its parents where they are missing. */
drae_status drae__file_make_folder(const char *path, drae__err *err);

/* Takes an exclusive lock on "<folder>/.lock" without waiting: ERROR_BUSY when another process
 * holds it. *lock is the descriptor to hand to drae__file_unlock; a process that dies lets go. */
drae_status drae__file_lock(const char *folder, int *lock, drae__err *err);
void drae__file_unlock(int lock);

/* Unlocks, takes the lock's file away, and the folder too if nothing else lies in it. */
void drae__file_leave(const char *folder, int lock);

#endif
