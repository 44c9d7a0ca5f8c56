/* SPDX-License-Identifier: Apache-2.0 */
/* Choices of kernels as the text of a plan file (docs/cuda.md): what `drae compile --tune` writes
 * and
 * `--plan` reads. There is exactly one text for given choices of a network. */
#ifndef DRAE_ENGINE_CUDA_CHOICE_TEXT_H
#define DRAE_ENGINE_CUDA_CHOICE_TEXT_H

#include "engine/program_cuda.h"

/* As drae__plan_print. */
size_t drae__cuda_choices_print(const drae__plan *plan, const drae__cuda_choices *choices,
                                char *text, size_t n_bytes);

/* Reads the text of a plan file, n characters, for the network of plan. ERROR_FILE with the line
 * that is wrong. Whether the kernels take the network's shapes is seen when a program is made. */
drae_status drae__cuda_choices_parse(const drae__plan *plan, const char *text, size_t n,
                                     drae__cuda_choices *choices, drae__err *err);

#endif
