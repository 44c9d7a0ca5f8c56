/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One frame: the strip with its liquid and defects, as the camera sees it. The order is that of the
 * light: what the strip transmits, where it lies under the camera (shift and turn), the backlight's
 * unevenness (which stays where it is), photons and read-out.
 */
#include "synth/strip.h"
#include "synth/stream.h"

#include <string.h>

#define FULL_WELL    60000.0f /* electrons at white (pixels binned two by two) */
#define READ_NOISE   25.0f    /* electrons */
#define JITTER_PX    0.6f     /* placement of a run, and half as much of each frame */
#define JITTER_RAD   0.0006f
#define FLICKER      0.006f
#define RUN_GAIN     0.008f
#define VIGNETTE     0.075f /* light lost in the corners */
#define PHASES       256    /* sub-pixel positions of the interpolation */
#define FILTER_ROWS  4
#define BYTE_SIGMA_4 147.8005f /* sigma of the sum of four uniform bytes */

/* Where the strip lies under the camera: strip = turn(frame - middle - shift) + middle. */
typedef struct pose {
    float cos_turn, sin_turn, shift_x, shift_y;
    float gain, slope; /* of the light */
} pose;

static pose make_pose(const drae__synth_strip *strip, int run, int frame, bool moved) {
    const drae__synth_config *c = &strip->config;
    drae__rng of_run = drae__synth_rng(c->seed, strip->product, run, 0, DRAE__TOPIC_RUN, 0);
    drae__rng of_frame = drae__synth_rng(c->seed, strip->product, run, frame, DRAE__TOPIC_FRAME, 0);
    pose p;
    p.shift_x = drae__rng_range(&of_run, -JITTER_PX, JITTER_PX) +
                0.5f * drae__rng_range(&of_frame, -JITTER_PX, JITTER_PX);
    p.shift_y = drae__rng_range(&of_run, -JITTER_PX, JITTER_PX) +
                0.5f * drae__rng_range(&of_frame, -JITTER_PX, JITTER_PX);
    float turn = drae__rng_range(&of_run, -JITTER_RAD, JITTER_RAD) +
                 0.5f * drae__rng_range(&of_frame, -JITTER_RAD, JITTER_RAD);
    p.gain = 1.0f + drae__rng_range(&of_run, -RUN_GAIN, RUN_GAIN) +
             drae__rng_range(&of_frame, -FLICKER, FLICKER);
    if (moved) {
        p.shift_x += (float)c->frame_shift_px * drae__rng_range(&of_frame, -1.0f, 1.0f);
        p.shift_y += (float)c->frame_shift_px * drae__rng_range(&of_frame, -1.0f, 1.0f);
        turn += (float)c->frame_turn_deg * 0.017453293f * drae__rng_range(&of_frame, -1.0f, 1.0f);
    }
    p.cos_turn = cosf(turn);
    p.sin_turn = sinf(turn);
    float last = (float)(c->strips > 1 ? c->strips - 1 : 1);
    float drift = (float)c->illumination_drift *
                  drae__clamp01((float)(strip->product - c->first_product) / last);
    p.gain *= 1.0f - drift;
    p.slope = 0.5f * drift;
    return p;
}

/* ---- the strip before the camera ---- */

/* The picture pushed up or down: rows are read from a copy of the window. */
static void apply_push(const drae__defect_layer *layer, float *image) {
    float copy[DRAE__LAYER_SIDE * DRAE__LAYER_SIDE];
    const size_t side = DRAE__LAYER_SIDE;
    float *corner = image + (size_t)layer->y0 * DRAE__SYNTH_WIDTH + (size_t)layer->x0;
    for (size_t y = 0; y < side; y++) {
        memcpy(copy + y * side, corner + y * DRAE__SYNTH_WIDTH, side * sizeof(float));
    }
    for (size_t y = 0; y < side; y++) {
        for (size_t x = 0; x < side; x++) {
            float push = layer->push[y * side + x];
            if (push != 0.0f) {
                float from = fmaxf(0.0f, fminf((float)y - push, (float)(side - 2)));
                size_t row = (size_t)from;
                corner[y * DRAE__SYNTH_WIDTH + x] =
                    drae__mix(copy[row * side + x], copy[(row + 1) * side + x], from - (float)row);
            }
        }
    }
}

