/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Many products: frames are rendered in parallel and handed out in order. Handing out (compression,
 * files) happens inside an ordered section, so that it overlaps with the rendering of later frames.
 */
#include "synth/synth.h"

#include "base/arena.h"

#include <omp.h>
#include <stdlib.h>
#include <string.h>

#define PATCH_BYTES ((size_t)DRAE__SYNTH_PATCHES * DRAE__SYNTH_PATCH * DRAE__SYNTH_PATCH)

/* What one thread renders into. */
typedef struct slot {
    float *scratch;
    uint8_t *pixels, *mask;   /* frame */
    uint8_t *moved;           /* frame with extra motion, NULL where none is asked for */
    uint8_t *patches, *masks; /* patches */
} slot;

/* Rank filter over the frames of a run. Masks are joined: a defect that any frame shows is there.
 */
typedef struct rank {
    uint8_t *bright, *dark, *mask; /* [HEIGHT,WIDTH] */
    uint8_t *patches, *masks;
} rank;

typedef struct job {
    const drae__synth_config *config;
    drae__synth_sink sink;
    void *user;
    drae__err *err;
    drae_status status;
    rank rank;
} job;

static void slot_free(slot *s) {
    free(s->scratch);
    free(s->pixels);
    free(s->mask);
    free(s->moved);
    free(s->patches);
    free(s->masks);
}

static bool slot_alloc(slot *s, bool motion) {
    if (motion && (s->moved = drae__aligned_alloc(DRAE__SYNTH_PIXELS)) == NULL) {
        return false;
    }
    s->scratch = drae__aligned_alloc(drae__synth_scratch_floats() * sizeof(float));
    s->pixels = drae__aligned_alloc(DRAE__SYNTH_PIXELS);
    s->mask = drae__aligned_alloc(DRAE__SYNTH_PIXELS);
    s->patches = drae__aligned_alloc(PATCH_BYTES);
    s->masks = drae__aligned_alloc(PATCH_BYTES);
    return s->scratch != NULL && s->pixels != NULL && s->mask != NULL && s->patches != NULL &&
           s->masks != NULL;
}

static void rank_free(rank *r) {
    free(r->bright);
    free(r->dark);
    free(r->mask);
    free(r->patches);
    free(r->masks);
}

static bool rank_alloc(rank *r) {
    r->bright = drae__aligned_alloc(DRAE__SYNTH_PIXELS);
    r->dark = drae__aligned_alloc(DRAE__SYNTH_PIXELS);
    r->mask = drae__aligned_alloc(DRAE__SYNTH_PIXELS);
    r->patches = drae__aligned_alloc(PATCH_BYTES);
    r->masks = drae__aligned_alloc(PATCH_BYTES);
    return r->bright != NULL && r->dark != NULL && r->mask != NULL && r->patches != NULL &&
           r->masks != NULL;
}

static void rank_add(rank *r, bool first, const uint8_t *pixels, const uint8_t *mask) {
    if (first) {
        memcpy(r->bright, pixels, DRAE__SYNTH_PIXELS);
        memcpy(r->dark, pixels, DRAE__SYNTH_PIXELS);
        memcpy(r->mask, mask, DRAE__SYNTH_PIXELS);
        return;
    }
    for (size_t i = 0; i < DRAE__SYNTH_PIXELS; i++) {
        r->bright[i] = pixels[i] > r->bright[i] ? pixels[i] : r->bright[i];
        r->dark[i] = pixels[i] < r->dark[i] ? pixels[i] : r->dark[i];
        r->mask[i] = mask[i] > r->mask[i] ? mask[i] : r->mask[i];
    }
}

