/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shapes of defects. Each is drawn as a factor on the transmitted light (1 = no change) that is
 * exactly 1 outside the window's middle, and scaled so that its mask (change of at least a quarter
 * of the peak) extends over size_px.
 */
#include "synth/defect_shapes.h"

#include <string.h>

#define MIDDLE      ((float)(DRAE__LAYER_SIDE / 2))
#define MASK_PART   0.25f /* of the peak change, from where on a pixel belongs to the mask */
#define CLOSE_PX    2
#define VISIBLE     0.03f /* change of light that counts where a picture is pushed */
#define POINTS_MAX  48
#define LAYER_CELLS (DRAE__LAYER_SIDE * DRAE__LAYER_SIDE)
#define PI2         6.2831853f

void drae__layer_clear(const drae__synth_defect *defect, drae__defect_layer *layer) {
    layer->x0 = (int)defect->x - DRAE__LAYER_SIDE / 2;
    layer->y0 = (int)defect->y - DRAE__LAYER_SIDE / 2;
    layer->displaces = false;
    memset(layer->push, 0, sizeof layer->push);
    memset(layer->mask, 0, sizeof layer->mask);
    for (int i = 0; i < LAYER_CELLS; i++) {
        layer->factor[i] = 1.0f;
    }
}

/* Where the defect's centre is in its window, with the fraction of a pixel. */
static float middle_x(const drae__synth_defect *d, const drae__defect_layer *layer) {
    return d->x - (float)layer->x0;
}

static float middle_y(const drae__synth_defect *d, const drae__defect_layer *layer) {
    return d->y - (float)layer->y0;
}

/* Mask from the factor: at least MASK_PART of the largest change. */
static void mask_by_change(int kind, drae__defect_layer *layer) {
    float peak = 0.0f;
    for (int i = 0; i < LAYER_CELLS; i++) {
        peak = fmaxf(peak, fabsf(layer->factor[i] - 1.0f));
    }
    for (int i = 0; i < LAYER_CELLS; i++) {
        bool in = fabsf(layer->factor[i] - 1.0f) >= MASK_PART * peak && peak > 0.0f;
        layer->mask[i] = in ? (uint8_t)kind : 0;
    }
}

/* Whether all (or any) of the mask within 2 px around (x, y) is set. */
static bool around(const uint8_t *mask, int x, int y, bool all) {
    for (int v = y - CLOSE_PX; v <= y + CLOSE_PX; v++) {
        for (int u = x - CLOSE_PX; u <= x + CLOSE_PX; u++) {
            bool in = u >= 0 && u < DRAE__LAYER_SIDE && v >= 0 && v < DRAE__LAYER_SIDE &&
                      mask[v * DRAE__LAYER_SIDE + u] != 0;
            if (in != all) {
                return !all;
            }
        }
    }
    return all;
}

void drae__layer_close(int kind, drae__defect_layer *layer) {
    uint8_t wide[LAYER_CELLS];
    for (int i = 0; i < LAYER_CELLS; i++) {
        wide[i] = around(layer->mask, i % DRAE__LAYER_SIDE, i / DRAE__LAYER_SIDE, false);
    }
    for (int i = 0; i < LAYER_CELLS; i++) {
        bool in = around(wide, i % DRAE__LAYER_SIDE, i / DRAE__LAYER_SIDE, true);
        layer->mask[i] = in ? (uint8_t)kind : 0;
    }
}

/* ---- blobs: particle, burn, inclusion ---- */

/* Outline of an irregular blob: radius by angle, scaled so that its longer side is size. */
typedef struct blob {
    float a2, a3, a5, p2, p3, p5, radius;
} blob;

static float blob_radius(const blob *b, float angle) {
    return b->radius * (1.0f + b->a2 * cosf(2.0f * angle + b->p2) +
                        b->a3 * cosf(3.0f * angle + b->p3) + b->a5 * cosf(5.0f * angle + b->p5));
}

