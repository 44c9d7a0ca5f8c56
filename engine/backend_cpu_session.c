/* SPDX-License-Identifier: Apache-2.0 */
/* Buffers of a session of the CPU backend: those of the batch, and of a patch in flight. */
#include "engine/backend_cpu.h"

#include "base/size.h"

#include <omp.h>
#include <stdlib.h>

/* z is done when its largest values are looked for: one scratch serves both. */
static size_t z_scratch_bytes(const drae__cpu_state *s) {
    size_t pixels = (size_t)s->plan->arch.size * (size_t)s->plan->arch.size;
    size_t z = drae__infer_z_scratch(s->plan->arch.size), top = drae__infer_top_scratch(pixels);
    size_t m = drae__m_scratch(s->plan->arch.size), h = drae__h_scratch(s->plan->arch.size);
    z = z > m ? z : m;
    z = s->any_head && h > z ? h : z;
    return s->any_maps ? (z > top ? z : top) * sizeof(float) : 0;
}

/* Behind the plan's slots lies the scratch of a convolution. */
static size_t workspace_bytes(const drae__cpu_state *s) {
    const drae__plan *plan = s->plan;
    int most = drae__arch_channels(&plan->arch, DRAE__STAGES - 1);
    return (s->tiles == NULL ? plan->workspace_floats + drae__infer_conv_scratch(s->kernels, most)
                             : drae__map_floats(&plan->map[0], 1)) *
           sizeof(float);
}

static size_t workspace16_bytes(const drae__cpu_state *s) {
    return s->tiles == NULL ? 0 : s->tiles->workspace_elems * sizeof(drae__bf16);
}

static bool worker_book(const drae__cpu_state *s, size_t *total) {
    size_t pixels = (size_t)s->plan->arch.size * (size_t)s->plan->arch.size;
    *total = 0;
    if (s->any_maps && (!drae__arena_book(total, pixels * sizeof(float)) ||
                        !drae__arena_book(total, z_scratch_bytes(s)))) {
        return false;
    }
    return drae__arena_book(total, workspace_bytes(s)) &&
           drae__arena_book(total, workspace16_bytes(s)) &&
           drae__arena_book(total, pixels * sizeof(float)) &&
           drae__arena_book(total, pixels * sizeof(float)) &&
           drae__arena_book(total, DRAE__INFER_PHI_SCRATCH * sizeof(float)) &&
           drae__arena_book(total, (DRAE__PLAN_OPS + 2) * sizeof(double));
}

/* Called by the thread that will use the buffers: the pages that it zeroes lie near it. */
static bool worker_create(const drae__cpu_state *s, drae__cpu_worker *w) {
    size_t total, pixels = (size_t)s->plan->arch.size * (size_t)s->plan->arch.size;
    if (!worker_book(s, &total) || !drae__arena_create(&w->arena, total)) {
        return false;
    }
    w->workspace = drae__arena_take(&w->arena, workspace_bytes(s));
    w->workspace16 = drae__arena_take(&w->arena, workspace16_bytes(s));
    w->recon = drae__arena_take(&w->arena, pixels * sizeof(float));
    w->residual = drae__arena_take(&w->arena, pixels * sizeof(float));
    w->scratch = drae__arena_take(&w->arena, DRAE__INFER_PHI_SCRATCH * sizeof(float));
    if (s->any_maps) {
        w->z = drae__arena_take(&w->arena, pixels * sizeof(float));
        w->z_scratch = drae__arena_take(&w->arena, z_scratch_bytes(s));
    }
    w->op_seconds = drae__arena_take(&w->arena, (DRAE__PLAN_OPS + 2) * sizeof(double));
    return true;
}

void drae__cpu_session_destroy(void *session) {
    drae__cpu_session *c = session;
    if (c == NULL) {
        return;
    }
    for (int t = 0; c->workers != NULL && t < c->threads; t++) {
        drae__arena_destroy(&c->workers[t].arena);
    }
    free(c->workers);
    drae__arena_destroy(&c->arena);
    free(c);
}

static bool take_batch_buffers(drae__cpu_session *c) {
    const drae__cpu_state *s = c->state;
    size_t elems, latents, partials, total = 0, padded = s->weights.latent_padded;
    if (!drae__size_mul(c->batch, s->plan->elems * sizeof(float), &elems) ||
        !drae__size_mul(c->batch, padded * sizeof(float), &latents) ||
        !drae__size_mul(latents, c->chunks, &partials) || !drae__arena_book(&total, elems) ||
        !drae__arena_book(&total, latents) || !drae__arena_book(&total, partials) ||
        !drae__arena_create(&c->arena, total)) {
        return false;
    }
    c->features = drae__arena_take(&c->arena, elems);
    c->latents = drae__arena_take(&c->arena, latents);
    c->partial = drae__arena_take(&c->arena, partials);
    return true;
}

drae_status drae__cpu_session_create(const void *state, int threads, size_t batch, void **session,
                                     drae__err *err) {
    drae__cpu_session *c = calloc(1, sizeof *c);
    bool good = c != NULL;
    if (good) {
        c->state = state;
        c->threads = threads;
        c->batch = batch;
        c->chunks = drae__infer_down_chunks(c->state->plan->elems);
        c->workers = calloc((size_t)threads, sizeof *c->workers);
        good = c->workers != NULL && take_batch_buffers(c);
    }
    if (good) {
        int failed = 0;
#pragma omp parallel num_threads(threads) reduction(+ : failed)
        failed += !worker_create(c->state, &c->workers[omp_get_thread_num()]);
        /* The system may grant fewer threads than asked for: theirs are made here. */
        for (int t = 0; t < threads; t++) {
            if (failed == 0 && c->workers[t].arena.base == NULL) {
                failed += !worker_create(c->state, &c->workers[t]);
            }
        }
        good = failed == 0;
    }
    if (!good) {
        drae__cpu_session_destroy(c);
        return drae__fail(err, DRAE_ERROR_MEMORY,
                          "no memory for a session of %d threads and %zu patches", threads, batch);
    }
    *session = c;
    return DRAE_OK;
}
