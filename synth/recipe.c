/* SPDX-License-Identifier: Apache-2.0 */
/* The recipe that belongs to the frames, and the templates of the reference marks. */
#include "synth/strip.h"

#include <stdio.h>
#include <stdlib.h>

#define NOMINAL_GAIN  0.96f /* of the light at the marks */
#define MAX_ANGLE_DEG 3.0
#define MIN_SCORE     0.6

void drae__synth_mark(int which, uint8_t *pixels) {
    const int half = DRAE__SYNTH_MARK_SIDE / 2;
    int cx, cy;
    drae__synth_mark_place(which, &cx, &cy);
    for (int y = 0; y < DRAE__SYNTH_MARK_SIDE; y++) {
        for (int x = 0; x < DRAE__SYNTH_MARK_SIDE; x++) {
            float light = drae__rail_light(0.0f, (float)(cx + x - half), (float)(cy + y - half));
            pixels[y * DRAE__SYNTH_MARK_SIDE + x] = (uint8_t)(255.0f * NOMINAL_GAIN * light + 0.5f);
        }
    }
}

char *drae__synth_recipe(void) {
    char *text = NULL;
    size_t n = 0;
    FILE *file = open_memstream(&text, &n);
    if (file == NULL) {
        return NULL;
    }
    int ax, ay, bx, by;
    drae__synth_mark_place(0, &ax, &ay);
    drae__synth_mark_place(1, &bx, &by);
    fprintf(file, "# How the frames of a synthetic strip become patches.\n");
    fprintf(file, "format: 1\n");
    fprintf(file, "frame: {width: %d, height: %d, pitch_um: %.1f}\n", DRAE__SYNTH_WIDTH,
            DRAE__SYNTH_HEIGHT, (double)DRAE__SYNTH_PITCH_UM);
    fprintf(file, "fixture:\n");
    fprintf(file, "  kind: marks\n");
    fprintf(file, "  search_px: %d\n", DRAE__SYNTH_SEARCH_PX);
    fprintf(file, "  max_angle_deg: %.1f\n", MAX_ANGLE_DEG);
    fprintf(file, "  min_score: %.1f\n", MIN_SCORE);
    fprintf(file, "  marks:\n");
    fprintf(file, "    - {template: mark-a.png, x: %d, y: %d}\n", ax, ay);
    fprintf(file, "    - {template: mark-b.png, x: %d, y: %d}\n", bx, by);
    fprintf(file, "patch: {size: %d}\n", DRAE__SYNTH_PATCH);
    fprintf(file, "regions:\n");
    for (int v = 0; v < DRAE__SYNTH_VIALS; v++) {
        for (int region = 0; region < DRAE__REGIONS; region++) {
            int x = drae__region_x(v);
            int y = drae__region_y(region);
            fprintf(file, "  - {vial: %d, region: %d, x: %d, y: %d, width: %d, height: %d}\n", v,
                    region, x, y, DRAE__SYNTH_PATCH, DRAE__SYNTH_PATCH);
        }
    }
    fprintf(file, "ignore: []\n");
    bool failed = ferror(file) != 0;
    if (fclose(file) != 0 || failed) {
        free(text);
        return NULL;
    }
    return text;
}
