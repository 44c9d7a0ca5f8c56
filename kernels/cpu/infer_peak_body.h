/* SPDX-License-Identifier: Apache-2.0 */
/* Multiply-adds on registers alone: what the unit can do at most. */
#ifndef DRAE_KERNELS_CPU_INFER_PEAK_BODY_H
#define DRAE_KERNELS_CPU_INFER_PEAK_BODY_H

#include "kernels/cpu/infer_body.h"

#define PEAK_CHAINS 12 /* more than latency times units, fits in 16 registers */

static double kernel_peak(size_t rounds, float *sink) {
    vf acc[PEAK_CHAINS], a = vf_set(0.5f), b = vf_set(0.25f);
    UNROLL
    for (int i = 0; i < PEAK_CHAINS; i++) {
        acc[i] = vf_set((float)i);
    }
    for (size_t k = 0; k < rounds; k++) {
        UNROLL
        for (int i = 0; i < PEAK_CHAINS; i++) {
            vf_product(&acc[i], a, b);
        }
    }
    vf sum = acc[0];
    UNROLL
    for (int i = 1; i < PEAK_CHAINS; i++) {
        sum += acc[i];
    }
    *sink = sum[0];
    return 2.0 * (1 + PAIRS) * (double)rounds * PEAK_CHAINS * VL;
}

#endif
