/* SPDX-License-Identifier: Apache-2.0 */
/* Whether a model has learned anything: seen from its reconstructions and its validation loss. */
#ifndef DRAE_LINE_LEARNED_H
#define DRAE_LINE_LEARNED_H

#include <stddef.h>
#include <stdint.h>

/* Zeroed is empty. */
typedef struct drae__learned {
    size_t n;
    float image_range; /* the widest range of grey levels of an image, 0..1 */
    float recon_range; /* and of a reconstruction */
} drae__learned;

/* A patch [n_pixels] of grey levels 0..255 and its reconstruction, 0..1. */
void drae__learned_add(drae__learned *learned, size_t n_pixels, const uint8_t *patch,
                       const float *recon);

/* NULL, or the reason to doubt the model, one line. Reconstructions are constant where none of them
 * spans 0.02 though an image spans 0.1. val_con is poor above 0.5: an untrained network has about
 * 1, trained ones below 0.2; NAN is unknown. */
const char *drae__learned_doubt(const drae__learned *learned, double val_con);

#endif
