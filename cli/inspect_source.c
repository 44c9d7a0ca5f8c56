/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/inspect_source.h"

#include "base/arena.h"
#include "base/file.h"
#include "base/sha256.h"
#include "base/size.h"
#include "drae/line.h"
#include "io/dataset.h"
#include "io/frames.h"
#include "io/image.h"
#include "io/recipe.h"
#include "line/frame.h"
#include "model/seen.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

struct drae__source {
    size_t n;
    int size;
    const drae__record *records;
    drae__record *own_records; /* of folders */
    drae__dataset *dataset;
    const char *folder; /* of images or frames */
    char **names;       /* [n_files] images in the folder */
    size_t n_files;

    drae__recipe *recipe; /* frames */
    drae__frame_list frames;
    drae__frame_labels *labels;
    size_t per_frame;
    uint8_t *frame;   /* [height,width] */
    uint8_t *patches; /* [per_frame,size,size] of the frame that was cut last */
    void *workspace;
    size_t cut; /* that frame, SIZE_MAX before the first */
    bool found; /* whether its part was */
    char **
        why_lost; /* [frames] why the part was not found, NULL where it was or was not looked for */
};

/* ---- a folder of patch images ---- */

static bool is_image_name(const char *name) {
    static const char *const endings[] = {".png", ".tif", ".tiff", ".jpg", ".jpeg"};
    size_t length = strlen(name);
    for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++) {
        size_t n = strlen(endings[i]);
        if (length > n && name[0] != '.' && strcasecmp(name + length - n, endings[i]) == 0) {
            return true;
        }
    }
    return false;
}