static blob make_blob(drae__rng *rng, float roughness, float size) {
    blob b = {.radius = 1.0f};
    b.a2 = roughness * drae__rng_range(rng, 0.2f, 1.0f);
    b.a3 = 0.5f * roughness * drae__rng_uniform(rng);
    b.a5 = 0.3f * roughness * drae__rng_uniform(rng);
    b.p2 = drae__rng_range(rng, 0.0f, PI2);
    b.p3 = drae__rng_range(rng, 0.0f, PI2);
    b.p5 = drae__rng_range(rng, 0.0f, PI2);
    float lo_x = 0.0f, hi_x = 0.0f, lo_y = 0.0f, hi_y = 0.0f;
    for (int i = 0; i < 64; i++) {
        float angle = PI2 * (float)i / 64.0f, r = blob_radius(&b, angle);
        lo_x = fminf(lo_x, r * cosf(angle));
        hi_x = fmaxf(hi_x, r * cosf(angle));
        lo_y = fminf(lo_y, r * sinf(angle));
        hi_y = fmaxf(hi_y, r * sinf(angle));
    }
    b.radius = size / fmaxf(hi_x - lo_x, hi_y - lo_y);
    return b;
}

/* Opaque with a hard edge, or soft like soot: both are MASK_PART at rho = 1 and 0 soon after. */
static float hard_profile(float rho, float radius) {
    float soft = fmaxf(0.18f, 0.8f / radius); /* about a pixel of blur */
    return drae__smooth(1.0f + 0.65f * soft, 1.0f - 1.35f * soft, rho);
}

static float soft_profile(float rho) {
    float t = 1.0f - 0.5f * rho * rho;
    return t > 0.0f ? t * t : 0.0f;
}

static void draw_blob(const drae__synth_defect *d, drae__rng *rng, drae__defect_layer *layer) {
    bool burn = d->kind == DRAE__DEFECT_BURN, inclusion = d->kind == DRAE__DEFECT_INCLUSION;
    blob b = make_blob(rng, burn ? 0.12f : 0.25f, d->size_px);
    float sign = inclusion && drae__rng_uniform(rng) < 0.5f ? 1.0f : -1.0f;
    float mx = middle_x(d, layer), my = middle_y(d, layer);
    for (int y = 0; y < DRAE__LAYER_SIDE; y++) {
        for (int x = 0; x < DRAE__LAYER_SIDE; x++) {
            float dx = (float)x - mx, dy = (float)y - my;
            float edge = blob_radius(&b, atan2f(dy, dx)), rho = hypotf(dx, dy) / edge;
            float p = burn ? soft_profile(rho) : hard_profile(rho, edge);
            if (inclusion) {
                /* a grain within the wall: its rim bends the light the other way */
                p *= 1.0f -
                     0.45f * drae__bell(rho - 0.55f, 0.35f) * drae__smooth(6.0f, 14.0f, d->size_px);
            }
            layer->factor[y * DRAE__LAYER_SIDE + x] = 1.0f + sign * d->contrast * p;
        }
    }
    mask_by_change(d->kind, layer);
}

/* ---- lines: fibre, scratch, crack ---- */

typedef struct line {
    float x[POINTS_MAX], y[POINTS_MAX];
    bool pen[POINTS_MAX]; /* a stroke leads from the point before to this one */
    int n;
} line;

static void add_point(line *l, float x, float y, bool pen) {
    if (l->n < POINTS_MAX) {
        l->x[l->n] = x;
        l->y[l->n] = y;
        l->pen[l->n++] = pen;
    }
}

/* Moves and scales a line so that its longer side is `size` and its middle (mx, my). */
static void fit_line(line *l, float size, float mx, float my) {
    float lo_x = l->x[0], hi_x = l->x[0], lo_y = l->y[0], hi_y = l->y[0];
    for (int i = 1; i < l->n; i++) {
        lo_x = fminf(lo_x, l->x[i]);
        hi_x = fmaxf(hi_x, l->x[i]);
        lo_y = fminf(lo_y, l->y[i]);
        hi_y = fmaxf(hi_y, l->y[i]);
    }
    float scale = size / fmaxf(hi_x - lo_x, hi_y - lo_y);
    for (int i = 0; i < l->n; i++) {
        l->x[i] = mx + (l->x[i] - 0.5f * (lo_x + hi_x)) * scale;
        l->y[i] = my + (l->y[i] - 0.5f * (lo_y + hi_y)) * scale;
    }
}

/* Density of the ink at a place: 1 on the line, MASK_PART at half the width. */
static float ink(const line *l, float x, float y, float width) {
    float nearest = 1.0e9f;
    for (int i = 1; i < l->n; i++) {
        if (l->pen[i]) {
            float ux = l->x[i] - l->x[i - 1], uy = l->y[i] - l->y[i - 1];
            float px = x - l->x[i - 1], py = y - l->y[i - 1];
            float t = drae__clamp01((px * ux + py * uy) / (ux * ux + uy * uy + 1.0e-6f));
            float dx = px - t * ux, dy = py - t * uy;
            nearest = fminf(nearest, dx * dx + dy * dy);
        }
    }
    return drae__bell(sqrtf(nearest), 0.425f * width);
}