static void apply_factor(const drae__defect_layer *layer, float *image) {
    float *corner = image + (size_t)layer->y0 * DRAE__SYNTH_WIDTH + (size_t)layer->x0;
    for (size_t y = 0; y < DRAE__LAYER_SIDE; y++) {
        for (size_t x = 0; x < DRAE__LAYER_SIDE; x++) {
            corner[y * DRAE__SYNTH_WIDTH + x] *= layer->factor[y * DRAE__LAYER_SIDE + x];
        }
    }
}

static void compose(const drae__synth_strip *strip, const drae__liquid *liquids, float *image) {
    memcpy(image, strip->dry, DRAE__SYNTH_PIXELS * sizeof(float));
    for (int v = 0; v < DRAE__SYNTH_VIALS; v++) {
        drae__liquid_draw(strip, v, &liquids[v], image);
    }
    for (int i = 0; i < strip->n_defects; i++) {
        if (strip->layers[i].displaces) {
            apply_push(&strip->layers[i], image);
        } else {
            apply_factor(&strip->layers[i], image);
        }
    }
}

/* ---- under the camera ---- */

typedef struct filter {
    float tap[PHASES][4];
} filter;

/* Catmull-Rom cubic at PHASES positions between two pixels. */
static void make_filter(filter *f) {
    for (int i = 0; i < PHASES; i++) {
        float t = (float)i / (float)PHASES;
        f->tap[i][0] = 0.5f * t * ((2.0f - t) * t - 1.0f);
        f->tap[i][1] = 0.5f * (t * t * (3.0f * t - 5.0f) + 2.0f);
        f->tap[i][2] = 0.5f * t * ((4.0f - 3.0f * t) * t + 1.0f);
        f->tap[i][3] = 0.5f * t * t * (t - 1.0f);
    }
}

typedef struct place {
    float x, y; /* in the strip */
} place;

static place to_strip(const pose *p, float x, float y) {
    const float mx = 0.5f * (float)(DRAE__SYNTH_WIDTH - 1);
    const float my = 0.5f * (float)(DRAE__SYNTH_HEIGHT - 1);
    float dx = x - mx - p->shift_x, dy = y - my - p->shift_y;
    return (place){mx + p->cos_turn * dx + p->sin_turn * dy,
                   my - p->sin_turn * dx + p->cos_turn * dy};
}

/* The strip along one row of the frame. Beyond the strip's picture there is only backlight. */
static void sample_row(const float *image, const pose *p, const filter *f, int row, float *out) {
    place start = to_strip(p, 0.0f, (float)row);
    for (int col = 0; col < DRAE__SYNTH_WIDTH; col++) {
        float x = start.x + p->cos_turn * (float)col, y = start.y - p->sin_turn * (float)col;
        float fx = floorf(x), fy = floorf(y);
        int ix = (int)fx, iy = (int)fy;
        if (ix < 1 || iy < 1 || ix >= DRAE__SYNTH_WIDTH - 2 || iy >= DRAE__SYNTH_HEIGHT - 2) {
            out[col] = DRAE__BACKLIGHT;
            continue;
        }
        const float *wx = f->tap[(int)((x - fx) * (float)PHASES)];
        const float *wy = f->tap[(int)((y - fy) * (float)PHASES)];
        const float *s = image + (size_t)(iy - 1) * DRAE__SYNTH_WIDTH + (size_t)(ix - 1);
        float sum = 0.0f;
        for (int k = 0; k < FILTER_ROWS; k++, s += DRAE__SYNTH_WIDTH) {
            sum += wy[k] * (s[0] * wx[0] + s[1] * wx[1] + s[2] * wx[2] + s[3] * wx[3]);
        }
        out[col] = sum;
    }
}

/* Light of the panel at a place of the frame, row by row: darker towards the corners, a slow
 * mottle, and the gradient of an ageing panel. */
