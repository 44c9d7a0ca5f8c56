/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which defects a product has and where on the part they are. The shapes are drawn in
 * defect_shapes.c.
 */
#include "synth/strip.h"
#include "synth/defect_shapes.h"
#include "synth/stream.h"

#define SECOND_RATE   0.12f /* of the defective products, those with a second defect */
#define PLACE_TRIES   500
#define BRIGHT_ENOUGH 0.33f /* light below which a faint defect would drown */
#define INSIDE_PX     5.0f  /* least distance of a defect's centre from the outline */

#define ALL_REGIONS 0xFu

static const drae__synth_defect_range BOUNDS[DRAE__DEFECTS] = {
    [DRAE__DEFECT_PARTICLE] = {4.0f, 14.0f, 0.12f, 0.85f, ALL_REGIONS},
    [DRAE__DEFECT_FIBRE] = {14.0f, 38.0f, 0.08f, 0.55f, ALL_REGIONS},
    [DRAE__DEFECT_SCRATCH] = {10.0f, 38.0f, 0.06f, 0.30f, ALL_REGIONS},
    [DRAE__DEFECT_CRACK] = {14.0f, 38.0f, 0.12f, 0.55f, ALL_REGIONS},
    [DRAE__DEFECT_DENT] = {12.0f, 36.0f, 0.06f, 0.28f, ALL_REGIONS},
    [DRAE__DEFECT_BURN] = {5.0f, 24.0f, 0.12f, 0.75f, ALL_REGIONS},
    [DRAE__DEFECT_FLAG] = {12.0f, 38.0f, 0.50f, 1.00f, 1u << DRAE__REGION_FLAG},
    [DRAE__DEFECT_LEVEL] = {10.0f, 38.0f, 1.00f, 1.00f, 1u << DRAE__REGION_LIQUID},
    [DRAE__DEFECT_BOTTOM] = {16.0f, 38.0f, 1.00f, 1.00f, 1u << DRAE__REGION_BOTTOM},
    [DRAE__DEFECT_INCLUSION] = {5.0f, 30.0f, 0.06f, 0.40f, ALL_REGIONS},
};

drae__synth_defect_range drae__synth_defect_bounds(int kind) {
    return kind > DRAE__DEFECT_NONE && kind < DRAE__DEFECTS ? BOUNDS[kind]
                                                            : BOUNDS[DRAE__DEFECT_NONE];
}

const char *const *drae__synth_defect_names(void) {
    static const char *const names[] = {
#define DRAE__DEFECT_TEXT(name, code, text) [code] = (text),
        DRAE__DEFECT_TABLE(DRAE__DEFECT_TEXT)
#undef DRAE__DEFECT_TEXT
            [DRAE__DEFECTS] = NULL};
    return names;
}

/* Small and faint ones are as frequent as large and strong ones: log-uniform. */
static float log_uniform(drae__rng *rng, float lo, float hi) {
    return lo * powf(hi / lo, drae__rng_uniform(rng));
}

int drae__synth_plan(const drae__synth_config *config, int product,
                     drae__synth_defect defects[DRAE__SYNTH_DEFECTS_MAX]) {
    drae__rng rng = drae__synth_rng(config->seed, product, 0, 0, DRAE__TOPIC_PLAN, 0);
    if ((double)drae__rng_uniform(&rng) >= config->defect_rate) {
        return 0;
    }
    int n = drae__rng_uniform(&rng) < SECOND_RATE ? 2 : 1;
    n = config->every_vial ? DRAE__SYNTH_VIALS : n;
    for (int i = 0; i < n; i++) {
        drae__synth_defect *d = &defects[i];
        d->kind = 1 + (int)drae__rng_below(&rng, DRAE__DEFECTS - 1);
        const drae__synth_defect_range *range = &BOUNDS[d->kind];
        /* a vial has one defect: the second goes to another vial */
        d->vial = (int)drae__rng_below(&rng, DRAE__SYNTH_VIALS);
        if (i > 0 && d->vial == defects[0].vial) {
            d->vial = (d->vial + 1) % DRAE__SYNTH_VIALS;
        }
        d->vial = config->every_vial ? i : d->vial;
        do {
            d->region = (int)drae__rng_below(&rng, DRAE__REGIONS);
        } while ((range->regions >> d->region & 1u) == 0);
        d->x = d->y = -1.0f;
        d->size_px = log_uniform(&rng, range->size_lo, range->size_hi);
        d->contrast = log_uniform(&rng, range->contrast_lo, range->contrast_hi);
    }
    return n;
}

