/* SPDX-License-Identifier: Apache-2.0 */
/* bf16 convolutions for AVX-512 (F, BW, DQ, VL), without a matrix unit. */
#include "kernels/cpu/infer_vec_avx512.h"

#include "kernels/cpu/infer_bf16_soft.h"

#include "kernels/cpu/infer_bf16_body.h"
#include "kernels/cpu/infer_bf16_tables.h"

const drae__bf16_kernels drae__bf16_kernels_avx512 = {
    .name = "avx512",
    .conv = kernel_conv,
    .out = kernel_out,
    .load_u8 = kernel_load_u8,
    .peak = kernel_peak,
};
