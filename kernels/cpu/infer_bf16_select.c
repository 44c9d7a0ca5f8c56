/* SPDX-License-Identifier: Apache-2.0 */
/* Which table of bf16 kernels serves: best first, by CPUID, or by name. */
#include "kernels/cpu/infer_bf16_tables.h"

#include <string.h>

#if defined(__x86_64__)
#include <cpuid.h>
#endif
#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif

static const drae__bf16_kernels *const tables[] = {
#if defined(__x86_64__)
    &drae__bf16_kernels_amx,
    &drae__bf16_kernels_avx512,
    &drae__bf16_kernels_avx2,
#endif
    &drae__bf16_kernels_portable,
};

const drae__bf16_kernels *const *drae__bf16_kernels_list(size_t *n) {
    *n = sizeof tables / sizeof tables[0];
    return tables;
}

#if defined(__x86_64__)
/* The kernel saves 8 KB of tile registers for a process that has asked for them (Linux,
 * Documentation/arch/x86/xstate.rst). Threads made before and after share the permission. */
static bool tiles_granted(void) {
#if defined(__linux__)
    const long req_xcomp_perm = 0x1023, tile_data = 18;
    return syscall(SYS_arch_prctl, req_xcomp_perm, tile_data) == 0;
#else
    return false;
#endif
}

/* CPUID leaf 7: AMX-BF16 is EDX 22, AMX-TILE EDX 24; of subleaf 1, AVX512-BF16 is EAX 5. */
static bool has_amx(void) {
    unsigned a, b, c, d, a1, b1, c1, d1;
    return __get_cpuid_count(7, 0, &a, &b, &c, &d) != 0 &&
           __get_cpuid_count(7, 1, &a1, &b1, &c1, &d1) != 0 && (d >> 22 & 1) != 0 &&
           (d >> 24 & 1) != 0 && (a1 >> 5 & 1) != 0;
}
#endif

bool drae__bf16_kernels_supported(const drae__bf16_kernels *kernels) {
    if (kernels == &drae__bf16_kernels_portable) {
        return true;
    }
#if defined(__x86_64__)
    __builtin_cpu_init();
    bool avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                  __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
    if (kernels == &drae__bf16_kernels_amx) {
        return avx512 && has_amx() && tiles_granted();
    }
    if (kernels == &drae__bf16_kernels_avx512) {
        return avx512;
    }
    if (kernels == &drae__bf16_kernels_avx2) {
        return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    }
#endif
    return false;
}

const drae__bf16_kernels *drae__bf16_kernels_find(const char *name) {
    bool any = strcmp(name, "auto") == 0;
    for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++) {
        if (any ? drae__bf16_kernels_supported(tables[i]) : strcmp(name, tables[i]->name) == 0) {
            return tables[i];
        }
    }
    return NULL;
}
