/* SPDX-License-Identifier: Apache-2.0 */
#include "train/loader.h"

#include "base/philox.h"
#include "base/size.h"
#include "io/progress.h"
#include "train/augment.h"

#include <omp.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* Batches that may lie ready beyond one in each reader's hands and the one in use. */
#define SPARE_SLOTS 1

typedef enum slot_state { SLOT_FREE, SLOT_FILLING, SLOT_READY } slot_state;

typedef struct slot {
    slot_state state;
    int64_t epoch;
    size_t n;
    size_t *indices; /* [batch] */
    float *images;   /* x, x_star, mask, noise: [4][batch,size,size] */
    float *beta;     /* [batch] */
    drae_status status;
    drae__err err;
} slot;

struct drae__loader {
    const drae__train_config *config;
    drae__dataset *dataset;
    const size_t *train;
    size_t n_train;
    size_t batch;       /* of this process */
    size_t rank, ranks; /* of the job */
    int size;

    pthread_mutex_t lock; /* of everything below */
    pthread_cond_t freed; /* a slot became free, or stop */
    pthread_cond_t filled;
    bool stop;
    size_t *order; /* of `epoch` */
    int64_t epoch;
    size_t position;       /* in order, of the next ticket */
    uint64_t next_ticket;  /* to be claimed */
    uint64_t taken_ticket; /* the trainer wants next */
    slot *slots;
    size_t n_slots;
    slot *in_use;
    pthread_t *threads;
    size_t n_threads;
    double waited_s;
};

void drae__loader_shuffle(uint64_t seed, int64_t epoch, const size_t *train, size_t n_train,
                          size_t *order) {
    drae__rng rng;
    drae__rng_init(&rng, seed, DRAE__PURPOSE_SHUFFLE, (uint64_t)epoch);
    memcpy(order, train, n_train * sizeof *order);
    for (size_t i = n_train - 1; i > 0; i--) { /* Fisher, Yates; Durstenfeld's form */
        size_t j = drae__rng_below(&rng, (uint32_t)(i + 1));
        size_t kept = order[i];
        order[i] = order[j];
        order[j] = kept;
    }
}

/* ---- the readers ---- */

/* Called with the lock held. */
static void claim(drae__loader *l, slot *s) {
    if (l->n_train - l->position < l->ranks) {
        l->position = 0;
        l->epoch++;
        drae__loader_shuffle((uint64_t)l->config->run.seed, l->epoch, l->train, l->n_train,
                             l->order);
    }
    size_t share = (l->n_train - l->position) / l->ranks;
    s->n = share < l->batch ? share : l->batch;
    s->epoch = l->epoch;
    memcpy(s->indices, l->order + l->position + l->rank * s->n, s->n * sizeof *s->indices);
    s->state = SLOT_FILLING;
    l->position += s->n * l->ranks;
    l->next_ticket++;
}

static void fill(drae__loader *l, slot *s, uint8_t *patches, float *scratch) {
    size_t pixels = (size_t)l->size * (size_t)l->size;
    s->err.text[0] = '\0';
    s->status = drae__dataset_read(l->dataset, s->indices, s->n, patches, &s->err);
    for (size_t i = 0; s->status == DRAE_OK && i < s->n; i++) {
        float *x = s->images + i * pixels;
        size_t kind = l->batch * pixels;
        drae__sample out = {.x = x,
                            .x_star = x + kind,
                            .mask = x + 2 * kind,
                            .noise = x + 3 * kind,
                            .beta = s->beta + i};
        drae__augment(l->config, l->size, (uint64_t)s->epoch, s->indices[i], patches + i * pixels,
                      &out, scratch);
    }
}

static void *read_ahead(void *argument) {
    drae__loader *l = argument;
    /* A reader is one thread: with a team of its own in every operation on a patch it would take
     * the processors from the training step and wait at barriers. */
    omp_set_num_threads(1);
    size_t pixels = (size_t)l->size * (size_t)l->size;
    uint8_t *patches = malloc(l->batch * pixels);
    float *scratch = malloc(drae__augment_scratch_floats(l->config, l->size) * sizeof(float));
    (void)pthread_mutex_lock(&l->lock);
    for (;;) {
        slot *s = &l->slots[l->next_ticket % l->n_slots];
        if (l->stop) {
            break;
        }
        if (s->state != SLOT_FREE) {
            (void)pthread_cond_wait(&l->freed, &l->lock);
            continue;
        }
        claim(l, s);
        (void)pthread_mutex_unlock(&l->lock);
        if (patches == NULL || scratch == NULL) {
            s->status = drae__fail(&s->err, DRAE_ERROR_MEMORY, "no memory to read patches");
        } else {
            fill(l, s, patches, scratch);
        }
        (void)pthread_mutex_lock(&l->lock);
        s->state = SLOT_READY;
        (void)pthread_cond_broadcast(&l->filled);
    }
    (void)pthread_mutex_unlock(&l->lock);
    free(patches);
    free(scratch);
    return NULL;
}

/* ---- the trainer's side ---- */

static drae_status make_slots(drae__loader *l, drae__err *err) {
    size_t image_bytes = (size_t)l->size * (size_t)l->size * 4 * sizeof(float);
    for (size_t i = 0; i < l->n_slots; i++) {
        slot *s = &l->slots[i];
        size_t n_bytes;
        if (!drae__size_mul(image_bytes, l->batch, &n_bytes)) {
            return drae__fail(err, DRAE_ERROR_MEMORY, "a batch of %zu patches is too large",
                              l->batch);
        }
        s->images = malloc(n_bytes);
        s->indices = malloc(l->batch * sizeof *s->indices);
        s->beta = malloc(l->batch * sizeof *s->beta);
        if (s->images == NULL || s->indices == NULL || s->beta == NULL) {
            return drae__fail(err, DRAE_ERROR_MEMORY, "no memory for %zu batches ahead",
                              l->n_slots);
        }
    }
    return DRAE_OK;
}

