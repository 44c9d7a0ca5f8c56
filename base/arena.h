/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One arena per lifetime (weights, activations, workspace): sizes are booked at plan time, one
 * allocation is made, pieces are handed out in order. Every piece is 256-byte aligned, so that
 * vector code and devices may assume it.
 */
#ifndef DRAE_BASE_ARENA_H
#define DRAE_BASE_ARENA_H

#include <stdbool.h>
#include <stddef.h>

#define DRAE__ALIGN 256

typedef struct drae__arena {
    unsigned char *base;
    size_t capacity;
    size_t used;
} drae__arena;

/* Books n_bytes (rounded up to DRAE__ALIGN) on *total; false when the sum does not fit in size_t.
 */
bool drae__arena_book(size_t *total, size_t n_bytes);

/* Allocates capacity bytes, zeroed; false when there is no memory. */
bool drae__arena_create(drae__arena *arena, size_t capacity);

/* The next n_bytes, or NULL when the arena is exhausted (a programmer's error: book first). */
void *drae__arena_take(drae__arena *arena, size_t n_bytes);

/* Frees; safe on a zeroed arena and twice. */
void drae__arena_destroy(drae__arena *arena);

/* A single aligned block of n_bytes, uninitialised; free() releases it. NULL when out of memory. */
void *drae__aligned_alloc(size_t n_bytes);

#endif
