/* SPDX-License-Identifier: Apache-2.0 */
/*
 * maps.h5: /recon and /residual, and /z where it is known, float32 [N,size,size], as they come,
 * never all in memory: what `drae inspect --maps` writes.
 */
#ifndef DRAE_IO_MAPS_H
#define DRAE_IO_MAPS_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>

typedef struct drae__maps drae__maps;

/* Starts a file for exactly n maps of size x size under a temporary name. ERROR_ARGUMENT for
 * n = 0 or a size outside 1..4096. z: the file gets /z too. */
drae_status drae__maps_create(const char *path, size_t n, int size, bool z, drae__maps **maps,
                              drae__err *err);

/* Appends `count` reconstructions and residuals |X - X^|, each [count,size,size] in [0,1], and as
 * many maps of z where the file has them, else NULL. */
drae_status drae__maps_append(drae__maps *maps, size_t count, const float *recon,
                              const float *residual, const float *z, drae__err *err);

/* Sync and rename; ERROR_ARGUMENT when fewer than n were appended. Frees in every case; on failure
 * nothing remains. */
drae_status drae__maps_finish(drae__maps *maps, drae__err *err);
void drae__maps_abandon(drae__maps *maps); /* NULL is accepted */

#endif
