/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Philox4x32-10, the counter-based generator of Salmon, Moraes, Dror, Shaw, "Parallel random
 * numbers: as easy as 1, 2, 3" (SC 2011). A stream is named by (seed, purpose, index): the numbers
 * drawn for sample i do not depend on threads, processes or on what was drawn before.
 */
#ifndef DRAE_BASE_PHILOX_H
#define DRAE_BASE_PHILOX_H

#include <stdint.h>

/* What a stream is for. Frozen numbers: they are part of "same seed, same bytes". */
typedef enum drae__purpose {
    DRAE__PURPOSE_INIT = 1,      /* initial weights; index = parameter number */
    DRAE__PURPOSE_SHUFFLE = 2,   /* order of an epoch; index = epoch */
    DRAE__PURPOSE_AUGMENT = 3,   /* geometry, perturbation, noise; index = epoch << 40 | sample */
    DRAE__PURPOSE_SPLIT = 4,     /* train / validation; index = product */
    DRAE__PURPOSE_SYNTH = 5,     /* procedural strips; see synth/ */
    DRAE__PURPOSE_SELF_TEST = 6, /* built-in patches of an engine file */
    DRAE__PURPOSE_TEST = 7,      /* test data */
    DRAE__PURPOSE_BOOTSTRAP = 8, /* draws of products; index = round */
    DRAE__PURPOSE_BLEMISH = 9,   /* small defects of a calibration; index = patch */
    DRAE__PURPOSE_HEAD = 10,     /* crops of the head; index = step << 16 | crop; weights: ~0 */
    DRAE__PURPOSE_CHOICE = 11,   /* which products make maps; index = every << 48 | block;
                                    patches of the head: ~0 */
    DRAE__PURPOSE_THIN = 12      /* which of the patches held out validate; index = number */
} drae__purpose;

/* One block: out = philox4x32_10(counter, key). */
void drae__philox_block(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4]);

typedef struct drae__rng {
    uint32_t key[2];
    uint32_t counter[4]; /* [0] runs, [1] = purpose, [2..3] = index */
    uint32_t block[4];
    int used; /* numbers of block already handed out */
} drae__rng;

void drae__rng_init(drae__rng *rng, uint64_t seed, drae__purpose purpose, uint64_t index);

uint32_t drae__rng_u32(drae__rng *rng);

/* Uniform in [0, 1) with 24 bits, exactly representable in float. */
float drae__rng_uniform(drae__rng *rng);

/* Uniform in [lo, hi). */
float drae__rng_range(drae__rng *rng, float lo, float hi);

/* Uniform integer in [0, n), n > 0, without modulo bias. */
uint32_t drae__rng_below(drae__rng *rng, uint32_t n);

/* Standard normal by Box-Muller in double (two uniforms a number, no state kept between calls). */
float drae__rng_normal(drae__rng *rng);

#endif
