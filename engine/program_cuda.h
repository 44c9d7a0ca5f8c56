/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The plan as launches of CUDA kernels: which kernel computes which operations, weights packed for
 * them, buffers planned by liveness. No CUDA here: a program is bytes to upload, sizes to allocate
 * and calls of kernels/infer_cuda.h, so that tests/simt runs whole networks on the CPU.
 *
 * A residual block is one kernel where resblock takes it, else two convolutions; the stem is part
 * of the first block where that is taken. Chosen from architecture, shared memory and batch alone:
 * the same on every machine for the same device description.
 */
#ifndef DRAE_ENGINE_PROGRAM_CUDA_H
#define DRAE_ENGINE_PROGRAM_CUDA_H

#include "engine/plan.h"
#include "kernels/infer_cuda.h"

typedef enum drae__cuda_step_kind {
    DRAE__CUDA_STEP_STEM,
    DRAE__CUDA_STEP_BLOCK, /* operations op - 1 and op, and op - 2 with the stem */
    DRAE__CUDA_STEP_CONV,
    DRAE__CUDA_STEP_DOWN,
    DRAE__CUDA_STEP_UP,
    DRAE__CUDA_STEP_OUT
} drae__cuda_step_kind;

/* Offsets in bytes into the weights; 0 where there is none. */
typedef struct drae__cuda_step {
    drae__cuda_step_kind kind;
    int op; /* the last operation that it computes */
    bool stem;
    size_t wei, scale, shift, bias;
    size_t scale1, shift1;
    size_t stem_wei, stem_scale, stem_shift;
    const char *kernel;
} drae__cuda_step;

typedef struct drae__cuda_program {
    const drae__plan *plan;
    drae__ssim_window window;
    float window_weights[DRAE__SSIM_SIDE];
    drae__cuda_device device;
    size_t batch;
    int n_steps;
    drae__cuda_step steps[DRAE__PLAN_OPS];
    uint8_t *weights; /* host image, 256-byte aligned pieces */
    size_t weights_bytes;
    /* The arena of a session, offsets in bytes. */
    int slot[DRAE__PLAN_TENSORS];
    size_t slot_at[DRAE__PLAN_TENSORS];
    size_t partial_at, latents_at, recon_at, score_at, result_at;
    size_t arena_bytes;
} drae__cuda_program;

/* Keeps pointers to plan. model: the generator's floats. ERROR_MEMORY; ERROR_NOT_FINITE naming an
 * operation whose weights leave the range of f16. drae__cuda_program_free is safe on a zeroed one.
 */
drae_status drae__cuda_program_create(const drae__plan *plan, const float *model,
                                      drae__ssim_window window, const drae__cuda_device *device,
                                      size_t batch, drae__cuda_program *program, drae__err *err);
void drae__cuda_program_free(drae__cuda_program *program);

/* Where things lie on the device. */
typedef struct drae__cuda_memory {
    const uint8_t *weights; /* program->weights, uploaded */
    uint8_t *arena;         /* arena_bytes */
    const uint8_t *images;  /* [batch,size,size] */
} drae__cuda_memory;

/* Launches step i for n <= batch patches. */
drae_status drae__cuda_program_step(const drae__cuda_program *program, int i,
                                    const drae__cuda_memory *memory, size_t n,
                                    drae__cuda_stream stream, drae__err *err);
/* The score: results [n,4] at result_at, reconstructions at recon_at. */
drae_status drae__cuda_program_score(const drae__cuda_program *program,
                                     const drae__cuda_memory *memory, size_t n,
                                     drae__cuda_stream stream, drae__err *err);

/* The program as text, a line a step, as drae__plan_print: kernel, shape, bytes of maps in f16,
 * operations, of one patch. */
size_t drae__cuda_program_print(const drae__cuda_program *program, char *text, size_t n_bytes);

#endif
