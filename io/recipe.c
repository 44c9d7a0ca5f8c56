/* SPDX-License-Identifier: Apache-2.0 */
/* The recipe file: schema, templates, and from there the checks of line/. */
#include "io/recipe.h"

#include "base/file.h"
#include "io/frames.h"
#include "io/yaml.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RECIPE_FORMAT 1

/* ---- the file as libcyaml reads it: keys by its schema, scalars as text (io/yaml.h says why) ----
 */

typedef char scalar[32];

typedef struct yaml_mark {
    char template_name[256];
    scalar x, y;
} yaml_mark;

typedef struct yaml_edge {
    scalar runs, polarity, x, y, length;
} yaml_edge;

typedef struct yaml_fixture {
    scalar kind, search_px, max_angle_deg, min_score;
    yaml_mark *marks;
    uint32_t marks_count;
    yaml_edge *edges;
    uint32_t edges_count;
} yaml_fixture;

typedef struct yaml_frame {
    scalar width, height, pitch_um;
} yaml_frame;

typedef struct yaml_patch {
    scalar size;
} yaml_patch;

typedef struct yaml_region {
    scalar vial, region, x, y, width, height;
} yaml_region;

typedef struct yaml_rect {
    scalar x, y, width, height;
} yaml_rect;

typedef struct yaml_recipe {
    scalar format;
    yaml_frame frame;
    yaml_fixture fixture;
    yaml_patch patch;
    yaml_region *regions;
    uint32_t regions_count;
    yaml_rect *ignore;
    uint32_t ignore_count;
} yaml_recipe;

#define NEEDED(type, key)   CYAML_FIELD_STRING(#key, CYAML_FLAG_DEFAULT, type, key, 1)
#define OPTIONAL(type, key) CYAML_FIELD_STRING(#key, CYAML_FLAG_OPTIONAL, type, key, 1)
#define LIST_OPTIONAL       (CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL)

static const cyaml_schema_field_t mark_fields[] = {
    CYAML_FIELD_STRING("template", CYAML_FLAG_DEFAULT, yaml_mark, template_name, 1),
    NEEDED(yaml_mark, x), NEEDED(yaml_mark, y), CYAML_FIELD_END};
static const cyaml_schema_value_t mark_value = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, yaml_mark, mark_fields)};

static const cyaml_schema_field_t edge_fields[] = {
    NEEDED(yaml_edge, runs), OPTIONAL(yaml_edge, polarity), NEEDED(yaml_edge, x),
    NEEDED(yaml_edge, y),    NEEDED(yaml_edge, length),     CYAML_FIELD_END};
static const cyaml_schema_value_t edge_value = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, yaml_edge, edge_fields)};

static const cyaml_schema_field_t fixture_fields[] = {
    NEEDED(yaml_fixture, kind),
    OPTIONAL(yaml_fixture, search_px),
    OPTIONAL(yaml_fixture, max_angle_deg),
    OPTIONAL(yaml_fixture, min_score),
    CYAML_FIELD_SEQUENCE("marks", LIST_OPTIONAL, yaml_fixture, marks, &mark_value, 0,
                         CYAML_UNLIMITED),
    CYAML_FIELD_SEQUENCE("edges", LIST_OPTIONAL, yaml_fixture, edges, &edge_value, 0,
                         CYAML_UNLIMITED),
    CYAML_FIELD_END};

static const cyaml_schema_field_t frame_fields[] = {NEEDED(yaml_frame, width),
                                                    NEEDED(yaml_frame, height),
                                                    NEEDED(yaml_frame, pitch_um), CYAML_FIELD_END};

static const cyaml_schema_field_t patch_fields[] = {NEEDED(yaml_patch, size), CYAML_FIELD_END};

