/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Threads that draw and write PNGs from a bounded queue. A job owns everything it draws from.
 */
#ifndef DRAE_CLI_PICTURE_QUEUE_H
#define DRAE_CLI_PICTURE_QUEUE_H

#include "base/error.h"
#include "base/file.h"

#include <stdint.h>

/* One picture: draw is called with rgb [height,width,3], then the PNG goes to path. */
typedef struct drae__picture_job {
    char path[DRAE__PATH_BYTES];
    int width;
    int height;
    void (*draw)(const struct drae__picture_job *job, uint8_t *rgb);
    void (*destroy)(struct drae__picture_job *job); /* frees the job with all it owns */
} drae__picture_job;

typedef struct drae__picture_queue drae__picture_queue;

drae_status drae__picture_queue_create(int n_threads, drae__picture_queue **queue, drae__err *err);

/* Takes the job over in every case; waits while the queue is full. Once a picture has failed, every
 * later call returns its failure. */
drae_status drae__picture_queue_put(drae__picture_queue *queue, drae__picture_job *job,
                                    drae__err *err);

/* Waits until every job is done; the first failure of any. */
drae_status drae__picture_queue_drain(drae__picture_queue *queue, drae__err *err);

/* Drops the jobs that no thread has begun, waits for the others. NULL is a no-op. */
void drae__picture_queue_destroy(drae__picture_queue *queue);

#endif
