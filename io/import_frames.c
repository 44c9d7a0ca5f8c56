/* SPDX-License-Identifier: Apache-2.0 */
#include "io/import_sink.h"

#include "base/arena.h"
#include "base/file.h"
#include "io/frames.h"
#include "io/recipe.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

typedef struct job {
    drae__import_sink sink;
    const drae__recipe *recipe;
    const drae__recipe_geometry *geometry;
    uint8_t *frame;   /* [frame_height,frame_width] */
    uint8_t *patches; /* [n_regions,size,size] */
    void *workspace;
} job;

static drae_status put_frame(job *j, const char *folder, const char *name, const drae__frame_id *id,
                             const drae__frame_labels *labels, drae__err *err) {
    const drae__recipe_geometry *g = j->geometry;
    char path[DRAE__PATH_BYTES];
    int length = snprintf(path, sizeof path, "%s/%s", folder, name);
    if (length < 0 || length >= (int)sizeof path) {
        return drae__fail(err, DRAE_ERROR_FILE, "%.80s...: the path is too long", folder);
    }
    drae_status status = drae__frame_read(path, g->frame_width, g->frame_height, j->frame, err);
    if (status != DRAE_OK) {
        return status;
    }
    status = drae__frame_cut(j->recipe, j->frame, (size_t)g->frame_width, j->workspace, j->patches,
                             NULL, err);
    if (status != DRAE_OK) {
        return drae__err_prefix(err, status, "%s", path);
    }
    size_t pixels = (size_t)g->size * (size_t)g->size;
    for (size_t i = 0; i < g->n_regions && status == DRAE_OK; i++) {
        drae__record record = {.region = g->regions[i].region,
                               .batch = id->batch,
                               .product = id->product,
                               .run = id->run,
                               .frame = id->frame,
                               .vial = g->regions[i].vial};
        int label = 0;
        int defect = 0;
        if (labels != NULL &&
            drae__frame_labels_find(labels, name, record.vial, record.region, &label, &defect)) {
            record.label = label;
            record.defect = defect;
        }
        status = drae__import_put(&j->sink, j->patches + i * pixels, NULL, &record, err);
    }
    return status;
}

static drae_status load_labels(const char *folder, drae__frame_labels **labels, drae__err *err) {
    char path[DRAE__PATH_BYTES];
    struct stat state;
    int length = snprintf(path, sizeof path, "%s/labels.csv", folder);
    if (length < 0 || length >= (int)sizeof path || stat(path, &state) != 0) {
        return DRAE_OK;
    }
    return drae__frame_labels_load(path, labels, err);
}

static drae_status put_folder(job *j, const char *folder, const drae__frame_list *list,
                              drae__err *err) {
    drae__frame_labels *labels = NULL;
    drae_status status = load_labels(folder, &labels, err);
    for (size_t i = 0; i < list->n && status == DRAE_OK; i++) {
        status = put_frame(j, folder, list->names[i], &list->ids[i], labels, err);
        status = drae__import_next(&j->sink, status, err);
    }
    drae__frame_labels_free(labels);
    return status;
}

static drae_status make_buffers(job *j, drae__err *err) {
    const drae__recipe_geometry *g = j->geometry;
    j->frame = malloc((size_t)g->frame_width * (size_t)g->frame_height);
    j->patches = malloc(g->n_regions * (size_t)g->size * (size_t)g->size);
    j->workspace = drae__aligned_alloc(drae__frame_workspace_bytes(j->recipe));
    if (j->frame == NULL || j->patches == NULL || j->workspace == NULL) {
        return drae__fail(err, DRAE_ERROR_MEMORY, "no memory to cut frames of %d x %d",
                          g->frame_width, g->frame_height);
    }
    return DRAE_OK;
}

/* Lists all folders first, so that progress knows its end and a wrong folder shows at once. */
static drae_status list_folders(const char *const *folders, size_t n, drae__frame_list *lists,
                                const drae__import_options *options, drae__err *err) {
    size_t total = 0;
    for (size_t i = 0; i < n; i++) {
        drae_status status = drae__frames_list(folders[i], &lists[i], err);
        if (status != DRAE_OK) {
            return status;
        }
        total += lists[i].n;
    }
    if (options->progress != NULL) {
        options->progress->total = total;
    }
    return DRAE_OK;
}

drae_status drae__import_frames(const char *path, const char *const *folders, size_t n_folders,
                                const char *recipe_path, const drae__import_options *options,
                                drae__import_counts *counts, drae__err *err) {
    /* Codes of labels.csv are those of synthetic strips (model/record.h). */
    static const char *const defect_names[] = {
#define DEFECT_NAME(name, code, text) text,
        DRAE__DEFECT_TABLE(DEFECT_NAME)
#undef DEFECT_NAME
            NULL};
    drae__recipe *recipe = NULL;
    job j = {.sink = {.options = options, .counts = counts}};
    drae_status status = DRAE_OK;
    memset(counts, 0, sizeof *counts);
    drae__frame_list *lists = calloc(n_folders + 1, sizeof *lists);
    if (lists == NULL) {
        return drae__fail(err, DRAE_ERROR_MEMORY, "%s: no memory", path);
    }
    DRAE__TRY(drae__recipe_load(recipe_path, &recipe, err));
    j.recipe = recipe;
    j.geometry = drae__recipe_get(recipe);
    DRAE__TRY(list_folders(folders, n_folders, lists, options, err));
    DRAE__TRY(make_buffers(&j, err));
    const drae__dataset_format format = {
        .size = j.geometry->size,
        .columns = DRAE__IMPORT_BIT(region) | DRAE__IMPORT_BIT(label) | DRAE__IMPORT_BIT(defect) |
                   DRAE__IMPORT_BIT(batch) | DRAE__IMPORT_BIT(product) | DRAE__IMPORT_BIT(run) |
                   DRAE__IMPORT_BIT(frame) | DRAE__IMPORT_BIT(vial),
        .deflate = options->deflate,
        .title = "imported frames",
        .defect_names = defect_names};
    DRAE__TRY(drae__dataset_create(path, &format, &j.sink.writer, err));
    for (size_t i = 0; i < n_folders && status == DRAE_OK; i++) {
        status = put_folder(&j, folders[i], &lists[i], err);
    }
    status = drae__import_end(&j.sink, status, err);
done:
    for (size_t i = 0; i < n_folders; i++) {
        drae__frames_free(&lists[i]);
    }
    free(lists);
    free(j.frame);
    free(j.patches);
    free(j.workspace);
    drae__recipe_destroy(recipe);
    return status;
}
