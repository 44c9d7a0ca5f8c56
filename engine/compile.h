/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a model to an engine file. The bytes depend on the model, the options and the patches alone:
 * the recorded scores come from the portable kernels, whose arithmetic is the same everywhere. For
 * cuda neither device nor driver nor a build with CUDA is needed: the kernels come from the
 * committed table of the architecture or from a plan that was measured, and the error gate emulates
 * f16 on the CPU (emulate_f16.h), here and on a machine with a device alike.
 */
#ifndef DRAE_ENGINE_COMPILE_H
#define DRAE_ENGINE_COMPILE_H

#include "engine/cuda_tune.h"
#include "engine/file.h"

/* How far the score of a device may be from the recorded one, by precision (docs/engine-file.md
 * says how it was chosen). */
#define DRAE__SCORE_BOUND_F32  1e-5f
#define DRAE__SCORE_BOUND_F16  2e-3f
#define DRAE__SCORE_BOUND_BF16 5e-3f

/* The same of z, times 1 + z: X^ differs in the last bits, and z divides that by the spread. */
#define DRAE__Z_BOUND_F32  1e-3f
#define DRAE__Z_BOUND_F16  2e-2f
#define DRAE__Z_BOUND_BF16 0.1f

/* Built-in self-test patches, and how many are taken of those that are given. */
#define DRAE__COMPILE_TESTS_BUILT_IN 4
#define DRAE__COMPILE_TESTS_GIVEN    8

/* The card of the paper's line. Never that of the machine at hand: same model, same bytes. */
#define DRAE__COMPILE_ARCH 86

typedef struct drae__compile_options {
    drae_device device;
    const char *precision; /* "f32" or "bf16" on the cpu, "f16" on cuda; NULL: the first */
    int arch;              /* of cuda: 80, 86, 89 or 90; 0: DRAE__COMPILE_ARCH */
    /* Kernels of cuda, made for that architecture; NULL: those of its table. */
    const drae__cuda_choices *choices;
    int batch;              /* 1..DRAE__ENGINE_BATCH_MAX */
    const uint8_t *patches; /* [n_patches,size,size] for self-test and error gate; NULL: built in */
    size_t n_patches;       /* at most DRAE__ENGINE_TESTS_MAX */
} drae__compile_options;

typedef struct drae__compile_report {
    char kernels[24]; /* that ran the gate */
    bool emulated;    /* the gate: on the CPU, as f16 on cuda rounds */
    int n_tests;
    double error_max; /* largest difference of a score from the portable one */
    double bound;
    double score_min, score_max; /* of the portable phi */
    double error_z;              /* as error_max, of z over 1 + z; 0 where no region has maps */
    double bound_z;
} drae__compile_report;

/*
 * Compiles the generator of a model into a fresh block (free() it). Errors: ERROR_ARGUMENT (batch,
 * no generator, too many patches), ERROR_NOT_FINITE (weights, or a score), ERROR_UNSUPPORTED
 * (precision, architecture, kernels), ERROR_PARITY (the error passes the bound),
 * ERROR_MEMORY.
 */
drae_status drae__compile(const drae__model *model, const drae__compile_options *options,
                          uint8_t **bytes, size_t *n_bytes, drae__compile_report *report,
                          drae__err *err);

/* Measures the candidates of every kernel on the CUDA device at hand, in batches of options->batch
 * (arch: 0, or what the device must be). ERROR_DEVICE in one clear line where cuda is not in this
 * build, there is no device, or it is another one. plan: of the model's generator. */
drae_status drae__compile_tune(const drae__model *model, const drae__compile_options *options,
                               const drae__plan *plan, drae__cuda_tuned *tuned, drae__err *err);

/* n built-in patches [n,size,size]: gradients, edges, discs, grain; integer arithmetic, the same
 * everywhere. */
void drae__compile_patches(int size, int n, uint8_t *patches);

#endif
