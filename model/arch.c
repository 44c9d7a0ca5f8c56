/* SPDX-License-Identifier: Apache-2.0 */
#include "model/arch.h"

#include <math.h>
#include <stdio.h>

drae__arch drae__arch_default(void) {
    drae__arch arch = {.block = DRAE__BLOCK_PREACT,
                       .width = 16,
                       .latent = 64,
                       .size = 256,
                       .slope = 0.2f,
                       .bn_eps = 1e-5f};
    return arch;
}

drae_status drae__arch_check(const drae__arch *arch, drae__err *err) {
    if (arch->block != DRAE__BLOCK_PREACT) {
        return drae__fail(err, DRAE_ERROR_ARGUMENT, "block: only \"preact\" is supported");
    }
    if (arch->width < 8 || arch->width > DRAE__WIDTH_MAX || arch->width % 8 != 0) {
        return drae__fail(err, DRAE_ERROR_ARGUMENT,
                          "width is %d, must be a multiple of 8 from 8 to %d", arch->width,
                          DRAE__WIDTH_MAX);
    }
    if (arch->latent < 1 || arch->latent > DRAE__LATENT_MAX) {
        return drae__fail(err, DRAE_ERROR_ARGUMENT, "latent is %d, must be from 1 to %d",
                          arch->latent, DRAE__LATENT_MAX);
    }
    if (arch->size < DRAE__SIZE_MIN || arch->size > DRAE__SIZE_MAX || arch->size % 16 != 0) {
        return drae__fail(err, DRAE_ERROR_ARGUMENT,
                          "size is %d, must be a multiple of 16 from %d to %d", arch->size,
                          DRAE__SIZE_MIN, DRAE__SIZE_MAX);
    }
    if (!(arch->slope > 0.0f && arch->slope <= 1.0f)) {
        return drae__fail(err, DRAE_ERROR_ARGUMENT, "slope is %g, must be in (0, 1]",
                          (double)arch->slope);
    }
    if (!(arch->bn_eps > 0.0f && arch->bn_eps <= 0.1f)) {
        return drae__fail(err, DRAE_ERROR_ARGUMENT, "bn_eps is %g, must be in (0, 0.1]",
                          (double)arch->bn_eps);
    }
    return DRAE_OK;
}

int drae__arch_channels(const drae__arch *arch, int stage) {
    return arch->width << stage;
}

int drae__arch_small_side(const drae__arch *arch) {
    return arch->size / 16;
}

size_t drae__arch_small_elems(const drae__arch *arch) {
    size_t side = (size_t)drae__arch_small_side(arch);
    return side * side * (size_t)drae__arch_channels(arch, DRAE__STAGES - 1);
}

static drae__block encoder_block(const drae__arch *arch, int stage, drae__role role) {
    int c = drae__arch_channels(arch, stage);
    int c_before = stage == 0 ? arch->width : drae__arch_channels(arch, stage - 1);
    int h = arch->size >> stage;
    drae__block block = {.half = DRAE__HALF_ENCODER,
                         .role = role,
                         .stage = stage,
                         .c_in = role == DRAE__ROLE_A ? c_before : c,
                         .c_out = c,
                         .h_in = h,
                         .h_out = role == DRAE__ROLE_C ? h / 2 : h};
    return block;
}

static drae__block decoder_block(const drae__arch *arch, int stage, drae__role role) {
    int c = drae__arch_channels(arch, stage);
    int c_before = stage == DRAE__STAGES - 1 ? c : drae__arch_channels(arch, stage + 1);
    int h = arch->size >> (stage + 1);
    drae__block block = {.half = DRAE__HALF_DECODER,
                         .role = role,
                         .stage = stage,
                         .c_in = role == DRAE__ROLE_A ? c_before : c,
                         .c_out = c,
                         .h_in = h,
                         .h_out = role == DRAE__ROLE_C ? 2 * h : h};
    return block;
}

void drae__arch_blocks(const drae__arch *arch, drae__half half, drae__block blocks[DRAE__BLOCKS]) {
    static const char letters[] = "ABC";
    for (int i = 0; i < DRAE__BLOCKS; i++) {
        int step = i / DRAE__BLOCKS_PER_STAGE;
        int role = i % DRAE__BLOCKS_PER_STAGE;
        bool encoder = half == DRAE__HALF_ENCODER;
        int stage = encoder ? step : DRAE__STAGES - 1 - step;
        blocks[i] = encoder ? encoder_block(arch, stage, (drae__role)role)
                            : decoder_block(arch, stage, (drae__role)role);
        (void)snprintf(blocks[i].path, sizeof blocks[i].path, "%s/stage%d/%c",
                       encoder ? "encoder" : "decoder", stage, letters[role]);
    }
}

static double conv_flops(int h_out, int c_in, int c_out, int taps) {
    return 2.0 * h_out * h_out * c_in * c_out * taps;
}

static double block_flops(const drae__block *b) {
    bool up = b->half == DRAE__HALF_DECODER && b->role == DRAE__ROLE_C;
    int h_mid = up ? b->h_in : b->h_out;
    double flops = conv_flops(h_mid, b->c_in, b->c_out, 9);
    /* A transposed 4x4/2 has 4 taps and a 2x2/2 one tap per output pixel. */
    flops += conv_flops(b->h_out, b->c_out, b->c_out, up ? 4 : 9);
    if (b->role != DRAE__ROLE_B) {
        flops += conv_flops(b->h_out, b->c_in, b->c_out, 1);
    }
    return flops;
}

double drae__arch_flops(const drae__arch *arch) {
    double flops = 2.0 * conv_flops(arch->size, 1, arch->width, 9); /* stem and out */
    flops += 4.0 * (double)drae__arch_small_elems(arch) * arch->latent;
    for (int half = DRAE__HALF_ENCODER; half <= DRAE__HALF_DECODER; half++) {
        drae__block blocks[DRAE__BLOCKS];
        drae__arch_blocks(arch, (drae__half)half, blocks);
        for (int i = 0; i < DRAE__BLOCKS; i++) {
            flops += block_flops(&blocks[i]);
        }
    }
    return flops;
}
