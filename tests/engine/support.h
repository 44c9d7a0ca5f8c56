/* SPDX-License-Identifier: Apache-2.0 */
/* Models, images and engines that the suites of the engine share. */
#ifndef DRAE_TESTS_ENGINE_SUPPORT_H
#define DRAE_TESTS_ENGINE_SUPPORT_H

#include "drae/drae.h"
#include "engine/compile.h"
#include "engine/engine.h"

#include <check.h>

Suite *suite_golden(void);
Suite *suite_api(void);
Suite *suite_results(void);
Suite *suite_z(void);
Suite *suite_file(void);
Suite *suite_plan(void);
Suite *suite_bf16(void);
Suite *suite_cuda_compile(void);
Suite *suite_cuda_plan(void);

/* A generator filled by the rule of tests/golden/README.md. */
void e_model(int width, int latent, int size, float slope, drae__model *model);

/* The images of that rule as grey levels, [n,size,size]; the caller frees. */
uint8_t *e_images(int n, int size);

typedef struct e_engine {
    uint8_t *bytes; /* of the file, 256-byte aligned */
    size_t n_bytes;
} e_engine;

/* A compiled model (uncalibrated where n_regions is 0, else thresholds 0.5, 0.6, ... and anchors
 * 0.1, 0.2, ...). Regions 1 and 2 have maps, and z decides in region 1. Compiled the first time, a
 * copy from then on. Freed by e_engine_free. */
e_engine e_compile(int width, int size, int n_regions);
void e_engine_free(e_engine *engine);

/* The same, compiled now. */
e_engine e_compile_again(int width, int size, int n_regions);

/* The same with convolutions in bf16. */
e_engine e_compile_bf16(int width, int size, int n_regions);

/* Maps of a region, [2,size,size]: means about 0, scales from 0.02 to 0.12. */
void e_maps(drae__model *model, int region);

/* Recomputes the checksum at the end. */
void e_seal(uint8_t *bytes, size_t n_bytes);

/* Opens bytes with the named kernels; must succeed. */
drae_engine *e_open(const e_engine *engine, const char *kernels);
drae_session *e_session(const drae_engine *engine, int threads, int batch);

/* Engines of some width take minutes by the plain tables under AddressSanitizer: there a test may
 * leave it at the best table; tests/kernels runs every table sanitized, layer by layer. */
#if defined(__SANITIZE_ADDRESS__)
#define E_BEST_TABLE_ALONE true
#else
#define E_BEST_TABLE_ALONE false
#endif

/* The names of the kernels that this machine runs, NULL behind the last. */
const char *e_kernels(size_t i);

#endif