static void panel_row(const drae__noise *tool, const pose *p, int row, float *gain) {
    float v = 2.0f * (float)row / (float)DRAE__SYNTH_HEIGHT - 1.0f;
    for (int col = 0; col < DRAE__SYNTH_WIDTH; col += 8) {
        float u = 2.0f * (float)(col + 4) / (float)DRAE__SYNTH_WIDTH - 1.0f;
        float mottle = drae__noise_at(tool, u * 2.6f + 90.0f, v * 2.1f + 90.0f);
        float g = p->gain * (1.0f - 0.5f * VIGNETTE * (u * u + v * v) + 0.012f * mottle) *
                  (1.0f - p->slope * u);
        for (int i = col; i < col + 8; i++) {
            gain[i] = g;
        }
    }
}

/* Photons and read-out: noise of variance (signal + read noise squared), near enough normal as the
 * sum of four uniform bytes. Four pixels a Philox block. */
static void expose_row(const drae__synth_strip *strip, int run, int frame, int row,
                       const float *light, const float *gain, uint8_t *pixels) {
    const uint64_t seed = strip->config.seed;
    const uint64_t index = drae__synth_index(strip->product, run, frame, DRAE__TOPIC_NOISE, row);
    const uint32_t key[2] = {(uint32_t)seed, (uint32_t)(seed >> 32)};
    for (int col = 0; col < DRAE__SYNTH_WIDTH; col += 4) {
        const uint32_t counter[4] = {(uint32_t)col, DRAE__PURPOSE_SYNTH, (uint32_t)index,
                                     (uint32_t)(index >> 32)};
        uint32_t random[4];
        drae__philox_block(counter, key, random);
        for (int i = 0; i < 4; i++) {
            uint32_t r = random[i];
            int sum =
                (int)(r & 255u) + (int)(r >> 8 & 255u) + (int)(r >> 16 & 255u) + (int)(r >> 24);
            float normal = ((float)sum - 510.0f) / BYTE_SIGMA_4;
            float signal = fmaxf(0.0f, light[col + i] * gain[col + i]);
            float sigma = sqrtf(signal * FULL_WELL + READ_NOISE * READ_NOISE) / FULL_WELL;
            float value = 255.0f * (signal + sigma * normal) + 0.5f;
            pixels[col + i] = (uint8_t)fmaxf(0.0f, fminf(value, 255.0f));
        }
    }
}

/* ---- the mask ---- */

/* Band between the expected range of levels and the surface of this frame, inside the vial. */
static bool in_level_band(const drae__vial *vial, const drae__liquid *liquid, bool low, float x,
                          float y) {
    float inside = vial->radius - vial->wall;
    if (fabsf(x - vial->centre[(int)y]) > inside) {
        return false;
    }
    float surface = drae__liquid_surface(vial, liquid, x);
    float edge = (float)DRAE__SYNTH_TOP_Y + DRAE__LEVEL_NOMINAL;
    return low ? y > edge + DRAE__LEVEL_RANGE && y < surface
               : y < edge - DRAE__LEVEL_RANGE && y > surface;
}

static void draw_mask(const drae__synth_strip *strip, const drae__liquid *liquids, const pose *p,
                      int i, uint8_t *mask) {
    const drae__synth_defect *d = &strip->defects[i];
    const drae__defect_layer *layer = &strip->layers[i];
    bool level = d->kind == DRAE__DEFECT_LEVEL;
    bool low = d->y > (float)DRAE__SYNTH_TOP_Y + DRAE__LEVEL_NOMINAL;
    /* the window of the strip, seen in the frame: shift and turn move it by less than slack */
    const float mx = 0.5f * (float)(DRAE__SYNTH_WIDTH - 1);
    const float my = 0.5f * (float)(DRAE__SYNTH_HEIGHT - 1);
    float half = level ? 112.0f : 0.5f * (float)DRAE__LAYER_SIDE;
    float cx = d->x - mx, cy = d->y - my;
    float fx = mx + p->shift_x + p->cos_turn * cx - p->sin_turn * cy;
    float fy = my + p->shift_y + p->sin_turn * cx + p->cos_turn * cy;
    float slack = half * 1.1f + 2.0f;
    int top = (int)fmaxf(fy - slack, 0.0f), left = (int)fmaxf(fx - slack, 0.0f);
    int bottom = (int)fminf(fy + slack, (float)(DRAE__SYNTH_HEIGHT - 1));
    int right = (int)fminf(fx + slack, (float)(DRAE__SYNTH_WIDTH - 1));
    for (int row = top; row <= bottom; row++) {
        for (int col = left; col <= right; col++) {
            place s = to_strip(p, (float)col, (float)row);
            uint8_t value;
            if (level) {
                value = in_level_band(&strip->vials[d->vial], &liquids[d->vial], low, s.x, s.y)
                            ? (uint8_t)d->kind
                            : 0;
            } else {
                int x = (int)floorf(s.x + 0.5f) - layer->x0,
                    y = (int)floorf(s.y + 0.5f) - layer->y0;
                bool in = x >= 0 && x < DRAE__LAYER_SIDE && y >= 0 && y < DRAE__LAYER_SIDE;
                value = in ? layer->mask[y * DRAE__LAYER_SIDE + x] : 0;
            }
            if (value != 0) {
                mask[(size_t)row * DRAE__SYNTH_WIDTH + (size_t)col] = value;
            }
        }
    }
}

