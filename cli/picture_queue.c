/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/picture_queue.h"

#include "base/size.h"
#include "io/image.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

#define THREADS_MAX  16
#define PER_THREAD   2 /* jobs that wait for each thread: enough that none is idle */
#define CAPACITY_MAX (THREADS_MAX * PER_THREAD)

struct drae__picture_queue {
    pthread_mutex_t mutex;
    pthread_cond_t changed; /* a job came, a job was done, or closing */
    pthread_t threads[THREADS_MAX];
    int n_threads;
    drae__picture_job *jobs[CAPACITY_MAX]; /* a ring */
    int capacity;
    int first;
    int n_waiting;
    int n_busy;
    bool closing;
    drae_status status; /* first failure */
    drae__err err;
};

static drae_status draw(const drae__picture_job *job, uint8_t **rgb, size_t *n_bytes,
                        drae__err *err) {
    size_t need = 0;
    if (!drae__size_mul((size_t)job->width * 3, (size_t)job->height, &need)) {
        return drae__fail(err, DRAE_ERROR_INTERNAL, "%s: picture too large", job->path);
    }
    if (need > *n_bytes) {
        free(*rgb);
        *rgb = malloc(need);
        *n_bytes = *rgb == NULL ? 0 : need;
    }
    if (*rgb == NULL) {
        return drae__fail(err, DRAE_ERROR_MEMORY, "%s: no memory for %zu bytes", job->path, need);
    }
    job->draw(job, *rgb);
    return drae__png_write_rgb(job->path, *rgb, job->width, job->height, 3 * job->width, err);
}

static void *work(void *argument) {
    drae__picture_queue *queue = argument;
    uint8_t *rgb = NULL;
    size_t n_bytes = 0;
    (void)pthread_mutex_lock(&queue->mutex);
    for (;;) {
        while (queue->n_waiting == 0 && !queue->closing) {
            (void)pthread_cond_wait(&queue->changed, &queue->mutex);
        }
        if (queue->n_waiting == 0) {
            break;
        }
        drae__picture_job *job = queue->jobs[queue->first];
        queue->first = (queue->first + 1) % queue->capacity;
        queue->n_waiting--;
        queue->n_busy++;
        bool skip = queue->status != DRAE_OK || queue->closing;
        (void)pthread_mutex_unlock(&queue->mutex);

        drae__err err = {{0}};
        drae_status status = skip ? DRAE_OK : draw(job, &rgb, &n_bytes, &err);
        job->destroy(job);

        (void)pthread_mutex_lock(&queue->mutex);
        queue->n_busy--;
        if (status != DRAE_OK && queue->status == DRAE_OK) {
            queue->status = status;
            queue->err = err;
        }
        (void)pthread_cond_broadcast(&queue->changed);
    }
    (void)pthread_mutex_unlock(&queue->mutex);
    free(rgb);
    return NULL;
}

drae_status drae__picture_queue_create(int n_threads, drae__picture_queue **queue, drae__err *err) {
    drae__picture_queue *fresh = calloc(1, sizeof *fresh);
    if (fresh == NULL) {
        return drae__fail(err, DRAE_ERROR_MEMORY, "no memory for a queue of pictures");
    }
    n_threads = n_threads < 1 ? 1 : n_threads > THREADS_MAX ? THREADS_MAX : n_threads;
    fresh->capacity = n_threads * PER_THREAD;
    (void)pthread_mutex_init(&fresh->mutex, NULL);
    (void)pthread_cond_init(&fresh->changed, NULL);
    for (int i = 0; i < n_threads; i++) {
        if (pthread_create(&fresh->threads[i], NULL, work, fresh) != 0) {
            drae__picture_queue_destroy(fresh);
            return drae__fail(err, DRAE_ERROR_INTERNAL, "cannot start a thread for pictures");
        }
        fresh->n_threads++;
    }
    *queue = fresh;
    return DRAE_OK;
}

/* Under the mutex. */
static drae_status failure(const drae__picture_queue *queue, drae__err *err) {
    if (queue->status != DRAE_OK && err != NULL) {
        *err = queue->err;
    }
    return queue->status;
}

drae_status drae__picture_queue_put(drae__picture_queue *queue, drae__picture_job *job,
                                    drae__err *err) {
    (void)pthread_mutex_lock(&queue->mutex);
    while (queue->n_waiting == queue->capacity && queue->status == DRAE_OK) {
        (void)pthread_cond_wait(&queue->changed, &queue->mutex);
    }
    drae_status status = failure(queue, err);
    if (status == DRAE_OK) {
        queue->jobs[(queue->first + queue->n_waiting) % queue->capacity] = job;
        queue->n_waiting++;
        (void)pthread_cond_broadcast(&queue->changed);
    }
    (void)pthread_mutex_unlock(&queue->mutex);
    if (status != DRAE_OK) {
        job->destroy(job);
    }
    return status;
}

drae_status drae__picture_queue_drain(drae__picture_queue *queue, drae__err *err) {
    (void)pthread_mutex_lock(&queue->mutex);
    while (queue->n_waiting > 0 || queue->n_busy > 0) {
        (void)pthread_cond_wait(&queue->changed, &queue->mutex);
    }
    drae_status status = failure(queue, err);
    (void)pthread_mutex_unlock(&queue->mutex);
    return status;
}

void drae__picture_queue_destroy(drae__picture_queue *queue) {
    if (queue == NULL) {
        return;
    }
    (void)pthread_mutex_lock(&queue->mutex);
    queue->closing = true;
    (void)pthread_cond_broadcast(&queue->changed);
    (void)pthread_mutex_unlock(&queue->mutex);
    for (int i = 0; i < queue->n_threads; i++) {
        (void)pthread_join(queue->threads[i], NULL);
    }
    (void)pthread_cond_destroy(&queue->changed);
    (void)pthread_mutex_destroy(&queue->mutex);
    free(queue);
}
