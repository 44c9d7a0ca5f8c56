/* SPDX-License-Identifier: Apache-2.0 */
/* Memory and errors of what the kernels run on: the interpreter (device_simt.c) or a GPU
 * (tests/cuda/device_cuda.c). */
#ifndef DRAE_TESTS_SIMT_DEVICE_H
#define DRAE_TESTS_SIMT_DEVICE_H

#include <stdbool.h>
#include <stddef.h>

/* Waits for the device; false with the text of an error, which is cleared where it can be. */
bool device_finish(char *text, size_t n_bytes);

/* Whether there is one at all: suites are skipped where not. */
bool device_there(void);

#endif
