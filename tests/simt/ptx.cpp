/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the wrapped instructions do, after the PTX ISA's own pictures (sections named at each). g is
 * lane / 4, t is lane % 4 throughout.
 */
#include "drae_simt_ptx.h"
#include "shadow.h"

#include <vector>

namespace simt {

/* ---- numbers ---- */

uint16_t half_of(float v) {
    uint32_t u = bits32(v), sign = u >> 16 & 0x8000u, mag = u & 0x7FFFFFFFu;
    if (mag > 0x7F800000u) {
        return (uint16_t)(sign | 0x7FFFu);
    }
    if (mag >= 0x477FF000u) { /* 65520 and above round to infinity */
        return (uint16_t)(sign | 0x7C00u);
    }
    if (mag < 0x38800000u) { /* below 2^-14: multiples of 2^-24 */
        float scaled = from32<float>(mag) * 16777216.0f;
        return (uint16_t)(sign | (uint32_t)lrintf(scaled));
    }
    uint32_t rounded = mag + 0xFFFu + (mag >> 13 & 1u);
    return (uint16_t)(sign | (rounded - 0x38000000u) >> 13);
}

float float_of(uint16_t h) {
    uint32_t sign = (uint32_t)(h & 0x8000u) << 16, e = h >> 10 & 31u, m = h & 1023u;
    if (e == 31) {
        return from32<float>(sign | 0x7F800000u | m << 13);
    }
    if (e == 0) {
        float v = (float)m * 5.9604644775390625e-8f;
        return sign != 0 ? -v : v;
    }
    return from32<float>(sign | (e + 112) << 23 | m << 13);
}

/* 9.7.4.8 max, 9.7.4.7 min of f16x2 with .NaN: the canonical NaN where either is one; -0 is below
 * +0. */
uint32_t larger_halves(uint32_t a, uint32_t b, bool smaller) {
    uint32_t r = 0;
    for (int i = 0; i < 2; i++) {
        uint16_t of_a = (uint16_t)(a >> 16 * i), of_b = (uint16_t)(b >> 16 * i);
        float va = float_of(of_a), vb = float_of(of_b);
        bool take_a = va != vb ? (va > vb) != smaller : ((of_a >> 15) == 0) != smaller;
        uint32_t taken = va != va || vb != vb ? 0x7FFFu : take_a ? of_a : of_b;
        r |= taken << 16 * i;
    }
    return r;
}

static const float *half_table() {
    static float table[65536];
    static bool made;
    if (!made) {
        for (uint32_t i = 0; i < 65536; i++) {
            table[i] = float_of((uint16_t)i);
        }
        made = true;
    }
    return table;
}

/* ---- matrices ---- */

namespace {

struct ldmatrix_arg {
    uint32_t *r;
    const void *row;
    int matrices;
    bool trans;
};

/* 9.7.14.5.15 ldmatrix: lane 8m + i gives the address of row i of matrix m; lane holds elements
 * 2t, 2t + 1 of row g, transposed: rows 2t, 2t + 1 of column g. */
void ldmatrix_all(void **args, unsigned) {
    const ldmatrix_arg *first = static_cast<ldmatrix_arg *>(args[0]);
    for (int m = 0; m < first->matrices; m++) {
        uint16_t e[8][8];
        for (int i = 0; i < 8; i++) {
            const void *row = static_cast<ldmatrix_arg *>(args[8 * m + i])->row;
            if (reinterpret_cast<uintptr_t>(row) % 16 != 0) {
                fail("ldmatrix: row %d of matrix %d is not aligned to 16 bytes", i, m);
            }
            touch(row, 16, false);
            memcpy(e[i], row, 16);
        }
        for (int l = 0; l < 32; l++) {
            ldmatrix_arg *a = static_cast<ldmatrix_arg *>(args[l]);
            int g = l / 4, t = l % 4;
            uint32_t lo = a->trans ? e[2 * t][g] : e[g][2 * t];
            uint32_t hi = a->trans ? e[2 * t + 1][g] : e[g][2 * t + 1];
            a->r[m] = lo | hi << 16;
        }
    }
}

struct mma_arg {
    float *d;
    int32_t *di;
    const uint32_t *a, *b;
    const float *table;
};

/* What the lanes of a warp hand over for one mma.m16n8k16. */
struct fragments {
    uint32_t a[4], b[2];
    float d[4];
};

/* The sanitizers look at how kernels hand over their registers (below), not at arrays of fixed
 * sides within this file: that was half of a suite's time. */
#define PLAIN __attribute__((no_sanitize("address", "undefined")))

PLAIN double element(uint32_t pair, int i, const float *table) {
    uint16_t bits = (uint16_t)(pair >> 16 * i);
    return (double)(table != nullptr ? table[bits] : from32<float>((uint32_t)bits << 16));
}

/* 9.7.14.5.8 mma.m16n8k16: a0 (g, 2t..) a1 (g+8, 2t..) a2 (g, 2t+8..) a3 (g+8, 2t+8..);
 * b0 (2t.., g) b1 (2t+8.., g); d0 d1 (g, 2t..) d2 d3 (g+8, 2t..). Sums in the order of k, in
 * double. */
PLAIN void multiply_add(fragments (&f)[32], const float *table) {
    double a[16][16], b[16][8], d[16][8];
    for (int l = 0; l < 32; l++) {
        int g = l / 4, t = l % 4;
        for (int k = 0; k < 2; k++) {
            for (int i = 0; i < 4; i++) {
                a[g + 8 * (i % 2)][2 * t + 8 * (i / 2) + k] = element(f[l].a[i], k, table);
            }
            for (int i = 0; i < 2; i++) {
                b[2 * t + 8 * i + k][g] = element(f[l].b[i], k, table);
                d[g + 8 * i][2 * t + k] = (double)f[l].d[2 * i + k];
            }
        }
    }
    for (int row = 0; row < 16; row++) {
        for (int k = 0; k < 16; k++) {
            for (int column = 0; column < 8; column++) {
                d[row][column] += a[row][k] * b[k][column];
            }
        }
    }
    for (int l = 0; l < 32; l++) {
        for (int i = 0; i < 4; i++) {
            f[l].d[i] = (float)d[l / 4 + 8 * (i / 2)][2 * (l % 4) + i % 2];
        }
    }
}

void mma_f16_all(void **args, unsigned) {
    fragments f[32];
    for (int l = 0; l < 32; l++) {
        const mma_arg *p = static_cast<mma_arg *>(args[l]);
        memcpy(f[l].a, p->a, sizeof f[l].a);
        memcpy(f[l].b, p->b, sizeof f[l].b);
        memcpy(f[l].d, p->d, sizeof f[l].d);
    }
    multiply_add(f, static_cast<mma_arg *>(args[0])->table);
    for (int l = 0; l < 32; l++) {
        memcpy(static_cast<mma_arg *>(args[l])->d, f[l].d, sizeof f[l].d);
    }
}

/* 9.7.14.5.10 mma.m16n8k32 s8: a0 (g, 4t..) a1 (g+8, 4t..) a2 (g, 4t+16..) a3 (g+8, 4t+16..);
 * b0 (4t.., g) b1 (4t+16.., g); d as above. */
void mma_s8_all(void **args, unsigned) {
    int32_t a[16][32], b[8][32];
    for (int l = 0; l < 32; l++) {
        const mma_arg *p = static_cast<mma_arg *>(args[l]);
        int g = l / 4, t = l % 4;
        for (int k = 0; k < 4; k++) {
            for (int i = 0; i < 4; i++) {
                a[g + 8 * (i % 2)][4 * t + 16 * (i / 2) + k] = (int8_t)(p->a[i] >> 8 * k & 0xFFu);
            }
            for (int i = 0; i < 2; i++) {
                b[g][4 * t + 16 * i + k] = (int8_t)(p->b[i] >> 8 * k & 0xFFu);
            }
        }
    }
    for (int l = 0; l < 32; l++) {
        int32_t *d = static_cast<mma_arg *>(args[l])->di;
        int g = l / 4, t = l % 4;
        for (int i = 0; i < 4; i++) {
            for (int k = 0; k < 32; k++) {
                d[i] += a[g + 8 * (i / 2)][k] * b[2 * t + i % 2][k];
            }
        }
    }
}

/* 9.7.14.5.17 movmatrix: row g, elements 2t, 2t + 1 in; of the transposed matrix out. */
void movmatrix_all(void **args, unsigned) {
    uint16_t e[8][8];
    for (int l = 0; l < 32; l++) {
        uint32_t v = *static_cast<uint32_t *>(args[l]);
        e[l / 4][2 * (l % 4)] = (uint16_t)v;
        e[l / 4][2 * (l % 4) + 1] = (uint16_t)(v >> 16);
    }
    for (int l = 0; l < 32; l++) {
        int g = l / 4, t = l % 4;
        *static_cast<uint32_t *>(args[l]) = (uint32_t)e[2 * t][g] | (uint32_t)e[2 * t + 1][g] << 16;
    }
}

} // namespace

constexpr unsigned ALL = 0xFFFFFFFFu;

void ldmatrix(uint32_t *r, int matrices, bool trans, const void *row) {
    static const char *const names[2][5] = {
        {"", "ldmatrix.x1", "ldmatrix.x2", "", "ldmatrix.x4"},
        {"", "ldmatrix.x1.trans", "ldmatrix.x2.trans", "", "ldmatrix.x4.trans"}};
    ldmatrix_arg a = {r, row, matrices, trans};
    warp_op(names[trans ? 1 : 0][matrices], ALL, &a, ldmatrix_all);
}

void mma_f16(float *d, const uint32_t *a, const uint32_t *b, bool bf16) {
    mma_arg arg = {d, nullptr, a, b, bf16 ? nullptr : half_table()};
    warp_op(bf16 ? "mma.m16n8k16.bf16" : "mma.m16n8k16.f16", ALL, &arg, mma_f16_all);
}

void mma_s8(int32_t *d, const uint32_t *a, const uint32_t *b) {
    mma_arg arg = {nullptr, d, a, b, nullptr};
    warp_op("mma.m16n8k32.s8", ALL, &arg, mma_s8_all);
}

uint32_t movmatrix(uint32_t v) {
    warp_op("movmatrix", ALL, &v, movmatrix_all);
    return v;
}

/* ---- asynchronous copies ----
 * 9.7.9.25.3 cp.async: the bytes are there only after the issuing thread has waited for their
 * group. Until then the destination holds NaN and may not be touched. */

namespace {

struct copy {
    unsigned char *dst;
    unsigned char bytes[16];
    int group;
};

struct copies {
    std::vector<copy> under_way;
    int group; /* the open one */
};

copies of_thread[1024];
bool any;

} // namespace

void copies_reset() {
    for (int i = 0; any && i < 1024; i++) {
        of_thread[i].under_way.clear();
        of_thread[i].group = 0;
    }
    any = false;
}

void copies_at_exit() {
    if (!of_thread[running_thread()].under_way.empty()) {
        fail("leaves with %zu cp.async copies that it never waited for",
             of_thread[running_thread()].under_way.size());
    }
}

void copy_async(void *dst, const void *src, bool valid) {
    if ((reinterpret_cast<uintptr_t>(dst) | (valid ? reinterpret_cast<uintptr_t>(src) : 0)) % 16 !=
        0) {
        fail("cp.async: an address is not aligned to 16 bytes");
    }
    copies *c = &of_thread[running_thread()];
    copy one = {static_cast<unsigned char *>(dst), {}, c->group};
    if (valid) {
        memcpy(one.bytes, src, 16);
    }
    touch(dst, 16, true);
    memset(dst, 0xFF, 16);
    shadow_pending(dst, 16, true);
    c->under_way.push_back(one);
    any = true;
}

void copy_commit() {
    of_thread[running_thread()].group++;
    any = true;
}

void copy_wait(int groups_left) {
    copies *c = &of_thread[running_thread()];
    size_t kept = 0;
    for (size_t i = 0; i < c->under_way.size(); i++) {
        const copy one = c->under_way[i];
        if (one.group >= c->group - groups_left) {
            c->under_way[kept++] = one;
            continue;
        }
        shadow_pending(one.dst, 16, false);
        touch(one.dst, 16, true);
        memcpy(one.dst, one.bytes, 16);
    }
    c->under_way.resize(kept);
}

} // namespace simt
