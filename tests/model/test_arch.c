/* SPDX-License-Identifier: Apache-2.0 */
/* The network's description against what design.md and the paper say of it. */
#include "tests/model/suites.h"

#include "model/arch.h"

#include <math.h>
#include <string.h>

typedef struct row {
    const char *path;
    int c_in, c_out, h_in, h_out;
} row;

/* w = 16, size 256, written out from the description by hand. */
static const row encoder[DRAE__BLOCKS] = {
    {"encoder/stage0/A", 16, 16, 256, 256}, {"encoder/stage0/B", 16, 16, 256, 256},
    {"encoder/stage0/C", 16, 16, 256, 128}, {"encoder/stage1/A", 16, 32, 128, 128},
    {"encoder/stage1/B", 32, 32, 128, 128}, {"encoder/stage1/C", 32, 32, 128, 64},
    {"encoder/stage2/A", 32, 64, 64, 64},   {"encoder/stage2/B", 64, 64, 64, 64},
    {"encoder/stage2/C", 64, 64, 64, 32},   {"encoder/stage3/A", 64, 128, 32, 32},
    {"encoder/stage3/B", 128, 128, 32, 32}, {"encoder/stage3/C", 128, 128, 32, 16}};
static const row decoder[DRAE__BLOCKS] = {
    {"decoder/stage3/A", 128, 128, 16, 16}, {"decoder/stage3/B", 128, 128, 16, 16},
    {"decoder/stage3/C", 128, 128, 16, 32}, {"decoder/stage2/A", 128, 64, 32, 32},
    {"decoder/stage2/B", 64, 64, 32, 32},   {"decoder/stage2/C", 64, 64, 32, 64},
    {"decoder/stage1/A", 64, 32, 64, 64},   {"decoder/stage1/B", 32, 32, 64, 64},
    {"decoder/stage1/C", 32, 32, 64, 128},  {"decoder/stage0/A", 32, 16, 128, 128},
    {"decoder/stage0/B", 16, 16, 128, 128}, {"decoder/stage0/C", 16, 16, 128, 256}};

static void expect_blocks(const drae__arch *arch, drae__half half, const row *rows, int narrower,
                          int smaller) {
    drae__block blocks[DRAE__BLOCKS];
    drae__arch_blocks(arch, half, blocks);
    for (int i = 0; i < DRAE__BLOCKS; i++) {
        const drae__block *b = &blocks[i];
        const row *r = &rows[i];
        ck_assert_str_eq(b->path, r->path);
        ck_assert_int_eq(b->half, half);
        ck_assert_int_eq(b->role, i % 3);
        ck_assert_int_eq(b->stage, r->path[13] - '0');
        ck_assert_int_eq(b->c_in * narrower, r->c_in);
        ck_assert_int_eq(b->c_out * narrower, r->c_out);
        ck_assert_int_eq(b->h_in * smaller, r->h_in);
        ck_assert_int_eq(b->h_out * smaller, r->h_out);
    }
}

START_TEST(blocks_are_as_described) {
    drae__arch arch = drae__arch_default();
    expect_blocks(&arch, DRAE__HALF_ENCODER, encoder, 1, 1);
    expect_blocks(&arch, DRAE__HALF_DECODER, decoder, 1, 1);
    arch.width = 8;
    arch.size = 32;
    expect_blocks(&arch, DRAE__HALF_ENCODER, encoder, 2, 8);
    expect_blocks(&arch, DRAE__HALF_DECODER, decoder, 2, 8);
}
END_TEST

/* What leaves a block enters the next one. */
START_TEST(blocks_chain) {
    static const int widths[] = {8, 24, 128};
    for (int k = 0; k < 3; k++) {
        drae__arch arch = drae__arch_default();
        arch.width = widths[k];
        arch.size = 48;
        int c = arch.width, h = arch.size;
        for (int half = 0; half < 2; half++) {
            drae__block blocks[DRAE__BLOCKS];
            drae__arch_blocks(&arch, (drae__half)half, blocks);
            for (int i = 0; i < DRAE__BLOCKS; i++) {
                ck_assert_int_eq(blocks[i].c_in, c);
                ck_assert_int_eq(blocks[i].h_in, h);
                c = blocks[i].c_out;
                h = blocks[i].h_out;
            }
            if (half == 0) {
                ck_assert_int_eq(h, drae__arch_small_side(&arch));
                ck_assert_uint_eq(drae__arch_small_elems(&arch), (size_t)(h * h * c));
            }
        }
        ck_assert_int_eq(c, arch.width);
        ck_assert_int_eq(h, arch.size);
    }
}
END_TEST

