/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The shape of a strip: where flag, neck, shoulder, body and bottom of each vial are, what the
 * mould fixes (per cavity) and what varies from product to product. Heights are named Y and counted
 * from the upper edge of region 0; rows of the strip are TOP_Y + Y.
 *
 *      Y -88..-24   rail with the reference marks
 *         22..206   flag (tab with lettering)          R0    0..256
 *        188..300   neck, its tip within the flag, with the twist-off notch
 *        300..372   shoulder                           R1  256..512
 *        372..930   body; liquid surface near 590      R2  512..768
 *        930..985   bottom, then the vestige           R3  768..1024
 */
#ifndef DRAE_SYNTH_GEOMETRY_H
#define DRAE_SYNTH_GEOMETRY_H

#include "synth/synth.h"

#include <math.h>

enum {
    DRAE__RAIL_TOP = -88,
    DRAE__RAIL_BOTTOM = -24,
    DRAE__FLAG_TOP = 22,
    DRAE__FLAG_BOTTOM = 206,
    DRAE__NECK_BOTTOM = 300,
    DRAE__SHOULDER_BOTTOM = 372,
    DRAE__WET_TOP = 440, /* no liquid surface ever gets above this */
    DRAE__BODY_BOTTOM = 930,
    DRAE__VIAL_BOTTOM = 985,
    DRAE__TAIL_BOTTOM = 1006,
    DRAE__WEB_TOP = 392,
    DRAE__WEB_BOTTOM = 890
};

/* Left edge of what belongs to vial 0, middle height of the flags. */
enum {
    DRAE__LEFT_X = DRAE__SYNTH_AXIS_X - DRAE__SYNTH_PITCH / 2,
    DRAE__FLAG_MIDDLE = (DRAE__FLAG_TOP + DRAE__FLAG_BOTTOM) / 2
};

/* Upper left corner of a region's square. */
static inline int drae__region_x(int vial) {
    return DRAE__SYNTH_AXIS_X + DRAE__SYNTH_PITCH * vial - DRAE__SYNTH_PATCH / 2;
}

static inline int drae__region_y(int region) {
    return DRAE__SYNTH_TOP_Y + DRAE__SYNTH_PATCH * region;
}

/* Fill level: the nominal height and how far the centre of a good surface may be from it. */
#define DRAE__LEVEL_NOMINAL 590.0f
#define DRAE__LEVEL_RANGE   12.0f

typedef struct drae__vial {
    int cavity;   /* 1..CAVITIES */
    float axis;   /* x of the axis at the neck */
    float radius; /* half width of the body */
    float wall;   /* nominal thickness in px */
    float shade;  /* factor on the scattering of the plastic */
    float flag_x, flag_y, flag_hw, flag_hh, flag_corner;
    float flag_cos, flag_sin;         /* the flag is turned a little about its lower end */
    float flag_tilt;                  /* brightness gradient across the flag */
    float emboss;                     /* height of the lettering, about 1 */
    float text_x, text_y;             /* the cavity's offset of the lettering */
    float parting_u;                  /* parting line, in units of the half width */
    float tool_x, tool_y;             /* trace of an ejector pin, from the axis and from Y = 0 */
    float gloss;                      /* strength of the highlights */
    float tool_off, own_off;          /* where this vial reads the texture fields */
    float level;                      /* Y of the surface at rest */
    float centre[DRAE__SYNTH_HEIGHT]; /* x of the axis by row */
    float half[DRAE__SYNTH_HEIGHT];   /* half width of neck, body and bottom; 0 outside */
    float slope[DRAE__SYNTH_HEIGHT];  /* d half / d y */
} drae__vial;

void drae__vial_shape(const drae__synth_config *config, int product, int v, drae__vial *vial);

/* Distance from the outline of the flag, positive inside. */
float drae__flag_distance(const drae__vial *vial, float x, float y);

/* Distance from the outline of neck, body and bottom at a row, positive inside. */
static inline float drae__body_distance(const drae__vial *vial, float x, int row) {
    float half = vial->half[row], slope = vial->slope[row];
    if (half <= 0.0f) {
        return -1000.0f;
    }
    return (half - fabsf(x - vial->centre[row])) / sqrtf(1.0f + slope * slope);
}

/* A point of the flag's own system (from its middle, unturned) in strip coordinates. */
void drae__flag_point(const drae__vial *vial, float u, float v, float *x, float *y);

#endif