static int compare_names(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static drae_status list_images(drae__source *source, drae__err *err) {
    DIR *folder = opendir(source->folder);
    if (folder == NULL) {
        return drae__fail(err, DRAE_ERROR_FILE, "%s: cannot open the folder: %s", source->folder,
                          strerror(errno));
    }
    drae_status status = DRAE_OK;
    size_t capacity = 0;
    for (const struct dirent *entry; status == DRAE_OK && (entry = readdir(folder)) != NULL;) {
        if (!is_image_name(entry->d_name)) {
            continue;
        }
        if (source->n_files == capacity) {
            capacity = capacity * 2 + 64;
            char **grown = realloc(source->names, capacity * sizeof *grown);
            if (grown == NULL) {
                status = drae__fail(err, DRAE_ERROR_MEMORY, "no memory for file names");
                break;
            }
            source->names = grown;
        }
        source->names[source->n_files] = strdup(entry->d_name);
        if (source->names[source->n_files] == NULL) {
            status = drae__fail(err, DRAE_ERROR_MEMORY, "no memory for file names");
        } else {
            source->n_files++;
        }
    }
    (void)closedir(folder);
    if (status == DRAE_OK && source->n_files == 0) {
        status = drae__fail(err, DRAE_ERROR_FILE,
                            "%s: no .png, .tif or .jpg image in this folder; `drae import` reads "
                            "nested folders",
                            source->folder);
    }
    if (status == DRAE_OK) {
        qsort(source->names, source->n_files, sizeof *source->names, compare_names);
    }
    return status;
}

static drae_status make_records(drae__source *source, drae__err *err) {
    source->own_records = calloc(source->n, sizeof *source->own_records);
    if (source->own_records == NULL) {
        return drae__fail(err, DRAE_ERROR_MEMORY, "no memory for %zu patches", source->n);
    }
    source->records = source->own_records;
    for (size_t i = 0; i < source->n; i++) {
        drae__record *r = &source->own_records[i];
#define UNRECORDED(name, type) r->name = DRAE__UNRECORDED;
        DRAE__RECORD_COLUMNS(UNRECORDED)
#undef UNRECORDED
        r->label = 0;
        r->defect = 0;
    }
    return DRAE_OK;
}

static drae_status open_images(drae__source *source, int region, drae__err *err) {
    drae_status status = DRAE_OK;
    DRAE__TRY(list_images(source, err));
    source->n = source->n_files;
    DRAE__TRY(make_records(source, err));
    for (size_t i = 0; i < source->n; i++) {
        source->own_records[i].region = region;
    }
done:
    return status;
}

static drae_status path_in(const char *folder, const char *name, char path[DRAE__PATH_BYTES],
                           drae__err *err) {
    int n = snprintf(path, DRAE__PATH_BYTES, "%s/%s", folder, name);
    if (n < 0 || n >= DRAE__PATH_BYTES) {
        return drae__fail(err, DRAE_ERROR_FILE, "%.80s/%.80s: the path is too long", folder, name);
    }
    return DRAE_OK;
}

/* 16 bits become 8 as in import: round(v * 255 / 65535). */
static drae_status read_image(const drae__source *source, size_t i, uint8_t *dst, drae__err *err) {
    char path[DRAE__PATH_BYTES];
    drae__gray image = {0};
    drae_status status = DRAE_OK;
    DRAE__TRY(path_in(source->folder, source->names[i], path, err));
    DRAE__TRY(drae__gray_read(path, &image, err));
    if (image.width != source->size || image.height != source->size) {
        status = drae__fail(err, DRAE_ERROR_FILE,
                            "%s: %d x %d pixels, the engine takes patches of %d x %d; `drae "
                            "import` resizes or tiles",
                            path, image.width, image.height, source->size, source->size);
        goto done;
    }
    size_t n = (size_t)image.width * (size_t)image.height;
    for (size_t k = 0; k < n; k++) {
        unsigned v = image.pixels[k];
        dst[k] = (uint8_t)(image.bits == 8 ? v : (v * 255u + 32767u) / 65535u);
    }
done:
    drae__gray_free(&image);
    return status;
}

/* ---- a folder of frames ---- */

static drae_status load_labels(drae__source *source, drae__err *err) {
    char path[DRAE__PATH_BYTES];
    drae_status status = path_in(source->folder, "labels.csv", path, err);
    if (status != DRAE_OK || access(path, F_OK) != 0) {
        return status;
    }
    return drae__frame_labels_load(path, &source->labels, err);
}

static drae_status open_frames(drae__source *source, const char *recipe, drae__err *err) {
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
    source->per_frame = geometry->n_regions;
    size_t frame_bytes = (size_t)geometry->frame_width * (size_t)geometry->frame_height;
    size_t patch_bytes = (size_t)source->size * (size_t)source->size;
    size_t cut_bytes = 0;
    if (!drae__size_mul(source->frames.n, source->per_frame, &source->n) ||
        !drae__size_mul(source->per_frame, patch_bytes, &cut_bytes)) {
        status = drae__fail(err, DRAE_ERROR_FILE, "%s: too many frames", source->folder);
        goto done;
    }
    source->why_lost = calloc(source->frames.n, sizeof *source->why_lost);
    source->frame = malloc(frame_bytes);
    source->patches = malloc(cut_bytes);
    source->workspace = drae__aligned_alloc(drae__frame_workspace_bytes(source->recipe));
    if (source->why_lost == NULL || source->frame == NULL || source->patches == NULL ||
        source->workspace == NULL) {
        status =
            drae__fail(err, DRAE_ERROR_MEMORY, "no memory for a frame of %zu bytes", frame_bytes);
        goto done;
    }
    source->cut = SIZE_MAX;
    DRAE__TRY(make_records(source, err));
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

static drae_status cut_frame(drae__source *source, size_t f, drae__err *err) {
    char path[DRAE__PATH_BYTES];
    const drae__recipe_geometry *geometry = drae__recipe_get(source->recipe);
    source->cut = SIZE_MAX;
    drae_status status = path_in(source->folder, source->names[f], path, err);
    if (status == DRAE_OK) {
        status = drae__frame_read(path, geometry->frame_width, geometry->frame_height,
                                  source->frame, err);
    }
    if (status == DRAE_OK) {
        status = drae__frame_cut(source->recipe, source->frame, (size_t)geometry->frame_width,
                                 source->workspace, source->patches, NULL, err);
        source->found = status == DRAE_OK;
        if (status == DRAE_ERROR_NO_PART) {
            /* Once: whoever got a batch may be reading it. Without memory there is no text. */
            if (source->why_lost[f] == NULL) {
                source->why_lost[f] = strdup(err->text);
            }
            status = DRAE_OK;
        }
    }
    if (status == DRAE_OK) {
        source->cut = f;
    }
    return status;
}

/* ---- the one view ---- */

drae_status drae__source_open(const char *const *paths, size_t n_paths, const char *recipe,
                              int size, int region, drae__source **source, drae__err *err) {
    drae_status status = DRAE_OK;
    drae__source *fresh = calloc(1, sizeof *fresh);
    if (fresh == NULL) {
        return drae__fail(err, DRAE_ERROR_MEMORY, "no memory for a data source");
    }
    fresh->size = size;
    struct stat info;
    bool exists = stat(paths[0], &info) == 0;
    if (!exists) {
        status = drae__fail(err, DRAE_ERROR_FILE, "%s: cannot open: %s", paths[0], strerror(errno));
    } else if (n_paths == 1 && S_ISDIR(info.st_mode)) {
        fresh->folder = paths[0];
        DRAE__TRY(recipe != NULL ? open_frames(fresh, recipe, err)
                                 : open_images(fresh, region, err));
    } else if (recipe != NULL) {
        status = drae__fail(err, DRAE_ERROR_ARGUMENT,
                            "--recipe cuts camera frames: --data must then be one folder of them");
    } else {
        DRAE__TRY(drae__dataset_open(paths, n_paths, size, &fresh->dataset, err));
        fresh->n = drae__dataset_count(fresh->dataset);
        fresh->records = drae__dataset_records(fresh->dataset);
    }
done:
    if (status != DRAE_OK) {
        drae__source_close(fresh);
        return status;
    }
    *source = fresh;
    return DRAE_OK;
}

void drae__source_close(drae__source *source) {
    if (source == NULL) {
        return;
    }
    if (source->recipe == NULL) {
        for (size_t i = 0; i < source->n_files; i++) {
            free(source->names[i]);
        }
        free(source->names);
    }
    for (size_t i = 0; source->why_lost != NULL && i < source->frames.n; i++) {
        free(source->why_lost[i]);
    }
    free(source->why_lost);
    drae__frames_free(&source->frames);
    drae__frame_labels_free(source->labels);
    drae__recipe_destroy(source->recipe);
    drae__dataset_close(source->dataset);
    free(source->own_records);
    free(source->workspace);
    free(source->patches);
    free(source->frame);
    free(source);
}

size_t drae__source_count(const drae__source *source) {
    return source->n;
}

const drae__record *drae__source_records(const drae__source *source) {
    return source->records;
}

bool drae__source_has(const drae__source *source, const char *column) {
    if (source->dataset != NULL) {
        return drae__dataset_has(source->dataset, column);
    }
    static const char *const of_frames[] = {"batch", "product", "run", "frame", "vial"};
    for (size_t i = 0; source->recipe != NULL && i < sizeof of_frames / sizeof of_frames[0]; i++) {
        if (strcmp(column, of_frames[i]) == 0) {
            return true;
        }
    }
    return source->labels != NULL &&
           (strcmp(column, "label") == 0 || strcmp(column, "defect") == 0);
}

const char *drae__source_defect_name(const drae__source *source, int defect) {
    if (source->dataset != NULL) {
        return drae__dataset_defect_name(source->dataset, defect);
    }
    switch (defect) {
#define DEFECT_NAME(name, code, text)                                                              \
    case code:                                                                                     \
        return text;
        DRAE__DEFECT_TABLE(DEFECT_NAME)
#undef DEFECT_NAME
    default:
        return "";
    }
}

const char *drae__source_file(const drae__source *source, size_t index) {
    if (source->names == NULL) {
        return NULL;
    }
    return source->names[source->recipe != NULL ? index / source->per_frame : index];
}

const char *drae__source_why_lost(const drae__source *source, size_t index) {
    if (source->recipe == NULL || index % source->per_frame != 0) {
        return NULL;
    }
    return source->why_lost[index / source->per_frame];
}

drae_status drae__source_read(drae__source *source, const size_t *indices, size_t n, uint8_t *dst,
                              uint8_t *reasons, drae__err *err) {
    memset(reasons, DRAE_REASON_NONE, n);
    if (source->dataset != NULL) {
        return drae__dataset_read(source->dataset, indices, n, dst, err);
    }
    drae_status status = DRAE_OK;
    size_t patch_bytes = (size_t)source->size * (size_t)source->size;
    for (size_t i = 0; i < n && status == DRAE_OK; i++) {
        if (source->recipe == NULL) {
            status = read_image(source, indices[i], dst + i * patch_bytes, err);
            continue;
        }
        size_t f = indices[i] / source->per_frame;
        if (f != source->cut) {
            status = cut_frame(source, f, err);
        }
        if (status == DRAE_OK && source->found) {
            memcpy(dst + i * patch_bytes,
                   source->patches + indices[i] % source->per_frame * patch_bytes, patch_bytes);
        } else {
            reasons[i] = DRAE_REASON_NOT_FOUND;
        }
    }
    return status;
}

drae_status drae__source_hash(drae__source *source, char hex[65], drae__err *err) {
    static const char title[] = "drae patches 1\n";
    drae_status status = DRAE_OK;
    uint8_t digest[32];
    size_t pixels = (size_t)source->size * (size_t)source->size;
    uint8_t *patch = malloc(pixels);
    drae__sha256 hash;
    if (patch == NULL) {
        return drae__fail(err, DRAE_ERROR_MEMORY, "no memory to hash a data set");
    }
    if (source->dataset != NULL) {
        DRAE__TRY(drae__dataset_hash(source->dataset, digest, err));
    } else {
        drae__sha256_init(&hash);
        drae__sha256_update(&hash, title, sizeof title - 1);
        for (size_t i = 0; i < source->n; i++) {
            uint8_t reason = DRAE_REASON_NONE;
            DRAE__TRY(drae__source_read(source, &i, 1, patch, &reason, err));
            uint64_t print = reason == DRAE_REASON_NONE ? drae__patch_print(patch, pixels) : 0;
            for (int b = 0; b < 8; b++) {
                uint8_t byte = (uint8_t)(print >> (56 - 8 * b));
                drae__sha256_update(&hash, &byte, 1);
            }
        }
        drae__sha256_final(&hash, digest);
    }
    drae__sha256_hex(digest, hex);
done:
    free(patch);
    return status;
}
