/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A recipe in memory and the per-frame call: find the part, then read every patch through the pose.
 *
 * A patch pixel covers w / size frame pixels of its rectangle. It is the mean of n x n samples
 * evenly spread over that area, n = ceil(w / size) per axis, so that shrinking averages the area
 * and enlarging interpolates. Without a fixture and at scale 1 the samples fall on pixels and the
 * patch is a copy. With a fixture nothing is ever copied, not even where the part lies exactly as
 * drawn: such a patch would be sharper and noisier than all others (line/warp.h).
 */
#include "line/frame.h"

#include "base/size.h"
#include "line/fixture.h"
#include "line/frame_check.h"
#include "line/warp.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Samples that are read at once: the frame under them stays in the L1 or L2 cache. */
#define BLOCK_COLUMNS 512
#define BLOCK_ROWS    32

#define VIEW_PX 0.5 /* a region's outermost pixel centres may lie this far outside the frame's */

struct drae__recipe {
    drae__recipe_geometry geometry;
    drae__arena arena;
    drae__warp_taps find; /* marks and edges */
    drae__warp_taps cut;  /* patches */
    drae__locator locator;
    size_t workspace_floats;
};

/* ---- cutting ---- */

/* How a rectangle becomes a patch: samples per patch pixel, their distance in frame pixels, and how
 * many patch pixels make a block. */
typedef struct scale {
    int n_x, n_y;
    double step_x, step_y;
    int columns, rows;
} scale;

static int at_most(int value, int limit) {
    return value < limit ? value : limit;
}

static scale scale_of(const drae__rect *rect, int size) {
    scale s = {.n_x = (rect->width + size - 1) / size, .n_y = (rect->height + size - 1) / size};
    s.step_x = (double)rect->width / (size * s.n_x);
    s.step_y = (double)rect->height / (size * s.n_y);
    s.columns = at_most(BLOCK_COLUMNS / s.n_x, size);
    s.rows = at_most(BLOCK_ROWS / s.n_y, size);
    return s;
}

_Static_assert(DRAE__FRAME_SHRINK_MAX <= BLOCK_ROWS && DRAE__FRAME_SHRINK_MAX <= BLOCK_COLUMNS,
               "a block holds at least one pixel");

/* Floats that cutting one region takes: samples of a block and the tile behind them. */
static size_t cut_scratch_floats(const drae__rect *rect, int size, double max_angle) {
    scale s = scale_of(rect, size);
    int columns = s.columns * s.n_x, rows = s.rows * s.n_y;
    return (size_t)columns * (size_t)rows +
           drae__warp_scratch_floats(columns, rows, s.step_x, s.step_y, max_angle);
}

static uint8_t to_gray(float value) {
    return (uint8_t)(value <= 0.0f ? 0.0f : value >= 255.0f ? 255.0f : value + 0.5f);
}

/* Means of n_x x n_y samples into n pixels of a patch's row. */
static void average_row(const float *samples, int n, int n_x, int n_y, uint8_t *dst) {
    float share = 1.0f / (float)(n_x * n_y);
    for (int i = 0; i < n; i++) {
        float sum = 0.0f;
        for (int k = 0; k < n_y; k++) {
            const float *row = samples + (size_t)k * (size_t)n * (size_t)n_x + (size_t)(i * n_x);
            for (int l = 0; l < n_x; l++) {
                sum += row[l];
            }
        }
        dst[i] = to_gray(n_x * n_y == 1 ? sum : sum * share);
    }
}

/* The block of columns x rows patch pixels from (x, y); dst is its upper left pixel. */
static void cut_block(const drae__recipe *recipe, const drae__plane *frame, const drae__pose *pose,
                      const drae__rect *rect, const scale *s, int x, int y, float *scratch,
                      uint8_t *dst) {
    int size = recipe->geometry.size;
    int columns = at_most(s->columns, size - x), rows = at_most(s->rows, size - y);
    drae__grid grid = {.u_x = pose->cos_a * s->step_x,
                       .u_y = pose->sin_a * s->step_x,
                       .v_x = -pose->sin_a * s->step_y,
                       .v_y = pose->cos_a * s->step_y,
                       .n_columns = columns * s->n_x,
                       .n_rows = rows * s->n_y};
    drae__pose_apply(pose, rect->x + (x * s->n_x + 0.5) * s->step_x - 0.5,
                     rect->y + (y * s->n_y + 0.5) * s->step_y - 0.5, &grid.origin_x,
                     &grid.origin_y);
    size_t row_samples = (size_t)grid.n_columns * (size_t)s->n_y;
    float *samples = scratch;
    drae__warp_sample(frame, &recipe->cut, &grid, scratch + row_samples * (size_t)rows, samples);
    for (int j = 0; j < rows; j++) {
        average_row(samples + (size_t)j * row_samples, columns, s->n_x, s->n_y,
                    dst + (size_t)j * (size_t)size);
    }
}

