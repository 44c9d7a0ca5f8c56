/* SPDX-License-Identifier: Apache-2.0 */
#include "io/pictures.h"

#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#define DEPTH_MAX 32

static drae_status no_memory(const char *path, drae__err *err) {
    return drae__fail(err, DRAE_ERROR_MEMORY, "%s: no memory for the list of images", path);
}

static drae_status join(char dst[DRAE__PATH_BYTES], const char *folder, const char *name,
                        drae__err *err) {
    size_t n = strlen(folder);
    const char *slash = n > 0 && folder[n - 1] == '/' ? "" : "/";
    int length = snprintf(dst, DRAE__PATH_BYTES, "%s%s%s", folder, slash, name);
    if (length < 0 || length >= DRAE__PATH_BYTES) {
        return drae__fail(err, DRAE_ERROR_FILE, "%.80s...: the path is too long", folder);
    }
    return DRAE_OK;
}

static bool is_folder(const char *path) {
    struct stat state;
    return stat(path, &state) == 0 && S_ISDIR(state.st_mode);
}

static bool is_there(const char *path) {
    struct stat state;
    return stat(path, &state) == 0;
}

static bool is_picture_name(const char *name) {
    static const char *const endings[] = {".png", ".tif", ".tiff", ".jpg", ".jpeg"};
    const char *dot = strrchr(name, '.');
    for (size_t i = 0; dot != NULL && i < sizeof endings / sizeof *endings; i++) {
        if (strcasecmp(dot, endings[i]) == 0) {
            return true;
        }
    }
    return false;
}

/* ---- names of a folder ---- */

typedef struct names {
    char **items;
    size_t n;
} names;

static void names_free(names *list) {
    for (size_t i = 0; i < list->n; i++) {
        free(list->items[i]);
    }
    free(list->items);
    memset(list, 0, sizeof *list);
}

