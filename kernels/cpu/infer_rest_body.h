/* SPDX-License-Identifier: Apache-2.0 */
/* What every table has besides its convolutions, and the members that say so. */
#ifndef DRAE_KERNELS_CPU_INFER_REST_BODY_H
#define DRAE_KERNELS_CPU_INFER_REST_BODY_H

#include "kernels/cpu/infer_dense_body.h"
#include "kernels/cpu/infer_head_body.h"
#include "kernels/cpu/infer_image_body.h"
#include "kernels/cpu/infer_matched_body.h"
#include "kernels/cpu/infer_peak_body.h"
#include "kernels/cpu/infer_score_body.h"

#define REST_OF_TABLE                                                                              \
    .lanes = VL, .load_u8 = kernel_load_u8, .down = kernel_down, .up = kernel_up,                  \
    .phi = kernel_phi, .z = kernel_z, .m = kernel_m, .m_filters = kernel_m_filters,                \
    .head = &head_table, .top_mean = kernel_top_mean, .residual = kernel_residual,                 \
    .to_u8 = kernel_to_u8

#endif
