/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Kernel files are compiled with -fsanitize=thread and linked without its runtime: the compiler
 * then calls these functions before every access to memory, which is all that the shadow needs.
 */
#include "shadow.h"

#define ACCESS(name, n_bytes, write)                                                               \
    void __tsan_##name(void *p) {                                                                  \
        simt::touch(p, n_bytes, write);                                                            \
    }
#define BOTH(n)      ACCESS(read##n, n, false) ACCESS(write##n, n, true)
#define UNALIGNED(n) ACCESS(unaligned_read##n, n, false) ACCESS(unaligned_write##n, n, true)

extern "C" {
BOTH(1)
BOTH(2)
BOTH(4)
BOTH(8)
BOTH(16)
UNALIGNED(2)
UNALIGNED(4)
UNALIGNED(8)
UNALIGNED(16)
void __tsan_read_range(void *p, size_t n_bytes) {
    simt::touch(p, n_bytes, false);
}
void __tsan_write_range(void *p, size_t n_bytes) {
    simt::touch(p, n_bytes, true);
}
void __tsan_init(void) {
}
void __tsan_func_entry(void *) {
}
void __tsan_func_exit(void) {
}
}
