/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The plan as launches of CUDA kernels: steps that follow from the choices (cuda_choice.h), weights
 * packed for them, buffers planned by liveness. No CUDA here: a program is bytes to upload, sizes
 * to allocate and calls of kernels/infer_cuda.h, so that tests/simt runs whole networks on the CPU,
 * and all but the calls (program_cuda_run.c) is there in every build.
 *
 * A residual block is one kernel where the choice is a resblock, else two convolutions; the stem is
 * part of the first block where it has no kernel of its own.
 */
#ifndef DRAE_ENGINE_PROGRAM_CUDA_H
#define DRAE_ENGINE_PROGRAM_CUDA_H

#include "engine/cuda_choice.h"
#include "engine/plan.h"
#include "model/model.h"

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
    drae__cuda_variant variant;
    size_t wei, scale, shift, bias;
    size_t scale1, shift1;
    size_t stem_wei, stem_scale, stem_shift;
    const char *kernel;
} drae__cuda_step;

#define DRAE__CUDA_HEAD_MAPS 2
#define DRAE__CUDA_TENSORS   (DRAE__PLAN_TENSORS + DRAE__CUDA_HEAD_MAPS)

typedef struct drae__cuda_program {
    const drae__plan *plan;
    drae__ssim_window window;
    float window_weights[DRAE__SSIM_SIDE];
    drae__cuda_device device;
    drae__cuda_choices choices;
    size_t batch;
    bool matched, head; /* some region is scored by them: for the plan's text and times */
    int n_steps;
    drae__cuda_step steps[DRAE__PLAN_OPS];
    uint8_t *weights; /* host image, 256-byte aligned pieces */
    size_t weights_bytes;
    /* The arena of a session, offsets in bytes. Behind the plan's tensors the two maps of the head,
     * alive from the last step on: they lie where earlier ones did. */
    int slot[DRAE__CUDA_TENSORS];
    size_t slot_at[DRAE__CUDA_TENSORS];
    size_t partial_at, latents_at, score_at, result_at;
    size_t arena_bytes;
} drae__cuda_program;

_Static_assert(DRAE__CUDA_CHOICES >= DRAE__PLAN_OPS, "a choice for every operation");

/* Whether operations i - 1 and i are the convolutions of a block, that block (n patches, pointers
 * not set but for whether they are there), and whether a variant takes it. */
bool drae__cuda_block_ends(const drae__plan *plan, int i);
drae__cuda_block drae__cuda_block_of(const drae__plan *plan, int i, int n, bool stem);
bool drae__cuda_block_takes(const drae__plan *plan, int i, bool stem, drae__cuda_variant variant,
                            size_t shared_max);

/* Steps, buffers and sizes without weights. Keeps a pointer to plan. ERROR_UNSUPPORTED naming an
 * operation whose choice does not take it. */
drae_status drae__cuda_program_shape(const drae__plan *plan, const drae__cuda_device *device,
                                     const drae__cuda_choices *choices, size_t batch,
                                     drae__cuda_program *program, drae__err *err);

/* The same with weights; model: the generator's floats. Besides ERROR_MEMORY; ERROR_NOT_FINITE
 * naming an operation whose weights leave the range of f16. drae__cuda_program_free is safe on a
 * zeroed one and after a failure. */
drae_status drae__cuda_program_create(const drae__plan *plan, const float *model,
                                      drae__ssim_window window, const drae__cuda_device *device,
                                      const drae__cuda_choices *choices, size_t batch,
                                      drae__cuda_program *program, drae__err *err);
void drae__cuda_program_free(drae__cuda_program *program);

/* Sets what the regions of a calibration are scored by; NULL: by phi. */
void drae__cuda_program_scores(drae__cuda_program *program, const drae__calibration *calibration);

/* Every convolution's and dense layer's weights fit into f16; ERROR_NOT_FINITE names one that does
 * not: it would silently become infinite. */
drae_status drae__cuda_check_weights(const drae__plan *plan, const float *model, drae__err *err);

/* Every region is decided by a score that is computed here, ERROR_UNSUPPORTED names one that is
 * not; the weights of every head fit into f16, as above. */
drae_status drae__cuda_check_scores(const drae__calibration *calibration, drae__err *err);

/* Sets the offsets of the steps and returns the bytes of all weights; model NULL: nothing is
 * written. */
size_t drae__cuda_program_pack(drae__cuda_program *program, const float *model);

/* Where things lie on the device. */
typedef struct drae__cuda_memory {
    const uint8_t *weights; /* program->weights, uploaded */
    uint8_t *arena;         /* arena_bytes */
    const uint8_t *images;  /* [batch,size,size] */
    /* Regions, as of drae__cuda_out_score: their maps and scales, the table, which one a patch
     * takes; NULL: no z, no verdict. */
    const float *maps, *filters;
    const drae__cuda_head *heads;
    const drae__cuda_region *table;
    const int32_t *regions;
    float *planes; /* drae__cuda_planes floats of the batch, with filters */
    /* Written where not NULL: [batch,size,size]. */
    float *recon, *z;
} drae__cuda_memory;

/* Launches step i for n <= batch patches; the last leaves results [n,DRAE__CUDA_RESULT] at
 * result_at. */
drae_status drae__cuda_program_step(const drae__cuda_program *program, int i,
                                    const drae__cuda_memory *memory, size_t n,
                                    drae__cuda_stream stream, drae__err *err);

#endif
