/* SPDX-License-Identifier: Apache-2.0 */
/* f32 -> bf16, round to nearest even, for the operands of bf16 convolutions. */
#ifndef DRAE_KERNELS_ONEDNN_BF16_H
#define DRAE_KERNELS_ONEDNN_BF16_H

#include <stddef.h>
#include <stdint.h>

/* dst[i] = bf16(src[i]); NaN stays NaN. Any CPU; over the OpenMP threads. */
void drae__bf16_from_f32(size_t n, const float *src, uint16_t *dst);

#endif
