/* SPDX-License-Identifier: Apache-2.0 */
/* Which table of inference kernels serves: best first, by CPUID, or by name. */
#include "kernels/cpu/infer_tables.h"

#include <string.h>

static const drae__infer_kernels *const tables[] = {
#if defined(__x86_64__)
    &drae__infer_kernels_avx512,
    &drae__infer_kernels_avx2,
#endif
    &drae__infer_kernels_portable,
};

const drae__infer_kernels *const *drae__infer_kernels_list(size_t *n) {
    *n = sizeof tables / sizeof tables[0];
    return tables;
}

const drae__infer_kernels *drae__infer_kernels_in_pairs(void) {
#if defined(__x86_64__)
    return &drae__infer_kernels_avx512bf16;
#else
    return NULL;
#endif
}

bool drae__infer_kernels_supported(const drae__infer_kernels *kernels) {
    if (kernels == &drae__infer_kernels_portable) {
        return true;
    }
#if defined(__x86_64__)
    __builtin_cpu_init();
    bool avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                  __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
    if (kernels == &drae__infer_kernels_avx512) {
        return avx512;
    }
    if (kernels == &drae__infer_kernels_avx512bf16) {
        return avx512 && __builtin_cpu_supports("avx512bf16");
    }
    if (kernels == &drae__infer_kernels_avx2) {
        return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    }
#endif
    return false;
}

const drae__infer_kernels *drae__infer_kernels_find(const char *name) {
    bool any = strcmp(name, "auto") == 0;
    for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++) {
        if (any ? drae__infer_kernels_supported(tables[i]) : strcmp(name, tables[i]->name) == 0) {
            return tables[i];
        }
    }
    return NULL;
}