static drae_status rank_emit(job *j, const drae__synth_strip *strip, int product, int run) {
    rank *r = &j->rank;
    const uint8_t *images[2] = {r->bright, r->dark};
    for (int i = 0; i < 2; i++) {
        drae__record records[DRAE__SYNTH_PATCHES];
        drae__synth_cut(j->config, product, run, -1 - i, images[i], r->mask, r->patches, r->masks,
                        records);
        drae__synth_output output = {.strip = strip,
                                     .product = product,
                                     .run = run,
                                     .frame = -1 - i,
                                     .patches = r->patches,
                                     .masks = r->masks,
                                     .records = records};
        drae_status status = j->sink(j->user, &output, j->err);
        if (status != DRAE_OK) {
            return status;
        }
    }
    return DRAE_OK;
}

static drae_status emit(job *j, const drae__synth_strip *strip, int product, int run, int frame,
                        const slot *s, const drae__record *records) {
    drae__synth_output output = {.strip = strip,
                                 .product = product,
                                 .run = run,
                                 .frame = frame,
                                 .pixels = s->moved != NULL ? s->moved : s->pixels,
                                 .patches = s->patches,
                                 .masks = s->masks,
                                 .records = records};
    drae_status status = j->sink(j->user, &output, j->err);
    if (status == DRAE_OK && j->config->rank_images) {
        rank_add(&j->rank, frame == 0, s->pixels, s->mask);
        if (frame == j->config->frames - 1) {
            status = rank_emit(j, strip, product, run);
        }
    }
    return status;
}

/* All frames of one product. */
static void make_product(job *j, const drae__synth_strip *strip, int product, slot *slots,
                         int threads) {
    const int n = j->config->runs * j->config->frames;
#pragma omp parallel for ordered schedule(static, 1) num_threads(threads)
    for (int i = 0; i < n; i++) {
        slot *s = &slots[omp_get_thread_num()];
        int run = i / j->config->frames, frame = i % j->config->frames;
        drae__record records[DRAE__SYNTH_PATCHES];
        drae_status status;
#pragma omp atomic read
        status = j->status;
        if (status == DRAE_OK) {
            drae__synth_frame(strip, run, frame, false, s->scratch, s->pixels, s->mask);
            if (s->moved != NULL) {
                drae__synth_frame(strip, run, frame, true, s->scratch, s->moved, NULL);
            }
            drae__synth_cut(j->config, product, run, frame, s->pixels, s->mask, s->patches,
                            s->masks, records);
        }
#pragma omp ordered
        {
            if (j->status == DRAE_OK) {
                status = emit(j, strip, product, run, frame, s, records);
#pragma omp atomic write
                j->status = status;
            }
        }
    }
}

drae_status drae__synth_run(const drae__synth_config *config, drae__synth_sink sink, void *user,
                            drae__err *err) {
    drae_status status = drae__synth_check(config, err);
    if (status != DRAE_OK) {
        return status;
    }
    job j = {.config = config, .sink = sink, .user = user, .err = err, .status = DRAE_OK};
    int threads = config->threads > 0 ? config->threads : omp_get_max_threads();
    const bool motion = config->frame_shift_px > 0.0 || config->frame_turn_deg > 0.0;
    drae__synth_strip *strip = NULL;
    slot *slots = calloc((size_t)threads, sizeof *slots);
    bool enough = slots != NULL && (!config->rank_images || rank_alloc(&j.rank));
    for (int i = 0; enough && i < threads; i++) {
        enough = slot_alloc(&slots[i], motion);
    }
    if (!enough) {
        status = drae__fail(err, DRAE_ERROR_MEMORY, "no memory for %d frames at a time", threads);
        goto done;
    }
    for (int i = 0; i < config->strips; i++) {
        int product = config->first_product + i;
        drae__synth_defect defects[DRAE__SYNTH_DEFECTS_MAX];
        int n = drae__synth_plan(config, product, defects);
        DRAE__TRY(drae__synth_create(config, product, defects, n, &strip, err));
        make_product(&j, strip, product, slots, threads);
        drae__synth_destroy(strip);
        strip = NULL;
        DRAE__TRY(j.status);
    }
done:
    drae__synth_destroy(strip);
    for (int i = 0; slots != NULL && i < threads; i++) {
        slot_free(&slots[i]);
    }
    free(slots);
    rank_free(&j.rank);
    return status;
}
