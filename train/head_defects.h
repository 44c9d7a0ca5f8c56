/* SPDX-License-Identifier: Apache-2.0 */
/* Synthetic defects on crops of good patches, by which the head (train/head.h) learns. They are
 * drawn from a few general shapes, not from the classes of drae synth, and are other ones than the
 * blemishes by which a calibration compares scores (line/normalise.h). */
#ifndef DRAE_TRAIN_HEAD_DEFECTS_H
#define DRAE_TRAIN_HEAD_DEFECTS_H

#include "base/philox.h"
#include "train/head.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DRAE__HEAD_CROP   DRAE__HEAD_SIDE
#define DRAE__HEAD_PIXELS (DRAE__HEAD_CROP * DRAE__HEAD_CROP)

/*
 * Puts one defect into crop [CROP,CROP] of grey levels 0..1, one of four kinds:
 *   - a line (2 of 5), 8 to 60 pixels long, straight, bent or jagged, 1 to 3 wide, at times with a
 *     second flank of the other sign beside it;
 *   - a blob (1 of 5, as those that follow) of radius 1.2 to 14, round to oval, irregular, its edge
 *     sharp to soft;
 *   - a dent, one dark and one bright flank, 3 to 14 across;
 *   - a piece of other texture (of the crop `other`) in an irregular disc of radius 2 to 16.
 * Contrasts are log-uniform from 0.05 to 0.35 (dent), 0.5 (line) or 0.8 (blob), of the local grey
 * level or additive. mask [CROP,CROP] becomes 1 where the change is above a quarter of the
 * largest and above 0.012 (texture: above 0.02), and 0 elsewhere. scratch [CROP,CROP].
 */
void drae__head_defect(drae__rng *rng, const float *other, float *crop, uint8_t *mask,
                       float *scratch);

#endif
