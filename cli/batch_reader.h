/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads the next batch of patches while the one before is inspected: one thread, two buffers.
 */
#ifndef DRAE_CLI_BATCH_READER_H
#define DRAE_CLI_BATCH_READER_H

#include "cli/inspect_source.h"

typedef struct drae__batch {
    const size_t *indices; /* [n] of the patches, a part of the order given */
    size_t n;
    uint8_t *patches; /* [n,size,size]; what has a reason is undefined */
    uint8_t *reasons; /* [n] DRAE_REASON_NONE, or why there is no patch */
} drae__batch;

typedef struct drae__batch_reader drae__batch_reader;

/* Will read the patches order[0..n) in batches of at most `batch`. source and order must outlive
 * the reader; nobody else may read from source meanwhile. */
drae_status drae__batch_reader_create(drae__source *source, const size_t *order, size_t n,
                                      size_t batch, int size, drae__batch_reader **reader,
                                      drae__err *err);

/* The next batch, valid until the next call; n = 0 after the last. A failure of reading. */
drae_status drae__batch_reader_next(drae__batch_reader *reader, drae__batch *batch, drae__err *err);

/* Ends the thread after the read that is under way. NULL is a no-op. */
void drae__batch_reader_destroy(drae__batch_reader *reader);

#endif
