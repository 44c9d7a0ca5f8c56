/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which patches a model has seen: the first 64 bits of the SHA-256 of the pixels of each, sorted,
 * without repeats. 8 bytes a patch: 22 MB for the 2.8 million of the published data, 64 kB for
 * 8,000. The chance that a new patch meets one of 2.8 million by accident is 1.5e-13.
 */
#ifndef DRAE_MODEL_SEEN_H
#define DRAE_MODEL_SEEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum drae__seen_by {
    DRAE__SEEN_TRAINING = 0, /* good and validation patches, all that training was given */
    DRAE__SEEN_CALIBRATION = 1,
    DRAE__SEENS
} drae__seen_by;

/* "training", "calibration" */
const char *drae__seen_name(drae__seen_by by);

typedef struct drae__seen {
    size_t n;         /* 0: not known */
    uint64_t *prints; /* [n] strictly ascending, from malloc; NULL where n is 0 */
} drae__seen;

/* The fingerprint of a patch of size x size pixels. */
uint64_t drae__patch_print(const uint8_t *pixels, size_t n_pixels);

/* Sorts prints[n], drops repeats; how many remain. */
size_t drae__seen_sort(size_t n, uint64_t *prints);

bool drae__seen_has(const drae__seen *seen, uint64_t print);

#endif