static void cut_region(const drae__recipe *recipe, const drae__plane *frame, const drae__pose *pose,
                       const drae__rect *rect, float *scratch, uint8_t *patch) {
    int size = recipe->geometry.size;
    scale s = scale_of(rect, size);
    for (int y = 0; y < size; y += s.rows) {
        for (int x = 0; x < size; x += s.columns) {
            cut_block(recipe, frame, pose, rect, &s, x, y, scratch,
                      patch + (size_t)y * (size_t)size + x);
        }
    }
}

/* First patch pixel whose centre does not lie before `edge` (nominal, the left side of a pixel). */
static int first_pixel(int edge, int start, int side, int size) {
    double at = ceil((double)(edge - start) * size / side - 0.5);
    return (int)fmin(fmax(at, 0.0), size);
}

static void fill_ignored(const drae__recipe_geometry *g, const drae__rect *rect, uint8_t *patch) {
    for (size_t k = 0; k < g->n_ignore; k++) {
        const drae__rect *zone = &g->ignore[k];
        int x0 = first_pixel(zone->x, rect->x, rect->width, g->size);
        int x1 = first_pixel(zone->x + zone->width, rect->x, rect->width, g->size);
        int y0 = first_pixel(zone->y, rect->y, rect->height, g->size);
        int y1 = first_pixel(zone->y + zone->height, rect->y, rect->height, g->size);
        for (int y = y0; y < y1 && x1 > x0; y++) {
            memset(patch + (size_t)y * (size_t)g->size + x0, DRAE__IGNORED_GRAY, (size_t)(x1 - x0));
        }
    }
}

/* How far the region's outermost pixel centres lie outside those of the frame. */
static double overhang(const drae__recipe_geometry *g, const drae__pose *pose,
                       const drae__rect *rect) {
    double most = 0.0;
    for (int corner = 0; corner < 4; corner++) {
        double x, y;
        drae__pose_apply(pose, rect->x + (corner & 1 ? rect->width - 1 : 0),
                         rect->y + (corner & 2 ? rect->height - 1 : 0), &x, &y);
        most = fmax(most, fmax(-x, x - (g->frame_width - 1)));
        most = fmax(most, fmax(-y, y - (g->frame_height - 1)));
    }
    return most;
}

static drae_status check_view(const drae__recipe_geometry *g, const drae__pose *pose,
                              const drae__fixture_result *seen, drae__err *err) {
    for (size_t i = 0; i < g->n_regions; i++) {
        double px = overhang(g, pose, &g->regions[i].rect);
        if (!(px <= VIEW_PX)) {
            return drae__fail(
                err, DRAE_ERROR_NO_PART,
                "part not in view: vial %d region %d leaves the frame by %.1f px; the "
                "part is shifted by (%.1f, %.1f) px and turned by %.2f degrees",
                g->regions[i].vial, g->regions[i].region, px, seen->shift_x, seen->shift_y,
                seen->angle_deg);
        }
    }
    return DRAE_OK;
}

static void copy_region(const drae__plane *frame, const drae__rect *rect, uint8_t *patch) {
    for (int y = 0; y < rect->height; y++) {
        memcpy(patch + (size_t)y * (size_t)rect->width,
               frame->pixels + (size_t)(rect->y + y) * frame->stride + rect->x,
               (size_t)rect->width);
    }
}

/* ---- a recipe in memory ---- */

static bool book(const drae__recipe_geometry *g, size_t *total) {
    size_t regions, zones;
    return drae__size_mul(g->n_regions, sizeof *g->regions, &regions) &&
           drae__size_mul(g->n_ignore, sizeof *g->ignore, &zones) &&
           drae__arena_book(total, regions) && drae__arena_book(total, zones) &&
           drae__locator_book(&g->fixture, total);
}

static size_t workspace_floats(const drae__recipe_geometry *g) {
    double max_angle =
        g->fixture.kind == DRAE__FIXTURE_NONE ? 0.0 : drae__radians(g->fixture.max_angle_deg + 0.1);
    size_t most = drae__locator_scratch_floats(&g->fixture);
    for (size_t i = 0; i < g->n_regions; i++) {
        size_t floats = cut_scratch_floats(&g->regions[i].rect, g->size, max_angle);
        most = floats > most ? floats : most;
    }
    return most;
}

