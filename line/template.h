/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The golden template: the honest baseline of every table, without any network. Per region the mean
 * and the standard deviation of every pixel over good patches, both of images blurred by a Gaussian
 * of one pixel; the map of a patch is
 *     z = |blur(X) - mean| / (spread + DRAE__TEMPLATE_FLOOR)
 * in grey levels, its score the mean of the k largest z, k = size * size / DRAE__TEMPLATE_SHARE.
 */
#ifndef DRAE_LINE_TEMPLATE_H
#define DRAE_LINE_TEMPLATE_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

#define DRAE__TEMPLATE_FLOOR 2.0f
#define DRAE__TEMPLATE_SHARE 1024

typedef struct drae__template drae__template;

/* For patches of size x size, any region. ERROR_MEMORY, ERROR_ARGUMENT (size outside 4..4096). */
drae_status drae__template_create(int size, drae__template **golden, drae__err *err);
void drae__template_destroy(drae__template *golden); /* NULL is a no-op */

/* Adds a good patch [size,size] of a region (0..255). ERROR_MEMORY at the first of a region. */
drae_status drae__template_add(drae__template *golden, int region, const uint8_t *patch,
                               drae__err *err);

/* Good patches of a region so far. */
size_t drae__template_count(const drae__template *golden, int region);

/* map [size,size] and the score of a patch; the score is NAN, and the map 0, for a region with
 * fewer than two good patches. One thread at a time (scratch memory). */
float drae__template_score(drae__template *golden, int region, const uint8_t *patch, float *map);

/* The mean of the k largest of values[n] (1 <= k <= n), which are reordered. */
float drae__mean_of_largest(size_t n, float *values, size_t k);

#endif
