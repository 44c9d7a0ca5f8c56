/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rows follow from shared memory and registers; none has been measured on a device yet (`drae
 * compile --tune` writes what a card says). One block of resblock runs on an SM at a time, so rows
 * are worth more shared memory as long as they fit: two a step load 12 fragments of pixels for 36
 * multiplications, one loads 9 for 18.
 */
#include "engine/cuda_table.h"

#include <string.h>

/* c_in, c: channels of the block; 0: any. */
typedef struct block_row {
    int arch, c_in, c;
    drae__cuda_variant variant;
} block_row;

/* clang-format off */
static const block_row blocks[] = {
    {80, 0, 0, DRAE__CUDA_BLOCK_R2}, {80, 0, 0, DRAE__CUDA_BLOCK_R1},
    {86, 0, 0, DRAE__CUDA_BLOCK_R2}, {86, 0, 0, DRAE__CUDA_BLOCK_R1},
    {89, 0, 0, DRAE__CUDA_BLOCK_R2}, {89, 0, 0, DRAE__CUDA_BLOCK_R1},
    {90, 0, 0, DRAE__CUDA_BLOCK_R2}, {90, 0, 0, DRAE__CUDA_BLOCK_R1},
};
/* clang-format on */

/* c_out: the greatest number of output channels that the row is for. */
typedef struct conv_row {
    int arch, c_out;
    drae__cuda_variant variant;
} conv_row;

#define ANY 1000000

/* Tiles whose columns are used. */
/* clang-format off */
static const conv_row convs[] = {
    {80, 16, DRAE__CUDA_IGEMM_N16}, {80, 32, DRAE__CUDA_IGEMM_N32},
    {80, 64, DRAE__CUDA_IGEMM_N64}, {80, ANY, DRAE__CUDA_IGEMM_N128},
    {86, 16, DRAE__CUDA_IGEMM_N16}, {86, 32, DRAE__CUDA_IGEMM_N32},
    {86, 64, DRAE__CUDA_IGEMM_N64}, {86, ANY, DRAE__CUDA_IGEMM_N128},
    {89, 16, DRAE__CUDA_IGEMM_N16}, {89, 32, DRAE__CUDA_IGEMM_N32},
    {89, 64, DRAE__CUDA_IGEMM_N64}, {89, ANY, DRAE__CUDA_IGEMM_N128},
    {90, 16, DRAE__CUDA_IGEMM_N16}, {90, 32, DRAE__CUDA_IGEMM_N32},
    {90, 64, DRAE__CUDA_IGEMM_N64}, {90, ANY, DRAE__CUDA_IGEMM_N128},
};
/* clang-format on */

static drae__cuda_variant find_block(const drae__plan *plan, int arch, int i, bool stem,
                                     size_t shared_max) {
    for (size_t r = 0; r < sizeof blocks / sizeof blocks[0]; r++) {
        const block_row *row = &blocks[r];
        const drae__plan_op *first = &plan->ops[i - 1];
        if (row->arch == arch && (row->c_in == 0 || row->c_in == first->c_in) &&
            (row->c == 0 || row->c == first->c_out) &&
            drae__cuda_block_takes(plan, i, stem, row->variant, shared_max)) {
            return row->variant;
        }
    }
    return DRAE__CUDA_NONE;
}

static drae__cuda_variant find_conv(int arch, int c_out) {
    size_t r = 0;
    while (convs[r].arch != arch || convs[r].c_out < c_out) {
        r++;
    }
    return convs[r].variant;
}

void drae__cuda_table_choose(const drae__plan *plan, const drae__cuda_device *device,
                             drae__cuda_choices *choices) {
    memset(choices, 0, sizeof *choices);
    int arch = choices->arch = drae__cuda_arch_of(device->arch), i = 0;
    drae__cuda_variant first = find_block(plan, arch, 2, true, device->shared_max);
    if (first != DRAE__CUDA_NONE) {
        choices->of[2] = (uint8_t)first;
        i = 3;
    } else {
        choices->of[0] = DRAE__CUDA_STEM;
        i = 1;
    }
    while (i < plan->n_ops) {
        drae__cuda_variant block = plan->ops[i].kind == DRAE__OP_CONV
                                       ? find_block(plan, arch, i + 1, false, device->shared_max)
                                       : DRAE__CUDA_NONE;
        if (block != DRAE__CUDA_NONE) {
            choices->of[i + 1] = (uint8_t)block;
            i += 2;
        } else {
            if (plan->ops[i].kind == DRAE__OP_CONV) {
                choices->of[i] = (uint8_t)find_conv(arch, plan->ops[i].c_out);
            }
            i++;
        }
    }
}

void drae__cuda_choices_for(const drae__plan *plan, const drae__cuda_device *device,
                            const drae__cuda_choices *recorded, drae__cuda_choices *choices) {
    if (recorded->arch != 0 && recorded->arch == drae__cuda_arch_of(device->arch)) {
        *choices = *recorded;
    } else {
        drae__cuda_table_choose(plan, device, choices);
    }
}
