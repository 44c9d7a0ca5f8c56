/* SPDX-License-Identifier: Apache-2.0 */
/* Seven patches of three regions through an engine, with every output that it has. */
#ifndef DRAE_TESTS_ENGINE_RESULTS_H
#define DRAE_TESTS_ENGINE_RESULTS_H

#include "tests/engine/support.h"

#define SIZE   48
#define PIXELS (SIZE * SIZE)
#define N      7

typedef struct results {
    float scores[N];
    float recon[N * PIXELS], residual[N * PIXELS];
    float z[N * PIXELS], all[N * DRAE_SCORES];
    uint8_t heat[N * PIXELS], fixed[N * PIXELS];
} results;

/* The regions of the patches. */
extern const uint8_t e_region_of[N];

/* Gives a session every output to write to. */
void e_bind(drae_session *session, results *r);

/* The first n patches by a session of its own. */
void e_run(const drae_engine *engine, int threads, size_t n, const uint8_t *images,
           const uint8_t *regions, results *r);

#endif
