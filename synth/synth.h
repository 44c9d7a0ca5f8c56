/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Procedural Blow-Fill-Seal strips: five translucent vials in front of a backlight, rendered as one
 * whole frame and cut into 5 x 4 patches. docs/synth.md tells what is rendered and why.
 *
 * Coordinates: the strip's own system is the nominal frame (0,0 = centre of the upper left pixel,
 * x right, y down). A frame sees the strip shifted and turned a little (registration jitter).
 *
 * Randomness: Philox, purpose SYNTH, index built from product, run, frame, topic and vial or row
 * (synth/stream.h), so that nothing depends on the order or number of threads. The mould (ten
 * cavities, lettering, tool marks) and the camera are the same for every seed: a held-out kit of
 * another seed comes from the same machine.
 *
 * Same configuration, same bytes on the same platform (libm's expf, cosf and the like are used).
 */
#ifndef DRAE_SYNTH_SYNTH_H
#define DRAE_SYNTH_SYNTH_H

#include "base/error.h"
#include "model/record.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- the frame ---- */

enum {
    DRAE__SYNTH_WIDTH = 1520,
    DRAE__SYNTH_HEIGHT = 1232,
    DRAE__SYNTH_PIXELS = DRAE__SYNTH_WIDTH * DRAE__SYNTH_HEIGHT,
    DRAE__SYNTH_VIALS = 5,
    DRAE__SYNTH_PITCH = 272,  /* px between the axes of two vials */
    DRAE__SYNTH_AXIS_X = 216, /* nominal axis of vial 0 */
    DRAE__SYNTH_TOP_Y = 128,  /* upper edge of region 0 */
    DRAE__SYNTH_PATCH = 256,  /* a side; regions are stacked without gap */
    DRAE__SYNTH_PATCHES = DRAE__SYNTH_VIALS * DRAE__REGIONS, /* of a frame */
    DRAE__SYNTH_PITCH_UM = 25,                               /* size of a pixel on the part */
    DRAE__SYNTH_CAVITIES = 10,  /* two moulds of five; product mod 2 chooses the mould */
    DRAE__SYNTH_MARKS = 2,      /* reference marks moulded into the rail */
    DRAE__SYNTH_MARK_SIDE = 57, /* a side of a mark's template */
    DRAE__SYNTH_SEARCH_PX = 40, /* how far the recipe lets a mark be from its nominal place */
    DRAE__SYNTH_DEFECTS_MAX = DRAE__SYNTH_VIALS, /* on one product: one a vial */
    DRAE__SYNTH_LABEL_PIXELS = 8, /* a patch with at least so many mask pixels is defective */
    DRAE__SYNTH_PRODUCT_MAX = (1 << 24) - 2,
    DRAE__SYNTH_RUNS_MAX = 1 << 10,
    DRAE__SYNTH_FRAMES_MAX = 1 << 10
};

/* ---- what is made ---- */

typedef struct drae__synth_config {
    uint64_t seed;
    int first_product; /* number of the first strip */
    int strips;
    int runs;                  /* acquisitions of each strip */
    int frames;                /* of each run */
    double defect_rate;        /* probability that a strip is defective, 0..1 */
    bool every_vial;           /* a defective strip has a defect on each vial, else on one or two */
    int batch;                 /* recorded; shifts the shade of the resin a little */
    int resin;                 /* 0, or 1: a new resin, hazier and darker */
    double illumination_drift; /* 0..0.5: part of the light that is lost from the first strip to
                                  the last, with half as much of a gradient from left to right */
    double frame_shift_px;     /* extra shift of whole frames, uniform within +-, per axis; patches
                                  are cut without it, as if the fixture had been found exactly */
    double frame_turn_deg;     /* extra rotation of whole frames, uniform within +- */
    bool rank_images;          /* after each run: the brightest (frame -1) and darkest (-2) */
    int threads;               /* 0: as many as OpenMP likes; the output does not depend on it */
} drae__synth_config;

/* 20 strips, 2 runs of 4 frames, 30 % defective, resin 0, no drift, no extra motion. */
void drae__synth_defaults(drae__synth_config *config);

/* ERROR_ARGUMENT with the name of the field that is out of its bounds. */
drae_status drae__synth_check(const drae__synth_config *config, drae__err *err);

/* ---- one product ---- */

/* A defect of a product. It stays where it is on the part in all runs and frames. */
typedef struct drae__synth_defect {
    int kind;       /* drae__defect, 1.. */
    int vial;       /* 0..4 */
    int region;     /* where it was placed; masks near a border may reach into the next region */
    float x, y;     /* centre in strip coordinates; x < 0: choose a place (drae__synth_create) */
    float size_px;  /* largest extent of the mask (LEVEL: height of the band) */
    float contrast; /* peak change relative to the local grey value (LEVEL, BOTTOM: geometry
                       decides, 1 is recorded) */
} drae__synth_defect;

/* Bounds of size and contrast for a class, and the regions it may occur in (bit r: region r). */
typedef struct drae__synth_defect_range {
    float size_lo, size_hi;
    float contrast_lo, contrast_hi;
    unsigned regions;
} drae__synth_defect_range;

drae__synth_defect_range drae__synth_defect_bounds(int kind);

/* The defects that the configuration's seed gives to product; returns how many (0 = good). */
int drae__synth_plan(const drae__synth_config *config, int product,
                     drae__synth_defect defects[DRAE__SYNTH_DEFECTS_MAX]);

/* The static layers of one strip (about 20 MB). Opaque; immutable after creation, shareable. */
typedef struct drae__synth_strip drae__synth_strip;

/* Renders the static layers with exactly the n defects given (n <= DEFECTS_MAX). Uses
 * config->threads threads. */
drae_status drae__synth_create(const drae__synth_config *config, int product,
                               const drae__synth_defect *defects, int n, drae__synth_strip **strip,
                               drae__err *err);
void drae__synth_destroy(drae__synth_strip *strip);

/* The defects of a strip with their chosen places. */
int drae__synth_defects(const drae__synth_strip *strip, const drae__synth_defect **defects);

/* Floats of scratch that drae__synth_frame needs. */
size_t drae__synth_scratch_floats(void);

/*
 * Renders frame `frame` of run `run`: pixels [HEIGHT,WIDTH] 8 bit, mask (may be NULL)
 * [HEIGHT,WIDTH] the class code of the defect seen at each pixel, 0 elsewhere. moved: with the
 * extra shift and turn of the configuration on top of the jitter. One thread; any number of calls
 * on one strip at a time, each with its own scratch.
 */
void drae__synth_frame(const drae__synth_strip *strip, int run, int frame, bool moved,
                       float *scratch, uint8_t *pixels, uint8_t *mask);

/*
 * Cuts a frame at the nominal rectangles into patches [PATCHES,PATCH,PATCH], masks (0 or 1, same
 * shape) and records, vial by vial, region by region. A patch with fewer than LABEL_PIXELS mask
 * pixels is labelled good and its mask is cleared; its class is the one with most pixels.
 */
void drae__synth_cut(const drae__synth_config *config, int product, int run, int frame,
                     const uint8_t *pixels, const uint8_t *mask, uint8_t *patches, uint8_t *masks,
                     drae__record *records);

/* ---- many products ---- */

/* What the driver hands out: one frame, or one rank image (frame -1 or -2, pixels NULL). */
typedef struct drae__synth_output {
    const drae__synth_strip *strip;
    int product, run, frame;
    const uint8_t *pixels;       /* [HEIGHT,WIDTH], with the extra motion */
    const uint8_t *patches;      /* [PATCHES,PATCH,PATCH] */
    const uint8_t *masks;        /* the same, 0 or 1 */
    const drae__record *records; /* [PATCHES] */
} drae__synth_output;

/* Called once per output, in the order product, run, frame (rank images behind a run's frames),
 * never twice at a time but not always from the same thread. A status other than OK stops. */
typedef drae_status (*drae__synth_sink)(void *user, const drae__synth_output *output,
                                        drae__err *err);

/* Makes everything that config asks for. */
drae_status drae__synth_run(const drae__synth_config *config, drae__synth_sink sink, void *user,
                            drae__err *err);

/* Patches that drae__synth_run will hand out. */
size_t drae__synth_count(const drae__synth_config *config);

/* ---- the recipe of the frames ---- */

/* Nominal centre of a reference mark. */
void drae__synth_mark_place(int which, int *x, int *y);

/* Template of a mark, [MARK_SIDE,MARK_SIDE]. */
void drae__synth_mark(int which, uint8_t *pixels);

/* The text of recipe.yaml (docs/synth.md), allocated with malloc; NULL when out of memory. */
char *drae__synth_recipe(void);

/* Names of the defect classes by code, NULL-terminated. */
const char *const *drae__synth_defect_names(void);

#endif
