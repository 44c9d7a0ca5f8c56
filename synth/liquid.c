/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The liquid: what changes from frame to frame of one product and is never a defect. The strip has
 * just been moved, so the surface sloshes (tilt and ripples that die down over a run), bubbles rise
 * and gather at the surface, drops cling to the wall above it.
 */
#include "synth/strip.h"
#include "synth/stream.h"

#define TILT_MAX      0.085f /* slope of the surface right after the motion */
#define SLOSH_RATE    0.9f   /* radians a frame */
#define SLOSH_DECAY   9.0f   /* frames */
#define ZONE_ABOVE    34     /* rows around the surface that it changes */
#define ZONE_BELOW    34
#define BUBBLE_LOWEST 900.0f /* Y where bubbles start */
#define PI2           6.2831853f

static void slosh(const drae__vial *vial, drae__rng *of_run, drae__rng *of_frame, int frame,
                  float offset, drae__liquid *liquid) {
    float calm = expf(-(float)frame / SLOSH_DECAY);
    float swing = drae__rng_range(of_run, 0.3f, 1.0f) * TILT_MAX;
    float phase = drae__rng_range(of_run, 0.0f, PI2);
    float rate = SLOSH_RATE * drae__rng_range(of_run, 0.9f, 1.1f);
    liquid->tilt = swing * (0.25f + 0.75f * calm) * cosf(rate * (float)frame + phase) +
                   drae__rng_range(of_frame, -0.012f, 0.012f);
    liquid->level = vial->level + offset + drae__rng_range(of_frame, -3.5f, 3.5f);
    for (int i = 0; i < DRAE__RIPPLES; i++) {
        liquid->wave[i] = PI2 / (float)(38 + 33 * i) * drae__rng_range(of_frame, 0.9f, 1.1f);
        liquid->phase[i] = drae__rng_range(of_frame, 0.0f, PI2);
        liquid->amplitude[i] =
            drae__rng_range(of_frame, 0.1f, 0.8f) * (0.3f + 0.7f * calm) * (0.6f + 0.5f * (float)i);
    }
    liquid->climb = drae__rng_range(of_frame, 5.0f, 8.0f);
    liquid->opening = drae__rng_range(of_run, 4.0f, 7.0f);
}

/* Bubbles rise through a run, so their places follow from the run's stream and the frame's number.
 */
static void bubbles(const drae__vial *vial, drae__rng *of_run, drae__rng *of_frame, int frame,
                    drae__liquid *liquid) {
    int rising = (int)drae__rng_below(of_run, 6);
    int foam = (int)drae__rng_below(of_run, 5);
    liquid->n_bubbles = 0;
    for (int i = 0; i < rising + foam; i++) {
        drae__bubble b;
        float u = drae__rng_range(of_run, -0.82f, 0.82f);
        float start = drae__rng_range(of_run, vial->level + 10.0f, BUBBLE_LOWEST);
        float speed = drae__rng_range(of_run, 6.0f, 30.0f);
        float sway = drae__rng_range(of_frame, -2.5f, 2.5f);
        bool at_top = i >= rising;
        b.r = at_top ? drae__rng_range(of_run, 3.0f, 7.0f) : drae__rng_range(of_run, 2.6f, 6.5f);
        b.depth = drae__rng_range(of_run, 0.35f, 0.9f);
        if (at_top) {
            u = u < 0.0f ? -0.9f - 0.25f * u : 0.9f - 0.25f * u; /* foam gathers at the walls */
        }
        float height = at_top ? 0.0f : start - speed * (float)frame;
        b.x = vial->centre[DRAE__SYNTH_TOP_Y + 600] + u * (vial->radius - vial->wall - b.r) + sway;
        float surface = drae__liquid_surface(vial, liquid, b.x) - (float)DRAE__SYNTH_TOP_Y;
        b.y = (at_top || height < surface + b.r ? surface + 0.7f * b.r : height) +
              (float)DRAE__SYNTH_TOP_Y;
        bool gone = !at_top && height < surface - 40.0f; /* burst a while ago */
        if (!gone && liquid->n_bubbles < DRAE__BUBBLES_MAX) {
            liquid->bubbles[liquid->n_bubbles++] = b;
        }
    }
}

static void drops(const drae__vial *vial, drae__rng *of_run, drae__liquid *liquid) {
    liquid->n_drops = (int)drae__rng_below(of_run, DRAE__DROPS_MAX);
    for (int i = 0; i < liquid->n_drops; i++) {
        drae__bubble *b = &liquid->drops[i];
        float u = drae__rng_range(of_run, -0.85f, 0.85f);
        b->x = vial->centre[DRAE__SYNTH_TOP_Y + 550] + u * vial->radius;
        b->y = (float)DRAE__SYNTH_TOP_Y + vial->level - drae__rng_range(of_run, 22.0f, 75.0f);
        b->r = drae__rng_range(of_run, 2.4f, 5.0f);
        b->depth = drae__rng_range(of_run, 0.2f, 0.5f);
    }
}

void drae__liquid_state(const drae__synth_strip *strip, int run, int frame, int v,
                        drae__liquid *liquid) {
    const drae__vial *vial = &strip->vials[v];
    uint64_t seed = strip->config.seed;
    drae__rng of_run = drae__synth_rng(seed, strip->product, run, 0, DRAE__TOPIC_SLOSH, v);
    drae__rng of_frame = drae__synth_rng(seed, strip->product, run, frame, DRAE__TOPIC_LIQUID, v);
    slosh(vial, &of_run, &of_frame, frame, strip->level_offset[v], liquid);
    drops(vial, &of_run, liquid);
    bubbles(vial, &of_run, &of_frame, frame, liquid);
}

