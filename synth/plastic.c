/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How much light of the backlight comes through the plastic. A blown vial is a hollow body: a ray
 * at depth e inside the outline crosses as much wall as the chord of the outer surface less the
 * chord of the inner one, which is most just inside the outline; what is scattered on the way is
 * lost (Beer's law), and at the very rim the ray is bent out of the picture. Liquid takes the inner
 * surface away and makes a lens of the body: bright in the middle, dark at the flanks.
 */
#include "synth/strip.h"

#define SCATTER    0.0125f /* per px of wall at resin 0 */
#define RIM_LOSS   0.62f
#define SHEET_LOW  0.60f /* transmission of the thick rail */
#define SHEET_FLAG 0.735f
#define SHEET_WEB  0.80f

/* One place of the strip on its way through the parts; light in [0,1]. */
typedef struct ray {
    const drae__synth_strip *strip;
    const drae__vial *vial;
    int v, col, row;
    float x, y;    /* strip coordinates */
    float height;  /* Y */
    float texture; /* of the surface there, about [-1,1] */
} ray;

/* A flat sheet of plastic: rim of d = 0 darkened by refraction, a bright line beside it. */
static float sheet(float light, float transmission, float d) {
    float rim = 1.0f - 0.50f * drae__bell(d - 0.8f, 1.9f) + 0.10f * drae__bell(d - 4.6f, 1.9f);
    return drae__mix(light, DRAE__BACKLIGHT * transmission * rim, drae__clamp01(d + 0.5f));
}

/* ---- rail and marks ---- */

static const struct { int x, y; } MARKS[DRAE__SYNTH_MARKS] = {{104, 72}, {1416, 72}};

void drae__synth_mark_place(int which, int *x, int *y) {
    *x = MARKS[which].x;
    *y = MARKS[which].y;
}

/* A moulded ridge or groove seen at distance d from its middle line. */
static float groove(float d, float half) {
    return 1.0f - 0.34f * drae__bell(fabsf(d) - half, 1.5f) + 0.10f * drae__bell(d, half);
}

/* Mark a is a ring with an upright cross, mark b a ring with a disc in it: they do not match each
 * other, so that a strip that lies the wrong way round is not found. */
static float mark_factor(float x, float y) {
    float dx = x - (float)MARKS[0].x, dy = y - (float)MARKS[0].y, r = hypotf(dx, dy);
    if (r < 24.0f) {
        float arm = fabsf(dx) < fabsf(dy) ? dx : dy;
        float ring = groove(r - 20.0f, 1.8f);
        return r < 15.0f ? ring * groove(arm, 2.2f) : ring;
    }
    dx = x - (float)MARKS[1].x;
    dy = y - (float)MARKS[1].y;
    r = hypotf(dx, dy);
    if (r < 24.0f) {
        return groove(r - 20.0f, 1.8f) * (1.0f - 0.42f * drae__smooth(8.5f, 6.5f, r)) *
               (1.0f + 0.12f * drae__bell(r - 10.0f, 1.5f));
    }
    return 1.0f;
}

float drae__rail_light(float texture, float x, float y) {
    const float left = 40.0f, right = (float)DRAE__SYNTH_WIDTH - 40.0f;
    float height = y - (float)DRAE__SYNTH_TOP_Y;
    float d = fminf(fminf(x - left, right - x),
                    fminf(height - (float)DRAE__RAIL_TOP, (float)DRAE__RAIL_BOTTOM - height));
    if (d < -8.0f) {
        return DRAE__BACKLIGHT;
    }
    float transmission = SHEET_LOW * (1.0f + 0.025f * texture) * mark_factor(x, y);
    /* a bead runs along the middle of the rail, interrupted at the marks */
    float bead =
        fabsf(x - (float)DRAE__SYNTH_WIDTH * 0.5f) < 600.0f ? groove(height + 56.0f, 5.0f) : 1.0f;
    return sheet(DRAE__BACKLIGHT, transmission * bead, d);
}

/* ---- web, flag ---- */

/* The thin skin between two vials with its tear line. */
static float web_light(const ray *r, float light) {
    if (r->height < (float)DRAE__WEB_TOP - 8.0f || r->height > (float)DRAE__WEB_BOTTOM + 8.0f) {
        return light;
    }
    float from_left = r->x - (float)DRAE__LEFT_X;
    float nearest = roundf(from_left / (float)DRAE__SYNTH_PITCH);
    float tear = from_left - nearest * (float)DRAE__SYNTH_PITCH;
    bool inner = nearest > 0.5f && nearest < (float)DRAE__SYNTH_VIALS - 0.5f;
    float d = fminf(r->height - (float)DRAE__WEB_TOP, (float)DRAE__WEB_BOTTOM - r->height);
    if (!inner) {
        d = fminf(d, fabsf(tear) - 12.0f); /* the outer vials carry a narrow margin */
        if (nearest < 0.5f ? tear < 0.0f : tear > 0.0f) {
            return light;
        }
        return sheet(light, SHEET_WEB + 0.015f * r->texture, d);
    }
    /* perforation: short slots, 14 px apart */
    float slot = fabsf(fmodf(r->height + 700.0f, 14.0f) - 7.0f);
    float line =
        1.0f - 0.22f * drae__bell(tear, 1.9f) + 0.07f * drae__bell(fabsf(tear) - 4.5f, 1.8f);
    float hole = drae__smooth(2.2f, 1.0f, fabsf(tear)) * drae__smooth(4.6f, 3.4f, slot);
    float web = sheet(light, (SHEET_WEB + 0.015f * r->texture) * line, d);
    return drae__mix(web, DRAE__BACKLIGHT * 0.97f, hole * drae__clamp01(d - 6.0f));
}

static float flag_light(const ray *r, float light) {
    const drae__vial *vial = r->vial;
    if (r->height < (float)DRAE__RAIL_BOTTOM - 4.0f ||
        r->height > (float)DRAE__FLAG_BOTTOM + 12.0f) {
        return light;
    }
    /* the bridge to the rail */
    if (r->height < (float)DRAE__FLAG_TOP + 4.0f) {
        float narrow = 15.0f - 5.0f * drae__bell(r->height + 1.0f, 7.0f);
        float d = narrow - fabsf(r->x - vial->flag_x);
        if (d > -8.0f) {
            light = fminf(light, sheet(light, 0.66f, d));
        }
    }
    float d = drae__flag_distance(vial, r->x, r->y);
    if (d < -8.0f) {
        return light;
    }
    float across = (r->x - vial->flag_x) / vial->flag_hw;
    float down = (r->y - vial->flag_y) / vial->flag_hh;
    float thickness = 1.0f + 0.022f * r->texture + vial->flag_tilt * across - 0.05f * down +
                      0.03f * drae__bell(across + 0.35f + 0.3f * down, 0.25f) * vial->gloss;
    float bead = 1.0f - 0.10f * drae__bell(d - 11.0f, 1.8f) + 0.07f * drae__bell(d - 14.5f, 1.8f);
    float own = 1.0f - 0.25f * (r->strip->scatter * vial->shade - 1.0f);
    float letters = drae__lettering_at(r->strip, r->v, r->col, r->row);
    return sheet(light, SHEET_FLAG * thickness * bead * own * letters, d);
}

/* ---- the hollow body ---- */

/* Marks that the mould leaves: parting line, ejector pin, heel ring, pinch line. */
static float mould_lines(const ray *r, float u) {
    const drae__vial *vial = r->vial;
    float half = vial->half[r->row];
    float wander = 0.6f * sinf(r->height * 0.021f + vial->own_off);
    float d = (u - vial->parting_u) * half + wander;
    float line = 1.0f - 0.085f * drae__bell(d, 1.2f) + 0.06f * drae__bell(d - 2.6f, 1.4f);
    float px = r->x - vial->centre[r->row] - vial->tool_x, py = r->height - vial->tool_y;
    float pin = hypotf(px, py);
    line *= 1.0f + (0.035f * (px * -0.6f + py * -0.8f) / (pin + 1.0f) - 0.03f) *
                       drae__bell(pin - 15.0f, 1.7f);
    float heel = r->height - (936.0f + 9.0f * sqrtf(fmaxf(0.0f, 1.0f - u * u)));
    line *= 1.0f - 0.06f * drae__bell(heel, 2.4f) + 0.05f * drae__bell(heel - 4.5f, 2.2f);
    float pinch = r->height - 966.0f;
    line *= 1.0f - 0.16f * drae__bell(pinch, 1.9f) * drae__smooth(0.62f, 0.40f, fabsf(u));
    return line;
}

/* Soft reflections of the room lamps on the outer surface, broken by the wall's waviness. */
static float gloss(const ray *r, float u) {
    float n = drae__noise_at(&r->strip->own, r->vial->own_off + 7.0f, r->height * 0.016f);
    float bend = 0.02f * n;
    float streak = 0.085f * drae__bell(u + 0.55f + bend, 0.045f) +
                   0.045f * drae__bell(u + 0.45f + bend, 0.12f) +
                   0.050f * drae__bell(u - 0.64f + bend, 0.035f);
    return streak * r->vial->gloss * (0.85f + 0.35f * n) *
           drae__smooth((float)DRAE__FLAG_BOTTOM, (float)DRAE__SHOULDER_BOTTOM, r->height);
}

/* Transmission through wall and content at depth d; wet is set where there can be liquid. */
static void body_light(const ray *r, float *dry, float *wet) {
    const drae__vial *vial = r->vial;
    float d = drae__body_distance(vial, r->x, r->row);
    if (d < -8.0f) {
        return;
    }
    float half = vial->half[r->row], slope = vial->slope[r->row];
    float u = (r->x - vial->centre[r->row]) / half;
    float radius = r->height > (float)DRAE__SHOULDER_BOTTOM ? vial->radius : half;
    float e = fminf(fmaxf(d, 0.0f), radius);
    /* parison streaks run down the part; the rest of the thickness is a slow field */
    float streak = drae__noise_at(&r->strip->own, u * 26.0f + vial->own_off, r->height * 0.004f);
    float tool = drae__noise_at(&r->strip->tool, u * 17.0f + vial->tool_off, r->height * 0.006f);
    float wall = vial->wall * (1.0f + 0.10f * r->texture + 0.035f * streak + 0.05f * tool +
                               0.12f * drae__smooth(880.0f, 985.0f, r->height));
    wall = fminf(wall, 0.8f * radius);
    float chord = 2.0f * sqrtf(e * (2.0f * radius - e));
    float inner_radius = radius - wall, inner = fmaxf(e - wall, 0.0f);
    float cavity = 2.0f * sqrtf(fmaxf(inner * (2.0f * inner_radius - inner), 0.0f));
    float scatter = SCATTER * r->strip->scatter * vial->shade;
    float steep = slope * slope / (1.0f + slope * slope);

    float light = DRAE__BACKLIGHT * 0.93f * expf(-scatter * fmaxf(chord - cavity, 0.0f));
    /* where the neck ends within the flag its rim is embedded in plastic */
    float bare = drae__mix(0.4f, 1.0f, drae__smooth(196.0f, 210.0f, r->height));
    light *= 1.0f - bare * RIM_LOSS * drae__bell(d - 0.5f, 3.2f) +
             bare * 0.10f * drae__bell(d - 7.5f, 2.6f);
    light *= 1.0f - 0.24f * steep * drae__smooth(0.0f, 24.0f, d);
    light *= mould_lines(r, u);
    float shine = gloss(r, u);
    float cover = drae__clamp01(d + 0.5f);
    *dry = drae__mix(*dry, light + shine, cover);
    if (r->height < (float)DRAE__WET_TOP) {
        *wet = *dry;
        return;
    }
    float au = 1.0f - inner / inner_radius; /* 0 on the axis, 1 at the inner wall */
    float lens = 1.085f - 0.05f * au * au;
    lens *= 1.0f - 0.50f * drae__smooth(0.60f, 0.93f, au) + 0.30f * drae__bell(au - 0.955f, 0.022f);
    float into = drae__smooth(0.0f, 3.0f, e - wall);
    *wet = drae__mix(*wet, light * drae__mix(1.0f, lens, into) + shine, cover);
}

void drae__plastic_row(drae__synth_strip *strip, int row) {
    float *dry = strip->dry + (size_t)row * DRAE__SYNTH_WIDTH;
    float *wet = strip->wet + (size_t)row * DRAE__SYNTH_WIDTH;
    for (int col = 0; col < DRAE__SYNTH_WIDTH; col++) {
        int v = (col - DRAE__LEFT_X) / DRAE__SYNTH_PITCH;
        v = v < 0 ? 0 : v >= DRAE__SYNTH_VIALS ? DRAE__SYNTH_VIALS - 1 : v;
        ray r = {.strip = strip,
                 .vial = &strip->vials[v],
                 .v = v,
                 .col = col,
                 .row = row,
                 .x = (float)col,
                 .y = (float)row,
                 .height = (float)(row - DRAE__SYNTH_TOP_Y)};
        r.texture = drae__noise_two(&strip->tool, r.x * 0.06f + 40.0f, r.y * 0.09f);
        float light = drae__rail_light(r.texture, r.x, r.y);
        if (r.height > (float)DRAE__RAIL_BOTTOM - 8.0f) {
            float cavity = r.vial->tool_off, own = r.vial->own_off;
            r.texture = 0.6f * drae__noise_two(&strip->tool, r.x * 0.045f + cavity, r.y * 0.03f) +
                        0.4f * drae__noise_two(&strip->own, r.x * 0.02f + own, r.y * 0.015f);
            light = web_light(&r, light);
            light = flag_light(&r, light);
            /* the vestige below the bottom */
            if (r.height > (float)DRAE__VIAL_BOTTOM - 12.0f) {
                float d = fminf(20.0f - fabsf(r.x - r.vial->centre[row]),
                                (float)DRAE__TAIL_BOTTOM - r.height);
                light = d > -8.0f ? sheet(light, 0.62f, d) : light;
            }
        }
        dry[col] = wet[col] = light;
        if (r.vial->half[row] > 0.0f) {
            body_light(&r, &dry[col], &wet[col]);
        }
    }
}
