/* SPDX-License-Identifier: Apache-2.0 */
#include "line/learned.h"

#include <math.h>

#define CONSTANT  0.02f
#define STRUCTURE 0.1f
#define POOR      0.5

void drae__learned_add(drae__learned *learned, size_t n_pixels, const uint8_t *patch,
                       const float *recon) {
    uint8_t low = 255;
    uint8_t high = 0;
    float least = INFINITY;
    float most = -INFINITY;
    for (size_t i = 0; i < n_pixels; i++) {
        low = patch[i] < low ? patch[i] : low;
        high = patch[i] > high ? patch[i] : high;
        least = recon[i] < least ? recon[i] : least;
        most = recon[i] > most ? recon[i] : most;
    }
    learned->n++;
    learned->image_range = fmaxf(learned->image_range, (float)(high - low) / 255.0f);
    learned->recon_range = fmaxf(learned->recon_range, most - least);
}

const char *drae__learned_doubt(const drae__learned *learned, double val_con) {
    if (learned->n > 0 && learned->recon_range < CONSTANT && learned->image_range > STRUCTURE) {
        return "the model has learned nothing: its reconstructions are one grey level; train it "
               "anew (loss.sigmoid_slope, another seed)";
    }
    if (val_con > POOR) {
        return "the model has learned little: its validation L_con is above 0.5, that of an "
               "untrained network is about 1; train it longer";
    }
    return NULL;
}