static const cyaml_schema_field_t region_fields[] = {NEEDED(yaml_region, vial),
                                                     NEEDED(yaml_region, region),
                                                     NEEDED(yaml_region, x),
                                                     NEEDED(yaml_region, y),
                                                     NEEDED(yaml_region, width),
                                                     NEEDED(yaml_region, height),
                                                     CYAML_FIELD_END};
static const cyaml_schema_value_t region_value = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, yaml_region, region_fields)};

static const cyaml_schema_field_t rect_fields[] = {NEEDED(yaml_rect, x), NEEDED(yaml_rect, y),
                                                   NEEDED(yaml_rect, width),
                                                   NEEDED(yaml_rect, height), CYAML_FIELD_END};
static const cyaml_schema_value_t rect_value = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, yaml_rect, rect_fields)};

static const cyaml_schema_field_t recipe_fields[] = {
    NEEDED(yaml_recipe, format),
    CYAML_FIELD_MAPPING("frame", CYAML_FLAG_DEFAULT, yaml_recipe, frame, frame_fields),
    CYAML_FIELD_MAPPING("fixture", CYAML_FLAG_DEFAULT, yaml_recipe, fixture, fixture_fields),
    CYAML_FIELD_MAPPING("patch", CYAML_FLAG_DEFAULT, yaml_recipe, patch, patch_fields),
    CYAML_FIELD_SEQUENCE("regions", CYAML_FLAG_POINTER, yaml_recipe, regions, &region_value, 0,
                         CYAML_UNLIMITED),
    CYAML_FIELD_SEQUENCE("ignore", LIST_OPTIONAL, yaml_recipe, ignore, &rect_value, 0,
                         CYAML_UNLIMITED),
    CYAML_FIELD_END};
static const cyaml_schema_value_t schema = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, yaml_recipe, recipe_fields)};

/* ---- scalars ---- */

/* Where a scalar stands: the file, and "regions[3]" or "frame". */
typedef struct place {
    const char *path;
    const char *section;
    int index; /* -1: not an entry of a list */
} place;

static drae_status complain(const place *at, const char *key, const char *text, const char *wanted,
                            drae__err *err) {
    char entry[16] = "";
    if (at->index >= 0) {
        snprintf(entry, sizeof entry, "[%d]", at->index);
    }
    return drae__fail(err, DRAE_ERROR_FILE, "%s: %s%s%s%s: \"%s\" is not %s", at->path, at->section,
                      entry, at->section[0] != '\0' ? "." : "", key, text, wanted);
}

static drae_status take_integer(const place *at, const char *key, const char *text, int *value,
                                drae__err *err) {
    return drae__yaml_integer(text, value)
               ? DRAE_OK
               : complain(at, key, text, "a whole number of at most 9 digits", err);
}

static drae_status take_number(const place *at, const char *key, const char *text, double *value,
                               drae__err *err) {
    return drae__yaml_number(text, value) ? DRAE_OK
                                          : complain(at, key, text, "a decimal number", err);
}

/* One of n words; values[i] belongs to words[i]. */
static drae_status take_word(const place *at, const char *key, const char *text,
                             const char *const *words, const int *values, int n, const char *wanted,
                             int *value, drae__err *err) {
    for (int i = 0; i < n; i++) {
        if (strcmp(text, words[i]) == 0) {
            *value = values[i];
            return DRAE_OK;
        }
    }
    return complain(at, key, text, wanted, err);
}

static drae_status take_rect(const place *at, const char *x, const char *y, const char *width,
                             const char *height, drae__rect *rect, drae__err *err) {
    drae_status status;
    DRAE__TRY(take_integer(at, "x", x, &rect->x, err));
    DRAE__TRY(take_integer(at, "y", y, &rect->y, err));
    DRAE__TRY(take_integer(at, "width", width, &rect->width, err));
    DRAE__TRY(take_integer(at, "height", height, &rect->height, err));
done:
    return status;
}

/* ---- templates ---- */