static int by_bytes(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* All names but hidden ones, sorted. */
static drae_status list_folder(const char *path, names *list, drae__err *err) {
    drae_status status = DRAE_OK;
    size_t capacity = 0;
    memset(list, 0, sizeof *list);
    DIR *dir = opendir(path);
    if (dir == NULL) {
        return drae__fail(err, DRAE_ERROR_FILE, "%s: cannot list: %s", path, strerror(errno));
    }
    for (struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
        if (entry->d_name[0] == '.') {
            continue;
        }
        if (list->n == capacity) {
            capacity = capacity == 0 ? 64 : 2 * capacity;
            char **grown = realloc(list->items, capacity * sizeof *grown);
            if (grown == NULL) {
                status = no_memory(path, err);
                goto done;
            }
            list->items = grown;
        }
        list->items[list->n] = strdup(entry->d_name);
        if (list->items[list->n] == NULL) {
            status = no_memory(path, err);
            goto done;
        }
        list->n++;
    }
    if (list->n > 0) {
        qsort(list->items, list->n, sizeof *list->items, by_bytes);
    }
done:
    (void)closedir(dir);
    if (status != DRAE_OK) {
        names_free(list);
    }
    return status;
}

/* ---- the list ---- */

void drae__pictures_free(drae__pictures *list) {
    for (size_t i = 0; i < list->n; i++) {
        free(list->items[i].path);
        free(list->items[i].mask_path);
    }
    for (int i = 0; i < list->n_classes; i++) {
        free(list->classes[i]);
    }
    free(list->items);
    memset(list, 0, sizeof *list);
}

static drae_status class_code(drae__pictures *list, const char *name, int *code, drae__err *err) {
    for (int i = 0; i < list->n_classes; i++) {
        if (strcmp(list->classes[i], name) == 0) {
            *code = i;
            return DRAE_OK;
        }
    }
    if (list->n_classes > DRAE__CLASSES_MAX) {
        return drae__fail(err, DRAE_ERROR_FILE, "%s: more than %d classes of defects", name,
                          DRAE__CLASSES_MAX);
    }
    char *copy = strdup(name);
    if (copy == NULL) {
        return no_memory(name, err);
    }
    *code = list->n_classes;
    list->classes[list->n_classes++] = copy;
    return DRAE_OK;
}

static drae_status add(drae__pictures *list, const char *path, const char *mask_path, int label,
                       int defect, drae__err *err) {
    if (list->n == list->capacity) {
        size_t capacity = list->capacity == 0 ? 256 : 2 * list->capacity;
        drae__picture *grown = realloc(list->items, capacity * sizeof *grown);
        if (grown == NULL) {
            return no_memory(path, err);
        }
        list->items = grown;
        list->capacity = capacity;
    }
    drae__picture picture = {.path = strdup(path), .label = label, .defect = defect};
    picture.mask_path = mask_path != NULL ? strdup(mask_path) : NULL;
    if (picture.path == NULL || (mask_path != NULL && picture.mask_path == NULL)) {
        free(picture.path);
        free(picture.mask_path);
        return no_memory(path, err);
    }
    list->masks = list->masks || mask_path != NULL;
    list->items[list->n++] = picture;
    return DRAE_OK;
}

static drae_status begin(drae__pictures *list, drae__err *err) {
    int none;
    return class_code(list, "none", &none, err);
}

/* ---- MVTec ---- */

/* ".../ground_truth/<class>/NAME_mask.png" for ".../test/<class>/NAME.ext". */
static drae_status mask_path_of(const char *truth, const char *name, char dst[DRAE__PATH_BYTES],
                                drae__err *err) {
    char file[DRAE__PATH_BYTES];
    const char *dot = strrchr(name, '.');
    int n = snprintf(file, sizeof file, "%.*s_mask.png", (int)(dot - name), name);
    if (n < 0 || n >= (int)sizeof file) {
        return drae__fail(err, DRAE_ERROR_FILE, "%.80s...: the name is too long", name);
    }
    return join(dst, truth, file, err);
}

/* The pictures of one folder; truth is the folder of their masks or NULL. */
static drae_status add_class(drae__pictures *list, const char *folder, const char *truth,
                             const char *class, drae__err *err) {
    char path[DRAE__PATH_BYTES];
    char mask[DRAE__PATH_BYTES];
    names files = {NULL, 0};
    int defect = 0;
    bool good = strcmp(class, "good") == 0;
    drae_status status = DRAE_OK;
    if (!good) {
        DRAE__TRY(class_code(list, class, &defect, err));
    }
    DRAE__TRY(list_folder(folder, &files, err));
    for (size_t i = 0; i < files.n; i++) {
        if (!is_picture_name(files.items[i])) {
            continue;
        }
        DRAE__TRY(join(path, folder, files.items[i], err));
        bool wants_mask = !good && truth != NULL;
        if (wants_mask) {
            DRAE__TRY(mask_path_of(truth, files.items[i], mask, err));
            if (!is_there(mask)) {
                status =
                    drae__fail(err, DRAE_ERROR_FILE, "%s: its mask is missing: %s", path, mask);
                goto done;
            }
        }
        DRAE__TRY(add(list, path, wants_mask ? mask : NULL, !good, defect, err));
    }
done:
    names_free(&files);
    return status;
}

static drae_status add_test(drae__pictures *list, const char *category, drae__err *err) {
    char test[DRAE__PATH_BYTES];
    char truth[DRAE__PATH_BYTES];
    char folder[DRAE__PATH_BYTES];
    char class_truth[DRAE__PATH_BYTES];
    names classes = {NULL, 0};
    drae_status status = DRAE_OK;
    DRAE__TRY(join(test, category, "test", err));
    DRAE__TRY(join(truth, category, "ground_truth", err));
    bool has_truth = is_folder(truth);
    DRAE__TRY(list_folder(test, &classes, err));
    for (size_t i = 0; i < classes.n; i++) {
        DRAE__TRY(join(folder, test, classes.items[i], err));
        if (!is_folder(folder)) {
            continue;
        }
        DRAE__TRY(join(class_truth, truth, classes.items[i], err));
        DRAE__TRY(add_class(list, folder, has_truth ? class_truth : NULL, classes.items[i], err));
    }
done:
    names_free(&classes);
    return status;
}

drae_status drae__pictures_add_mvtec(drae__pictures *list, const char *category, drae__split split,
                                     drae__err *err) {
    char folder[DRAE__PATH_BYTES];
    size_t before = list->n;
    drae_status status = DRAE_OK;
    DRAE__TRY(begin(list, err));
    DRAE__TRY(join(folder, category, "train/good", err));
    if (!is_folder(folder) && ((split & DRAE__SPLIT_TRAIN) != 0)) {
        status = drae__fail(err, DRAE_ERROR_FILE,
                            "%s: no folder train/good in it; name one category, such as bottle",
                            category);
        goto done;
    }
    if ((split & DRAE__SPLIT_TRAIN) != 0) {
        DRAE__TRY(add_class(list, folder, NULL, "good", err));
    }
    if ((split & DRAE__SPLIT_TEST) != 0) {
        DRAE__TRY(add_test(list, category, err));
    }
    if (list->n == before) {
        status = drae__fail(err, DRAE_ERROR_FILE, "%s: holds no images", category);
    }
done:
    return status;
}

/* ---- folders ---- */

static drae_status add_tree(drae__pictures *list, const char *folder, bool recursive, int label,
                            int defect, int depth, drae__err *err) {
    char path[DRAE__PATH_BYTES];
    names files = {NULL, 0};
    drae_status status = DRAE_OK;
    if (depth > DEPTH_MAX) {
        return drae__fail(err, DRAE_ERROR_FILE, "%.80s...: folders nested deeper than %d", folder,
                          DEPTH_MAX);
    }
    DRAE__TRY(list_folder(folder, &files, err));
    for (size_t i = 0; i < files.n; i++) {
        DRAE__TRY(join(path, folder, files.items[i], err));
        if (is_folder(path)) {
            if (recursive) {
                DRAE__TRY(add_tree(list, path, recursive, label, defect, depth + 1, err));
            }
        } else if (is_picture_name(files.items[i])) {
            DRAE__TRY(add(list, path, NULL, label, defect, err));
        }
    }
done:
    names_free(&files);
    return status;
}

drae_status drae__pictures_add_folder(drae__pictures *list, const char *path, bool recursive,
                                      bool defective, drae__err *err) {
    size_t before = list->n;
    int defect = 0;
    drae_status status = DRAE_OK;
    DRAE__TRY(begin(list, err));
    if (defective) {
        DRAE__TRY(class_code(list, "defective", &defect, err));
    }
    if (!is_folder(path)) {
        status = add(list, path, NULL, defective, defect, err);
        goto done;
    }
    DRAE__TRY(add_tree(list, path, recursive, defective, defect, 0, err));
    if (list->n == before) {
        status = drae__fail(err, DRAE_ERROR_FILE, "%s: holds no images (.png .tif .tiff .jpg)%s",
                            path, recursive ? "" : "; --recursive looks into its folders");
    }
done:
    return status;
}
