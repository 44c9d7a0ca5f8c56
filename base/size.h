/* SPDX-License-Identifier: Apache-2.0 */
/* Checked size arithmetic: every size that comes from a file or a caller goes through here. */
#ifndef DRAE_BASE_SIZE_H
#define DRAE_BASE_SIZE_H

#include <stdbool.h>
#include <stddef.h>

/* *product = a * b; false and *product untouched when it does not fit in size_t. */
static inline bool drae__size_mul(size_t a, size_t b, size_t *product) {
    size_t result;
    if (__builtin_mul_overflow(a, b, &result)) {
        return false;
    }
    *product = result;
    return true;
}

/* *sum = a + b; false and *sum untouched when it does not fit in size_t. */
static inline bool drae__size_add(size_t a, size_t b, size_t *sum) {
    size_t result;
    if (__builtin_add_overflow(a, b, &result)) {
        return false;
    }
    *sum = result;
    return true;
}

/* n rounded up to a multiple of align (a power of two); the caller knows that it fits. */
static inline size_t drae__size_align(size_t n, size_t align) {
    return (n + align - 1) & ~(align - 1);
}

#endif