/* The template's path beside the recipe; a recipe from outside must not read other folders. */
static drae_status template_path(const char *recipe, const char *name, int i,
                                 char path[DRAE__PATH_BYTES], drae__err *err) {
    const char *slash = strrchr(recipe, '/');
    int folder = slash == NULL ? 0 : (int)(slash - recipe) + 1;
    if (strchr(name, '/') != NULL || strchr(name, '\\') != NULL || strcmp(name, "..") == 0) {
        return drae__fail(err, DRAE_ERROR_FILE,
                          "%s: fixture.marks[%d].template: \"%s\" names a folder; put the picture "
                          "beside the recipe and give its name alone",
                          recipe, i, name);
    }
    int n = snprintf(path, DRAE__PATH_BYTES, "%.*s%s", folder, recipe, name);
    if (n < 0 || n >= DRAE__PATH_BYTES) {
        return drae__fail(err, DRAE_ERROR_FILE, "%.80s...: the path is too long", recipe);
    }
    return DRAE_OK;
}

static drae_status read_template(const char *recipe, const yaml_mark *from, int i,
                                 drae__fixture_mark *mark, uint8_t **pixels, drae__err *err) {
    char path[DRAE__PATH_BYTES];
    drae__gray image = {0};
    drae_status status;
    DRAE__TRY(template_path(recipe, from->template_name, i, path, err));
    status = drae__gray_read(path, &image, err);
    if (status != DRAE_OK) {
        drae__err_prefix(err, status, "%s: fixture.marks[%d].template", recipe, i);
        goto done;
    }
    if (image.width > DRAE__MARK_SIDE_MAX || image.height > DRAE__MARK_SIDE_MAX) {
        status = drae__fail(err, DRAE_ERROR_FILE,
                            "%s: fixture.marks[%d].template: \"%s\" has %d x %d pixels, at most "
                            "%d x %d; cut the mark out",
                            recipe, i, from->template_name, image.width, image.height,
                            DRAE__MARK_SIDE_MAX, DRAE__MARK_SIDE_MAX);
        goto done;
    }
    size_t n = (size_t)image.width * (size_t)image.height;
    *pixels = malloc(n);
    if (*pixels == NULL) {
        status = drae__fail(err, DRAE_ERROR_MEMORY, "%s: no memory for a template", recipe);
        goto done;
    }
    drae__gray_to_8bit(&image, *pixels);
    *mark = (drae__fixture_mark){.pixels = *pixels, .width = image.width, .height = image.height};
done:
    drae__gray_free(&image);
    return status;
}

/* ---- from the file to the geometry ---- */

static const char *const kind_words[] = {"none", "marks", "edges"};
static const int kind_values[] = {DRAE__FIXTURE_NONE, DRAE__FIXTURE_MARKS, DRAE__FIXTURE_EDGES};

/* What the fixture's kind needs must be given, what belongs to another kind must not. */
static drae_status check_keys(const char *path, const yaml_fixture *f, drae__fixture_kind kind,
                              drae__err *err) {
    bool searches = kind != DRAE__FIXTURE_NONE;
    const struct {
        const char *key;
        bool given;
        bool wanted;
    } keys[] = {{"search_px", f->search_px[0] != '\0', searches},
                {"max_angle_deg", f->max_angle_deg[0] != '\0', searches},
                {"min_score", f->min_score[0] != '\0', searches},
                {"marks", f->marks_count > 0, kind == DRAE__FIXTURE_MARKS},
                {"edges", f->edges_count > 0, kind == DRAE__FIXTURE_EDGES}};
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        if (keys[i].given != keys[i].wanted) {
            return drae__fail(err, DRAE_ERROR_FILE, "%s: fixture.%s %s for kind: %s", path,
                              keys[i].key, keys[i].wanted ? "is missing" : "means nothing",
                              kind_words[kind]);
        }
    }
    if (kind == DRAE__FIXTURE_MARKS && f->marks_count != 2) {
        return drae__fail(err, DRAE_ERROR_FILE, "%s: fixture.marks: %u entries, must be 2", path,
                          (unsigned)f->marks_count);
    }
    if (kind == DRAE__FIXTURE_EDGES && f->edges_count != DRAE__FIXTURE_EDGES_N) {
        return drae__fail(err, DRAE_ERROR_FILE, "%s: fixture.edges: %u entries, must be %d", path,
                          (unsigned)f->edges_count, DRAE__FIXTURE_EDGES_N);
    }
    return DRAE_OK;
}

