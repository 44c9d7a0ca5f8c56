/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A part as a formula: gray at any point of the plane, so that a frame can be rendered with the
 * part shifted and turned by exactly known amounts, without any interpolation.
 */
#ifndef DRAE_TESTS_LINE_FRAME_SCENE_H
#define DRAE_TESTS_LINE_FRAME_SCENE_H

#include "line/frame.h"

enum { SCENE_W = 480, SCENE_H = 360, SCENE_MARK = 33 };

typedef struct scene {
    double mark_x[2], mark_y[2]; /* centres of the marks, nominal */
    bool hide[2];                /* the mark is not there */
    bool worn;                   /* mark 0 has lost a part of its ring */
    double twin_x, twin_y;       /* a second copy of mark 0 here, where not negative */
    bool edges;                  /* the part is a light plate with straight borders */
    double noise;                /* standard deviation of gray noise */
} scene;

/* Where the edges of the plate lie. */
#define SCENE_EDGE_X 60.25
#define SCENE_EDGE_Y 48.75

/* Marks at (60, 50) and (420, 310). */
scene scene_default(void);

/* Renders into frame [SCENE_H, SCENE_W] with the part moved as line/frame.h defines it. */
void scene_render(const scene *s, double shift_x, double shift_y, double angle_deg, uint64_t seed,
                  uint8_t *frame);

/* The template of mark k, SCENE_MARK pixels a side. */
void scene_template(int k, uint8_t *pixels);

/* A recipe for the scene: marks with search_px 25, 3 degrees, min_score 0.6; patches of 64; four
 * regions of 64 x 64. Pointers lead to static memory of the call. */
drae__recipe_geometry scene_geometry(const scene *s);

/* The same with the plate's edges for a fixture. */
drae__recipe_geometry scene_edge_geometry(void);

#endif
