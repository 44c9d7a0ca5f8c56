/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which kernel computes which operation of a plan on CUDA: the committed table of an architecture
 * (cuda_table.c), or what a measurement chose (cuda_tune.h). Depends on architecture, shape and
 * shared memory alone. An engine file carries the choices; a card of another architecture takes
 * those of its own table.
 */
#ifndef DRAE_ENGINE_CUDA_CHOICE_H
#define DRAE_ENGINE_CUDA_CHOICE_H

#include "base/error.h"
#include "kernels/cuda_variants.h"

#include <stdbool.h>
#include <stdint.h>

#define DRAE__CUDA_CHOICES 60 /* at least DRAE__PLAN_OPS */

typedef struct drae__cuda_choices {
    int arch;                       /* 80, 86, 89, 90; 0: none, an engine of the cpu */
    uint8_t of[DRAE__CUDA_CHOICES]; /* drae__cuda_variant of each operation */
} drae__cuda_choices;

/* Whether there is a table for this architecture. */
bool drae__cuda_arch_known(int arch);
/* The architecture whose table a device takes: the greatest that is not above its own; 0 below 80.
 */
int drae__cuda_arch_of(int compute_capability);
/* "sm_86" to 86; 0 for anything that is not known. */
int drae__cuda_arch_find(const char *name);

#endif
