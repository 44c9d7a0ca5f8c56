/* SPDX-License-Identifier: Apache-2.0 */
/* bf16 convolutions for AVX2 with FMA. */
#include "kernels/cpu/infer_vec_avx2.h"

#include "kernels/cpu/infer_bf16_soft.h"

#include "kernels/cpu/infer_bf16_body.h"
#include "kernels/cpu/infer_bf16_tables.h"

const drae__bf16_kernels drae__bf16_kernels_avx2 = {
    .name = "avx2",
    .conv = kernel_conv,
    .out = kernel_out,
    .load_u8 = kernel_load_u8,
    .peak = kernel_peak,
};
