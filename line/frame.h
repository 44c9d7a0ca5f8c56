/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a camera frame to patches: the recipe's geometry, and the one call that finds the part in a
 * frame and cuts it into one patch per vial and region. Training data and the line are cut by this
 * same code. Plain memory only: files are read by io/recipe.h and io/frames.h.
 *
 * Coordinates are pixels, (0,0) is the CENTRE of the upper left pixel, x to the right, y down.
 * "Nominal" coordinates are those of the recipe, where the part lies exactly as drawn. The pose
 * leads from nominal to frame coordinates, with c the frame's centre ((W-1)/2, (H-1)/2):
 *     p_frame = c + shift + R(angle) (p_nominal - c),   R(a) = [cos a, -sin a; sin a, cos a]
 * so a positive angle turns the part clockwise as seen on the screen.
 *
 * docs/recipe.md explains the choices and the measured accuracy.
 */
#ifndef DRAE_LINE_FRAME_H
#define DRAE_LINE_FRAME_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bounds of a recipe; what lies outside is refused by name. */
#define DRAE__FRAME_SIDE_MAX    16384 /* frame width and height; at least 16 */
#define DRAE__PATCH_SIZE_MIN    32
#define DRAE__PATCH_SIZE_MAX    1024 /* a multiple of 16 */
#define DRAE__FRAME_REGIONS_MAX 4096
#define DRAE__FRAME_VIALS_MAX   256
#define DRAE__FRAME_IGNORE_MAX  256
#define DRAE__MARK_SIDE_MIN     8
#define DRAE__MARK_SIDE_MAX     256
#define DRAE__SEARCH_PX_MAX     512
#define DRAE__MAX_ANGLE_DEG     10.0
#define DRAE__FRAME_SHRINK_MAX  16 /* a rectangle may be this many times larger than its patch */
#define DRAE__IGNORED_GRAY      128

typedef struct drae__rect {
    int x, y; /* the upper left pixel */
    int width, height;
} drae__rect;

typedef struct drae__frame_region {
    int vial;        /* 0.. */
    int region;      /* 0..DRAE__REGIONS_MAX - 1 */
    drae__rect rect; /* nominal; resampled to the patch size where it differs */
} drae__frame_region;

typedef enum drae__fixture_kind {
    DRAE__FIXTURE_NONE = 0,  /* the part always lies as drawn */
    DRAE__FIXTURE_MARKS = 1, /* two reference marks: shift and angle */
    DRAE__FIXTURE_EDGES = 2  /* three windows on two edges at right angles: shift and angle */
} drae__fixture_kind;

/* A mark: a small picture and where its centre lies nominally. */
typedef struct drae__fixture_mark {
    const uint8_t *pixels; /* [height, width] gray */
    int width, height;
    double x, y; /* nominal position of the template's centre ((width-1)/2, (height-1)/2) */
} drae__fixture_mark;

/* A straight edge that runs along one axis and is measured across it, in a window `length` long
 * along the edge and search_px to either side of (x, y), which is a point on the nominal edge. */
typedef struct drae__fixture_edge {
    bool horizontal; /* the edge runs along x; its y is measured */
    int polarity;    /* +1 gray rises with y (x), -1 it falls, 0 either */
    double x, y;
    int length;
} drae__fixture_edge;

#define DRAE__FIXTURE_EDGES_N 3

typedef struct drae__fixture {
    drae__fixture_kind kind;
    int search_px;        /* how far a mark or edge may lie from its nominal place, each axis */
    double max_angle_deg; /* 0..DRAE__MAX_ANGLE_DEG */
    double min_score;     /* 0..1, of the normalised correlation */
    drae__fixture_mark marks[2];
    drae__fixture_edge edges[DRAE__FIXTURE_EDGES_N]; /* two run one way, one the other */
} drae__fixture;

typedef struct drae__recipe_geometry {
    int frame_width, frame_height;
    double pitch_um; /* of a frame pixel at the part */
    int size;        /* of a patch, pixels a side */
    drae__fixture fixture;
    size_t n_regions;
    const drae__frame_region *regions; /* in the order of the patches */
    size_t n_ignore;
    const drae__rect *ignore; /* nominal; patch pixels whose centre lies inside read 128 */
} drae__recipe_geometry;

/* A checked geometry with prepared templates. Immutable: any number of threads may share it. */
typedef struct drae__recipe drae__recipe;

/*
 * Checks the geometry and copies everything it points to. ERROR_ARGUMENT with one line that names
 * the key of the recipe file ("regions[3]: x + width = 1500 exceeds frame.width 1440"); nothing is
 * made then. drae__recipe_destroy(NULL) is a no-op.
 */
drae_status drae__recipe_create(const drae__recipe_geometry *geometry, drae__recipe **recipe,
                                drae__err *err);
void drae__recipe_destroy(drae__recipe *recipe);

/* The geometry of a recipe; valid as long as the recipe. */
const drae__recipe_geometry *drae__recipe_get(const drae__recipe *recipe);

/* What the fixture saw in a frame. */
typedef struct drae__fixture_result {
    bool found;
    double shift_x, shift_y; /* px, of the frame's centre */
    double angle_deg;
    int n_points;                        /* 0 none, 2 marks, 3 edges */
    double score[DRAE__FIXTURE_EDGES_N]; /* of each mark or edge at the place found, -1..1 */
    double x[DRAE__FIXTURE_EDGES_N], y[DRAE__FIXTURE_EDGES_N]; /* where, frame coordinates */
} drae__fixture_result;

/* Scratch that a call needs, 256-byte aligned (drae__aligned_alloc); one block per thread. */
size_t drae__frame_workspace_bytes(const drae__recipe *recipe);

/*
 * Finds the part in frame [frame_height rows of stride bytes, frame_width gray pixels each] and
 * cuts it: patches [n_regions, size, size]. Allocates nothing, does no I/O; the result depends on
 * the arguments alone. Several threads may call with their own workspace, patches and result.
 *
 * ERROR_NO_PART: the part was not found, or a region leaves the frame; patches are untouched,
 * result (when not NULL) holds what was seen with found = false, err says it in numbers. On the
 * line a frame without a result is a reject. ERROR_ARGUMENT: stride shorter than a row.
 */
drae_status drae__frame_cut(const drae__recipe *recipe, const uint8_t *frame, size_t stride,
                            void *workspace, uint8_t *patches, drae__fixture_result *result,
                            drae__err *err);

/* The first half alone: finds the part. */
drae_status drae__frame_locate(const drae__recipe *recipe, const uint8_t *frame, size_t stride,
                               void *workspace, drae__fixture_result *result, drae__err *err);

#endif
