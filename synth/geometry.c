/* SPDX-License-Identifier: Apache-2.0 */
/* Shapes of cavities and of products: what a mould fixes and what a blown part adds to it. */
#include "synth/geometry.h"

#include "synth/noise.h"
#include "synth/stream.h"

/* Half widths along the axis: smooth curves between these points. */
#define NECK_TOP   188.0f /* the cavity ends within the flag with a round tip */
#define NECK_TIP   26.0f
#define NECK_HALF  31.0f
#define NOTCH_Y    236.0f
#define NOTCH_HALF 18.0f
#define BODY_HALF  104.0f

/* Silhouette of one vial: height above, half width. */
static float half_width(const drae__vial *vial, float shoulder_shift, float y) {
    const float shoulder = (float)DRAE__SHOULDER_BOTTOM + shoulder_shift;
    const struct {
        float y, half;
    } points[] = {{NECK_TOP + NECK_TIP, NECK_HALF},
                  {NOTCH_Y, NOTCH_HALF},
                  {NOTCH_Y + 20.0f, NECK_HALF - 1.0f},
                  {(float)DRAE__NECK_BOTTOM, NECK_HALF + 4.0f},
                  {shoulder, vial->radius},
                  {(float)DRAE__BODY_BOTTOM, vial->radius - 2.5f}};
    const int n = (int)(sizeof points / sizeof points[0]);
    if (y < NECK_TOP) {
        return 0.0f;
    }
    if (y < points[0].y) {
        float s = (points[0].y - y) / NECK_TIP;
        return NECK_HALF * sqrtf(1.0f - s * s);
    }
    for (int i = 0; i + 1 < n; i++) {
        if (y < points[i + 1].y) {
            float t = drae__smooth(points[i].y, points[i + 1].y, y);
            return drae__mix(points[i].half, points[i + 1].half, t);
        }
    }
    float s = (y - (float)DRAE__BODY_BOTTOM) / (float)(DRAE__VIAL_BOTTOM - DRAE__BODY_BOTTOM);
    if (s >= 1.0f) {
        return 0.0f;
    }
    /* a flattened bottom: a superellipse of exponent 2.4 */
    return points[n - 1].half * powf(1.0f - powf(s, 2.4f), 1.0f / 2.4f);
}

static void outline(drae__vial *vial, float shoulder_shift, float lean, float bow) {
    for (int row = 0; row < DRAE__SYNTH_HEIGHT; row++) {
        float y = (float)(row - DRAE__SYNTH_TOP_Y);
        float t = (y - 236.0f) / 750.0f; /* 0 at the notch, 1 at the bottom */
        float h = half_width(vial, shoulder_shift, y);
        vial->half[row] = h;
        vial->slope[row] = h > 0.0f ? half_width(vial, shoulder_shift, y + 0.5f) -
                                          half_width(vial, shoulder_shift, y - 0.5f)
                                    : 0.0f;
        vial->centre[row] = vial->axis + (t > 0.0f ? lean * t + bow * t * (1.0f - t) * 4.0f : 0.0f);
    }
}

void drae__vial_shape(const drae__synth_config *config, int product, int v, drae__vial *vial) {
    int cavity = product % 2 * DRAE__SYNTH_VIALS + v;
    drae__rng mould = drae__synth_rng(DRAE__SYNTH_MACHINE_SEED, 0, 0, 0, DRAE__TOPIC_MOULD, cavity);
    drae__rng own = drae__synth_rng(config->seed, product, 0, 0, DRAE__TOPIC_PRODUCT, v);
    drae__rng fill = drae__synth_rng(config->seed, product, 0, 0, DRAE__TOPIC_FILL, v);

    vial->cavity = cavity + 1;
    vial->axis = (float)(DRAE__SYNTH_AXIS_X + DRAE__SYNTH_PITCH * v) +
                 drae__rng_range(&mould, -1.2f, 1.2f) + drae__rng_range(&own, -0.5f, 0.5f);
    vial->radius =
        BODY_HALF + drae__rng_range(&mould, -2.5f, 2.0f) + drae__rng_range(&own, -0.8f, 0.8f);
    vial->wall = 7.0f + drae__rng_range(&mould, -0.5f, 0.5f) + drae__rng_range(&own, -0.5f, 0.5f);
    vial->shade = drae__rng_range(&own, 0.93f, 1.07f);
    vial->flag_hw = 92.0f + drae__rng_range(&mould, -2.5f, 2.5f);
    vial->flag_hh =
        0.5f * (float)(DRAE__FLAG_BOTTOM - DRAE__FLAG_TOP) + drae__rng_range(&mould, -1.5f, 1.5f);
    vial->flag_corner = drae__rng_range(&mould, 16.0f, 24.0f);
    vial->flag_y = (float)(DRAE__SYNTH_TOP_Y + DRAE__FLAG_MIDDLE);
    vial->flag_tilt = drae__rng_range(&own, -0.05f, 0.05f);
    vial->emboss = drae__rng_range(&mould, 0.9f, 1.1f) * drae__rng_range(&own, 0.85f, 1.15f);
    vial->text_x = drae__rng_range(&mould, -3.0f, 3.0f);
    vial->text_y = drae__rng_range(&mould, -3.0f, 3.0f);
    vial->parting_u = drae__rng_range(&mould, -0.22f, 0.22f);
    vial->tool_x = drae__rng_range(&mould, -50.0f, 50.0f);
    vial->tool_y = drae__rng_range(&mould, 410.0f, 480.0f);
    vial->gloss = drae__rng_range(&own, 0.75f, 1.25f);
    vial->tool_off = drae__rng_range(&mould, 0.0f, 100.0f);
    vial->own_off = drae__rng_range(&own, 0.0f, 100.0f);
    vial->level = DRAE__LEVEL_NOMINAL + drae__rng_range(&fill, -8.0f, 8.0f);

    /* the flag is soft when the mould opens: it turns a little about the neck */
    float turn = drae__rng_range(&mould, -0.004f, 0.004f) + drae__rng_range(&own, -0.008f, 0.008f);
    vial->flag_cos = cosf(turn);
    vial->flag_sin = sinf(turn);
    vial->flag_x = vial->axis + turn * vial->flag_hh;
    float shoulder_shift = drae__rng_range(&mould, -5.0f, 5.0f);
    float lean = drae__rng_range(&own, -2.0f, 2.0f);
    float bow = drae__rng_range(&own, -1.0f, 1.0f);
    outline(vial, shoulder_shift, lean, bow);
}

float drae__flag_distance(const drae__vial *vial, float x, float y) {
    float dx = x - vial->flag_x, dy = y - vial->flag_y;
    float u = fabsf(dx * vial->flag_cos + dy * vial->flag_sin) - vial->flag_hw + vial->flag_corner;
    float v = fabsf(dy * vial->flag_cos - dx * vial->flag_sin) - vial->flag_hh + vial->flag_corner;
    float outside = hypotf(fmaxf(u, 0.0f), fmaxf(v, 0.0f));
    return vial->flag_corner - outside - fminf(fmaxf(u, v), 0.0f);
}

void drae__flag_point(const drae__vial *vial, float u, float v, float *x, float *y) {
    *x = vial->flag_x + u * vial->flag_cos - v * vial->flag_sin;
    *y = vial->flag_y + u * vial->flag_sin + v * vial->flag_cos;
}
