/* SPDX-License-Identifier: Apache-2.0 */
/* The inference kernels for AVX-512 (F, BW, DQ, VL), and those in bf16, which share what is not a
 * convolution. */
#include "kernels/cpu/infer_vec_avx512.h"

#include "kernels/cpu/infer_strip_body.h"
#include "kernels/cpu/infer_rest_body.h"
#include "kernels/cpu/infer_tables.h"

const drae__infer_kernels drae__infer_kernels_avx512 = {
    .name = "avx512",
    .co_tile = CO,
    .cot_tile = CO, /* by strips */
    .pitch = NV * VL,
    .conv = conv_by_strips,
    .out = kernel_out,
    .peak = kernel_peak,
    REST_OF_TABLE,
};

const drae__infer_kernels drae__infer_kernels_avx512bf16 = {
    .name = "avx512bf16",
    .co_tile = CO,
    .cot_tile = COT,
    .pitch = NV * VL,
    .pairs = true,
    .conv = drae__pairs_conv,
    .out = drae__pairs_out,
    .peak = drae__pairs_peak,
    REST_OF_TABLE,
};
