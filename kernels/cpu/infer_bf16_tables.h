/* SPDX-License-Identifier: Apache-2.0 */
/* The tables of bf16 inference that the build may hold. */
#ifndef DRAE_KERNELS_CPU_INFER_BF16_TABLES_H
#define DRAE_KERNELS_CPU_INFER_BF16_TABLES_H

#include "kernels/infer_bf16.h"

extern const drae__bf16_kernels drae__bf16_kernels_amx;
extern const drae__bf16_kernels drae__bf16_kernels_avx512;
extern const drae__bf16_kernels drae__bf16_kernels_avx2;
extern const drae__bf16_kernels drae__bf16_kernels_portable;

#endif