/* ---- */

size_t drae__synth_scratch_floats(void) {
    return (size_t)DRAE__SYNTH_PIXELS;
}

void drae__synth_frame(const drae__synth_strip *strip, int run, int frame, bool moved,
                       float *scratch, uint8_t *pixels, uint8_t *mask) {
    drae__liquid liquids[DRAE__SYNTH_VIALS];
    filter f;
    float light[DRAE__SYNTH_WIDTH], gain[DRAE__SYNTH_WIDTH];
    pose p = make_pose(strip, run, frame, moved);
    make_filter(&f);
    for (int v = 0; v < DRAE__SYNTH_VIALS; v++) {
        drae__liquid_state(strip, run, frame, v, &liquids[v]);
    }
    compose(strip, liquids, scratch);
    for (int row = 0; row < DRAE__SYNTH_HEIGHT; row++) {
        sample_row(scratch, &p, &f, row, light);
        panel_row(&strip->tool, &p, row, gain);
        expose_row(strip, run, frame, row, light, gain, pixels + (size_t)row * DRAE__SYNTH_WIDTH);
    }
    if (mask != NULL) {
        memset(mask, 0, DRAE__SYNTH_PIXELS);
    }
    for (int i = 0; mask != NULL && i < strip->n_defects; i++) {
        draw_mask(strip, liquids, &p, i, mask);
    }
}

void drae__synth_cut(const drae__synth_config *config, int product, int run, int frame,
                     const uint8_t *pixels, const uint8_t *mask, uint8_t *patches, uint8_t *masks,
                     drae__record *records) {
    const size_t side = DRAE__SYNTH_PATCH;
    for (int k = 0; k < DRAE__SYNTH_PATCHES; k++) {
        int v = k / DRAE__REGIONS, region = k % DRAE__REGIONS;
        size_t x0 = (size_t)drae__region_x(v);
        size_t y0 = (size_t)drae__region_y(region);
        size_t count[DRAE__DEFECTS] = {0}, in_mask = 0;
        uint8_t *patch = patches + (size_t)k * side * side, *out = masks + (size_t)k * side * side;
        for (size_t y = 0; y < side; y++) {
            size_t at = (y0 + y) * DRAE__SYNTH_WIDTH + x0;
            memcpy(patch + y * side, pixels + at, side);
            for (size_t x = 0; x < side; x++) {
                uint8_t code = mask[at + x];
                out[y * side + x] = code != 0;
                count[code]++;
                in_mask += code != 0;
            }
        }
        int kind = DRAE__DEFECT_NONE;
        if (in_mask >= DRAE__SYNTH_LABEL_PIXELS) {
            for (int c = 1; c < DRAE__DEFECTS; c++) {
                kind = kind == DRAE__DEFECT_NONE || count[c] > count[kind] ? c : kind;
            }
        } else {
            memset(out, 0, side * side);
        }
        records[k] = (drae__record){.region = region,
                                    .label = kind != DRAE__DEFECT_NONE,
                                    .defect = kind,
                                    .batch = config->batch,
                                    .recipe = 0,
                                    .station = 0,
                                    .product = product,
                                    .run = run,
                                    .frame = frame,
                                    .vial = v};
    }
}
