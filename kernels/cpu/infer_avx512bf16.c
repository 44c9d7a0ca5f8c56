/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Convolutions in bf16 for processors with AVX512-BF16 and no AMX: the direct sums of
 * infer_conv_body.h over planes of two channels, half of the multiply-adds and of the bytes. The
 * rest of the table is that of AVX-512 (infer_avx512.c).
 */
#include "kernels/cpu/infer_vec_avx512bf16.h"

#include "kernels/cpu/infer_out_body.h"
#include "kernels/cpu/infer_peak_body.h"
#include "kernels/cpu/infer_strided_body.h"
#include "kernels/cpu/infer_transposed_body.h"

#include "kernels/cpu/infer_tables.h"

ADD_TAPS(window3_image, vf_acc, true, NV, 3, false)

void drae__pairs_conv(const drae__infer_conv *op) {
    if (op->kind == DRAE__INFER_CONVT4) {
        convt4(op);
    } else if (op->kind == DRAE__INFER_CONV3S2) {
        conv3_copied(op);
    } else if (op->c_in == 1) {
        conv3_by(op, window3_image, 1);
    } else {
        conv3(op);
    }
}

void drae__pairs_out(int c_in, const drae__map_geometry *map, const float *src, const float *wei,
                     float bias, float *dst) {
    out_rows(PLANES(c_in), map, src, wei, bias, dst);
}

double drae__pairs_peak(size_t rounds, float *sink) {
    return kernel_peak(rounds, sink);
}