float drae__liquid_surface(const drae__vial *vial, const drae__liquid *liquid, float x) {
    float dx = x - vial->centre[DRAE__SYNTH_TOP_Y + 590];
    float y = (float)DRAE__SYNTH_TOP_Y + liquid->level + liquid->tilt * dx;
    for (int i = 0; i < DRAE__RIPPLES; i++) {
        y += liquid->amplitude[i] * sinf(liquid->wave[i] * dx + liquid->phase[i]);
    }
    float from_wall = vial->radius - vial->wall - fabsf(dx);
    return y - liquid->climb * expf(-fmaxf(from_wall, 0.0f) / 9.0f);
}

/*
 * One pixel near the surface, d rows below its front edge. The surface is seen from a little above:
 * an ellipse whose front edge bends the light away (dark, with a bright line below) and whose rear
 * edge, `rear` rows higher, is fainter.
 */
static float surface_light(float dry, float wet, float d, float rear, float film) {
    float light = drae__mix(dry, wet, drae__smooth(-1.2f, 1.2f, d));
    float between = drae__smooth(-rear - 1.0f, -rear + 1.0f, d) * drae__smooth(1.0f, -1.0f, d);
    light *= 1.0f - 0.10f * between;
    light *= 1.0f - 0.46f * drae__bell(d - 0.8f, 2.8f) + 0.10f * drae__bell(d - 7.0f, 3.0f);
    light *= 1.0f - 0.20f * drae__bell(d + rear, 1.9f);
    /* the wall just above was wetted a moment ago */
    return light * (1.0f - 0.035f * film * drae__bell(d + rear + 6.0f, 12.0f));
}

/* What draw_surface knows of a column. */
typedef struct column {
    float y, rear, within, film;
} column;

enum { COLUMNS = 224 }; /* wider than any body */

static void draw_surface(const drae__synth_strip *strip, const drae__vial *vial,
                         const drae__liquid *liquid, float *image) {
    column columns[COLUMNS];
    float centre = vial->centre[DRAE__SYNTH_TOP_Y + 590];
    float inside = vial->radius - vial->wall;
    int left = (int)centre - COLUMNS / 2;
    int top = DRAE__SYNTH_HEIGHT, bottom = 0;
    for (int i = 0; i < COLUMNS; i++) {
        column *c = &columns[i];
        float x = (float)(left + i), u = (x - centre) / inside;
        c->y = drae__liquid_surface(vial, liquid, x);
        c->rear = u * u < 1.0f ? 2.0f * liquid->opening * sqrtf(1.0f - u * u) : 0.0f;
        c->within = drae__clamp01(0.5f * (inside - fabsf(x - centre)));
        c->film = 0.5f + 0.5f * drae__noise_at(&strip->own, x * 0.07f, liquid->phase[0]);
        top = (int)c->y - ZONE_ABOVE < top ? (int)c->y - ZONE_ABOVE : top;
        bottom = (int)c->y + ZONE_BELOW > bottom ? (int)c->y + ZONE_BELOW : bottom;
    }
    for (int row = top; row < DRAE__SYNTH_TOP_Y + DRAE__VIAL_BOTTOM; row++) {
        size_t start = (size_t)row * DRAE__SYNTH_WIDTH + (size_t)left;
        const float *dry = strip->dry + start, *wet = strip->wet + start;
        float *out = image + start;
        for (int i = 0; i < COLUMNS; i++) {
            const column *c = &columns[i];
            float d = (float)row - c->y;
            if (row > bottom || c->within == 0.0f) {
                out[i] = d > 0.0f ? wet[i] : dry[i];
            } else {
                float light = surface_light(dry[i], wet[i], d, c->rear, c->film);
                out[i] = drae__mix(d > 0.0f ? wet[i] : dry[i], light, c->within);
            }
        }
    }
}

/* A bubble in liquid, or a drop on the wall: a small lens with a dark rim and a bright core. */
static void draw_bubble(const drae__bubble *b, float core, float *image) {
    int reach = (int)(b->r * 1.5f) + 2;
    int cx = (int)b->x, cy = (int)b->y;
    for (int row = cy - reach; row <= cy + reach; row++) {
        for (int col = cx - reach; col <= cx + reach; col++) {
            float rho = hypotf((float)col - b->x, (float)row - b->y) / b->r;
            float rim = drae__bell(rho - 0.82f, fmaxf(0.22f, 1.0f / b->r));
            float middle = hypotf((float)col - b->x + 0.2f * b->r, (float)row - b->y + 0.2f * b->r);
            float glow = drae__bell(middle / b->r, 0.42f);
            float *p = &image[(size_t)row * DRAE__SYNTH_WIDTH + (size_t)col];
            *p *= (1.0f - 0.34f * b->depth * rim) * (1.0f + core * b->depth * glow);
        }
    }
}

void drae__liquid_draw(const drae__synth_strip *strip, int v, const drae__liquid *liquid,
                       float *image) {
    const drae__vial *vial = &strip->vials[v];
    draw_surface(strip, vial, liquid, image);
    for (int i = 0; i < liquid->n_bubbles; i++) {
        draw_bubble(&liquid->bubbles[i], 0.12f, image);
    }
    for (int i = 0; i < liquid->n_drops; i++) {
        draw_bubble(&liquid->drops[i], 0.16f, image);
    }
}
