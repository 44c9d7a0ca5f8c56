/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What follows the sums of a convolution: residual, raw value, bn and activation. Of single
 * channels in f32; in pairs of bf16 (infer_vec_avx512bf16.h), where one element of a map holds two
 * channels, of two at a time.
 */
#ifndef DRAE_KERNELS_CPU_INFER_EPILOGUE_BODY_H
#define DRAE_KERNELS_CPU_INFER_EPILOGUE_BODY_H

#include "kernels/cpu/infer_body.h"

/* What follows the sums, in registers: stores may change nothing of it. */
typedef struct epilogue {
    const float *residual, *scale, *shift;
    float *raw, *act;
    ptrdiff_t plane;
    vf slope;
} epilogue;

INLINE epilogue epilogue_of(const drae__infer_conv *op) {
    const epilogue e = {op->residual, op->scale,         op->shift,        op->raw,
                        op->act,      op->dst_map.plane, vf_set(op->slope)};
    return e;
}

/* Of one channel, from an offset on. */
typedef struct channel {
    vf scale, shift;
    ptrdiff_t offset;
} channel;

INLINE channel channel_of(const epilogue *e, int co, ptrdiff_t at) {
    const vf none = vf_set(0.0f);
    const channel c = {e->act != NULL ? vf_set(e->scale[co]) : none,
                       e->act != NULL ? vf_set(e->shift[co]) : none, e->plane * (co >> PAIRS) + at};
    return c;
}

/* Residual, raw, activation of one vector; n lanes, none where n <= 0. */
INLINE void finish_channel(const epilogue *e, const channel *c, ptrdiff_t at, int n, vf v) {
    const ptrdiff_t offset = c->offset + at;
    if (e->residual != NULL) {
        v += vf_load(e->residual + offset);
    }
    if (e->raw != NULL) {
        vf_store_n(e->raw + offset, v, n);
    }
    if (e->act != NULL) {
        vf_store_n(e->act + offset, vf_leaky(vf_fma(c->scale, v, c->shift), e->slope), n);
    }
}

INLINE void finish(const epilogue *e, int co, ptrdiff_t at, int n, vf v) {
    const channel c = channel_of(e, co, at);
    finish_channel(e, &c, 0, n, v);
}

/* Asks for what finish will touch. */
INLINE void finish_soon(const epilogue *e, int co, ptrdiff_t at) {
    const float *const maps[3] = {e->residual, e->raw, e->act};
    UNROLL
    for (int m = 0; m < 3; m++) {
        if (maps[m] != NULL) {
            __builtin_prefetch(maps[m] + e->plane * (co >> PAIRS) + at);
        }
    }
}

#if PAIRS
/* Channels co and co + 1 of one vector of pixels. */
INLINE void finish_two(const epilogue *e, int co, ptrdiff_t at, int n, vf v0, vf v1) {
    const channel c0 = channel_of(e, co, at), c1 = channel_of(e, co + 1, at);
    if (e->residual != NULL) {
        const vf both = vf_load(e->residual + c0.offset);
        v0 += vf_of_low(both);
        v1 += vf_of_high(both);
    }
    if (e->raw != NULL) {
        vf_store_n(e->raw + c0.offset, vf_pack(v0, v1), n);
    }
    if (e->act != NULL) {
        vf_store_n(e->act + c0.offset,
                   vf_pack(vf_leaky(vf_fma(c0.scale, v0, c0.shift), e->slope),
                           vf_leaky(vf_fma(c1.scale, v1, c1.shift), e->slope)),
                   n);
    }
}
#else
INLINE void finish_two(const epilogue *e, int co, ptrdiff_t at, int n, vf v0, vf v1) {
    finish(e, co, at, n, v0);
    finish(e, co + 1, at, n, v1);
}
#endif

#endif