drae_status drae__recipe_create(const drae__recipe_geometry *geometry, drae__recipe **recipe,
                                drae__err *err) {
    drae_status status;
    drae__recipe *made = NULL;
    float *scratch = NULL;
    size_t total = 0;
    DRAE__TRY(drae__frame_check(geometry, err));
    made = calloc(1, sizeof *made);
    if (made == NULL || !book(geometry, &total) || !drae__arena_create(&made->arena, total)) {
        status = drae__fail(err, DRAE_ERROR_MEMORY, "no memory for a recipe");
        goto done;
    }
    drae__warp_taps_init(&made->find);
    if (geometry->fixture.kind == DRAE__FIXTURE_NONE) {
        made->cut = made->find;
    } else {
        drae__warp_taps_init_even(&made->cut);
    }
    made->geometry = *geometry;
    made->workspace_floats = workspace_floats(geometry);
    drae__frame_region *regions =
        drae__arena_take(&made->arena, geometry->n_regions * sizeof *regions);
    drae__rect *ignore = drae__arena_take(&made->arena, geometry->n_ignore * sizeof *ignore);
    memcpy(regions, geometry->regions, geometry->n_regions * sizeof *regions);
    if (geometry->n_ignore > 0) {
        memcpy(ignore, geometry->ignore, geometry->n_ignore * sizeof *ignore);
    }
    made->geometry.regions = regions;
    made->geometry.ignore = ignore;
    scratch = drae__aligned_alloc(drae__frame_workspace_bytes(made));
    if (scratch == NULL) {
        status = drae__fail(err, DRAE_ERROR_MEMORY, "no memory for a frame's workspace");
        goto done;
    }
    DRAE__TRY(drae__locator_prepare(&geometry->fixture, geometry->frame_width,
                                    geometry->frame_height, &made->find, &made->arena, scratch,
                                    &made->locator, err));
    made->geometry.fixture = made->locator.fixture;
    *recipe = made;
    made = NULL;
done:
    free(scratch);
    drae__recipe_destroy(made);
    return status;
}

void drae__recipe_destroy(drae__recipe *recipe) {
    if (recipe != NULL) {
        drae__arena_destroy(&recipe->arena);
        free(recipe);
    }
}

const drae__recipe_geometry *drae__recipe_get(const drae__recipe *recipe) {
    return &recipe->geometry;
}

size_t drae__frame_workspace_bytes(const drae__recipe *recipe) {
    return recipe->workspace_floats * sizeof(float);
}

/* ---- the per-frame calls ---- */

static drae_status locate(const drae__recipe *recipe, const drae__plane *frame, void *workspace,
                          drae__pose *pose, drae__fixture_result *result, drae__err *err) {
    const drae__recipe_geometry *g = &recipe->geometry;
    if (frame->stride < (size_t)g->frame_width) {
        return drae__fail(err, DRAE_ERROR_ARGUMENT,
                          "a frame's stride of %zu bytes is shorter than "
                          "its row of %d pixels",
                          frame->stride, g->frame_width);
    }
    drae_status status =
        drae__locate(&recipe->locator, frame, &recipe->find, workspace, pose, result, err);
    if (status == DRAE_OK) {
        status = check_view(g, pose, result, err);
        result->found = status == DRAE_OK;
    }
    return status;
}

drae_status drae__frame_locate(const drae__recipe *recipe, const uint8_t *frame, size_t stride,
                               void *workspace, drae__fixture_result *result, drae__err *err) {
    drae__plane plane = {frame, stride, recipe->geometry.frame_width,
                         recipe->geometry.frame_height};
    drae__fixture_result seen = {0};
    drae__pose pose = {0};
    drae_status status = locate(recipe, &plane, workspace, &pose, &seen, err);
    if (result != NULL) {
        *result = seen;
    }
    return status;
}

drae_status drae__frame_cut(const drae__recipe *recipe, const uint8_t *frame, size_t stride,
                            void *workspace, uint8_t *patches, drae__fixture_result *result,
                            drae__err *err) {
    const drae__recipe_geometry *g = &recipe->geometry;
    drae__plane plane = {frame, stride, g->frame_width, g->frame_height};
    drae__fixture_result seen = {0};
    drae__pose pose = {0};
    drae_status status = locate(recipe, &plane, workspace, &pose, &seen, err);
    for (size_t i = 0; i < g->n_regions && status == DRAE_OK; i++) {
        const drae__rect *rect = &g->regions[i].rect;
        uint8_t *patch = patches + i * (size_t)g->size * (size_t)g->size;
        if (g->fixture.kind == DRAE__FIXTURE_NONE && rect->width == g->size &&
            rect->height == g->size) {
            copy_region(&plane, rect, patch);
        } else {
            cut_region(recipe, &plane, &pose, rect, workspace, patch);
        }
        fill_ignored(g, rect, patch);
    }
    if (result != NULL) {
        *result = seen;
    }
    return status;
}
