/* SPDX-License-Identifier: Apache-2.0 */
/* The recipe that belongs to the frames, and the templates of the reference marks. */
#include "synth/strip.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define RECIPE_BYTES  8192
#define NOMINAL_GAIN  0.96f /* of the light at the marks */
#define MAX_ANGLE_DEG 3.0
#define MIN_SCORE     0.6

void drae__synth_mark(int which, uint8_t *pixels) {
    int cx, cy;
    drae__synth_mark_place(which, &cx, &cy);
    for (int y = 0; y < DRAE__SYNTH_MARK_SIDE; y++) {
        for (int x = 0; x < DRAE__SYNTH_MARK_SIDE; x++) {
            float light = drae__rail_light(0.0f, (float)(cx + x - DRAE__SYNTH_MARK_SIDE / 2),
                                           (float)(cy + y - DRAE__SYNTH_MARK_SIDE / 2));
            pixels[y * DRAE__SYNTH_MARK_SIDE + x] = (uint8_t)(255.0f * NOMINAL_GAIN * light + 0.5f);
        }
    }
}

/* A text that grows within a fixed block. */
typedef struct text {
    char *bytes;
    size_t used;
} text;

static void add(text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void add(text *t, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    int n = vsnprintf(t->bytes + t->used, RECIPE_BYTES - t->used, format, arguments);
    va_end(arguments);
    if (n > 0 && (size_t)n < RECIPE_BYTES - t->used) {
        t->used += (size_t)n;
    }
}

char *drae__synth_recipe(void) {
    text t = {.bytes = malloc(RECIPE_BYTES)};
    if (t.bytes == NULL) {
        return NULL;
    }
    int ax, ay, bx, by;
    drae__synth_mark_place(0, &ax, &ay);
    drae__synth_mark_place(1, &bx, &by);
    add(&t, "# How the frames of a synthetic strip become patches.\n");
    add(&t, "format: 1\n");
    add(&t, "frame: {width: %d, height: %d, pitch_um: %.1f}\n", DRAE__SYNTH_WIDTH,
        DRAE__SYNTH_HEIGHT, (double)DRAE__SYNTH_PITCH_UM);
    add(&t, "fixture:\n");
    add(&t, "  kind: marks\n");
    add(&t, "  search_px: %d\n", DRAE__SYNTH_SEARCH_PX);
    add(&t, "  max_angle_deg: %.1f\n", MAX_ANGLE_DEG);
    add(&t, "  min_score: %.1f\n", MIN_SCORE);
    add(&t, "  marks:\n");
    add(&t, "    - {template: mark-a.png, x: %d, y: %d}\n", ax, ay);
    add(&t, "    - {template: mark-b.png, x: %d, y: %d}\n", bx, by);
    add(&t, "patch: {size: %d}\n", DRAE__SYNTH_PATCH);
    add(&t, "regions:\n");
    for (int v = 0; v < DRAE__SYNTH_VIALS; v++) {
        for (int region = 0; region < DRAE__REGIONS; region++) {
            int x = DRAE__SYNTH_AXIS_X + DRAE__SYNTH_PITCH * v - DRAE__SYNTH_PATCH / 2;
            int y = DRAE__SYNTH_TOP_Y + DRAE__SYNTH_PATCH * region;
            add(&t, "  - {vial: %d, region: %d, x: %d, y: %d, width: %d, height: %d}\n", v, region,
                x, y, DRAE__SYNTH_PATCH, DRAE__SYNTH_PATCH);
        }
    }
    add(&t, "ignore: []\n");
    return t.bytes;
}
