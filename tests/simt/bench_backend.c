/* SPDX-License-Identifier: Apache-2.0 */
/* The backend that bench/kernels_cuda.c finds here: the one on the runtime of the tests. */
#include "engine/backend.h"

const drae__backend *drae__backend_find(drae_device device) {
    return device == DRAE_DEVICE_CUDA ? &drae__backend_cuda : &drae__backend_cpu;
}