int64_t drae__loader_batches(const drae__train_config *config, size_t n_train, size_t ranks,
                             size_t *n_last) {
    size_t batch = (size_t)config->run.batch, share = n_train / ranks;
    *n_last = share % batch == 0 ? batch : share % batch;
    return (int64_t)((share + batch - 1) / batch);
}

drae_status drae__loader_create(const drae__train_config *config, drae__dataset *dataset,
                                const size_t *train, size_t n_train, int64_t epoch, int64_t cursor,
                                drae__loader **loader, drae__err *err) {
    return drae__loader_create_share(config, dataset, train, n_train, 0, 1, epoch, cursor, loader,
                                     err);
}

drae_status drae__loader_create_share(const drae__train_config *config, drae__dataset *dataset,
                                      const size_t *train, size_t n_train, size_t rank,
                                      size_t ranks, int64_t epoch, int64_t cursor,
                                      drae__loader **loader, drae__err *err) {
    drae_status status = DRAE_OK;
    if (n_train < ranks) {
        return drae__fail(err, DRAE_ERROR_ARGUMENT, "%zu training patches for %zu processes",
                          n_train, ranks);
    }
    if (n_train > UINT32_MAX) {
        return drae__fail(err, DRAE_ERROR_UNSUPPORTED, "%zu training patches, at most 2^32 - 1",
                          n_train);
    }
    drae__loader *l = calloc(1, sizeof *l);
    if (l == NULL) {
        return drae__fail(err, DRAE_ERROR_MEMORY, "no memory for the loader");
    }
    l->config = config;
    l->dataset = dataset;
    l->train = train;
    l->n_train = n_train;
    l->batch = (size_t)config->run.batch;
    l->rank = rank;
    l->ranks = ranks;
    l->size = drae__dataset_size(dataset);
    (void)pthread_mutex_init(&l->lock, NULL);
    (void)pthread_cond_init(&l->freed, NULL);
    (void)pthread_cond_init(&l->filled, NULL);
    size_t readers = (size_t)config->run.readers;
    l->n_slots = readers + 1 + SPARE_SLOTS;
    l->slots = calloc(l->n_slots, sizeof *l->slots);
    l->threads = calloc(readers, sizeof *l->threads);
    l->order = malloc(n_train * sizeof *l->order);
    if (l->slots == NULL || l->threads == NULL || l->order == NULL) {
        l->n_slots = l->slots == NULL ? 0 : l->n_slots;
        status = drae__fail(err, DRAE_ERROR_MEMORY, "no memory for the loader");
        goto done;
    }
    DRAE__TRY(make_slots(l, err));
    l->epoch = epoch;
    l->position = (size_t)cursor * l->batch * ranks;
    l->position = l->position < n_train ? l->position : n_train;
    drae__loader_shuffle((uint64_t)config->run.seed, epoch, train, n_train, l->order);
    for (size_t i = 0; i < readers; i++) {
        if (pthread_create(&l->threads[i], NULL, read_ahead, l) != 0) {
            status = drae__fail(err, DRAE_ERROR_MEMORY, "cannot start a reader thread");
            goto done;
        }
        l->n_threads++;
    }
    *loader = l;
done:
    if (status != DRAE_OK) {
        drae__loader_destroy(l);
    }
    return status;
}

drae_status drae__loader_next(drae__loader *l, drae__batch *batch, drae__err *err) {
    double start = drae__clock_s();
    (void)pthread_mutex_lock(&l->lock);
    if (l->in_use != NULL) {
        l->in_use->state = SLOT_FREE;
        l->in_use = NULL;
        (void)pthread_cond_broadcast(&l->freed);
    }
    slot *s = &l->slots[l->taken_ticket % l->n_slots];
    while (s->state != SLOT_READY) {
        (void)pthread_cond_wait(&l->filled, &l->lock);
    }
    l->taken_ticket++;
    l->in_use = s;
    (void)pthread_mutex_unlock(&l->lock);
    l->waited_s += drae__clock_s() - start;
    if (s->status != DRAE_OK) {
        return drae__fail(err, s->status, "%s", s->err.text);
    }
    size_t kind = l->batch * (size_t)l->size * (size_t)l->size;
    *batch = (drae__batch){.n = s->n,
                           .x = s->images,
                           .x_star = s->images + kind,
                           .mask = s->images + 2 * kind,
                           .noise = s->images + 3 * kind,
                           .beta = s->beta};
    return DRAE_OK;
}

double drae__loader_waited_s(const drae__loader *l) {
    return l->waited_s;
}

void drae__loader_destroy(drae__loader *l) {
    if (l == NULL) {
        return;
    }
    (void)pthread_mutex_lock(&l->lock);
    l->stop = true;
    (void)pthread_cond_broadcast(&l->freed);
    (void)pthread_mutex_unlock(&l->lock);
    for (size_t i = 0; i < l->n_threads; i++) {
        (void)pthread_join(l->threads[i], NULL);
    }
    for (size_t i = 0; i < l->n_slots; i++) {
        free(l->slots[i].images);
        free(l->slots[i].indices);
        free(l->slots[i].beta);
    }
    (void)pthread_mutex_destroy(&l->lock);
    (void)pthread_cond_destroy(&l->freed);
    (void)pthread_cond_destroy(&l->filled);
    free(l->slots);
    free(l->threads);
    free(l->order);
    free(l);
}