/* A hair: a curve whose curvature wanders. */
static void make_fibre(line *l, drae__rng *rng) {
    float angle = drae__rng_range(rng, 0.0f, PI2);
    float bend = drae__rng_range(rng, -0.16f, 0.16f), x = 0.0f, y = 0.0f;
    for (int i = 0; i < 32; i++) {
        add_point(l, x, y, i > 0);
        bend += drae__rng_range(rng, -0.035f, 0.035f);
        angle += bend;
        x += cosf(angle);
        y += sinf(angle);
    }
}

/* Nearly straight, at times a pair of lines side by side. */
static void make_scratch(line *l, drae__rng *rng) {
    float angle = drae__rng_range(rng, 0.0f, PI2), bow = drae__rng_range(rng, -0.03f, 0.03f);
    int lines = drae__rng_uniform(rng) < 0.35f ? 2 : 1;
    float apart = drae__rng_range(rng, 2.0f, 3.5f);
    for (int k = 0; k < lines; k++) {
        float from = k == 0 ? 0.0f : drae__rng_range(rng, 2.0f, 8.0f);
        for (int i = 0; i < 12; i++) {
            float along = (float)(2 * i) + from, side = bow * along * (22.0f - along);
            side += apart * (float)k;
            add_point(l, along * cosf(angle) - side * sinf(angle),
                      along * sinf(angle) + side * cosf(angle), i > 0);
        }
    }
}

/* A jagged line that forks. */
static void make_crack(line *l, drae__rng *rng) {
    float angle = drae__rng_range(rng, 0.0f, PI2);
    float x[14], y[14], px = 0.0f, py = 0.0f;
    for (int i = 0; i < 14; i++) {
        x[i] = px;
        y[i] = py;
        add_point(l, px, py, i > 0);
        float turn = angle + drae__rng_range(rng, -0.75f, 0.75f);
        px += 2.4f * cosf(turn);
        py += 2.4f * sinf(turn);
    }
    int forks = 1 + (int)drae__rng_below(rng, 3);
    for (int k = 0; k < forks; k++) {
        int at = 2 + (int)drae__rng_below(rng, 10);
        float side = drae__rng_uniform(rng) < 0.5f ? -0.8f : 0.8f;
        int steps = 3 + (int)drae__rng_below(rng, 5);
        px = x[at];
        py = y[at];
        for (int i = 0; i <= steps; i++) {
            add_point(l, px, py, i > 0);
            float turn = angle + side + drae__rng_range(rng, -0.6f, 0.6f);
            px += 1.8f * cosf(turn);
            py += 1.8f * sinf(turn);
        }
    }
}

static void draw_line(const drae__synth_defect *d, drae__rng *rng, drae__defect_layer *layer) {
    line l = {.n = 0};
    float sign = -1.0f, width = drae__rng_range(rng, 1.7f, 2.6f), glint = 0.0f;
    if (d->kind == DRAE__DEFECT_FIBRE) {
        make_fibre(&l, rng);
    } else if (d->kind == DRAE__DEFECT_SCRATCH) {
        make_scratch(&l, rng);
        sign = drae__rng_uniform(rng) < 0.5f ? 1.0f : -1.0f;
    } else {
        make_crack(&l, rng);
        glint = 0.5f; /* one face of a crack mirrors the lamp */
    }
    fit_line(&l, d->size_px - width, middle_x(d, layer), middle_y(d, layer));
    float phase = drae__rng_range(rng, 0.0f, PI2);
    for (int y = 0; y < DRAE__LAYER_SIDE; y++) {
        for (int x = 0; x < DRAE__LAYER_SIDE; x++) {
            float fx = (float)x, fy = (float)y;
            float density = ink(&l, fx, fy, width);
            float lit = glint > 0.0f ? ink(&l, fx - 1.4f, fy - 1.4f, width) : 0.0f;
            /* pressure varies along the way */
            float press = 0.85f + 0.15f * sinf(0.31f * fx + 0.23f * fy + phase);
            float change = sign * density * press + glint * fmaxf(lit - density, 0.0f);
            layer->factor[y * DRAE__LAYER_SIDE + x] = 1.0f + d->contrast * change;
        }
    }
    mask_by_change(d->kind, layer);
    if (glint > 0.0f) {
        /* the mirrored face belongs to the crack's picture, its line alone to the mask */
        for (int i = 0; i < LAYER_CELLS; i++) {
            layer->mask[i] = layer->factor[i] < 1.0f ? layer->mask[i] : 0;
        }
    }
}

