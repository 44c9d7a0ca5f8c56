/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/batch_reader.h"

#include "base/size.h"

#include <pthread.h>
#include <stdlib.h>

enum { SLOTS = 2 };

typedef struct slot {
    drae__batch batch;
    bool full;
} slot;

struct drae__batch_reader {
    drae__source *source;
    const size_t *order;
    size_t n;
    size_t batch;
    slot slots[SLOTS];
    size_t taken; /* batches handed out */
    bool closing;
    bool started;
    drae_status status; /* of the read that ended the thread */
    drae__err err;
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
};

static void *read_all(void *argument) {
    drae__batch_reader *r = argument;
    drae_status status = DRAE_OK;
    drae__err err = {{0}};
    (void)pthread_mutex_lock(&r->mutex);
    for (size_t k = 0, at = 0; at < r->n && status == DRAE_OK; k++) {
        slot *s = &r->slots[k % SLOTS];
        while (s->full && !r->closing) {
            (void)pthread_cond_wait(&r->changed, &r->mutex);
        }
        if (r->closing) {
            break;
        }
        (void)pthread_mutex_unlock(&r->mutex);
        s->batch.indices = r->order + at;
        s->batch.n = r->n - at < r->batch ? r->n - at : r->batch;
        status = drae__source_read(r->source, s->batch.indices, s->batch.n, s->batch.patches,
                                   s->batch.reasons, &err);
        at += s->batch.n;
        (void)pthread_mutex_lock(&r->mutex);
        s->full = status == DRAE_OK;
        r->status = status;
        r->err = err;
        (void)pthread_cond_broadcast(&r->changed);
    }
    (void)pthread_mutex_unlock(&r->mutex);
    return NULL;
}

drae_status drae__batch_reader_create(drae__source *source, const size_t *order, size_t n,
                                      size_t batch, int size, drae__batch_reader **reader,
                                      drae__err *err) {
    drae__batch_reader *fresh = calloc(1, sizeof *fresh);
    if (fresh == NULL) {
        return drae__fail(err, DRAE_ERROR_MEMORY, "no memory to read patches");
    }
    drae_status status = DRAE_OK;
    (void)pthread_mutex_init(&fresh->mutex, NULL);
    (void)pthread_cond_init(&fresh->changed, NULL);
    fresh->source = source;
    fresh->order = order;
    fresh->n = n;
    fresh->batch = batch;
    size_t n_bytes = 0;
    if (!drae__size_mul((size_t)size * (size_t)size, batch, &n_bytes)) {
        status = drae__fail(err, DRAE_ERROR_MEMORY, "a batch of %zu patches is too large", batch);
        goto done;
    }
    for (int i = 0; i < SLOTS; i++) {
        fresh->slots[i].batch.patches = malloc(n_bytes);
        fresh->slots[i].batch.reasons = malloc(batch);
        if (fresh->slots[i].batch.patches == NULL || fresh->slots[i].batch.reasons == NULL) {
            status =
                drae__fail(err, DRAE_ERROR_MEMORY, "no memory for a batch of %zu patches", batch);
            goto done;
        }
    }
    if (pthread_create(&fresh->thread, NULL, read_all, fresh) != 0) {
        status = drae__fail(err, DRAE_ERROR_INTERNAL, "cannot start a thread that reads patches");
        goto done;
    }
    fresh->started = true;
    *reader = fresh;
    fresh = NULL;
done:
    drae__batch_reader_destroy(fresh);
    return status;
}

drae_status drae__batch_reader_next(drae__batch_reader *reader, drae__batch *batch,
                                    drae__err *err) {
    drae_status status = DRAE_OK;
    (void)pthread_mutex_lock(&reader->mutex);
    if (reader->taken > 0) {
        reader->slots[(reader->taken - 1) % SLOTS].full = false;
        (void)pthread_cond_broadcast(&reader->changed);
    }
    if (reader->taken * reader->batch >= reader->n) {
        *batch = (drae__batch){0};
    } else {
        slot *s = &reader->slots[reader->taken % SLOTS];
        while (!s->full && reader->status == DRAE_OK) {
            (void)pthread_cond_wait(&reader->changed, &reader->mutex);
        }
        if (s->full) {
            *batch = s->batch;
            reader->taken++;
        } else {
            status = reader->status;
            if (err != NULL) {
                *err = reader->err;
            }
        }
    }
    (void)pthread_mutex_unlock(&reader->mutex);
    return status;
}

void drae__batch_reader_destroy(drae__batch_reader *reader) {
    if (reader == NULL) {
        return;
    }
    if (reader->started) {
        (void)pthread_mutex_lock(&reader->mutex);
        reader->closing = true;
        (void)pthread_cond_broadcast(&reader->changed);
        (void)pthread_mutex_unlock(&reader->mutex);
        (void)pthread_join(reader->thread, NULL);
    }
    for (int i = 0; i < SLOTS; i++) {
        free(reader->slots[i].batch.patches);
        free(reader->slots[i].batch.reasons);
    }
    (void)pthread_cond_destroy(&reader->changed);
    (void)pthread_mutex_destroy(&reader->mutex);
    free(reader);
}
