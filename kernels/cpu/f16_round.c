/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/f16.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

#define SIGN      0x80000000u
#define INFINITE  0x7F800000u
#define LEAST     0x38800000u /* 2^-14, the least normal f16 */
#define OVERFLOWS 0x47800000u /* 2^16 */
#define DROPPED   13          /* bits of the fraction that f16 lacks */

static float round_one(float v) {
    uint32_t bits, sign;
    memcpy(&bits, &v, sizeof bits);
    sign = bits & SIGN;
    bits &= ~SIGN;
    if (bits < LEAST) {
        /* Below 2^-14 a multiple of 2^-24, which is the last place of numbers about one half. */
        float shifted = fabsf(v) + 0.5f;
        float rounded = shifted - 0.5f;
        memcpy(&bits, &rounded, sizeof bits);
    } else if (bits < INFINITE) {
        uint32_t half = (1u << (DROPPED - 1)) - 1u + (bits >> DROPPED & 1u);
        bits = (bits + half) >> DROPPED << DROPPED;
        bits = bits >= OVERFLOWS ? INFINITE : bits;
    }
    bits |= sign;
    memcpy(&v, &bits, sizeof v);
    return v;
}

void drae__f16_round(size_t n, float *v) {
    for (size_t i = 0; i < n; i++) {
        v[i] = round_one(v[i]);
    }
}
