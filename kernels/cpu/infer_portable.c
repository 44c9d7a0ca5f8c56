/* SPDX-License-Identifier: Apache-2.0 */
/* The inference kernels for the baseline of any machine, in fixed arithmetic. */
#include "kernels/cpu/infer_vec_portable.h"

#include "kernels/cpu/infer_transposed_body.h"
#include "kernels/cpu/infer_rest_body.h"
#include "kernels/cpu/infer_tables.h"

static void conv_direct(const drae__infer_conv *op) {
    if (op->kind == DRAE__INFER_CONVT4) {
        convt4(op);
    } else {
        conv3(op);
    }
}

const drae__infer_kernels drae__infer_kernels_portable = {
    .name = "portable",
    .co_tile = CO,
    .cot_tile = COT,
    .conv = conv_direct,
    .out = kernel_out,
    .peak = kernel_peak,
    REST_OF_TABLE,
};
