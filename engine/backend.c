/* SPDX-License-Identifier: Apache-2.0 */
/* The one file that knows which backends are built in. */
#include "engine/backend.h"

const drae__backend *drae__backend_find(drae_device device) {
#if defined(DRAE__CUDA)
    if (device == DRAE_DEVICE_CUDA) {
        return &drae__backend_cuda;
    }
#endif
    return device == DRAE_DEVICE_CPU ? &drae__backend_cpu : NULL;
}
