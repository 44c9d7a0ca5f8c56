/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The shadow of shared memory: for every byte who wrote and who read it last, and when. Two
 * accesses of different threads, one of them a write, are a race unless a barrier lies between, or,
 * within a warp, a __syncwarp. Private to tests/simt.
 */
#ifndef DRAE_SIMT_SHADOW_H
#define DRAE_SIMT_SHADOW_H

#include "drae_simt.h"

namespace simt {

/* simt.cpp */
int running_thread();
bool in_kernel();

/* shadow.cpp; offsets are those of the arena */
/* Forgets the first n_dirty of n_bytes: all that was used since the last time. */
void shadow_reset(const unsigned char *arena, size_t n_bytes, size_t n_dirty);
void shadow_open(size_t at, size_t n_bytes);
bool shadow_is_open(size_t at);
void shadow_block_epoch();
void shadow_warp_epoch(int warp);
/* An asynchronous copy is under way to p, or has come. */
void shadow_pending(const void *p, size_t n_bytes, bool pending);

/* ptx.cpp: copies under way of the block's threads */
void copies_reset();
void copies_at_exit();

} // namespace simt

extern "C" const char *drae_simt_error(void);
extern "C" void drae_simt_clear(void);
/* Whether this build sees every access to shared memory. */
extern "C" bool drae_simt_has_shadow(void);

#endif
