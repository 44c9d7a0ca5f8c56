/* SPDX-License-Identifier: Apache-2.0 */
/* Drawing of defects into their windows. */
#ifndef DRAE_SYNTH_DEFECT_SHAPES_H
#define DRAE_SYNTH_DEFECT_SHAPES_H

#include "base/philox.h"
#include "synth/strip.h"

/* Fills layer for the defect; a FLAG defect with x < 0 chooses its place here. LEVEL leaves the
 * layer empty: its mask follows the surface of each frame. */
void drae__defect_draw(const drae__synth_strip *strip, drae__synth_defect *defect, drae__rng *rng,
                       drae__defect_layer *layer);

/* flag_defects.c: a piece of the tab or of its lettering is missing. */
void drae__defect_flag(const drae__synth_strip *strip, drae__synth_defect *defect, drae__rng *rng,
                       drae__defect_layer *layer);

/* Fills gaps of up to 4 px within the mask (dilation, then erosion, by 2 px). */
void drae__layer_close(int kind, drae__defect_layer *layer);

/* Puts the window around the defect's place and empties it. */
void drae__layer_clear(const drae__synth_defect *defect, drae__defect_layer *layer);

#endif
