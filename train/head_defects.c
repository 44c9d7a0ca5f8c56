/* SPDX-License-Identifier: Apache-2.0 */
#include "train/head_defects.h"

#include <math.h>
#include <string.h>

#define S       DRAE__HEAD_CROP
#define PI_F    3.14159265f
#define WAVES   5      /* of the outline of a blob */
#define LEAST   0.012f /* grey levels that a change must have to be in the mask */
#define TEXTURE 0.02f  /* the same for other texture */
#define MARGIN  16.0f  /* of a defect's centre to the edge of the crop */

static float log_uniform(drae__rng *rng, float lo, float hi) {
    return lo * powf(hi / lo, drae__rng_uniform(rng));
}

static float sign(drae__rng *rng) {
    return drae__rng_below(rng, 2) == 0 ? 1.0f : -1.0f;
}

typedef struct place {
    float x, y;
} place;

static place centre(drae__rng *rng) {
    place p;
    p.x = drae__rng_range(rng, MARGIN, (float)S - MARGIN);
    p.y = drae__rng_range(rng, MARGIN, (float)S - MARGIN);
    return p;
}

/* ---- lines ---- */

/* layer = the greatest of itself and a Gaussian of height 1. */
static void dab(place at, float sigma, float *layer) {
    int reach = (int)ceilf(3.0f * sigma);
    for (int v = (int)at.y - reach; v <= (int)at.y + reach + 1; v++) {
        for (int u = (int)at.x - reach; u <= (int)at.x + reach + 1; u++) {
            if (v >= 0 && v < S && u >= 0 && u < S) {
                float dx = (float)u - at.x, dy = (float)v - at.y;
                float *to = layer + (ptrdiff_t)v * S + u;
                *to = fmaxf(*to, expf(-(dx * dx + dy * dy) / (2.0f * sigma * sigma)));
            }
        }
    }
}

/* layer -= c times itself, moved by (dx, dy), each within 2. */
static void second_flank(float c, int dx, int dy, float *layer, float *scratch) {
    memcpy(scratch, layer, DRAE__HEAD_PIXELS * sizeof *layer);
    for (int v = 2; v < S - 2; v++) {
        for (int u = 2; u < S - 2; u++) {
            layer[v * S + u] -= c * scratch[(v - dy) * S + u - dx];
        }
    }
}

static float draw_line(drae__rng *rng, float *layer, float *scratch) {
    float length = log_uniform(rng, 8.0f, 60.0f), width = drae__rng_range(rng, 0.4f, 1.1f);
    int n = (int)(1.5f * length) + 2;
    float angle = drae__rng_range(rng, 0.0f, 2.0f * PI_F), step = length / (float)n;
    float turn = drae__rng_range(rng, -1.0f, 1.0f) / (float)n * (float)drae__rng_below(rng, 3);
    float jag = 0.08f * (float)drae__rng_below(rng, 3);
    place middle = centre(rng);
    place at = {middle.x - 0.5f * length * cosf(angle), middle.y - 0.5f * length * sinf(angle)};
    for (int i = 0; i < n; i++) {
        dab(at, width, layer);
        angle += turn + jag * drae__rng_normal(rng);
        at.x += step * cosf(angle);
        at.y += step * sinf(angle);
    }
    if (drae__rng_below(rng, 10) < 3) {
        float c = drae__rng_range(rng, 0.3f, 1.0f);
        int dx = (int)drae__rng_below(rng, 5) - 2, dy = (int)drae__rng_below(rng, 5) - 2;
        second_flank(c, dx, dy, layer, scratch);
    }
    return sign(rng) * log_uniform(rng, 0.05f, 0.5f);
}

/* ---- blobs and dents ---- */

/* An irregular oval: distance from its centre, in units in which its outline is at 1 radius. */
typedef struct outline {
    place at;
    float c, s, oval;
    float height[WAVES], phase[WAVES];
} outline;

static outline draw_outline(drae__rng *rng, float oval_least, float oval_most, float rough) {
    outline o = {.at = centre(rng), .oval = drae__rng_range(rng, oval_least, oval_most)};
    float turn = drae__rng_range(rng, 0.0f, 2.0f * PI_F);
    o.c = cosf(turn);
    o.s = sinf(turn);
    for (int k = 0; k < WAVES; k++) {
        o.height[k] = rough * drae__rng_normal(rng);
        o.phase[k] = drae__rng_range(rng, 0.0f, 2.0f * PI_F);
    }
    return o;
}

