/* SPDX-License-Identifier: Apache-2.0 */
/* The tables of inference kernels, one per instruction set; infer_select.c chooses. */
#ifndef DRAE_KERNELS_CPU_INFER_TABLES_H
#define DRAE_KERNELS_CPU_INFER_TABLES_H

#include "kernels/infer.h"

extern const drae__infer_kernels drae__infer_kernels_portable;
#if defined(__x86_64__)
extern const drae__infer_kernels drae__infer_kernels_avx512;
extern const drae__infer_kernels drae__infer_kernels_avx2;

/* In pairs of bf16; of it infer_avx512bf16.c has these, compiled for AVX512-BF16. */
extern const drae__infer_kernels drae__infer_kernels_avx512bf16;
void drae__pairs_conv(const drae__infer_conv *op);
void drae__pairs_out(int c_in, const drae__map_geometry *map, const float *src, const float *wei,
                     float bias, float *dst);
double drae__pairs_peak(size_t rounds, float *sink);
#endif

#endif