static drae_status take_mark(const char *path, const yaml_mark *from, int i,
                             drae__fixture_mark *mark, uint8_t **pixels, drae__err *err) {
    const place at = {path, "fixture.marks", i};
    drae_status status;
    DRAE__TRY(read_template(path, from, i, mark, pixels, err));
    DRAE__TRY(take_number(&at, "x", from->x, &mark->x, err));
    DRAE__TRY(take_number(&at, "y", from->y, &mark->y, err));
done:
    return status;
}

static drae_status take_edge(const char *path, const yaml_edge *from, int i,
                             drae__fixture_edge *edge, drae__err *err) {
    static const char *const directions[] = {"vertical", "horizontal"};
    static const char *const polarities[] = {"any", "rising", "falling"};
    static const int direction_values[] = {0, 1}, polarity_values[] = {0, 1, -1};
    const place at = {path, "fixture.edges", i};
    const char *polarity = from->polarity[0] != '\0' ? from->polarity : "any";
    int horizontal = 0;
    drae_status status;
    DRAE__TRY(take_word(&at, "runs", from->runs, directions, direction_values, 2,
                        "horizontal or vertical", &horizontal, err));
    DRAE__TRY(take_word(&at, "polarity", polarity, polarities, polarity_values, 3,
                        "any, rising or falling", &edge->polarity, err));
    edge->horizontal = horizontal != 0;
    DRAE__TRY(take_number(&at, "x", from->x, &edge->x, err));
    DRAE__TRY(take_number(&at, "y", from->y, &edge->y, err));
    DRAE__TRY(take_integer(&at, "length", from->length, &edge->length, err));
done:
    return status;
}

static drae_status take_fixture(const char *path, const yaml_fixture *from, drae__fixture *fixture,
                                uint8_t *pixels[2], drae__err *err) {
    const place at = {path, "fixture", -1};
    int kind = DRAE__FIXTURE_NONE;
    drae_status status;
    DRAE__TRY(take_word(&at, "kind", from->kind, kind_words, kind_values, 3, "none, marks or edges",
                        &kind, err));
    fixture->kind = (drae__fixture_kind)kind;
    DRAE__TRY(check_keys(path, from, fixture->kind, err));
    if (kind != DRAE__FIXTURE_NONE) {
        DRAE__TRY(take_integer(&at, "search_px", from->search_px, &fixture->search_px, err));
        DRAE__TRY(
            take_number(&at, "max_angle_deg", from->max_angle_deg, &fixture->max_angle_deg, err));
        DRAE__TRY(take_number(&at, "min_score", from->min_score, &fixture->min_score, err));
    }
    for (int i = 0; kind == DRAE__FIXTURE_MARKS && i < 2; i++) {
        DRAE__TRY(take_mark(path, &from->marks[i], i, &fixture->marks[i], &pixels[i], err));
    }
    for (int i = 0; kind == DRAE__FIXTURE_EDGES && i < DRAE__FIXTURE_EDGES_N; i++) {
        DRAE__TRY(take_edge(path, &from->edges[i], i, &fixture->edges[i], err));
    }
done:
    return status;
}

