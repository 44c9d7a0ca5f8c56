/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/inspect_source_private.h"

#include "base/sha256.h"
#include "drae/line.h"
#include "model/seen.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

drae_status drae__source_make_records(drae__source *source, drae__err *err) {
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

drae_status drae__source_path(const char *folder, const char *name, char path[DRAE__PATH_BYTES],
                              drae__err *err) {
    int n = snprintf(path, DRAE__PATH_BYTES, "%s/%s", folder, name);
    if (n < 0 || n >= DRAE__PATH_BYTES) {
        return drae__fail(err, DRAE_ERROR_FILE, "%.80s/%.80s: the path is too long", folder, name);
    }
    return DRAE_OK;
}

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
        DRAE__TRY(recipe != NULL ? drae__source_open_frames(fresh, recipe, err)
                                 : drae__source_open_images(fresh, region, err));
        fresh->why_lost = calloc(fresh->n_files, sizeof *fresh->why_lost);
        if (fresh->why_lost == NULL) {
            status = drae__fail(err, DRAE_ERROR_MEMORY, "no memory for %zu files", fresh->n_files);
        }
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
    for (size_t i = 0; source->why_lost != NULL && i < source->n_files; i++) {
        free(source->why_lost[i]);
    }
    free(source->why_lost);
    if (source->recipe == NULL) {
        for (size_t i = 0; i < source->n_files; i++) {
            free(source->names[i]);
        }
        free(source->names);
    }
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
    size_t per_file = source->recipe != NULL ? source->per_frame : 1;
    if (source->why_lost == NULL || index % per_file != 0) {
        return NULL;
    }
    return source->why_lost[index / per_file];
}

bool drae__source_skip_bad(drae__source *source) {
    source->skip_bad = source->folder != NULL;
    return source->skip_bad;
}

drae_status drae__source_judge(drae__source *source, size_t f, drae_status status,
                               drae_reason *reason, const drae__err *err) {
    if (status == DRAE_ERROR_NO_PART) {
        *reason = DRAE_REASON_NOT_FOUND;
    } else if (status == DRAE_ERROR_FILE && source->skip_bad) {
        *reason = DRAE_REASON_IMAGE;
    } else {
        return status;
    }
    if (source->why_lost[f] == NULL) {
        source->why_lost[f] = strdup(err->text); /* without memory there is no text */
    }
    return DRAE_OK;
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
        drae_reason reason = DRAE_REASON_NONE;
        if (source->recipe == NULL) {
            status = drae__source_read_image(source, indices[i], dst + i * patch_bytes, err);
            status = drae__source_judge(source, indices[i], status, &reason, err);
            reasons[i] = (uint8_t)reason;
            continue;
        }
        size_t f = indices[i] / source->per_frame;
        if (f != source->cut) {
            status = drae__source_cut_frame(source, f, err);
        }
        reason = source->reason;
        if (status == DRAE_OK && reason == DRAE_REASON_NONE) {
            memcpy(dst + i * patch_bytes,
                   source->patches + indices[i] % source->per_frame * patch_bytes, patch_bytes);
        } else {
            reasons[i] = (uint8_t)reason;
        }
    }
    return status;
}

drae_status drae__source_read_mask(drae__source *source, size_t index, uint8_t *dst,
                                   drae__err *err) {
    return drae__dataset_read_masks(source->dataset, &index, 1, dst, err);
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
