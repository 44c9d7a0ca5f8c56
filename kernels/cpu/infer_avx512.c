/* SPDX-License-Identifier: Apache-2.0 */
/* The inference kernels for AVX-512 (F, BW, DQ, VL). */
#include "kernels/cpu/infer_vec_avx512.h"

#include "kernels/cpu/infer_strip_body.h"
#include "kernels/cpu/infer_dense_body.h"
#include "kernels/cpu/infer_image_body.h"
#include "kernels/cpu/infer_score_body.h"
#include "kernels/cpu/infer_matched_body.h"
#include "kernels/cpu/infer_head_body.h"
#include "kernels/cpu/infer_tables.h"

const drae__infer_kernels drae__infer_kernels_avx512 = {
    .name = "avx512",
    .lanes = VL,
    .co_tile = CO,
    .cot_tile = CO, /* by strips */
    .strip_pitch = NV * VL,
    .load_u8 = kernel_load_u8,
    .conv = conv_by_strips,
    .out = kernel_out,
    .down = kernel_down,
    .up = kernel_up,
    .phi = kernel_phi,
    .z = kernel_z,
    .m = kernel_m,
    .m_filters = kernel_m_filters,
    .head = &head_table,
    .top_mean = kernel_top_mean,
    .residual = kernel_residual,
    .to_u8 = kernel_to_u8,
    .peak = kernel_peak,
};
