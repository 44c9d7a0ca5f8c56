/* SPDX-License-Identifier: Apache-2.0 */
/* The inference kernels for AVX2 with FMA. */
#include "kernels/cpu/infer_vec_avx2.h"

#include "kernels/cpu/infer_strip_body.h"
#include "kernels/cpu/infer_rest_body.h"
#include "kernels/cpu/infer_tables.h"

const drae__infer_kernels drae__infer_kernels_avx2 = {
    .name = "avx2",
    .co_tile = CO,
    .cot_tile = CO, /* by strips */
    .pitch = NV * VL,
    .conv = conv_by_strips,
    .out = kernel_out,
    .peak = kernel_peak,
    REST_OF_TABLE,
};
