/* SPDX-License-Identifier: Apache-2.0 */
/* Every convolution of small networks as the engine runs it, on every instruction set. */
#include "tests/kernels/infer_conv_case.h"

#include "model/arch.h"

static void check_block(const drae__block *b, int limit) {
    bool up = b->half == DRAE__HALF_DECODER && b->role == DRAE__ROLE_C;
    bool halve = b->half == DRAE__HALF_ENCODER && b->role == DRAE__ROLE_C;
    const infer_conv_shape first = {.kind = halve ? DRAE__INFER_CONV3S2 : DRAE__INFER_CONV3,
                                    .c_in = b->c_in,
                                    .c_out = b->c_out,
                                    .h = b->h_in,
                                    .w = b->h_in,
                                    .act = true};
    infer_conv_check(&first, limit);
    bool identity = b->role == DRAE__ROLE_B;
    const infer_conv_shape second = {.kind = up ? DRAE__INFER_CONVT4 : DRAE__INFER_CONV3,
                                     .c_in = b->c_out,
                                     .c_out = b->c_out,
                                     .h = halve ? b->h_out : b->h_in,
                                     .w = halve ? b->h_out : b->h_in,
                                     .proj_c_in = identity ? 0 : b->c_in,
                                     .proj_stride = halve ? 2 : 1,
                                     .residual = identity,
                                     .raw = b->role == DRAE__ROLE_A,
                                     .act = true};
    infer_conv_check(&second, limit);
}

static void check_network(int width, int size, int limit) {
    drae__arch arch = drae__arch_default();
    arch.width = width;
    arch.size = size;
    const infer_conv_shape stem = {
        .kind = DRAE__INFER_CONV3, .c_in = 1, .c_out = width, .h = size, .w = size, .act = true};
    infer_conv_check(&stem, limit);
    for (int half = DRAE__HALF_ENCODER; half <= DRAE__HALF_DECODER; half++) {
        drae__block blocks[DRAE__BLOCKS];
        drae__arch_blocks(&arch, (drae__half)half, blocks);
        for (int i = 0; i < DRAE__BLOCKS; i++) {
            check_block(&blocks[i], limit);
        }
    }
}

static const int widths[] = {8, 16, 24};

/* A sanitizer makes this five times slower: there the larger networks run at one size. */
#if defined(__SANITIZE_ADDRESS__)
#define BOTH_SIZES_UP_TO 8
#else
#define BOTH_SIZES_UP_TO DRAE__WIDTH_MAX
#endif

START_TEST(every_layer) {
    check_network(widths[_i], 32, widths[_i] == 16 ? 0 : 2);
    if (widths[_i] <= BOTH_SIZES_UP_TO) {
        check_network(widths[_i], 48, widths[_i] == 16 ? 2 : 0);
    }
}
END_TEST

Suite *suite_infer_layers(void) {
    Suite *suite = suite_create("infer_layers");
    TCase *tc = tcase_create("layers");
    tcase_add_loop_test(tc, every_layer, 0, (int)(sizeof widths / sizeof widths[0]));
    suite_add_tcase(suite, tc);
    return suite;
}