static drae_status take_scalars(const char *path, const yaml_recipe *yaml, drae__recipe_geometry *g,
                                drae__err *err) {
    const place top = {path, "", -1}, frame = {path, "frame", -1}, patch = {path, "patch", -1};
    int format = 0;
    drae_status status;
    DRAE__TRY(take_integer(&top, "format", yaml->format, &format, err));
    if (format != RECIPE_FORMAT) {
        status =
            drae__fail(err, DRAE_ERROR_FILE, "%s: format: %d is unknown, this version reads %d",
                       path, format, RECIPE_FORMAT);
        goto done;
    }
    DRAE__TRY(take_integer(&frame, "width", yaml->frame.width, &g->frame_width, err));
    DRAE__TRY(take_integer(&frame, "height", yaml->frame.height, &g->frame_height, err));
    DRAE__TRY(take_number(&frame, "pitch_um", yaml->frame.pitch_um, &g->pitch_um, err));
    DRAE__TRY(take_integer(&patch, "size", yaml->patch.size, &g->size, err));
done:
    return status;
}

static drae_status take_rectangles(const char *path, const yaml_recipe *yaml,
                                   drae__frame_region *regions, drae__rect *ignore,
                                   drae__err *err) {
    drae_status status = DRAE_OK;
    for (uint32_t i = 0; i < yaml->regions_count; i++) {
        const yaml_region *r = &yaml->regions[i];
        const place at = {path, "regions", (int)i};
        DRAE__TRY(take_integer(&at, "vial", r->vial, &regions[i].vial, err));
        DRAE__TRY(take_integer(&at, "region", r->region, &regions[i].region, err));
        DRAE__TRY(take_rect(&at, r->x, r->y, r->width, r->height, &regions[i].rect, err));
    }
    for (uint32_t i = 0; i < yaml->ignore_count; i++) {
        const yaml_rect *r = &yaml->ignore[i];
        const place at = {path, "ignore", (int)i};
        DRAE__TRY(take_rect(&at, r->x, r->y, r->width, r->height, &ignore[i], err));
    }
done:
    return status;
}

static drae_status build(const char *path, const yaml_recipe *yaml, drae__recipe **recipe,
                         drae__err *err) {
    drae_status status;
    uint8_t *pixels[2] = {NULL, NULL};
    drae__recipe_geometry g = {.n_regions = yaml->regions_count, .n_ignore = yaml->ignore_count};
    drae__frame_region *regions = calloc(g.n_regions + 1, sizeof *regions);
    drae__rect *ignore = calloc(g.n_ignore + 1, sizeof *ignore);
    if (regions == NULL || ignore == NULL) {
        status = drae__fail(err, DRAE_ERROR_MEMORY, "%s: no memory for a recipe", path);
        goto done;
    }
    DRAE__TRY(take_scalars(path, yaml, &g, err));
    DRAE__TRY(take_fixture(path, &yaml->fixture, &g.fixture, pixels, err));
    DRAE__TRY(take_rectangles(path, yaml, regions, ignore, err));
    g.regions = regions;
    g.ignore = ignore;
    status = drae__recipe_create(&g, recipe, err);
    if (status == DRAE_ERROR_ARGUMENT) { /* line/ names the key, here is the file */
        status = drae__err_prefix(err, DRAE_ERROR_FILE, "%s", path);
    }
done:
    free(ignore);
    free(regions);
    free(pixels[0]);
    free(pixels[1]);
    return status;
}

drae_status drae__recipe_load(const char *path, drae__recipe **recipe, drae__err *err) {
    drae_status status;
    uint8_t *text = NULL;
    size_t n_bytes = 0;
    void *yaml = NULL;
    DRAE__TRY(drae__file_read(path, DRAE__YAML_BYTES_MAX, &text, &n_bytes, err));
    DRAE__TRY(drae__yaml_load(path, (const char *)text, n_bytes, &schema, &yaml, err));
    DRAE__TRY(build(path, yaml, recipe, err));
done:
    if (yaml != NULL) {
        drae__yaml_free(&schema, yaml);
    }
    free(text);
    return status;
}
