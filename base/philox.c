/* SPDX-License-Identifier: Apache-2.0 */
/* Philox4x32-10 and the few distributions that drae draws from. */
#include "base/philox.h"

#include <math.h>

#define PHILOX_ROUNDS 10
#define PHILOX_M0     UINT32_C(0xD2511F53)
#define PHILOX_M1     UINT32_C(0xCD9E8D57)
#define PHILOX_W0     UINT32_C(0x9E3779B9)
#define PHILOX_W1     UINT32_C(0xBB67AE85)

void drae__philox_block(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4]) {
    uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3];
    uint32_t k0 = key[0], k1 = key[1];
    for (int round = 0; round < PHILOX_ROUNDS; round++) {
        uint64_t p0 = (uint64_t)PHILOX_M0 * c0;
        uint64_t p1 = (uint64_t)PHILOX_M1 * c2;
        uint32_t n0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0;
        uint32_t n2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
        c1 = (uint32_t)p1;
        c3 = (uint32_t)p0;
        c0 = n0;
        c2 = n2;
        k0 += PHILOX_W0;
        k1 += PHILOX_W1;
    }
    out[0] = c0;
    out[1] = c1;
    out[2] = c2;
    out[3] = c3;
}

void drae__rng_init(drae__rng *rng, uint64_t seed, drae__purpose purpose, uint64_t index) {
    rng->key[0] = (uint32_t)seed;
    rng->key[1] = (uint32_t)(seed >> 32);
    rng->counter[0] = 0;
    rng->counter[1] = (uint32_t)purpose;
    rng->counter[2] = (uint32_t)index;
    rng->counter[3] = (uint32_t)(index >> 32);
    rng->used = 4;
}

uint32_t drae__rng_u32(drae__rng *rng) {
    if (rng->used == 4) {
        drae__philox_block(rng->counter, rng->key, rng->block);
        rng->counter[0]++;
        rng->used = 0;
    }
    return rng->block[rng->used++];
}

float drae__rng_uniform(drae__rng *rng) {
    return (float)(drae__rng_u32(rng) >> 8) * 0x1p-24f;
}

float drae__rng_range(drae__rng *rng, float lo, float hi) {
    return lo + (hi - lo) * drae__rng_uniform(rng);
}

uint32_t drae__rng_below(drae__rng *rng, uint32_t n) {
    /* Lemire's multiply-shift with rejection of the short first interval. */
    uint32_t threshold = (uint32_t)(-n) % n;
    for (;;) {
        uint64_t m = (uint64_t)drae__rng_u32(rng) * n;
        if ((uint32_t)m >= threshold) {
            return (uint32_t)(m >> 32);
        }
    }
}

float drae__rng_normal(drae__rng *rng) {
    double u = ((double)drae__rng_u32(rng) + 1.0) * 0x1p-32; /* (0, 1] */
    double v = (double)drae__rng_u32(rng) * 0x1p-32;
    return (float)(sqrt(-2.0 * log(u)) * cos(6.283185307179586476925 * v));
}
