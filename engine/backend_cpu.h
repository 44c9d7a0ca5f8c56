/* SPDX-License-Identifier: Apache-2.0 */
/* The CPU backend's files among themselves; engine/backend_cpu.c says how they go together. */
#ifndef DRAE_ENGINE_BACKEND_CPU_H
#define DRAE_ENGINE_BACKEND_CPU_H

#include "engine/backend.h"
#include "engine/program_bf16.h"
#include "engine/weights_cpu.h"

typedef struct drae__cpu_state {
    const drae__plan *plan;
    const drae__infer_kernels *kernels;
    drae__bf16_program *tiles; /* of bf16, or of f32 in parts of bf16; NULL: f32 in vectors */
    bool f16;                  /* emulated */
    drae__ssim_window window;
    drae__cpu_weights weights;
    drae__score_kind kind[DRAE__REGIONS_MAX];
    float *maps[DRAE__REGIONS_MAX];    /* mean, then scale; NULL: none */
    float *filters[DRAE__REGIONS_MAX]; /* behind them: scales of the matched filters; NULL: none */
    float *head[DRAE__REGIONS_MAX];    /* behind those: weights of the head; NULL: none */
    bool any_maps, any_head;
} drae__cpu_state;

/* Buffers of one thread. */
typedef struct drae__cpu_worker {
    drae__arena arena;
    float *workspace; /* the plan's slots; of bf16 the image alone */
    drae__bf16 *workspace16;
    float *recon;     /* [size,size] */
    float *residual;  /* [size,size] */
    float *scratch;   /* of phi */
    float *z;         /* [size,size]; NULL where no region has maps, as the next */
    float *z_scratch; /* of z, then of its largest values */
    double *op_seconds;
} drae__cpu_worker;

typedef struct drae__cpu_session {
    const drae__cpu_state *state;
    int threads;
    size_t batch;
    size_t chunks;
    drae__arena arena;
    float *features;           /* [batch, elems] */
    float *partial;            /* [chunks, batch, latent_padded] */
    float *latents;            /* [batch, latent_padded] */
    drae__cpu_worker *workers; /* [threads] */
} drae__cpu_session;

/* Seconds of a clock that only goes forward. */
double drae__cpu_now_s(void);

/* Of drae__backend (engine/backend.h). */
drae_status drae__cpu_session_create(const void *state, int threads, size_t batch, void **session,
                                     drae__err *err);
void drae__cpu_session_destroy(void *session);
drae_status drae__cpu_infer(void *session, const drae__infer_request *request, drae__err *err);

#endif