static place turned(const outline *o, int row, int column) {
    float dx = (float)column - o->at.x, dy = (float)row - o->at.y;
    return (place){dx * o->c + dy * o->s, (dy * o->c - dx * o->s) / o->oval};
}

static float distance(const outline *o, int row, int column) {
    place p = turned(o, row, column);
    float d = sqrtf(p.x * p.x + p.y * p.y), angle = atan2f(p.y, p.x);
    for (int k = 0; k < WAVES; k++) {
        d *= 1.0f + o->height[k] * cosf((float)(k + 1) * angle + o->phase[k]);
    }
    return d;
}

static float clamp01(float v) {
    return fminf(fmaxf(v, 0.0f), 1.0f);
}

static float draw_blob(drae__rng *rng, float *layer) {
    float radius = log_uniform(rng, 1.2f, 14.0f), soft = drae__rng_range(rng, 0.15f, 1.0f);
    bool gaussian = drae__rng_below(rng, 10) < 4;
    outline o = draw_outline(rng, 0.5f, 1.0f, 0.12f);
    for (int i = 0; i < DRAE__HEAD_PIXELS; i++) {
        float d = distance(&o, i / S, i % S);
        layer[i] = gaussian ? expf(-d * d / (0.8f * radius * radius))
                            : clamp01((radius - d) / (soft * radius + 0.7f) + 0.5f);
    }
    return sign(rng) * log_uniform(rng, 0.05f, 0.8f);
}

static float draw_dent(drae__rng *rng, float *layer) {
    float radius = log_uniform(rng, 3.0f, 14.0f);
    outline o = draw_outline(rng, 0.5f, 1.5f, 0.0f);
    for (int i = 0; i < DRAE__HEAD_PIXELS; i++) {
        place p = turned(&o, i / S, i % S);
        float square = (p.x * p.x + p.y * p.y) / (radius * radius);
        layer[i] = 2.33f * p.x / radius * expf(-square); /* largest about 1 */
    }
    return log_uniform(rng, 0.05f, 0.35f);
}

/* ---- all ---- */

static void add_texture(drae__rng *rng, const float *other, float *crop, float *change) {
    float radius = log_uniform(rng, 2.0f, 16.0f), part = drae__rng_range(rng, 0.3f, 1.0f);
    outline o = draw_outline(rng, 1.0f, 1.0f, 0.2f);
    for (int i = 0; i < DRAE__HEAD_PIXELS; i++) {
        float inside = clamp01(radius - distance(&o, i / S, i % S) + 0.5f);
        change[i] = inside * part * (other[i] - crop[i]);
        crop[i] += change[i];
    }
}

void drae__head_defect(drae__rng *rng, const float *other, float *crop, uint8_t *mask,
                       float *scratch) {
    float layer[DRAE__HEAD_PIXELS] = {0.0f};
    static const uint8_t kinds[5] = {0, 0, 1, 2, 3}; /* thin lines are the hardest to tell */
    const uint8_t kind = kinds[drae__rng_below(rng, 5)];
    float least = TEXTURE, greatest = 0.0f;
    if (kind == 3) {
        add_texture(rng, other, crop, layer);
    } else {
        float c = kind == 0   ? draw_line(rng, layer, scratch)
                  : kind == 1 ? draw_blob(rng, layer)
                              : draw_dent(rng, layer);
        bool absorbs = drae__rng_below(rng, 10) < 7;
        for (int i = 0; i < DRAE__HEAD_PIXELS; i++) {
            float value = clamp01(crop[i] + c * layer[i] * (absorbs ? crop[i] : 0.6f));
            layer[i] = value - crop[i];
            crop[i] = value;
            greatest = fmaxf(greatest, fabsf(layer[i]));
        }
        least = fmaxf(LEAST, 0.25f * greatest);
    }
    for (int i = 0; i < DRAE__HEAD_PIXELS; i++) {
        mask[i] = fabsf(layer[i]) > least;
    }
}
