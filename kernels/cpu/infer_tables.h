/* SPDX-License-Identifier: Apache-2.0 */
/* The tables of inference kernels, one per instruction set; infer_select.c chooses. */
#ifndef DRAE_KERNELS_CPU_INFER_TABLES_H
#define DRAE_KERNELS_CPU_INFER_TABLES_H

#include "kernels/infer.h"

extern const drae__infer_kernels drae__infer_kernels_portable;
#if defined(__x86_64__)
extern const drae__infer_kernels drae__infer_kernels_avx512;
extern const drae__infer_kernels drae__infer_kernels_avx2;
#endif

#endif
