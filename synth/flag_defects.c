/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Incomplete flags: the tab was not filled to its edge (short shot: a bite out of the outline with
 * a rounded rim), or part of the lettering did not come out.
 */
#include "synth/defect_shapes.h"

#define PLACE_TRIES 400

/* A point of the outline away from the neck and from the bridge to the rail. */
static void outline_point(const drae__vial *vial, drae__rng *rng, float *x, float *y) {
    float side = drae__rng_uniform(rng) < 0.5f ? -1.0f : 1.0f;
    float which = drae__rng_uniform(rng);
    float u, v;
    if (which < 0.6f) {
        u = side * vial->flag_hw;
        v = drae__rng_range(rng, -0.95f, 0.9f) * vial->flag_hh;
    } else {
        u = side * drae__rng_range(rng, 0.5f, 0.95f) * vial->flag_hw;
        v = which < 0.8f ? -vial->flag_hh : vial->flag_hh;
    }
    /* towards the middle until the point is on the flag: the corners are round */
    float t = 1.0f;
    do {
        drae__flag_point(vial, t * u, t * v, x, y);
        t -= 0.005f;
    } while (drae__flag_distance(vial, *x, *y) < 0.0f);
}

static void draw_bite(const drae__synth_strip *strip, const drae__synth_defect *d,
                      drae__defect_layer *layer) {
    const drae__vial *vial = &strip->vials[d->vial];
    float radius = 0.5f * d->size_px;
    for (int y = 0; y < DRAE__LAYER_SIDE; y++) {
        for (int x = 0; x < DRAE__LAYER_SIDE; x++) {
            float px = (float)(layer->x0 + x), py = (float)(layer->y0 + y);
            float from_bite = hypotf(px - d->x, py - d->y) - radius; /* positive in the plastic */
            float from_edge = drae__flag_distance(vial, px, py);
            int i = y * DRAE__LAYER_SIDE + x;
            if (from_bite > 4.5f || from_edge < -3.0f) {
                continue;
            }
            float dry =
                strip->dry[(size_t)(layer->y0 + y) * DRAE__SYNTH_WIDTH + (size_t)(layer->x0 + x)];
            float gone = drae__clamp01(0.5f - from_bite);
            float rim =
                1.0f - 0.5f * drae__bell(from_bite - 0.8f, 1.8f) * drae__clamp01(from_edge + 0.5f);
            layer->factor[i] = drae__mix(rim, DRAE__BACKLIGHT / dry, gone);
            layer->mask[i] = gone >= 0.5f && from_edge >= -0.5f ? (uint8_t)d->kind : 0;
        }
    }
}

static void draw_missing_letters(const drae__synth_strip *strip, const drae__synth_defect *d,
                                 drae__defect_layer *layer) {
    float radius = 0.5f * d->size_px;
    for (int y = 0; y < DRAE__LAYER_SIDE; y++) {
        for (int x = 0; x < DRAE__LAYER_SIDE; x++) {
            int px = layer->x0 + x, py = layer->y0 + y;
            float rho = hypotf((float)px - d->x, (float)py - d->y) / radius;
            float letters = drae__lettering_at(strip, d->vial, px, py);
            float erased = d->contrast * drae__smooth(1.1f, 0.8f, rho);
            int i = y * DRAE__LAYER_SIDE + x;
            layer->factor[i] = drae__mix(1.0f, 1.0f / letters, erased);
            layer->mask[i] = rho <= 1.0f && fabsf(letters - 1.0f) > 0.02f ? (uint8_t)d->kind : 0;
        }
    }
    drae__layer_close(d->kind, layer);
}

void drae__defect_flag(const drae__synth_strip *strip, drae__synth_defect *d, drae__rng *rng,
                       drae__defect_layer *layer) {
    const drae__vial *vial = &strip->vials[d->vial];
    bool bite = drae__rng_uniform(rng) < 0.5f;
    if (d->x < 0.0f) {
        outline_point(vial, rng, &d->x, &d->y);
        for (int i = 0; !bite && i < PLACE_TRIES; i++) {
            const float reach = 0.4f * DRAE__LETTER_SIDE;
            float x, y;
            drae__flag_point(vial, drae__rng_range(rng, -reach, reach),
                             drae__rng_range(rng, -reach, reach), &x, &y);
            if (fabsf(drae__lettering_at(strip, d->vial, (int)x, (int)y) - 1.0f) > 0.15f) {
                d->x = x;
                d->y = y;
                break;
            }
        }
    }
    drae__layer_clear(d, layer);
    if (bite) {
        d->contrast = 1.0f;
        draw_bite(strip, d, layer);
    } else {
        draw_missing_letters(strip, d, layer);
    }
}