bool drae__defect_place_ok(const drae__synth_strip *strip, int v, int region, float x, float y,
                           float inside) {
    const drae__vial *vial = &strip->vials[v];
    int row = (int)y, col = (int)x;
    float d = drae__body_distance(vial, x, row);
    if (region == DRAE__REGION_FLAG) {
        d = fmaxf(d, drae__flag_distance(vial, x, y));
    }
    size_t i = (size_t)row * DRAE__SYNTH_WIDTH + (size_t)col;
    return d >= inside && strip->dry[i] >= BRIGHT_ENOUGH && strip->wet[i] >= BRIGHT_ENOUGH;
}

/* Anywhere on the part within the region, so that the whole defect is in the region. */
static void place_anywhere(const drae__synth_strip *strip, drae__synth_defect *d, drae__rng *rng) {
    float left = (float)drae__region_x(d->vial);
    float top = (float)drae__region_y(d->region);
    float margin = 0.5f * d->size_px + 6.0f, side = (float)DRAE__SYNTH_PATCH;
    d->x = left + 0.5f * side;
    d->y = top + 0.5f * side;
    for (int i = 0; i < PLACE_TRIES; i++) {
        float x = drae__rng_range(rng, left + margin, left + side - margin);
        float y = drae__rng_range(rng, top + margin, top + side - margin);
        if (drae__defect_place_ok(strip, d->vial, d->region, x, y, INSIDE_PX)) {
            d->x = x;
            d->y = y;
            return;
        }
    }
}

/* On the outline of the bottom. */
static void place_bottom(const drae__synth_strip *strip, drae__synth_defect *d, drae__rng *rng) {
    const drae__vial *vial = &strip->vials[d->vial];
    int row = DRAE__SYNTH_TOP_Y + DRAE__BODY_BOTTOM;
    d->x = vial->centre[row] + drae__rng_range(rng, -0.85f, 0.85f) * vial->half[row];
    while (drae__body_distance(vial, d->x, row) > 0.0f) {
        row++;
    }
    d->y = (float)row;
}

/* The surface at the level that is wrong by size_px beyond the range, too low or too high. */
static void place_level(drae__synth_strip *strip, drae__synth_defect *d, drae__rng *rng) {
    const drae__vial *vial = &strip->vials[d->vial];
    float sign = drae__rng_uniform(rng) < 0.5f ? -1.0f : 1.0f;
    float level = DRAE__LEVEL_NOMINAL + sign * (DRAE__LEVEL_RANGE + d->size_px);
    strip->level_offset[d->vial] = level - vial->level;
    d->x = vial->axis;
    d->y = (float)DRAE__SYNTH_TOP_Y + level - sign * 0.5f * d->size_px;
}

void drae__defect_prepare(drae__synth_strip *strip, int i) {
    drae__synth_defect *d = &strip->defects[i];
    uint64_t seed = strip->config.seed;
    /* Streams go by pairs of defects: places 0 1, shapes 2 3, places 4 5, shapes 6 7 ... */
    int stream = i / 2 * 4 + i % 2;
    drae__rng place = drae__synth_rng(seed, strip->product, 0, 0, DRAE__TOPIC_DEFECT, stream);
    drae__rng shape = drae__synth_rng(seed, strip->product, 0, 0, DRAE__TOPIC_DEFECT, stream + 2);
    if (d->kind == DRAE__DEFECT_LEVEL) {
        place_level(strip, d, &place);
    } else if (d->x < 0.0f && d->kind == DRAE__DEFECT_BOTTOM) {
        place_bottom(strip, d, &place);
    } else if (d->x < 0.0f && d->kind != DRAE__DEFECT_FLAG) {
        place_anywhere(strip, d, &place);
    }
    drae__defect_draw(strip, d, &shape, &strip->layers[i]);
}
