/* SPDX-License-Identifier: Apache-2.0 */
/* Convolutions in turns of rows: the bits of one after the other, with buffers that serve again. */
#include "tests/kernels/infer_suites.h"

#include <string.h>

enum { C = 8, W = 20, WIDE = 4, SMALL = 2, MAPS = WIDE + SMALL, OPS = 10 };

/* An operation by numbers of maps: 0..3 of h rows, 4 and 5 of h / 2, IMAGE of one channel. */
enum { IMAGE = MAPS, NONE };
typedef struct link {
    drae__infer_conv_kind kind;
    int src, proj, residual, raw, act;
} link_of;

/* The last one writes, from the image alone, what others read and write. */
static const link_of links[OPS] = {
    {DRAE__INFER_CONV3, IMAGE, NONE, NONE, NONE, 0},
    {DRAE__INFER_CONV3, 0, NONE, NONE, NONE, 1},
    {DRAE__INFER_CONV3, 1, 0, NONE, 2, 3},
    {DRAE__INFER_CONV3, 3, NONE, NONE, NONE, 0},
    {DRAE__INFER_CONV3, 0, NONE, 2, 2, 1},
    {DRAE__INFER_CONV3S2, 1, NONE, NONE, NONE, 4},
    {DRAE__INFER_CONV3, 4, 1, NONE, NONE, 5},
    {DRAE__INFER_CONV3, 5, NONE, NONE, NONE, 4},
    {DRAE__INFER_CONVT4, 4, 5, NONE, NONE, 3},
    {DRAE__INFER_CONV3, IMAGE, NONE, NONE, NONE, 1},
};

typedef struct chain_case {
    infer_map maps[MAPS + 1];
    drae__infer_conv ops[OPS];
} chain_case;

static float *packed(const drae__infer_kernels *kernels, drae__infer_conv_kind kind, int c_in,
                     uint64_t seed) {
    t_pair wei = t_uniform((size_t)c_in * C * (kind == DRAE__INFER_CONVT4 ? 16 : 9), seed, -1, 1);
    float *p = t_f32(drae__infer_conv_weights(kernels, kind, c_in, C));
    drae__infer_pack_conv(kernels, kind, c_in, C, wei.f, p);
    return p;
}

static void make(const drae__infer_kernels *kernels, int h, chain_case *k) {
    const t_pair affine = t_uniform(C, 90, 0.2f, 0.4f);
    const t_pair image = t_uniform((size_t)h * W, 91, -1.0f, 1.0f);
    for (int m = 0; m < MAPS; m++) {
        int part = m < WIDE ? 1 : 2;
        k->maps[m] = infer_map_make(C, h / part, W / part, NULL);
    }
    k->maps[IMAGE] = infer_map_make(1, h, W, image.f);
    float *scratch = t_f32(drae__infer_conv_scratch(kernels, C) + 1);
    for (int i = 0; i < OPS; i++) {
        const link_of *l = &links[i];
        const infer_map *src = &k->maps[l->src];
        drae__infer_conv *op = &k->ops[i];
        *op = (drae__infer_conv){.kind = l->kind,
                                 .c_in = src->c,
                                 .c_out = C,
                                 .src_map = src->g,
                                 .dst_map = k->maps[l->act].g,
                                 .src = src->at,
                                 .wei = packed(kernels, l->kind, src->c, 10 + (uint64_t)i),
                                 .residual = l->residual == NONE ? NULL : k->maps[l->residual].at,
                                 .scale = affine.f,
                                 .shift = affine.f,
                                 .slope = 0.2f,
                                 .raw = l->raw == NONE ? NULL : k->maps[l->raw].at,
                                 .act = k->maps[l->act].at,
                                 .scratch = scratch};
        if (l->proj != NONE) {
            t_pair wei = t_uniform(4 * C * C, 50 + (uint64_t)i, -1.0f, 1.0f);
            float *p = t_f32(wei.n);
            drae__infer_pack_proj(kernels, l->kind, C, C, wei.f, p);
            op->proj.c_in = C;
            op->proj.map = k->maps[l->proj].g;
            op->proj.src = k->maps[l->proj].at;
            op->proj.wei = p;
        }
    }
}

/* The tables of f32, then the one in pairs, whose maps fill half of these. */
static const drae__infer_kernels *table(size_t i) {
    const drae__infer_kernels *pairs = drae__infer_kernels_in_pairs();
    if (infer_table(i) != NULL || (i > 0 && infer_table(i - 1) == NULL)) {
        return infer_table(i);
    }
    return pairs != NULL && drae__infer_kernels_supported(pairs) ? pairs : NULL;
}

START_TEST(same_bits) {
    static const int heights[] = {16, 40, 72};
    const drae__infer_kernels *kernels;
    for (size_t t = 0; (kernels = table(t)) != NULL; t++) {
        for (int rows = DRAE__INFER_TURN; rows <= 2 * DRAE__INFER_TURN; rows += DRAE__INFER_TURN) {
            t_begin("%s %d rows in turns of %d", kernels->name, heights[_i], rows);
            chain_case alone, chain;
            make(kernels, heights[_i], &alone);
            make(kernels, heights[_i], &chain);
            for (int i = 0; i < OPS; i++) {
                kernels->conv(&alone.ops[i]);
            }
            drae__infer_conv_chain(kernels, OPS, chain.ops, rows);
            for (int m = 0; m < MAPS; m++) {
                size_t n = drae__map_floats(&alone.maps[m].g, C);
                ck_assert_msg(
                    memcmp(alone.maps[m].buffer, chain.maps[m].buffer, n * sizeof(float)) == 0,
                    "%s: map %d differs", t_name(), m);
            }
            t_end();
        }
    }
}
END_TEST

Suite *suite_infer_chain(void) {
    Suite *suite = suite_create("infer_chain");
    TCase *tc = tcase_create("chain");
    tcase_add_loop_test(tc, same_bits, 0, 3);
    suite_add_tcase(suite, tc);
    return suite;
}