/* ---- dent, deformed bottom ---- */

/* A shallow hollow: one flank darker, the opposite one brighter. */
static void draw_dent(const drae__synth_defect *d, drae__rng *rng, drae__defect_layer *layer) {
    float turn = drae__rng_range(rng, 0.0f, PI2), flat = drae__rng_range(rng, 0.65f, 1.0f);
    float lamp = drae__rng_range(rng, -0.5f, 0.5f) - 2.2f;
    float radius = 0.5f * d->size_px, mx = middle_x(d, layer), my = middle_y(d, layer);
    /* the ellipse's longer axis is stretched so that its upright box has the right size */
    float ct = cosf(turn), st = sinf(turn);
    float box = fmaxf(hypotf(ct, flat * st), hypotf(st, flat * ct));
    float a = radius / box, b = flat * a;
    for (int y = 0; y < DRAE__LAYER_SIDE; y++) {
        for (int x = 0; x < DRAE__LAYER_SIDE; x++) {
            float dx = (float)x - mx, dy = (float)y - my;
            float u = (dx * ct + dy * st) / a, v = (dy * ct - dx * st) / b;
            float rho = hypotf(u, v);
            float along = (dx * cosf(lamp) + dy * sinf(lamp)) / (0.5f * (a + b));
            /* slope of a bell, peak 1 where along = 0.45, gone at rho = 1.15 */
            float slope = along / 0.45f * expf(0.5f - 0.5f * rho * rho / (0.45f * 0.45f));
            float change = slope * drae__smooth(1.15f, 0.75f, rho);
            int i = y * DRAE__LAYER_SIDE + x;
            layer->factor[i] = 1.0f + d->contrast * fmaxf(-1.0f, fminf(1.0f, change));
            layer->mask[i] = rho <= 1.0f ? (uint8_t)d->kind : 0;
        }
    }
}

static float light_at(const drae__synth_strip *strip, int col, int row) {
    return strip->wet[(size_t)row * DRAE__SYNTH_WIDTH + (size_t)col];
}

/* The outline of the bottom is pushed in or out. */
static void draw_bottom(const drae__synth_strip *strip, const drae__synth_defect *d, drae__rng *rng,
                        drae__defect_layer *layer) {
    float radius = 0.5f * d->size_px, mx = middle_x(d, layer), my = middle_y(d, layer);
    /* 0.56 of the radius: steeper would fold the picture */
    float height = (drae__rng_uniform(rng) < 0.65f ? -1.0f : 1.0f) *
                   drae__rng_range(rng, 0.36f, 0.56f) * radius;
    layer->displaces = true;
    for (int y = 0; y < DRAE__LAYER_SIDE; y++) {
        for (int x = 0; x < DRAE__LAYER_SIDE; x++) {
            float rho = hypotf((float)x - mx, (float)y - my) / radius;
            float p = soft_profile(rho);
            int i = y * DRAE__LAYER_SIDE + x;
            layer->push[i] = height * p;
            int col = layer->x0 + x, row = layer->y0 + y, from = row - (int)roundf(height * p);
            float change = light_at(strip, col, from) - light_at(strip, col, row);
            layer->mask[i] = rho <= 1.0f && fabsf(change) >= VISIBLE ? (uint8_t)d->kind : 0;
        }
    }
    drae__layer_close(d->kind, layer);
}

void drae__defect_draw(const drae__synth_strip *strip, drae__synth_defect *defect, drae__rng *rng,
                       drae__defect_layer *layer) {
    drae__layer_clear(defect, layer);
    switch (defect->kind) {
    case DRAE__DEFECT_PARTICLE:
    case DRAE__DEFECT_BURN:
    case DRAE__DEFECT_INCLUSION:
        draw_blob(defect, rng, layer);
        break;
    case DRAE__DEFECT_FIBRE:
    case DRAE__DEFECT_SCRATCH:
    case DRAE__DEFECT_CRACK:
        draw_line(defect, rng, layer);
        break;
    case DRAE__DEFECT_DENT:
        draw_dent(defect, rng, layer);
        break;
    case DRAE__DEFECT_FLAG:
        drae__defect_flag(strip, defect, rng, layer);
        break;
    case DRAE__DEFECT_BOTTOM:
        draw_bottom(strip, defect, rng, layer);
        break;
    default:
        break; /* LEVEL: the liquid shows it */
    }
}
