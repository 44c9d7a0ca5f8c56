/* SPDX-License-Identifier: Apache-2.0 */
/* The sigmoid of the last layer, for vectors. */
#ifndef DRAE_KERNELS_CPU_INFER_SIGMOID_H
#define DRAE_KERNELS_CPU_INFER_SIGMOID_H

#include "kernels/cpu/infer_body.h"

/*
 * 1 / (1 + exp(-v)). exp(u) = 2^n exp(r), n = round(u / ln 2), |r| <= ln 2 / 2, ln 2 in two parts;
 * exp(r) by its series to the sixth power: relative error below 2e-7. |v| is clamped at 87.
 */
INLINE vf vf_sigmoid(vf v) {
    const vf one = vf_set(1.0f), magic = vf_set(12582912.0f); /* 1.5 * 2^23: rounds to integer */
    vf u = vf_set(0.0f) - vf_max(vf_set(-87.0f), vf_min(vf_set(87.0f), v));
    vf t = vf_fma(u, vf_set(1.44269504f), magic);
    vf n = t - magic;
    vf r = vf_fma(n, vf_set(-0.693359375f), u);
    r = vf_fma(n, vf_set(2.12194440e-4f), r);
    vf e = vf_set(1.0f / 720.0f);
    e = vf_fma(e, r, vf_set(1.0f / 120.0f));
    e = vf_fma(e, r, vf_set(1.0f / 24.0f));
    e = vf_fma(e, r, vf_set(1.0f / 6.0f));
    e = vf_fma(e, r, vf_set(0.5f));
    e = vf_fma(e, r, one);
    e = vf_fma(e, r, one);
    vi bits = (vi)e + ((vi)t << 23); /* the low bits of t hold n: adds it to the exponent of e */
    return one / (one + (vf)bits);
}

#endif
