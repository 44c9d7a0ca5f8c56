/* SPDX-License-Identifier: Apache-2.0 */
/* drae inspect: a folder of camera frames, cut into patches by a recipe. */
#include "cli/inspect_source_private.h"

#include "base/arena.h"
#include "base/size.h"
#include "line/frame.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static drae_status load_labels(drae__source *source, drae__err *err) {
    char path[DRAE__PATH_BYTES];
    drae_status status = drae__source_path(source->folder, "labels.csv", path, err);
    if (status != DRAE_OK || access(path, F_OK) != 0) {
        return status;
    }
    return drae__frame_labels_load(path, &source->labels, err);
}

drae_status drae__source_open_frames(drae__source *source, const char *recipe, drae__err *err) {
    drae_status status = DRAE_OK;
    DRAE__TRY(drae__recipe_load(recipe, &source->recipe, err));
    const drae__recipe_geometry *geometry = drae__recipe_get(source->recipe);
    if (geometry->size != source->size) {
        status =
            drae__fail(err, DRAE_ERROR_FILE, "%s: size: %d, the engine takes patches of %d x %d",
                       recipe, geometry->size, source->size, source->size);
        goto done;
    }
    DRAE__TRY(drae__frames_list(source->folder, &source->frames, err));
    DRAE__TRY(load_labels(source, err));
    source->names = source->frames.names;
    source->n_files = source->frames.n;
    source->per_frame = geometry->n_regions;
    size_t frame_bytes = (size_t)geometry->frame_width * (size_t)geometry->frame_height;
    size_t patch_bytes = (size_t)source->size * (size_t)source->size;
    size_t cut_bytes = 0;
    if (!drae__size_mul(source->frames.n, source->per_frame, &source->n) ||
        !drae__size_mul(source->per_frame, patch_bytes, &cut_bytes)) {
        status = drae__fail(err, DRAE_ERROR_FILE, "%s: too many frames", source->folder);
        goto done;
    }
    source->frame = malloc(frame_bytes);
    source->patches = malloc(cut_bytes);
    source->workspace = drae__aligned_alloc(drae__frame_workspace_bytes(source->recipe));
    if (source->frame == NULL || source->patches == NULL || source->workspace == NULL) {
        status =
            drae__fail(err, DRAE_ERROR_MEMORY, "no memory for a frame of %zu bytes", frame_bytes);
        goto done;
    }
    source->cut = SIZE_MAX;
    DRAE__TRY(drae__source_make_records(source, err));
    for (size_t i = 0; i < source->n; i++) {
        const drae__frame_id *id = &source->frames.ids[i / source->per_frame];
        const drae__frame_region *region = &geometry->regions[i % source->per_frame];
        drae__record *r = &source->own_records[i];
        r->batch = id->batch;
        r->product = id->product;
        r->run = id->run;
        r->frame = id->frame;
        r->vial = region->vial;
        r->region = region->region;
        if (source->labels != NULL) {
            int label = 0;
            int defect = 0;
            if (drae__frame_labels_find(source->labels, source->names[i / source->per_frame],
                                        r->vial, r->region, &label, &defect)) {
                r->label = label;
                r->defect = defect;
            }
        }
    }
done:
    return status;
}

drae_status drae__source_cut_frame(drae__source *source, size_t f, drae__err *err) {
    char path[DRAE__PATH_BYTES];
    const drae__recipe_geometry *geometry = drae__recipe_get(source->recipe);
    source->cut = SIZE_MAX;
    drae_status status = drae__source_path(source->folder, source->names[f], path, err);
    if (status == DRAE_OK) {
        status = drae__frame_read(path, geometry->frame_width, geometry->frame_height,
                                  source->frame, err);
    }
    source->reason = DRAE_REASON_NONE;
    if (status == DRAE_OK) {
        status = drae__frame_cut(source->recipe, source->frame, (size_t)geometry->frame_width,
                                 source->workspace, source->patches, NULL, err);
    }
    status = drae__source_judge(source, f, status, &source->reason, err);
    if (status == DRAE_OK) {
        source->cut = f;
    }
    return status;
}
