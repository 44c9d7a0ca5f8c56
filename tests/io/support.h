/* SPDX-License-Identifier: Apache-2.0 */
/* What the suites of io share: a scratch folder, test patches, raw bytes of files. */
#ifndef DRAE_TESTS_IO_SUPPORT_H
#define DRAE_TESTS_IO_SUPPORT_H

#include "base/error.h"
#include "io/dataset.h"

#include <check.h>
#include <stddef.h>
#include <stdint.h>

/* A fresh folder for this process, removed at exit; and a path inside it (static storage, 64
 * may be in use at a time). */
const char *scratch(const char *name);

/* Fails the test with the error's text when status is not DRAE_OK. */
#define ck_ok(call, err)                                                                           \
    do {                                                                                           \
        drae_status ck_status_ = (call);                                                           \
        ck_assert_msg(ck_status_ == DRAE_OK, "%s: %d %s", #call, ck_status_, (err)->text);         \
    } while (0)

/* Fails unless the call gives `expected` and a line with `part` in it. */
#define ck_refused(call, expected, part, err)                                                      \
    do {                                                                                           \
        drae_status ck_status_ = (call);                                                           \
        ck_assert_msg(ck_status_ == (expected), "%s: %d instead of %d: %s", #call, ck_status_,     \
                      (int)(expected), (err)->text);                                               \
        ck_assert_msg(strstr((err)->text, (part)) != NULL, "%s: no '%s' in: %s", #call, (part),    \
                      (err)->text);                                                                \
    } while (0)

/* Pixel k of test patch i of a side; mask pixel; record. Values that differ everywhere. */
uint8_t test_pixel(size_t i, size_t k);
uint8_t test_mask(size_t i, size_t k);
drae__record test_record(size_t i);

/* Writes n test patches by drae__dataset_*, `batch` at a time, all columns. */
void write_test_set(const char *path, size_t n, int side, bool masks, int deflate, size_t batch);

/* Fails unless patch i of the data set at index `index` is test patch i, mask included. */
void check_test_patch(drae__dataset *dataset, size_t index, size_t i, bool masks);

uint8_t *read_bytes(const char *path, size_t *n);
void write_bytes(const char *path, const void *bytes, size_t n);
bool exists(const char *path);

/* Number of entries in the folder of path whose name ends in ".tmp". */
size_t count_temporaries(const char *path);

/* The file at path is what it was after a process that began to write another in its place was
 * killed: `begin` writes, and does not finish. */
void survives_kill(const char *path, void (*begin)(const char *path));

/* The same where the disk is full when so many bytes are written: `save` says so, at every limit
 * below end, and leaves no temporary file. */
void survives_full_disk(const char *path, size_t end, size_t step,
                        drae_status (*save)(const char *path, drae__err *err));

#endif
