/* SPDX-License-Identifier: Apache-2.0 */
/* drae__cpu_thin_reduce for AVX-512; conv_thin.c calls it where the machine has it. */
#ifndef DRAE_KERNELS_CPU_CONV_THIN_AVX512_H
#define DRAE_KERNELS_CPU_CONV_THIN_AVX512_H

void drae__thin_reduce_avx512(int n, int h, int w, int c, const float *wide, const float *taps,
                              float bias, float *thin);

#endif
