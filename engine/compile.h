/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a model to an engine file. The bytes depend on the model, the options and the patches alone:
 * the recorded scores come from the portable kernels, whose arithmetic is the same everywhere.
 */
#ifndef DRAE_ENGINE_COMPILE_H
#define DRAE_ENGINE_COMPILE_H

#include "engine/file.h"

/* How far the score of a device may be from the recorded one, by precision (docs/engine-file.md
 * says how it was chosen). */
#define DRAE__SCORE_BOUND_F32  1e-5f
#define DRAE__SCORE_BOUND_F16  2e-3f
#define DRAE__SCORE_BOUND_BF16 5e-3f

/* The same of z, times 1 + z: X^ differs in the last bits, and z divides that by the spread. */
#define DRAE__Z_BOUND_F32  1e-3f
#define DRAE__Z_BOUND_BF16 0.1f

/* Built-in self-test patches, and how many are taken of those that are given. */
#define DRAE__COMPILE_TESTS_BUILT_IN 4
#define DRAE__COMPILE_TESTS_GIVEN    8

typedef struct drae__compile_options {
    drae_device device;
    const char *precision;  /* "f32" or "bf16" on the cpu, "f16" on cuda */
    int batch;              /* 1..DRAE__ENGINE_BATCH_MAX */
    const uint8_t *patches; /* [n_patches,size,size] for self-test and error gate; NULL: built in */
    size_t n_patches;       /* at most DRAE__ENGINE_TESTS_MAX */
} drae__compile_options;

typedef struct drae__compile_report {
    char kernels[16]; /* that ran the gate */
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
 * (precision), ERROR_DEVICE (not built in), ERROR_PARITY (the error passes the bound),
 * ERROR_MEMORY.
 */
drae_status drae__compile(const drae__model *model, const drae__compile_options *options,
                          uint8_t **bytes, size_t *n_bytes, drae__compile_report *report,
                          drae__err *err);

/* n built-in patches [n,size,size]: gradients, edges, discs, grain; integer arithmetic, the same
 * everywhere. */
void drae__compile_patches(int size, int n, uint8_t *patches);

#endif
