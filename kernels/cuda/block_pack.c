/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Weights of a residual block as "a16": fragments of mma's A operand in the order in which the
 * warps of resblock keep them. conv1, for each 16 output channels its 9 taps; then, for each parity
 * of the rows where the map is doubled, for each 16 output channels, conv2's taps and the
 * shortcut's.
 *
 * Maps of 8 channels are pairs of pixels to the kernel: output channel co is channel co % c of
 * pixel co / c of a pair, and what a window of one pixel meets in another's place is zero.
 */
#include "kernels/cuda/pack.h"

#define FRAGMENT 256 /* f16 of one: 32 lanes x 8 */

typedef struct block {
    const drae__cuda_block *op;
    const float *wei1, *wei2, *proj;
    int by, c_in, c; /* pixels in one; channels of a pixel of the model */
    int slices, k1, k2;
} block;

/* A tap of one of the three convolutions; row and column of the window as the kernel sees it, or
 * its phases. */
typedef struct tap {
    enum { FIRST, SECOND, SECOND_UP, SHORTCUT } of;
    int ky, kx;
    int parity, phase; /* of rows and of columns of a doubled map */
    int further;       /* the second pixel of p of a halved pair */
} tap;

/* A channel of a pair of pixels. */
typedef struct channel {
    int pixel, c;
} channel;

static channel channel_of(int c, int channels) {
    channel ch = {c / channels, c % channels};
    return ch;
}

static float window_at(const float *wei, int co, int ci, int c_in, int ky, int kx) {
    return kx < 0 || kx > 2 ? 0.0f : wei[(((ptrdiff_t)co * c_in + ci) * 3 + ky) * 3 + kx];
}

static float up_at(const block *b, const tap *t, channel out, channel in) {
    int lower = t->ky;
    int ty = t->parity == 0 ? !lower : lower, tx = t->kx, phase = t->phase;
    if (b->by == 2) {
        int column = t->kx == 0 ? 0 : t->phase == 0 ? -1 : 1;
        int off = 2 * column + in.pixel - t->phase;
        phase = out.pixel;
        tx = off == 0 ? 0 : off == (phase == 0 ? -1 : 1) ? 1 : -1;
    }
    if (tx < 0) {
        return 0.0f;
    }
    int ky = drae__up_window(t->parity, ty), kx = drae__up_window(phase, tx);
    return b->wei2[(((ptrdiff_t)in.c * b->c + out.c) * 4 + ky) * 4 + kx];
}

static float shortcut_at(const block *b, const tap *t, channel out, channel in) {
    const drae__cuda_block *op = b->op;
    if (op->up) {
        int phase = b->by == 2 ? out.pixel : t->phase;
        bool meets = b->by == 1 || in.pixel == t->phase;
        ptrdiff_t at = ((ptrdiff_t)in.c * b->c + out.c) * 4 + 2 * t->parity + phase;
        return meets ? b->proj[at] : 0.0f;
    }
    bool meets = b->by == 1 ||
                 (op->halve ? in.pixel == 0 && t->further == out.pixel : in.pixel == out.pixel);
    return meets ? b->proj[(ptrdiff_t)out.c * b->c_in + in.c] : 0.0f;
}

static float weight_at(const block *b, const tap *t, int co, int ci) {
    bool p = t->of == FIRST || t->of == SHORTCUT;
    channel out = channel_of(co, b->c), in = channel_of(ci, p ? b->c_in : b->c);
    int stride = t->of == FIRST && b->op->halve ? 2 : 1;
    int kx = b->by == 1 ? t->kx : 2 * (t->kx - 1) + in.pixel - stride * out.pixel + 1;
    switch (t->of) {
    case FIRST:
        return window_at(b->wei1, out.c, in.c, b->c_in, t->ky, kx);
    case SECOND:
        return window_at(b->wei2, out.c, in.c, b->c, t->ky, kx);
    case SECOND_UP:
        return up_at(b, t, out, in);
    case SHORTCUT:
        break;
    }
    return shortcut_at(b, t, out, in);
}

/* The channel that row i of a fragment stands for; column i too, in the shortcut. */
static int permuted(int i) {
    return i < 8 ? 4 * (i / 2) + i % 2 : 4 * ((i - 8) / 2) + 2 + i % 2;
}

/* Lane (g, t) holds rows g and g + 8, columns 2t, 2t + 1 and those + 8. */
static uint16_t *pack_fragment(const block *b, const tap *t, int slice, int k, uint16_t *dst) {
    for (int lane = 0; lane < 32; lane++) {
        for (int i = 0; i < 8; i++) {
            int row = lane / 4 + (i / 2 % 2) * 8, column = lane % 4 * 2 + i % 2 + i / 4 * 8;
            int ci = 16 * k + (t->of == SHORTCUT ? permuted(column) : column);
            *dst++ = drae__f16_of(weight_at(b, t, 16 * slice + permuted(row), ci));
        }
    }
    return dst;
}

static block block_of(const drae__cuda_block *op) {
    int by = op->c == 8 || op->c_in == 8 ? 2 : 1;
    block b = {.op = op,
               .by = by,
               .c_in = op->c_in,
               .c = op->c,
               .slices = by * op->c / 16,
               .k1 = by * op->c_in / 16,
               .k2 = by * op->c / 16};
    return b;
}

/* Taps of the shortcut in one set. */
static int shortcut_taps(const block *b) {
    const drae__cuda_block *op = b->op;
    return op->residual != NULL ? 0 : op->up || (op->halve && b->by == 2) ? 2 : 1;
}

size_t drae__cuda_block_packed(const drae__cuda_block *op) {
    const block b = block_of(op);
    int set = (op->up ? 8 : 9) * b.k2 + shortcut_taps(&b) * b.k1;
    return (size_t)b.slices * (size_t)(9 * b.k1 + (op->up ? 2 : 1) * set) * FRAGMENT;
}

void drae__cuda_block_pack(const drae__cuda_block *op, const float *wei1, const float *wei2,
                           const float *proj_wei, uint16_t *dst) {
    block b = block_of(op);
    b.wei1 = wei1;
    b.wei2 = wei2;
    b.proj = proj_wei;
    for (int s = 0; s < b.slices; s++) {
        for (int i = 0; i < 9 * b.k1; i++) {
            const tap t = {.of = FIRST, .ky = i / b.k1 / 3, .kx = i / b.k1 % 3};
            dst = pack_fragment(&b, &t, s, i % b.k1, dst);
        }
    }
    for (int set = 0; set < (op->up ? 2 : 1) * b.slices; set++) {
        int s = set % b.slices, parity = set / b.slices;
        for (int i = 0; i < (op->up ? 8 : 9) * b.k2; i++) {
            int at = i / b.k2;
            const tap plain = {.of = SECOND, .ky = at / 3, .kx = at % 3};
            const tap up = {
                .of = SECOND_UP, .ky = at / 2 % 2, .kx = at % 2, .parity = parity, .phase = at / 4};
            dst = pack_fragment(&b, op->up ? &up : &plain, s, i % b.k2, dst);
        }
        for (int i = 0; i < shortcut_taps(&b) * b.k1; i++) {
            const tap t = {
                .of = SHORTCUT, .parity = parity, .phase = i / b.k1, .further = i / b.k1};
            dst = pack_fragment(&b, &t, s, i % b.k1, dst);
        }
    }
}