START_TEST(defaults) {
    drae__arch arch = drae__arch_default();
    ck_assert_int_eq(arch.block, DRAE__BLOCK_PREACT);
    ck_assert_int_eq(arch.width, 16);
    ck_assert_int_eq(arch.latent, 64);
    ck_assert_int_eq(arch.size, 256);
    ck_assert_float_eq(arch.slope, 0.2f);
    ck_assert_float_eq(arch.bn_eps, 1e-5f);
    ck_assert_int_eq(drae__arch_check(&arch, NULL), DRAE_OK);
    ck_assert_int_eq(drae__arch_small_side(&arch), 16);
    arch.width = 128; /* the paper's 16x16x1024 */
    ck_assert_int_eq(drae__arch_channels(&arch, 3), 1024);
    ck_assert_uint_eq(drae__arch_small_elems(&arch), 16u * 16u * 1024u);
}
END_TEST

/* The paper's cost: 7.6 GFLOP at w = 16 and 485 at w = 128, as it rounds them. */
START_TEST(cost) {
    drae__arch arch = drae__arch_default();
    ck_assert_double_eq_tol(drae__arch_flops(&arch), 7.6e9, 0.05e9);
    arch.width = 128;
    ck_assert_double_eq_tol(drae__arch_flops(&arch), 485e9, 0.5e9);
}
END_TEST

typedef struct change {
    const char *name;
    int block, width, latent, size;
    float slope, bn_eps;
} change;

START_TEST(bad_numbers_are_refused_by_name) {
    static const change bad[] = {
        {"block", 1, 16, 64, 256, 0.2f, 1e-5f},    {"width", 0, 0, 64, 256, 0.2f, 1e-5f},
        {"width", 0, 4, 64, 256, 0.2f, 1e-5f},     {"width", 0, 12, 64, 256, 0.2f, 1e-5f},
        {"width", 0, -8, 64, 256, 0.2f, 1e-5f},    {"width", 0, 520, 64, 256, 0.2f, 1e-5f},
        {"latent", 0, 16, 0, 256, 0.2f, 1e-5f},    {"latent", 0, 16, 4097, 256, 0.2f, 1e-5f},
        {"size", 0, 16, 64, 16, 0.2f, 1e-5f},      {"size", 0, 16, 64, 40, 0.2f, 1e-5f},
        {"size", 0, 16, 64, 1040, 0.2f, 1e-5f},    {"slope", 0, 16, 64, 256, 0.0f, 1e-5f},
        {"slope", 0, 16, 64, 256, 1.01f, 1e-5f},   {"slope", 0, 16, 64, 256, -0.2f, 1e-5f},
        {"slope", 0, 16, 64, 256, NAN, 1e-5f},     {"bn_eps", 0, 16, 64, 256, 0.2f, 0.0f},
        {"bn_eps", 0, 16, 64, 256, 0.2f, 0.2f},    {"bn_eps", 0, 16, 64, 256, 0.2f, NAN},
        {"slope", 0, 16, 64, 256, INFINITY, 1e-5f}};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        const change *c = &bad[i];
        drae__arch arch = {
            (drae__block_kind)c->block, c->width, c->latent, c->size, c->slope, c->bn_eps};
        drae__err err = {{0}};
        ck_assert_int_eq(drae__arch_check(&arch, &err), DRAE_ERROR_ARGUMENT);
        ck_assert_msg(strncmp(err.text, c->name, strlen(c->name)) == 0, "%zu: %s", i, err.text);
    }
    static const change good[] = {{"", 0, 8, 1, 32, 1.0f, 0.1f},
                                  {"", 0, 512, 4096, 1024, 1e-6f, 1e-9f}};
    for (size_t i = 0; i < 2; i++) {
        const change *c = &good[i];
        drae__arch arch = {
            (drae__block_kind)c->block, c->width, c->latent, c->size, c->slope, c->bn_eps};
        ck_assert_int_eq(drae__arch_check(&arch, NULL), DRAE_OK);
    }
}
END_TEST

Suite *suite_arch(void) {
    Suite *suite = suite_create("arch");
    TCase *tcase = tcase_create("arch");
    tcase_add_test(tcase, blocks_are_as_described);
    tcase_add_test(tcase, blocks_chain);
    tcase_add_test(tcase, defaults);
    tcase_add_test(tcase, cost);
    tcase_add_test(tcase, bad_numbers_are_refused_by_name);
    suite_add_tcase(suite, tcase);
    return suite;
}
