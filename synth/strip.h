/* SPDX-License-Identifier: Apache-2.0 */
/* What a rendered strip consists of, shared by the files of this room. */
#ifndef DRAE_SYNTH_STRIP_H
#define DRAE_SYNTH_STRIP_H

#include "synth/geometry.h"
#include "synth/noise.h"
#include "synth/synth.h"

/* The lettering of a flag covers a box of this size around the flag's middle. */
#define DRAE__LETTER_SIDE 200

/* A defect is drawn in a window of this size around its centre. */
#define DRAE__LAYER_SIDE 96

typedef struct drae__defect_layer {
    int x0, y0;     /* upper left corner of the window in the strip */
    bool displaces; /* whether push is used */
    float factor[DRAE__LAYER_SIDE * DRAE__LAYER_SIDE]; /* on the transmitted light */
    float push[DRAE__LAYER_SIDE * DRAE__LAYER_SIDE]; /* rows by which the picture is pushed down */
    uint8_t mask[DRAE__LAYER_SIDE * DRAE__LAYER_SIDE];
} drae__defect_layer;

struct drae__synth_strip {
    drae__synth_config config;
    int product;
    drae__vial vials[DRAE__SYNTH_VIALS];
    drae__noise tool; /* surface of the mould: the same for all products */
    drae__noise own;  /* of this product */
    float scatter;    /* of the resin, 1 nominal */
    float *dry;       /* transmitted light with empty vials, [HEIGHT,WIDTH] */
    float *wet;       /* the same with full vials */
    float *lettering; /* factor of the lettering, [VIALS,LETTER_SIDE,LETTER_SIDE] */
    int n_defects;
    drae__synth_defect defects[DRAE__SYNTH_DEFECTS_MAX];
    drae__defect_layer *layers;            /* [n_defects] */
    float level_offset[DRAE__SYNTH_VIALS]; /* of a wrong fill level, else 0 */
};

/* lettering.c: fills strip->lettering of one vial. */
void drae__lettering_draw(drae__synth_strip *strip, int v);

/* The factor at a pixel of the strip; 1 outside the box. */
static inline float drae__lettering_at(const drae__synth_strip *strip, int v, int x, int y) {
    const drae__vial *vial = &strip->vials[v];
    int u = x - (int)vial->flag_x + DRAE__LETTER_SIDE / 2;
    int w = y - (int)vial->flag_y + DRAE__LETTER_SIDE / 2;
    if (u < 0 || u >= DRAE__LETTER_SIDE || w < 0 || w >= DRAE__LETTER_SIDE) {
        return 1.0f;
    }
    return strip->lettering[(v * DRAE__LETTER_SIDE + w) * DRAE__LETTER_SIDE + u];
}

/* plastic.c: one row of dry and wet. Reads the lettering. */
void drae__plastic_row(drae__synth_strip *strip, int row);

/* Light of the bare backlight, and of the rail with its marks at a place of the strip; texture is
 * that of the surface there, about [-1,1]. */
#define DRAE__BACKLIGHT 0.90f
float drae__rail_light(float texture, float x, float y);

/* defects.c: chooses a place where x < 0 and draws defect i of the strip. Reads dry and wet. */
void drae__defect_prepare(drae__synth_strip *strip, int i);

/* Where a defect may be, for planning: true when (x, y) lies on the part at least `inside` px from
 * its outline and is bright enough that the defect is seen. */
bool drae__defect_place_ok(const drae__synth_strip *strip, int v, int region, float x, float y,
                           float inside);

/* liquid.c */
typedef struct drae__bubble {
    float x, y, r, depth;
} drae__bubble;

enum { DRAE__BUBBLES_MAX = 24, DRAE__DROPS_MAX = 4, DRAE__RIPPLES = 3 };

typedef struct drae__liquid {
    float level; /* Y of the surface on the axis */
    float tilt;  /* slope */
    float amplitude[DRAE__RIPPLES], wave[DRAE__RIPPLES], phase[DRAE__RIPPLES];
    float climb;   /* height of the meniscus at the wall */
    float opening; /* half height of the ellipse that the surface shows */
    int n_bubbles, n_drops;
    drae__bubble bubbles[DRAE__BUBBLES_MAX]; /* in the liquid and at its surface */
    drae__bubble drops[DRAE__DROPS_MAX];     /* on the wall above it */
} drae__liquid;

void drae__liquid_state(const drae__synth_strip *strip, int run, int frame, int v,
                        drae__liquid *liquid);

/* Row (as a real number) of the surface at x. */
float drae__liquid_surface(const drae__vial *vial, const drae__liquid *liquid, float x);

/* Draws the liquid of one vial into image [HEIGHT,WIDTH], which holds dry. */
void drae__liquid_draw(const drae__synth_strip *strip, int v, const drae__liquid *liquid,
                       float *image);

#endif
