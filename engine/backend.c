/* SPDX-License-Identifier: Apache-2.0 */
/* The one file that knows which backends are built in. */
#include "engine/backend.h"

#include "drae/version.h"

#if defined(DRAE__CUDA)
#define BACKENDS "cpu cuda"
#else
#define BACKENDS "cpu"
#endif

const drae__backend *drae__backend_find(drae_device device) {
#if defined(DRAE__CUDA)
    if (device == DRAE_DEVICE_CUDA) {
        return &drae__backend_cuda;
    }
#endif
    return device == DRAE_DEVICE_CPU ? &drae__backend_cpu : NULL;
}

#define TEXT_OF(x) #x
#define TEXT(x)    TEXT_OF(x)

const char *drae_build_info(void) {
    return "drae " TEXT(DRAE_VERSION_MAJOR) "." TEXT(DRAE_VERSION_MINOR) "." TEXT(
        DRAE_VERSION_PATCH) ", compiler " __VERSION__ ", backends " BACKENDS ", kernels "
#if defined(__x86_64__)
                            "avx512 avx2 portable, bf16 amx avx512bf16 avx512 avx2 portable";
#else
                            "portable, bf16 portable";
#endif
}
