/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which Philox stream feeds what. The 64-bit index of a stream is
 *     product (24 bits) | run (10) | frame (10) | topic (6) | detail (14: vial or row)
 * so that every random number is named by what it is for, never by when it is drawn.
 */
#ifndef DRAE_SYNTH_STREAM_H
#define DRAE_SYNTH_STREAM_H

#include "base/philox.h"

/* Topics; frozen numbers: they are part of "same seed, same bytes". */
enum {
    DRAE__TOPIC_MOULD = 1,   /* of a cavity: geometry, tool marks */
    DRAE__TOPIC_TOOL = 2,    /* of the mould: surface texture, backlight panel */
    DRAE__TOPIC_PRODUCT = 3, /* of a product, per vial: shape and shade */
    DRAE__TOPIC_TEXTURE = 4, /* of a product: wall thickness field */
    DRAE__TOPIC_PLAN = 5,    /* which defects */
    DRAE__TOPIC_DEFECT = 6,  /* place and shape of defect `detail` */
    DRAE__TOPIC_FILL = 7,    /* of a product, per vial: fill volume */
    DRAE__TOPIC_RUN = 8,     /* of a run: placement, light */
    DRAE__TOPIC_SLOSH = 9,   /* of a run, per vial: motion of the liquid, bubbles, drops */
    DRAE__TOPIC_FRAME = 10,  /* of a frame: jitter, flicker */
    DRAE__TOPIC_LIQUID = 11, /* of a frame, per vial */
    DRAE__TOPIC_NOISE = 12,  /* of a frame, per row: shot and read noise */
    DRAE__TOPIC_BATCH = 13   /* of a batch (as product): shade of the resin */
};

/* The machine is the same whatever the seed of the products. */
#define DRAE__SYNTH_MACHINE_SEED UINT64_C(0x42465331)

static inline uint64_t drae__synth_index(int product, int run, int frame, int topic, int detail) {
    return (uint64_t)(unsigned)product << 40 | (uint64_t)(unsigned)run << 30 |
           (uint64_t)(unsigned)frame << 20 | (uint64_t)(unsigned)topic << 14 |
           (uint64_t)(unsigned)detail;
}

static inline drae__rng drae__synth_rng(uint64_t seed, int product, int run, int frame, int topic,
                                        int detail) {
    drae__rng rng;
    drae__rng_init(&rng, seed, DRAE__PURPOSE_SYNTH,
                   drae__synth_index(product, run, frame, topic, detail));
    return rng;
}

#endif
