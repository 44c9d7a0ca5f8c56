/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How long finding and cutting a frame takes on one core: 1440 x 1120 pixels, 20 patches of 256,
 * two marks of 57 pixels searched over 40 pixels and 3 degrees. The frame holds the part shifted
 * and turned. The pose found is checked before anything is timed. Prints one JSON line a
 * measurement. bench_frame [repeats]
 */
#include "base/arena.h"
#include "line/frame.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { W = 1440, H = 1120, MARK = 57, VIALS = 5, REGIONS = 4, SIZE = 256, REPEATS = 50 };

static const double mark_x[2] = {104.0, 1336.0}, mark_y[2] = {52.0, 60.0};
static const double shift_x = 7.3, shift_y = -4.6, angle_deg = 1.2;

static double part(double x, double y) {
    double gray =
        150.0 + 30.0 * sin(0.021 * x + 0.5) * cos(0.017 * y) + 12.0 * sin(0.37 * x + 0.2 * y);
    for (int k = 0; k < 2; k++) {
        double r = hypot(x - mark_x[k], y - mark_y[k]);
        double ring = fmin(fmax(4.0 - fabs(r - (k == 0 ? 18.0 : 12.0)), 0.0), 1.0);
        double spoke = fabs(x - mark_x[k]) < 24.0 && fabs(y - mark_y[k]) < 24.0
                           ? fmin(fmax(3.5 - fabs(x - mark_x[k]), 0.0), 1.0)
                           : 0.0;
        gray += (50.0 - gray) * fmax(ring, spoke);
    }
    return gray;
}

static uint8_t to_gray(double value) {
    return (uint8_t)lrint(fmin(fmax(value, 0.0), 255.0));
}

static void render(uint8_t *frame) {
    double a = angle_deg * acos(-1.0) / 180.0, c = cos(a), s = sin(a);
    double cx = 0.5 * (W - 1), cy = 0.5 * (H - 1);
    for (int y = 0; y < H; y++) {
        for (int x = 0; x < W; x++) {
            double dx = x - cx - shift_x, dy = y - cy - shift_y;
            frame[y * W + x] = to_gray(part(cx + c * dx + s * dy, cy - s * dx + c * dy));
        }
    }
}

static drae__recipe *make_recipe(void) {
    static uint8_t templates[2][MARK * MARK];
    static drae__frame_region regions[VIALS * REGIONS];
    drae__recipe_geometry g = {.frame_width = W,
                               .frame_height = H,
                               .pitch_um = 25.0,
                               .size = SIZE,
                               .fixture = {.kind = DRAE__FIXTURE_MARKS,
                                           .search_px = 40,
                                           .max_angle_deg = 3.0,
                                           .min_score = 0.6},
                               .n_regions = VIALS * REGIONS,
                               .regions = regions};
    for (int k = 0; k < 2; k++) {
        for (int i = 0; i < MARK * MARK; i++) {
            templates[k][i] =
                to_gray(part(mark_x[k] + i % MARK - MARK / 2, mark_y[k] + i / MARK - MARK / 2));
        }
        g.fixture.marks[k] = (drae__fixture_mark){templates[k], MARK, MARK, mark_x[k], mark_y[k]};
    }
    for (int i = 0; i < VIALS * REGIONS; i++) {
        drae__rect rect = {80 + SIZE * (i / REGIONS), 48 + SIZE * (i % REGIONS), SIZE, SIZE};
        regions[i] = (drae__frame_region){i / REGIONS, i % REGIONS, rect};
    }
    drae__recipe *recipe = NULL;
    drae__err err = {""};
    if (drae__recipe_create(&g, &recipe, &err) != DRAE_OK) {
        fprintf(stderr, "bench_frame: %s\n", err.text);
    }
    return recipe;
}

static double now_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

static int compare(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void report(const char *what, double *ms, int n) {
    qsort(ms, (size_t)n, sizeof *ms, compare);
    printf("{\"bench\":\"frame\",\"what\":\"%s\",\"n\":%d,\"min_ms\":%.3f,\"p50_ms\":%.3f,"
           "\"p95_ms\":%.3f}\n",
           what, n, ms[0], ms[n / 2], ms[n - 1 - n / 20]);
}

int main(int argc, char **argv) {
    int n = argc > 1 ? atoi(argv[1]) : REPEATS;
    uint8_t *frame = malloc((size_t)W * H),
            *patches = malloc((size_t)VIALS * REGIONS * SIZE * SIZE);
    double *ms = n > 0 ? malloc((size_t)n * sizeof *ms) : NULL;
    drae__recipe *recipe = make_recipe();
    void *workspace =
        recipe == NULL ? NULL : drae__aligned_alloc(drae__frame_workspace_bytes(recipe));
    drae__fixture_result seen;
    drae__err err = {""};
    int failed = 1;
    if (frame == NULL || patches == NULL || ms == NULL || workspace == NULL) {
        fprintf(stderr, "bench_frame: no memory, no repeats or no recipe\n");
        goto done;
    }
    render(frame);
    if (drae__frame_cut(recipe, frame, W, workspace, patches, &seen, &err) != DRAE_OK ||
        hypot(seen.shift_x - shift_x, seen.shift_y - shift_y) > 0.05 ||
        fabs(seen.angle_deg - angle_deg) > 0.01) {
        fprintf(stderr, "bench_frame: found (%g, %g) %g deg: %s\n", seen.shift_x, seen.shift_y,
                seen.angle_deg, err.text);
        goto done;
    }
    for (int i = 0; i < n; i++) {
        double start = now_ms();
        drae__frame_locate(recipe, frame, W, workspace, &seen, &err);
        ms[i] = now_ms() - start;
    }
    report("locate", ms, n);
    for (int i = 0; i < n; i++) {
        double start = now_ms();
        drae__frame_cut(recipe, frame, W, workspace, patches, &seen, &err);
        ms[i] = now_ms() - start;
    }
    report("locate and cut", ms, n);
    failed = 0;
done:
    drae__recipe_destroy(recipe);
    free(workspace);
    free(ms);
    free(patches);
    free(frame);
    return failed;
}
